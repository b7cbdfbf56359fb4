import type { Log } from '../../kit/log.ts';
import type { AuditReader } from './log.ts';

/** More than one instance writes between two heads. Beyond it what is new is not watched. */
const WATCHED_MAX = 100_000;
const PAGE = 5_000;
/** Entries bear the instant at which their transaction began, and no transaction takes as long. */
const SLACK_MS = 60_000;

/**
 * What this process has written and no head outside the database vouches for yet. Whoever can write the database can take an entry from its
 * end, the chain included, and leave a log that is whole; what a process remembers they cannot change.
 */
export class AuditWitness {
  readonly #logger: Log;
  readonly #now: () => number;
  /** When each was committed, by id, in that order. */
  readonly #watched = new Map<string, number>();
  /** Entries that were committed and are not there any more. */
  missing = 0;
  /** Entries that came when too many were watched already. */
  unwatched = 0;

  constructor(parts: { clock: { monotonicMs(): number }; logger: Log }) {
    this.#logger = parts.logger;
    this.#now = () => parts.clock.monotonicMs();
  }

  get watched(): number {
    return this.#watched.size;
  }

  /** These are committed. */
  committed(ids: readonly string[]): void {
    for (const id of ids) {
      if (this.#watched.size < WATCHED_MAX) this.#watched.set(id, this.#now());
      else this.unwatched += 1;
    }
  }

  /**
   * Looks for all of them. Those up to `lastSeq` in the chain need no witness any more: a head that has left the database is one.
   * What is not there is told, once.
   */
  async check(audit: Pick<AuditReader, 'present'>, lastSeq: number): Promise<void> {
    const all = [...this.#watched];
    for (let from = 0; from < all.length; from += PAGE) {
      const page = all.slice(from, from + PAGE);
      const [[, sinceMs] = ['', 0]] = page;
      const ids = page.map(([id]) => id);
      const present = new Map(await audit.present(ids, (this.#now() - sinceMs + SLACK_MS) / 1_000));
      const missing = ids.filter((id) => !present.has(id));
      for (const id of ids) {
        const seq = present.get(id) ?? null;
        if (!present.has(id) || (seq !== null && seq <= lastSeq)) this.#watched.delete(id);
      }
      if (missing.length > 0) this.tell({ entries: missing.length, first: `audit_${missing[0]}` }, missing.length);
    }
  }

  tell(facts: object, count: number): void {
    this.missing += count;
    this.#logger.error(
      facts,
      'the audit log has lost what was committed: somebody took it away, or an older database was put back',
    );
  }
}

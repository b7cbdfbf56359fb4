import type { Clock } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { Rounds } from '../../kit/rounds.ts';
import type { Circumstances } from '../../kit/undertaking.ts';
import { Refusal, type RefusalCode } from '../refusals.ts';
import type { Store } from '../store.ts';
import type { AuditActor, AuditEntry } from './entry.ts';
import { subjectTypeOf } from './subjects.ts';

/** What says that somebody was kept from something. All else is a mistake in what was asked, or a fault. */
const DENYING: ReadonlySet<RefusalCode> = new Set(['FORBIDDEN', 'NOT_FOUND', 'MFA_REQUIRED']);

const WINDOW_MS = 60_000;
const FLUSH_MS = 5_000;
/** Told apart within a window, over everybody. */
const TOLD_APART_MAX = 5_000;

export interface Denial {
  readonly actor: AuditActor;
  readonly circumstances: Circumstances | null;
  /** As the entry of what was asked for would have it. */
  readonly action: string;
  readonly subjectId: string | null;
  readonly code: RefusalCode;
}

interface Window {
  readonly denial: Denial;
  readonly sinceMs: number;
  repeated: number;
}

/** Whether a refusal with this code keeps somebody from something. */
export function isDenying(code: RefusalCode): boolean {
  return DENYING.has(code);
}

/** The code, if this keeps somebody from something. */
export function denyingCode(error: unknown): RefusalCode | null {
  return error instanceof Refusal && isDenying(error.code) ? error.code : null;
}

/**
 * What somebody asked for and was denied. The first of a kind is written at once, in a transaction of its own; what one principal
 * is denied again within a minute, for the same reason, is counted and written as one entry: whoever is refused as often as they
 * like must not make the database write as often. A kill loses what was counted and not written, a minute of repetitions at most.
 */
export class Denials {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #logger: Log;
  readonly #windows = new Map<string, Window>();
  readonly rounds: Rounds;
  /** Not told apart any more: one entry says how many. */
  #uncounted = 0;
  /** Denials for which no entry of their own was written, since this instance started. */
  folded = 0;

  constructor(parts: { store: Store; clock: Clock; logger: Log }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
    const failed = 'denials were not written';
    this.rounds = new Rounds({ everyMs: FLUSH_MS, work: () => this.#flush(), failed, writesRest: true, ...parts });
  }

  /** Notes it, and resolves when it is written, counted, or could not be written. Whoever was denied is denied all the same. */
  async note(denial: Denial): Promise<void> {
    const { actor, action, subjectId, code } = denial;
    const key = JSON.stringify([actor.id, actor.apiKeyId, action, subjectTypeOf(action, subjectId), code]);
    const window = this.#windows.get(key);
    if (window !== undefined) {
      window.repeated += 1;
      this.folded += 1;
      return;
    }
    if (this.#windows.size >= TOLD_APART_MAX) {
      this.#uncounted += 1;
      this.folded += 1;
      return;
    }
    const opened: Window = { denial, sinceMs: this.#clock.monotonicMs(), repeated: 0 };
    this.#windows.set(key, opened);
    try {
      await this.#write([entryOf(denial)]);
    } catch (error) {
      // Counted with those that follow.
      opened.repeated += 1;
      this.#logger.warn({ err: error }, 'a denial was not written yet');
    }
  }

  /** Writes what windows have counted that are over: at last all are. */
  async #flush(): Promise<void> {
    const beforeMs = this.rounds.stopped ? Infinity : this.#clock.monotonicMs() - WINDOW_MS;
    const entries: AuditEntry[] = [];
    for (const [key, { denial, sinceMs, repeated }] of this.#windows) {
      if (sinceMs > beforeMs) continue;
      this.#windows.delete(key);
      // Of several subjects: none is named.
      if (repeated > 0) entries.push({ ...entryOf({ ...denial, subjectId: null }), after: { times: repeated } });
    }
    const uncounted = this.#uncounted;
    if (uncounted > 0) {
      this.#uncounted = 0;
      entries.push({
        by: 'system',
        sessionId: null,
        action: 'audit.fold',
        subjectId: null,
        after: { times: uncounted },
      });
    }
    if (entries.length === 0) return;
    await this.#write(entries).catch((error: unknown) => {
      this.#uncounted += entries.reduce((sum, { after }) => sum + (after?.times ?? 0), 0);
      throw error;
    });
  }

  async #write(entries: readonly AuditEntry[]): Promise<void> {
    await this.#store.transaction((tx) => tx.audit.appendAll(entries));
  }
}

function entryOf({ actor, circumstances, action, subjectId, code }: Denial): AuditEntry {
  return { by: actor.id, sessionId: actor.sessionId, action, subjectId, code, as: { actor, circumstances } };
}

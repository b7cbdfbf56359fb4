import type { Clock } from '../../kit/clock.ts';
import { Folding } from '../../kit/folding.ts';
import type { Log } from '../../kit/log.ts';
import { Rounds } from '../../kit/rounds.ts';
import type { Circumstances } from '../../kit/undertaking.ts';
import { Refusal, type RefusalCode } from '../refusals.ts';
import type { Store } from '../store.ts';
import type { AuditActor, AuditEntry } from './entry.ts';
import { subjectTypeOf } from './subjects.ts';

/** What says that somebody was kept from something. All else is a mistake in what was asked, or a fault. */
const DENYING: ReadonlySet<string> = new Set<RefusalCode>(['FORBIDDEN', 'NOT_FOUND', 'MFA_REQUIRED']);

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

/** Whether a refusal with this code keeps somebody from something. */
export function isDenying(code: string): boolean {
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
  readonly #logger: Log;
  readonly #folding: Folding<Denial>;
  readonly rounds: Rounds;

  constructor(parts: { store: Store; clock: Clock; logger: Log }) {
    this.#store = parts.store;
    this.#logger = parts.logger;
    this.#folding = new Folding({ whileMs: WINDOW_MS, kindsMax: TOLD_APART_MAX, ...parts });
    const failed = 'denials were not written';
    this.rounds = new Rounds({ everyMs: FLUSH_MS, work: () => this.#flush(), failed, writesRest: true, ...parts });
  }

  /** Denials for which no entry of their own was written, since this instance started. */
  get folded(): number {
    return this.#folding.folded;
  }

  /** Notes it, and resolves when it is written, counted, or could not be written. Whoever was denied is denied all the same. */
  async note(denial: Denial): Promise<void> {
    const { actor, action, subjectId, code } = denial;
    const kind = JSON.stringify([actor.id, actor.apiKeyId, action, subjectTypeOf(action, subjectId), code]);
    const first = this.#folding.first(kind, denial);
    if (first === null) return;
    try {
      await this.#write([entryOf(denial)]);
    } catch (error) {
      // Counted with those that follow.
      first.repeated += 1;
      this.#logger.warn({ err: error }, 'a denial was not written yet');
    }
  }

  /** Writes what was counted in whiles that are over: at last all are. */
  async #flush(): Promise<void> {
    // Of several subjects: none is named.
    const entries: AuditEntry[] = this.#folding
      .over(this.rounds.stopped)
      .filter(({ repeated }) => repeated > 0)
      .map(({ what, repeated }) => ({ ...entryOf({ ...what, subjectId: null }), after: { times: repeated } }));
    const times = this.#folding.takeBeyond();
    if (times > 0) {
      entries.push({ by: 'system', sessionId: null, action: 'audit.fold', subjectId: null, after: { times } });
    }
    if (entries.length === 0) return;
    await this.#write(entries).catch((error: unknown) => {
      this.#folding.putBack(entries.reduce((sum, { after }) => sum + (after?.times ?? 0), 0));
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

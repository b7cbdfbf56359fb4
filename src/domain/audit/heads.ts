import type { Clock } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { Rounds } from '../../kit/rounds.ts';
import type { Store } from '../store.ts';
import type { AuditHead } from './log.ts';

/** How often heads leave the database: what was cut off its end within that time is not missed. */
const EVERY_MS = 60_000;

/** Where heads are kept besides the log of the program. */
export interface HeadsFile {
  append(head: AuditHead): Promise<void>;
}

/**
 * Signed heads outside the database. Whoever can write the database can take entries from the end of the chain and leave a
 * shorter one that is whole: only what somebody else remembers of it tells.
 */
export class AuditHeads {
  readonly #store: Store;
  readonly #file: HeadsFile | null;
  readonly #logger: Log;
  readonly rounds: Rounds;
  #told = 0;

  constructor(parts: { store: Store; file: HeadsFile | null; clock: Clock; logger: Log }) {
    this.#store = parts.store;
    this.#file = parts.file;
    this.#logger = parts.logger;
    const failed = 'the head of the audit log was not exported';
    this.rounds = new Rounds({ everyMs: EVERY_MS, work: () => this.tell(), failed, writesRest: true, ...parts });
  }

  /** Tells of the head, unless this instance has. */
  async tell(): Promise<void> {
    const head = await this.#store.audit.head();
    if (head === null || head.number <= this.#told) return;
    await this.#file?.append(head);
    this.#logger.info({ auditHead: head }, 'the head of the audit log');
    this.#told = head.number;
  }
}

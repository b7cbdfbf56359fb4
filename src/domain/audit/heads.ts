import type { Clock, Timer } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
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
  readonly #clock: Clock;
  readonly #logger: Log;
  #timer: Timer | null = null;
  #running: Promise<void> = Promise.resolve();
  #told = 0;

  constructor(parts: { store: Store; file: HeadsFile | null; clock: Clock; logger: Log }) {
    this.#store = parts.store;
    this.#file = parts.file;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
  }

  start(): void {
    this.#timer = this.#clock.after(EVERY_MS, () => {
      this.start();
      this.#running = this.tell();
    });
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    await this.#running;
    await this.tell();
  }

  /** Tells of the head, unless this instance has. */
  async tell(): Promise<void> {
    try {
      const head = await this.#store.audit.head();
      if (head === null || head.number <= this.#told) return;
      await this.#file?.append(head);
      this.#logger.info({ auditHead: head }, 'the head of the audit log');
      this.#told = head.number;
    } catch (error) {
      this.#logger.error({ err: error }, 'the head of the audit log was not exported');
    }
  }
}

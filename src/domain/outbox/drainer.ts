import type { Clock, Timer } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import type { Store, Transaction } from '../store.ts';
import type { OutboxEvent } from './event.ts';

/** Events numbered in one transaction. */
const BATCH = 500;

/** Told of every event once over all instances, in order, within the transaction that numbers it. */
export type Drained = (tx: Transaction, events: readonly OutboxEvent[]) => Promise<void>;

/**
 * Gives events their numbers. Every instance tries and one at a time does, so that another goes on where one dies. What is
 * counted by it is exact, since the counts and the numbers of what they count are committed together.
 */
export class Drainer {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #logger: Log;
  readonly #everyMs: number;
  readonly #drained: Drained;
  #timer: Timer | null = null;
  #running: Promise<void> | null = null;
  #queued: Promise<void> | null = null;

  constructor(parts: { store: Store; clock: Clock; logger: Log; everyMs: number; drained: Drained }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
    this.#everyMs = parts.everyMs;
    this.#drained = parts.drained;
  }

  start(): void {
    this.#timer = this.#clock.after(this.#everyMs, () => {
      this.start();
      this.drain().catch((error: unknown) => this.#logger.warn({ err: error }, 'events were not numbered yet'));
    });
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    await this.#running?.catch(() => {});
  }

  /** Resolves when every event that was committed before this call has its number. Shared by all who ask meanwhile. */
  drain(): Promise<void> {
    if (this.#queued !== null) return this.#queued;
    if (this.#running === null) return this.#run();
    this.#queued = this.#running
      .catch(() => {})
      .then(() => {
        this.#queued = null;
        return this.#run();
      });
    this.#queued.catch(() => {});
    return this.#queued;
  }

  #run(): Promise<void> {
    const running = this.#drainAll().finally(() => {
      if (this.#running === running) this.#running = null;
    });
    this.#running = running;
    return running;
  }

  async #drainAll(): Promise<void> {
    if (!(await this.#store.outbox.waiting())) return;
    for (;;) {
      const { value } = await this.#store.transaction(async (tx) => {
        const events = await tx.outbox.number(BATCH);
        if (events.length > 0) await this.#drained(tx, events);
        return events.length;
      });
      if (value < BATCH) return;
    }
  }
}

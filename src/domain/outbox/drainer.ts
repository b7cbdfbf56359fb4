import type { Clock } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { Rounds } from '../../kit/rounds.ts';
import type { Store, Transaction } from '../store.ts';
import type { OutboxEvent } from './event.ts';

/** Events numbered in one transaction. */
const BATCH = 500;
/** Commits that follow each other closely are numbered together: from one time to the next it takes so long, */
const REST_MS = 25;
/** and so many times what it took, so that where all are busy it has a quarter of a connection at most. */
const REST_TIMES = 4;
const REST_MAX_MS = 200;
/** So much of that is owed before it is waited for: whoever is told after one that took long need not wait for both. */
const OWED_MAX_MS = 200;

/** Told of every event once over all instances, in order, within the transaction that numbers it. */
export type Drained = (tx: Transaction, events: readonly OutboxEvent[]) => Promise<void>;

/**
 * Gives events their numbers. Every instance tries and one at a time does, so that another goes on where one dies. What is
 * counted by it is exact, since the counts and the numbers of what they count are committed together.
 */
export class Drainer {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #drained: Drained;
  readonly #numbered: (seq: number) => void;
  readonly rounds: Rounds;
  #restsUntilMs = -Infinity;
  /** When all that it took will have been rested for. */
  #owesUntilMs = -Infinity;
  /** When it was first found that events wait, and not that none does. */
  #behindSinceMs: number | null = null;

  constructor(parts: {
    store: Store;
    clock: Clock;
    logger: Log;
    everyMs: number;
    drained: Drained;
    /** Told of the last number after each commit that gave some. */
    numbered: (seq: number) => void;
  }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#drained = parts.drained;
    this.#numbered = parts.numbered;
    this.rounds = new Rounds({ work: () => this.#drainAll(), failed: 'events were not numbered yet', ...parts });
  }

  /** For how long events have been waiting for their numbers, as far as this instance knows. */
  get lagSeconds(): number {
    return this.#behindSinceMs === null ? 0 : (this.#clock.monotonicMs() - this.#behindSinceMs) / 1_000;
  }

  /** Resolves when every event that was committed before this call has its number. Shared by all who ask meanwhile. */
  drain(): Promise<void> {
    return this.rounds.next();
  }

  /** Something was committed that may have told events: they get their numbers without waiting for the next round. */
  soon(): void {
    const now = this.#clock.monotonicMs();
    const at = Math.max(now, this.#restsUntilMs, this.#owesUntilMs - OWED_MAX_MS);
    if (this.rounds.soon(at - now)) this.#restsUntilMs = at + REST_MS;
  }

  async #drainAll(): Promise<void> {
    if (!(await this.#store.outbox.waiting())) {
      this.#behindSinceMs = null;
      return;
    }
    const startedMs = this.#clock.monotonicMs();
    this.#behindSinceMs ??= startedMs;
    for (;;) {
      const { value: events } = await this.#store.transaction(async (tx) => {
        const numbered = await tx.outbox.number(BATCH);
        if (numbered.length > 0) await this.#drained(tx, numbered);
        return numbered;
      });
      const last = events.at(-1);
      if (last !== undefined) this.#numbered(last.seq);
      if (events.length < BATCH) break;
    }
    this.#behindSinceMs = null;
    const tookMs = this.#clock.monotonicMs() - startedMs;
    this.#owesUntilMs = Math.max(this.#owesUntilMs, startedMs) + Math.min(REST_TIMES * tookMs, REST_MAX_MS);
  }
}

import type { Clock, Timer } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { Rounds } from '../../kit/rounds.ts';
import type { Store, Transaction } from '../store.ts';
import type { OutboxEvent } from './event.ts';

/** Events numbered in one transaction. */
const BATCH = 500;
/**
 * Commits that follow each other closely are numbered together. It rests so long after it began, and for so many times what it
 * took, within bounds: where all are busy it takes a fifth of its connection and of a processor at most.
 */
const REST_MS = 25;
const REST_TIMES = 4;
const REST_MAX_MS = 200;

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
  readonly #numbered: (seq: number) => void;
  readonly #rounds = new Rounds(() => this.#drainAll());
  #timer: Timer | null = null;
  #soon: Timer | null = null;
  #restsUntilMs = -Infinity;
  #stopped = false;
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
    this.#logger = parts.logger;
    this.#everyMs = parts.everyMs;
    this.#drained = parts.drained;
    this.#numbered = parts.numbered;
  }

  /** For how long events have been waiting for their numbers, as far as this instance knows. */
  get lagSeconds(): number {
    return this.#behindSinceMs === null ? 0 : (this.#clock.monotonicMs() - this.#behindSinceMs) / 1_000;
  }

  start(): void {
    this.#timer = this.#clock.after(this.#everyMs, () => {
      this.start();
      this.#drainInBackground();
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#soon?.cancel();
    await this.#rounds.settled();
  }

  /** Resolves when every event that was committed before this call has its number. Shared by all who ask meanwhile. */
  drain(): Promise<void> {
    return this.#rounds.next();
  }

  /** Something was committed that may have told events: they get their numbers without waiting for the next round. */
  soon(): void {
    if (this.#soon !== null || this.#stopped) return;
    this.#soon = this.#clock.after(Math.max(0, this.#restsUntilMs - this.#clock.monotonicMs()), () => {
      this.#soon = null;
      // It may have drained, and rest, since this was asked for.
      if (this.#clock.monotonicMs() < this.#restsUntilMs) this.soon();
      else this.#drainInBackground();
    });
  }

  #drainInBackground(): void {
    this.drain().catch((error: unknown) => this.#logger.warn({ err: error }, 'events were not numbered yet'));
  }

  async #drainAll(): Promise<void> {
    if (!(await this.#store.outbox.waiting())) {
      this.#behindSinceMs = null;
      return;
    }
    const startedMs = this.#clock.monotonicMs();
    this.#restsUntilMs = startedMs + REST_MS;
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
    const endedMs = this.#clock.monotonicMs();
    this.#restsUntilMs = Math.max(
      this.#restsUntilMs,
      endedMs + Math.min(REST_TIMES * (endedMs - startedMs), REST_MAX_MS),
    );
  }
}

import { randomUUID } from 'node:crypto';
import { type Clock, type Instant, type Timer, toInstant } from '../../kit/clock.ts';
import { Failures } from '../../kit/failures.ts';
import type { Log } from '../../kit/log.ts';
import type { Store } from '../store.ts';
import type { Dimensions } from './rollup-store.ts';
import { quarterAfter, quarterInstant, Tallies, type Tally } from './tallies.ts';

const FLUSH_MS = 5_000;

/** Counts that were sent to the database under one id, and whose arrival is not known yet. */
interface Batch {
  readonly id: string;
  readonly sinceMs: number;
  readonly counts: readonly Tally[];
}

/**
 * Counts what happens in this process and writes it behind: every 5 s, when a quarter of an hour ends, and on closing. In
 * the end the sums are exact. A process that is killed loses what it counted since its last flush, and nothing else. A
 * batch of which it is not known whether it arrived is sent again as it was, under the same id, and is added once, unless
 * the database stays away for a day. Any number of instances add to the same sums.
 *
 * What is counted belongs to the quarter that it was when a timer last fired, so that counting asks no clock.
 */
export class Rollups {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #logger: Log;
  readonly #failures: Failures;
  readonly #keysMax: number | undefined;
  #open: Tallies;
  #quarter: Instant;
  /** Closed and not sent yet; null when there is nothing. */
  #waiting: Tallies | null = null;
  #sent: Batch | null = null;
  #writing: Promise<void> | null = null;
  #timer: Timer | null = null;
  #written = 0;
  #failedFlushes = 0;

  constructor(parts: { store: Store; clock: Clock; logger: Log; keysMax?: number }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
    this.#failures = new Failures({ failed: 'counts could not be written yet', ...parts });
    this.#keysMax = parts.keysMax;
    const now = this.#clock.now();
    this.#open = new Tallies(now, this.#keysMax);
    this.#quarter = quarterInstant(now);
  }

  /** What is being counted now. Others take its place whenever it is to be written. */
  get open(): object {
    return this.#open;
  }

  /** Where to count these now, for whoever counts often. Good for as long as {@link open} is the same. */
  tally(metric: string, dimensions: Dimensions): Tally {
    return this.#open.of(metric, this.#quarter, dimensions);
  }

  count(metric: string, dimensions: Dimensions): void {
    this.tally(metric, dimensions).count += 1;
  }

  /** Whatever this process counted before is written. */
  get completeUntil(): Instant {
    return toInstant((this.#sent ?? this.#waiting ?? this.#open).sinceMs);
  }

  get figures(): { readonly written: number; readonly pendingKeys: number; readonly failedFlushes: number } {
    const pendingKeys = (this.#sent?.counts.length ?? 0) + (this.#waiting?.size ?? 0) + this.#open.size;
    return { written: this.#written, pendingKeys, failedFlushes: this.#failedFlushes };
  }

  start(): void {
    const now = this.#clock.now();
    const untilQuarterEnds = quarterAfter(now + 1) - now;
    this.#timer = this.#clock.after(Math.min(FLUSH_MS, untilQuarterEnds), () => {
      this.start();
      this.flush().then(
        () => this.#failures.well(),
        (error: unknown) => this.#failures.wrong(error),
      );
    });
  }

  /** Writes what was counted so far. When it rejects, all of it is kept for the next time. */
  async flush(): Promise<void> {
    this.#take();
    if (this.#sent === null && this.#waiting === null) return;
    this.#writing ??= this.#write();
    await this.#writing;
  }

  /** Writes the rest. Nobody counts any more. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    // One that is under way may have begun while the database was away.
    await this.#writing?.catch(() => {});
    try {
      await this.flush();
    } catch (error) {
      this.#logger.warn({ err: error, keys: this.figures.pendingKeys }, 'counts were lost');
    }
  }

  /** What was counted belongs to the quarter that ends with this, if one does. */
  #take(): void {
    const now = this.#clock.now();
    const taken = this.#open;
    const counts = taken.counts();
    this.#open = new Tallies(now, this.#keysMax);
    this.#quarter = quarterInstant(now);
    if (counts.length === 0) return;
    this.#waiting ??= new Tallies(taken.sinceMs, this.#keysMax);
    this.#waiting.add(counts);
  }

  /** One batch after the other, until nothing waits. Whoever comes meanwhile waits for the same. */
  async #write(): Promise<void> {
    for (let batch = this.#next(); batch !== null; batch = this.#next()) {
      const { id, counts } = batch;
      try {
        await this.#store.transaction((tx) => tx.rollups.add(id, counts));
      } catch (error) {
        this.#failedFlushes += 1;
        this.#writing = null;
        throw error;
      }
      this.#written += counts.reduce((sum, { count }) => sum + count, 0);
      this.#sent = null;
    }
    this.#writing = null;
  }

  #next(): Batch | null {
    if (this.#sent !== null || this.#waiting === null) return this.#sent;
    this.#sent = { id: randomUUID(), sinceMs: this.#waiting.sinceMs, counts: this.#waiting.counts() };
    this.#waiting = null;
    return this.#sent;
  }
}

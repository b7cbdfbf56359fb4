import { type Clock, toInstant } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { Rounds } from '../../kit/rounds.ts';
import type { Store } from '../store.ts';
import type { UsageCounts, UsageHour, UsageStock } from './usage.ts';

/** What the loss of Redis may lose, and no more. */
export const USAGE_FLUSH_MS = 60_000;
/** A turn ends before the next begins, so that none is left out. */
const TURN_MS = USAGE_FLUSH_MS - 5_000;
/** Hours written in one transaction. */
const BATCH = 100;
const HOUR_MS = 3_600_000;
/** Counts are sent for at most an hour after theirs, so that nothing comes any more when this is over. */
const SETTLED_MS = 2 * HOUR_MS;
/** An hour of which nothing has been there for so long has nothing to come. */
const LOST_MS = 3 * 24 * HOUR_MS;
const KEPT_MS = 400 * 24 * HOUR_MS;
const FORGOTTEN_AT_ONCE = 1_000;

/**
 * Writes counts of uses to the database: every minute, by whichever instance comes first. What is written are sums, never
 * differences: it may be repeated, overtaken or done by two at once, and is right afterwards. What is written is as much as
 * there are keys and hours, however much is counted.
 */
export class UsageFlusher {
  readonly #store: Store;
  readonly #counts: UsageCounts;
  readonly #clock: Clock;
  readonly rounds: Rounds;

  constructor(parts: { store: Store; counts: UsageCounts; clock: Clock; logger: Log }) {
    this.#store = parts.store;
    this.#counts = parts.counts;
    this.#clock = parts.clock;
    const failed = 'uses were not written yet';
    const work = () => this.#takeTurn();
    this.rounds = new Rounds({ everyMs: USAGE_FLUSH_MS, work, failed, writesRest: true, ...parts });
  }

  /** Writes all that is counted by now. */
  async flush(): Promise<void> {
    const hours = (await this.#counts.hours()) ?? [];
    for (let from = 0; from < hours.length; from += BATCH) await this.#write(hours.slice(from, from + BATCH));
  }

  /** Writes what is counted of these hours by now. */
  async flushHours(hours: readonly UsageHour[]): Promise<void> {
    await this.#write(hours);
  }

  async #takeTurn(): Promise<void> {
    // At last whoever's turn it is: what keeps the counts may go as well.
    if (this.rounds.stopped) return this.flush();
    if ((await this.#counts.claim(TURN_MS)) !== true) return;
    await this.flush();
    const before = toInstant(this.#clock.now() - KEPT_MS);
    await this.#store.transaction(({ usage }) => usage.forget(before, FORGOTTEN_AT_ONCE));
  }

  async #write(hours: readonly UsageHour[]): Promise<void> {
    const read = await this.#counts.read(hours);
    const stocks = read.filter((stock): stock is UsageStock => stock !== null);
    if (stocks.length > 0) await this.#store.transaction(({ usage }) => usage.put(stocks));
    const now = this.#clock.now();
    const settled = stocks.filter(({ hourMs }) => hourMs + HOUR_MS + SETTLED_MS <= now);
    const lost = hours.filter((hour, n) => read[n] === null && hour.hourMs + HOUR_MS + LOST_MS <= now);
    if (settled.length + lost.length > 0) await this.#counts.settle([...settled, ...lost]);
  }
}

import { BoundedMap } from '../../kit/bounded-map.ts';
import type { Clock } from '../../kit/clock.ts';
import { type Asked, decide, type Taken, type Window } from './rate-limits.ts';

interface Count {
  readonly subject: string;
  readonly name: string;
  readonly seconds: number;
  used: number;
  readonly endsAtMs: number;
}

/** A count takes some 200 bytes, so that these are about 20 MB. */
const COUNTS_MAX = 100_000;

/** Windows counted in this process, without a wait. Beyond so many counts those not asked for lately are forgotten. */
export class WindowCounts {
  readonly #clock: Clock;
  readonly #counts: BoundedMap<string, readonly Count[]>;

  constructor(clock: Clock, countsMax = COUNTS_MAX) {
    this.#clock = clock;
    this.#counts = new BoundedMap(countsMax, { weightOf: (counts) => counts.length, weightMax: countsMax });
  }

  /** Of how many ids windows are counted. */
  get size(): number {
    return this.#counts.size;
  }

  take({ subject, windows, cost }: Asked): Taken {
    const now = this.#clock.monotonicMs();
    const found = windows.map((window) => {
      const count = this.#find(subject, window, now);
      const endsInMs = count === null ? window.seconds * 1_000 : count.endsAtMs - now;
      return { window, count, used: count?.used ?? 0, endsInMs };
    });
    const taken = decide(found, cost);
    if (!taken.allowed) return taken;
    for (const { window, count } of found) {
      if (count === null) this.#begin(subject, window, cost, now);
      else count.used += cost;
    }
    return taken;
  }

  /** Whether one of these windows has begun and is not over. */
  isCounting({ subject, windows }: Asked): boolean {
    const now = this.#clock.monotonicMs();
    return windows.some((window) => this.#find(subject, window, now) !== null);
  }

  /** A loop and no search with a function: it stands in the way of every operation. */
  #find(subject: string, { name, of, seconds }: Window, now: number): Count | null {
    const counts = this.#counts.get(of);
    if (counts === undefined) return null;
    for (const count of counts) {
      const isAsked = count.seconds === seconds && count.name === name && count.subject === subject;
      if (isAsked) return now < count.endsAtMs ? count : null;
    }
    return null;
  }

  #begin(subject: string, { name, of, seconds }: Window, used: number, now: number): void {
    const others = (this.#counts.get(of) ?? []).filter(({ endsAtMs }) => now < endsAtMs);
    this.#counts.set(of, [...others, { subject, name, seconds, used, endsAtMs: now + seconds * 1_000 }]);
  }
}

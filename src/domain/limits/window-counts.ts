import { BoundedMap } from '../../kit/bounded-map.ts';
import type { Clock } from '../../kit/clock.ts';
import { type Asked, decide, type Taken, type Window } from './rate-limits.ts';

interface Count {
  used: number;
  readonly endsAtMs: number;
}

/** A count takes some 200 bytes, so that these are about 20 MB. */
const COUNTS_MAX = 100_000;

/** Windows counted in this process, without a wait. Beyond so many counts the least recently used is forgotten. */
export class WindowCounts {
  readonly #clock: Clock;
  readonly #counts: BoundedMap<string, Count>;

  constructor(clock: Clock, countsMax = COUNTS_MAX) {
    this.#clock = clock;
    this.#counts = new BoundedMap(countsMax);
  }

  get size(): number {
    return this.#counts.size;
  }

  take({ subject, windows, cost }: Asked): Taken {
    const now = this.#clock.monotonicMs();
    const found = windows.map((window) => {
      const key = keyOf(subject, window);
      const count = this.#count(key, now);
      const endsAtMs = count?.endsAtMs ?? now + window.seconds * 1_000;
      return { key, window, count, used: count?.used ?? 0, endsAtMs, endsInMs: endsAtMs - now };
    });
    const taken = decide(found, cost);
    if (!taken.allowed) return taken;
    for (const { key, count, endsAtMs } of found) {
      if (count === null) this.#counts.set(key, { used: cost, endsAtMs });
      else count.used += cost;
    }
    return taken;
  }

  /** Whether one of these windows has begun and is not over. */
  isCounting({ subject, windows }: Asked): boolean {
    const now = this.#clock.monotonicMs();
    return windows.some((window) => this.#count(keyOf(subject, window), now) !== null);
  }

  #count(key: string, now: number): Count | null {
    const count = this.#counts.get(key);
    return count !== undefined && now < count.endsAtMs ? count : null;
  }
}

function keyOf(subject: string, { name, of, seconds }: Window): string {
  return `${subject} ${name} ${of} ${seconds}`;
}

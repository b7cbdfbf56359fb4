import { BoundedMap } from '../../kit/bounded-map.ts';
import type { Clock } from '../../kit/clock.ts';
import { networkOf } from '../../kit/networks.ts';
import { Refusal } from '../refusals.ts';

interface Bucket {
  count: number;
  readonly endsAtMs: number;
}

const WINDOW_MS = 900_000;
const BUCKETS_MAX = 100_000;

/**
 * How often something is done from one network, in this process: so much within a quarter of an hour. It is there for who tries
 * many accounts; those who try one are counted in the database, exactly.
 */
export class AddressLimit {
  readonly #buckets = new BoundedMap<string, Bucket>(BUCKETS_MAX);
  readonly #max: number;
  readonly #clock: Clock;

  constructor(max: number, clock: Clock) {
    this.#max = max;
    this.#clock = clock;
  }

  /** Counts one, or refuses with RATE_LIMITED. Where no address is known, nothing is counted. */
  take(address: string | null): void {
    if (address === null) return;
    const key = networkOf(address);
    const now = this.#clock.monotonicMs();
    let bucket = this.#buckets.get(key);
    if (bucket === undefined || bucket.endsAtMs <= now) {
      bucket = { count: 0, endsAtMs: now + WINDOW_MS };
      this.#buckets.set(key, bucket);
    }
    if (bucket.count >= this.#max) {
      const retryAfterSeconds = Math.ceil((bucket.endsAtMs - now) / 1_000);
      throw new Refusal('RATE_LIMITED', `Try again in ${retryAfterSeconds} seconds.`, { retryAfterSeconds });
    }
    bucket.count += 1;
  }

  /** It was none of those that count. */
  giveBack(address: string | null): void {
    const bucket = address === null ? undefined : this.#buckets.get(networkOf(address));
    if (bucket !== undefined && bucket.count > 0) bucket.count -= 1;
  }
}

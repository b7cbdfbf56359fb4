import { type Clock, toInstant } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { Rounds } from '../../kit/rounds.ts';
import type { Store } from '../store.ts';

export const KEY_CREATED = 'api_key.created';
export const KEY_UPDATED = 'api_key.updated';
export const KEY_ROTATED = 'api_key.rotated';
export const KEY_REVOKED = 'api_key.revoked';
export const KEY_EXPIRED = 'api_key.expired';

const EVERY_MS = 30_000;
/** A key may be written by a transaction that began before its end and is committed after it, by a clock that is behind. */
const LATE_MS = 10_000;
const BATCH = 500;
/** Batches of one round; the rest waits for the next. */
const BATCHES_MAX = 40;

/** Notices which API keys have expired, so that each is told once, by whichever instance comes first. No right hangs on it. */
export class KeyEnder {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #ended: () => void;
  readonly rounds: Rounds;

  constructor(parts: {
    store: Store;
    clock: Clock;
    logger: Log;
    /** Told after every commit that noted some. */
    ended: () => void;
  }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#ended = parts.ended;
    const failed = 'API keys that have expired were not noticed yet';
    this.rounds = new Rounds({ everyMs: EVERY_MS, work: () => this.end(), failed, ...parts });
  }

  /** One round. */
  async end(): Promise<void> {
    const by = toInstant(this.#clock.now() - LATE_MS);
    for (let batch = 0; batch < BATCHES_MAX; batch += 1) {
      const { value } = await this.#store.transaction((tx) => tx.apiKeys.tellExpired(by, BATCH));
      if (value > 0) this.#ended();
      if (value < BATCH) return;
    }
  }
}

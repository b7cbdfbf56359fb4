import { toInstant, type Clock, type Instant } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { Rounds } from '../../kit/rounds.ts';
import type { Store } from '../store.ts';
import { ACTIVITY_LOSS_MS } from './activity.ts';
import type { SessionProfiles } from './profiles.ts';
import type { Session } from './session.ts';

/** Sessions that end by themselves, as a store finds them: by an index, a batch at a time. */
export interface EndingWriter {
  /** Whether this is the only transaction that looks for them; never waits. */
  begin(): Promise<boolean>;
  /** Notes that those whose life was over by then have ended; how many, at most `limit`. Whoever holds one is not waited for. */
  expired(by: Instant, limit: number): Promise<number>;
  /**
   * Notes that those of this level which nobody has used since then have ended; how many, at most `limit`. Their life is
   * over as well then, `idleSeconds` after they were last used. Passes over those whose life was over before that.
   */
  idle(what: {
    readonly aal: Session['aal'];
    readonly unusedSince: Instant;
    readonly idleSeconds: number;
    readonly limit: number;
  }): Promise<number>;
}

const EVERY_MS = 30_000;
const BATCH = 500;
/** Batches of one round; the rest waits for the next. */
const BATCHES_MAX = 40;
const LEVELS: readonly Session['aal'][] = [1, 2];

/**
 * Notices which sessions have ended by expiry or because nobody used them, so that each is told and counted once, by
 * whichever instance comes first. No right hangs on it: that a session has ended is seen by its times.
 */
export class SessionEnder {
  readonly #store: Store;
  readonly #profiles: SessionProfiles;
  readonly #clock: Clock;
  readonly #ended: () => void;
  readonly rounds: Rounds;

  constructor(parts: {
    store: Store;
    profiles: SessionProfiles;
    clock: Clock;
    logger: Log;
    /** Told after every commit that noted some. */
    ended: () => void;
  }) {
    this.#store = parts.store;
    this.#profiles = parts.profiles;
    this.#clock = parts.clock;
    this.#ended = parts.ended;
    const failed = 'sessions that have ended were not noticed yet';
    this.rounds = new Rounds({ everyMs: EVERY_MS, work: () => this.end(), failed, ...parts });
  }

  /** One round. */
  async end(): Promise<void> {
    const now = this.#clock.now();
    // First: one that nobody used ended before its life did, however late it is noticed.
    for (const aal of LEVELS) {
      const { idleSeconds } = this.#profiles[aal];
      const unusedSince = toInstant(now - idleSeconds * 1_000 - ACTIVITY_LOSS_MS);
      await this.#round((ending) => ending.idle({ aal, unusedSince, idleSeconds, limit: BATCH }));
    }
    await this.#round((ending) => ending.expired(toInstant(now), BATCH));
  }

  async #round(note: (ending: EndingWriter) => Promise<number>): Promise<void> {
    for (let batch = 0; batch < BATCHES_MAX; batch += 1) {
      const { value } = await this.#store.transaction(async ({ ending }) =>
        (await ending.begin()) ? note(ending) : 0,
      );
      if (value > 0) this.#ended();
      if (value < BATCH) return;
    }
  }
}

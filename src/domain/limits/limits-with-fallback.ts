import type { UncountedUses } from '../usage/uncounted-uses.ts';
import type { InstanceShare } from './instance-share.ts';
import type { Asked, RateLimits, Taken } from './rate-limits.ts';

/**
 * Limits over all instances, for volume only: what counts them may be away, and then each instance goes by its share. In a window
 * in which that happens, no more is let through beyond the maximum than had been before: the shares add up to the maximum, and
 * hold beside the count of all until their windows are over. Where one instance finds the count away and another does not, it is
 * twice the maximum at most.
 */
export class LimitsWithFallback {
  readonly #limits: RateLimits;
  readonly #share: InstanceShare;
  readonly #uncounted: UncountedUses;
  #byShare = 0;

  constructor(parts: { limits: RateLimits; share: InstanceShare; uncounted: UncountedUses }) {
    this.#limits = parts.limits;
    this.#share = parts.share;
    this.#uncounted = parts.uncounted;
  }

  /** How often this instance went by its share so far. */
  get byShare(): number {
    return this.#byShare;
  }

  async take(asked: Asked): Promise<Taken> {
    const own = this.#share.isCounting(asked) ? this.#share.take(asked) : null;
    if (own?.allowed === false) return this.#counted(asked, own);
    const taken = await this.#limits.take(asked);
    return taken ?? this.#counted(asked, own ?? this.#share.take(asked));
  }

  /** What is decided here is counted from here. */
  #counted({ use = null }: Asked, taken: Taken): Taken {
    this.#byShare += 1;
    if (use !== null) this.#uncounted.note(use, taken.allowed ? 'admitted' : 'limited');
    return taken;
  }
}

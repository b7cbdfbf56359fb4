import type { Clock } from '../../kit/clock.ts';
import type { ShownCredential } from '../principals/principal.ts';
import type { Labelled } from './labelled.ts';
import type { LiveOperations } from './live.ts';
import type { Tail } from './tail.ts';
import type { Tombstones } from './tombstones.ts';

/** That the principal of a live operation holds, for as long as nothing that it depends on is logged. */
export interface Vouch {
  /** Of the tombstones that it was looked for in. */
  readonly version: number;
  /** The oldest position that it is labelled with: one that the tombstones have forgotten must be read again. */
  readonly asOf: number;
  /** Wall time in ms at which it ends by itself. */
  readonly untilMs: number;
}

/** What of a principal says for how long it holds. */
interface Vouched {
  readonly credential: Pick<ShownCredential, 'label' | 'expiresAtMs'> & { readonly key: object | null };
  readonly standing: Pick<Labelled, 'asOf' | 'validUntilMs'>;
  readonly session: Pick<Labelled, 'asOf' | 'validUntilMs'> | null;
}

/**
 * What thousands are told of is asked about for each of them, and each depends on a dozen ids. So each new entry of the log is looked
 * for among what live operations depend on, once for all; only where it is found there, each is asked about anew.
 */
export class Vouching {
  readonly #tail: Pick<Tail, 'tombstones' | 'inForce'>;
  readonly #live: Pick<LiveOperations, 'concerns'>;
  readonly #clock: Clock;
  /** The version up to which entries were looked for, and that of the last that were found. */
  #looked = 0;
  #found = 0;

  constructor(parts: {
    tail: Pick<Tail, 'tombstones' | 'inForce'>;
    live: Pick<LiveOperations, 'concerns'>;
    clock: Clock;
  }) {
    this.#tail = parts.tail;
    this.#live = parts.live;
    this.#clock = parts.clock;
  }

  /**
   * Vouches for a principal that was just found to hold, and whose operation is live. Null for one with an API key, of which more
   * must be known.
   */
  vouchFor({ credential, standing, session }: Vouched): Vouch | null {
    if (credential.key !== null) return null;
    return {
      version: this.#tail.tombstones.version,
      asOf: Math.min(credential.label, standing.asOf, session?.asOf ?? Infinity),
      untilMs: Math.min(credential.expiresAtMs, standing.validUntilMs, session?.validUntilMs ?? Infinity),
    };
  }

  /** Whether that principal holds still, under a valid lease. False where it must be asked about. */
  holds({ version, asOf, untilMs }: Vouch): boolean {
    const { tombstones } = this.#tail;
    if (!this.#tail.inForce() || this.#clock.now() >= untilMs || asOf < tombstones.horizon) return false;
    return version >= this.#lastFound(tombstones);
  }

  #lastFound(tombstones: Tombstones): number {
    const { version } = tombstones;
    if (version !== this.#looked) {
      const targets = tombstones.targetsSince(this.#looked);
      if (targets === null || targets.some((target) => this.#live.concerns(target))) this.#found = version;
      this.#looked = version;
    }
    return this.#found;
  }
}

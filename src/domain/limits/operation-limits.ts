import { networkOf } from '../../kit/networks.ts';
import type { Principal } from '../principals/principal.ts';
import { Refusal } from '../refusals.ts';
import type { InstanceShare } from './instance-share.ts';
import type { Rate, Taken, WindowState } from './rate-limits.ts';

export interface LimitSettings {
  /** How many operations a signed-in user may begin; no rates are no limit. */
  readonly userRates: readonly Rate[];
  /** The same for one network from which nobody in particular asks. */
  readonly anonymousRates: readonly Rate[];
}

/** What came of asking whether an operation may begin. */
export interface Allowance {
  readonly windows: readonly WindowState[];
  /** RATE_LIMITED with `retryAfterSeconds`; null when it may begin. */
  readonly refusal: Refusal | null;
}

/**
 * How many operations may begin, whatever door they come through; a subscription is one. Users and networks are counted in the
 * memory of each instance, by its share, so that their operations wait for nothing.
 */
export class OperationLimits {
  readonly #settings: LimitSettings;
  readonly #share: InstanceShare;
  #refused = 0;

  constructor(parts: { settings: LimitSettings; share: InstanceShare }) {
    this.#settings = parts.settings;
    this.#share = parts.share;
  }

  /** How many operations were refused so far. */
  get refused(): number {
    return this.#refused;
  }

  /**
   * Counts one more operation of `by`; null where nothing limits it.
   * @param address from which nobody in particular asks; where none is known, nothing is counted
   */
  admit(by: Principal, address: string | null): Allowance | null {
    if (by.kind === 'user') return this.#admitted('user', by.id, this.#settings.userRates);
    if (by.kind === 'system' || address === null) return null;
    return this.#admitted('anonymous', networkOf(address), this.#settings.anonymousRates);
  }

  #admitted(name: string, of: string, rates: readonly Rate[]): Allowance | null {
    if (rates.length === 0) return null;
    const windows = rates.map(({ max, seconds }) => ({ name, of, max, seconds }));
    return this.#allowance(this.#share.take({ subject: of, windows, cost: 1 }));
  }

  #allowance({ allowed, windows }: Taken): Allowance {
    if (allowed) return { windows, refusal: null };
    this.#refused += 1;
    const retryAfterSeconds = Math.max(...windows.map((window) => window.retryAfterSeconds));
    const message = `Too many operations. Try again in ${retryAfterSeconds} seconds.`;
    return { windows, refusal: new Refusal('RATE_LIMITED', message, { retryAfterSeconds }) };
  }
}

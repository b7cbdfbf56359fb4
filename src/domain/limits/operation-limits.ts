import type { Clock } from '../../kit/clock.ts';
import { networkOf } from '../../kit/networks.ts';
import { ANONYMOUS, type Principal } from '../principals/principal.ts';
import { Refusal } from '../refusals.ts';
import { hourOf, type Use } from '../usage/usage.ts';
import type { UncountedUses } from '../usage/uncounted-uses.ts';
import type { InstanceShare } from './instance-share.ts';
import type { LimitsWithFallback } from './limits-with-fallback.ts';
import type { Rate, Taken, Window, WindowState } from './rate-limits.ts';

export interface LimitSettings {
  /** How many operations a signed-in user may begin; no rates are no limit. */
  readonly userRates: readonly Rate[];
  /** The same for one network from which nobody in particular asks. */
  readonly anonymousRates: readonly Rate[];
  /** The same for one API key, */
  readonly keyRates: readonly Rate[];
  /** and for all keys of one owner. */
  readonly ownerRates: readonly Rate[];
}

/** The API key that an operation comes with. */
export interface LimitedKey {
  readonly id: string;
  readonly ownerId: string;
  /** Which of its secrets, in a word. */
  readonly version: string;
}

/** What came of asking whether an operation may begin. */
export interface Allowance {
  readonly windows: readonly WindowState[];
  /** RATE_LIMITED with `retryAfterSeconds`; null when it may begin. */
  readonly refusal: Refusal | null;
  /** What it is counted as; null where uses are not counted. */
  readonly use: Use | null;
}

/**
 * How many operations may begin, whatever door they come through; a subscription is one. Users and networks are counted in the
 * memory of each instance, by its share, so that their operations wait for nothing. Those of API keys are counted over all
 * instances, each with its use, in one round trip.
 */
export class OperationLimits {
  readonly #settings: LimitSettings;
  readonly #share: InstanceShare;
  readonly #limits: LimitsWithFallback;
  readonly #uncounted: UncountedUses;
  readonly #clock: Clock;
  #refused = 0;

  constructor(parts: {
    settings: LimitSettings;
    share: InstanceShare;
    limits: LimitsWithFallback;
    uncounted: UncountedUses;
    clock: Clock;
  }) {
    this.#settings = parts.settings;
    this.#share = parts.share;
    this.#limits = parts.limits;
    this.#uncounted = parts.uncounted;
    this.#clock = parts.clock;
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

  /**
   * Counts a credential that does not hold as an operation of nobody in particular; null for whatever else was refused. One that has
   * run out or was revoked was good once, and is not counted.
   */
  admitRefused(error: unknown, address: string | null): Allowance | null {
    if (!(error instanceof Refusal) || error.code !== 'UNAUTHENTICATED') return null;
    return this.admit(ANONYMOUS, address);
  }

  /** Counts one more operation with a key. @param operation as `operationLabel` has it */
  async admitKey({ id, ownerId, version }: LimitedKey, operation: string): Promise<Allowance> {
    const { keyRates, ownerRates } = this.#settings;
    const windows = [...windowsOf('key', id, keyRates), ...windowsOf('owner', ownerId, ownerRates)];
    const use = { subject: ownerId, id, hourMs: hourOf(this.#clock.now()), version, operation };
    return this.#allowance(await this.#limits.take({ subject: ownerId, windows, cost: 1, use }), use);
  }

  /** The operation that was admitted so had an answer with errors. */
  failed(allowance: Allowance | null): void {
    if (allowance !== null && allowance.use !== null && allowance.refusal === null) {
      this.#uncounted.note(allowance.use, 'failed');
    }
  }

  #admitted(name: string, of: string, rates: readonly Rate[]): Allowance | null {
    if (rates.length === 0) return null;
    return this.#allowance(this.#share.take({ subject: of, windows: windowsOf(name, of, rates), cost: 1 }), null);
  }

  #allowance({ allowed, windows }: Taken, use: Use | null): Allowance {
    if (allowed) return { windows, refusal: null, use };
    this.#refused += 1;
    const retryAfterSeconds = Math.max(...windows.map((window) => window.retryAfterSeconds));
    const message = `Too many operations. Try again in ${retryAfterSeconds} seconds.`;
    return { windows, refusal: new Refusal('RATE_LIMITED', message, { retryAfterSeconds }), use };
  }
}

function windowsOf(name: string, of: string, rates: readonly Rate[]): readonly Window[] {
  return rates.map(({ max, seconds }) => ({ name, of, max, seconds }));
}

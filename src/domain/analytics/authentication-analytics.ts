import { type Instant, toInstant } from '../../kit/clock.ts';
import type { Policy } from '../policy/policy.ts';
import type { Principal } from '../principals/principal.ts';
import type { Store } from '../store.ts';
import { demandAnalytics } from './demand.ts';
import { type Range, refuseTooMany, wholeQuarters } from './range.ts';
import type { Rollups } from './rollups.ts';

export const AUTHENTICATION = 'authentication';

/** What somebody does to be known: `credential` is one that was shown at the door, and is counted only where it did not hold. */
export type AuthenticationKind =
  | 'sign_in'
  | 'second_factor'
  | 'refresh'
  | 'step_up'
  | 'sign_out'
  | 'sign_up'
  | 'password_change'
  | 'password_reset'
  | 'credential';

export interface AuthenticationCount {
  readonly kind: string;
  /** `succeeded`, `mfa_required`, or the code that it was refused with, in small letters. */
  readonly outcome: string;
  readonly protocol: string;
  readonly count: number;
}

export interface AuthenticationReport {
  readonly succeeded: number;
  readonly failed: number;
  readonly counts: readonly AuthenticationCount[];
  readonly buckets: readonly {
    readonly start: Instant;
    readonly succeeded: number;
    readonly failed: number;
    readonly outcomes: readonly { readonly outcome: string; readonly count: number }[];
  }[];
  readonly completeUntil: Instant;
}

/** Neither: the second factor says which. */
const OPEN = 'mfa_required';
const SUCCEEDED = 'succeeded';

/** Counts what somebody does to be known, and answers questions about it, over the users of all scopes. */
export class AuthenticationAnalytics {
  readonly #rollups: Rollups;
  readonly #store: Store;
  readonly #policy: Policy;

  constructor(parts: { rollups: Rollups; store: Store; policy: Policy }) {
    this.#rollups = parts.rollups;
    this.#store = parts.store;
    this.#policy = parts.policy;
  }

  /** @param code that it was refused with, or null; `MFA_REQUIRED` also where a second factor is asked for */
  count(kind: AuthenticationKind, code: string | null, protocol: string): void {
    this.#rollups.count(AUTHENTICATION, { kind, outcome: code?.toLowerCase() ?? SUCCEEDED, protocol });
  }

  /** As the analytics of permissions: for whoever may read it everywhere, with the same ranges. */
  async report(by: Principal, range: Range): Promise<AuthenticationReport> {
    demandAnalytics(this.#policy, by, 'authentication');
    // Asked first: what is written while the database answers may be missing in it.
    const { completeUntil } = this.#rollups;
    const question = { metric: AUTHENTICATION, by: 'outcome', ...wholeQuarters(range) };
    const { groups, buckets } = await this.#store.rollups.read(question);
    refuseTooMany(buckets.length);
    const counts = groups
      .filter(({ count }) => count > 0)
      .map(({ dimensions: { kind, outcome, protocol }, count }) => ({
        kind: String(kind),
        outcome: String(outcome),
        protocol: String(protocol),
        count,
      }))
      .toSorted((a, b) => b.count - a.count || (wordsOf(a) < wordsOf(b) ? -1 : 1));
    return {
      ...sums(counts),
      counts,
      buckets: buckets.map(({ startMs, counts: told }) => {
        const outcomes = told
          .map(({ value, count }) => ({ outcome: String(value), count }))
          .toSorted((a, b) => (a.outcome < b.outcome ? -1 : 1));
        return { start: toInstant(startMs), ...sums(outcomes), outcomes };
      }),
      completeUntil,
    };
  }
}

function sums(counts: readonly { readonly outcome: string; readonly count: number }[]) {
  const sumOf = (is: (outcome: string) => boolean) =>
    counts.filter(({ outcome }) => is(outcome)).reduce((sum, { count }) => sum + count, 0);
  return {
    succeeded: sumOf((outcome) => outcome === SUCCEEDED),
    failed: sumOf((outcome) => outcome !== SUCCEEDED && outcome !== OPEN),
  };
}

const wordsOf = ({ kind, outcome, protocol }: AuthenticationCount): string => JSON.stringify([kind, outcome, protocol]);

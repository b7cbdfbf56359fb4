import { type Instant, toInstant } from '../../kit/clock.ts';
import type { Engines } from '../policy/engines.ts';
import type { Policy } from '../policy/policy.ts';
import { label } from '../policy/problems.ts';
import type { Principal } from '../principals/principal.ts';
import type { Store } from '../store.ts';
import { DECISIONS } from './decision-counts.ts';
import { demandAnalytics } from './demand.ts';
import { type Range, wholeQuarters, refuseTooMany } from './range.ts';
import type { Dimensions, RollupAnswer } from './rollup-store.ts';
import type { Rollups } from './rollups.ts';

/** Decisions about one combination of words; null is a word that no policy in force knew, and no deciding rule. */
export interface CountedDecision {
  readonly action: string | null;
  readonly subject: string | null;
  readonly allowed: boolean;
  readonly rule: string | null;
  readonly count: number;
}

export interface RisingDenial {
  readonly action: string | null;
  readonly subject: string | null;
  readonly rule: string | null;
  readonly before: number;
  readonly now: number;
}

export interface PermissionReport {
  /** The most frequent ones first. */
  readonly decisions: readonly CountedDecision[];
  readonly buckets: readonly { readonly start: Instant; readonly allowed: number; readonly denied: number }[];
  /** Decisions that could not be told apart any more. They are in nothing else. */
  readonly overflow: number;
  readonly rulesWithoutDecision: readonly string[];
  readonly risingDenials: readonly RisingDenial[];
  readonly completeUntil: Instant;
}

type Group = RollupAnswer['groups'][number];

const RISING_MAX = 100;

/** What was decided, how often and by which rules, by the users of all scopes together. */
export class PermissionAnalytics {
  readonly #rollups: Rollups;
  readonly #store: Store;
  readonly #engines: Engines;
  readonly #policy: Policy;

  constructor(parts: { rollups: Rollups; store: Store; engines: Engines; policy: Policy }) {
    this.#rollups = parts.rollups;
    this.#store = parts.store;
    this.#engines = parts.engines;
    this.#policy = parts.policy;
  }

  /**
   * For whoever may read these analytics everywhere. Refuses with BAD_USER_INPUT a range that ends before it begins, one
   * of more than a thousand buckets, and a time zone that does not exist.
   */
  async report(by: Principal, range: Range): Promise<PermissionReport> {
    demandAnalytics(this.#policy, by, 'permissions');
    const question = { metric: DECISIONS, by: 'allowed', ...wholeQuarters(range) };
    // Asked first: what is written while the database answers may be missing in it.
    const { completeUntil } = this.#rollups;
    const [{ groups, buckets }, rules] = await Promise.all([this.#store.rollups.read(question), this.#rules()]);
    refuseTooMany(buckets.length);

    const told = groups.filter(({ dimensions }) => !isOverflow(dimensions));
    const decisions = told.filter(({ count }) => count > 0).map(toDecision);
    const decided = new Set(decisions.map(({ rule }) => rule));
    return {
      decisions: decisions.toSorted((a, b) => b.count - a.count || byWords(a, b)),
      buckets: buckets.map(({ startMs, counts }) => {
        const sumOf = (value: boolean) => counts.find((each) => each.value === value)?.count ?? 0;
        return { start: toInstant(startMs), allowed: sumOf(true), denied: sumOf(false) };
      }),
      overflow: groups.find(({ dimensions }) => isOverflow(dimensions))?.count ?? 0,
      rulesWithoutDecision: rules.filter((rule) => !decided.has(rule)),
      risingDenials: risingDenials(told),
      completeUntil,
    };
  }

  /** File and line of every rule of the policy in force, each once. */
  async #rules(): Promise<readonly string[]> {
    const version = await this.#store.bundles.inForce();
    if (version === null) throw new Error('no policy is in force');
    const { bundle } = await this.#engines.load(version);
    const rules = [...bundle.roles.values()].flatMap((role) => role.rules);
    const places = rules.map(({ place }) => place).toSorted((a, b) => compare(a.file, b.file) || a.line - b.line);
    return [...new Set(places.map(label))];
  }
}

function risingDenials(groups: readonly Group[]): readonly RisingDenial[] {
  return groups
    .map((group) => ({ ...toDecision(group), before: group.before, now: group.count }))
    .filter(({ allowed, before, now }) => !allowed && now > before)
    .toSorted((a, b) => b.now - b.before - (a.now - a.before) || byWords(a, b))
    .slice(0, RISING_MAX)
    .map(({ action, subject, rule, before, now }) => ({ action, subject, rule, before, now }));
}

const isOverflow = ({ overflow }: Dimensions): boolean => overflow === true;

function toDecision({ dimensions: { action, subject, allowed, rule }, count }: Group): CountedDecision {
  return { action: text(action), subject: text(subject), allowed: allowed === true, rule: text(rule), count };
}

const text = (value: Dimensions[string] | undefined): string | null => (typeof value === 'string' ? value : null);

type Words = Pick<CountedDecision, 'action' | 'subject' | 'rule'>;

/** Any order, as long as it is always the same. */
function byWords(a: Words, b: Words): number {
  return compare(wordsOf(a), wordsOf(b));
}

const wordsOf = ({ action, subject, rule }: Words): string => JSON.stringify([subject, action, rule]);

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

import { type Instant, toInstant } from '../../kit/clock.ts';
import { demandAnalytics } from '../analytics/demand.ts';
import { OPERATIONS } from '../analytics/operation-counts.ts';
import { type Range, refuseTooMany, wholeQuarters } from '../analytics/range.ts';
import type { RollupAnswer } from '../analytics/rollup-store.ts';
import type { Rollups } from '../analytics/rollups.ts';
import type { Drainer } from '../outbox/drainer.ts';
import type { Policy } from '../policy/policy.ts';
import type { Principal } from '../principals/principal.ts';
import type { Store } from '../store.ts';

export interface OperationCount {
  readonly kind: string;
  readonly field: string;
  readonly succeeded: number;
  readonly failed: number;
}

export interface ActivityAnalyticsReport {
  readonly active: number;
  readonly buckets: readonly {
    readonly start: Instant;
    readonly active: number;
    readonly fromPrevious: number;
    readonly fromFirst: number;
  }[];
  readonly operations: readonly OperationCount[];
  readonly completeUntil: Instant;
}

/** How many users are active, how many come back, and what is asked for, over the users of all scopes. */
export class ActivityAnalytics {
  readonly #store: Store;
  readonly #drainer: Drainer;
  readonly #rollups: Rollups;
  readonly #policy: Policy;

  constructor(parts: { store: Store; drainer: Drainer; rollups: Rollups; policy: Policy }) {
    this.#store = parts.store;
    this.#drainer = parts.drainer;
    this.#rollups = parts.rollups;
    this.#policy = parts.policy;
  }

  /** As the analytics of permissions: for whoever may read it everywhere, with the same ranges. */
  async report(by: Principal, range: Range): Promise<ActivityAnalyticsReport> {
    demandAnalytics(this.#policy, by, 'activity');
    const quarters = wholeQuarters(range);
    const { completeUntil } = this.#rollups;
    await this.#drainer.drain();
    const { signIns, rollups } = this.#store;
    const [{ active, buckets }, { groups }] = await Promise.all([
      signIns.activeUsers(quarters),
      rollups.read({ metric: OPERATIONS, by: 'kind', ...quarters }),
    ]);
    refuseTooMany(buckets.length);
    return {
      active,
      buckets: buckets.map(({ startMs, ...counts }) => ({ start: toInstant(startMs), ...counts })),
      operations: operationsOf(groups),
      completeUntil,
    };
  }
}

function operationsOf(groups: RollupAnswer['groups']): readonly OperationCount[] {
  const found = new Map<string, OperationCount>();
  for (const { dimensions, count } of groups) {
    const [kind, field] = [String(dimensions['kind']), String(dimensions['field'])];
    const before = found.get(`${kind} ${field}`) ?? { kind, field, succeeded: 0, failed: 0 };
    const what = dimensions['failed'] === true ? 'failed' : 'succeeded';
    if (count > 0) found.set(`${kind} ${field}`, { ...before, [what]: before[what] + count });
  }
  const all = ({ succeeded, failed }: OperationCount) => succeeded + failed;
  return [...found.values()].toSorted((a, b) => all(b) - all(a) || (a.field < b.field ? -1 : 1));
}

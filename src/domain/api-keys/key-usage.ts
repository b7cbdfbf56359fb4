import { type Clock, type Instant, toInstant } from '../../kit/clock.ts';
import { type Range, refuseTooMany, wholeQuarters } from '../analytics/range.ts';
import type { Policy } from '../policy/policy.ts';
import type { Principal } from '../principals/principal.ts';
import { notFound } from '../refusals.ts';
import type { Store } from '../store.ts';
import type { UncountedUses } from '../usage/uncounted-uses.ts';
import { hourOf, type Outcome } from '../usage/usage.ts';
import type { UsageFlusher } from '../usage/usage-flusher.ts';

export interface KeyUsageReport extends Readonly<Record<Outcome, number>> {
  /** The most frequent first. */
  readonly operations: readonly {
    readonly version: number;
    readonly operation: string;
    readonly outcome: Outcome;
    readonly count: number;
  }[];
  readonly buckets: readonly (Readonly<Record<Outcome, number>> & { readonly start: Instant })[];
}

const HOUR_MS = 3_600_000;
const OPERATIONS_MAX = 200;

/** How often a key was used, and for what. */
export class KeyUsage {
  readonly #store: Store;
  readonly #policy: Policy;
  readonly #uncounted: UncountedUses;
  readonly #flusher: UsageFlusher;
  readonly #clock: Clock;

  constructor(parts: { store: Store; policy: Policy; uncounted: UncountedUses; flusher: UsageFlusher; clock: Clock }) {
    this.#store = parts.store;
    this.#policy = parts.policy;
    this.#uncounted = parts.uncounted;
    this.#flusher = parts.flusher;
    this.#clock = parts.clock;
  }

  /** For whoever may read the key, with the ranges of analytics, in whole hours of UTC; otherwise NOT_FOUND. */
  async report(by: Principal, keyId: string, range: Range): Promise<KeyUsageReport> {
    const key = this.#policy.readable(by, await this.#store.apiKeys.find(keyId));
    if (key === null) throw notFound('api key', keyId);
    const { fromMs, toMs, unit, timeZone } = wholeQuarters(range);
    const now = hourOf(this.#clock.now());
    if (fromMs < now + HOUR_MS && toMs > now - HOUR_MS) await this.#write(key, [now - HOUR_MS, now]);

    const { operations, buckets } = await this.#store.usage.report({
      id: keyId,
      fromMs: hourOf(fromMs),
      toMs: hourOf(toMs + HOUR_MS - 1),
      unit,
      timeZone,
      operationsMax: OPERATIONS_MAX,
    });
    refuseTooMany(buckets.length);
    const sum = (outcome: Outcome) => buckets.reduce((total, { counts }) => total + (counts[outcome] ?? 0), 0);
    return {
      admitted: sum('admitted'),
      limited: sum('limited'),
      failed: sum('failed'),
      operations: operations.map(({ version, ...more }) => ({ version: Number(version), ...more })),
      buckets: buckets.map(({ startMs, counts: { admitted = 0, limited = 0, failed = 0 } }) => {
        return { start: toInstant(startMs), admitted, limited, failed };
      }),
    };
  }

  /** What is counted of these hours and not written yet would be missing. */
  async #write({ id, ownerId }: { readonly id: string; readonly ownerId: string }, hours: readonly number[]) {
    await this.#uncounted.send();
    await this.#flusher.flushHours(hours.map((hourMs) => ({ subject: ownerId, id, hourMs })));
  }
}

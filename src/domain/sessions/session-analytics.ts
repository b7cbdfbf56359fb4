import { type Clock, type Instant, toInstant } from '../../kit/clock.ts';
import { demandAnalytics } from '../analytics/demand.ts';
import { type Range, refuseTooMany, wholeQuarters } from '../analytics/range.ts';
import type { RollupAnswer } from '../analytics/rollup-store.ts';
import type { Drainer } from '../outbox/drainer.ts';
import type { Policy } from '../policy/policy.ts';
import type { Principal } from '../principals/principal.ts';
import type { Store } from '../store.ts';
import { percentile } from './lengths.ts';
import { SESSIONS } from './session-counts.ts';

export interface SessionReport {
  readonly active: number;
  readonly peak: number;
  readonly started: number;
  readonly refreshed: number;
  readonly ended: number;
  readonly reuseDetections: number;
  /** The most frequent first, here and below. */
  readonly endedByReason: readonly { readonly reason: string; readonly count: number }[];
  readonly byDevice: readonly { readonly device: string; readonly count: number }[];
  readonly byProtocol: readonly { readonly protocol: string; readonly count: number }[];
  readonly lengths: { readonly p50Seconds: number; readonly p95Seconds: number } | null;
  readonly buckets: readonly SessionBucket[];
  readonly completeUntil: Instant;
}

export interface SessionBucket {
  readonly start: Instant;
  readonly active: number;
  readonly peak: number;
  readonly started: number;
  readonly refreshed: number;
  readonly ended: number;
}

/** What happened to the sessions of all users. No session is looked at for it, however many there are. */
export class SessionAnalytics {
  readonly #store: Store;
  readonly #drainer: Drainer;
  readonly #policy: Policy;
  readonly #clock: Clock;

  constructor(parts: { store: Store; drainer: Drainer; policy: Policy; clock: Clock }) {
    this.#store = parts.store;
    this.#drainer = parts.drainer;
    this.#policy = parts.policy;
    this.#clock = parts.clock;
  }

  /** As the analytics of permissions: for whoever may read it everywhere, with the same ranges. */
  async report(by: Principal, range: Range): Promise<SessionReport> {
    demandAnalytics(this.#policy, by, 'sessions');

    const quarters = wholeQuarters(range);
    const completeUntil = toInstant(this.#clock.now());
    await this.#drainer.drain();
    const { groups, buckets } = await this.#store.rollups.read({ metric: SESSIONS, by: 'what', ...quarters });
    refuseTooMany(buckets.length);
    const { fromMs, toMs } = quarters;
    const starts = buckets.map(({ startMs }) => startMs);
    const spans = starts.map((startMs, n) => ({
      from: toInstant(Math.max(startMs, fromMs)),
      to: toInstant(Math.min(starts[n + 1] ?? toMs, toMs)),
    }));
    const levels = await this.#store.sessionLevels.read(spans);
    const counted = buckets.map(({ startMs, counts }, n) => {
      const sumOf = (what: string) => counts.find(({ value }) => value === what)?.count ?? 0;
      return {
        start: toInstant(startMs),
        active: levels[n]?.live ?? 0,
        peak: levels[n]?.peak ?? 0,
        started: sumOf('started'),
        refreshed: sumOf('refreshed'),
        ended: sumOf('ended'),
      };
    });
    return { ...totals(groups), ...extremes(counted), buckets: counted, completeUntil };
  }
}

function extremes(buckets: readonly SessionBucket[]): Pick<SessionReport, 'active' | 'peak'> {
  return { active: buckets.at(-1)?.active ?? 0, peak: Math.max(0, ...buckets.map(({ peak }) => peak)) };
}

function totals(groups: RollupAnswer['groups']) {
  const of = (what: string, name: string) =>
    groups
      .filter(({ dimensions, count }) => dimensions['what'] === what && count > 0)
      .map(({ dimensions, count }) => ({ word: String(dimensions[name] ?? 'unknown'), count }))
      .toSorted((a, b) => b.count - a.count || (a.word < b.word ? -1 : 1));
  const [reasons, devices, protocols] = [of('ended', 'reason'), of('started', 'device'), of('protocol', 'protocol')];
  const lengths = new Map(of('length', 'bucket').map(({ word, count }) => [Number(word), count]));
  const [p50, p95] = [percentile(lengths, 50), percentile(lengths, 95)];
  return {
    started: sum(devices),
    refreshed: sum(of('refreshed', '')),
    ended: sum(reasons),
    reuseDetections: reasons.find(({ word }) => word === 'refresh_reuse')?.count ?? 0,
    endedByReason: reasons.map(({ word, count }) => ({ reason: word, count })),
    byDevice: devices.map(({ word, count }) => ({ device: word, count })),
    byProtocol: protocols.map(({ word, count }) => ({ protocol: word, count })),
    lengths: p50 === null || p95 === null ? null : { p50Seconds: p50 / 1_000, p95Seconds: p95 / 1_000 },
  };
}

const sum = (counts: readonly { readonly count: number }[]): number =>
  counts.reduce((total, { count }) => total + count, 0);

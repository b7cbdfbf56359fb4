import type { Outcome, UsageOfHour, UsageReader, UsageWriter } from '../../domain/usage/usage.ts';
import { toInstant } from '../../kit/clock.ts';
import { instant, type Query } from './database.ts';

interface UsageSqlRow {
  readonly hour: string | Date;
  readonly version: string;
  readonly operation: string;
  readonly outcome: Outcome;
  readonly count: string;
}

export function createUsageReader(query: Query): UsageReader {
  return {
    async read(id, fromMs, toMs) {
      const rows = await query<UsageSqlRow>(
        'usage-read',
        `select hour, version, operation, outcome, sum(count) as count from usage_counts
         where id = $1 and hour >= $2 and hour < $3
         group by hour, version, operation, outcome order by hour, version, operation, outcome`,
        [id, toInstant(fromMs), toInstant(toMs)],
      );
      return rows.map(({ hour, count, ...named }): UsageOfHour => ({
        ...named,
        hour: instant(hour),
        count: Number(count),
      }));
    },
  };
}

export function createUsageWriter(query: Query): UsageWriter {
  return {
    async put(stocks) {
      const rows = stocks.flatMap(({ id, hourMs, era, counts }) =>
        counts.map((each) => ({ id, hour: toInstant(hourMs), era, ...each })),
      );
      // In one order, so that two that meet wait for each other and never in a circle. What has not grown is not written.
      await query(
        'usage-put',
        `insert into usage_counts (id, hour, version, operation, outcome, era, count)
         select * from unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[])
           as u (id, hour, version, operation, outcome, era, count)
         order by id, hour, version, operation, outcome, era
         on conflict (id, hour, version, operation, outcome, era) do update set count = excluded.count
           where usage_counts.count < excluded.count`,
        [
          rows.map(({ id }) => id),
          rows.map(({ hour }) => hour),
          rows.map(({ version }) => version),
          rows.map(({ operation }) => operation),
          rows.map(({ outcome }) => outcome),
          rows.map(({ era }) => era),
          rows.map(({ count }) => count),
        ],
      );
    },

    async forget(before, limit) {
      const [row] = await query<{ removed: number }>(
        'usage-forget',
        `with removed as (
           delete from usage_counts where ctid = any(array(
             select ctid from usage_counts where hour < $1 order by hour limit $2 for update skip locked)) returning id
         ) select count(*)::int as removed from removed`,
        [before, limit],
      );
      return row?.removed ?? 0;
    },
  };
}

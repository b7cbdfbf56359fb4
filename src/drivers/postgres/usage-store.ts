import type { Outcome, UsageAnswer, UsageOfHour, UsageReader, UsageWriter } from '../../domain/usage/usage.ts';
import { toInstant } from '../../kit/clock.ts';
import { bucketsSql, instantSql, inZone } from './calendar.ts';
import { instant } from './database.ts';
import type { Query } from './query.ts';
import type { Statements } from './transactions.ts';

interface UsageSqlRow {
  readonly hour: string | Date;
  readonly version: string;
  readonly operation: string;
  readonly outcome: Outcome;
  readonly count: string;
}

/** $1 is the key, $2 and $3 the range in ms, $4 the unit, $5 the time zone, and $6 how many operations are told apart. */
const REPORT = `
  with ${bucketsSql({ from: 2, to: 3, unit: 4, timeZone: 5 })}, used as (
    select hour, version, operation, outcome, sum(count) as count from usage_counts
    where id = $1 and hour >= ${instantSql(2)} and hour < ${instantSql(3)} group by 1, 2, 3, 4
  ), counted as (
    select date_trunc($4, hour, $5) as bucket, outcome, sum(count) as count from used group by 1, 2
  ), by_bucket as (
    select b.start, coalesce(json_object_agg(c.outcome, c.count) filter (where c.outcome is not null), '{}') as counts
    from buckets b left join counted c on c.bucket = b.bucket group by b.start
  ), operations as (
    select version, operation, outcome, sum(count) as count from used group by 1, 2, 3
    order by count desc, operation, version, outcome limit $6
  )
  select
    (select coalesce(json_agg(operations), '[]') from operations) as operations,
    (select coalesce(json_agg(json_build_object(
      'startMs', (extract(epoch from start) * 1000)::bigint, 'counts', counts) order by start), '[]')
      from by_bucket) as buckets`;

export function createUsageReader(query: Query): UsageReader {
  return {
    async report({ id, fromMs, toMs, unit, timeZone, operationsMax }) {
      const values = [id, fromMs, toMs, unit, timeZone, operationsMax];
      const [answer] = await inZone(() => query<UsageAnswer>('usage-report', REPORT, values));
      return answer ?? { operations: [], buckets: [] };
    },

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

export function createUsageWriter({ query, send }: Statements): UsageWriter {
  return {
    async put(stocks) {
      const rows = stocks.flatMap(({ id, hourMs, era, counts }) =>
        counts.map((each) => ({ id, hour: toInstant(hourMs), era, ...each })),
      );
      // In one order, so that two that meet wait for each other and never in a circle. What has not grown is not written.
      await send(
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

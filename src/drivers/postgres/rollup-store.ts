import type { Count, RollupAnswer, RollupReader, RollupWriter } from '../../domain/analytics/rollup-store.ts';
import { bucketsSql, instantSql, inZone } from './calendar.ts';
import type { Query } from './query.ts';
import type { Send, Statements } from './transactions.ts';

const [BEFORE, SINCE, UNTIL] = [2, 3, 4].map(instantSql);

/** $1 is the metric, $5 the unit, $6 the time zone, and $7 the dimension to tell the counts of a bucket apart by. */
const READ = `
  with ${bucketsSql({ from: 3, to: 4, unit: 5, timeZone: 6 })}, series as (
    select id, dimensions, dimensions -> $7 as value from rollup_series where metric = $1
  ), counted as (
    select date_trunc($5, start, $6) as bucket, value, sum(count) as count
    from (
      select start, value, sum(count) as count from rollups join series on id = series_id
      where start >= ${SINCE} and start < ${UNTIL} group by 1, 2
    ) by_quarter group by 1, 2
  ), by_bucket as (
    select b.start, coalesce(
      json_agg(json_build_object('value', c.value, 'count', c.count)) filter (where c.count is not null), '[]') as counts
    from buckets b left join counted c on c.bucket = b.bucket group by b.start
  ), groups as (
    select dimensions, count, before
    from series join lateral (
      select coalesce(sum(count) filter (where start >= ${SINCE}), 0) as count,
        coalesce(sum(count) filter (where start < ${SINCE}), 0) as before
      from rollups where series_id = id and start >= ${BEFORE} and start < ${UNTIL}
    ) sums on count > 0 or before > 0
  )
  select
    (select coalesce(json_agg(groups), '[]') from groups) as groups,
    (select coalesce(json_agg(json_build_object(
      'startMs', (extract(epoch from start) * 1000)::bigint, 'counts', counts) order by start), '[]')
      from by_bucket) as buckets`;

export function createRollupReader(query: Query): RollupReader {
  return {
    async read({ metric, fromMs, toMs, unit, timeZone, by }) {
      const values = [metric, fromMs - (toMs - fromMs), fromMs, toMs, unit, timeZone, by];
      const [answer] = await inZone(() => query<RollupAnswer>('rollups-read', READ, values));
      return answer ?? { groups: [], buckets: [] };
    },
  };
}

const FLUSHES_FORGOTTEN_AT_ONCE = 10;

export function createRollupWriter({ query, send }: Statements): RollupWriter {
  const count = (counts: readonly Count[]) => addCounts(send, counts);
  return {
    count,

    async add(flushId, counts) {
      const text = 'insert into rollup_flushes (id) values ($1) on conflict do nothing returning id';
      if ((await query('rollup-flush', text, [flushId])).length === 0) return false;
      await count(counts);
      // More than one for each that comes, so that there are never many more than a day's.
      await send(
        'rollup-forget',
        `delete from rollup_flushes where id in (
           select id from rollup_flushes where at < now() - interval '1 day'
           order by at limit $1 for update skip locked)`,
        [FLUSHES_FORGOTTEN_AT_ONCE],
      );
      return true;
    },
  };
}

/** In one order, so that those that meet wait for each other and never in a circle. */
async function addCounts(send: Send, counts: readonly Count[]): Promise<void> {
  const metrics = counts.map(({ metric }) => metric);
  const dimensions = counts.map((each) => JSON.stringify(each.dimensions));
  const [starts, numbers] = [counts.map(({ start }) => start), counts.map((each) => each.count)];
  await send(
    'rollup-series',
    `insert into rollup_series (metric, dimensions)
     select distinct metric, dimensions from unnest($1::text[], $2::jsonb[]) as t (metric, dimensions)
     where not exists (select from rollup_series s where s.metric = t.metric and s.dimensions = t.dimensions)
     order by metric, dimensions on conflict do nothing`,
    [metrics, dimensions],
  );
  await send(
    'rollup-add',
    `insert into rollups (series_id, start, count)
     select id, start, sum(count)
     from unnest($1::text[], $2::jsonb[], $3::timestamptz[], $4::bigint[]) as t (metric, dimensions, start, count)
     join rollup_series s on s.metric = t.metric and s.dimensions = t.dimensions
     group by id, start order by id, start
     on conflict (series_id, start) do update set count = rollups.count + excluded.count`,
    [metrics, dimensions, starts, numbers],
  );
}

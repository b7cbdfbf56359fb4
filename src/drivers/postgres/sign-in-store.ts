import type {
  ActivityWord,
  SeenDevice,
  SignIn,
  SignInOutcome,
  SignInReader,
  SignInWriter,
} from '../../domain/authentication/sign-in.ts';
import type { DeviceKind } from '../../domain/sessions/device.ts';
import { bucketsSql, instantSql, inZone } from './calendar.ts';
import { instant } from './database.ts';
import type { Query } from './query.ts';
import type { Statements } from './transactions.ts';

interface DeviceSqlRow {
  readonly device_kind: DeviceKind;
  readonly browser: string | null;
  readonly os: string | null;
}

interface SignInSqlRow extends DeviceSqlRow {
  readonly id: string;
  readonly user_id: string | null;
  readonly at: string | Date;
  readonly outcome: SignInOutcome;
  readonly aal: SignIn['aal'];
  readonly session_id: string | null;
  readonly client: string | null;
  readonly address: string | null;
}

interface SeenSqlRow extends DeviceSqlRow {
  readonly first_seen_at: string | Date;
  readonly last_seen_at: string | Date;
  readonly sign_ins: number;
}

const COLUMNS = 'id, user_id, at, outcome, aal, session_id, device_kind, browser, os, client, address';

/** $1 is the user, $2 and $3 the range in ms, $4 the unit and $5 the time zone. */
const ACTIVITY = `
  with ${bucketsSql({ from: 2, to: 3, unit: 4, timeZone: 5 })}, counted as (
    select date_trunc($4, start, $5) as bucket, what, sum(count)::float8 as count from user_activity
    where user_id = $1 and start >= ${instantSql(2)} and start < ${instantSql(3)} group by 1, 2
  )
  select (extract(epoch from b.start) * 1000)::float8 as start_ms,
    coalesce(json_object_agg(c.what, c.count) filter (where c.what is not null), '{}') as counts
  from buckets b left join counted c on c.bucket = b.bucket group by b.start order by b.start`;

/** $1 and $2 are the range in ms, $3 the unit and $4 the time zone. A user is in a bucket once, however often. */
const ACTIVE = `
  with ${bucketsSql({ from: 1, to: 2, unit: 3, timeZone: 4 })}, numbered as (
    select *, row_number() over (order by start) as n from buckets
  ), seen as (
    select distinct user_id, b.n
    from user_activity a join numbered b on b.bucket = date_trunc($3, a.start, $4)
    where a.start >= ${instantSql(1)} and a.start < ${instantSql(2)}
      and a.what in ('signed_in', 'refreshed')
  ), compared as (
    select n, user_id, lag(n) over (partition by user_id order by n) = n - 1 as again,
      min(n) over (partition by user_id) = 1 as first
    from seen
  ), counted as (
    select n, count(*)::int as active, count(*) filter (where again)::int as from_previous, count(*) filter (where first)::int as from_first
    from compared group by n
  )
  select (extract(epoch from b.start) * 1000)::float8 as start_ms, coalesce(c.active, 0) as active,
    coalesce(c.from_previous, 0) as from_previous, coalesce(c.from_first, 0) as from_first,
    (select count(distinct user_id)::int from seen) as total
  from numbered b left join counted c on c.n = b.n order by b.n`;

interface ActiveSqlRow {
  readonly start_ms: number;
  readonly active: number;
  readonly from_previous: number;
  readonly from_first: number;
  readonly total: number;
}

export function createSignInReader(query: Query): SignInReader {
  return {
    async page(userId, after, limit) {
      const rows = await query<SignInSqlRow>(
        'sign-in-page',
        `select ${COLUMNS} from sign_ins
         where user_id = $1 and ($2::timestamptz is null or (at, id) < ($2, $3)) order by at desc, id desc limit $4`,
        [userId, after?.value ?? null, after?.id ?? null, limit],
      );
      return rows.map(toSignIn);
    },

    async devices(userId, from, to, limit) {
      const rows = await query<SeenSqlRow>(
        'sign-in-devices',
        `select device_kind, browser, os, min(at) as first_seen_at, max(at) as last_seen_at, count(*)::int as sign_ins
         from sign_ins where user_id = $1 and at >= $2 and at < $3 and outcome = 'succeeded'
         group by device_kind, browser, os order by max(at) desc limit $4`,
        [userId, from, to, limit],
      );
      return rows.map((row): SeenDevice => ({
        deviceKind: row.device_kind,
        browser: row.browser,
        os: row.os,
        firstSeenAt: instant(row.first_seen_at),
        lastSeenAt: instant(row.last_seen_at),
        signIns: row.sign_ins,
      }));
    },

    async lastOf(userIds) {
      const text = 'select user_id, at from last_sign_ins where user_id = any($1)';
      const rows = await query<{ user_id: string; at: string | Date }>('sign-in-last-of', text, [userIds]);
      return new Map(rows.map(({ user_id, at }) => [user_id, instant(at)]));
    },

    async activity({ userId, fromMs, toMs, unit, timeZone }) {
      const values = [userId, fromMs, toMs, unit, timeZone];
      return inZone(async () => {
        const rows = await query<{ start_ms: number; counts: Readonly<Partial<Record<ActivityWord, number>>> }>(
          'user-activity-read',
          ACTIVITY,
          values,
        );
        return rows.map(({ start_ms, counts }) => ({ startMs: start_ms, counts }));
      });
    },

    async activeUsers({ fromMs, toMs, unit, timeZone }) {
      return inZone(async () => {
        const rows = await query<ActiveSqlRow>('active-users-read', ACTIVE, [fromMs, toMs, unit, timeZone]);
        return {
          active: rows[0]?.total ?? 0,
          buckets: rows.map((row) => ({
            startMs: row.start_ms,
            active: row.active,
            fromPrevious: row.from_previous,
            fromFirst: row.from_first,
          })),
        };
      });
    },
  };
}

export function createSignInWriter({ query, send }: Statements): SignInWriter {
  return {
    async add({ id, userId, at, outcome, aal, sessionId, deviceKind, browser, os, client, address }) {
      await send(
        'sign-in-add',
        `with added as (
           insert into sign_ins (${COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) returning *
         )
         insert into outbox (kind, subject_id, user_id, reason, at, details)
         select 'sign_in.failed', coalesce(user_id, ''), null, outcome, at,
           jsonb_build_object('device', device_kind, 'browser', browser, 'os', os, 'client', client)
         from added where outcome <> 'succeeded'`,
        [id, userId, at, outcome, aal, sessionId, deviceKind, browser, os, client, address],
      );
    },

    async count(counts, last) {
      await send(
        'user-activity-count',
        `insert into user_activity (user_id, start, what, count)
         select * from unnest($1::text[], $2::timestamptz[], $3::text[], $4::bigint[])
         on conflict (user_id, start, what) do update set count = user_activity.count + excluded.count`,
        [
          counts.map(({ userId }) => userId),
          counts.map(({ start }) => start),
          counts.map(({ what }) => what),
          counts.map(({ count }) => count),
        ],
      );
      if (last.size === 0) return;
      await send(
        'sign-in-last',
        `insert into last_sign_ins (user_id, at) select * from unnest($1::text[], $2::timestamptz[])
         on conflict (user_id) do update set at = greatest(last_sign_ins.at, excluded.at)`,
        [[...last.keys()], [...last.values()]],
      );
    },

    async failedHours(hours) {
      const rows = await query<{ user_id: string; hour: string | Date }>(
        'user-activity-failed-hours',
        `select h.user_id, h.hour from unnest($1::text[], $2::timestamptz[]) as h (user_id, hour)
         where exists (
           select from user_activity a
           where a.user_id = h.user_id and a.what = 'failed' and a.start >= h.hour and a.start < h.hour + interval '1 hour')`,
        [hours.map(({ userId }) => userId), hours.map(({ hour }) => hour)],
      );
      return new Set(rows.map(({ user_id, hour }) => `${user_id} ${instant(hour)}`));
    },
  };
}

function toSignIn(row: SignInSqlRow): SignIn {
  return {
    id: row.id,
    userId: row.user_id,
    at: instant(row.at),
    outcome: row.outcome,
    aal: row.aal,
    sessionId: row.session_id,
    deviceKind: row.device_kind,
    browser: row.browser,
    os: row.os,
    client: row.client,
    address: row.address,
  };
}

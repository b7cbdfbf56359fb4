import type { SessionFactsReader } from '../../domain/sessions/session-counts.ts';
import type { EndingWriter } from '../../domain/sessions/session-ender.ts';
import type { LevelReader, LevelWriter } from '../../domain/sessions/session-levels.ts';
import { instant } from './database.ts';
import type { Query } from './query.ts';
import { LOCKS } from './locks.ts';
import type { Statements } from './transactions.ts';

export function createSessionFacts(query: Query): SessionFactsReader {
  return {
    async find(ids) {
      const rows = await query<{
        id: string;
        created_at: string | Date;
        device_kind: string;
        protocols: readonly string[] | null;
      }>(
        'session-facts',
        `select s.id, s.created_at, s.device_kind, seen.protocols
         from sessions s left join session_activity seen on seen.session_id = s.id where s.id = any($1)`,
        [ids],
      );
      return rows.map(({ id, created_at, device_kind, protocols }) => ({
        id,
        createdAt: instant(created_at),
        device: device_kind,
        protocols: protocols ?? [],
      }));
    },
  };
}

export function createLevelReader(query: Query): LevelReader {
  return {
    async read(spans) {
      const rows = await query<{ live: string; peak: string }>(
        'session-levels-read',
        `select coalesce((select live from session_levels where start < until order by start desc limit 1), 0) as live,
           coalesce(greatest(
             (select live from session_levels where start < since order by start desc limit 1),
             (select max(peak) from session_levels where start >= since and start < until)), 0) as peak
         from unnest($1::timestamptz[], $2::timestamptz[]) with ordinality as span (since, until, n) order by n`,
        [spans.map(({ from }) => from), spans.map(({ to }) => to)],
      );
      return rows.map(({ live, peak }) => ({ live: Number(live), peak: Number(peak) }));
    },
  };
}

export function createLevelWriter({ query, send }: Statements): LevelWriter {
  return {
    async from(start) {
      const rows = await query<{ start: string | Date; live: string; peak: string }>(
        'session-levels-from',
        `select start, live, peak from session_levels
         where start >= coalesce((select max(start) from session_levels where start <= $1), '-infinity') order by start`,
        [start],
      );
      return rows.map((row) => ({ start: instant(row.start), live: Number(row.live), peak: Number(row.peak) }));
    },

    async put(levels) {
      await send(
        'session-levels-put',
        `insert into session_levels (start, live, peak)
         select * from unnest($1::timestamptz[], $2::bigint[], $3::bigint[])
         on conflict (start) do update set live = excluded.live, peak = excluded.peak`,
        [levels.map(({ start }) => start), levels.map(({ live }) => live), levels.map(({ peak }) => peak)],
      );
    },
  };
}

export function createEndingWriter({ query }: Statements): EndingWriter {
  const count = async (name: string, text: string, values: readonly unknown[]): Promise<number> =>
    (await query(name, text, values)).length;
  return {
    async begin() {
      const text = 'select pg_try_advisory_xact_lock($1) as alone';
      const [row] = await query<{ alone: boolean }>('ending-begin', text, [LOCKS.ending]);
      return row?.alone ?? false;
    },

    expired: (by, limit) =>
      count(
        'ending-expired',
        `with over as (
           select id from sessions where ended_at is null and expires_at <= $1
           order by expires_at limit $2 for update skip locked
         )
         update sessions s set ended_at = s.expires_at, ended_reason = 'expired' from over where s.id = over.id
         returning s.id`,
        [by, limit],
      ),

    // Who uses a session refreshes it every few minutes: few are left that the index does not rule out.
    idle: ({ aal, unusedSince, idleSeconds, limit }) =>
      count(
        'ending-idle',
        `with over as (
           select s.id, idle.at
           from sessions s left join session_activity seen on seen.session_id = s.id
           cross join lateral (
             select greatest(coalesce(s.rotated_at, s.created_at), seen.last_seen_at) + make_interval(secs => $3) as at
           ) idle
           where s.ended_at is null and s.aal = $1 and coalesce(s.rotated_at, s.created_at) < $2
             and (seen.last_seen_at is null or seen.last_seen_at < $2) and idle.at <= s.expires_at
           order by coalesce(s.rotated_at, s.created_at) limit $4 for update of s skip locked
         )
         update sessions s set ended_at = over.at, ended_reason = 'idle', expires_at = over.at, successor = null
         from over where s.id = over.id returning s.id`,
        [aal, unusedSince, idleSeconds, limit],
      ),
  };
}

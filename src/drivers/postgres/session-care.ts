import type { ActivityWriter } from '../../domain/sessions/activity.ts';
import type { CleaningWriter } from '../../domain/sessions/cleaner.ts';
import type { Query } from './database.ts';

export function createActivityWriter(query: Query): ActivityWriter {
  return {
    async note(activities) {
      // In one order, so that two instances that note the same sessions never wait for each other in a circle.
      await query(
        'activity-note',
        `insert into session_activity (session_id, last_seen_at, protocols)
         select id, at, string_to_array(protocols, ',')
         from unnest($1::text[], $2::timestamptz[], $3::text[]) as a (id, at, protocols) order by id
         on conflict (session_id) do update set
           last_seen_at = greatest(session_activity.last_seen_at, excluded.last_seen_at),
           protocols = array(select distinct unnest(session_activity.protocols || excluded.protocols) order by 1)`,
        [
          activities.map(({ sessionId }) => sessionId),
          activities.map(({ lastSeenAt }) => lastSeenAt),
          activities.map(({ protocols }) => protocols.join(',')),
        ],
      );
    },
  };
}

/** Any number that nobody else locks: one transaction cleans at a time. */
const CLEANING_LOCK = 7_215_807;

export function createCleaningWriter(query: Query): CleaningWriter {
  const count = async (name: string, text: string, values: readonly unknown[]): Promise<number> => {
    const [row] = await query<{ removed: number }>(name, text, values);
    return row?.removed ?? 0;
  };
  return {
    async begin() {
      const text = 'select pg_try_advisory_xact_lock($1) as alone';
      const [row] = await query<{ alone: boolean }>('cleaning-begin', text, [CLEANING_LOCK]);
      return row?.alone ?? false;
    },

    // Whoever holds a row is not waited for: it is there the next time.
    sessions: (before, limit) =>
      count(
        'cleaning-sessions',
        `with ended as (
           select id from sessions where expires_at < $1 order by expires_at, id limit $2 for update skip locked
         ), removed as (
           delete from sessions where id in (select id from ended) returning id
         ), forgotten as (
           delete from session_activity where session_id in (select id from removed)
         )
         select count(*)::int as removed from removed`,
        [before, limit],
      ),

    accounts: (now, before, limit) =>
      count(
        'cleaning-accounts',
        `with tokens as (
           delete from account_tokens where hash in (
             select hash from account_tokens where expires_at <= $1 order by expires_at limit $3) returning hash
         ), guesses as (
           delete from password_guesses where key in (
             select key from password_guesses where at < $2 and failures < 100 order by at limit $3
             for update skip locked) returning key
         )
         select greatest((select count(*) from tokens), (select count(*) from guesses))::int as removed`,
        [now, before, limit],
      ),

    log: (before, limit) =>
      count(
        'cleaning-log',
        `with removed as (
           delete from authority_log where id in (
             select id from authority_log where at < $1 and seq is not null order by at limit $2) returning id
         ) select count(*)::int as removed from removed`,
        [before, limit],
      ),
  };
}

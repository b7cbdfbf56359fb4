import type { ActivityWriter } from '../../domain/sessions/activity.ts';
import type { Statements } from './transactions.ts';

export function createActivityWriter({ send }: Statements): ActivityWriter {
  return {
    async note(activities) {
      // In one order, so that two instances that note the same sessions never wait for each other in a circle.
      await send(
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

import type { SignalWriter } from '../../domain/security/signal.ts';
import { instant } from './database.ts';
import { LOCKS } from './locks.ts';
import type { Statements } from './transactions.ts';

const FORGOTTEN_AT_ONCE = 1_000;

interface SightingSqlRow {
  readonly user_id: string;
  readonly session_id: string;
  readonly latitude: number;
  readonly longitude: number;
  readonly radius_km: number;
  readonly at: string | Date;
}

export function createSignalWriter({ query, send }: Statements): SignalWriter {
  return {
    async add(signals) {
      // Statements of their own: each must see what the one who held the lock before has committed.
      await send('signals-lock', 'select pg_advisory_xact_lock($1)', [LOCKS.signals]);
      const rows = signals.flatMap(({ kind, subject, start, members }) =>
        members.map((member) => ({ kind, subject, start, member })),
      );
      await send(
        'signals-add',
        `insert into security_signals (kind, subject, start, member)
         select * from unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[]) on conflict do nothing`,
        [
          rows.map(({ kind }) => kind),
          rows.map(({ subject }) => subject),
          rows.map(({ start }) => start),
          rows.map(({ member }) => member),
        ],
      );
      const counts = await query<{ count: number }>(
        'signals-count',
        `select (select count(*)::int from security_signals s
                 where s.kind = t.kind and s.subject = t.subject and s.start = t.start) as count
         from unnest($1::text[], $2::text[], $3::timestamptz[]) with ordinality as t (kind, subject, start, n) order by n`,
        [signals.map(({ kind }) => kind), signals.map(({ subject }) => subject), signals.map(({ start }) => start)],
      );
      await send(
        'signals-forget',
        `delete from security_signals where ctid = any(array(
           select ctid from security_signals where start < now() - interval '2 days' limit $1))`,
        [FORGOTTEN_AT_ONCE],
      );
      return counts.map(({ count }) => count);
    },

    async noteNetworks(seen) {
      const keys = [...new Set(seen.map(({ keyId }) => keyId))];
      await send('signals-lock', 'select pg_advisory_xact_lock($1)', [LOCKS.signals]);
      const before = await query<{ key_id: string }>(
        'key-networks-before',
        'select distinct key_id from api_key_networks where key_id = any($1)',
        [keys],
      );
      const known = new Set(before.map(({ key_id }) => key_id));
      const noted = await query<{ key_id: string; network: string; added: boolean }>(
        'key-networks-note',
        `insert into api_key_networks as n (key_id, network, at)
         select key_id, network, max(at) from unnest($1::text[], $2::text[], $3::timestamptz[]) as seen (key_id, network, at)
         group by key_id, network
         on conflict (key_id, network) do update set at = greatest(n.at, excluded.at)
         returning key_id, network, xmax = 0 as added`,
        [seen.map(({ keyId }) => keyId), seen.map(({ network }) => network), seen.map(({ at }) => at)],
      );
      // Of a key that is in use another network is left: one that sleeps for years is not new when it wakes.
      await send(
        'key-networks-forget',
        `delete from api_key_networks where ctid = any(array(
           select ctid from api_key_networks where key_id = any($1) and at < $2::timestamptz - interval '400 days' limit $3))`,
        [keys, seen[0]?.at, FORGOTTEN_AT_ONCE],
      );
      return noted
        .filter(({ key_id, added }) => added && known.has(key_id))
        .map(({ key_id, network }) => ({ keyId: key_id, network }));
    },

    async lastSightings(userIds) {
      // Statements of their own, as above.
      await send('sightings-lock', 'select pg_advisory_xact_lock($1)', [LOCKS.sightings]);
      const rows = await query<SightingSqlRow>(
        'sightings-last',
        'select user_id, session_id, latitude, longitude, radius_km, at from user_sightings where user_id = any($1)',
        [userIds],
      );
      return rows.map(({ user_id, session_id, latitude, longitude, radius_km, at }) => ({
        userId: user_id,
        sessionId: session_id,
        latitude,
        longitude,
        radiusKm: radius_km,
        at: instant(at),
      }));
    },

    async noteSightings(latest) {
      await send(
        'sightings-note',
        `insert into user_sightings (user_id, session_id, latitude, longitude, radius_km, at)
         select * from unnest($1::text[], $2::text[], $3::real[], $4::real[], $5::real[], $6::timestamptz[])
         on conflict (user_id) do update set session_id = excluded.session_id, latitude = excluded.latitude,
           longitude = excluded.longitude, radius_km = excluded.radius_km, at = excluded.at`,
        [
          latest.map(({ userId }) => userId),
          latest.map(({ sessionId }) => sessionId),
          latest.map(({ latitude }) => latitude),
          latest.map(({ longitude }) => longitude),
          latest.map(({ radiusKm }) => radiusKm),
          latest.map(({ at }) => at),
        ],
      );
    },
  };
}

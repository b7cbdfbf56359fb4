import type { SignalWriter } from '../../domain/security/signal.ts';
import type { Query } from './database.ts';

/** Any number that nobody else locks: one transaction counts signals at a time. */
const SIGNALS_LOCK = 7_215_813;
const FORGOTTEN_AT_ONCE = 1_000;

export function createSignalWriter(query: Query): SignalWriter {
  return {
    async add(signals) {
      // Statements of their own: each must see what the one who held the lock before has committed.
      await query('signals-lock', 'select pg_advisory_xact_lock($1)', [SIGNALS_LOCK]);
      const rows = signals.flatMap(({ kind, subject, start, members }) =>
        members.map((member) => ({ kind, subject, start, member })),
      );
      await query(
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
      await query(
        'signals-forget',
        `delete from security_signals where ctid = any(array(
           select ctid from security_signals where start < now() - interval '2 days' limit $1))`,
        [FORGOTTEN_AT_ONCE],
      );
      return counts.map(({ count }) => count);
    },

    async noteNetworks(seen) {
      const keys = [...new Set(seen.map(({ keyId }) => keyId))];
      await query('signals-lock', 'select pg_advisory_xact_lock($1)', [SIGNALS_LOCK]);
      const before = await query<{ key_id: string }>(
        'key-networks-before',
        'select distinct key_id from api_key_networks where key_id = any($1)',
        [keys],
      );
      const known = new Set(before.map(({ key_id }) => key_id));
      const added = await query<{ key_id: string; network: string }>(
        'key-networks-add',
        `insert into api_key_networks (key_id, network, at)
         select * from unnest($1::text[], $2::text[], $3::timestamptz[]) on conflict do nothing returning key_id, network`,
        [seen.map(({ keyId }) => keyId), seen.map(({ network }) => network), seen.map(({ at }) => at)],
      );
      return added.filter(({ key_id }) => known.has(key_id)).map(({ key_id, network }) => ({ keyId: key_id, network }));
    },
  };
}

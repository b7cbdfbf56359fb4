import type {
  EventDetails,
  EventPage,
  OutboxEvent,
  OutboxHead,
  OutboxReader,
  OutboxWriter,
} from '../../domain/outbox/event.ts';
import { instant } from './database.ts';
import type { Query } from './query.ts';
import { LOCKS } from './locks.ts';
import type { Statements } from './transactions.ts';

interface OutboxSqlRow {
  readonly seq: string;
  readonly kind: string;
  readonly subject_id: string;
  readonly user_id: string | null;
  readonly reason: string | null;
  readonly details: EventDetails | null;
  readonly at: string | Date;
}

interface HeadRow {
  readonly epoch: string;
  readonly head: string;
  readonly trimmed: string;
}

const HEAD = 'from outbox_head h join authority_head a on a.id = h.id';
const COLUMNS = 'seq, kind, subject_id, user_id, reason, details, at';

/** One snapshot in one statement. The head joins every row, and one row comes even when there is no event. */
const pageOf = (where: string, limit = 'limit $2'): string => `select a.epoch, h.seq as head, h.trimmed, e.*
  ${HEAD} left join lateral (
    select ${COLUMNS} from outbox where ${where} order by seq ${limit}
  ) e on true where h.id = 1 order by e.seq`;

export function createOutboxReader(query: Query): OutboxReader {
  const page = async (name: string, text: string, values: readonly unknown[]): Promise<EventPage> => {
    const rows = await query<HeadRow & OutboxSqlRow>(name, text, values);
    return { ...toHead(rows), events: rows.filter(({ seq }) => seq !== null).map(toEvent) };
  };
  return {
    head: async () =>
      toHead(
        await query<HeadRow>('outbox-head', `select a.epoch, h.seq as head, h.trimmed ${HEAD} where h.id = 1`, []),
      ),

    after: (seq, limit) => page('outbox-after', pageOf('seq > $1'), [seq, limit]),

    ofUser: (userId, seq, limit) => page('outbox-of-user', pageOf('user_id = $3 and seq > $1'), [seq, limit, userId]),

    // Numbers follow each other, so that the index by number is enough whatever is looked for.
    ofKinds: (kinds, seq, span) =>
      page('outbox-of-kinds', pageOf('seq > $1 and seq <= $1::bigint + $2::int and kind = any($3)', ''), [
        seq,
        span,
        kinds,
      ]),

    async waiting() {
      const text = 'select exists (select from outbox where seq is null) as waiting';
      const [row] = await query<{ waiting: boolean }>('outbox-waiting', text, []);
      return row?.waiting ?? false;
    },
  };
}

export function createOutboxWriter({ query, send }: Statements): OutboxWriter {
  return {
    async append(events) {
      await send(
        'outbox-append',
        `insert into outbox (kind, subject_id, user_id, reason, details, at)
         select kind, subject_id, user_id, reason, details::jsonb, at
         from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[]) with ordinality
           as e (kind, subject_id, user_id, reason, details, at, n)
         order by n`,
        [
          events.map(({ kind }) => kind),
          events.map(({ subjectId }) => subjectId),
          events.map(({ userId }) => userId),
          events.map(({ reason }) => reason),
          events.map(({ details }) => (details === null ? null : JSON.stringify(details))),
          events.map(({ at }) => at),
        ],
      );
    },

    async number(limit) {
      // Statements of their own: each must see what the one who held the lock before has committed.
      await send('outbox-lock', 'select pg_advisory_xact_lock($1)', [LOCKS.numbering]);
      const rows = await query<OutboxSqlRow>(
        'outbox-number',
        `with waiting as materialized (
           select id, row_number() over (order by id) as n from outbox where seq is null order by id limit $1
         ), head as (
           update outbox_head set seq = seq + (select count(*) from waiting)
           where id = 1 and exists (select from waiting) returning seq - (select count(*) from waiting) as seq
         ), numbered as (
           update outbox o set seq = h.seq + w.n from waiting w, head h where o.id = w.id
           returning o.seq, o.kind, o.subject_id, o.user_id, o.reason, o.details, o.at
         )
         select * from numbered order by seq`,
        [limit],
      );
      return rows.map(toEvent);
    },
  };
}

function toHead([row]: readonly HeadRow[]): OutboxHead {
  if (row === undefined) throw new Error('outbox_head has no row: the database is not migrated');
  return { epoch: row.epoch, head: Number(row.head), trimmed: Number(row.trimmed) };
}

function toEvent({ seq, kind, subject_id, user_id, reason, details, at }: OutboxSqlRow): OutboxEvent {
  return { seq: Number(seq), kind, subjectId: subject_id, userId: user_id, reason, details, at: instant(at) };
}

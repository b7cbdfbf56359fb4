import type { OutboxEvent, OutboxReader, OutboxWriter } from '../../domain/outbox/event.ts';
import { instant, type Query } from './database.ts';

interface OutboxSqlRow {
  readonly seq: string;
  readonly kind: string;
  readonly subject_id: string;
  readonly user_id: string | null;
  readonly reason: string | null;
  readonly at: string | Date;
}

/** Any number that nobody else locks: one transaction numbers at a time. */
const NUMBERING_LOCK = 7_215_809;

export function createOutboxReader(query: Query): OutboxReader {
  return {
    async waiting() {
      const text = 'select exists (select from outbox where seq is null) as waiting';
      const [row] = await query<{ waiting: boolean }>('outbox-waiting', text, []);
      return row?.waiting ?? false;
    },
  };
}

export function createOutboxWriter(query: Query): OutboxWriter {
  return {
    async append(events) {
      await query(
        'outbox-append',
        `insert into outbox (kind, subject_id, user_id, reason, at)
         select kind, subject_id, user_id, reason, at
         from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[]) with ordinality
           as e (kind, subject_id, user_id, reason, at, n)
         order by n`,
        [
          events.map(({ kind }) => kind),
          events.map(({ subjectId }) => subjectId),
          events.map(({ userId }) => userId),
          events.map(({ reason }) => reason),
          events.map(({ at }) => at),
        ],
      );
    },

    async number(limit) {
      // Statements of their own: each must see what the one who held the lock before has committed.
      await query('outbox-lock', 'select pg_advisory_xact_lock($1)', [NUMBERING_LOCK]);
      const rows = await query<OutboxSqlRow>(
        'outbox-number',
        `with waiting as materialized (
           select id, row_number() over (order by id) as n from outbox where seq is null order by id limit $1
         ), head as (
           update outbox_head set seq = seq + (select count(*) from waiting)
           where id = 1 and exists (select from waiting) returning seq - (select count(*) from waiting) as seq
         ), numbered as (
           update outbox o set seq = h.seq + w.n from waiting w, head h where o.id = w.id
           returning o.seq, o.kind, o.subject_id, o.user_id, o.reason, o.at
         )
         select * from numbered order by seq`,
        [limit],
      );
      return rows.map(toEvent);
    },
  };
}

function toEvent({ seq, kind, subject_id, user_id, reason, at }: OutboxSqlRow): OutboxEvent {
  return { seq: Number(seq), kind, subjectId: subject_id, userId: user_id, reason, at: instant(at) };
}

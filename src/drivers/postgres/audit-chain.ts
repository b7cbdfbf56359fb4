import type { AuditChainWriter } from '../../domain/audit/log.ts';
import {
  ANCHOR,
  type AnchorSqlRow,
  ENTRY_COLUMNS,
  HEAD_COLUMNS,
  IN_CALENDAR,
  toAnchor,
  toAuditRecord,
  toHead,
  type AuditSqlRow,
  type HeadSqlRow,
} from './audit-store.ts';
import { LOCKS } from './locks.ts';
import type { Statements } from './transactions.ts';

const MOVED = 'id, at, by, session_id, action, subject_id, before, after';

/**
 * How entries come into the chain and leave it: see {@link AuditChainWriter}. What an instance need not be allowed to do with the log is
 * done by functions of whoever made the tables: `migrations/0023-rights.ts`.
 */
export function createAuditChainWriter({ query, send }: Statements): AuditChainWriter {
  return {
    async begin(how) {
      if (how === 'wait') {
        await send('audit-lock', 'select pg_advisory_xact_lock($1)', [LOCKS.chaining]);
        return true;
      }
      const text = 'select pg_try_advisory_xact_lock($1) as alone';
      const [row] = await query<{ alone: boolean }>('audit-try-lock', text, [LOCKS.chaining]);
      return row?.alone ?? false;
    },

    async last() {
      const rows = await query<HeadSqlRow>(
        'audit-last',
        `select ${HEAD_COLUMNS} from audit_batches order by number desc limit 1`,
        [],
      );
      return rows.map(toHead)[0] ?? null;
    },

    async next(limit) {
      const rows = await query<AuditSqlRow>(
        'audit-next',
        `select ${ENTRY_COLUMNS} from audit_entries e where e.seq is null and ${IN_CALENDAR} order by e.id limit $1`,
        [limit],
      );
      const entries = rows.map(toAuditRecord);
      const month = entries[0]?.at.slice(0, 7);
      const end = entries.findIndex(({ at }) => !at.startsWith(month ?? ''));
      return end < 0 ? entries : entries.slice(0, end);
    },

    async add(batch, entries) {
      const { number, month, firstSeq, lastSeq, hash, at, key, signature } = batch;
      await send(
        'audit-batch-add',
        `insert into audit_batches (number, month, first_seq, last_seq, entries, hash, at, key, signature)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
        [number, month, firstSeq, lastSeq, batch.entries.join(' '), hash, at, key, signature],
      );
      // The month again, so that only its partition is looked into.
      const rows = await query<{ id: string }>(
        'audit-number',
        `update audit_entries e set seq = $3::bigint + w.n - 1
         from unnest($1::bigint[], $2::timestamptz[]) with ordinality as w (id, at, n)
         where e.at = w.at and e.id = w.id and e.seq is null
           and e.at >= $4::timestamptz and e.at < $4::timestamptz + interval '1 month'
         returning e.id`,
        [
          entries.map(({ id }) => id.slice('audit_'.length)),
          entries.map((entry) => entry.at),
          firstSeq,
          startOf(month),
        ],
      );
      if (rows.length !== entries.length) throw new Error('entries of the audit went away while they were chained');
    },

    async gather(limit) {
      const [row] = await query<{ moved: number }>(
        'audit-gather',
        `with moved as (
           delete from audit_entries_before where id = any(array(select id from audit_entries_before order by id limit $1))
           returning ${MOVED}
         ), added as (
           insert into audit_entries (${MOVED}) select ${MOVED} from moved returning id
         ) select count(*)::int as moved from added`,
        [limit],
      );
      return row?.moved ?? 0;
    },

    async prepare(months) {
      for (const month of months) {
        const table = tableOf(month);
        const [found] = await query<{ there: boolean }>(
          'audit-partition',
          'select to_regclass($1) is not null as there',
          [table],
        );
        if (found?.there === true) continue;
        await send('audit-partition-make', 'select audit_month_prepare($1::date)', [dayOf(month)]);
      }
    },

    async firstBefore(before) {
      const [row] = await query<{ month: string | null }>(
        'audit-first-before',
        `select min(month) as month from (
           select to_char(min(at) at time zone 'UTC', 'YYYY-MM') as month from audit_entries where at < $1::timestamptz
           union all select min(b.month) from audit_batches b
             where b.month < $2 and b.month > coalesce((select max(month) from audit_anchors), '')
         ) as found`,
        [startOf(before), before],
      );
      return row?.month ?? null;
    },

    async lastUpTo(month) {
      const rows = await query<HeadSqlRow>(
        'audit-last-up-to',
        `select ${HEAD_COLUMNS} from audit_batches
         where number < coalesce((select min(number) from audit_batches where month > $1), 9223372036854775807)
         order by number desc limit 1`,
        [month],
      );
      return rows.map(toHead)[0] ?? null;
    },

    async anchor() {
      const rows = await query<AnchorSqlRow>('audit-anchor', ANCHOR, []);
      return rows.map(toAnchor)[0] ?? null;
    },

    async drop({ month, number, lastSeq, hash, at, key, signature }) {
      await send('audit-month-drop', 'select audit_month_drop($1::date, $2)', [dayOf(month), number]);
      await send(
        'audit-anchor-add',
        `insert into audit_anchors (month, number, last_seq, hash, at, key, signature) values ($1, $2, $3, $4, $5, $6, $7)`,
        [month, number, lastSeq, hash, at, key, signature],
      );
    },
  };
}

const startOf = (month: string): string => `${dayOf(month)}T00:00:00.000Z`;

const dayOf = (month: string): string => `${checked(month)}-01`;

const tableOf = (month: string): string => `audit_entries_${checked(month).replace('-', '_')}`;

/** What becomes part of a name is a month and nothing else. */
function checked(month: string): string {
  if (/^\d{4}-(0[1-9]|1[0-2])$/.test(month)) return month;
  throw new TypeError(`${month} is no month`);
}

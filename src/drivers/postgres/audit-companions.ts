import type { Companion } from '../../domain/audit/cross-check.ts';
import type { AuditReader } from '../../domain/audit/log.ts';
import { instant } from './database.ts';
import type { Query } from './query.ts';

interface CompanionSqlRow {
  readonly last: string | null;
  readonly id: string;
  readonly what: string | null;
  readonly subject_id: string;
  readonly at: string | Date;
}

/** Each with the instant at which its transaction began, which entries of it have as well. */
const PAGES: Readonly<Record<Companion, string>> = {
  authority_log: `select id, at, kind || ' (' || reason || ')' as what, target as subject_id, true as audited
    from authority_log where id > $1 order by id limit $2`,
  outbox: `select id, added_at as at, kind as what, subject_id, kind = 'session.started' as audited
    from outbox where id > $1 order by id limit $2`,
};

/** Rows that are a day younger than the oldest that the cleaner leaves. */
const KEPT = `interval '6 days'`;

/** What the audit log can be held against: see {@link AuditReader}. */
export function createCompanionReader(query: Query): Pick<AuditReader, 'present' | 'unaccompanied' | 'companions'> {
  return {
    async present(ids, withinSeconds) {
      const rows = await query<{ id: string; seq: string | null }>(
        'audit-present',
        `select e.id, case when e.seq > coalesce((select max(last_seq) from audit_anchors), 0)
           and not exists (select from audit_entries o where o.seq = e.seq and o.id <> e.id) then e.seq end as seq
         from audit_entries e where e.at >= now() - make_interval(secs => $2) and e.id = any($1::bigint[])`,
        [ids, withinSeconds],
      );
      return rows.map(({ id, seq }) => [id, seq === null ? null : Number(seq)] as const);
    },

    async unaccompanied(companion, after, limit) {
      const rows = await query<CompanionSqlRow>(
        `audit-beside-${companion}`,
        `with page as materialized (${PAGES[companion]}), alone as (
           select id, what, subject_id, at from page p
           where audited and to_char(at at time zone 'UTC', 'YYYY-MM') > coalesce((select max(month) from audit_anchors), '')
             and not exists (select from audit_entries e where e.at = p.at)
             and not exists (select from audit_entries_before e where e.at = p.at)
           order by id limit 100
         ) select l.last, a.id, a.what, a.subject_id, a.at from (select max(id) as last from page) l left join alone a on true`,
        [after, limit],
      );
      const without = rows.flatMap(({ id, what, subject_id, at }) =>
        what === null ? [] : [{ id, what, subjectId: subject_id, at: instant(at) }],
      );
      return { last: rows[0]?.last ?? null, without };
    },

    async companions() {
      const [row] = await query<{ first: string | null; head: string; found: string }>(
        'audit-companions',
        `with kept as (
           select coalesce(
             (select min(seq) from authority_log where at > now() - ${KEPT}), (select max(seq) from authority_log)) as first
         ) select first, h.seq as head, (select count(*) from authority_log where seq >= first) as found
         from kept, authority_head h where h.id = 1`,
        [],
      );
      if (row === undefined || row.first === null) return null;
      return { first: Number(row.first), head: Number(row.head), found: Number(row.found) };
    },
  };
}

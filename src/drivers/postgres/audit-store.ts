import type { AuditActor, AuditEntry, AuditRecord, AuditWriter } from '../../domain/audit/entry.ts';
import type { AuditAnchor, AuditBatch, AuditHead, AuditReader } from '../../domain/audit/log.ts';
import { type AuditState, sealed } from '../../domain/audit/state.ts';
import { actorKindOf, subjectTypeOf } from '../../domain/audit/subjects.ts';
import { Undertaking } from '../../kit/undertaking.ts';
import { createCompanionReader } from './audit-companions.ts';
import { instant } from './database.ts';
import type { Query } from './query.ts';
import { createPages } from './pages.ts';
import type { SubjectSql } from './policy-sql.ts';
import { scopesSql } from './scope-store.ts';
import type { Statements } from './transactions.ts';

export interface AuditSqlRow {
  readonly id: string;
  readonly seq: string | null;
  readonly at: string | Date;
  readonly by: string;
  readonly kind: string | null;
  readonly session_id: string | null;
  readonly api_key_id: string | null;
  readonly address: string | null;
  readonly protocol: string | null;
  readonly operation: string | null;
  readonly action: string;
  readonly subject_type: string | null;
  readonly subject_id: string | null;
  readonly outcome: AuditRecord['outcome'];
  readonly code: string | null;
  readonly before: AuditRecord['before'];
  readonly after: AuditRecord['after'];
  readonly policy_version: string | null;
  readonly position: string | null;
  readonly scope?: string | null;
  readonly scopes?: readonly string[] | null;
}

export interface HeadSqlRow {
  readonly number: string;
  readonly last_seq: string;
  readonly hash: string;
  readonly at: string | Date;
  readonly key: string;
  readonly signature: string;
}

export interface AnchorSqlRow extends HeadSqlRow {
  readonly month: string;
}

interface BatchSqlRow extends HeadSqlRow {
  readonly month: string;
  readonly first_seq: string;
  readonly entries: string;
}

/** Everything of an entry but whose scope it is about. */
export const ENTRY_COLUMNS = `e.id, e.seq, e.at, e.by, e.kind, e.session_id, e.api_key_id, e.address, e.protocol, e.operation,
  e.action, e.subject_type, e.subject_id, e.outcome, e.code, e.before, e.after, e.policy_version, e.position`;
export const HEAD_COLUMNS = 'number, last_seq, hash, at, key, signature';
/** Of a time that an entry can have: what somebody wrote by hand may be of none, and keeps others waiting for ever. */
export const IN_CALENDAR = `e.at >= '2000-01-01' and e.at < '10000-01-01'`;
const BATCH_COLUMNS = `${HEAD_COLUMNS}, month, first_seq, entries`;
export const ANCHOR = `select ${HEAD_COLUMNS}, month from audit_anchors order by month desc limit 1`;

const TABLES = 'audit_entries e left join users u on u.id = e.subject_id left join scopes home on home.id = u.scope_id';

const text = (sql: string) => ({ kind: 'text', sql }) as const;

/** Everything the record of an entry has that a policy or a filter may ask about. */
export const AUDIT_ENTRY_SQL: SubjectSql = {
  id: text(`('audit_' || e.id)`),
  at: { kind: 'instant', sql: 'e.at' },
  principalId: text('e.by'),
  principalKind: text(
    `coalesce(e.kind, case when e.by in ('anonymous', 'system') then e.by when e.by ^@ 'svc_' then 'service' else 'user' end)`,
  ),
  sessionId: text('e.session_id'),
  apiKeyId: text('e.api_key_id'),
  address: text('e.address'),
  protocol: text('e.protocol'),
  operation: text('e.operation'),
  action: text('e.action'),
  subjectType: text('e.subject_type'),
  subjectId: text('e.subject_id'),
  outcome: text('e.outcome'),
  code: text('e.code'),
  policyVersion: text('e.policy_version'),
  position: text('e.position'),
  scope: text('home.path'),
  scopes: scopesSql('home'),
};

/**
 * @param actor who acts in the transaction; null where nobody asked for it
 * @param noted is told of the rows, which are not committed yet
 */
export function createAuditWriter(
  { send }: Statements,
  actor: AuditActor | null,
  noted: (rows: readonly { readonly id: string }[]) => void,
): AuditWriter {
  const appendAll = async (entries: readonly AuditEntry[]): Promise<void> => {
    if (entries.length === 0) return;
    // What is done in the background is not the doing of whoever happened to ask meanwhile.
    const ambient = actor === null ? null : (Undertaking.current()?.circumstances ?? null);
    const rows = entries.map((entry) => {
      const by = entry.as?.actor ?? (actor?.id === entry.by ? actor : null);
      const circumstances = entry.as === undefined ? ambient : entry.as.circumstances;
      return {
        by: entry.by,
        kind: by?.kind ?? actorKindOf(entry.by),
        session_id: entry.sessionId,
        api_key_id: by?.apiKeyId ?? null,
        address: circumstances?.address ?? null,
        protocol: circumstances?.protocol ?? 'background',
        operation: circumstances?.operation() ?? null,
        action: entry.action,
        subject_type: subjectTypeOf(entry.action, entry.subjectId),
        subject_id: entry.subjectId,
        outcome: entry.code === undefined ? 'done' : 'denied',
        code: entry.code ?? null,
        before: sealedOrNull(entry.before),
        after: sealedOrNull(entry.after),
        policy_version: (by ?? actor)?.policyVersion ?? null,
        position: (by ?? actor)?.position ?? null,
      };
    });
    await send(
      'audit-append',
      `insert into audit_entries (by, kind, session_id, api_key_id, address, protocol, operation, action, subject_type,
         subject_id, outcome, code, before, after, policy_version, position)
       select by, kind, session_id, api_key_id, address, protocol, operation, action, subject_type, subject_id, outcome, code,
         before, after, policy_version, position
       from jsonb_to_recordset($1::jsonb) as entry (n int, by text, kind text, session_id text, api_key_id text, address text,
         protocol text, operation text, action text, subject_type text, subject_id text, outcome text, code text, before jsonb,
         after jsonb, policy_version text, position text) order by n
       returning id`,
      [JSON.stringify(rows.map((row, n) => ({ n, ...row })))],
      noted,
    );
  };
  return { append: (entry) => appendAll([entry]), appendAll };
}

export function createAuditReader(query: Query, read: Query): AuditReader {
  return {
    ...createPages<AuditSqlRow, AuditRecord>(read, {
      list: 'audit-entry',
      columns: `${ENTRY_COLUMNS}, home.path as scope, home.paths as scopes`,
      from: TABLES,
      subject: AUDIT_ENTRY_SQL,
      toRecord: toAuditRecord,
    }),

    async waiting() {
      const [row] = await query<{ waiting: boolean }>(
        'audit-waiting',
        `select exists (select from audit_entries where seq is null) or exists (select from audit_entries_before) as waiting`,
        [],
      );
      return row?.waiting ?? false;
    },

    async head() {
      const rows = await query<HeadSqlRow>(
        'audit-head',
        `select ${HEAD_COLUMNS} from audit_batches order by number desc limit 1`,
        [],
      );
      return rows.map(toHead)[0] ?? null;
    },

    async anchor() {
      const rows = await query<AnchorSqlRow>('audit-anchor', ANCHOR, []);
      return rows.map(toAnchor)[0] ?? null;
    },

    async batches(after, limit) {
      const rows = await query<BatchSqlRow>(
        'audit-batches',
        `select ${BATCH_COLUMNS} from audit_batches where number > $1 order by number limit $2`,
        [after, limit],
      );
      return rows.map(toBatch);
    },

    async between(from, to, limit) {
      const rows = await query<AuditSqlRow>(
        'audit-between',
        `select ${ENTRY_COLUMNS} from audit_entries e where e.seq between $1 and $2 order by e.seq, e.id limit $3`,
        [from, to, limit],
      );
      return rows.map(toAuditRecord);
    },

    async strays(first, last, limit) {
      const rows = await query<AuditSqlRow>(
        'audit-strays',
        `(select ${ENTRY_COLUMNS} from audit_entries e where e.seq < $1 order by e.seq, e.id limit $3)
         union all (select ${ENTRY_COLUMNS} from audit_entries e where e.seq > $2 order by e.seq, e.id limit $3)
         union all (select ${ENTRY_COLUMNS} from audit_entries e where e.seq is null and not (${IN_CALENDAR}) order by e.id limit $3)`,
        [first, last, limit],
      );
      return rows.map(toAuditRecord);
    },

    async firstSince(at) {
      const [row] = await query<{ seq: string | null }>(
        'audit-first-since',
        'select min(seq) as seq from audit_entries where at >= $1 and seq is not null',
        [at],
      );
      const seq = row?.seq ?? null;
      return seq === null ? null : Number(seq);
    },

    async unchained() {
      const [row] = await query<{ count: string }>(
        'audit-unchained',
        `select (select count(*) from audit_entries where seq is null) + (select count(*) from audit_entries_before) as count`,
        [],
      );
      return Number(row?.count ?? 0);
    },

    ...createCompanionReader(query),
  };
}

export function toAuditRecord(row: AuditSqlRow): AuditRecord {
  return {
    __typename: 'AuditEntry',
    id: `audit_${row.id}`,
    seq: row.seq === null ? null : Number(row.seq),
    at: instantOrText(row.at),
    principalId: row.by,
    principalKind: row.kind ?? actorKindOf(row.by),
    sessionId: row.session_id,
    apiKeyId: row.api_key_id,
    address: row.address,
    protocol: row.protocol,
    operation: row.operation,
    action: row.action,
    subjectType: row.subject_type,
    subjectId: row.subject_id,
    outcome: row.outcome,
    code: row.code,
    before: row.before,
    after: row.after,
    policyVersion: row.policy_version,
    position: row.position,
    scope: row.scope ?? null,
    scopes: row.scopes ?? [],
  };
}

/** Of what no calendar has, as it is: whoever wrote it is to be found. */
function instantOrText(value: Date | string): string {
  try {
    return instant(value);
  } catch {
    return String(value);
  }
}

export function toHead({ number, last_seq, hash, at, key, signature }: HeadSqlRow): AuditHead {
  return { number: Number(number), lastSeq: Number(last_seq), hash, at: instant(at), key, signature };
}

export function toAnchor(row: AnchorSqlRow): AuditAnchor {
  return { ...toHead(row), month: row.month };
}

function toBatch(row: BatchSqlRow): AuditBatch {
  const entries = row.entries === '' ? [] : row.entries.split(' ');
  return { ...toHead(row), month: row.month, firstSeq: Number(row.first_seq), entries };
}

function sealedOrNull(state: AuditState | undefined): object | null {
  return state === undefined ? null : sealed(state);
}

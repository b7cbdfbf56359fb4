import type { Pages } from '../../domain/pages.ts';
import type { SecurityEvent, SecurityEventReader, SecurityEventWriter } from '../../domain/security/security-event.ts';
import type { Refusals, SetAsideReader, SetAsideWriter } from '../../domain/security/set-aside.ts';
import { instant } from './database.ts';
import type { Query } from './query.ts';
import { createPages } from './pages.ts';
import type { SubjectSql } from './policy-sql.ts';
import { scopesSql } from './scope-store.ts';
import type { Statements } from './transactions.ts';

type Facts = Partial<
  Pick<SecurityEvent, 'subjectId' | 'count' | 'action' | 'address' | 'deviceKind' | 'browser' | 'os'>
>;

interface SecurityEventSqlRow {
  readonly id: string;
  readonly at: string | Date;
  readonly kind: SecurityEvent['kind'];
  readonly severity: SecurityEvent['severity'];
  readonly user_id: string | null;
  readonly session_id: string | null;
  readonly facts: Facts;
  readonly scope: string | null;
  readonly scopes: readonly string[] | null;
}

const COLUMNS =
  "e.id, e.at, e.kind, e.severity, nullif(e.user_id, '') as user_id, nullif(e.session_id, '') as session_id, e.facts, home.path as scope, home.paths as scopes";
const TABLES = 'security_events e left join users u on u.id = e.user_id left join scopes home on home.id = u.scope_id';

const fact = (name: keyof Facts) => ({ kind: 'text', sql: `(e.facts->>'${name}')` }) as const;

/** Everything the record of a security event has. */
export const SECURITY_EVENT_SQL: SubjectSql = {
  id: { kind: 'text', sql: 'e.id' },
  at: { kind: 'instant', sql: 'e.at' },
  kind: { kind: 'text', sql: 'e.kind' },
  severity: { kind: 'text', sql: 'e.severity' },
  userId: { kind: 'text', sql: `nullif(e.user_id, '')` },
  sessionId: { kind: 'text', sql: `nullif(e.session_id, '')` },
  subjectId: fact('subjectId'),
  action: fact('action'),
  address: fact('address'),
  deviceKind: fact('deviceKind'),
  browser: fact('browser'),
  os: fact('os'),
  scope: { kind: 'text', sql: 'home.path' },
  scopes: scopesSql('home'),
};

export function createSecurityEventPages(query: Query): Pages<SecurityEvent> {
  return createPages<SecurityEventSqlRow, SecurityEvent>(query, {
    list: 'security-event',
    columns: COLUMNS,
    from: TABLES,
    subject: SECURITY_EVENT_SQL,
    toRecord: toSecurityEvent,
  });
}

/** What was set aside, in a text that goes on with what is asked of it. */
export const SET_ASIDE = `security_events e where e.facts->'refused'->>'aside' = 'true'`;

export function createSecurityEventReader(query: Query): SecurityEventReader & SetAsideReader {
  return {
    async findMany(ids) {
      const text = `select ${COLUMNS} from ${TABLES} where e.id = any($1)`;
      return (await query<SecurityEventSqlRow>('security-event-find-many', text, [ids])).map(toSecurityEvent);
    },

    async setAside(limit) {
      const text = `select ${COLUMNS} from ${TABLES} where e.id in (select e.id from ${SET_ASIDE}) order by e.at, e.id limit $1`;
      return (await query<SecurityEventSqlRow>('security-event-set-aside', text, [limit])).map(toSecurityEvent);
    },
  };
}

export function createSecurityEventWriter({ query, send }: Statements): SecurityEventWriter & SetAsideWriter {
  return {
    async add({ id, at, kind, severity, userId, sessionId = null, ...facts }, once) {
      const rows = await query(
        'security-event-add',
        `insert into security_events (id, at, kind, severity, user_id, session_id, facts, once)
         values ($1, $2, $3, $4, $5, $6, $7::jsonb, $8) on conflict (once) do nothing returning id`,
        [id, at, kind, severity, userId ?? '', sessionId ?? '', JSON.stringify(facts), once],
      );
      return rows.length === 1;
    },

    async refuse(id, at) {
      const [row] = await query<{ refused: Refusals }>(
        'security-event-refuse',
        `update security_events set facts = jsonb_set(facts, '{refused}', coalesce(facts->'refused', '{}') || jsonb_build_object(
           'times', coalesce((facts->'refused'->>'times')::int, 0) + 1,
           'since', coalesce(facts->'refused'->>'since', $2)))
         where id = $1 returning facts->'refused' as refused`,
        [id, at],
      );
      return row?.refused ?? null;
    },

    async setAside(id) {
      const text = `update security_events set facts = jsonb_set(facts, '{refused,aside}', 'true') where id = $1`;
      await send('security-event-put-aside', text, [id]);
    },

    async settle(id) {
      await send('security-event-settle', `update security_events set facts = facts - 'refused' where id = $1`, [id]);
    },
  };
}

function toSecurityEvent(row: SecurityEventSqlRow): SecurityEvent {
  const {
    subjectId = null,
    count = null,
    action = null,
    address = null,
    deviceKind = null,
    browser = null,
    os = null,
  } = row.facts;
  return {
    __typename: 'SecurityEvent',
    id: row.id,
    at: instant(row.at),
    kind: row.kind,
    severity: row.severity,
    userId: row.user_id,
    sessionId: row.session_id,
    subjectId,
    count,
    action,
    address,
    deviceKind,
    browser,
    os,
    scope: row.scope,
    scopes: row.scopes ?? [],
  };
}

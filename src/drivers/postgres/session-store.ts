import { ADDRESS_KEY, addressKey } from '../../domain/address-range.ts';
import type { Session, SessionReader, SessionWriter } from '../../domain/sessions/session.ts';
import type { Pages } from '../../domain/pages.ts';
import { instant, instantOrNull } from './database.ts';
import type { Query } from './query.ts';
import { createPages } from './pages.ts';
import type { SubjectSql } from './policy-sql.ts';
import { scopesSql } from './scope-store.ts';
import type { Statements } from './transactions.ts';

/** Any number but the one that the fence hashes ids of users with. */
const START_QUEUE = 9;

interface SessionSqlRow {
  readonly id: string;
  readonly user_id: string;
  readonly created_at: string | Date;
  readonly expires_at: string | Date;
  readonly revoked_at: string | Date | null;
  readonly revoked_reason: string | null;
  readonly user_agent: string | null;
  readonly address: string | null;
  readonly device_kind: Session['deviceKind'];
  readonly browser: string | null;
  readonly os: string | null;
  readonly client: string | null;
  readonly label: string | null;
  readonly aal: Session['aal'];
  readonly authenticated_at: string | Date;
  readonly scope: string | null;
  readonly scopes: readonly string[] | null;
  readonly last_seen_at: string | Date | null;
  readonly protocols: readonly string[] | null;
}

interface RefreshSqlRow extends SessionSqlRow {
  readonly refresh_hash: string;
  readonly previous_hash: string | null;
  readonly rotated_at: string | Date | null;
  readonly successor: string | null;
}

const COLUMNS =
  's.id, s.user_id, s.created_at, s.expires_at, s.revoked_at, s.revoked_reason, s.user_agent, s.address, s.device_kind, s.browser, s.os, s.client, s.label, s.aal, s.authenticated_at, home.path as scope, home.paths as scopes, seen.last_seen_at, seen.protocols';
/** The tables that the columns of sessions are read from. */
export const SESSION_TABLES =
  'sessions s join users u on u.id = s.user_id left join scopes home on home.id = u.scope_id left join session_activity seen on seen.session_id = s.id';
const FROM = `from ${SESSION_TABLES}`;

/** Everything a session's record has, and its address in a form that has an order. */
export const SESSION_SQL: SubjectSql = {
  id: { kind: 'text', sql: 's.id' },
  userId: { kind: 'text', sql: 's.user_id' },
  createdAt: { kind: 'instant', sql: 's.created_at' },
  expiresAt: { kind: 'instant', sql: 's.expires_at' },
  revokedAt: { kind: 'instant', sql: 's.revoked_at' },
  revokedReason: { kind: 'text', sql: 's.revoked_reason' },
  userAgent: { kind: 'text', sql: 's.user_agent' },
  address: { kind: 'text', sql: 's.address' },
  [ADDRESS_KEY]: { kind: 'text', sql: 's.address_key' },
  deviceKind: { kind: 'text', sql: 's.device_kind' },
  browser: { kind: 'text', sql: 's.browser' },
  os: { kind: 'text', sql: 's.os' },
  client: { kind: 'text', sql: 's.client' },
  label: { kind: 'text', sql: 's.label' },
  lastSeenAt: { kind: 'instant', sql: 'seen.last_seen_at' },
  protocols: { kind: 'texts', elements: 'select unnest(seen.protocols)' },
  aal: { kind: 'few', sql: 's.aal', values: [1, 2] },
  authenticatedAt: { kind: 'instant', sql: 's.authenticated_at' },
  scope: { kind: 'text', sql: 'home.path' },
  scopes: scopesSql('home'),
};

export function createSessionPages(query: Query): Pages<Session> {
  return createPages<SessionSqlRow, Session>(query, {
    list: 'session',
    columns: COLUMNS,
    from: SESSION_TABLES,
    subject: SESSION_SQL,
    toRecord: toSession,
  });
}

function toSession(row: SessionSqlRow): Session {
  return {
    __typename: 'Session',
    id: row.id,
    userId: row.user_id,
    createdAt: instant(row.created_at),
    expiresAt: instant(row.expires_at),
    revokedAt: instantOrNull(row.revoked_at),
    revokedReason: row.revoked_reason,
    userAgent: row.user_agent,
    address: row.address,
    deviceKind: row.device_kind,
    browser: row.browser,
    os: row.os,
    client: row.client,
    label: row.label,
    lastSeenAt: instantOrNull(row.last_seen_at),
    protocols: row.protocols ?? [],
    aal: row.aal,
    authenticatedAt: instant(row.authenticated_at),
    scope: row.scope,
    scopes: row.scopes ?? [],
  };
}

export function createSessionReader(query: Query, lock = ''): SessionReader {
  return {
    async find(id) {
      const text = `select ${COLUMNS} ${FROM} where s.id = $1 ${lock}`;
      const [row] = await query<SessionSqlRow>('session-find', text, [id]);
      return row === undefined ? null : toSession(row);
    },

    async findMany(ids) {
      const text = `select ${COLUMNS} ${FROM} where s.id = any($1) order by s.id ${lock}`;
      return (await query<SessionSqlRow>('session-find-many', text, [ids])).map(toSession);
    },
  };
}

export function createSessionWriter({ query, send }: Statements): SessionWriter {
  const revokeMany: SessionWriter['revokeMany'] = (ids, at, reason) =>
    send(
      'session-revoke-many',
      `update sessions set revoked_at = $2, revoked_reason = $3, successor = null
       where id = any($1) and revoked_at is null`,
      [ids, at, reason],
    );
  return {
    ...createSessionReader(query, 'for update of s'),

    async add(session, refreshHash) {
      await send(
        'session-add',
        `insert into sessions (id, user_id, created_at, expires_at, client, label, refresh_hash, aal, authenticated_at,
           user_agent, address, address_key, device_kind, browser, os)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
        [
          session.id,
          session.userId,
          session.createdAt,
          session.expiresAt,
          session.client,
          session.label,
          refreshHash,
          session.aal,
          session.authenticatedAt,
          ...placeOf(session),
        ],
      );
    },

    async rotate({ sessionId, presentedHash, nextHash, successor, at }) {
      const rows = await query(
        'session-rotate',
        `update sessions set refresh_hash = $3, previous_hash = $2, rotated_at = $4, successor = $5
         where id = $1 and refresh_hash = $2 and revoked_at is null returning id`,
        [sessionId, presentedHash, nextHash, at, successor],
      );
      return rows.length === 1;
    },

    async findWithRefresh(id) {
      const [row] = await query<RefreshSqlRow>(
        'session-find-with-refresh',
        `select ${COLUMNS}, s.refresh_hash, s.previous_hash, s.rotated_at, s.successor ${FROM}
         where s.id = $1 for update of s`,
        [id],
      );
      if (row === undefined) return null;
      const refresh = {
        currentHash: row.refresh_hash,
        previousHash: row.previous_hash,
        rotatedAt: instantOrNull(row.rotated_at),
        successor: row.successor,
      };
      return { session: toSession(row), refresh };
    },

    async prove(session, refreshHash) {
      const { id, aal, authenticatedAt, expiresAt } = session;
      await send(
        'session-prove',
        `update sessions set expires_at = $2, refresh_hash = $3, aal = $4, authenticated_at = $5, user_agent = $6, address = $7,
           address_key = $8, device_kind = $9, browser = $10, os = $11, previous_hash = null, rotated_at = $5, successor = null
         where id = $1 and revoked_at is null`,
        [id, expiresAt, refreshHash, aal, authenticatedAt, ...placeOf(session)],
      );
    },

    async lower(id) {
      await send('session-lower', 'update sessions set aal = 1 where id = $1 and revoked_at is null', [id]);
    },

    async liveOf(userId) {
      const rows = await query<SessionSqlRow>(
        'session-live-of',
        `select ${COLUMNS} ${FROM} where s.user_id = $1 and s.revoked_at is null and s.expires_at > now()
         order by s.created_at, s.id for update of s`,
        [userId],
      );
      return rows.map(toSession);
    },

    async isNewDevice(userId, userAgent) {
      if (userAgent === null) return false;
      const [row] = await query<{ unseen: boolean }>(
        'session-is-new-device',
        `select exists (select from sessions where user_id = $1) and not exists (
           select from sessions where user_id = $1
             and regexp_replace(user_agent, '[0-9.]+', '', 'g') = regexp_replace($2, '[0-9.]+', '', 'g')) as unseen`,
        [userId, userAgent],
      );
      return row?.unseen ?? false;
    },

    async revoke(id, at, reason) {
      await revokeMany([id], at, reason);
    },

    revokeMany,

    async rename(id, label) {
      await send('session-rename', 'update sessions set label = $2 where id = $1', [id, label]);
    },

    async countToStart(userId, at, most) {
      // A queue of its own: those who lock the user itself are not waited for here.
      await send('session-start-queue', 'select pg_advisory_xact_lock(hashtextextended($1, $2))', [
        userId,
        START_QUEUE,
      ]);
      // A statement of its own, since it must see what was committed while the one before it waited.
      const [row] = await query<{ count: number }>(
        'session-count-to-start',
        `select count(*)::int as count from (
           select from sessions where user_id = $1 and revoked_at is null and expires_at > $2 limit $3) as live`,
        [userId, at, most],
      );
      return row?.count ?? 0;
    },

    async oldestOf(userId, at, { keep, limit }) {
      const rows = await query<{ id: string }>(
        'session-oldest-of',
        `select id from (
           select id, created_at from sessions where user_id = $1 and revoked_at is null and expires_at > $2
           order by created_at desc, id desc offset $3) as older
         order by created_at, id limit $4`,
        [userId, at, keep, limit],
      );
      return rows.map(({ id }) => id);
    },

    async revokeAllOf(userId, at, reason) {
      const rows = await query<{ id: string }>(
        'session-revoke-all',
        `update sessions set revoked_at = $2, revoked_reason = $3, successor = null
         where user_id = $1 and revoked_at is null returning id`,
        [userId, at, reason],
      );
      return rows.map(({ id }) => id);
    },

    async revokeAllOfMany(userIds, at, reason) {
      await send(
        'session-revoke-all-of-many',
        `update sessions set revoked_at = $2, revoked_reason = $3, successor = null
         where user_id = any($1) and revoked_at is null`,
        [userIds, at, reason],
      );
    },

    async eraseSuccessors(before) {
      const [row] = await query<{ count: number }>(
        'session-erase-successors',
        `with erased as (
           update sessions set successor = null where successor is not null and rotated_at < $1 returning id
         ) select count(*)::int as count from erased`,
        [before],
      );
      return row?.count ?? 0;
    },
  };
}

/** Where and with what a session is used, in the order in which statements above name it. */
function placeOf(session: Session): readonly unknown[] {
  const { userAgent, address, deviceKind, browser, os } = session;
  return [userAgent, address, addressKey(address), deviceKind, browser, os];
}

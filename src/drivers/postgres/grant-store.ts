import { Refusal } from '../../domain/refusals.ts';
import type { Grant, GrantReader, GrantWriter } from '../../domain/roles/role.ts';
import { instant, instantOrNull } from './database.ts';
import type { Query } from './query.ts';
import { heldSql, toHeld } from './held-grants.ts';
import { ROLE_COLUMNS, type RoleSqlRow, toRole } from './role-store.ts';
import { scopeIdSql, suspendedSql } from './scope-store.ts';
import type { HeldGrant } from '../../domain/principals/principal.ts';
import { LOCKS } from './locks.ts';
import type { Statements } from './transactions.ts';

interface GrantSqlRow {
  readonly grant_id: string;
  readonly principal_id: string;
  readonly role_id: string;
  readonly path: string | null;
  readonly expires_at: string | Date | null;
  readonly granted_by: string;
  readonly created_at: string | Date;
  readonly revoked_at: string | Date | null;
}

const COLUMNS = `g.id as grant_id, g.principal_id, g.role_id, there.path, g.expires_at, g.granted_by, g.created_at, g.revoked_at`;
const TABLES = 'grants g left join scopes there on there.id = g.scope_id';

/** Who holds roles everywhere and without end, and is not shut out. */
const HOLDING = `role_closure closure join grants g on g.role_id = closure.role_id
  join users u on u.id = g.principal_id left join scopes home on home.id = u.scope_id
  where g.scope_id is null and g.expires_at is null and g.revoked_at is null
    and u.kind = 'user' and u.status = 'active' and not ${suspendedSql('home')}`;

function toGrant(row: GrantSqlRow): Grant {
  return {
    __typename: 'Grant',
    id: row.grant_id,
    principalId: row.principal_id,
    roleId: row.role_id,
    scope: row.path,
    expiresAt: instantOrNull(row.expires_at),
    grantedBy: row.granted_by,
    createdAt: instant(row.created_at),
    revokedAt: instantOrNull(row.revoked_at),
  };
}

export function createGrantReader(query: Query, lock = ''): GrantReader {
  return {
    async find(id) {
      const text = `select ${COLUMNS} from ${TABLES} where g.id = $1 ${lock}`;
      const [row] = await query<GrantSqlRow>('grant-find', text, [id]);
      return row === undefined ? null : toGrant(row);
    },

    async findMany(ids) {
      const text = `select ${COLUMNS} from ${TABLES} where g.id = any($1) order by g.id ${lock}`;
      return (await query<GrantSqlRow>('grant-find-many', text, [ids])).map(toGrant);
    },

    async ofPrincipals(principalIds) {
      const rows = await query<GrantSqlRow & RoleSqlRow>(
        'grant-of-principals',
        `select ${COLUMNS}, ${ROLE_COLUMNS}
         from ${TABLES} join roles r on r.id = g.role_id
         where g.principal_id = any($1) and g.revoked_at is null order by g.created_at, g.id`,
        [principalIds],
      );
      return rows.map((row) => ({ grant: toGrant(row), role: toRole(row) }));
    },

    async isHeld(roleId) {
      const [row] = await query<{ held: boolean }>(
        'grant-is-held',
        `select exists (select from ${HOLDING} and closure.held_id = $1) as held`,
        [roleId],
      );
      return row?.held ?? false;
    },

    async rolesAt(paths) {
      const rows = await query<{ name: string }>(
        'grant-roles-at',
        `select distinct held.name from scopes there join grants g on g.scope_id = there.id
         join role_closure closure on closure.role_id = g.role_id join roles held on held.id = closure.held_id
         where there.path = any($1) and there.deleted_at is null and g.revoked_at is null
           and (g.expires_at is null or g.expires_at > now()) order by held.name`,
        [paths],
      );
      return rows.map(({ name }) => name);
    },

    async heldBy(principalId) {
      const [row] = await query<{ grants: readonly HeldGrant[] }>(
        'grant-held-by',
        `select ${heldSql('$1')} as grants`,
        [principalId],
      );
      return toHeld(row?.grants ?? []);
    },

    async heldByMany(principalIds) {
      const rows = await query<{ id: string; grants: readonly HeldGrant[] }>(
        'grant-held-by-many',
        `select p.id, ${heldSql('p.id')} as grants from unnest($1::text[]) as p (id)`,
        [principalIds],
      );
      return new Map(rows.map(({ id, grants }) => [id, toHeld(grants)]));
    },
  };
}

export function createGrantWriter({ query, send }: Statements): GrantWriter {
  const reader = createGrantReader(query, 'for update of g');
  return {
    ...reader,

    async isHeld(roleId) {
      // A statement of its own: the next one sees what was committed while it waited.
      await send('grant-administrators', 'select pg_advisory_xact_lock($1)', [LOCKS.administrators]);
      return reader.isHeld(roleId);
    },

    async holders(roleId, limit) {
      await send('grant-administrators', 'select pg_advisory_xact_lock($1)', [LOCKS.administrators]);
      const rows = await query<{ id: string }>(
        'grant-holders',
        `select distinct u.id from ${HOLDING} and closure.held_id = $1 limit $2`,
        [roleId, limit],
      );
      return rows.map(({ id }) => id);
    },

    async addMany(grants) {
      if (grants.length === 0) return new Set();
      const columns = [
        grants.map(({ principalId }) => principalId),
        grants.map(({ roleId }) => roleId),
        grants.map(({ scope }) => scope),
        grants.map(({ createdAt }) => createdAt),
      ];
      await send(
        'grant-end-many',
        `update grants g set revoked_at = g.expires_at
         from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) as given (principal_id, role_id, path, at)
         where g.principal_id = given.principal_id and g.role_id = given.role_id
           and g.scope_id is not distinct from ${scopeIdSql('given.path')} and g.revoked_at is null and g.expires_at <= given.at`,
        columns,
      );
      const added = await query<{ id: string }>(
        'grant-add-many',
        `insert into grants (principal_id, role_id, scope_id, created_at, id, expires_at, granted_by)
         select given.principal_id, given.role_id, ${scopeIdSql('given.path')}, given.at, given.id, given.expires_at, given.granted_by
         from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::timestamptz[], $7::text[])
           with ordinality as given (principal_id, role_id, path, at, id, expires_at, granted_by, nth)
         order by given.nth
         on conflict (principal_id, role_id, scope_id) where revoked_at is null do nothing returning id`,
        [
          ...columns,
          grants.map(({ id }) => id),
          grants.map(({ expiresAt }) => expiresAt),
          grants.map(({ grantedBy }) => grantedBy),
        ],
      );
      return new Set(added.map(({ id }) => id));
    },

    async revokeMany(ids, at) {
      const text = 'update grants set revoked_at = $2 where id = any($1) and revoked_at is null';
      await send('grant-revoke-many', text, [ids, at]);
    },

    async add({ id, principalId, roleId, scope, expiresAt, grantedBy, createdAt }) {
      const held = [principalId, roleId, scope];
      // One that has ended is not held any more, and must not be in the way.
      await send(
        'grant-end',
        `update grants set revoked_at = expires_at
         where principal_id = $1 and role_id = $2 and scope_id is not distinct from ${scopeIdSql('$3')}
           and revoked_at is null and expires_at <= $4`,
        [...held, createdAt],
      );
      // A violated index would end the transaction, and its commit would then pass for one.
      const added = await query(
        'grant-add',
        `insert into grants (principal_id, role_id, scope_id, id, expires_at, granted_by, created_at)
         values ($1, $2, ${scopeIdSql('$3')}, $4, $5, $6, $7)
         on conflict (principal_id, role_id, scope_id) where revoked_at is null do nothing returning id`,
        [...held, id, expiresAt, grantedBy, createdAt],
      );
      if (added.length > 0) return;
      throw new Refusal('CONFLICT', 'The principal holds this role at this scope already.', { field: 'roleId' });
    },

    async revoke(id, at) {
      await send('grant-revoke', 'update grants set revoked_at = $2 where id = $1 and revoked_at is null', [id, at]);
    },

    async revokeAllOf(roleId, at) {
      const rows = await query<{ principal_id: string }>(
        'grant-revoke-all-of',
        `update grants set revoked_at = $2 where role_id = $1 and revoked_at is null returning principal_id`,
        [roleId, at],
      );
      return [...new Set(rows.map(({ principal_id }) => principal_id))];
    },

    async revokeAllAt(scopeId, at) {
      await send(
        'grant-revoke-all-at',
        'update grants set revoked_at = $2 where scope_id = $1 and revoked_at is null',
        [scopeId, at],
      );
    },
  };
}

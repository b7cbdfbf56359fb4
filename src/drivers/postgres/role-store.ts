import { LockMode, type EntityManager, type InferEntity } from '@mikro-orm/postgresql';
import { Refusal } from '../../domain/refusals.ts';
import type { Pages } from '../../domain/pages.ts';
import type { Grant, GrantReader, GrantWriter, Role, RoleReader, RoleWriter } from '../../domain/roles/role.ts';
import { instant, instantOrNull, queryIn, type Query } from './database.ts';
import { createPages } from './pages.ts';
import type { SubjectSql } from './policy-sql.ts';
import { GrantRow, RoleRow } from './rows.ts';

function toRole({ id, name, description, managed }: InferEntity<typeof RoleRow> | RoleSqlRow): Role {
  return { __typename: 'Role', id, name, description: description ?? null, managed };
}

function toRoleGrant(row: RoleGrantRow): Grant {
  return {
    __typename: 'Grant',
    id: row.grant_id,
    principalId: row.principal_id,
    roleId: row.id,
    scope: row.scope === '' ? null : row.scope,
    expiresAt: instantOrNull(row.expires_at),
    grantedBy: row.granted_by,
    createdAt: instant(row.created_at),
    revokedAt: null,
  };
}

function toGrant(row: InferEntity<typeof GrantRow>): Grant {
  return {
    __typename: 'Grant',
    id: row.id,
    principalId: row.principal,
    roleId: row.role,
    scope: row.scope === '' ? null : row.scope,
    expiresAt: instantOrNull(row.expiresAt ?? null),
    grantedBy: row.grantedBy,
    createdAt: instant(row.createdAt),
    revokedAt: instantOrNull(row.revokedAt ?? null),
  };
}

interface RoleSqlRow {
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  readonly managed: boolean;
}

interface RoleGrantRow extends RoleSqlRow {
  readonly grant_id: string;
  readonly principal_id: string;
  readonly scope: string;
  readonly expires_at: string | Date | null;
  readonly granted_by: string;
  readonly created_at: string | Date;
}

/** Everything a role's record has. */
export const ROLE_SQL: SubjectSql = {
  id: { kind: 'text', sql: 'r.id' },
  name: { kind: 'text', sql: 'r.name' },
  description: { kind: 'text', sql: 'r.description' },
  managed: { kind: 'boolean', sql: 'r.managed' },
};

const ROLE_COLUMNS = 'r.id, r.name, r.description, r.managed';

export function createRolePages(query: Query): Pages<Role> {
  return createPages<RoleSqlRow, Role>(query, {
    list: 'role',
    columns: ROLE_COLUMNS,
    from: 'roles r',
    subject: ROLE_SQL,
    toRecord: toRole,
  });
}

/** @param em gives the entity manager to read with: a fresh one outside transactions, so that nothing is remembered. */
export function createRoleReader(em: () => EntityManager, lockMode?: LockMode): RoleReader {
  const lock = lockMode === undefined ? {} : { lockMode };
  return {
    async find(id) {
      const row = await em().findOne(RoleRow, { id }, lock);
      return row === null ? null : toRole(row);
    },

    async findMany(ids) {
      return (await em().find(RoleRow, { id: { $in: [...ids] } })).map(toRole);
    },

    async findByName(name) {
      const row = await em().findOne(RoleRow, { name }, lock);
      return row === null ? null : toRole(row);
    },
  };
}

export function createRoleWriter(em: EntityManager): RoleWriter {
  return {
    ...createRoleReader(() => em, LockMode.PESSIMISTIC_READ),

    async syncManaged(roles) {
      await em.upsertMany(
        RoleRow,
        roles.map(({ id, name, description, managed }) => ({ id, name, description, managed })),
        { onConflictFields: ['name'], onConflictExcludeFields: ['id'] },
      );
    },
  };
}

export function createGrantReader(em: () => EntityManager, query: Query, lockMode?: LockMode): GrantReader {
  const lock = lockMode === undefined ? {} : { lockMode };
  return {
    async find(id) {
      const row = await em().findOne(GrantRow, { id }, lock);
      return row === null ? null : toGrant(row);
    },

    async ofPrincipals(principalIds) {
      const rows = await query<RoleGrantRow>(
        'grant-of-principals',
        `select g.id as grant_id, g.principal_id, g.scope, g.expires_at, g.granted_by, g.created_at, ${ROLE_COLUMNS}
         from grants g join roles r on r.id = g.role_id
         where g.principal_id = any($1) and g.revoked_at is null order by g.created_at, g.id`,
        [principalIds],
      );
      return rows.map((row) => ({ grant: toRoleGrant(row), role: toRole(row) }));
    },

    async isHeld(roleId) {
      const [row] = await em().execute<{ held: boolean }[]>(
        `select exists (
           select from grants g join users u on u.id = g.principal_id
           where g.role_id = ? and g.scope = '' and g.expires_at is null and g.revoked_at is null and u.status = 'active') as held`,
        [roleId],
      );
      return row?.held ?? false;
    },
  };
}

export function createGrantWriter(em: EntityManager): GrantWriter {
  const query = queryIn(em);
  return {
    ...createGrantReader(() => em, query, LockMode.PESSIMISTIC_WRITE),

    async add({ id, principalId, roleId, scope, expiresAt, grantedBy, createdAt }) {
      const held = [principalId, roleId, scope ?? ''];
      // One that has ended is not held any more, and must not be in the way.
      await query(
        'grant-end',
        `update grants set revoked_at = expires_at
         where principal_id = $1 and role_id = $2 and scope = $3 and revoked_at is null and expires_at <= $4`,
        [...held, createdAt],
      );
      // A violated index would end the transaction, and its commit would then pass for one.
      const added = await query(
        'grant-add',
        `insert into grants (principal_id, role_id, scope, id, expires_at, granted_by, created_at)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (principal_id, role_id, scope) where revoked_at is null do nothing returning id`,
        [...held, id, expiresAt, grantedBy, createdAt],
      );
      if (added.length > 0) return;
      throw new Refusal('CONFLICT', 'The principal holds this role at this scope already.', { field: 'roleId' });
    },

    async revoke(id, at) {
      await em.nativeUpdate(GrantRow, { id, revokedAt: null }, { revokedAt: new Date(at) });
    },
  };
}

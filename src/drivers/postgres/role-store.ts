import { LockMode, type EntityManager, type InferEntity } from '@mikro-orm/postgresql';
import { Refusal } from '../../domain/refusals.ts';
import type { Grant, GrantReader, GrantWriter, Role, RoleReader, RoleWriter } from '../../domain/roles/role.ts';
import { instant, instantOrNull, queryIn } from './database.ts';
import { GrantRow, RoleRow } from './rows.ts';

function toRole({ id, name, description, managed }: InferEntity<typeof RoleRow>): Role {
  return { __typename: 'Role', id, name, description: description ?? null, managed };
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

export function createGrantReader(em: () => EntityManager, lockMode?: LockMode): GrantReader {
  const lock = lockMode === undefined ? {} : { lockMode };
  return {
    async find(id) {
      const row = await em().findOne(GrantRow, { id }, lock);
      return row === null ? null : toGrant(row);
    },

    async ofPrincipals(principalIds) {
      const rows = await em().find(
        GrantRow,
        { principal: { $in: [...principalIds] }, revokedAt: null },
        { orderBy: { createdAt: 'asc', id: 'asc' } },
      );
      return rows.map(toGrant);
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
  return {
    ...createGrantReader(() => em, LockMode.PESSIMISTIC_WRITE),

    async add({ id, principalId, roleId, scope, expiresAt, grantedBy, createdAt }) {
      const query = queryIn(em);
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

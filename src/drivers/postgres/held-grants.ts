import type { HeldGrant } from '../../domain/principals/principal.ts';
import { instantOrNull } from './database.ts';
import { suspendedSql } from './scope-store.ts';

/**
 * What a principal holds, as JSON: each granted role, and each that a custom one is made of, without those that are revoked or
 * expired. All of it, or only what is in force, or what is dormant since it was granted in a suspended scope.
 */
export function heldSql(principalId: string, which: 'all' | 'in force' | 'dormant' = 'all'): string {
  const isDormant = which === 'all' ? suspendedSql('there') : String(which === 'dormant');
  return `coalesce((
      select json_agg(json_build_object('roleId', g.role_id, 'role', held.name,
          'through', case when held.id = g.role_id then null else granted.name end,
          'scope', there.path, 'expiresAt', g.expires_at, 'dormant', ${isDormant})
        order by held.name, there.path, granted.name)
      from grants g join roles granted on granted.id = g.role_id
      join role_closure closure on closure.role_id = g.role_id join roles held on held.id = closure.held_id
      left join scopes there on there.id = g.scope_id
      where g.principal_id = ${principalId} and g.revoked_at is null and (g.expires_at is null or g.expires_at > now())
        ${which === 'all' ? '' : `and ${suspendedSql('there')} = ${isDormant}`}), '[]')`;
}

/** The ids of all scopes that a user's grants lie in: what happens to one of them may change what the user may do. */
export function grantScopeIdsSql(userId: string): string {
  return `array(
      select distinct unnest(there.lineage) from grants g join scopes there on there.id = g.scope_id
      where g.principal_id = ${userId} and g.revoked_at is null)`;
}

/** JSON made by PostgreSQL has its own form of instants. */
export function toHeld(grants: readonly HeldGrant[]): readonly HeldGrant[] {
  return grants.map(({ dormant, ...grant }) => ({
    ...grant,
    expiresAt: instantOrNull(grant.expiresAt),
    ...(dormant === true && { dormant }),
  }));
}

import type { App } from '../../src/app.ts';
import { SYSTEM } from '../../src/domain/principals/principal.ts';
import { scopePaths } from '../../src/domain/scopes/scope.ts';

/** How tests that need many people make them: users at home scopes, and roles granted at scopes. */

/** Scopes at these paths, with all above them, where there are none yet. */
export async function addScopes({ scopes }: App['services'], ...paths: readonly string[]): Promise<void> {
  for (const path of paths.flatMap(scopePaths)) {
    if ((await scopes.findByPath(SYSTEM, path)) === null) await scopes.create(SYSTEM, path);
  }
}

export interface Person {
  readonly email: string;
  readonly name: string;
  readonly scope?: string | null;
  readonly password?: string;
  /** Names of roles that hold everywhere; none unless given. */
  readonly roles?: readonly string[];
}

/** The id of the new user. */
export async function addUser({ services }: App, { roles = [], ...person }: Person): Promise<string> {
  if (typeof person.scope === 'string') await addScopes(services, person.scope);
  return (await services.users.create(SYSTEM, { ...person, roles })).value.id;
}

export interface Granting {
  readonly principalId: string;
  /** The name of a role that the database has. */
  readonly role: string;
  readonly scope?: string | null;
  readonly expiresAt?: string | null;
}

/** The id of the new grant, once it is in force. */
export async function addGrant({ services }: App, { role: name, ...granting }: Granting): Promise<string> {
  const role = await services.roles.findByName(SYSTEM, name);
  if (role === null) throw new Error(`there is no role ${name}`);
  if (typeof granting.scope === 'string') await addScopes(services, granting.scope);
  return (await services.grants.grant(SYSTEM, { ...granting, roleId: role.id })).value.id;
}

/** Whether that is in force. */
export async function revokeGrant({ services }: App, grantId: string): Promise<boolean> {
  return (await services.grants.revoke(SYSTEM, grantId)).receipt.enforced;
}

/** As if the grant had been given until then: none can be given that has ended already. */
export async function endGrant({ database }: App, grantId: string, expiresAt: string): Promise<void> {
  await database.query('', 'update grants set expires_at = $2 where id = $1', [grantId, expiresAt]);
}

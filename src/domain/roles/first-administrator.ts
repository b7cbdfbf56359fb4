import { ADMINISTRATOR } from '../policy/administrators.ts';
import { SYSTEM } from '../principals/principal.ts';
import { Refusal } from '../refusals.ts';
import type { Users } from '../users/users.ts';
import type { Roles } from './roles.ts';

/** Whether somebody is administrator. */
export async function isAdministered(roles: Roles): Promise<boolean> {
  const role = await roles.findByName(SYSTEM, ADMINISTRATOR);
  if (role === null)
    throw new Error(`the policy has no role named ${ADMINISTRATOR}: nobody could administer Castellan`);
  return roles.isHeld(role.id);
}

/**
 * Creates an administrator unless somebody holds the role already. Instances that start together create one: the
 * others find the address taken. Whether this call created it.
 */
export async function createFirstAdministrator(
  { users, roles }: { users: Users; roles: Roles },
  { email, password }: { email: string; password: string },
): Promise<boolean> {
  if (await isAdministered(roles)) return false;
  try {
    await users.create(SYSTEM, { email, name: 'Administrator', password, roles: [ADMINISTRATOR] });
    return true;
  } catch (error) {
    if (error instanceof Refusal && error.code === 'CONFLICT') return false;
    throw error;
  }
}

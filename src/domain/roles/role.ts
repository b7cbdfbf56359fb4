import type { Instant } from '../../kit/clock.ts';
import type { HeldGrant } from '../principals/principal.ts';
import { badInput } from '../refusals.ts';

/** A named bundle of rules. Managed roles come from policy files, one row for each name; custom ones are made of others. */
export interface Role {
  readonly __typename: 'Role';
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  readonly managed: boolean;
}

/** That a principal holds a role: at a scope, until when, given by whom. */
export interface Grant {
  readonly __typename: 'Grant';
  readonly id: string;
  readonly principalId: string;
  readonly roleId: string;
  readonly scope: string | null;
  readonly expiresAt: Instant | null;
  readonly grantedBy: string;
  readonly createdAt: Instant;
  readonly revokedAt: Instant | null;
}

/** A grant with the role that is granted. */
export interface RoleGrant {
  readonly grant: Grant;
  readonly role: Role;
}

/** A role with the ids of those a custom one is made of. */
export interface RoleNode {
  readonly role: Role;
  readonly inherits: readonly string[];
}

export interface RoleReader {
  find(id: string): Promise<Role | null>;
  /** The roles with these ids, in any order, without the missing ones. One statement. */
  findMany(ids: readonly string[]): Promise<readonly Role[]>;
  /** The role of this name, compared byte for byte, or null. */
  findByName(name: string): Promise<Role | null>;
  /** The ids of the custom roles that are made of this one, at any remove, without itself. */
  descendants(id: string): Promise<readonly string[]>;
  /** All roles, in the order of their names. One statement. */
  hierarchy(): Promise<readonly RoleNode[]>;
}

/** Roles that were deleted are none, but for {@link findDeleted}. */
export interface RoleWriter extends RoleReader {
  /**
   * Adds a managed role for every name that has no row yet, and describes the others anew. Refuses with CONFLICT where a
   * custom role has the name.
   */
  syncManaged(roles: readonly Role[]): Promise<void>;
  /** Adds a custom role. Refuses with CONFLICT when a role has the name. */
  add(role: Role, inherits: readonly string[]): Promise<void>;
  /** Names, describes and composes a custom role anew. Refuses with CONFLICT when another role has the name. */
  save(role: Role, inherits: readonly string[]): Promise<void>;
  /** Takes a role away. Its id is never used again, and its name is free. */
  remove(id: string, at: Instant): Promise<void>;
  findDeleted(id: string): Promise<Role | null>;
  /** The names of these roles and of all that they are made of, each once. */
  closure(ids: readonly string[]): Promise<readonly Pick<Role, 'id' | 'name'>[]>;
  /** The names of each of these roles and of all that it is made of. One statement. */
  closures(ids: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>>;
}

export interface GrantReader {
  /** The grant with this id, a revoked one included, or null. */
  find(id: string): Promise<Grant | null>;
  /** The grants with these ids, revoked ones included, in any order, without the missing ones. One statement. */
  findMany(ids: readonly string[]): Promise<readonly Grant[]>;
  /** All grants of these principals that were not revoked, expired ones included, oldest first, each with its role. One statement. */
  ofPrincipals(principalIds: readonly string[]): Promise<readonly RoleGrant[]>;
  /** Whether any user who is not shut out holds the role, or a custom one made of it, everywhere and without end. */
  isHeld(roleId: string): Promise<boolean>;
  /** The names of the roles that anybody was granted at one of these paths and not below, with those that custom ones are made of. */
  rolesAt(paths: readonly string[]): Promise<readonly string[]>;
  /** What the principal holds now: grants that are neither revoked nor expired, those in a suspended scope as dormant ones. */
  heldBy(principalId: string): Promise<readonly HeldGrant[]>;
  /** What each of these principals holds now, as {@link heldBy} has it. One statement. */
  heldByMany(principalIds: readonly string[]): Promise<ReadonlyMap<string, readonly HeldGrant[]>>;
}

/** Inside a transaction `find` locks the row it returns. */
export interface GrantWriter extends GrantReader {
  /** Refuses with CONFLICT when the principal holds the role at that scope already. */
  add(grant: Grant): Promise<void>;
  /** Adds those of these that are not held already, one of several equal ones among them; the ids of those that were added. */
  addMany(grants: readonly Grant[]): Promise<ReadonlySet<string>>;
  /** Takes these away and keeps them as revoked ones. One statement. */
  revokeMany(ids: readonly string[], at: Instant): Promise<void>;
  /** Takes the grant away and keeps it as a revoked one. */
  revoke(id: string, at: Instant): Promise<void>;
  /** Takes away all grants of a role; the ids of those who held it. */
  revokeAllOf(roleId: string, at: Instant): Promise<readonly string[]>;
  /** Takes away all grants at a scope, without those below it. */
  revokeAllAt(scopeId: string, at: Instant): Promise<void>;
  /** As outside, after what was written so far. Those that ask wait for each other until they end. */
  isHeld(roleId: string): Promise<boolean>;
  /** At most `limit` of those who make {@link isHeld} true, in any order. Those that ask wait for each other as there. */
  holders(roleId: string, limit: number): Promise<readonly string[]>;
}

const NAME = /^[a-z][a-z0-9_-]{0,62}$/;
const DESCRIPTION_LENGTH_MAX = 500;

/** Refuses with BAD_USER_INPUT what cannot be the name of a role. */
export function parseRoleName(name: string): string {
  if (NAME.test(name)) return name;
  throw badInput('name', 'The name of a role has up to 63 small letters, digits, - and _, and begins with a letter.');
}

/** Without surrounding space; null for none. Refuses with BAD_USER_INPUT one that is too long. */
export function parseRoleDescription(description: string | null): string | null {
  const trimmed = description?.trim() ?? '';
  if (trimmed.length > DESCRIPTION_LENGTH_MAX || /\p{Cc}/u.test(trimmed)) {
    throw badInput(
      'description',
      `A description has up to ${DESCRIPTION_LENGTH_MAX} characters and no control characters.`,
    );
  }
  return trimmed === '' ? null : trimmed;
}

import type { Instant } from '../../kit/clock.ts';

/** A named bundle of rules. Managed roles come from policy files, one row for each name. */
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

export interface RoleReader {
  find(id: string): Promise<Role | null>;
  /** The roles with these ids, in any order, without the missing ones. One statement. */
  findMany(ids: readonly string[]): Promise<readonly Role[]>;
  /** The role of this name, compared byte for byte, or null. */
  findByName(name: string): Promise<Role | null>;
}

export interface RoleWriter extends RoleReader {
  /** Adds a managed role for every name that has no row yet, and describes the others anew. */
  syncManaged(roles: readonly Role[]): Promise<void>;
}

export interface GrantReader {
  /** The grant with this id, a revoked one included, or null. */
  find(id: string): Promise<Grant | null>;
  /** All grants of these principals that were not revoked, expired ones included, oldest first, each with its role. One statement. */
  ofPrincipals(principalIds: readonly string[]): Promise<readonly RoleGrant[]>;
  /** Whether an active principal holds the role everywhere and without end. */
  isHeld(roleId: string): Promise<boolean>;
}

/** Inside a transaction `find` locks the row it returns. */
export interface GrantWriter extends GrantReader {
  /** Refuses with CONFLICT when the principal holds the role at that scope already. */
  add(grant: Grant): Promise<void>;
  /** Takes the grant away and keeps it as a revoked one. */
  revoke(id: string, at: Instant): Promise<void>;
}

import { toInstant, type Clock } from '../../kit/clock.ts';
import { newId } from '../../kit/ids.ts';
import type { Authority, Enforced } from '../authority/authority.ts';
import type { Connection, Orders, PageArguments } from '../pages.ts';
import { type Condition, listReadable } from '../policy/lists.ts';
import type { Policy } from '../policy/policy.ts';
import { sessionIdOf, type Principal } from '../principals/principal.ts';
import { badInput, notFound, Refusal } from '../refusals.ts';
import type { Store } from '../store.ts';
import { parseScope } from '../users/user.ts';
import type { Grant, Role } from './role.ts';

export interface NewGrant {
  readonly principalId: string;
  readonly roleId: string;
  /** The path of a scope; null or absent grants everywhere. */
  readonly scope?: string | null;
  readonly expiresAt?: string | null;
}

export interface RoleListArguments extends PageArguments {
  readonly filter?: { readonly managed?: boolean | null | undefined } | null | undefined;
}

const ROLE_ORDERS: Orders = { name: 'text' };

/** What can be done with roles and the grants of them. */
export class Roles {
  readonly #store: Store;
  readonly #authority: Authority;
  readonly #policy: Policy;
  readonly #clock: Clock;

  constructor(parts: { store: Store; authority: Authority; policy: Policy; clock: Clock }) {
    this.#store = parts.store;
    this.#authority = parts.authority;
    this.#policy = parts.policy;
    this.#clock = parts.clock;
  }

  /** The roles with these ids that `by` may read, in the order of the ids, null for the others. One statement. */
  async findMany(by: Principal, ids: readonly string[]): Promise<readonly (Role | null)[]> {
    const found = new Map((await this.#store.roles.findMany(ids)).map((role) => [role.id, role]));
    return ids.map((id) => this.#policy.readable(by, found.get(id) ?? null));
  }

  /** The role of this name if `by` may read it. */
  async findByName(by: Principal, name: string): Promise<Role | null> {
    return this.#policy.readable(by, await this.#store.roles.findByName(name));
  }

  /** A page of the roles that `by` may read. */
  list(by: Principal, args: RoleListArguments): Promise<Connection<Role>> {
    const managed = args.filter?.managed;
    const conditions: Condition[] = [];
    if (typeof managed === 'boolean') {
      conditions.push({ field: 'managed', filter: { kind: 'equals', attribute: 'managed', value: managed } });
    }
    const parts = { policy: this.#policy, pages: this.#store.roles, orders: ROLE_ORDERS, conditions, args };
    return listReadable<Role>(by, { type: 'Role', ...parts });
  }

  /**
   * The grants of each of these principals, in their order, oldest first, each with its role, or null where `by` may not read
   * that. One statement. Whoever may read a principal may read its grants, so the caller has checked that.
   */
  async grantsOf(
    by: Principal,
    principalIds: readonly string[],
  ): Promise<readonly (readonly { readonly grant: Grant; readonly role: Role | null }[])[]> {
    const found = await this.#store.grants.ofPrincipals(principalIds);
    const grants = Map.groupBy(
      found.map(({ grant, role }) => ({ grant, role: this.#policy.readable(by, role) })),
      ({ grant }) => grant.principalId,
    );
    return principalIds.map((id) => grants.get(id) ?? []);
  }

  /** Whether an active principal holds the role everywhere and without end. */
  isHeld(roleId: string): Promise<boolean> {
    return this.#store.grants.isHeld(roleId);
  }

  /** Gives a role. Refuses with CONFLICT when the principal holds it at that scope already. */
  async grant(by: Principal, input: NewGrant): Promise<Enforced<Grant>> {
    const scope = typeof input.scope === 'string' ? parseScope(input.scope) : null;
    const expiresAt = input.expiresAt ?? null;
    if (expiresAt !== null && expiresAt <= this.#now()) throw badInput('expiresAt', 'A grant ends in the future.');

    return this.#authority.change(by, { change: [input.principalId] }, async (tx, actor) => {
      const user = await tx.users.find(input.principalId);
      if (user === null) throw notFound('user', input.principalId);
      // Before the role is looked for: that it is missing must not tell that the user is not.
      this.#policy.demand(actor, 'grant', user);
      const role = await tx.roles.find(input.roleId);
      if (role === null) throw notFound('role', input.roleId);
      this.#policy.demand(actor, 'grant', role);
      // Who administers one scope must not give rights in another, or everywhere.
      const there = this.#policy.within(actor, scope);
      this.#policy.demand(there, 'grant', user);
      this.#policy.demand(there, 'grant', role);

      const grant: Grant = {
        __typename: 'Grant',
        id: newId('grant'),
        principalId: user.id,
        roleId: role.id,
        scope,
        expiresAt,
        grantedBy: actor.id,
        createdAt: this.#now(),
        revokedAt: null,
      };
      await tx.grants.add(grant);
      await tx.audit.append({
        by: actor.id,
        sessionId: sessionIdOf(actor),
        action: 'role.grant',
        subjectId: user.id,
        detail: { roleId: role.id, scope, expiresAt },
      });
      await tx.authority.append({ target: user.id, kind: 'changed', userId: user.id, reason: 'role_granted' });
      return grant;
    });
  }

  /** Takes a granted role away. Revoking a revoked grant changes nothing and is no error. */
  async revoke(by: Principal, grantId: string): Promise<Enforced<Grant>> {
    const found = await this.#store.grants.find(grantId);
    if (found === null)
      throw by.kind === 'anonymous' ? new Refusal('UNAUTHENTICATED', 'Sign in first.') : notFound('grant', grantId);

    return this.#authority.change(by, { change: [found.principalId] }, async (tx, actor) => {
      const grant = await tx.grants.find(grantId);
      const user = grant === null ? null : await tx.users.find(grant.principalId);
      const role = grant === null ? null : await tx.roles.find(grant.roleId);
      if (grant === null || user === null || role === null) throw notFound('grant', grantId);
      if (!this.#policy.decide(actor, 'read', user).allowed) throw notFound('grant', grantId);
      this.#policy.demand(actor, 'revoke', role);
      // Who administers one scope must not take rights away in another, or everywhere.
      this.#policy.demand(this.#policy.within(actor, grant.scope), 'revoke', role);

      if (grant.revokedAt !== null) return grant; // still waits: an earlier call may not be in force yet

      const revokedAt = this.#now();
      await tx.grants.revoke(grantId, revokedAt);
      await tx.audit.append({
        by: actor.id,
        sessionId: sessionIdOf(actor),
        action: 'role.revoke',
        subjectId: user.id,
        detail: { roleId: role.id, scope: grant.scope },
      });
      await tx.authority.append({ target: user.id, kind: 'changed', userId: user.id, reason: 'role_revoked' });
      return { ...grant, revokedAt };
    });
  }

  #now(): string {
    return toInstant(this.#clock.now());
  }
}

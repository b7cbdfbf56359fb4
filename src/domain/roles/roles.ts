import type { Connection, Orders, PageArguments } from '../pages.ts';
import { type Condition, listReadable } from '../policy/lists.ts';
import type { Policy } from '../policy/policy.ts';
import type { Principal } from '../principals/principal.ts';
import type { Store } from '../store.ts';
import { type Lineage, lineages } from './lineage.ts';
import type { Grant, Role } from './role.ts';

export interface RoleListArguments extends PageArguments {
  readonly filter?: { readonly managed?: boolean | null | undefined } | null | undefined;
}

const ROLE_ORDERS: Orders = { name: 'text' };

/** Questions about roles and who holds them. */
export class Roles {
  readonly #store: Store;
  readonly #policy: Policy;

  constructor(parts: { store: Store; policy: Policy }) {
    this.#store = parts.store;
    this.#policy = parts.policy;
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

  /** What each of these roles inherits and is inherited by, as far as `by` may read it, in their order. One statement. */
  async lineagesOf(by: Principal, ids: readonly string[]): Promise<readonly Lineage[]> {
    const nodes = await this.#store.roles.hierarchy();
    const inheritsInFiles = (name: string) => (by.kind === 'user' ? by.standing.engine.inherits(name) : []);
    const found = lineages(nodes, inheritsInFiles);
    const readable = (roles: readonly Role[]) => roles.filter((role) => this.#policy.readable(by, role) !== null);
    return ids.map((id) => {
      const { inherits, ancestors, descendants } = found(id);
      return { inherits: readable(inherits), ancestors: readable(ancestors), descendants: readable(descendants) };
    });
  }

  /** Whether anybody who is not shut out holds the role everywhere and without end. */
  isHeld(roleId: string): Promise<boolean> {
    return this.#store.grants.isHeld(roleId);
  }
}

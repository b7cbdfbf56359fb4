import { isId } from '../../kit/ids.ts';
import type { Policy } from '../policy/policy.ts';
import type { Principal } from '../principals/principal.ts';
import { notFound, type Refusal } from '../refusals.ts';
import { noSuchScope } from '../scopes/home.ts';
import type { ServiceAccount } from '../service-accounts/service-account.ts';
import { isScopePath, parseScope, type Scope, scopePaths } from '../scopes/scope.ts';
import { outcomeOf } from '../authority/bulk.ts';
import type { Transaction } from '../store.ts';
import type { User } from '../users/user.ts';
import type { Role } from './role.ts';

/** What is given, when it may be. */
export interface Grantable {
  readonly role: Role;
  /** The path; null is everywhere. */
  readonly scope: string | null;
}

/**
 * Decides what one actor may give, from roles and scopes that were read beforehand: roles by what names them here, and each
 * with the names of all that it is made of.
 */
export class Granting {
  readonly #policy: Policy;
  readonly #actor: Principal;
  readonly #roles: ReadonlyMap<string, Role>;
  readonly #closures: ReadonlyMap<string, readonly string[]>;
  readonly #scopes: ReadonlyMap<string, Scope>;
  readonly #within = new Map<string | null, Principal>();
  readonly #beyond = new Map<string, Refusal | null>();

  private constructor(parts: {
    policy: Policy;
    actor: Principal;
    roles: ReadonlyMap<string, Role>;
    closures: ReadonlyMap<string, readonly string[]>;
    scopes: ReadonlyMap<string, Scope>;
  }) {
    this.#policy = parts.policy;
    this.#actor = parts.actor;
    this.#roles = parts.roles;
    this.#closures = parts.closures;
    this.#scopes = parts.scopes;
  }

  /** Reads these roles, which are by name or by id, and scopes, which are paths or ids: a few statements, however many they are. */
  static async over(
    tx: Pick<Transaction, 'roles' | 'scopes'>,
    { policy, actor }: { readonly policy: Policy; readonly actor: Principal },
    named: { readonly roles: readonly Role[]; readonly by: 'id' | 'name'; readonly scopes: readonly string[] },
  ): Promise<Granting> {
    const closures = await tx.roles.closures(named.roles.map(({ id }) => id));
    const ids = named.scopes.filter((ref) => isId('scope', ref));
    const paths = named.scopes.filter((ref) => !isId('scope', ref) && isScopePath(ref));
    const scopes = new Map<string, Scope>();
    if (ids.length > 0) for (const scope of await tx.scopes.findMany(ids)) scopes.set(scope.id, scope);
    for (const path of [...scopes.values()].map(({ scope }) => scope)) paths.push(path);
    if (paths.length > 0) for (const scope of await tx.scopes.findByPaths(paths)) scopes.set(scope.scope, scope);
    const roles = new Map(named.roles.map((role) => [role[named.by], role]));
    return new Granting({ policy, actor, roles, closures, scopes });
  }

  /**
   * Whether this holder may be given that role there, as it is to be told: BAD_USER_INPUT, NOT_FOUND or FORBIDDEN, with the same
   * for what the actor may not know of as for what is not there.
   */
  demand(holder: User | ServiceAccount, roleRef: string, scopeRef: string | null): Grantable {
    // Before the role is looked for: that it is missing must not tell that the holder is not.
    this.#policy.demand(this.#actor, 'grant', holder);
    const role = this.#roles.get(roleRef);
    if (role === undefined) throw notFound('role', roleRef);
    this.#policy.demand(this.#actor, 'grant', role);
    const path = this.#pathOf(scopeRef);
    // Who administers one scope must not give rights in another, or everywhere.
    const there = this.#there(path);
    this.#policy.demand(there, 'grant', holder);
    this.#policy.demand(there, 'grant', role);
    // Only now: whether it is there is told to those who may grant in it.
    if (path !== null && !this.#scopes.has(path)) throw noSuchScope();
    const beyond = this.#beyondOwnRights(role, path, there);
    if (beyond !== null) throw beyond;
    return { role, scope: path };
  }

  /** The user at home in the scope that this names, whether or not one is there; see {@link knows}. */
  atHome(user: User, scopeRef: string | null): User {
    const scope = this.#pathOf(scopeRef);
    const found = this.#scopes.get(scope ?? '');
    return { ...user, scope, scopes: found?.scopes ?? scopePaths(scope) };
  }

  knows(path: string): boolean {
    return this.#scopes.has(path);
  }

  /** The path that this names. An id that the actor may not read is as one that is not there. */
  #pathOf(ref: string | null): string | null {
    if (ref === null) return null;
    if (!isId('scope', ref)) return parseScope(ref);
    const scope = this.#policy.readable(this.#actor, this.#scopes.get(ref) ?? null);
    if (scope === null) throw noSuchScope();
    return scope.scope;
  }

  #there(path: string | null): Principal {
    const known = this.#within.get(path);
    if (known !== undefined) return known;
    const there = this.#policy.within(this.#actor, path);
    this.#within.set(path, there);
    return there;
  }

  /** What refuses to give this role there to anybody, since the actor lacks some of it. */
  #beyondOwnRights({ id }: Role, scope: string | null, there: Principal): Refusal | null {
    const key = JSON.stringify([id, scope]);
    const known = this.#beyond.get(key);
    if (known !== undefined) return known;
    const given = (this.#closures.get(id) ?? []).map((role) => ({ role, scope }));
    const { refusal } = outcomeOf(() => {
      this.#policy.demandHolds(there, given);
      // What is denied to the actor in a scope below counts as well.
      this.#policy.demandHolds(this.#actor, given);
    });
    this.#beyond.set(key, refusal);
    return refusal;
  }
}

import { toInstant, type Clock } from '../../kit/clock.ts';
import { newId } from '../../kit/ids.ts';
import type { AuditState } from '../audit/state.ts';
import type { Authority, Enforced, Written } from '../authority/authority.ts';
import type { Connection, Orders, PageArguments } from '../pages.ts';
import { demandAdministrator } from '../policy/administrators.ts';
import type { Filter } from '../policy/filter.ts';
import { type Condition, listReadable } from '../policy/lists.ts';
import type { Policy } from '../policy/policy.ts';
import { demandNoGain } from '../policy/no-gain.ts';
import { sessionIdOf, type Principal } from '../principals/principal.ts';
import { badInput, notFound, Refusal } from '../refusals.ts';
import type { Store, Transaction } from '../store.ts';
import { parentPath, parseScope, type Scope, SCOPE_DEPTH_MAX, scopePaths } from './scope.ts';

/** What a list of scopes is narrowed by; all of it must hold. */
export interface ScopeFilter {
  /** The path of a scope: they are there or below. */
  readonly within?: string | null | undefined;
  readonly status?: Scope['status'] | null | undefined;
}

export interface ScopeListArguments extends PageArguments {
  readonly filter?: ScopeFilter | null | undefined;
}

const ORDERS: Orders = { scope: 'text', createdAt: 'instant' };

/**
 * What can be done with scopes. Whatever changes one changes what grants and homes in it mean, so it takes the policy for
 * itself: nobody decides by a tree that is half moved.
 */
export class Scopes {
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

  /** The scopes with these ids that `by` may read, in the order of the ids, null for the others. One statement. */
  async findMany(by: Principal, ids: readonly string[]): Promise<readonly (Scope | null)[]> {
    const found = new Map((await this.#store.scopes.findMany(ids)).map((scope) => [scope.id, scope]));
    return ids.map((id) => this.#policy.readable(by, found.get(id) ?? null));
  }

  /** The scope at this path if `by` may read it. */
  async findByPath(by: Principal, path: string): Promise<Scope | null> {
    return this.#policy.readable(by, await this.#store.scopes.findByPath(path));
  }

  /** A page of the scopes that `by` may read. */
  list(by: Principal, args: ScopeListArguments): Promise<Connection<Scope>> {
    const { within, status } = args.filter ?? {};
    const conditions: Condition[] = [];
    const add = (field: string, attribute: string, value: string) => {
      const filter: Filter = { kind: 'equals', attribute, value };
      conditions.push({ field, filter });
    };
    if (typeof within === 'string') add('scope', 'scopes', within);
    if (typeof status === 'string') add('status', 'status', status);
    const parts = { policy: this.#policy, pages: this.#store.scopes, orders: ORDERS, conditions, args };
    return listReadable<Scope>(by, { type: 'Scope', ...parts });
  }

  /** Refuses with CONFLICT when the path is taken, and with NOT_FOUND when there is nothing it could be below. */
  async create(by: Principal, path: string): Promise<Written<Scope>> {
    const scope = this.#newScope(parseScope(path, 'path'));
    // Who may not create it is not told what there is.
    this.#policy.demand(by, 'create', scope);
    return this.#authority.write(by, { policy: 'change' }, async (tx, actor) => {
      this.#policy.demand(actor, 'create', scope);
      const created = { ...scope, parentId: await this.#parentOf(tx, actor, scope.scope) };
      await tx.scopes.add(created);
      await this.#record(tx, actor, 'scope.create', { after: created });
      return created;
    });
  }

  /**
   * Gives a scope another path, and with it everything below. Grants and homes in it go along. Refuses with CONFLICT when the
   * path is taken or lies in the scope itself, and with BAD_USER_INPUT when the tree would become too deep.
   */
  async move(by: Principal, id: string, path: string): Promise<Enforced<Scope>> {
    parseScope(path, 'path');
    return this.#change(by, id, 'move', async (tx, actor, scope) => {
      if (scope.scope === path) return scope; // still waits: an earlier call may not be in force yet
      const { name, scope: to, scopes } = this.#newScope(path);
      if (scopes.includes(scope.scope)) {
        throw new Refusal('CONFLICT', 'A scope cannot be moved into itself.', { field: 'path' });
      }
      const moved: Scope = { ...scope, name, scope: to, scopes, parentId: null };
      // Who takes something away here and puts it there needs to be somebody in both places.
      this.#policy.demand(actor, 'create', moved);
      const parentId = await this.#parentOf(tx, actor, path);
      if (scopes.length + (await tx.scopes.depth(id)) > SCOPE_DEPTH_MAX) {
        throw badInput('path', `What lies below it would be deeper than ${SCOPE_DEPTH_MAX} names.`);
      }
      await this.#demandHeld(tx, actor, scope, scopes);
      // Who is shut out before or after it stays so with what they came with, wherever it is moved later.
      const isShut = await this.#isSuspended(tx, [...scope.scopes, ...scopes]);
      await tx.scopes.move(id, { scope: to, parentId });
      if (isShut) await demandAdministrator(tx);
      await this.#record(tx, actor, 'scope.move', { before: scope, after: { ...moved, parentId } });
      const kind = isShut ? 'revoked' : 'changed';
      await tx.authority.append({ target: id, kind, userId: null, reason: 'scope_moved' });
      return { ...moved, parentId };
    });
  }

  /**
   * Shuts out everybody whose home is there or below, as if they were disabled, and takes back what is allowed by what is granted
   * there, until it is resumed; what is denied by that stays denied. Their sessions stay and go on then. Suspending a suspended scope changes nothing and is no error.
   */
  async suspend(by: Principal, id: string): Promise<Enforced<Scope>> {
    return this.#change(by, id, 'suspend', async (tx, actor, scope) => {
      if (scope.status === 'suspended') return scope;
      const suspended: Scope = { ...scope, status: 'suspended' };
      await tx.scopes.setStatus(id, 'suspended');
      await demandAdministrator(tx);
      await this.#record(tx, actor, 'scope.suspend', { before: scope, after: suspended });
      await tx.authority.append({ target: id, kind: 'revoked', userId: null, reason: 'scope_suspended' });
      return suspended;
    });
  }

  /** Lets them in again. Access tokens of before stay refused; refreshing the session gives new ones. */
  async resume(by: Principal, id: string): Promise<Enforced<Scope>> {
    return this.#change(by, id, 'resume', async (tx, actor, scope) => {
      if (scope.status === 'active') return scope;
      const resumed: Scope = { ...scope, status: 'active' };
      await tx.scopes.setStatus(id, 'active');
      await this.#record(tx, actor, 'scope.resume', { before: scope, after: resumed });
      await tx.authority.append({ target: id, kind: 'changed', userId: null, reason: 'scope_resumed' });
      return resumed;
    });
  }

  /**
   * Removes an empty scope and revokes what is granted there. Refuses with CONFLICT while anybody has their home in it or a
   * scope is below it, and with FORBIDDEN to take away what denies others that which the actor may not do. Removing a removed scope changes nothing and is no error.
   */
  async delete(by: Principal, id: string): Promise<Enforced<Scope>> {
    return this.#change(by, id, 'delete', async (tx, actor, scope) => {
      if ((await tx.scopes.find(id)) === null) return scope;
      const { users, scopes } = await tx.scopes.contents(id);
      if (users > 0 || scopes > 0) {
        const message = `It is not empty: ${users} users have their home there, and ${scopes} scopes are below it.`;
        throw new Refusal('CONFLICT', message, { id, reason: 'not_empty' });
      }
      await this.#demandLifted(tx, actor, scope);
      const at = toInstant(this.#clock.now());
      await tx.grants.revokeAllAt(id, at);
      await tx.scopes.remove(id, at);
      await this.#record(tx, actor, 'scope.delete', { before: scope });
      await tx.authority.append({ target: id, kind: 'changed', userId: null, reason: 'scope_deleted' });
      return scope;
    });
  }

  /**
   * Others come to what they were granted above the new place, and lose what denied them above the old one: the actor must
   * be allowed that where the scope is.
   */
  async #demandHeld(tx: Transaction, actor: Principal, { scope, scopes }: Scope, to: readonly string[]): Promise<void> {
    const at = async (paths: readonly string[]) => (await tx.grants.rolesAt(paths)).map((role) => ({ role, scope }));
    const entered = await at(to.filter((path) => !scopes.includes(path)));
    const left = await at(scopes.filter((path) => path !== scope && !to.includes(path)));
    for (const by of [this.#policy.within(actor, scope), actor]) {
      this.#policy.demandHolds(by, entered);
      this.#policy.demandLifts(by, left);
    }
  }

  /** Others lose what denied them there, where records of other subgraphs may stay: the actor must be allowed that. */
  async #demandLifted(tx: Transaction, actor: Principal, { scope }: Scope): Promise<void> {
    const lifted = (await tx.grants.rolesAt([scope])).map((role) => ({ role, scope }));
    for (const by of [this.#policy.within(actor, scope), actor]) this.#policy.demandLifts(by, lifted);
  }

  async #change(
    by: Principal,
    id: string,
    action: 'move' | 'suspend' | 'resume' | 'delete',
    work: (tx: Transaction, actor: Principal, scope: Scope) => Promise<Scope>,
  ): Promise<Enforced<Scope>> {
    return this.#authority.change(by, { policy: 'change' }, async (tx, actor) => {
      const scope = (await tx.scopes.find(id)) ?? (action === 'delete' ? await tx.scopes.findRemoved(id) : null);
      if (scope === null) throw notFound('scope', id);
      this.#policy.demand(actor, action, scope);
      const changed = await work(tx, actor, scope);
      // Who resumes a scope may have been granted something there, and has it back.
      const moved = changed.scope === scope.scope ? null : { from: scope.scope, to: changed.scope };
      if (action !== 'resume') await demandNoGain(tx, actor, moved);
      return changed;
    });
  }

  /** The id of the scope that this path is below. One that the actor may not read is none. */
  async #parentOf(tx: Transaction, actor: Principal, path: string): Promise<string | null> {
    const above = parentPath(path);
    if (above === null) return null;
    const parent = this.#policy.readable(actor, await tx.scopes.findByPath(above));
    if (parent === null) throw badInput('path', `There is no scope ${above}. Create it first.`);
    return parent.id;
  }

  async #isSuspended(tx: Transaction, paths: readonly string[]): Promise<boolean> {
    for (const path of paths) if ((await tx.scopes.findByPath(path))?.status === 'suspended') return true;
    return false;
  }

  #newScope(path: string): Scope {
    return {
      __typename: 'Scope',
      id: newId('scope'),
      name: path.slice(path.lastIndexOf('/') + 1),
      scope: path,
      scopes: scopePaths(path),
      parentId: null,
      status: 'active',
      createdAt: toInstant(this.#clock.now()),
    };
  }

  async #record(
    tx: Transaction,
    actor: Principal,
    action: string,
    { before, after }: { readonly before?: Scope; readonly after?: Scope },
  ): Promise<void> {
    await tx.audit.append({
      by: actor.id,
      sessionId: sessionIdOf(actor),
      action,
      subjectId: (before ?? after)?.id ?? '',
      ...(before !== undefined && { before: stateOf(before) }),
      ...(after !== undefined && { after: stateOf(after) }),
    });
  }
}

function stateOf({ scope, status }: Scope): AuditState {
  return { path: scope, status };
}

import { toInstant, type Clock } from '../../kit/clock.ts';
import { newId } from '../../kit/ids.ts';
import type { AuditState } from '../audit/state.ts';
import type { Authority, Enforced, Written } from '../authority/authority.ts';
import { demandAdministrator } from '../policy/administrators.ts';
import { demandNoGain } from '../policy/no-gain.ts';
import type { Policy } from '../policy/policy.ts';
import type { Principal } from '../principals/principal.ts';
import { record } from '../principals/recording.ts';
import { badInput, notFound, Refusal } from '../refusals.ts';
import type { Transaction } from '../store.ts';
import { parseRoleDescription, parseRoleName, type Role } from './role.ts';

export interface NewRole {
  readonly name: string;
  readonly description?: string | null;
  /** Ids of the roles it is made of. */
  readonly inherits: readonly string[];
}

/** What is absent stays as it is. */
export interface RoleChange {
  readonly name?: string | null;
  readonly description?: string | null;
  readonly inherits?: readonly string[] | null;
}

/** Roles that one role may be made of directly. */
const INHERITS_MAX = 50;

/**
 * Roles made through the API. They have no rules of their own: each is made of others, managed ones or custom. A role holds
 * in every scope, so whoever changes one must be allowed to everywhere; and nobody puts into a role what they lack.
 */
export class CustomRoles {
  readonly #authority: Authority;
  readonly #policy: Policy;
  readonly #clock: Clock;

  constructor(parts: { authority: Authority; policy: Policy; clock: Clock }) {
    this.#authority = parts.authority;
    this.#policy = parts.policy;
    this.#clock = parts.clock;
  }

  /** Refuses with CONFLICT when a role has the name, and with BAD_USER_INPUT to be made of what is not there. */
  async create(by: Principal, input: NewRole): Promise<Written<Role>> {
    const role: Role = {
      __typename: 'Role',
      id: newId('role'),
      name: parseRoleName(input.name),
      description: parseRoleDescription(input.description ?? null),
      managed: false,
    };
    this.#policy.demand(by, 'create', role);
    return this.#authority.write(by, { policy: 'change' }, async (tx, actor) => {
      this.#policy.demand(actor, 'create', role);
      const parents = await this.#parents(tx, actor, input.inherits);
      await this.#demandHolds(tx, actor, ids(parents));
      await tx.roles.add(role, ids(parents));
      await record(tx, actor, 'role.create', { subjectId: role.id, after: stateOf(role, parents) });
      return role;
    });
  }

  /**
   * Names, describes or composes a role anew, for everybody who holds it. Refuses with CONFLICT a managed role, which is
   * changed in its files, one that would be made of itself, and what would leave nobody administrator.
   */
  async update(by: Principal, id: string, change: RoleChange): Promise<Enforced<Role>> {
    return this.#authority.change(by, { policy: 'change' }, async (tx, actor) => {
      const before = await this.#changeable(tx, actor, 'update', id);
      const had = await this.#inheritedBy(tx, id);
      const role: Role = {
        ...before,
        ...(typeof change.name === 'string' && { name: parseRoleName(change.name) }),
        ...(change.description !== undefined && { description: parseRoleDescription(change.description) }),
      };
      const inherits = change.inherits ?? null;
      const parents = inherits === null ? had : await this.#parents(tx, actor, inherits);
      const holders = await tx.roles.descendants(id);
      this.#refuseCircle(role, parents, holders);
      const [old, anew] = [ids(had), ids(parents)];
      await this.#demandHolds(
        tx,
        actor,
        anew.filter((parent) => !old.includes(parent)),
      );
      await this.#demandLifts(
        tx,
        actor,
        old.filter((parent) => !anew.includes(parent)),
      );

      await tx.roles.save(role, ids(parents));
      await demandAdministrator(tx);
      await demandNoGain(tx, actor);
      const states = { before: stateOf(before, had), after: stateOf(role, parents) };
      await record(tx, actor, 'role.update', { subjectId: id, ...states });
      for (const target of [id, ...holders]) {
        await tx.authority.append({ target, kind: 'changed', userId: null, reason: 'role_updated' });
      }
      return role;
    });
  }

  /**
   * Takes a role away, with every grant of it. Refuses with CONFLICT a managed role, one that others are made of, and what
   * would leave nobody administrator. Deleting a deleted role changes nothing and is no error.
   */
  async delete(by: Principal, id: string): Promise<Enforced<Role>> {
    return this.#authority.change(by, { policy: 'change' }, async (tx, actor) => {
      const deleted = await tx.roles.findDeleted(id);
      if (deleted !== null) {
        this.#policy.demand(actor, 'delete', deleted);
        return deleted; // still waits: an earlier call may not be in force yet
      }
      const role = await this.#changeable(tx, actor, 'delete', id);
      const holders = await tx.roles.descendants(id);
      if (holders.length > 0) {
        const message = `${holders.length} roles are made of it. Take it out of them first.`;
        throw new Refusal('CONFLICT', message, { id, reason: 'inherited' });
      }
      const parents = await this.#inheritedBy(tx, id);
      await this.#demandLifts(tx, actor, ids(parents));
      const at = toInstant(this.#clock.now());
      await tx.grants.revokeAllOf(id, at);
      await tx.roles.remove(id, at);
      await demandAdministrator(tx);
      await demandNoGain(tx, actor);
      await record(tx, actor, 'role.delete', { subjectId: id, before: stateOf(role, parents) });
      await tx.authority.append({ target: id, kind: 'changed', userId: null, reason: 'role_deleted' });
      return role;
    });
  }

  async #changeable(tx: Transaction, actor: Principal, action: 'update' | 'delete', id: string): Promise<Role> {
    const role = await tx.roles.find(id);
    if (role === null) throw notFound('role', id);
    this.#policy.demand(actor, action, role);
    if (!role.managed) return role;
    const message = `The role ${role.name} comes from policy files. Change it there.`;
    throw new Refusal('CONFLICT', message, { id, reason: 'managed' });
  }

  async #parents(tx: Transaction, actor: Principal, asked: readonly string[]): Promise<readonly Role[]> {
    const wanted = [...new Set(asked)];
    if (wanted.length === 0 || wanted.length > INHERITS_MAX) {
      throw badInput('inherits', `A role is made of 1 to ${INHERITS_MAX} others.`);
    }
    const found = await tx.roles.findMany(wanted);
    const readable = found.filter((role) => this.#policy.readable(actor, role) !== null);
    const missing = wanted.find((id) => !readable.some((role) => role.id === id));
    if (missing === undefined) return readable;
    throw badInput('inherits', `There is no role ${missing}.`);
  }

  async #inheritedBy(tx: Transaction, id: string): Promise<readonly Role[]> {
    const nodes = await tx.roles.hierarchy();
    const inherits = nodes.find(({ role }) => role.id === id)?.inherits ?? [];
    return nodes.map(({ role }) => role).filter((role) => inherits.includes(role.id));
  }

  #refuseCircle(role: Role, parents: readonly Role[], holders: readonly string[]): void {
    const through = parents.find(({ id }) => id === role.id || holders.includes(id));
    if (through === undefined) return;
    const circle =
      through.id === role.id ? `${role.name} → ${role.name}` : `${role.name} → ${through.name} → … → ${role.name}`;
    throw new Refusal('CONFLICT', `A role cannot be made of itself: ${circle}.`, {
      field: 'inherits',
      reason: 'circle',
    });
  }

  async #demandHolds(tx: Transaction, actor: Principal, parents: readonly string[]): Promise<void> {
    if (parents.length === 0) return;
    const held = await tx.roles.closure(parents);
    const given = held.map(({ name }) => ({ role: name, scope: null }));
    this.#policy.demandHolds(this.#policy.within(actor, null), given);
    // What is denied to the actor in some scope counts as well.
    this.#policy.demandHolds(actor, given);
  }

  /** Taking a role out of another takes what it denies away from whoever holds that, wherever they hold it. */
  async #demandLifts(tx: Transaction, actor: Principal, parents: readonly string[]): Promise<void> {
    if (parents.length === 0) return;
    const lifted = (await tx.roles.closure(parents)).map(({ name }) => ({ role: name, scope: null }));
    this.#policy.demandLifts(this.#policy.within(actor, null), lifted);
    this.#policy.demandLifts(actor, lifted);
  }
}

const ids = (roles: readonly Role[]): readonly string[] => roles.map(({ id }) => id);

function stateOf({ name, description }: Role, parents: readonly Role[]): AuditState {
  return { name, described: description !== null, inherits: parents.map((parent) => parent.name).toSorted() };
}

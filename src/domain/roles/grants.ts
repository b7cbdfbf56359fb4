import { toInstant, type Clock } from '../../kit/clock.ts';
import { isId, newId } from '../../kit/ids.ts';
import type { AuditState } from '../audit/entry.ts';
import type { Authority, Enforced } from '../authority/authority.ts';
import { ADMINISTRATOR, demandAdministrator } from '../policy/administrators.ts';
import { demandNoGain, demandNoGift } from '../policy/no-gain.ts';
import type { Policy } from '../policy/policy.ts';
import { sessionIdOf, type Principal } from '../principals/principal.ts';
import { badInput, notFound, Refusal } from '../refusals.ts';
import { parseScope } from '../scopes/scope.ts';
import type { Store, Transaction } from '../store.ts';
import type { Grant, Role } from './role.ts';

export interface NewGrant {
  readonly principalId: string;
  readonly roleId: string;
  /** The path or the id of a scope; null or absent grants everywhere. */
  readonly scope?: string | null;
  readonly expiresAt?: string | null;
}

/** Giving roles to principals, and taking them away. */
export class Grants {
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

  /**
   * Gives a role. Refuses with CONFLICT when the principal holds it at that scope already, and with FORBIDDEN what the actor
   * may not do itself there.
   */
  async grant(by: Principal, input: NewGrant): Promise<Enforced<Grant>> {
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
      const path = await this.#pathOf(tx, actor, input.scope ?? null);
      // Who administers one scope must not give rights in another, or everywhere.
      const there = this.#policy.within(actor, path);
      this.#policy.demand(there, 'grant', user);
      this.#policy.demand(there, 'grant', role);
      // Only now: whether it is there is told to those who may grant in it.
      if (path !== null && (await tx.scopes.findByPath(path)) === null) throw noSuchScope();
      const held = await tx.roles.closure([role.id]);
      const given = held.map(({ name }) => ({ role: name, scope: path }));
      this.#policy.demandHolds(there, given);
      // What is denied to the actor in a scope below counts as well.
      this.#policy.demandHolds(actor, given);

      const grant: Grant = {
        __typename: 'Grant',
        id: newId('grant'),
        principalId: user.id,
        roleId: role.id,
        scope: path,
        expiresAt,
        grantedBy: actor.id,
        createdAt: this.#now(),
        revokedAt: null,
      };
      await tx.grants.add(grant);
      await this.#record(tx, actor, 'role.grant', { subjectId: user.id, after: stateOf(grant, role) });
      await tx.authority.append({ target: user.id, kind: 'changed', userId: user.id, reason: 'role_granted' });
      return grant;
    });
  }

  /**
   * Takes a granted role away. Revoking a revoked grant changes nothing and is no error. Refuses with CONFLICT to take it from
   * the last administrator.
   */
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
      const before = await tx.grants.heldBy(user.id);
      await tx.grants.revoke(grantId, revokedAt);
      if (user.roles.includes(ADMINISTRATOR)) await demandAdministrator(tx);
      if (user.id === actor.id) await demandNoGain(tx, actor);
      else await demandNoGift(tx, actor, { id: user.id, before });
      await this.#record(tx, actor, 'role.revoke', { subjectId: user.id, before: stateOf(grant, role) });
      await tx.authority.append({ target: user.id, kind: 'changed', userId: user.id, reason: 'role_revoked' });
      return { ...grant, revokedAt };
    });
  }

  /** The path that this names. An id that the actor may not read is as one that is not there. */
  async #pathOf(tx: Transaction, actor: Principal, ref: string | null): Promise<string | null> {
    if (ref === null) return null;
    if (!isId('scope', ref)) return parseScope(ref);
    const scope = this.#policy.readable(actor, await tx.scopes.find(ref));
    if (scope === null) throw noSuchScope();
    return scope.scope;
  }

  async #record(
    tx: Transaction,
    actor: Principal,
    action: string,
    what: { readonly subjectId: string; readonly before?: AuditState; readonly after?: AuditState },
  ): Promise<void> {
    await tx.audit.append({ by: actor.id, sessionId: sessionIdOf(actor), action, ...what });
  }

  #now(): string {
    return toInstant(this.#clock.now());
  }
}

function noSuchScope(): Refusal {
  return badInput('scope', 'There is no such scope. Create it first.');
}

function stateOf({ id, scope, expiresAt }: Grant, { id: roleId, name }: Role): AuditState {
  return { grantId: id, roleId, role: name, scope, expiresAt };
}

import { toInstant, type Clock } from '../../kit/clock.ts';
import { isId, newId } from '../../kit/ids.ts';
import type { AuditState } from '../audit/entry.ts';
import type { Authority, Enforced } from '../authority/authority.ts';
import { ADMINISTRATOR, demandAdministrator } from '../policy/administrators.ts';
import { demandNoGain, demandNoGift } from '../policy/no-gain.ts';
import type { Policy } from '../policy/policy.ts';
import { sessionIdOf, type Principal } from '../principals/principal.ts';
import { badInput, notFound, Refusal } from '../refusals.ts';
import { noSuchScope } from '../scopes/home.ts';
import { parseScope } from '../scopes/scope.ts';
import type { ServiceAccount } from '../service-accounts/service-account.ts';
import type { Store, Transaction } from '../store.ts';
import type { User } from '../users/user.ts';
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
      const holder = await findHolder(tx, input.principalId);
      if (holder === null) throw notFound(kindOf(input.principalId), input.principalId);
      // Before the role is looked for: that it is missing must not tell that the holder is not.
      this.#policy.demand(actor, 'grant', holder);
      const role = await tx.roles.find(input.roleId);
      if (role === null) throw notFound('role', input.roleId);
      this.#policy.demand(actor, 'grant', role);
      const path = await this.#pathOf(tx, actor, input.scope ?? null);
      // Who administers one scope must not give rights in another, or everywhere.
      const there = this.#policy.within(actor, path);
      this.#policy.demand(there, 'grant', holder);
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
        principalId: holder.id,
        roleId: role.id,
        scope: path,
        expiresAt,
        grantedBy: actor.id,
        createdAt: this.#now(),
        revokedAt: null,
      };
      await tx.grants.add(grant);
      await this.#record(tx, actor, 'role.grant', { subjectId: holder.id, after: stateOf(grant, role) });
      await tx.authority.append({ target: holder.id, kind: 'changed', userId: holder.id, reason: 'role_granted' });
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
      const holder = grant === null ? null : await findHolder(tx, grant.principalId);
      const role = grant === null ? null : await tx.roles.find(grant.roleId);
      if (grant === null || holder === null || role === null) throw notFound('grant', grantId);
      if (!this.#policy.decide(actor, 'read', holder).allowed) throw notFound('grant', grantId);
      this.#policy.demand(actor, 'revoke', role);
      // Who administers one scope must not take rights away in another, or everywhere.
      this.#policy.demand(this.#policy.within(actor, grant.scope), 'revoke', role);

      if (grant.revokedAt !== null) return grant; // still waits: an earlier call may not be in force yet

      const revokedAt = this.#now();
      const before = await tx.grants.heldBy(holder.id);
      await tx.grants.revoke(grantId, revokedAt);
      if (holder.roles.includes(ADMINISTRATOR)) await demandAdministrator(tx);
      if (holder.id === actor.id) await demandNoGain(tx, actor);
      else await demandNoGift(tx, actor, { id: holder.id, before });
      await this.#record(tx, actor, 'role.revoke', { subjectId: holder.id, before: stateOf(grant, role) });
      await tx.authority.append({ target: holder.id, kind: 'changed', userId: holder.id, reason: 'role_revoked' });
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

/** Users and service accounts hold roles alike. */
function findHolder(tx: Transaction, id: string): Promise<User | ServiceAccount | null> {
  return isId('serviceAccount', id) ? tx.serviceAccounts.find(id) : tx.users.find(id);
}

function kindOf(id: string): string {
  return isId('serviceAccount', id) ? 'service account' : 'user';
}

function stateOf({ id, scope, expiresAt }: Grant, { id: roleId, name }: Role): AuditState {
  return { grantId: id, roleId, role: name, scope, expiresAt };
}

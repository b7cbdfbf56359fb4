import { toInstant, type Clock } from '../../kit/clock.ts';
import { isId, newId } from '../../kit/ids.ts';
import type { AuditState } from '../audit/state.ts';
import type { Authority, Enforced } from '../authority/authority.ts';
import { BULK_MAX, changeEach, only, type Outcome, outcomeOf } from '../authority/bulk.ts';
import { ADMINISTRATOR, Administrators, demandAdministrator } from '../policy/administrators.ts';
import { demandNoGift, demandNoOwnGain } from '../policy/no-gain.ts';
import type { Policy } from '../policy/policy.ts';
import { sessionIdOf, type HeldGrant, type Principal } from '../principals/principal.ts';
import { badInput, notFound, Refusal } from '../refusals.ts';
import type { Store, Transaction } from '../store.ts';
import type { ServiceAccount } from '../service-accounts/service-account.ts';
import { isActive, type User } from '../users/user.ts';
import { Granting } from './granting.ts';
import type { Grant, Role } from './role.ts';

export interface NewGrant {
  readonly principalId: string;
  readonly roleId: string;
  /** The path or the id of a scope; null or absent grants everywhere. */
  readonly scope?: string | null | undefined;
  readonly expiresAt?: string | null | undefined;
}

/** Users and service accounts hold roles alike. */
export type Holder = User | ServiceAccount;

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
    this.#demandFuture(input);
    return this.#authority.change(by, { change: [input.principalId] }, async (tx, actor) =>
      only(await this.#grantEach(tx, actor, [input])),
    );
  }

  /** Gives each of these roles that {@link grant} would give, up to a thousand. */
  grantMany(by: Principal, inputs: readonly NewGrant[]): Promise<Enforced<readonly Outcome<Grant>[]>> {
    return changeEach(this.#authority, by, inputs, {
      field: 'grants',
      locks: (part) => ({ change: [...new Set(part.map(({ principalId }) => principalId))] }),
      work: (tx, actor, part) => this.#grantEach(tx, actor, part),
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

    return this.#authority.change(by, { change: [found.principalId] }, async (tx, actor) =>
      only(await this.#revokeEach(tx, actor, [grantId])),
    );
  }

  /** Takes each of these away that {@link revoke} would take away, up to a thousand. */
  async revokeMany(by: Principal, grantIds: readonly string[]): Promise<Enforced<readonly Outcome<Grant>[]>> {
    const found = by.kind === 'anonymous' ? [] : await this.#store.grants.findMany(grantIds.slice(0, BULK_MAX));
    const principals = new Map(found.map(({ id, principalId }) => [id, principalId]));
    return changeEach(this.#authority, by, grantIds, {
      field: 'grantIds',
      locks: (part) => ({ change: [...new Set(part.flatMap((id) => principals.get(id) ?? []))] }),
      work: (tx, actor, part) => this.#revokeEach(tx, actor, part),
    });
  }

  async #grantEach(tx: Transaction, actor: Principal, inputs: readonly NewGrant[]): Promise<readonly Outcome<Grant>[]> {
    const holders = await findHolders(
      tx,
      inputs.map(({ principalId }) => principalId),
    );
    const roles = await tx.roles.findMany(inputs.map(({ roleId }) => roleId));
    const scopes = inputs.flatMap(({ scope }) => scope ?? []);
    const granting = await Granting.over(tx, { policy: this.#policy, actor }, { roles, by: 'id', scopes });
    const createdAt = this.#now();

    const wanted = inputs.map((input) =>
      outcomeOf(() => {
        this.#demandFuture(input);
        const holder = holders.get(input.principalId);
        if (holder === undefined) throw notFound(kindOf(input.principalId), input.principalId);
        const { role, scope } = granting.demand(holder, input.roleId, input.scope ?? null);
        const grant: Grant = {
          __typename: 'Grant',
          id: newId('grant'),
          principalId: holder.id,
          roleId: role.id,
          scope,
          expiresAt: input.expiresAt ?? null,
          grantedBy: actor.id,
          createdAt,
          revokedAt: null,
        };
        return { grant, role };
      }),
    );
    const allowed = wanted.flatMap(({ value }) => value ?? []);
    const added = await tx.grants.addMany(allowed.map(({ grant }) => grant));
    const done = allowed.filter(({ grant }) => added.has(grant.id));
    await this.#record(tx, actor, 'role.grant', done);
    return wanted.map((outcome) => {
      if (outcome.value === null) return outcome;
      const { grant } = outcome.value;
      return added.has(grant.id) ? { value: grant, refusal: null } : { value: null, refusal: heldAlready() };
    });
  }

  async #revokeEach(
    tx: Transaction,
    actor: Principal,
    grantIds: readonly string[],
  ): Promise<readonly Outcome<Grant>[]> {
    const grants = byId(await tx.grants.findMany(grantIds));
    const principalIds = [...new Set([...grants.values()].map(({ principalId }) => principalId))];
    const holders = await findHolders(tx, principalIds);
    const roles = byId(await tx.roles.findMany([...grants.values()].map(({ roleId }) => roleId)));
    const held = new Map(await tx.grants.heldByMany(principalIds));
    const some = [...holders.values()].filter((holder) => isUser(holder) && holder.roles.includes(ADMINISTRATOR));
    const administrators = await Administrators.count(tx, some.length);
    const revokedAt = this.#now();
    const done = new Map<string, { readonly grant: Grant; readonly role: Role }>();

    const outcomes = grantIds.map((id) =>
      outcomeOf(() => {
        const before = done.get(id)?.grant ?? grants.get(id);
        const holder = holders.get(before?.principalId ?? '');
        const role = roles.get(before?.roleId ?? '');
        if (before === undefined || holder === undefined || role === undefined) throw notFound('grant', id);
        this.#demandRevoke(actor, { holder, role, grant: before });
        if (before.revokedAt !== null) return before; // still waits: an earlier call may not be in force yet

        const holds = held.get(holder.id) ?? [];
        const left = holds.filter(({ roleId, scope }) => roleId !== role.id || scope !== before.scope);
        const isLeaving = holder.roles.includes(ADMINISTRATOR) && isUser(holder) && !isAdministrator(holder, left);
        if (isLeaving) administrators.demandOther(holder.id);
        if (holder.id === actor.id) demandNoOwnGain(actor, left);
        else demandNoGift(actor, holds, left);
        if (isLeaving) administrators.remove(holder.id);
        held.set(holder.id, left);
        const grant: Grant = { ...before, revokedAt };
        done.set(id, { grant, role });
        return grant;
      }),
    );
    await tx.grants.revokeMany([...done.keys()], revokedAt);
    if (some.length > 0 && done.size > 0) await demandAdministrator(tx);
    await this.#record(tx, actor, 'role.revoke', [...done.values()]);
    return outcomes;
  }

  #demandRevoke(
    actor: Principal,
    { holder, role, grant }: { readonly holder: Holder; readonly role: Role; readonly grant: Grant },
  ): void {
    if (!this.#policy.decide(actor, 'read', holder).allowed) throw notFound('grant', grant.id);
    this.#policy.demand(actor, 'revoke', role);
    // Who administers one scope must not take rights away in another, or everywhere.
    this.#policy.demand(this.#policy.within(actor, grant.scope), 'revoke', role);
  }

  #demandFuture({ expiresAt }: NewGrant): void {
    if (typeof expiresAt === 'string' && expiresAt <= this.#now()) {
      throw badInput('expiresAt', 'A grant ends in the future.');
    }
  }

  async #record(
    tx: Transaction,
    actor: Principal,
    action: 'role.grant' | 'role.revoke',
    changes: readonly { readonly grant: Grant; readonly role: Role }[],
  ): Promise<void> {
    const author = { by: actor.id, sessionId: sessionIdOf(actor), action };
    const reason = action === 'role.grant' ? 'role_granted' : 'role_revoked';
    const side = action === 'role.grant' ? 'after' : 'before';
    await tx.audit.appendAll(
      changes.map(({ grant, role }) => ({ ...author, subjectId: grant.principalId, [side]: stateOf(grant, role) })),
    );
    await tx.authority.appendAll(
      changes.map(({ grant: { principalId } }) => ({
        target: principalId,
        kind: 'changed',
        userId: principalId,
        reason,
      })),
    );
  }

  #now(): string {
    return toInstant(this.#clock.now());
  }
}

/** The users and service accounts with these ids, without those that there are not. */
async function findHolders(tx: Transaction, ids: readonly string[]): Promise<ReadonlyMap<string, Holder>> {
  const ofServices = ids.filter((id) => isId('serviceAccount', id));
  const ofUsers = ids.filter((id) => !isId('serviceAccount', id));
  const users = ofUsers.length === 0 ? [] : await tx.users.findMany(ofUsers);
  const services = ofServices.length === 0 ? [] : await tx.serviceAccounts.findMany(ofServices);
  return byId<Holder>([...users, ...services]);
}

function kindOf(id: string): string {
  return isId('serviceAccount', id) ? 'service account' : 'user';
}

function isUser(holder: Holder): holder is User {
  return holder.__typename === 'User';
}

function byId<T extends { readonly id: string }>(records: readonly T[]): ReadonlyMap<string, T> {
  return new Map(records.map((record) => [record.id, record]));
}

/** Whether the user counts among those who are administrator everywhere and without end. */
function isAdministrator(user: User, held: readonly HeldGrant[]): boolean {
  const isOne = held.some((each) => each.role === ADMINISTRATOR && each.scope === null && each.expiresAt === null);
  return isOne && isActive(user);
}

function heldAlready(): Refusal {
  return new Refusal('CONFLICT', 'The principal holds this role at this scope already.', { field: 'roleId' });
}

function stateOf({ id, scope, expiresAt }: Grant, { id: roleId, name }: Role): AuditState {
  return { grantId: id, roleId, role: name, scope, expiresAt };
}

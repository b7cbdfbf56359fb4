import { toInstant, type Clock } from '../../kit/clock.ts';
import { newId } from '../../kit/ids.ts';
import type { Authority, Enforced } from '../authority/authority.ts';
import { changeEach, type Outcome, outcomeOf } from '../authority/bulk.ts';
import { parseName } from '../names.ts';
import type { Policy } from '../policy/policy.ts';
import { sessionIdOf, type Principal } from '../principals/principal.ts';
import { badInput, Refusal } from '../refusals.ts';
import type { Transaction } from '../store.ts';
import type { Errands } from '../users/errands.ts';
import { parseMetadata } from '../users/metadata.ts';
import type { Notices } from '../users/notices.ts';
import { parseEmail, type User } from '../users/user.ts';
import { DEFAULT_ROLE, newUser } from '../users/users.ts';
import { noSuchScope } from '../scopes/home.ts';
import { Granting } from './granting.ts';
import type { Grant, Role } from './role.ts';

export interface ImportedUser {
  readonly email: string;
  /** Absent or null: what stands before the @. */
  readonly name?: string | null | undefined;
  /** The path or the id of the home scope. */
  readonly scope?: string | null | undefined;
  /** Names of roles that hold in the home scope, or everywhere for one without, beside the default role. */
  readonly roles?: readonly string[] | null | undefined;
  readonly metadata?: unknown;
}

const ROLES_MAX = 20;

/** A user and what it is given from the start. */
interface Newcomer {
  readonly user: User;
  readonly grants: readonly { readonly role: Role; readonly scope: string | null }[];
}

/** Users who come in numbers, from somewhere else. */
export class UserImports {
  readonly #authority: Authority;
  readonly #policy: Policy;
  readonly #errands: Errands;
  readonly #notices: Notices;
  readonly #clock: Clock;

  constructor(parts: { authority: Authority; policy: Policy; errands: Errands; notices: Notices; clock: Clock }) {
    this.#authority = parts.authority;
    this.#policy = parts.policy;
    this.#errands = parts.errands;
    this.#notices = parts.notices;
    this.#clock = parts.clock;
  }

  /**
   * Creates each of these users that may be created with all of its roles, up to a thousand, without passwords: each gets a mail
   * to choose one, as for a password that was forgotten. Refuses one with CONFLICT whose address another user holds, with
   * BAD_USER_INPUT a role or a home scope that is not there, and with FORBIDDEN what the actor may not create or give.
   */
  add(by: Principal, users: readonly ImportedUser[]): Promise<Enforced<readonly Outcome<User>[]>> {
    return changeEach(this.#authority, by, users, {
      field: 'users',
      locks: () => ({}),
      work: (tx, actor, part) => this.#addEach(tx, actor, part),
    });
  }

  async #addEach(tx: Transaction, actor: Principal, part: readonly ImportedUser[]): Promise<readonly Outcome<User>[]> {
    const names = new Set([DEFAULT_ROLE, ...part.flatMap(({ roles }) => roles ?? [])]);
    const roles = (await tx.roles.hierarchy()).map(({ role }) => role).filter(({ name }) => names.has(name));
    const scopes = part.flatMap(({ scope }) => scope ?? []);
    const granting = await Granting.over(tx, { policy: this.#policy, actor }, { roles, by: 'name', scopes });
    const byName = new Map(roles.map((role) => [role.name, role]));

    const wanted = part.map((input) => outcomeOf(() => this.#newcomer(actor, granting, byName, input)));
    const newcomers = wanted.flatMap(({ value }) => value ?? []);
    const added = await tx.users.addMany(newcomers.map(({ user }) => user));
    const done = newcomers.filter(({ user }) => added.has(user.id));
    await tx.grants.addMany(done.flatMap((newcomer) => grantsOf(newcomer, actor)));
    await this.#invite(tx, done);
    const author = { by: actor.id, sessionId: sessionIdOf(actor), action: 'user.create' };
    await tx.audit.appendAll(
      done.map(({ user, grants }) => {
        const given = grants.map(({ role }) => role.name);
        return { ...author, subjectId: user.id, after: { status: user.status, scope: user.scope, roles: given } };
      }),
    );
    // With the roles that the grants have given them.
    const users = new Map((await tx.users.findMany([...added])).map((user) => [user.id, user]));
    return wanted.map((outcome) => {
      if (outcome.value === null) return outcome;
      const user = users.get(outcome.value.user.id);
      return user === undefined ? { value: null, refusal: addressTaken() } : { value: user, refusal: null };
    });
  }

  #newcomer(actor: Principal, granting: Granting, roles: ReadonlyMap<string, Role>, input: ImportedUser): Newcomer {
    const email = parseEmail(input.email);
    const name = parseName(input.name ?? email.slice(0, email.lastIndexOf('@')));
    const metadata = parseMetadata(input.metadata ?? {});
    const wanted = new Set(input.roles ?? []);
    if (wanted.size > ROLES_MAX) throw badInput('roles', `At most ${ROLES_MAX} roles at once.`);
    const homeless: User = { ...newUser({ email, name, createdAt: this.#now() }), metadata };
    const user = granting.atHome(homeless, input.scope ?? null);
    this.#policy.demand(actor, 'create', user);
    if (user.scope !== null && !granting.knows(user.scope)) throw noSuchScope();

    wanted.delete(DEFAULT_ROLE);
    const given = [...wanted].map((role) => {
      // To one who may not know of a role it is as one that is not there.
      if (this.#policy.readable(actor, roles.get(role) ?? null) === null) throw noSuchRole(role);
      return granting.demand(user, role, user.scope);
    });
    // A right that comes with being created needs no right to grant.
    const standard = roles.get(DEFAULT_ROLE);
    return { user, grants: [...(standard === undefined ? [] : [{ role: standard, scope: null }]), ...given] };
  }

  async #invite(tx: Transaction, newcomers: readonly Newcomer[]): Promise<void> {
    if (!this.#notices.mailOn) return;
    const errands = newcomers.map(({ user }) => ({ content: { email: user.email }, userId: user.id }));
    await this.#errands.addMany(tx, 'passwordReset', errands);
  }

  #now(): string {
    return toInstant(this.#clock.now());
  }
}

function grantsOf({ user, grants }: Newcomer, actor: Principal): readonly Grant[] {
  return grants.map(({ role, scope }) => ({
    __typename: 'Grant',
    id: newId('grant'),
    principalId: user.id,
    roleId: role.id,
    scope,
    expiresAt: null,
    grantedBy: actor.id,
    createdAt: user.createdAt,
    revokedAt: null,
  }));
}

function noSuchRole(name: string): Refusal {
  return badInput('roles', `There is no role ${JSON.stringify(name.slice(0, 100))}.`);
}

function addressTaken(): Refusal {
  return new Refusal('CONFLICT', 'Another user has this address.', { field: 'email' });
}

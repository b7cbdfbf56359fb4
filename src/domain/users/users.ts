import { toInstant, type Clock } from '../../kit/clock.ts';
import { newId } from '../../kit/ids.ts';
import type { Authority, Enforced, Written } from '../authority/authority.ts';
import { changeEach, only, type Outcome, outcomeOf } from '../authority/bulk.ts';
import { parseName } from '../names.ts';
import type { Connection, Orders, PageArguments } from '../pages.ts';
import { ADMINISTRATOR, Administrators, demandAdministrator } from '../policy/administrators.ts';
import { ALL, type Filter, NONE } from '../policy/filter.ts';
import { type Condition, listReadable } from '../policy/lists.ts';
import type { Policy } from '../policy/policy.ts';
import type { Standings } from '../policy/standings.ts';
import { sessionIdOf, SYSTEM, type Principal, type PrincipalRecord } from '../principals/principal.ts';
import { badInput, notFound, Refusal } from '../refusals.ts';
import { findHome, HOMELESS, type Home, homeOf, noSuchScope } from '../scopes/home.ts';
import type { Store, Transaction } from '../store.ts';
import type { NewPasswords } from './new-passwords.ts';
import { hashPassword, hasEnded, type PasswordStrength } from './passwords.ts';
import {
  EMAIL_FOLDED,
  foldEmail,
  GRANTED_ROLE_IDS,
  isActive,
  parseEmail,
  SEARCH_TEXT,
  type User,
  type UserWithPassword,
} from './user.ts';

export interface NewUser {
  readonly email: string;
  readonly name: string;
  /** The path or the id of the home scope. */
  readonly scope?: string | null;
  /** Without one the user cannot sign in yet. One that is given is an initial password: somebody else has chosen it. */
  readonly password?: string | null;
  /** Names of roles that hold everywhere from the start. Default: {@link DEFAULT_ROLE}, where the policy has it. */
  readonly roles?: readonly string[];
}

/** What a list of users is narrowed by; all of it must hold. */
export interface UserFilter {
  /** In any case and composition. */
  readonly email?: string | null | undefined;
  readonly status?: User['status'] | null | undefined;
  /** The name of a role they hold at any scope. */
  readonly role?: string | null | undefined;
  /** The path of a scope: their home is there or below. */
  readonly within?: string | null | undefined;
  /** A part of the name or the address, in any case and composition. */
  readonly search?: string | null | undefined;
}

export interface UserSettings {
  readonly passwordStrength: PasswordStrength;
}

export interface UserListArguments extends PageArguments {
  readonly filter?: UserFilter | null | undefined;
}

const ORDERS: Orders = { createdAt: 'instant', name: 'text', email: 'text' };

/** What every new user may do. A right that comes with being created needs no right to grant. */
export const DEFAULT_ROLE = 'member';

/** What can be done with users. */
export class Users {
  readonly #store: Store;
  readonly #authority: Authority;
  readonly #policy: Policy;
  readonly #standings: Standings;
  readonly #newPasswords: NewPasswords;
  readonly #settings: UserSettings;
  readonly #clock: Clock;

  constructor(parts: {
    store: Store;
    authority: Authority;
    policy: Policy;
    standings: Standings;
    newPasswords: NewPasswords;
    settings: UserSettings;
    clock: Clock;
  }) {
    this.#store = parts.store;
    this.#authority = parts.authority;
    this.#policy = parts.policy;
    this.#standings = parts.standings;
    this.#newPasswords = parts.newPasswords;
    this.#settings = parts.settings;
    this.#clock = parts.clock;
  }

  /** The user who acts, from what this instance knows; null when nobody is signed in, or no user. No round trip. */
  me(by: Principal): User | null {
    if (by.kind !== 'user' || by.standing.record.__typename !== 'User') return null;
    return this.#policy.readable(by, by.standing.record as User); // its type says so
  }

  /** The users with these ids that `by` may read, in the order of the ids, null for the others; as `Standings.records` has them. */
  async findMany(by: Principal, ids: readonly string[]): Promise<readonly (User | null)[]> {
    const readable = (record: PrincipalRecord) => isUser(record) && this.#policy.decide(by, 'read', record).allowed;
    const records = await this.#standings.records(ids, readable);
    return ids.map((id) => (records.get(id) as User | undefined) ?? null); // only those of users are readable here
  }

  /** A page of the users that `by` may read. */
  async list(by: Principal, args: UserListArguments): Promise<Connection<User>> {
    const conditions = [...conditionsOf(args.filter ?? {})];
    const role = args.filter?.role;
    if (typeof role === 'string') conditions.push({ field: 'roles', filter: await this.#holding(by, role) });
    const parts = { policy: this.#policy, pages: this.#store.users, orders: ORDERS, conditions, args };
    return listReadable<User>(by, { type: 'User', ...parts });
  }

  /** Refuses with CONFLICT when another user holds the address, and with BAD_USER_INPUT a home scope that is not there. */
  async create(by: Principal, input: NewUser): Promise<Written<User>> {
    if (by.kind === 'anonymous') throw new Refusal('UNAUTHENTICATED', 'Sign in first.');
    const user = newUser({ email: parseEmail(input.email), name: parseName(input.name), createdAt: this.#now() });
    const password = input.password ?? null;
    const home = await findHome(by, input.scope ?? null, {
      policy: this.#policy,
      scopes: this.#store.scopes,
      demand: (place) => void this.#demandCreate(by, user, place),
    });
    // Before the rest: it costs us more than asking costs a stranger.
    this.#demandCreate(by, user, homeOf(home));
    if (password !== null) await this.#newPasswords.check(password, user);
    const passwordHash = password === null ? null : await hashPassword(password, this.#settings.passwordStrength);

    return this.#authority.write(by, {}, async (tx, actor) => {
      // A scope may have moved since.
      const there = home === null ? null : await tx.scopes.find(home.id);
      if (home !== null && there === null) throw noSuchScope();
      const added = this.#demandCreate(actor, user, homeOf(there));
      await tx.users.add(added, passwordHash === null ? null : { hash: passwordHash, isInitial: true });
      const roles = await this.#grantAll(tx, actor, added, input.roles ?? [DEFAULT_ROLE]);
      await tx.audit.append({
        by: actor.id,
        sessionId: sessionIdOf(actor),
        action: 'user.create',
        subjectId: user.id,
        after: { status: added.status, scope: added.scope, roles },
      });
      return (await tx.users.find(user.id)) ?? added;
    });
  }

  /**
   * A user who signed up, at home nowhere and with the default role, whose address is yet to be shown to be theirs. Refuses with
   * CONFLICT when another user holds it.
   */
  async register(tx: Transaction, input: { email: string; name: string }, passwordHash: string): Promise<User> {
    const user: User = { ...newUser({ ...input, createdAt: this.#now() }), emailVerified: false };
    await tx.users.add(user, { hash: passwordHash, isInitial: false });
    const roles = await this.#grantAll(tx, SYSTEM, user, [DEFAULT_ROLE]);
    await tx.audit.append({
      by: user.id,
      sessionId: null,
      action: 'user.sign_up',
      subjectId: user.id,
      after: { roles },
    });
    return user;
  }

  /**
   * Gives an administrator another initial password in the place of one that has ended, and changes nothing else; whether it did.
   * Only whoever starts a house may ask for it.
   */
  async renewPassword(email: string, password: string): Promise<boolean> {
    const found = await this.#store.users.findByEmail(email);
    if (found === null || !this.#mayRenew(found)) return false;
    await this.#newPasswords.check(password, found.user);
    const hash = await hashPassword(password, this.#settings.passwordStrength);
    const { value } = await this.#authority.write(SYSTEM, { change: [found.user.id] }, async (tx) => {
      const now = await tx.users.findByEmail(email);
      // Another instance that starts meanwhile shows its own.
      if (now?.user.id !== found.user.id || !this.#mayRenew(now)) return false;
      await tx.users.setPassword(now.user.id, { hash, isInitial: true }, this.#now());
      const author = { by: SYSTEM.id, sessionId: null, subjectId: now.user.id };
      await tx.audit.append({ ...author, action: 'user.renew_password' });
      return true;
    });
    return value;
  }

  #mayRenew({ user, password }: UserWithPassword): boolean {
    return hasEnded(password, this.#clock) && isActive(user) && user.roles.includes(ADMINISTRATOR);
  }

  /** Shuts a user out: no session, token or socket of theirs is honoured any more. Disabling a disabled user changes nothing and is no error. */
  async disable(by: Principal, id: string): Promise<Enforced<User>> {
    return this.#authority.change(by, { change: [id] }, async (tx, actor) =>
      only(await this.#disableEach(tx, actor, [id])),
    );
  }

  /** Shuts each of these out that {@link disable} would shut out, up to a thousand. */
  disableMany(by: Principal, ids: readonly string[]): Promise<Enforced<readonly Outcome<User>[]>> {
    return changeEach(this.#authority, by, ids, {
      field: 'ids',
      locks: (part) => ({ change: [...new Set(part)] }),
      work: (tx, actor, part) => this.#disableEach(tx, actor, part),
    });
  }

  async #disableEach(tx: Transaction, actor: Principal, ids: readonly string[]): Promise<readonly Outcome<User>[]> {
    const users = new Map((await tx.users.findMany(ids)).map((user) => [user.id, user]));
    const some = [...users.values()].filter(({ roles }) => roles.includes(ADMINISTRATOR));
    const administrators = await Administrators.count(tx, some.length);
    const disabled = new Map<string, User>();
    const outcomes = ids.map((id) =>
      outcomeOf(() => {
        const user = disabled.get(id) ?? users.get(id);
        if (user === undefined) throw notFound('user', id);
        this.#policy.demand(actor, 'disable', user);
        if (user.status === 'disabled') return user; // still waits: an earlier call may not be in force yet
        if (user.roles.includes(ADMINISTRATOR)) administrators.demandOther(id);
        administrators.remove(id);
        const changed: User = { ...user, status: 'disabled' };
        disabled.set(id, changed);
        return changed;
      }),
    );
    const done = [...disabled.keys()];
    if (done.length === 0) return outcomes;
    await tx.users.disableMany(done);
    await tx.sessions.revokeAllOfMany(done, this.#now(), 'user_disabled');
    await tx.challenges.removeAllOfMany(done);
    if (some.length > 0) await demandAdministrator(tx);
    const author = { by: actor.id, sessionId: sessionIdOf(actor), action: 'user.disable' };
    const states = { before: { status: 'active' }, after: { status: 'disabled' } };
    await tx.audit.appendAll(done.map((subjectId) => ({ ...author, subjectId, ...states })));
    await tx.authority.appendAll(
      done.map((id) => ({ target: id, kind: 'revoked', userId: id, reason: 'user_disabled' })),
    );
    return outcomes;
  }

  /** The user at home there, if it may be created there. */
  #demandCreate(by: Principal, user: User, home: Home): User {
    const there: User = { ...user, ...home };
    this.#policy.demand(by, 'create', there);
    return there;
  }

  /** Those who hold the role. Who does is not told to those who may not know of it. */
  async #holding(by: Principal, name: string): Promise<Filter> {
    const role = this.#policy.readable(by, await this.#store.roles.findByName(name));
    if (role === null) return NONE;
    // By their ids the database knows which roles are rare.
    const values = [role.id, ...(await this.#store.roles.descendants(role.id))];
    return { kind: 'among', attribute: GRANTED_ROLE_IDS, values };
  }

  /** Grants those of these roles that the policy has, and says which those are. */
  async #grantAll(
    tx: Transaction,
    by: Principal,
    { id, createdAt }: User,
    names: readonly string[],
  ): Promise<readonly string[]> {
    const granted: string[] = [];
    for (const name of names) {
      const role = await tx.roles.findByName(name);
      if (role === null) continue;
      if (name !== DEFAULT_ROLE) {
        this.#policy.demand(by, 'grant', role);
        const held = await tx.roles.closure([role.id]);
        this.#policy.demandHolds(
          by,
          held.map((each) => ({ role: each.name, scope: null })),
        );
      }
      await tx.grants.add({
        __typename: 'Grant',
        id: newId('grant'),
        principalId: id,
        roleId: role.id,
        scope: null,
        expiresAt: null,
        grantedBy: by.id,
        createdAt,
        revokedAt: null,
      });
      granted.push(name);
    }
    return granted;
  }

  #now(): string {
    return toInstant(this.#clock.now());
  }
}

/** At home nowhere, without roles yet. */
export function newUser(given: Pick<User, 'email' | 'name' | 'createdAt'>): User {
  return {
    __typename: 'User',
    id: newId('user'),
    status: 'active',
    roles: [],
    suspended: false,
    emailVerified: true,
    metadata: '{}',
    ...given,
    ...HOMELESS,
  };
}
const SEARCH_LENGTH_MAX = 200;

/** Without the character that stands between name and address, nothing is found that is in neither. */
function parseSearch(search: string): string {
  const folded = foldEmail(search.trim());
  if (folded !== '' && folded.length <= SEARCH_LENGTH_MAX && !/\p{Cc}/u.test(folded)) return folded;
  throw badInput('search', `A search has 1 to ${SEARCH_LENGTH_MAX} characters and no control characters.`);
}

function conditionsOf({ email, status, within, search }: UserFilter): readonly Condition[] {
  const conditions: Condition[] = [];
  const add = (field: string, filter: Filter) => conditions.push({ field, filter });
  if (typeof email === 'string') add('email', { kind: 'equals', attribute: EMAIL_FOLDED, value: foldEmail(email) });
  if (typeof status === 'string') add('status', { kind: 'equals', attribute: 'status', value: status });
  if (typeof search === 'string') {
    // Both are looked through, so both must be theirs to read.
    add('name', ALL);
    add('email', { kind: 'includes', attribute: SEARCH_TEXT, value: parseSearch(search) });
  }
  if (typeof within === 'string') add('scope', { kind: 'equals', attribute: 'scopes', value: within });
  return conditions;
}

/** Service accounts have standings as users do. */
function isUser({ __typename }: PrincipalRecord): boolean {
  return __typename === 'User';
}

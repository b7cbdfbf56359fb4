import { type Clock, type Instant, toInstant } from '../../kit/clock.ts';
import { newId } from '../../kit/ids.ts';
import type { Keys } from '../../kit/secret.ts';
import type { AuditState } from '../audit/state.ts';
import type { Authority, Enforced, Written } from '../authority/authority.ts';
import { parseName } from '../names.ts';
import type { Connection, Orders, PageArguments } from '../pages.ts';
import { listReadable } from '../policy/lists.ts';
import type { Policy } from '../policy/policy.ts';
import { demandSession, type Principal } from '../principals/principal.ts';
import { record } from '../principals/recording.ts';
import { badInput, notFound, Refusal } from '../refusals.ts';
import type { Store, Transaction } from '../store.ts';
import type { ServiceAccount } from '../service-accounts/service-account.ts';
import type { User } from '../users/user.ts';
import { type ApiKey, type ApiKeyVersion, type KeyLimits, limitsOf, type NewVersion } from './api-key.ts';
import { type ApiKeyFilter, conditionsOf } from './key-filter.ts';
import { makeApiKey, prefixOf } from './key-format.ts';
import { demandNoMore, type LimitsInput, UNLIMITED, withLimits } from './key-limits.ts';
import { contextOf } from './key-states.ts';

export interface NewApiKey extends LimitsInput {
  readonly name: string;
  /** Whose key it is to be; absent or null is who acts. */
  readonly serviceAccountId?: string | null | undefined;
}

/** What is set; what is absent stays. */
export interface ApiKeyUpdate extends LimitsInput {
  readonly name?: string | null | undefined;
}

export interface ApiKeyListArguments extends PageArguments {
  readonly filter?: ApiKeyFilter | null | undefined;
}

/** A key with its secret, which is shown this once. */
export interface IssuedKey {
  readonly apiKey: ApiKey;
  readonly secret: string;
}

const ORDERS: Orders = { createdAt: 'instant', name: 'text' };
const OVERLAP_SECONDS_MAX = 30 * 86_400;
const WHAT = 'api key';

/** What can be done with API keys. What is done with one that is shown, is authentication's. */
export class ApiKeys {
  readonly #store: Store;
  readonly #authority: Authority;
  readonly #policy: Policy;
  readonly #keys: Keys;
  /** Stands in every key, so that one of a test is not taken for another. */
  readonly #environment: string;
  readonly #clock: Clock;

  constructor(parts: {
    store: Store;
    authority: Authority;
    policy: Policy;
    keys: Keys;
    environment: string;
    clock: Clock;
  }) {
    this.#store = parts.store;
    this.#authority = parts.authority;
    this.#policy = parts.policy;
    this.#keys = parts.keys;
    this.#environment = parts.environment;
    this.#clock = parts.clock;
  }

  /** The keys with these ids that `by` may read, in the order of the ids, null for the others. One statement. */
  async findMany(by: Principal, ids: readonly string[]): Promise<readonly (ApiKey | null)[]> {
    const found = new Map((await this.#store.apiKeys.findMany(ids)).map((key) => [key.id, key]));
    return ids.map((id) => this.#policy.readable(by, found.get(id) ?? null));
  }

  /** A page of the keys that `by` may read. */
  list(by: Principal, args: ApiKeyListArguments): Promise<Connection<ApiKey>> {
    const conditions = conditionsOf(args.filter ?? {}, this.#now());
    const parts = { policy: this.#policy, pages: this.#store.apiKeys, orders: ORDERS, conditions, args };
    return listReadable<ApiKey>(by, { type: 'ApiKey', ...parts });
  }

  /** The secrets of each of these keys, newest first. One statement. Whoever may read a key may read this of it. */
  async versionsOf(keyIds: readonly string[]): Promise<readonly (readonly ApiKeyVersion[])[]> {
    const found = Map.groupBy(await this.#store.apiKeys.versionsOf(keyIds), ({ keyId }) => keyId);
    return keyIds.map((id) => found.get(id) ?? []);
  }

  /**
   * A key for who acts, or for a service account. Refuses with FORBIDDEN an API key that would give one to a person or more than
   * it has, and whoever would give a service account's key rights that they lack themselves.
   */
  create(by: Principal, input: NewApiKey): Promise<Written<IssuedKey>> {
    const { serviceAccountId = null, ...given } = input;
    const name = parseName(given.name);
    const limits = withLimits(UNLIMITED, given, by, this.#now());
    const share = serviceAccountId === null ? [] : [serviceAccountId];
    return this.#authority.write(by, { share }, async (tx, actor) => {
      const owner = await this.#ownerToBe(tx, actor, serviceAccountId);
      const id = newId('apiKey');
      const { secret, version } = this.#secret(id, 1);
      const key = this.#newKey({ id, name, limits, owner, createdBy: actor.id, lastFour: version.lastFour });
      this.#policy.demand(actor, 'create', key);
      await this.#demandGives(tx, actor, owner.id, limits);
      await tx.apiKeys.add({ ...key, environment: this.#environment }, version);
      await record(tx, actor, 'api_key.create', { subjectId: id, after: stateOf(owner.id, limits) });
      return { apiKey: key, secret };
    });
  }

  /** Sets what is given. Rights beyond its owner's come to nothing, whatever is written. */
  update(by: Principal, id: string, input: ApiKeyUpdate): Promise<Enforced<ApiKey>> {
    return this.#change(by, id, 'update', async (tx, actor, key) => {
      const before = limitsOf(key);
      const limits = withLimits(before, input, actor, this.#now());
      const name = typeof input.name === 'string' ? parseName(input.name) : key.name;
      await this.#demandGives(tx, actor, key.ownerId, limits);
      const changed: ApiKey = { ...key, name, ...fieldsOf(limits) };
      if (JSON.stringify(changed) === JSON.stringify(key)) return key;
      await tx.apiKeys.save(id, name, limits);
      const states = { before: stateOf(key.ownerId, before), after: stateOf(key.ownerId, limits) };
      await record(tx, actor, 'api_key.update', { subjectId: id, ...states });
      await this.#changed(tx, key, 'api_key_updated');
      return changed;
    });
  }

  /** Gives it another secret. The current one is good for so long yet, and none of before that. */
  rotate(by: Principal, id: string, overlapSeconds: number): Promise<Enforced<IssuedKey>> {
    if (!Number.isInteger(overlapSeconds) || overlapSeconds < 0 || overlapSeconds > OVERLAP_SECONDS_MAX) {
      throw badInput('overlapSeconds', `Both secrets are good for 0 to ${OVERLAP_SECONDS_MAX} seconds.`);
    }
    return this.#change(by, id, 'rotate', async (tx, actor, key) => {
      await this.#demandGives(tx, actor, key.ownerId, limitsOf(key));
      const [current] = await tx.apiKeys.versionsOf([id]);
      const { secret, version } = this.#secret(id, (current?.number ?? 0) + 1);
      await tx.apiKeys.rotate(id, version, toInstant(this.#clock.now() + overlapSeconds * 1_000));
      await record(tx, actor, 'api_key.rotate', {
        subjectId: id,
        after: { version: version.number, overlapSeconds },
      });
      await this.#changed(tx, key, 'api_key_rotated');
      return { apiKey: { ...key, lastFour: version.lastFour }, secret };
    });
  }

  /** Ends it: nothing that shows it is honoured any more. Revoking a revoked one changes nothing and is no error. */
  revoke(by: Principal, id: string): Promise<Enforced<ApiKey>> {
    return this.#withKey(by, id, 'revoke', async (tx, actor, key) => {
      if (key.revokedAt !== null) return key; // still waits: an earlier call may not be in force yet
      const revoked: ApiKey = { ...key, revokedAt: this.#now(), revokedReason: 'revoked' };
      await tx.apiKeys.revoke(id, revoked.revokedAt ?? '', 'revoked');
      await record(tx, actor, 'api_key.revoke', { subjectId: id });
      await tx.authority.append({ target: id, kind: 'revoked', userId: key.ownerId, reason: 'revoked' });
      return revoked;
    });
  }

  /** A change of one that is good yet. */
  #change<T>(
    by: Principal,
    id: string,
    action: string,
    work: (tx: Transaction, actor: Principal, key: ApiKey) => Promise<T>,
  ): Promise<Enforced<T>> {
    return this.#withKey(by, id, action, async (tx, actor, key) => {
      if (key.revokedAt === null) return work(tx, actor, key);
      throw new Refusal('CONFLICT', 'This API key has been revoked. Create another one.', { id, reason: 'revoked' });
    });
  }

  async #withKey<T>(
    by: Principal,
    id: string,
    action: string,
    work: (tx: Transaction, actor: Principal, key: ApiKey) => Promise<T>,
  ): Promise<Enforced<T>> {
    if (by.kind === 'anonymous') throw new Refusal('UNAUTHENTICATED', 'Sign in first.');
    const found = await this.#store.apiKeys.find(id);
    if (found === null) throw notFound(WHAT, id);
    return this.#authority.change(by, { change: [found.ownerId] }, async (tx, actor) => {
      const key = await tx.apiKeys.find(id);
      if (key === null) throw notFound(WHAT, id);
      this.#policy.demand(actor, action, key);
      return work(tx, actor, key);
    });
  }

  /** Whose key it is to be. A service account that the actor may not read is as one that is not there. */
  async #ownerToBe(tx: Transaction, actor: Principal, id: string | null): Promise<User | ServiceAccount> {
    if (id === null || id === actor.id) {
      const own = isServiceAccount(actor) ? await tx.serviceAccounts.find(actor.id) : await tx.users.find(actor.id);
      if (own !== null) return own;
      throw badInput('serviceAccountId', 'Say whose key it is to be.');
    }
    const account = this.#policy.readable(actor, await tx.serviceAccounts.find(id));
    if (account === null) throw notFound('service account', id);
    return account;
  }

  /** Refuses, with FORBIDDEN, to have a key with these limits for this owner come of what the actor is, or came with. */
  async #demandGives(tx: Transaction, actor: Principal, ownerId: string, limits: KeyLimits): Promise<void> {
    if (actor.kind !== 'user') return;
    // A program must not get hold of a person.
    if (actor.id === ownerId && !isServiceAccount(actor)) demandSession(actor);
    const { key } = actor.credential;
    if (key !== null) demandNoMore(key, limits);
    if (actor.id === ownerId) return;
    if ((await tx.serviceAccounts.find(ownerId)) === null) {
      throw new Refusal('FORBIDDEN', 'The key of a user is for that user alone to change.', { reason: 'not_owner' });
    }
    // Those that a suspension has put to sleep as well: the key is there when they wake up.
    const held = (await tx.grants.heldBy(ownerId)).map(({ role, scope }) => ({ role, scope }));
    this.#policy.demandHolds(actor, held, limits.permissions);
  }

  #secret(id: string, number: number): { readonly secret: string; readonly version: NewVersion } {
    const { text, hash } = makeApiKey(id, this.#environment);
    const sealedHash = this.#keys.seal('api-keys', hash, contextOf(id, number));
    return { secret: text, version: { number, sealedHash, lastFour: text.slice(-4), createdAt: this.#now() } };
  }

  #newKey(parts: {
    readonly id: string;
    readonly name: string;
    readonly limits: KeyLimits;
    readonly owner: User | ServiceAccount;
    readonly createdBy: string;
    readonly lastFour: string;
  }): ApiKey {
    const { id, name, limits, owner, createdBy, lastFour } = parts;
    return {
      __typename: 'ApiKey',
      id,
      ownerId: owner.id,
      name,
      prefix: prefixOf(id, this.#environment),
      lastFour,
      ...fieldsOf(limits),
      createdAt: this.#now(),
      createdBy,
      revokedAt: null,
      revokedReason: null,
      lastUsedAt: null,
      scope: owner.scope,
      scopes: owner.scopes,
    };
  }

  async #changed(tx: Transaction, { id, ownerId }: ApiKey, reason: string): Promise<void> {
    await tx.authority.append({ target: id, kind: 'changed', userId: ownerId, reason });
  }

  #now(): Instant {
    return toInstant(this.#clock.now());
  }
}

function isServiceAccount(by: Principal): boolean {
  return by.kind === 'user' && by.standing.record.__typename === 'ServiceAccount';
}

function fieldsOf({ permissions, ...rest }: KeyLimits) {
  return { unrestricted: permissions === null, permissions: permissions ?? [], ...rest };
}

function stateOf(ownerId: string, { permissions, ...rest }: KeyLimits): AuditState {
  return { ownerId, permissions, ...rest };
}

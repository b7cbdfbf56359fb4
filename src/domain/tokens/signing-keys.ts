import { toInstant, type Clock, type Instant } from '../../kit/clock.ts';
import { actorOf } from '../authority/actor.ts';
import type { Authority, Enforced } from '../authority/authority.ts';
import { newId } from '../../kit/ids.ts';
import type { Policy } from '../policy/policy.ts';
import { sessionIdOf, SYSTEM, type Principal } from '../principals/principal.ts';
import { notFound, Refusal } from '../refusals.ts';
import { raise } from '../security/raise.ts';
import type { Store, Transaction } from '../store.ts';
import type { KeyRing } from './key-ring.ts';
import { lives, signingAt } from './key-lives.ts';
import type { SigningKey } from './signing-key.ts';

export interface SigningKeySettings {
  readonly accessTokenSeconds: number;
  /** A new key is published this long before it signs, so that whoever caches our key set has it by then. */
  readonly keyPublishSeconds: number;
}

/** A signing key as people see it: never its private half. */
export interface SigningKeyRecord {
  readonly __typename: 'SigningKey';
  readonly id: string;
  readonly state: 'published' | 'signing' | 'retired' | 'revoked';
  readonly createdAt: Instant;
  readonly signsFrom: Instant;
  /** When the last token that it signed has ended; null while nobody knows. */
  readonly verifiesUntil: Instant | null;
  readonly revokedAt: Instant | null;
}

/** What can be done with the keys that sign access tokens. They are everybody's: who may do it must be allowed to everywhere. */
export class SigningKeys {
  readonly #store: Store;
  readonly #authority: Authority;
  readonly #policy: Policy;
  readonly #keyRing: KeyRing;
  readonly #settings: SigningKeySettings;
  readonly #clock: Clock;

  constructor(parts: {
    store: Store;
    authority: Authority;
    policy: Policy;
    keyRing: KeyRing;
    settings: SigningKeySettings;
    clock: Clock;
  }) {
    this.#store = parts.store;
    this.#authority = parts.authority;
    this.#policy = parts.policy;
    this.#keyRing = parts.keyRing;
    this.#settings = parts.settings;
    this.#clock = parts.clock;
  }

  /** All keys, the one that signs last first. */
  async list(by: Principal): Promise<readonly SigningKeyRecord[]> {
    this.#demand(by, 'read', '');
    return this.#records(await this.#store.signingKeys.all());
  }

  /** Publishes a new key, which signs once everybody can have seen it. While one waits for that, it is the answer. */
  async rotate(by: Principal): Promise<Enforced<SigningKeyRecord>> {
    this.#demand(by, 'rotate', '');
    const now = this.#clock.now();
    const key = await this.#keyRing.generate(now + this.#settings.keyPublishSeconds * 1_000);
    return this.#authority.change(by, {}, async (tx, actor) => {
      this.#demand(actor, 'rotate', '');
      const keys = await tx.signingKeys.lock();
      const living = lives(keys, this.#settings.accessTokenSeconds);
      const signing = signingAt(living, now);
      const waiting = living.findLast((each) => each !== signing && each.signsFromMs > now);
      if (waiting !== undefined) return this.#record(keys, waiting.key.kid);
      await this.#add(tx, actor, key);
      await this.#tell(tx, actor, 'signing_key.rotated', key.kid);
      return this.#record([key, ...keys], key.kid);
    });
  }

  /**
   * Ends a key: no token that it signed is accepted when the receipt says so. One that signs is replaced at once. Revoking a
   * revoked key changes nothing and is no error.
   */
  async revoke(by: Principal, kid: string): Promise<Enforced<SigningKeyRecord>> {
    this.#demand(by, 'revoke', kid);
    const at = toInstant(this.#clock.now());
    const replacement = await this.#keyRing.generate(Date.parse(at));
    // Whose change rests on a token of it, nobody can list: so what is under way is waited for, whoever's it is.
    return this.#authority.change(by, { policy: 'change' }, async (tx, actor) => {
      this.#demand(actor, 'revoke', kid);
      const keys = await tx.signingKeys.lock();
      const found = keys.find((key) => key.kid === kid);
      if (found === undefined) throw notFound('signing key', kid);
      if (found.revokedAt !== null) return this.#record(keys, kid); // still waits: an earlier call may not be in force yet

      await tx.signingKeys.revoke(kid, at);
      await tx.audit.append({
        by: actor.id,
        sessionId: sessionIdOf(actor),
        action: 'signing_key.revoke',
        subjectId: kid,
        before: { revoked: false },
        after: { revoked: true },
      });
      await tx.authority.append({ target: kid, kind: 'revoked', userId: null, reason: 'signing_key_revoked' });
      await this.#tell(tx, actor, 'signing_key.revoked', kid);
      const signing = signingAt(lives(keys, this.#settings.accessTokenSeconds), Date.parse(at));
      if (signing === undefined || signing.key.kid === kid) await this.#add(tx, actor, replacement);
      return this.#record(
        keys.map((key) => (key.kid === kid ? { ...key, revokedAt: at } : key)),
        kid,
      );
    });
  }

  async #add(tx: Transaction, actor: Principal, key: SigningKey): Promise<void> {
    await tx.signingKeys.add(key);
    await tx.audit.append({
      by: actor.id,
      sessionId: sessionIdOf(actor),
      action: 'signing_key.create',
      subjectId: key.kid,
      after: { signsFrom: key.signsFrom },
    });
    await tx.authority.append({ target: key.kid, kind: 'changed', userId: null, reason: 'signing_key_created' });
  }

  async #tell(tx: Transaction, by: Principal, kind: 'signing_key.rotated' | 'signing_key.revoked', kid: string) {
    const severity = kind === 'signing_key.revoked' ? 'warning' : 'info';
    const event = { id: newId('securityEvent'), at: toInstant(this.#clock.now()), kind, severity } as const;
    await raise(tx, { ...event, userId: by.id, sessionId: sessionIdOf(by), subjectId: kid }, `${kind} ${kid}`);
  }

  #demand(by: Principal, action: string, id: string): void {
    this.#policy.demandOpenly(by, action, { __typename: 'SigningKey', id });
  }

  #record(keys: readonly SigningKey[], kid: string): SigningKeyRecord {
    const record = this.#records(keys).find(({ id }) => id === kid);
    if (record === undefined) throw new Error(`there is no signing key ${kid}`);
    return record;
  }

  #records(keys: readonly SigningKey[]): readonly SigningKeyRecord[] {
    const now = this.#clock.now();
    const living = lives(keys, this.#settings.accessTokenSeconds);
    const untilOf = new Map(living.map(({ key, verifiesUntilMs }) => [key.kid, verifiesUntilMs]));
    const signing = signingAt(living, now);
    return keys.map(({ kid, createdAt, signsFrom, revokedAt }) => {
      const until = untilOf.get(kid) ?? Infinity;
      const state =
        revokedAt !== null
          ? 'revoked'
          : signing?.key.kid === kid
            ? 'signing'
            : Date.parse(signsFrom) > now
              ? 'published'
              : 'retired';
      return {
        __typename: 'SigningKey',
        id: kid,
        state,
        createdAt,
        signsFrom,
        verifiesUntil: Number.isFinite(until) ? toInstant(until) : null,
        revokedAt,
      };
    });
  }
}

/** Seals every private half under the current secret, so that the previous one can be thrown away. How many were. */
export async function resealSigningKeys(
  store: Store,
  reseal: (sealed: string, kid: string) => string | null,
): Promise<number> {
  const { value } = await store.transaction(async (tx) => {
    const keys = await tx.signingKeys.lock();
    for (const { kid, sealedPrivateJwk } of keys) {
      const sealed = reseal(sealedPrivateJwk, kid);
      if (sealed === null) {
        throw new Refusal('CONFLICT', `The signing key ${kid} was sealed under a secret that is not listed.`, {
          id: kid,
        });
      }
      await tx.signingKeys.reseal(kid, sealed);
    }
    await tx.audit.append({ by: 'system', sessionId: null, action: 'signing_key.reseal', subjectId: 'signing_keys' });
    return keys.length;
  }, actorOf(SYSTEM));
  return value;
}

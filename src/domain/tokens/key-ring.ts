import { exportJWK, generateKeyPair, importJWK, type CryptoKey, type JWK } from 'jose';
import { toInstant, type Clock, type Timer } from '../../kit/clock.ts';
import { Failures } from '../../kit/failures.ts';
import { isId, newId } from '../../kit/ids.ts';
import type { Log } from '../../kit/log.ts';
import type { Keys } from '../../kit/secret.ts';
import type { LogEntry } from '../authority/log.ts';
import { Refusal } from '../refusals.ts';
import type { Store } from '../store.ts';
import { lives, signingAt } from './key-lives.ts';
import type { SigningKey } from './signing-key.ts';

/** The only signature algorithm: gateways verify it everywhere, and an attacker has none to choose from. */
export const ALGORITHM = 'ES256';

/** Keys that could not be read are read again after this long. */
const RETRY_MS = 500;

interface LoadedKey {
  readonly key: SigningKey;
  readonly publicKey: CryptoKey;
  readonly signsFromMs: number;
  readonly signsUntilMs: number;
  readonly verifiesUntilMs: number;
}

/**
 * The signing keys of all instances, as this one knows them. It follows the authority log: a revoked key is gone before the
 * revocation is acknowledged, whatever a token of it says. Private halves are sealed at rest and never leave this class.
 */
export class KeyRing {
  readonly #store: Store;
  readonly #keys: Keys;
  readonly #clock: Clock;
  readonly #logger: Log;
  readonly #accessTokenSeconds: number;
  #loaded: ReadonlyMap<string, LoadedKey> = new Map();
  /** Kids that the log revoked. What is read from the database may be older than that. */
  readonly #revoked = new Set<string>();
  #privateKeys = new Map<string, Promise<CryptoKey>>();
  /** False while nothing read before counts any more. */
  #current = false;
  readonly #failures: Failures;
  #loading: Promise<void> | null = null;
  #again = false;
  #retry: Timer | null = null;

  constructor(parts: { store: Store; keys: Keys; clock: Clock; logger: Log; accessTokenSeconds: number }) {
    this.#store = parts.store;
    this.#keys = parts.keys;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
    this.#accessTokenSeconds = parts.accessTokenSeconds;
    this.#failures = new Failures({ failed: 'the signing keys could not be read', ...parts });
  }

  /** Loads the keys, and makes the first one if there is none. Instances that start together agree on one. */
  async open(): Promise<void> {
    if ((await this.#store.signingKeys.all()).length === 0) {
      const first = await this.generate(this.#clock.now());
      await this.#store.transaction(async (tx) => {
        if (!(await tx.signingKeys.addFirst(first))) return;
        await tx.audit.append({ by: 'system', sessionId: null, action: 'signing_key.create', subjectId: first.kid });
      });
    }
    await this.#load();
    await this.signing();
  }

  /** Makes one where there are keys and none of them signs any more, unless another instance has. */
  async #addNext(): Promise<void> {
    const now = this.#clock.now();
    const next = await this.generate(now);
    await this.#store.transaction(async (tx) => {
      const keys = await tx.signingKeys.lock();
      if (signingAt(lives(keys, this.#accessTokenSeconds), now) !== undefined) return;
      await tx.signingKeys.add(next);
      await tx.audit.append({ by: 'system', sessionId: null, action: 'signing_key.create', subjectId: next.kid });
      await tx.authority.append({ target: next.kid, kind: 'changed', userId: null, reason: 'signing_key_created' });
    });
    await this.#load();
  }

  close(): void {
    this.#retry?.cancel();
  }

  /** The log has these: what they revoke is gone when this returns; what they add is read in the background. */
  applied(entries: readonly LogEntry[]): void {
    const news = entries.filter(({ target }) => isId('signingKey', target));
    if (news.length === 0) return;
    for (const { target, kind } of news) if (kind === 'revoked') this.#revoked.add(target);
    this.#reload();
  }

  /** Nothing that was read holds any more. */
  reset(): void {
    this.#current = false;
    this.#reload();
  }

  /** Resolves when the keys are known; refuses with AUTHORITY_UNAVAILABLE when they cannot be read. */
  async ready(): Promise<void> {
    if (this.#current) return;
    await (this.#loading ?? this.#load()).catch(() => {});
    if (!this.#current) throw unavailable();
  }

  /** The key that signs now. Refuses with AUTHORITY_UNAVAILABLE while there is none that may. */
  async signing(): Promise<{ readonly kid: string; readonly privateKey: CryptoKey }> {
    await this.ready();
    let signing = this.#signing();
    // The one that signed was revoked a moment ago, and its successor is being read.
    const isAway = this.#loading !== null && signing !== undefined && signing.signsFromMs > this.#clock.now();
    if (signing === undefined || isAway) {
      await (this.#loading ?? this.#load()).catch(() => {});
      signing = this.#signing();
    }
    if (signing === undefined) {
      // An instance that keeps retired keys good for longer has revoked the last of those that are not.
      await this.#addNext().catch((error: unknown) =>
        this.#logger.warn({ err: error }, 'no signing key could be made'),
      );
      signing = this.#signing();
    }
    if (signing === undefined) throw unavailable();
    const { kid } = signing.key;
    const opening = this.#privateKeys.get(kid) ?? this.#openPrivate(signing.key);
    this.#privateKeys.set(kid, opening);
    return { kid, privateKey: await opening };
  }

  /** Whether tokens of this key are accepted now. Looks nowhere but in memory, whatever the id says. */
  has(kid: string): boolean {
    return this.find(kid) !== null;
  }

  /** The public key of this id while tokens of it are accepted, or null. */
  find(kid: string): CryptoKey | null {
    const loaded = this.#loaded.get(kid);
    if (loaded === undefined || !this.#current || this.#revoked.has(kid)) return null;
    return this.#clock.now() < loaded.verifiesUntilMs ? loaded.publicKey : null;
  }

  /**
   * As {@link find}, after the reading that is under way if there is one: the log tells of a key before it is read. Starts none,
   * whatever the id says.
   */
  async findRead(kid: string): Promise<CryptoKey | null> {
    const found = this.find(kid);
    if (found !== null || this.#loading === null) return found;
    await this.#loading.catch(() => {});
    return this.find(kid);
  }

  /** The JSON Web Key Set that others verify our access tokens with: keys that sign, will sign, or signed what is still good. */
  jwks(): { readonly keys: readonly JWK[] } {
    return {
      keys: [...this.#loaded.values()]
        .filter(({ key: { kid } }) => this.has(kid))
        .map(({ key: { kid, publicJwk } }) => ({ ...publicJwk, kid, alg: ALGORITHM, use: 'sig' })),
    };
  }

  /** A new key that signs from then on, stored nowhere yet. */
  async generate(signsFromMs: number): Promise<SigningKey> {
    const { publicKey, privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
    const kid = newId('signingKey');
    const { kty, crv, x, y } = await exportJWK(publicKey);
    if (kty === undefined || crv === undefined || x === undefined || y === undefined) throw new Error('not an EC key');
    return {
      kid,
      publicJwk: { kty, crv, x, y },
      sealedPrivateJwk: this.#keys.seal('signing-keys', JSON.stringify(await exportJWK(privateKey)), kid),
      createdAt: toInstant(this.#clock.now()),
      signsFrom: toInstant(signsFromMs),
      revokedAt: null,
    };
  }

  /** As {@link signingAt}, of those that were read. */
  #signing(): LoadedKey | undefined {
    const living = [...this.#loaded.values()].filter(({ key: { kid } }) => !this.#revoked.has(kid));
    return signingAt(living, this.#clock.now());
  }

  #reload(): void {
    this.#load().then(
      () => this.#failures.well(),
      (error: unknown) => {
        this.#failures.wrong(error);
        this.#retry?.cancel();
        this.#retry = this.#clock.after(RETRY_MS, () => this.#reload());
      },
    );
  }

  /** One reading at a time. Whoever asks while one is under way gets another after it, which sees what came meanwhile. */
  #load(): Promise<void> {
    if (this.#loading !== null) {
      this.#again = true;
      return this.#loading;
    }
    const loading = this.#readAll().finally(() => {
      this.#loading = null;
    });
    this.#loading = loading;
    return loading;
  }

  async #readAll(): Promise<void> {
    do {
      this.#again = false;
      const stored = await this.#store.signingKeys.all();
      const usable = lives(stored, this.#accessTokenSeconds);
      const loaded = await Promise.all(
        usable.map(async ({ key, ...times }): Promise<[string, LoadedKey]> => {
          // ES256 keys are never raw bytes.
          const publicKey = (await importJWK({ ...key.publicJwk }, ALGORITHM)) as CryptoKey;
          return [key.kid, { key, publicKey, ...times }];
        }),
      );
      this.#loaded = new Map(loaded);
    } while (this.#again);
    this.#privateKeys = new Map([...this.#privateKeys].filter(([kid]) => this.#loaded.has(kid)));
    this.#current = true;
  }

  async #openPrivate({ kid, sealedPrivateJwk }: SigningKey): Promise<CryptoKey> {
    const opened = this.#keys.open('signing-keys', sealedPrivateJwk, kid);
    if (opened === null) {
      throw new Error(
        'The signing key in the database was sealed under another KEY_ENCRYPTION_KEY. Set the one it was made with (or list it second, after the new one).',
      );
    }
    return (await importJWK(JSON.parse(opened) as JWK, ALGORITHM)) as CryptoKey; // sealed by us
  }
}

function unavailable(): Refusal {
  return new Refusal('AUTHORITY_UNAVAILABLE', 'The signing keys cannot be read right now. Try again shortly.', {
    retryAfterSeconds: 1,
  });
}

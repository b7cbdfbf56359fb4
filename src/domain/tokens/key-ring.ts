import { exportJWK, generateKeyPair, importJWK, type CryptoKey, type JWK } from 'jose';
import { toInstant, type Clock } from '../../kit/clock.ts';
import { newId } from '../../kit/ids.ts';
import type { Keys } from '../../kit/secret.ts';
import type { Store } from '../store.ts';
import type { SigningKey } from './signing-key.ts';

/** The only signature algorithm: gateways verify it everywhere, and an attacker has none to choose from. */
export const ALGORITHM = 'ES256';

interface LoadedKey {
  readonly kid: string;
  readonly publicKey: CryptoKey;
  readonly publicJwk: Readonly<Record<string, string>>;
}

/** The signing keys of all instances, from PostgreSQL. Private halves are sealed at rest and never leave this class. */
export class KeyRing {
  readonly #store: Store;
  readonly #keys: Keys;
  readonly #clock: Clock;
  readonly #verifying = new Map<string, LoadedKey>();
  #signing: { readonly kid: string; readonly privateKey: CryptoKey } | null = null;

  constructor(parts: { store: Store; keys: Keys; clock: Clock }) {
    this.#store = parts.store;
    this.#keys = parts.keys;
    this.#clock = parts.clock;
  }

  /** Loads the keys, and makes the first one if there is none. Instances that start together agree on one. */
  async open(): Promise<void> {
    if ((await this.#store.signingKeys.all()).length === 0) {
      const first = await this.#generate();
      await this.#store.transaction(async (tx) => {
        if (!(await tx.signingKeys.addFirst(first))) return;
        await tx.audit.append({ by: 'system', sessionId: null, action: 'signing_key.create', subjectId: first.kid });
      });
    }
    const stored = await this.#store.signingKeys.all();
    for (const key of stored) {
      const publicKey = (await importJWK({ ...key.publicJwk }, ALGORITHM)) as CryptoKey; // ES256 keys are never raw bytes
      this.#verifying.set(key.kid, { kid: key.kid, publicKey, publicJwk: key.publicJwk });
    }
    const [newest] = stored;
    if (newest === undefined) throw new Error('there is no signing key');
    this.#signing = { kid: newest.kid, privateKey: await this.#openPrivate(newest) };
  }

  get signing(): { readonly kid: string; readonly privateKey: CryptoKey } {
    if (this.#signing === null) throw new Error('the key ring is not open');
    return this.#signing;
  }

  /** The public key of this id, or null. Looks nowhere but in memory, whatever the id says. */
  find(kid: string): CryptoKey | null {
    return this.#verifying.get(kid)?.publicKey ?? null;
  }

  /** The JSON Web Key Set that others verify our access tokens with. */
  jwks(): { readonly keys: readonly JWK[] } {
    return {
      keys: [...this.#verifying.values()].map(({ kid, publicJwk }) => ({
        ...publicJwk,
        kid,
        alg: ALGORITHM,
        use: 'sig',
      })),
    };
  }

  async #generate(): Promise<SigningKey> {
    const { publicKey, privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
    const kid = newId('signingKey');
    const { kty, crv, x, y } = await exportJWK(publicKey);
    if (kty === undefined || crv === undefined || x === undefined || y === undefined) throw new Error('not an EC key');
    return {
      kid,
      publicJwk: { kty, crv, x, y },
      sealedPrivateJwk: this.#keys.seal('signing-keys', JSON.stringify(await exportJWK(privateKey)), kid),
      createdAt: toInstant(this.#clock.now()),
    };
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

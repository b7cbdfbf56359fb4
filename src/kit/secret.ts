import {
  type CipherKey,
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
  sign,
  timingSafeEqual,
  verify,
} from 'node:crypto';
import { inspect } from 'node:util';

/** A value that must not be printed. It shows as `[secret]` in logs, JSON, templates and the debugger. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  /** What it is by now: those that are kept where somebody may replace them are looked up there. Never rejects. */
  renewed(): Promise<string> {
    return Promise.resolve(this.reveal());
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}

/** What a derived key may be used for. One purpose, one key. */
export type KeyPurpose =
  | 'account-tokens'
  | 'acknowledgements'
  | 'api-keys'
  | 'audit'
  | 'cache'
  | 'challenges'
  | 'csrf-tokens'
  | 'device-tokens'
  | 'errands'
  | 'password-guesses'
  | 'recovery-codes'
  | 'refresh-tokens'
  | 'signing-keys'
  | 'totp-secrets';

/** That one of the {@link Keys} signed something, and which. */
export interface Attestation {
  readonly key: string;
  readonly signature: string;
}

/**
 * What seals, as Node calls it. What is sealed names its algorithm, and the first of them by naming none: so it was before there was
 * another. One that must not be used any more stays here until nothing is sealed with it; a new one comes to all instances before
 * any of them seals with it.
 */
export const SEALING = ['aes-256-gcm', 'chacha20-poly1305'] as const;

export type Sealing = (typeof SEALING)[number];

const [FIRST] = SEALING;
const ED25519_SEED = Buffer.from('302e020100300506032b657004220420', 'hex');
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Keys derived by purpose (HKDF-SHA-256) from `KEY_ENCRYPTION_KEY`. The first secret makes, all of them
 * open: what was sealed under the previous secret stays readable until it is sealed again.
 */
export class Keys {
  readonly #roots: readonly { readonly id: string; readonly root: Buffer }[];
  readonly #sealing: Sealing;
  /** As key objects: from raw bytes Node makes one for every call, which takes five times as long as the HMAC. */
  readonly #derived = new Map<string, KeyObject>();

  /**
   * @param secrets at least one, the current one first
   * @param sealing what is sealed with from now on; whatever was sealed before is opened
   */
  constructor(secrets: readonly Secret[], sealing: Sealing = FIRST) {
    if (secrets.length === 0) throw new TypeError('Keys needs at least one secret, and got none');
    this.#sealing = sealing;
    this.#roots = secrets.map((secret) => {
      const root = Buffer.from(hkdfSync('sha256', secret.reveal(), '', 'castellan:root', 32));
      return { id: derive(root, 'id').toString('base64url').slice(0, 8), root };
    });
  }

  /** HMAC-SHA-256 over the parts, each with its length, under the current key of that purpose. */
  sign(purpose: KeyPurpose, ...parts: readonly string[]): string {
    const { id, root } = this.#current();
    return `${id}.${mac(this.#key(id, root, purpose), parts)}`;
  }

  /** Whether `signature` was made by {@link sign} from the same parts, under any key still listed. */
  verify(purpose: KeyPurpose, signature: string, ...parts: readonly string[]): boolean {
    const [keyId, value] = signature.split('.');
    const found = this.#roots.find(({ id }) => id === keyId);
    if (found === undefined || value === undefined) return false;
    const expected = Buffer.from(mac(this.#key(found.id, found.root, purpose), parts));
    const given = Buffer.from(value);
    return expected.length === given.length && timingSafeEqual(expected, given);
  }

  /** Encrypts and authenticates under the current key of that purpose, bound to `context` (an id, so that a row cannot be moved). */
  seal(purpose: KeyPurpose, plain: string, context: string): string {
    const { id, root } = this.#current();
    const sealing = this.#sealing;
    return `${id}.${named(sealing, encrypt(sealing, this.#sealingKey(id, root, purpose, sealing), plain, context))}`;
  }

  /**
   * What {@link seal} was given, or null when the key, the context or the content does not fit. Throws for an algorithm that this
   * version does not know, by its name.
   */
  open(purpose: KeyPurpose, sealed: string, context: string): string | null {
    const [keyId, ...rest] = sealed.split('.');
    const found = this.#roots.find(({ id }) => id === keyId);
    if (found === undefined) return null;
    const { sealing, value } = namesOf(rest.join('.'));
    return decrypt(sealing, this.#sealingKey(found.id, found.root, purpose, sealing), value, context);
  }

  /** Signs the parts, each with its length, with the Ed25519 key of that purpose: others can check it who cannot make one. */
  attest(purpose: KeyPurpose, ...parts: readonly string[]): Attestation {
    const { id, root } = this.#current();
    const signature = sign(null, message(parts), this.#signer(id, root, purpose)).toString('base64url');
    return { key: id, signature };
  }

  /** Whether {@link attest} signed the same parts; null for a key that is not listed any more, which says nothing. */
  attested(purpose: KeyPurpose, { key, signature }: Attestation, ...parts: readonly string[]): boolean | null {
    const found = this.#roots.find(({ id }) => id === key);
    if (found === undefined) return null;
    const signer = createPublicKey(this.#signer(found.id, found.root, purpose));
    return verify(null, message(parts), signer, Buffer.from(signature, 'base64url'));
  }

  #signer(id: string, root: Buffer, purpose: KeyPurpose): KeyObject {
    const name = `${id}:${purpose}:ed25519`;
    let key = this.#derived.get(name);
    if (key === undefined) {
      // RFC 8410: a seed of 32 bytes is the whole of the key, behind what says so in DER.
      const der = Buffer.concat([ED25519_SEED, derive(root, `${purpose}:ed25519`)]);
      key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
      this.#derived.set(name, key);
    }
    return key;
  }

  #current(): { readonly id: string; readonly root: Buffer } {
    const [current] = this.#roots;
    if (current === undefined) throw new TypeError('Keys has no current secret');
    return current;
  }

  /** A key is for one algorithm. */
  #sealingKey(id: string, root: Buffer, purpose: KeyPurpose, sealing: Sealing): KeyObject {
    return this.#key(id, root, sealing === FIRST ? purpose : `${purpose}:${sealing}`);
  }

  #key(id: string, root: Buffer, purpose: string): KeyObject {
    const name = `${id}:${purpose}`;
    let key = this.#derived.get(name);
    if (key === undefined) {
      key = createSecretKey(derive(root, purpose));
      this.#derived.set(name, key);
    }
    return key;
  }
}

/** Encrypts under a key derived from a token that only its holder has. See {@link openWithToken}. */
export function sealWithToken(token: string, plain: string, context: string): string {
  return named(FIRST, encrypt(FIRST, tokenKey(token), plain, context));
}

/** What {@link sealWithToken} was given, or null for another token or context. */
export function openWithToken(token: string, sealed: string, context: string): string | null {
  const { sealing, value } = namesOf(sealed);
  return decrypt(sealing, tokenKey(token), value, context);
}

function tokenKey(token: string): Buffer {
  return Buffer.from(hkdfSync('sha256', token, '', 'castellan:successor', 32));
}

function named(sealing: Sealing, value: string): string {
  return sealing === FIRST ? value : `${sealing}.${value}`;
}

/** With what something was sealed, and what came of it. */
function namesOf(sealed: string): { readonly sealing: Sealing; readonly value: string } {
  const at = sealed.indexOf('.');
  if (at < 0) return { sealing: FIRST, value: sealed };
  const name = sealed.slice(0, at);
  const sealing = SEALING.find((each) => each === name);
  if (sealing === undefined) throw new Error(`this was sealed with ${JSON.stringify(name)}, which is not known here`);
  return { sealing, value: sealed.slice(at + 1) };
}

function derive(root: Buffer, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', root, '', `castellan:${purpose}`, 32));
}

function mac(key: KeyObject, parts: readonly string[]): string {
  const hmac = createHmac('sha256', key);
  // Lengths keep ("ab", "c") apart from ("a", "bc").
  for (const part of parts) hmac.update(`${part.length}:${part}`);
  return hmac.digest('base64url');
}

function message(parts: readonly string[]): Buffer {
  return Buffer.from(parts.map((part) => `${Buffer.byteLength(part)}:${part}`).join(''));
}

/** Both are used alike, which the types of Node say of each apart. */
function asGcm(sealing: Sealing): 'aes-256-gcm' {
  return sealing as 'aes-256-gcm';
}

function encrypt(sealing: Sealing, key: CipherKey, plain: string, context: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(asGcm(sealing), key, nonce, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(context));
  return Buffer.concat([nonce, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString(
    'base64url',
  );
}

function decrypt(sealing: Sealing, key: CipherKey, sealed: string, context: string): string | null {
  const bytes = Buffer.from(sealed, 'base64url');
  if (bytes.length < NONCE_BYTES + TAG_BYTES) return null;
  const decipher = createDecipheriv(asGcm(sealing), key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(context)).setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    return decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
  } catch {
    return null;
  }
}

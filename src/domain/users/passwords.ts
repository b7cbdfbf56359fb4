import { argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { badInput } from '../refusals.ts';
import { hashing } from './hashing.ts';

const argon2Async = promisify(argon2);

/** OWASP's floor for argon2id: 19 MiB, two passes, one lane. About 20 ms, on a thread of libuv's pool. */
const MEMORY_KIB = 19_456;
const PASSES = 2;
const LANES = 1;
const TAG_BYTES = 32;

/** NIST SP 800-63B-4 3.1.1.2: at least 15 characters when the password stands alone. */
const LENGTH_MIN = 15;
/** In bytes; long enough for any passphrase, short enough that hashing it is no attack. */
const BYTES_MAX = 1_024;

/** Refuses with BAD_USER_INPUT what may not become a password. */
export function checkNewPassword(password: string): void {
  if (password.normalize('NFKC').length < LENGTH_MIN) {
    throw badInput(
      'password',
      `A password has at least ${LENGTH_MIN} characters. A few unrelated words make a good one.`,
    );
  }
  if (Buffer.byteLength(password) > BYTES_MAX) throw badInput('password', `A password has at most ${BYTES_MAX} bytes.`);
}

/**
 * The PHC string of a fresh salt and the argon2id hash of the password. Refuses with RATE_LIMITED, as checking one does, while
 * too many are hashed.
 */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const tag = await derive(password, salt, MEMORY_KIB, PASSES, LANES);
  return `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${LANES}$${encode(salt)}$${encode(tag)}`;
}

const PHC = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

/** A hash that no password has, so that an unknown address costs what a known one does. */
const NOBODY = `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${LANES}$${encode(Buffer.alloc(16))}$${encode(Buffer.alloc(TAG_BYTES))}`;

/** Whether the password belongs to the hash. A missing hash takes as long as a wrong password. */
export async function verifyPassword(password: string, phc: string | null): Promise<boolean> {
  const [, memory, passes, lanes, salt, tag] = PHC.exec(phc ?? NOBODY) ?? [];
  if (salt === undefined || tag === undefined) throw new Error('a stored password hash is not an argon2id PHC string');
  if (Buffer.byteLength(password) > BYTES_MAX) return false;
  const expected = Buffer.from(tag, 'base64');
  const actual = await derive(password, Buffer.from(salt, 'base64'), Number(memory), Number(passes), Number(lanes));
  return timingSafeEqual(expected, actual) && phc !== null;
}

function derive(password: string, nonce: Buffer, memory: number, passes: number, parallelism: number): Promise<Buffer> {
  const message = Buffer.from(password.normalize('NFKC'));
  return hashing.run(() =>
    argon2Async('argon2id', { message, nonce, memory, passes, parallelism, tagLength: TAG_BYTES }),
  );
}

function encode(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('=', '');
}

import { randomBytes, timingSafeEqual } from 'node:crypto';
import { argon2id } from '../../kit/argon2.ts';
import type { Clock } from '../../kit/clock.ts';
import { badInput, type Refusal } from '../refusals.ts';
import { hashing } from './hashing.ts';
import type { StoredPassword } from './user.ts';

/** What a hash costs. */
export interface PasswordStrength {
  readonly memoryKib: number;
  readonly passes: number;
}

/** OWASP's floor for argon2id: 19 MiB, two passes, one lane. About 20 ms. */
export const STRENGTH_MIN: PasswordStrength = { memoryKib: 19_456, passes: 2 };
const LANES = 1;
const TAG_BYTES = 32;

/** Long enough for any passphrase, short enough that hashing it is no attack. */
export const PASSWORD_BYTES_MAX = 1_024;

/**
 * The PHC string of a fresh salt and the argon2id hash of the password. Refuses with RATE_LIMITED, as checking one does, while
 * too many are hashed.
 */
export async function hashPassword(password: string, strength = STRENGTH_MIN): Promise<string> {
  const salt = randomBytes(16);
  return phcOf(strength, salt, await derive(password, salt, strength.memoryKib, strength.passes, LANES));
}

const PHC = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

/** Whether the password belongs to the hash. A missing hash takes as long as a wrong password. */
export async function verifyPassword(password: string, phc: string | null, strength = STRENGTH_MIN): Promise<boolean> {
  // A hash that no password has, so that an unknown address costs what a known one does.
  const nobody = phcOf(strength, Buffer.alloc(16), Buffer.alloc(TAG_BYTES));
  const [, memory, passes, lanes, salt, tag] = PHC.exec(phc ?? nobody) ?? [];
  if (salt === undefined || tag === undefined) throw new Error('a stored password hash is not an argon2id PHC string');
  if (Buffer.byteLength(password) > PASSWORD_BYTES_MAX) return false;
  const expected = Buffer.from(tag, 'base64');
  const actual = await derive(password, Buffer.from(salt, 'base64'), Number(memory), Number(passes), Number(lanes));
  return timingSafeEqual(expected, actual) && phc !== null;
}

/** How long a password is good that its user has not chosen: ASVS 6.4.1. */
export const INITIAL_PASSWORD_MS = 24 * 3_600_000;

/** Whether it is the user's password, and still good: one that has ended costs as much as a wrong one. */
export async function isGood(
  password: string,
  stored: StoredPassword | null,
  { passwordStrength, clock }: { readonly passwordStrength: PasswordStrength; readonly clock: Clock },
): Promise<boolean> {
  const isRight = await verifyPassword(password, stored?.hash ?? null, passwordStrength);
  return isRight && !hasEnded(stored, clock);
}

/** Whether it is an initial one, and its time is over. */
export function hasEnded(password: StoredPassword | null, clock: Clock): boolean {
  return password?.isInitial === true && clock.now() >= Date.parse(password.changedAt) + INITIAL_PASSWORD_MS;
}

/** To whoever is signed in, who need not wonder what is wrong with it. */
export function passwordEnded(field: string): Refusal {
  return badInput(
    field,
    'Somebody else has chosen this password for you, and its time is over. Ask for a mail to reset it, or an administrator.',
  );
}

/** Whether the hash was made with another strength than this. */
export function isOutdated(phc: string, { memoryKib, passes }: PasswordStrength): boolean {
  return !phc.startsWith(`$argon2id$v=19$m=${memoryKib},t=${passes},p=${LANES}$`);
}

function phcOf({ memoryKib, passes }: PasswordStrength, salt: Buffer, tag: Buffer): string {
  return `$argon2id$v=19$m=${memoryKib},t=${passes},p=${LANES}$${encode(salt)}$${encode(tag)}`;
}

function derive(password: string, nonce: Buffer, memory: number, passes: number, parallelism: number): Promise<Buffer> {
  const message = Buffer.from(password.normalize('NFKC'));
  return hashing.run(() => argon2id({ message, nonce, memory, passes, parallelism, tagLength: TAG_BYTES }));
}

function encode(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('=', '');
}

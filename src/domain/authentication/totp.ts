import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** RFC 6238 as every authenticator app knows it: SHA-1, six digits, steps of 30 seconds. */
const STEP_SECONDS = 30;
const DIGITS = 6;
/** RFC 4226 section 4 asks for 128 bits and recommends 160. */
const SECRET_BYTES = 20;
/** How many steps the clocks of a phone and of this server, and the way between them, may put a code early or late: RFC 6238 5.2. */
export type TotpSkew = 0 | 1;

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** A fresh secret in base32 without padding, as it is typed into an app. */
export function newTotpSecret(): string {
  const bytes = randomBytes(SECRET_BYTES);
  let [secret, bits, held] = ['', 0, 0];
  for (const byte of bytes) {
    held = (held << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) secret += BASE32[(held >>> (bits - 5)) & 31] ?? '';
    held &= (1 << bits) - 1;
  }
  return secret;
}

/** The step that an instant lies in. */
export function stepOf(epochMs: number): number {
  return Math.floor(epochMs / (STEP_SECONDS * 1_000));
}

/** The code of one step. */
export function totpCode(secret: string, step: number): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac('sha1', fromBase32(secret)).update(counter).digest();
  // RFC 4226 section 5.3: the last four bits say where to read the 31 bits that count.
  const number = mac.readUInt32BE(mac.readUInt8(mac.length - 1) & 15) & 0x7f_ff_ff_ff;
  return String(number % 10 ** DIGITS).padStart(DIGITS, '0');
}

/**
 * The step whose code this is: the current one or one no further from it than `skew`, and later than `lastStep`, since a
 * code is good once. Null when it is none of theirs. Takes as long for every code.
 */
export function matchingStep(
  secret: string,
  code: string,
  { epochMs, lastStep, skew }: { readonly epochMs: number; readonly lastStep: number | null; readonly skew: TotpSkew },
): number | null {
  const given = Buffer.from(code);
  let found: number | null = null;
  for (let step = stepOf(epochMs) - skew; step <= stepOf(epochMs) + skew; step += 1) {
    const expected = Buffer.from(totpCode(secret, step));
    const matches = expected.length === given.length && timingSafeEqual(expected, given);
    if (matches && found === null && step > (lastStep ?? -1)) found = step;
  }
  return found;
}

/** What an authenticator app reads from a QR code. */
export function totpUri(secret: string, account: string, issuer: string): string {
  const [label, by] = [encodeURIComponent(`${issuer}:${account}`), encodeURIComponent(issuer)];
  return `otpauth://totp/${label}?secret=${secret}&issuer=${by}&algorithm=SHA1&digits=${DIGITS}&period=${STEP_SECONDS}`;
}

function fromBase32(text: string): Buffer {
  const bytes: number[] = [];
  let [bits, held] = [0, 0];
  for (const symbol of text) {
    const value = BASE32.indexOf(symbol);
    if (value < 0) throw new TypeError('a TOTP secret is base32 in capitals, without padding');
    held = (held << 5) | value;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push((held >>> bits) & 255);
    held &= (1 << bits) - 1;
  }
  return Buffer.from(bytes);
}

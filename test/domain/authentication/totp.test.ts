import { describe, expect, test } from '@jest/globals';
import { createHmac } from 'node:crypto';
import { matchingStep, newTotpSecret, stepOf, totpCode, totpUri } from '../../../src/domain/authentication/totp.ts';

/** The secret of RFC 6238 appendix B, `12345678901234567890`, in base32. */
const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';

describe('a code', () => {
  // The appendix has eight digits; six are the last of them.
  test.each([
    [59, '94287082'],
    [1_111_111_109, '07081804'],
    [1_111_111_111, '14050471'],
    [1_234_567_890, '89005924'],
    [2_000_000_000, '69279037'],
    [20_000_000_000, '65353130'],
  ])('at %i seconds is that of RFC 6238', (seconds, code) => {
    expect(totpCode(SECRET, stepOf(seconds * 1_000))).toBe(code.slice(2));
  });

  test.each(['755224', '287082', '359152', '969429', '338314', '254676', '287922', '162583', '399871', '520489'])(
    '%s is one of RFC 4226 appendix D',
    (code) => {
      expect(Array.from({ length: 10 }, (_, counter) => totpCode(SECRET, counter))).toContain(code);
    },
  );

  test('cannot be had of a secret that is no base32', () => {
    expect(() => totpCode('not base32!', 0)).toThrow(TypeError);
  });
});

describe('matching', () => {
  const [step, now] = [40_000_000, 40_000_000 * 30_000 + 12_345];
  const match = (code: string, lastStep: number | null = null, skew: 0 | 1 = 1) =>
    matchingStep(SECRET, code, { epochMs: now, lastStep, skew });

  test('takes the code of this step, of the one before it and of the one after it', () => {
    for (const each of [step - 1, step, step + 1]) expect(match(totpCode(SECRET, each))).toBe(each);
    for (const each of [step - 2, step + 2]) expect(match(totpCode(SECRET, each))).toBeNull();
  });

  test('without skew takes the code of this step alone, once', () => {
    expect(match(totpCode(SECRET, step), null, 0)).toBe(step);
    expect(match(totpCode(SECRET, step), step, 0)).toBeNull();
    for (const each of [step - 1, step + 1]) expect(match(totpCode(SECRET, each), null, 0)).toBeNull();
  });

  test('takes no step that was used, and none before it', () => {
    expect(match(totpCode(SECRET, step - 1), step - 1)).toBeNull();
    expect(match(totpCode(SECRET, step - 1), step)).toBeNull();
    expect(match(totpCode(SECRET, step), step)).toBeNull();
    expect(match(totpCode(SECRET, step + 1), step)).toBe(step + 1);
  });

  test('takes nothing else for a code', () => {
    const code = totpCode(SECRET, step);
    for (const other of ['', code.slice(1), `${code}0`, ` ${code}`, '٠٠٠٠٠٠']) expect(match(other)).toBeNull();
  });
});

test('a fresh secret is 160 random bits', () => {
  const secrets = Array.from({ length: 200 }, newTotpSecret);
  expect(new Set(secrets).size).toBe(200);
  for (const secret of secrets) expect(secret).toMatch(/^[A-Z2-7]{32}$/);
  // Every symbol turns up at every place, so no bit is constant.
  for (let place = 0; place < 32; place += 1) {
    expect(new Set(secrets.map((secret) => secret[place])).size).toBeGreaterThan(16);
  }
});

test('a secret means the bytes that it is written for', () => {
  const counter = Buffer.alloc(8);
  for (const [text, bytes] of [
    ['AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', Buffer.alloc(20)],
    ['77777777777777777777777777777777', Buffer.alloc(20, 0xff)],
    ['AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQT', Buffer.from(Array.from({ length: 20 }, (_, n) => n))],
  ] as const) {
    const mac = createHmac('sha1', bytes).update(counter).digest();
    const number = mac.readUInt32BE((mac.at(-1) ?? 0) & 15) & 0x7f_ff_ff_ff;
    expect(totpCode(text, 0)).toBe(String(number % 1_000_000).padStart(6, '0'));
  }
});

test('the link for an app keeps names with a colon, a space or an ampersand apart from the rest', () => {
  const { host, pathname, searchParams } = new URL(totpUri(SECRET, 'a b&c=d@example.com', 'id.example.com'));
  expect([host, decodeURIComponent(pathname)]).toEqual(['totp', '/id.example.com:a b&c=d@example.com']);
  expect(Object.fromEntries(searchParams)).toEqual({
    secret: SECRET,
    issuer: 'id.example.com',
    algorithm: 'SHA1',
    digits: '6',
    period: '30',
  });
});

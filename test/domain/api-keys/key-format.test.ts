import { describe, expect, test } from '@jest/globals';
import { crc32 } from 'node:zlib';
import {
  API_KEY,
  idInPrefix,
  isApiKey,
  makeApiKey,
  parseApiKey,
  prefixOf,
} from '../../../src/domain/api-keys/key-format.ts';
import { newId } from '../../../src/kit/ids.ts';

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** As a scanner would compute it that has nothing of ours. */
function checksum(text: string): string {
  let [rest, digits] = [crc32(text), ''];
  while (rest > 0) {
    digits = (DIGITS[rest % 62] ?? '') + digits;
    rest = Math.floor(rest / 62);
  }
  return digits.padStart(6, '0');
}

describe('an API key', () => {
  test('has 256 random bits, its id, and the CRC-32 of all before it', () => {
    const id = newId('apiKey');
    const texts = new Set<string>();
    for (let n = 0; n < 1_000; n += 1) {
      const { text, hash } = makeApiKey(id, 'live');
      expect(text).toHaveLength(3 + 5 + 27 + 49);
      expect(text.startsWith(`${prefixOf(id, 'live')}_`)).toBe(true);
      expect(text.slice(-6)).toBe(checksum(text.slice(0, -6)));
      expect(parseApiKey(text)).toEqual({ id, hash });
      texts.add(text);
    }
    expect(texts.size).toBe(1_000);
    // Each digit of a secret is any of them, but for the first, for which too few bits are left.
    const seen = new Set([...texts].flatMap((text) => text.slice(36, 78).split('')));
    expect(seen.size).toBe(62);
  });

  test('is found in a text by a regular expression, and told from what only looks like one without asking anybody', () => {
    const { text } = makeApiKey(newId('apiKey'), 'dev');
    const [found = ''] = API_KEY.exec(`API_KEY="${text}" # of the deployment`) ?? [];
    expect(found).toBe(text);
    expect(isApiKey(found)).toBe(true);
    for (let at = 0; at < text.length; at += 1) {
      const other = text[at] === 'x' ? 'y' : 'x';
      expect(isApiKey(text.slice(0, at) + other + text.slice(at + 1))).toBe(false);
    }
  });

  test.each([
    ['', 'nothing'],
    ['ck_', 'a beginning'],
    ['ck_dev_0123', 'a short one'],
    [`ck_dev_${'0'.repeat(26)}_${'0'.repeat(49)}`, 'a wrong checksum'],
    [`ck_DEV_${'0'.repeat(26)}_${'0'.repeat(49)}`, 'capitals where there are none'],
    [`ck_dev_${'0'.repeat(26)}_${'-'.repeat(49)}`, 'other characters'],
  ])('is not %j, which is %s', (text) => {
    expect(parseApiKey(text)).toBeNull();
  });

  test('is not one with space around it, or a line break after it', () => {
    const { text } = makeApiKey(newId('apiKey'), 'dev');
    for (const other of [` ${text}`, `${text} `, `${text}\n`, `${text}\0`]) expect(parseApiKey(other)).toBeNull();
  });
});

test('the id of a key is in its prefix, and in the key itself, and in nothing shorter', () => {
  const id = newId('apiKey');
  const { text } = makeApiKey(id, 'dev');
  const prefix = prefixOf(id, 'dev');
  for (const each of [prefix, `${prefix}_`, text, ` ${text}\n`]) expect(idInPrefix(each)).toBe(id);
  for (const each of [prefix.slice(0, -1), `${prefix}x`, id, '']) expect(idInPrefix(each)).toBeNull();
});

import { describe, expect, test } from '@jest/globals';
import { elsewhere, networkIn, type Place } from '../../../src/domain/sessions/place.ts';

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0';
const CHROME =
  'Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537.36';
const isProxy = (address: string): boolean => address.startsWith('10.');
const network = (address: string | null) => networkIn({ address }, isProxy);
const place = (address: string | null, userAgent: string | null): Place => ({ address, userAgent });

describe('a network is', () => {
  test.each([
    ['203.0.113.7', '203.0.113.250', true],
    ['203.0.113.7', '203.0.114.7', false],
    ['203.0.113.7', '::ffff:203.0.113.9', true],
    ['2001:db8:1::1', '2001:db8:1:ffff::2', true],
    ['2001:db8:1::1', '2001:db8:2::1', false],
    ['203.0.113.7', '2001:db8:1::1', false],
  ])('the same for %s and %s: %s', (one, other, same) => {
    expect(network(one) === network(other)).toBe(same);
  });

  test.each([null, '10.0.0.1', 'unknown', ''])('not known of %j', (address) => {
    expect(network(address)).toBeNull();
  });
});

describe('somewhere else is', () => {
  const home = place('203.0.113.7', FIREFOX);
  const there = (address: string | null, userAgent: string | null, bound = home) =>
    elsewhere(bound, place(address, userAgent), isProxy) !== null;

  test('another network and another device, and neither alone', () => {
    expect(there('198.51.100.9', CHROME)).toBe(true);
    expect(there('198.51.100.9', FIREFOX)).toBe(false);
    expect(there('203.0.113.8', CHROME)).toBe(false);
  });

  test('not another version', () => {
    expect(there('198.51.100.9', FIREFOX.replaceAll('126', '127'))).toBe(false);
    const program = place('203.0.113.7', 'shop/1.0 (node 24.1)');
    expect(there('198.51.100.9', 'shop/2.3.1 (node 26)', program)).toBe(false);
    expect(there('198.51.100.9', 'other/1.0 (node 24.1)', program)).toBe(true);
  });

  test('also whoever does not say what they are', () => {
    expect(there('198.51.100.9', null)).toBe(true);
    expect(there('198.51.100.9', '')).toBe(true);
    expect(there('198.51.100.9', '', place('203.0.113.7', null))).toBe(false);
  });

  test('nothing where either network is not known', () => {
    expect(there(null, CHROME)).toBe(false);
    expect(there('10.0.0.1', CHROME)).toBe(false);
    expect(there('198.51.100.9', CHROME, place('10.0.0.1', FIREFOX))).toBe(false);
    expect(there('198.51.100.9', CHROME, place(null, FIREFOX))).toBe(false);
  });

  test('one place for all its addresses and versions', () => {
    const keyOf = (address: string, userAgent: string) => elsewhere(home, place(address, userAgent), isProxy)?.key;
    expect(keyOf('198.51.100.9', CHROME)).toBe(keyOf('198.51.100.77', CHROME.replaceAll('126', '127')));
    expect(keyOf('198.51.100.9', CHROME)).not.toBe(keyOf('192.0.2.9', CHROME));
  });
});

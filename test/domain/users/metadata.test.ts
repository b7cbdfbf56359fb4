import { describe, expect, test } from '@jest/globals';
import { metadataOf, parseMetadata } from '../../../src/domain/users/metadata.ts';

const REFUSED = expect.objectContaining({ code: 'BAD_USER_INPUT', data: { field: 'metadata' } });

describe('metadata', () => {
  test('is the same text for the same values, and reads as what was written', () => {
    const metadata = { team: 'blue', floor: 3, remote: true, empty: '' };
    const text = parseMetadata(metadata);
    expect(text).toBe('{"empty":"","floor":3,"remote":true,"team":"blue"}');
    expect(parseMetadata({ remote: true, empty: '', floor: 3, team: 'blue' })).toBe(text);
    expect(metadataOf(text)).toEqual(metadata);
  });

  test.each([
    ['no object', 'text'],
    ['null', null],
    ['a list', ['x']],
    ['an object within', { a: {} }],
    ['a list within', { a: ['x'] }],
    ['null within', { a: null }],
    ['no number', { a: Number.NaN }],
    ['no finite number', { a: Number.POSITIVE_INFINITY }],
    ['half a character', { a: '\ud800' }],
    ['what no database holds', { a: 'x\0' }],
    ['a name with a dot', { 'a.b': 1 }],
    ['a name with $', { $where: 1 }],
    ['no name', { '': 1 }],
    ['a long name', { ['a'.repeat(65)]: 1 }],
    ['more than 4 KiB', { a: 'é'.repeat(2_048) }],
  ])('may not be, or have, %s', (_, value) => {
    expect(() => parseMetadata(value)).toThrow(REFUSED);
  });

  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf'])('AC-86: has no %s', (name) => {
    const value: unknown = JSON.parse(`{"${name}":"x","ok":1}`);
    expect(() => parseMetadata(value)).toThrow(REFUSED);
    expect(() => parseMetadata(JSON.parse(`{"${name}":{"isAdmin":true}}`))).toThrow(REFUSED);
    expect({}).not.toHaveProperty('isAdmin');
  });
});

import { describe, expect, test } from '@jest/globals';
import { BoundedMap } from '../../src/kit/bounded-map.ts';

describe('what is kept up to a number of entries', () => {
  test('never exceeds it, and is at least the half that was used last', () => {
    const kept = new BoundedMap<number, string>(10);
    for (let n = 0; n < 1_000; n += 1) {
      kept.set(n, `v${n}`);
      expect(kept.size).toBeLessThanOrEqual(10);
      for (let back = 0; back < 5 && back <= n; back += 1) expect(kept.get(n - back)).toBe(`v${n - back}`);
    }
    expect(kept.get(0)).toBeUndefined();
  });

  test('has what is asked for again and again, however much else comes by', () => {
    const kept = new BoundedMap<string, number>(10);
    kept.set('standing', 1);
    for (let n = 0; n < 1_000; n += 1) {
      kept.set(`passing ${n}`, n);
      expect(kept.get('standing')).toBe(1);
    }
  });

  test('has the newest of two values, and nothing that was taken away', () => {
    const kept = new BoundedMap<string, number>(4);
    for (const n of [1, 2, 3]) kept.set(`${n}`, n);
    kept.set('1', 10);
    expect(kept.get('1')).toBe(10);
    kept.delete('1');
    expect(kept.get('1')).toBeUndefined();
    kept.clear();
    expect(kept.size).toBe(0);
  });

  test('forgets the oldest where all were asked for, and keeps the new one', () => {
    const kept = new BoundedMap<string, number>(3);
    for (const key of ['a', 'b', 'c']) kept.set(key, 1);
    for (const key of ['a', 'b', 'c']) kept.get(key);
    kept.set('d', 1);
    expect(['a', 'b', 'c', 'd'].map((key) => kept.get(key))).toEqual([undefined, 1, 1, 1]);
  });

  test('makes room in an end, whoever asks for everything all the time', () => {
    const kept = new BoundedMap<number, number>(1_000);
    for (let n = 0; n < 1_000; n += 1) kept.set(n, n);
    for (let n = 1_000; n < 2_000; n += 1) {
      for (let asked = n - 1_000; asked < n; asked += 1) kept.get(asked);
      kept.set(n, n);
      expect([kept.size, kept.get(n)]).toEqual([1_000, n]);
    }
  });
});

test('what is kept never weighs more than it may, and what weighs too much alone pushes out nothing', () => {
  const kept = new BoundedMap<string, string>(100, { weightOf: ({ length }) => length, weightMax: 10 });
  kept.set('a', 'aaaa');
  kept.set('b', 'bbbb');
  kept.get('a');
  kept.set('c', 'cccc');
  expect(['a', 'b', 'c'].map((key) => kept.get(key))).toEqual(['aaaa', undefined, 'cccc']);
  kept.set('d', 'd'.repeat(11));
  expect(['a', 'c', 'd'].map((key) => kept.get(key))).toEqual(['aaaa', 'cccc', undefined]);
  kept.set('a', '');
  kept.set('e', 'eeeeee');
  expect(['a', 'c', 'e'].map((key) => kept.get(key))).toEqual(['', 'cccc', 'eeeeee']);
});

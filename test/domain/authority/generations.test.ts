import { describe, expect, test } from '@jest/globals';
import { Generations } from '../../../src/kit/generations.ts';

describe('what is kept up to a number of entries', () => {
  test('never exceeds it, and is at least the half that was used last', () => {
    const kept = new Generations<number, string>(10);
    for (let n = 0; n < 1_000; n += 1) {
      kept.set(n, `v${n}`);
      expect(kept.size).toBeLessThanOrEqual(10);
      for (let back = 0; back < 5 && back <= n; back += 1) expect(kept.get(n - back)).toBe(`v${n - back}`);
    }
    expect(kept.get(0)).toBeUndefined();
  });

  test('has what is asked for again and again, however much else comes by', () => {
    const kept = new Generations<string, number>(10);
    kept.set('standing', 1);
    for (let n = 0; n < 1_000; n += 1) {
      kept.set(`passing ${n}`, n);
      expect(kept.get('standing')).toBe(1);
    }
  });

  test('has the newest of two values, and nothing that was taken away', () => {
    const kept = new Generations<string, number>(4);
    for (const n of [1, 2, 3]) kept.set(`${n}`, n);
    kept.set('1', 10);
    expect(kept.get('1')).toBe(10);
    kept.delete('1');
    expect(kept.get('1')).toBeUndefined();
    kept.clear();
    expect(kept.size).toBe(0);
  });
});

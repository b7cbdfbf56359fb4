import { expect, test } from '@jest/globals';
import { lengthBucket, percentile } from '../../../src/domain/sessions/lengths.ts';

test('a percentile is within 5 % of any length there can be, from a millisecond to a year', () => {
  for (let ms = 1; ms < 366 * 86_400_000; ms = Math.ceil(ms * 1.013)) {
    const found = percentile(new Map([[lengthBucket(ms), 1]]), 50);
    expect(Math.abs((found ?? NaN) / ms - 1)).toBeLessThanOrEqual(0.05);
  }
});

test('a percentile is of the length that so many do not exceed', () => {
  const [short, long] = [lengthBucket(1_000), lengthBucket(1_000_000)];
  const of = (shorts: number, longs: number, percent: number) => {
    const counts = new Map([
      [long, longs],
      [short, shorts],
    ]);
    return lengthBucket(percentile(counts, percent) ?? NaN) === long ? 'long' : 'short';
  };
  expect([of(1, 1, 50), of(1, 1, 51), of(19, 1, 95), of(18, 2, 95), of(0, 1, 50)]).toEqual([
    'short',
    'long',
    'short',
    'long',
    'long',
  ]);
  expect(percentile(new Map(), 50)).toBeNull();
  expect(percentile(new Map([[3, 0]]), 95)).toBeNull();
});

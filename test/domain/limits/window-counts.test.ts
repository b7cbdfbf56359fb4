import { expect, test } from '@jest/globals';
import { WindowCounts } from '../../../src/domain/limits/window-counts.ts';
import { createStillClock } from '../../support/still-clock.ts';

const asked = (subject: string) => ({
  subject,
  windows: [{ name: 'anonymous', of: subject, max: 1, seconds: 10 }],
  cost: 1,
});

test('no more counts are kept than there may be, and those that were used last', () => {
  const counts = new WindowCounts(createStillClock(), 100);
  for (let n = 0; n < 10_000; n += 1) expect(counts.take(asked(`a${n}`)).allowed).toBe(true);
  expect(counts.size).toBe(100);
  expect(counts.take(asked('a9999')).allowed).toBe(false);
  expect(counts.take(asked('a0')).allowed).toBe(true);
});

test('a window is counted from its first, and is over to the millisecond', () => {
  const clock = createStillClock();
  const counts = new WindowCounts(clock);
  expect(counts.isCounting(asked('a'))).toBe(false);
  expect(counts.take(asked('a'))).toMatchObject({ allowed: true, windows: [{ resetSeconds: 10 }] });
  clock.advance(9_999);
  expect(counts.isCounting(asked('a'))).toBe(true);
  expect(counts.take(asked('a'))).toMatchObject({ allowed: false, windows: [{ retryAfterSeconds: 1 }] });
  clock.advance(1);
  expect(counts.isCounting(asked('a'))).toBe(false);
  expect(counts.take(asked('a')).allowed).toBe(true);
});

import { expect, test } from '@jest/globals';
import { LOCKS } from '../../src/drivers/postgres/locks.ts';

test('no two kinds of work wait for each other by the same number', () => {
  const numbers = Object.values(LOCKS);
  expect(new Set(numbers).size).toBe(numbers.length);
});

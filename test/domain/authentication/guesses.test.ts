import { expect, test } from '@jest/globals';
import { afterFailure, notNow, type Guesses } from '../../../src/domain/authentication/guesses.ts';
import { createTestClock } from '../../support/castellan.ts';

const NONE: Guesses = { failures: 0, retryAt: null };

test('the first four failures cost nothing, and every later one twice what the one before it did, up to 15 minutes', () => {
  const clock = createTestClock();
  const waits: (number | undefined)[] = [];
  let guesses = NONE;
  while (guesses.failures < 14) {
    guesses = afterFailure(guesses, clock);
    waits.push(notNow(guesses, clock)?.data.retryAfterSeconds);
    clock.advance(900_000);
  }
  const none = undefined;
  expect(waits).toEqual([none, none, none, none, 30, 60, 120, 240, 480, 900, 900, 900, 900, 900]);
});

test('a wait is over when its time has come', () => {
  const clock = createTestClock();
  const guesses = afterFailure({ failures: 4, retryAt: null }, clock);
  expect(notNow(guesses, clock)).toMatchObject({ code: 'RATE_LIMITED' });
  clock.advance(30_000);
  expect(notNow(guesses, clock)).toBeNull();
});

test('after a hundred failures no wait helps', () => {
  const clock = createTestClock();
  let guesses = NONE;
  for (let n = 0; n < 100; n += 1) {
    expect(notNow(guesses, clock)).toBeNull();
    guesses = afterFailure(guesses, clock);
    clock.advance(900_000);
  }
  expect(notNow(guesses, clock)).toMatchObject({ code: 'ACCOUNT_LOCKED' });
});

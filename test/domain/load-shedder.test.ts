import { expect, test } from '@jest/globals';
import { LoadShedder } from '../../src/kit/load-shedder.ts';
import { createStillClock } from '../support/still-clock.ts';

const LIMITS = { turnMs: 50, lateMs: 100, workMs: 5 };

/** A shedder, and an event loop whose turns read so many requests, each of which takes so long. */
function house(): { readonly shedder: LoadShedder; readonly turn: (requests: number, eachMs: number) => number } {
  const clock = createStillClock();
  let later: (() => void) | null = null;
  const shedder = new LoadShedder(clock, LIMITS, (fn) => (later = fn));
  return {
    shedder,
    turn(requests, eachMs) {
      let begun = 0;
      for (let n = 0; n < requests; n += 1) {
        if (shedder.refuses()) continue;
        begun += 1;
        clock.advance(eachMs);
      }
      later?.();
      later = null;
      return begun;
    },
  };
}

test('refuses nothing while turns are short, however many there are', () => {
  const { shedder, turn } = house();
  for (let n = 0; n < 1_000; n += 1) expect(turn(40, 1)).toBe(40);
  expect(shedder.refused).toBe(0);
});

test('takes one long turn for a burst', () => {
  const { turn } = house();
  expect(turn(90, 1)).toBe(90);
  expect(turn(90, 1)).toBe(90);
  expect(turn(1, 1)).toBe(1);
  expect(turn(90, 1)).toBe(90);
  expect(turn(90, 1)).toBe(90);
});

test('refuses what comes after the first of a turn, once all were late for too long', () => {
  const { shedder, turn } = house();
  expect(turn(60, 1)).toBe(60);
  expect(turn(60, 1)).toBe(60);
  expect(shedder.shedding).toBe(true);
  expect(turn(60, 1)).toBe(5);
  expect(turn(60, 1)).toBe(5);
  expect(shedder.refused).toBe(110);
});

test('begins at least one in each turn, however long that takes', () => {
  const { turn } = house();
  expect(turn(3, 80)).toBe(3);
  expect(turn(3, 80)).toBe(1);
  expect(turn(3, 80)).toBe(1);
});

test('takes everybody again as soon as a turn has room for all that came', () => {
  const { turn } = house();
  turn(60, 2);
  expect(turn(60, 2)).toBe(3);
  expect(turn(2, 2)).toBe(2);
  expect(turn(60, 1)).toBe(60);
});

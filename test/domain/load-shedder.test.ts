import { expect, test } from '@jest/globals';
import { LoadShedder } from '../../src/kit/load-shedder.ts';
import { createStillClock } from '../support/still-clock.ts';

const LIMITS = { turnMs: 50, lateMs: 100, workMs: 5 };

/** A shedder, and an event loop whose turns read so many requests, each of which takes so long to answer, or to refuse. */
function house(): {
  readonly shedder: LoadShedder;
  readonly turn: (requests: number, eachMs: number, refusalMs?: number) => number;
} {
  const clock = createStillClock();
  let later: (() => void) | null = null;
  const shedder = new LoadShedder(clock, LIMITS, (fn) => (later = fn));
  return {
    shedder,
    turn(requests, eachMs, refusalMs = 0) {
      let begun = 0;
      for (let n = 0; n < requests; n += 1) {
        const refused = shedder.refuses();
        if (!refused) begun += 1;
        clock.advance(refused ? refusalMs : eachMs);
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

test('spends no more than a fifth of a turn on refusing, where what is asked for costs little more', () => {
  const { turn } = house();
  const [requests, eachMs, refusalMs] = [2_000, 0.1, 0.03];
  turn(1_100, eachMs);
  for (let n = 0; n < 5; n += 1) {
    const begun = turn(requests, eachMs, refusalMs);
    const [workMs, refusingMs] = [begun * eachMs, (requests - begun) * refusalMs];
    expect(workMs / (workMs + refusingMs)).toBeCloseTo(0.8, 1);
    expect(workMs + refusingMs).toBeLessThan(requests * eachMs);
  }
});

test('refuses within a turn that does not end, and says that it does not', () => {
  const { shedder, turn } = house();
  expect(turn(200, 1)).toBe(200);
  expect(shedder.endless).toBe(false);
  for (let n = 0; n < 20; n += 1) turn(1, 1);
  const begun = turn(10_000, 1, 0.03);
  expect(begun).toBeGreaterThan(1_024);
  expect(begun).toBeLessThan(2_500);
  expect(shedder.refused).toBe(10_000 - begun);
  expect(shedder.endless).toBe(true);
});

test('does not take for refusing what goes on between requests', () => {
  const { turn } = house();
  turn(60, 2);
  for (let n = 0; n < 20; n += 1) expect(turn(60, 1, 20)).toBeLessThanOrEqual(24);
});

import { beforeEach, expect, test } from '@jest/globals';
import { Drainer } from '../../../src/domain/outbox/drainer.ts';
import type { Store } from '../../../src/domain/store.ts';
import { createLog } from '../../../src/kit/log.ts';
import { createStillClock, type StillClock } from '../../support/still-clock.ts';

/** When events are numbered that were told one shortly after the other. */

let clock: StillClock;
let drainer: Drainer;
/** When each round began, in ms. */
let began: number[];
let tookMs: number;

beforeEach(() => {
  clock = createStillClock(-1);
  began = [];
  tookMs = 0;
  const store = {
    outbox: { waiting: () => Promise.resolve(true) },
    transaction: () => {
      began.push(clock.monotonicMs());
      clock.advance(tookMs);
      return Promise.resolve({ value: [] });
    },
  } as unknown as Store; // all that a drainer asks it for
  drainer = new Drainer({
    store,
    clock,
    logger: createLog('silent'),
    everyMs: 60_000,
    drained: () => Promise.resolve(),
    numbered: () => {},
  });
});

/** Something is committed in each of these milliseconds. */
async function commit(ms: number): Promise<void> {
  const untilMs = clock.monotonicMs() + ms;
  while (clock.monotonicMs() < untilMs) {
    drainer.soon();
    clock.advance(1);
    await new Promise(setImmediate);
  }
}

test('what comes after a round that took long does not wait for it as well', async () => {
  tookMs = 40;
  await commit(1);
  tookMs = 1;
  await commit(40);
  expect(began).toEqual([1, 42, 66]);
});

test('where something is committed all the time, rounds have a quarter of it', async () => {
  tookMs = 20;
  await commit(4_000);
  const shares = (began.length * tookMs) / clock.monotonicMs();
  expect(shares).toBeGreaterThan(0.2);
  // Beyond it what is owed, and the round that it was owed for.
  expect(shares).toBeLessThan(0.25 + (50 + tookMs) / 4_000);
  // Less than that is not rested for, and what comes close together is numbered together.
  const before = began.length;
  tookMs = 1;
  clock.advance(1_000);
  await commit(1_000);
  expect(began.length - before).toBeLessThanOrEqual(42);
  expect(began.length - before).toBeGreaterThan(35);
});

import { expect, test } from '@jest/globals';
import { Hashing } from '../../../src/domain/users/hashing.ts';
import { createTestClock } from '../../support/castellan.ts';

/** Work that goes on until it is told to end. */
function startWork(hashing: Hashing) {
  const { promise, resolve } = Promise.withResolvers<void>();
  let begun = false;
  const done = hashing.run(() => {
    begun = true;
    return promise;
  });
  done.catch(() => {});
  return { done, end: resolve, begun: () => begun };
}

const settled = () => new Promise(setImmediate);

test('no more hashes run at once than may, and the others follow in the order they came', async () => {
  const hashing = new Hashing(createTestClock());
  hashing.atOnce = 2;
  const works = Array.from({ length: 4 }, () => startWork(hashing));
  await settled();
  expect(works.map(({ begun }) => begun())).toEqual([true, true, false, false]);
  works[1]?.end();
  await settled();
  expect(works.map(({ begun }) => begun())).toEqual([true, true, true, false]);
  for (const { end } of works) end();
  await Promise.all(works.map(({ done }) => done));
  expect(hashing.figures).toEqual({ running: 0, waiting: 0, done: 4, refused: 0 });
});

test('a hash whose turn does not come in time is refused, and never begun', async () => {
  const clock = createTestClock();
  const hashing = new Hashing(clock);
  const [first, second] = [startWork(hashing), startWork(hashing)];
  await settled();
  clock.advance(5_000);
  await expect(second.done).rejects.toMatchObject({ code: 'RATE_LIMITED', data: { retryAfterSeconds: 5 } });
  first.end();
  await first.done;
  expect([second.begun(), hashing.figures]).toEqual([false, { running: 0, waiting: 0, done: 1, refused: 1 }]);
});

test('beyond so many that wait a hash is refused at once', async () => {
  const hashing = new Hashing(createTestClock());
  const works = Array.from({ length: 257 }, () => startWork(hashing));
  await expect(hashing.run(() => Promise.resolve())).rejects.toMatchObject({ code: 'RATE_LIMITED' });
  for (const { end } of works) end();
  await Promise.all(works.map(({ done }) => done));
});

test('a hash that fails gives its place back', async () => {
  const hashing = new Hashing(createTestClock());
  await expect(hashing.run(() => Promise.reject(new Error('no memory')))).rejects.toThrow('no memory');
  await expect(hashing.run(() => Promise.resolve('next'))).resolves.toBe('next');
});

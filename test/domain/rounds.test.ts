import { expect, test } from '@jest/globals';
import { Rounds } from '../../src/kit/rounds.ts';
import { recordedLog } from '../support/recorded-log.ts';
import { createStillClock } from '../support/still-clock.ts';

const EVERY_MS = 1_000;

/** Rounds that end when the test says how. */
function openRounds({ writesRest = false } = {}) {
  const clock = createStillClock(0);
  const { logger, lines } = recordedLog();
  const begun: PromiseWithResolvers<void>[] = [];
  const work = (): Promise<void> => {
    const round = Promise.withResolvers<void>();
    begun.push(round);
    return round.promise;
  };
  const rounds = new Rounds({ everyMs: EVERY_MS, work, failed: 'it was not done', writesRest, clock, logger });
  return { clock, rounds, begun, said: () => lines().map((line) => (JSON.parse(line) as { msg: string }).msg) };
}

const settled = () => new Promise((resolve) => void setImmediate(resolve));

test('a round comes again and again, never two at once, and one that was missed is made up for', async () => {
  const { clock, rounds, begun } = openRounds();
  rounds.start();
  expect(begun).toHaveLength(0);
  clock.advance(EVERY_MS);
  clock.advance(EVERY_MS);
  clock.advance(EVERY_MS);
  expect(begun).toHaveLength(1);
  begun[0]?.resolve();
  await settled();
  expect(begun).toHaveLength(2);
  begun[1]?.resolve();
  await settled();
  expect(begun).toHaveLength(2);
  clock.advance(EVERY_MS);
  expect(begun).toHaveLength(3);
});

test('whoever asks while one is under way shares the one that begins after it, whichever way that ends', async () => {
  const { rounds, begun } = openRounds();
  const [first, second, third] = [rounds.next(), rounds.next(), rounds.next()];
  expect(third).toBe(second);
  begun[0]?.reject(new Error('away'));
  await expect(first).rejects.toThrow('away');
  await settled();
  begun[1]?.resolve();
  await second;
  expect(begun).toHaveLength(2);
});

test('what fails is logged once for each way to fail, and once when it goes on; the next round comes all the same', async () => {
  const { clock, rounds, begun, said } = openRounds();
  rounds.start();
  const round = async (error?: Error) => {
    clock.advance(EVERY_MS);
    if (error === undefined) begun.at(-1)?.resolve();
    else begun.at(-1)?.reject(error);
    await settled();
  };
  await round(new Error('away for 1 ms'));
  await round(new Error('away for 2 ms'));
  await round(new TypeError('wrong'));
  await round(new TypeError('wrong'));
  await round();
  await round();
  await round(new Error('away again'));
  expect(begun).toHaveLength(7);
  expect(said()).toEqual(['it was not done', 'it was not done', 'what failed goes on', 'it was not done']);
});

test('those who want one soon share it', async () => {
  const { clock, rounds, begun } = openRounds();
  expect([rounds.soon(100), rounds.soon(100)]).toEqual([true, false]);
  clock.advance(100);
  expect(begun).toHaveLength(1);
  expect(rounds.soon(100)).toBe(true);
});

test('an end waits for what is under way, and nothing begins after it', async () => {
  const { clock, rounds, begun } = openRounds();
  rounds.start();
  rounds.soon(5 * EVERY_MS);
  clock.advance(EVERY_MS);
  let ended = false;
  const end = rounds.stop().then(() => (ended = true));
  await settled();
  expect(ended).toBe(false);
  begun[0]?.resolve();
  await end;
  rounds.start();
  rounds.soon(100);
  clock.advance(10 * EVERY_MS);
  expect(begun).toHaveLength(1);
});

test('an end waits for no longer than five seconds', async () => {
  const { clock, rounds } = openRounds();
  rounds.begin();
  const end = rounds.stop();
  await settled();
  clock.advance(5_000);
  await expect(end).rejects.toThrow('What was under way did not answer within 5000 ms');
});

test('where a rest is to be written, one more round comes at the end, after the one that is under way', async () => {
  const { rounds, begun } = openRounds({ writesRest: true });
  rounds.begin();
  const end = rounds.stop();
  begun[0]?.resolve();
  await settled();
  begun[1]?.reject(new Error('away'));
  await expect(end).rejects.toThrow('away');
  expect(begun).toHaveLength(2);
});

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { randomInt } from 'node:crypto';
import { Rollups } from '../../../src/domain/analytics/rollups.ts';
import type { Store } from '../../../src/domain/store.ts';
import { createLog } from '../../../src/kit/log.ts';
import { toInstant } from '../../../src/kit/clock.ts';
import { anId } from '../../contract/store-samples.ts';
import { createTestClock, type TestClock, until } from '../../support/castellan.ts';
import { openTestStore, type TestStore } from '../../support/store.ts';

const QUARTER_MS = 900_000;
const FLUSH_MS = 5_000;

let opened: TestStore;
let clock: TestClock;
let metric: string;
const running: Rollups[] = [];

beforeAll(async () => {
  opened = await openTestStore();
});
beforeEach(() => {
  clock = createTestClock();
  // No quarter ends by itself meanwhile.
  clock.advance(QUARTER_MS - (clock.now() % QUARTER_MS));
  metric = anId('metric');
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((rollups) => rollups.close()));
});
afterAll(() => opened?.release());

function open({ store = opened.store, keysMax = 100 } = {}): Rollups {
  const rollups = new Rollups({ store, clock, logger: createLog('silent'), keysMax });
  running.push(rollups);
  return rollups;
}

function countTimes(rollups: Rollups, times: number, word = 'a'): void {
  for (let n = 0; n < times; n += 1) rollups.count(metric, { word });
}

/** What is stored of the metric of this test: sums by word. */
async function stored(): Promise<Readonly<Record<string, number>>> {
  const rows = await opened.rows<{ word: string; count: number }>(
    `select coalesce(dimensions ->> 'word', dimensions::text) as word, sum(count)::float8 as count
     from rollups join rollup_series on id = series_id where metric = $1 group by 1`,
    metric,
  );
  return Object.fromEntries(rows.map(({ word, count }) => [word, count]));
}

type End = 'committed' | 'lost before the commit' | 'lost after the commit';

/** The same store, over a connection that is lost where `ends` says so. */
function losing(ends: () => End): Store {
  return {
    ...opened.store,
    async transaction(work) {
      const end = ends();
      if (end === 'lost before the commit') throw new Error('the connection was lost');
      const committed = await opened.store.transaction(work);
      if (end === 'lost after the commit') throw new Error('the connection was lost');
      return committed;
    },
  };
}

describe('what is counted', () => {
  test('is written every 5 seconds, and the rest on closing', async () => {
    const rollups = open();
    rollups.start();
    for (let round = 1; round <= 3; round += 1) {
      countTimes(rollups, 2);
      clock.advance(FLUSH_MS);
      await until(async () => (await stored())['a'] === round * 2);
    }
    countTimes(rollups, 5);
    await rollups.close();
    expect(await stored()).toEqual({ a: 11 });
    expect(rollups.figures).toEqual({ written: 11, pendingKeys: 0, failedFlushes: 0 });
  });

  test('by several instances adds up, however their flushes meet', async () => {
    const instances = Array.from({ length: 5 }, () => open());
    for (let round = 0; round < 8; round += 1) {
      for (const word of ['a', 'b', 'c', 'd']) for (const rollups of instances) countTimes(rollups, 3, word);
      await Promise.all(instances.map((rollups) => rollups.flush()));
    }
    expect(await stored()).toEqual({ a: 120, b: 120, c: 120, d: 120 });
  });

  test('belongs to the quarter of an hour in which it was', async () => {
    const rollups = open();
    rollups.start();
    const first = Math.floor(clock.now() / QUARTER_MS) * QUARTER_MS;
    for (const times of [1, 2, 3]) {
      countTimes(rollups, times);
      clock.advance(QUARTER_MS);
    }
    await rollups.close();
    const rows = await opened.rows<{ start: Date; count: string }>(
      'select start, count from rollups join rollup_series on id = series_id where metric = $1 order by start',
      metric,
    );
    expect(rows).toEqual(
      [1, 2, 3].map((count, n) => ({ start: new Date(first + n * QUARTER_MS), count: String(count) })),
    );
  });

  test('while a flush is under way is written with the next, and who closes waits for both', async () => {
    const rollups = open();
    countTimes(rollups, 1);
    const first = rollups.flush();
    countTimes(rollups, 2);
    const second = rollups.flush();
    countTimes(rollups, 4);
    await rollups.close();
    expect(await stored()).toEqual({ a: 7 });
    await Promise.all([first, second]);
  });
});

describe('a flush that fails', () => {
  test('is repeated, and counts once, whether or not it had arrived', async () => {
    for (const end of ['lost before the commit', 'lost after the commit'] as const) {
      metric = anId('metric');
      const ends: End[] = [end, end];
      const rollups = open({ store: losing(() => ends.pop() ?? 'committed') });
      countTimes(rollups, 3);
      await expect(rollups.flush()).rejects.toThrow('the connection was lost');
      expect(await stored()).toEqual(end === 'lost after the commit' ? { a: 3 } : {});
      // What comes after it must not be mistaken for it.
      countTimes(rollups, 4);
      countTimes(rollups, 5, 'b');
      await expect(rollups.flush()).rejects.toThrow('the connection was lost');
      await rollups.flush();
      expect(await stored()).toEqual({ a: 7, b: 5 });
      expect(rollups.figures).toEqual({ written: 12, pendingKeys: 0, failedFlushes: 2 });
    }
  });

  test('here and there among many leaves the sums exact', async () => {
    const words = ['a', 'b', 'c'];
    const ends = ['committed', 'lost before the commit', 'lost after the commit'] as const;
    const store = losing(() => ends[randomInt(ends.length)] ?? 'committed');
    const instances = [open({ store }), open({ store })];
    const expected: Record<string, number> = { a: 0, b: 0, c: 0 };
    for (let round = 0; round < 60; round += 1) {
      for (const rollups of instances) {
        const [word, times] = [words[randomInt(3)] ?? 'a', randomInt(1, 5)];
        countTimes(rollups, times, word);
        expected[word] = (expected[word] ?? 0) + times;
      }
      await Promise.allSettled(instances.map((rollups) => rollups.flush()));
    }
    await until(async () => {
      const flushed = await Promise.allSettled(instances.map((rollups) => rollups.flush()));
      return flushed.every(({ status }) => status === 'fulfilled');
    });
    expect(await stored()).toEqual(expected);
  });

  test('keeps no more keys than there may be, however long the database is away, and loses no count', async () => {
    const database = { away: true };
    const store = losing(() => (database.away ? 'lost before the commit' : 'committed'));
    const rollups = open({ store, keysMax: 4 });
    for (let n = 0; n < 50; n += 1) {
      countTimes(rollups, 1, `word ${n}`);
      await rollups.flush().catch(() => {});
    }
    // One batch that was sent, and four keys and the overflow of what waits.
    expect(rollups.figures).toMatchObject({ pendingKeys: 1 + 5, failedFlushes: 50 });
    database.away = false;
    await rollups.flush();
    expect(await stored()).toEqual({
      'word 0': 1,
      'word 1': 1,
      'word 2': 1,
      'word 3': 1,
      'word 4': 1,
      '{"overflow": true}': 45,
    });
  });

  test('on closing ends the closing all the same', async () => {
    const rollups = open({ store: losing(() => 'lost before the commit') });
    countTimes(rollups, 1);
    await rollups.close();
    expect(await stored()).toEqual({});
  });
});

describe('the overflow', () => {
  test('takes what is more than the keys there may be, for each metric by itself', async () => {
    const rollups = open({ keysMax: 3 });
    for (const word of ['a', 'b', 'c', 'd', 'e', 'a']) countTimes(rollups, 2, word);
    await rollups.flush();
    expect(await stored()).toEqual({ a: 4, b: 2, c: 2, '{"overflow": true}': 4 });
    countTimes(rollups, 1, 'd');
    await rollups.flush();
    expect(await stored()).toMatchObject({ d: 1, '{"overflow": true}': 4 });
  });

  test('takes what could not be stored, which keeps nobody else from being written', async () => {
    const rollups = open();
    for (const word of ['a\0', '\ud800', 'x'.repeat(1_000), '€'.repeat(1_000), 'a']) countTimes(rollups, 1, word);
    countTimes(rollups, 1, '🗝'.repeat(390));
    await rollups.flush();
    expect(await stored()).toEqual({ a: 1, ['🗝'.repeat(390)]: 1, '{"overflow": true}': 4 });
  });
});

describe('what is known to be written', () => {
  test('is all that was counted before, until that which is oldest among what is not written yet', async () => {
    const ends: End[] = [];
    const rollups = open({ store: losing(() => ends.shift() ?? 'committed') });
    const opening = rollups.completeUntil;
    countTimes(rollups, 1);
    clock.advance(1_000);
    expect(rollups.completeUntil).toBe(opening);
    const before = toInstant(clock.now());
    await rollups.flush();
    const written = rollups.completeUntil;
    expect(written >= before).toBe(true);

    ends.push('lost after the commit', 'lost before the commit');
    for (let n = 0; n < 2; n += 1) {
      countTimes(rollups, 1);
      clock.advance(1_000);
      await rollups.flush().catch(() => {});
      expect(rollups.completeUntil).toBe(written);
    }
    const after = toInstant(clock.now());
    await rollups.flush();
    expect(rollups.completeUntil >= after).toBe(true);
  });

  test('is all that an instance leaves behind that is killed', async () => {
    const rollups = open();
    countTimes(rollups, 3);
    await rollups.flush();
    countTimes(rollups, 2);
    running.splice(0);
    expect(await stored()).toEqual({ a: 3 });
  });
});

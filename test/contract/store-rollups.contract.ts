import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import type { BucketUnit, Count, Dimensions, RollupAnswer } from '../../src/domain/analytics/rollup-store.ts';
import type { Store } from '../../src/domain/store.ts';
import { toInstant } from '../../src/kit/clock.ts';
import { type Law, passes, waits } from './store-steps.ts';
import { anId } from './store-samples.ts';

const QUARTER_MS = 900_000;

/** Noon of a day on which nothing happens in any calendar. */
const NOON = '2024-05-15T12:00:00.000Z';

function aCount(metric: string, values: Partial<Count> = {}): Count {
  return { metric, start: NOON, dimensions: { word: 'a' }, count: 1, ...values };
}

async function add(store: Store, counts: readonly Count[], flushId: string = randomUUID()): Promise<boolean> {
  return (await store.transaction((tx) => tx.rollups.add(flushId, counts))).value;
}

interface Asked {
  readonly from?: string;
  readonly to?: string;
  readonly unit?: BucketUnit;
  readonly timeZone?: string;
  readonly by?: string;
}

function read(store: Store, metric: string, asked: Asked = {}): Promise<RollupAnswer> {
  const { from = NOON, to = '2024-05-15T13:00:00Z', unit = 'hour', timeZone = 'UTC', by = 'word' } = asked;
  return store.rollups.read({ metric, fromMs: Date.parse(from), toMs: Date.parse(to), unit, timeZone, by });
}

/** How often each of these words was counted in that hour. */
async function words(store: Store, metric: string): Promise<Readonly<Record<string, number>>> {
  const { groups } = await read(store, metric);
  return Object.fromEntries(groups.map(({ dimensions, count }) => [String(dimensions['word']), count]));
}

const ADD_LAWS: Readonly<Record<string, Law>> = {
  'add: adds the counts to what is there, and says whether it did': async ({ store }) => {
    const metric = anId('metric');
    const b = { dimensions: { word: 'b' } };
    expect(await add(store, [aCount(metric, { count: 2 }), aCount(metric, { ...b, count: 5 })])).toBe(true);
    expect(await add(store, [aCount(metric, { count: 40 })])).toBe(true);
    expect(await words(store, metric)).toEqual({ a: 42, b: 5 });
  },

  'add: under an id that was added before it adds nothing, whatever it brings': async ({ store }) => {
    const [metric, id] = [anId('metric'), randomUUID()];
    expect(await add(store, [aCount(metric)], id)).toBe(true);
    expect(await add(store, [aCount(metric)], id)).toBe(false);
    expect(await add(store, [aCount(metric, { dimensions: { word: 'b' } })], id)).toBe(false);
    expect(await words(store, metric)).toEqual({ a: 1 });
  },

  'add: under an id whose transaction came to nothing it adds': async ({ store }) => {
    const [metric, id] = [anId('metric'), randomUUID()];
    const failing = store.transaction(async (tx) => {
      await tx.rollups.add(id, [aCount(metric)]);
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await words(store, metric)).toEqual({});
    expect(await add(store, [aCount(metric)], id)).toBe(true);
    expect(await words(store, metric)).toEqual({ a: 1 });
  },

  'add: waits for another transaction that is adding under the same id': async (opened) => {
    const [metric, id] = [anId('metric'), randomUUID()];
    const [one, two] = [[aCount(metric)], [aCount(metric, { dimensions: { word: 'b' } })]];
    const added = await waits(
      opened,
      (tx) => tx.rollups.add(id, one),
      (tx) => tx.rollups.add(id, two),
    );
    expect(added).toBe(false);
    expect(await words(opened.store, metric)).toEqual({ a: 1 });
    await passes(
      opened,
      (tx) => tx.rollups.add(randomUUID(), one),
      (tx) => tx.rollups.add(randomUUID(), two),
    );
  },

  'add: of many at once over the same keys in any order none gives way, and each is in the sum': async ({ store }) => {
    const metric = anId('metric');
    const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
    const counts = keys.map((word) => aCount(metric, { dimensions: { word } }));
    const rounds = Array.from({ length: 16 }, (_, n) => (n % 2 === 0 ? counts : counts.toReversed()));
    expect(new Set(await Promise.all(rounds.map((each) => add(store, each))))).toEqual(new Set([true]));
    expect(await words(store, metric)).toEqual(Object.fromEntries(keys.map((word) => [word, 16])));
  },

  'add: the same dimensions are the same in any order of their names, in one flush as well': async ({ store }) => {
    const metric = anId('metric');
    const dimensions: Dimensions = { word: 'a', 'ä "quoted"\\': true, none: null };
    const turned: Dimensions = Object.fromEntries(Object.entries(dimensions).toReversed());
    await add(store, [aCount(metric, { dimensions }), aCount(metric, { dimensions: turned })]);
    await add(store, [aCount(metric, { dimensions: turned, count: 4_000_000_000 })]);
    expect((await read(store, metric)).groups).toEqual([{ dimensions, count: 4_000_000_002, before: 0 }]);
  },
};

const ZONES = [
  ['UTC', '2024-02-28T00:00:00Z'],
  ['Europe/Berlin', '2024-03-30T12:00:00Z'],
  ['Europe/Berlin', '2024-10-26T12:00:00Z'],
  ['America/St_Johns', '2024-11-02T03:15:00Z'],
  ['Asia/Kolkata', '2024-05-15T12:00:00Z'],
  ['Asia/Kathmandu', '2024-05-15T12:30:00Z'],
  // Half an hour is repeated, and left out.
  ['Australia/Lord_Howe', '2024-04-06T14:45:00Z'],
  ['Australia/Lord_Howe', '2024-10-05T13:00:00Z'],
  // Midnight comes twice, and not at all; and a whole day is left out.
  ['America/Havana', '2024-11-03T04:30:00Z'],
  ['America/Havana', '2024-11-03T15:00:00Z'],
  ['America/Havana', '2024-03-10T02:00:00Z'],
  ['Pacific/Apia', '2011-12-29T20:00:00Z'],
] as const;

/** What a clock and a calendar on the wall there show, as far as the unit goes. */
function onTheWall(timeZone: string, unit: BucketUnit): (ms: number) => string {
  const day = { year: 'numeric', month: '2-digit', day: '2-digit' } as const;
  // An hour that comes twice is two hours.
  const hour = { ...day, hour: '2-digit', timeZoneName: 'longOffset' } as const;
  const format = new Intl.DateTimeFormat('en', { timeZone, ...(unit === 'day' ? day : hour) });
  return (ms) => format.format(ms);
}

/** The hours or days that have a part in the range, counted off quarter by quarter; whatever of them lies before it, too. */
function bucketStarts(from: number, to: number, shown: (ms: number) => string): readonly number[] {
  let start = from;
  while (shown(start - QUARTER_MS) === shown(from)) start -= QUARTER_MS;
  const starts = [start];
  for (let at = from; at < to; at += QUARTER_MS)
    if (shown(at) !== shown(at - QUARTER_MS) && at > start) starts.push(at);
  return starts;
}

const READ_LAWS: Readonly<Record<string, Law>> = {
  'read: every combination that was counted in the range, or in the equally long time before it': async ({ store }) => {
    const metric = anId('metric');
    const at = (start: string, word: string, count: number) => aCount(metric, { start, dimensions: { word }, count });
    await add(store, [
      at('2024-05-15T10:45:00Z', 'too early', 1),
      at('2024-05-15T11:00:00Z', 'a', 2),
      at('2024-05-15T11:45:00Z', 'b', 3),
      at('2024-05-15T12:00:00Z', 'b', 4),
      at('2024-05-15T12:45:00Z', 'b', 5),
      at('2024-05-15T12:45:00Z', 'c', 6),
      at('2024-05-15T13:00:00Z', 'too late', 7),
      { ...at(NOON, 'of another metric', 8), metric: anId('metric') },
    ]);
    const { groups, buckets } = await read(store, metric);
    expect(groups.toSorted((a, b) => a.count - b.count)).toEqual([
      { dimensions: { word: 'a' }, count: 0, before: 2 },
      { dimensions: { word: 'c' }, count: 6, before: 0 },
      { dimensions: { word: 'b' }, count: 9, before: 3 },
    ]);
    expect(buckets).toHaveLength(1);
    expect(buckets[0]?.startMs).toBe(Date.parse(NOON));
    expect(new Set(buckets[0]?.counts)).toEqual(
      new Set([
        { value: 'b', count: 9 },
        { value: 'c', count: 6 },
      ]),
    );
  },

  'read: buckets without a count are there, and a missing dimension has the value null': async ({ store }) => {
    const metric = anId('metric');
    await add(store, [
      aCount(metric, { start: '2024-05-15T14:30:00Z', dimensions: { flag: true }, count: 3 }),
      aCount(metric, { start: '2024-05-15T14:45:00Z', dimensions: { other: 'x' }, count: 2 }),
    ]);
    const { buckets } = await read(store, metric, { to: '2024-05-15T16:00:00Z', by: 'flag' });
    expect(buckets.map(({ counts }) => counts.toSorted((a, b) => a.count - b.count))).toEqual([
      [],
      [],
      [
        { value: null, count: 2 },
        { value: true, count: 3 },
      ],
      [],
    ]);
  },

  'read: buckets are the hours or days of the calendar of the time zone, and count what lies in the range': async ({
    store,
  }) => {
    for (const [timeZone, from] of ZONES) {
      const metric = anId('metric');
      const [first, days] = [Date.parse(from), 3];
      const end = first + days * 96 * QUARTER_MS;
      // One in each quarter, and some around.
      const quarters = Array.from({ length: days * 96 + 24 }, (_, n) => first + (n - 12) * QUARTER_MS);
      await add(
        store,
        quarters.map((ms) => aCount(metric, { start: toInstant(ms) })),
      );
      for (const unit of ['hour', 'day'] as const) {
        const shown = onTheWall(timeZone, unit);
        const starts = bucketStarts(first, end, shown);
        const expected = starts.map((startMs, n) => {
          const [since, until] = [Math.max(first, startMs), Math.min(end, starts[n + 1] ?? end)];
          return { startMs, counts: [{ value: 'a', count: (until - since) / QUARTER_MS }] };
        });
        const { buckets } = await read(store, metric, { from, to: toInstant(end), unit, timeZone });
        expect([timeZone, unit, buckets]).toEqual([timeZone, unit, expected]);
      }
    }
  },

  'read: all of the answer from one snapshot': async ({ store }) => {
    const metric = anId('metric');
    const load = { on: true };
    const write = async (): Promise<void> => {
      for (let n = 0; n < 60; n += 1) {
        await add(store, [aCount(metric), aCount(metric, { start: '2024-05-15T11:00:00Z' })]);
      }
    };
    const check = async (): Promise<void> => {
      while (load.on) {
        const { groups, buckets } = await read(store, metric);
        const [group] = groups;
        expect(group?.before).toBe(group?.count);
        expect(buckets[0]?.counts[0]?.count).toBe(group?.count);
      }
    };
    const written = write().finally(() => (load.on = false));
    await Promise.all([written, check(), check()]);
    expect(await words(store, metric)).toEqual({ a: 60 });
  },

  'read: refuses a time zone that the database does not know': async ({ store }) => {
    await expect(read(store, anId('metric'), { timeZone: 'Europe/Atlantis' })).rejects.toMatchObject({
      name: 'Refusal',
      code: 'BAD_USER_INPUT',
      data: { field: 'timeZone' },
    });
  },

  'read: ranges that no calendar of today knows have nothing in them': async ({ store }) => {
    for (const from of ['0000-01-01T00:00:00.000Z', '1850-06-01T00:00:00.000Z', '9999-12-30T00:00:00.000Z']) {
      const to = toInstant(Date.parse(from) + 96 * QUARTER_MS);
      const answer = await read(store, anId('metric'), { from, to, unit: 'day', timeZone: 'Europe/Amsterdam' });
      expect(answer.groups).toEqual([]);
      expect(answer.buckets.length).toBeGreaterThan(0);
    }
  },
};

export const ROLLUP_LAWS: Readonly<Record<string, Law>> = { ...ADD_LAWS, ...READ_LAWS };

import { expect } from '@jest/globals';
import type { UsageCount, UsageStock } from '../../src/domain/usage/usage.ts';
import type { Store } from '../../src/domain/store.ts';
import { toInstant } from '../../src/kit/clock.ts';
import type { Law } from './store-steps.ts';
import { anId } from './store-samples.ts';

const NOON_MS = Date.parse('2024-05-15T12:00:00.000Z');
const HOUR_MS = 3_600_000;

const aCount = (count: number, values: Partial<UsageCount> = {}): UsageCount => ({
  version: '1',
  operation: 'Me',
  outcome: 'admitted',
  count,
  ...values,
});

function aStock(id: string, counts: readonly UsageCount[], values: Partial<UsageStock> = {}): UsageStock {
  return { subject: 'user_1', id, hourMs: NOON_MS, era: 'a', counts, ...values };
}

const put = (store: Store, ...stocks: readonly UsageStock[]) => store.transaction(({ usage }) => usage.put(stocks));

/** Hours from noon on, with their counts. */
async function read(store: Store, id: string, hours = 24): Promise<readonly string[]> {
  const found = await store.usage.read(id, NOON_MS, NOON_MS + hours * HOUR_MS);
  return found.map(
    ({ hour, version, operation, outcome, count }) =>
      `${(Date.parse(hour) - NOON_MS) / HOUR_MS}: ${version} ${operation} ${outcome} ${count}`,
  );
}

export const USAGE_LAWS: Readonly<Record<string, Law>> = {
  'usage.put: sets the counts, and leaves what is there and larger': async ({ store }) => {
    const id = anId('key');
    await put(store, aStock(id, [aCount(5), aCount(2, { outcome: 'limited' })]));
    await put(store, aStock(id, [aCount(9), aCount(3, { operation: 'Other' })]));
    await put(store, aStock(id, [aCount(7), aCount(1, { outcome: 'limited' })]));
    expect(await read(store, id)).toEqual(['0: 1 Me admitted 9', '0: 1 Me limited 2', '0: 1 Other admitted 3']);
  },

  'usage.put: of many at once in any order none gives way, and the largest stays': async ({ store }) => {
    const ids = Array.from({ length: 8 }, () => anId('key'));
    const stocks = (n: number) => ids.map((id) => aStock(id, [aCount(n + 1)]));
    await Promise.all(
      Array.from({ length: 12 }, (_, n) => put(store, ...(n % 2 === 0 ? stocks(n) : stocks(n).toReversed()))),
    );
    for (const id of ids) expect(await read(store, id)).toEqual(['0: 1 Me admitted 12']);
  },

  'usage.read: sums over all eras by hour, version, operation and outcome, in the order of the hours': async ({
    store,
  }) => {
    const id = anId('key');
    await put(
      store,
      aStock(id, [aCount(4_000_000_000), aCount(1, { version: '2' })]),
      aStock(id, [aCount(2)], { era: 'b' }),
      aStock(id, [aCount(8)], { hourMs: NOON_MS + HOUR_MS }),
      aStock(id, [aCount(16)], { hourMs: NOON_MS - HOUR_MS }),
      aStock(anId('key'), [aCount(32)]),
    );
    expect(await read(store, id)).toEqual(['0: 1 Me admitted 4000000002', '0: 2 Me admitted 1', '1: 1 Me admitted 8']);
    expect(await read(store, id, 1)).toEqual(['0: 1 Me admitted 4000000002', '0: 2 Me admitted 1']);
    expect(await read(store, anId('key'))).toEqual([]);
  },

  'usage.report: tells of the most frequent first, and of every hour or day of the calendar that has a part': async ({
    store,
  }) => {
    const id = anId('key');
    await put(
      store,
      aStock(id, [aCount(5), aCount(3, { outcome: 'limited' }), aCount(1, { operation: 'Rare' })]),
      aStock(id, [aCount(2)], { era: 'b' }),
      aStock(id, [aCount(7, { outcome: 'failed', version: '2' })], { hourMs: NOON_MS + 11 * HOUR_MS }),
      aStock(id, [aCount(32)], { hourMs: NOON_MS - HOUR_MS }),
      aStock(anId('key'), [aCount(64)]),
    );
    const question = { id, fromMs: NOON_MS, toMs: NOON_MS + 12 * HOUR_MS, operationsMax: 3 } as const;
    const day = await store.usage.report({ ...question, unit: 'day', timeZone: 'Europe/Berlin' });
    expect(day).toEqual({
      operations: [aCount(7), aCount(7, { outcome: 'failed', version: '2' }), aCount(3, { outcome: 'limited' })],
      buckets: [
        { startMs: Date.parse('2024-05-14T22:00:00.000Z'), counts: { admitted: 8, limited: 3 } },
        { startMs: Date.parse('2024-05-15T22:00:00.000Z'), counts: { failed: 7 } },
      ],
    });
    const hours = await store.usage.report({ ...question, unit: 'hour', timeZone: 'UTC' });
    expect(hours.buckets).toEqual(
      Array.from({ length: 12 }, (_, n) => ({
        startMs: NOON_MS + n * HOUR_MS,
        counts: { 0: { admitted: 8, limited: 3 }, 11: { failed: 7 } }[n] ?? {},
      })),
    );
  },

  'usage.forget: removes counts of hours before then, at most so many, and says how many': async ({ store }) => {
    const id = anId('key');
    const hours = [-30_000, -20_000, 0].map((hour) => aStock(id, [aCount(1)], { hourMs: NOON_MS + hour * HOUR_MS }));
    await put(store, ...hours);
    const forget = async (limit: number) =>
      (await store.transaction(({ usage }) => usage.forget(toInstant(NOON_MS - HOUR_MS), limit))).value;
    expect([await forget(1), await forget(10), await forget(10)]).toEqual([1, 1, 0]);
    expect(await read(store, id)).toEqual(['0: 1 Me admitted 1']);
  },
};

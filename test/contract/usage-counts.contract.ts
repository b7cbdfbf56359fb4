import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { RateLimits } from '../../src/domain/limits/rate-limits.ts';
import {
  COUNTS_PER_HOUR_MAX,
  hourOf,
  OTHER_OPERATIONS,
  type UsageCount,
  type UsageCounts,
  type UsageHour,
} from '../../src/domain/usage/usage.ts';

/** The words of the port's doc comment. */
export type UsageCountsLaw = keyof typeof LAWS;

export interface Instance {
  readonly usage: UsageCounts;
  readonly rateLimits: RateLimits;
}

export interface OpenUsageCounts {
  /** As three instances have them. */
  readonly instances: readonly [Instance, Instance, Instance];
  /** Lets the time pass by which the driver counts. */
  readonly pass: (seconds: number) => Promise<void>;
  /** Whatever holds the counts loses all of them. */
  readonly lose: () => Promise<void>;
  /** From now on it does not answer. */
  readonly hang: () => Promise<void>;
  readonly release: () => Promise<void>;
}

export interface UsageCountsDriver {
  readonly name: string;
  /** Laws that have no case for this driver, each with the reason. */
  readonly except?: Partial<Record<UsageCountsLaw, string>>;
  readonly open: () => Promise<OpenUsageCounts>;
}

export function describeUsageCountsContract({ name, except = {}, open }: UsageCountsDriver): void {
  describe(`the ${name} counts of uses`, () => {
    const reasons: Readonly<Record<string, string | undefined>> = except;
    let opened: OpenUsageCounts;
    let hour: UsageHour;

    beforeAll(async () => {
      opened = await open();
    });
    beforeEach(() => {
      hour = { subject: `user_${randomUUID()}`, id: `key_${randomUUID()}`, hourMs: NOON_MS };
    });
    afterAll(() => opened?.release());

    // The law of a driver that hangs comes last: it goes on hanging.
    for (const [law, prove] of Object.entries(LAWS)) {
      const reason = reasons[law];
      if (reason === undefined) test(law, () => prove(opened, hour));
      else process.stdout.write(`the ${name} counts of uses are excused from "${law}": ${reason}\n`);
    }
  });
}

const NOON_MS = hourOf(Date.parse('2024-05-15T12:34:56Z'));

const aCount = (values: Partial<UsageCount> = {}): UsageCount => ({
  version: '1',
  operation: 'Me',
  outcome: 'failed',
  count: 1,
  ...values,
});

function take({ rateLimits }: Instance, hour: UsageHour, { operation = 'Me', version = '1', max = 1_000_000 } = {}) {
  const { subject, id } = hour;
  const windows = [{ name: 'key', of: id, max, seconds: 3_600 }];
  return rateLimits.take({ subject, windows, cost: 1, use: { ...hour, version, operation } });
}

/** What is counted in the hour, by version, operation and outcome. */
async function counted({ usage }: Instance, hour: UsageHour): Promise<Readonly<Record<string, number>>> {
  const [stock] = await usage.read([hour]);
  return Object.fromEntries(
    (stock?.counts ?? []).map(({ version, operation, outcome, count }) => [
      `${version} ${operation} ${outcome}`,
      count,
    ]),
  );
}

async function isNamed({ usage }: Instance, { subject, id, hourMs }: UsageHour): Promise<boolean> {
  const hours = (await usage.hours()) ?? [];
  return hours.some((each) => each.subject === subject && each.id === id && each.hourMs === hourMs);
}

/** It is named a moment after it was counted. */
async function untilNamed(instance: Instance, hour: UsageHour): Promise<void> {
  while (!(await isNamed(instance, hour))) await new Promise(setImmediate);
}

const LAWS = {
  'must count what is taken in the same step, with whether it was allowed': async (
    { instances }: OpenUsageCounts,
    hour: UsageHour,
  ) => {
    await Promise.all(Array.from({ length: 10 }, () => instances.map((one) => take(one, hour, { max: 12 }))).flat());
    await take(instances[0], hour, { operation: 'Other', version: '2' });
    const counts = { '1 Me admitted': 12, '1 Me limited': 18, '2 Other admitted': 1 };
    for (const one of instances) expect(await counted(one, hour)).toEqual(counts);
    const others = [{ id: 'key_other' }, { hourMs: NOON_MS + 3_600_000 }].map((other) => ({ ...hour, ...other }));
    expect(await instances[0].usage.read([others[0] ?? hour, hour, others[1] ?? hour])).toMatchObject([
      null,
      hour,
      null,
    ]);
  },

  'must count what no window limits': async ({ instances: [one] }: OpenUsageCounts, hour: UsageHour) => {
    const use = { ...hour, version: '1', operation: 'Me' };
    expect(await one.rateLimits.take({ subject: hour.subject, windows: [], cost: 1, use })).toEqual({
      allowed: true,
      windows: [],
    });
    expect(await counted(one, hour)).toEqual({ '1 Me admitted': 1 });
  },

  'must add a batch once, however often it comes': async (
    { instances: [one, other] }: OpenUsageCounts,
    hour: UsageHour,
  ) => {
    const [mine, theirs] = [randomUUID(), randomUUID()];
    const counts = [aCount({ count: 2 }), aCount({ operation: 'Other', count: 3 })];
    for (let n = 0; n < 3; n += 1) expect(await one.usage.add(hour, { from: mine, number: 1 }, counts)).toBe(true);
    expect(await counted(one, hour)).toEqual({ '1 Me failed': 2, '1 Other failed': 3 });
    await other.usage.add(hour, { from: theirs, number: 1 }, counts);
    await one.usage.add(hour, { from: mine, number: 7 }, [aCount({ count: 10 })]);
    await one.usage.add(hour, { from: mine, number: 7 }, [aCount({ count: 10 })]);
    await take(one, hour);
    expect(await counted(other, hour)).toEqual({ '1 Me failed': 14, '1 Other failed': 6, '1 Me admitted': 1 });
  },

  'must tell apart no more counts of an hour than there may be, and count the rest': async (
    { instances: [one, other] }: OpenUsageCounts,
    hour: UsageHour,
  ) => {
    const uses = COUNTS_PER_HOUR_MAX + 50;
    for (let n = 0; n < uses; n += 1) await take(n % 2 === 0 ? one : other, hour, { operation: `Operation${n}` });
    await other.usage.add(hour, { from: 'a', number: 1 }, [aCount({ operation: 'Late' })]);
    const all = await counted(one, hour);
    expect(Object.values(all).reduce((sum, count) => sum + count, 0)).toBe(uses + 1);
    expect(Object.keys(all).length).toBeLessThanOrEqual(COUNTS_PER_HOUR_MAX + 2);
    expect(all[`1 ${OTHER_OPERATIONS} admitted`]).toBeGreaterThanOrEqual(50);
    expect(all[`1 ${OTHER_OPERATIONS} failed`]).toBe(1);
    // One that is told apart already is told apart on.
    await take(one, hour, { operation: 'Operation0' });
    expect((await counted(one, hour))['1 Operation0 admitted']).toBe(2);
  },

  'must name the hours in which something was counted until they are settled': async (
    { instances: [one, other] }: OpenUsageCounts,
    hour: UsageHour,
  ) => {
    const later = { ...hour, hourMs: NOON_MS + 3_600_000 };
    await take(one, hour);
    await other.usage.add(later, { from: 'a', number: 1 }, [aCount()]);
    for (const each of [hour, later]) await untilNamed(other, each);
    await other.usage.settle([hour, later]);
    for (const each of [hour, later]) expect(await isNamed(one, each)).toBe(false);
    expect(await counted(one, hour)).toEqual({ '1 Me admitted': 1 });
    // What comes all the same is not lost.
    await other.usage.add(hour, { from: 'a', number: 2 }, [aCount()]);
    await untilNamed(one, hour);
  },

  'must let one claim the turn at a time, and another when the time of it is over': async ({
    instances,
    pass,
  }: OpenUsageCounts) => {
    const claims = async () => {
      const all = await Promise.all(instances.map(({ usage }) => usage.claim(1_000)));
      return all.filter((claimed) => claimed === true).length;
    };
    expect([await claims(), await claims()]).toEqual([1, 0]);
    await pass(1.1);
    expect([await claims(), await claims()]).toEqual([1, 0]);
  },

  'must begin another era when it has lost what it counted': async (
    { instances: [one, other], lose }: OpenUsageCounts,
    hour: UsageHour,
  ) => {
    const era = async () => (await other.usage.read([hour]))[0]?.era;
    await take(one, hour);
    const first = await era();
    await take(other, hour);
    expect(await era()).toBe(first);
    await lose();
    await take(one, hour);
    expect(await counted(other, hour)).toEqual({ '1 Me admitted': 1 });
    expect(await era()).not.toBe(first);
    await untilNamed(one, hour);
  },

  'must answer with null when it cannot answer in time, and must never throw': async (
    { instances: [{ usage }], hang }: OpenUsageCounts,
    hour: UsageHour,
  ) => {
    await hang();
    expect(await usage.add(hour, { from: 'a', number: 1 }, [aCount()])).toBeNull();
    expect(await usage.claim(1_000)).toBeNull();
    expect(await usage.hours()).toBeNull();
    expect(await usage.read([hour])).toEqual([null]);
    await expect(usage.settle([hour])).resolves.toBeUndefined();
  },
};

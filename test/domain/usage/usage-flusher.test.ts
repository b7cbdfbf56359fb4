import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { InstanceShare } from '../../../src/domain/limits/instance-share.ts';
import { LimitsWithFallback } from '../../../src/domain/limits/limits-with-fallback.ts';
import type { RateLimits } from '../../../src/domain/limits/rate-limits.ts';
import { UncountedUses } from '../../../src/domain/usage/uncounted-uses.ts';
import { hourOf, operationLabel, type UsageCounts, type Use } from '../../../src/domain/usage/usage.ts';
import { USAGE_FLUSH_MS, UsageFlusher } from '../../../src/domain/usage/usage-flusher.ts';
import { createMemoryHub } from '../../../src/drivers/memory/memory.ts';
import { openRedis } from '../../../src/drivers/redis/redis.ts';
import { type Clock, systemClock } from '../../../src/kit/clock.ts';
import { createLog } from '../../../src/kit/log.ts';
import { Secret } from '../../../src/kit/secret.ts';
import { anId } from '../../contract/store-samples.ts';
import { createTestClock, type TestClock, until } from '../../support/castellan.ts';
import { type RedisServer, startRedisServer } from '../../support/redis-server.ts';
import { createStillClock } from '../../support/still-clock.ts';
import { openTestStore, type TestStore } from '../../support/store.ts';

const HOUR_MS = 3_600_000;
/** More of them by hand: `USAGE_INCREMENTS=10000000`. */
const INCREMENTS = Number(process.env['USAGE_INCREMENTS'] ?? 100_000);

let opened: TestStore;
let redis: RedisServer;
let clock: TestClock;
const undo: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  opened = await openTestStore();
  redis = await startRedisServer();
});
beforeEach(() => {
  clock = createTestClock();
  // No hour ends by itself meanwhile.
  clock.advance(HOUR_MS - (clock.now() % HOUR_MS));
});
afterEach(async () => {
  for (let back = undo.pop(); back !== undefined; back = undo.pop()) await back();
});
afterAll(async () => {
  await opened?.release();
  await redis?.stop();
});

interface Counting {
  readonly limits: LimitsWithFallback;
  readonly uncounted: UncountedUses;
  readonly flusher: UsageFlusher;
}

function counting({ rateLimits, usage }: { rateLimits: RateLimits; usage: UsageCounts }): Counting {
  const share = new InstanceShare({ clock, instances: () => 1 });
  const uncounted = new UncountedUses({ counts: usage, clock, logger: createLog('silent') });
  const limits = new LimitsWithFallback({ limits: rateLimits, share, uncounted });
  const flusher = new UsageFlusher({ store: opened.store, counts: usage, clock, logger: createLog('silent') });
  return { limits, uncounted, flusher };
}

/** What one more instance over the Redis of this test has. However slow the machine is, it waits for an answer. */
async function anInstance(redisClock: Clock = createStillClock()): Promise<Counting> {
  const connection = openRedis({ url: new Secret(redis.url), clock: redisClock, logger: createLog('silent') });
  undo.push(() => connection.close());
  while (!(await connection.check())) await new Promise(setImmediate);
  return counting(connection);
}

const aUse = (id: string, values: Partial<Use> = {}): Use => ({
  subject: 'user_1',
  id,
  hourMs: hourOf(clock.now()),
  version: '1',
  operation: 'Me',
  ...values,
});

const take = ({ limits }: Counting, use: Use, max = 1_000_000_000) =>
  limits.take({
    subject: use.subject,
    windows: [{ name: 'key', of: use.id, max, seconds: 3_600 }],
    cost: 1,
    use,
  });

/** What is written of it, over all hours. */
async function written(id: string): Promise<Readonly<Record<string, number>>> {
  const sums: Record<string, number> = {};
  for (const { version, operation, outcome, count } of await opened.store.usage.read(id, 0, Date.parse('2100-01-01'))) {
    const name = `${version} ${operation} ${outcome}`;
    sums[name] = (sums[name] ?? 0) + count;
  }
  return sums;
}

/** Every row of uses that is written from now on. */
async function countWrites(): Promise<() => Promise<number>> {
  await opened.rows(`create table if not exists usage_writes (n bigserial)`);
  await opened.rows(`truncate usage_writes`);
  await opened.rows(`create or replace function usage_written() returns trigger language plpgsql security definer as
    $$ begin insert into usage_writes default values; return null; end $$`);
  await opened.rows(`create or replace trigger usage_written after insert or update on usage_counts
    for each row execute function usage_written()`);
  return async () => {
    const [row] = await opened.rows<{ writes: number }>('select count(*)::int as writes from usage_writes');
    return row?.writes ?? 0;
  };
}

describe('what is counted', () => {
  test('is as exact after flushes that were repeated, overtaken by each other, or failed after their commit', async () => {
    const id = anId('key');
    const instances = [await anInstance(), await anInstance()] as const;
    for (let round = 1; round <= 10; round += 1) {
      await Promise.all(instances.flatMap((each) => Array.from({ length: 7 }, () => take(each, aUse(id)))));
      await Promise.all(instances.flatMap(({ flusher }) => [flusher.flush(), flusher.flush()]));
      expect(await written(id)).toEqual({ '1 Me admitted': round * 14 });
    }
  });

  test('belongs to its hour, and is told apart by version, operation and outcome', async () => {
    const id = anId('key');
    const one = await anInstance();
    const first = aUse(id);
    for (let n = 0; n < 5; n += 1) await take(one, first, 3);
    one.uncounted.note(first, 'failed');
    await take(one, aUse(id, { version: '2', operation: 'Other' }));
    clock.advance(HOUR_MS);
    await take(one, aUse(id, { version: '2' }));
    await one.uncounted.send();
    await one.flusher.flush();
    const rows = await opened.store.usage.read(id, first.hourMs, first.hourMs + 2 * HOUR_MS);
    expect(
      rows.map(({ hour, ...rest }) => [(Date.parse(hour) - first.hourMs) / HOUR_MS, ...Object.values(rest)]),
    ).toEqual([
      [0, '1', 'Me', 'admitted', 3],
      [0, '1', 'Me', 'failed', 1],
      [0, '1', 'Me', 'limited', 2],
      [0, '2', 'Other', 'admitted', 1],
      [1, '2', 'Me', 'admitted', 1],
    ]);
  });

  test('is read no more once its hour is long over', async () => {
    const id = anId('key');
    const hub = createMemoryHub(clock);
    const one = counting(hub);
    await take(one, aUse(id));
    await one.flusher.flush();
    expect(await hub.usage.hours()).toHaveLength(1);
    clock.advance(4 * HOUR_MS);
    await one.flusher.flush();
    expect(await hub.usage.hours()).toEqual([]);
    expect(await written(id)).toEqual({ '1 Me admitted': 1 });
  });

  test('is written in as many rows as there are keys and hours, however often, and held in as little memory', async () => {
    const [keys, hours] = [10, 3];
    const writes = await countWrites();
    const hub = createMemoryHub(clock);
    const one = counting(hub);
    const ids = Array.from({ length: keys }, () => anId('key'));
    const each = Math.floor(INCREMENTS / keys / hours);
    const heap = (): number => process.memoryUsage().heapUsed / 1e6;
    const before = heap();
    let heapMax = 0;
    for (let hour = 0; hour < hours; hour += 1) {
      for (const id of ids) {
        const use = aUse(id);
        for (let n = 0; n < each; n += 1) await take(one, use);
        heapMax = Math.max(heapMax, heap());
      }
      await one.flusher.flush();
      clock.advance(HOUR_MS);
    }
    await one.flusher.flush();
    expect(await writes()).toBe(keys * hours);
    for (const id of ids) expect(await written(id)).toEqual({ '1 Me admitted': each * hours });
    expect((await hub.usage.hours())?.length).toBeLessThanOrEqual(keys * hours);
    // Most of it is garbage.
    expect(heapMax - before).toBeLessThan(200);
    expect(one.uncounted.pending).toBe(0);
  }, 600_000);
});

describe('what goes wrong', () => {
  test('Redis loses everything: what was written stays, and what is counted from then on is added', async () => {
    const id = anId('key');
    const one = await anInstance();
    for (let n = 0; n < 10; n += 1) await take(one, aUse(id));
    await one.flusher.flush();
    for (let n = 0; n < 4; n += 1) await take(one, aUse(id));
    await redis.flush();
    for (let n = 0; n < 3; n += 1) await take(one, aUse(id));
    await one.flusher.flush();
    // The four are what a loss may lose: those since the last flush.
    expect(await written(id)).toEqual({ '1 Me admitted': 13 });
  });

  test('while Redis is away, uses are counted here, and sent once it is back', async () => {
    const id = anId('key');
    const one = await anInstance(systemClock);
    await redis.kill9();
    for (let n = 0; n < 25; n += 1) await take(one, aUse(id), 20);
    await one.uncounted.send();
    expect(one.uncounted.pending).toBe(2);
    await redis.restart();
    await until(async () => {
      await one.uncounted.send();
      return one.uncounted.pending === 0;
    });
    await one.flusher.flush();
    expect(await written(id)).toEqual({ '1 Me admitted': 20, '1 Me limited': 5 });
  });

  test('an instance is killed: what was counted in Redis is written by another', async () => {
    const id = anId('key');
    const [killed, other] = [await anInstance(), await anInstance()];
    for (let n = 0; n < 10; n += 1) await take(killed, aUse(id));
    await undo.shift()?.();
    await other.flusher.flush();
    expect(await written(id)).toEqual({ '1 Me admitted': 10 });
  });

  test('an answer that was lost: a batch that is sent again counts once', async () => {
    const id = anId('key');
    const hub = createMemoryHub(clock);
    const ends = ['lost', 'arrived', 'lost', 'arrived'];
    const losing: UsageCounts = {
      claim: (ms) => hub.usage.claim(ms),
      hours: () => hub.usage.hours(),
      read: (hours) => hub.usage.read(hours),
      settle: (hours) => hub.usage.settle(hours),
      async add(hour, batch, counts) {
        const answer = await hub.usage.add(hour, batch, counts);
        return ends.pop() === 'lost' ? null : answer;
      },
    };
    const one = counting({ rateLimits: hub.rateLimits, usage: losing });
    for (let round = 0; round < 8; round += 1) {
      for (let n = 0; n < 3; n += 1) one.uncounted.note(aUse(id), 'failed');
      await one.uncounted.send();
      if (round === 4) ends.push('lost', 'lost', 'lost');
    }
    await one.uncounted.send();
    await one.uncounted.send();
    await one.flusher.flush();
    expect(await written(id)).toEqual({ '1 Me failed': 24 });
    expect(one.uncounted.pending).toBe(0);
  });

  test('the database is away: the next flush writes all', async () => {
    const id = anId('key');
    const hub = createMemoryHub(clock);
    const one = counting(hub);
    const away = new UsageFlusher({
      store: { ...opened.store, transaction: () => Promise.reject(new Error('the connection was lost')) },
      counts: hub.usage,
      clock,
      logger: createLog('silent'),
    });
    await take(one, aUse(id));
    await expect(away.flush()).rejects.toThrow('the connection was lost');
    clock.advance(5 * HOUR_MS);
    await expect(away.flush()).rejects.toThrow('the connection was lost');
    await one.flusher.flush();
    expect(await written(id)).toEqual({ '1 Me admitted': 1 });
  });
});

test('an operation is told by its name, and one without a usable name by its text', () => {
  expect(operationLabel('Me', '{ me { id } }')).toBe('Me');
  const unnamed = operationLabel(null, '{ me { id } }');
  expect(unnamed).toMatch(/^sha256:[\w-]{16}$/);
  expect(operationLabel(null, ' mutation SignOut { signOut { position } }')).toBe('SignOut');
  for (const name of ['', 'a b', 'x'.repeat(65), 'ä', '1a', 'a\n', '*', '# a']) {
    expect(operationLabel(name, '{ me { id } }')).toBe(unnamed);
  }
  expect(operationLabel(null, '{ me { name } }')).not.toBe(unnamed);
});

test('whoever flushes has the turn for a minute, and nobody else', async () => {
  const id = anId('key');
  const hub = createMemoryHub(clock);
  const transactions: number[] = [];
  const instances = Array.from({ length: 3 }, (_, n) => {
    const store = {
      ...opened.store,
      transaction: (async (work) => {
        transactions.push(n);
        return opened.store.transaction(work);
      }) as typeof opened.store.transaction,
    };
    return new UsageFlusher({ store, counts: hub.usage, clock, logger: createLog('silent') });
  });
  for (const each of instances) each.rounds.start();
  for (let round = 1; round <= 3; round += 1) {
    await hub.rateLimits.take({ subject: 'user_1', windows: [], cost: 1, use: aUse(id) });
    clock.advance(USAGE_FLUSH_MS);
    await until(async () => (await written(id))['1 Me admitted'] === round);
  }
  // Each turn is a write, and a look for what is too old.
  await until(() => transactions.length === 6);
  await Promise.all(instances.map((each) => each.rounds.stop()));
});

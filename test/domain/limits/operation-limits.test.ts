import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { InstanceShare } from '../../../src/domain/limits/instance-share.ts';
import { LimitsWithFallback } from '../../../src/domain/limits/limits-with-fallback.ts';
import { OperationLimits } from '../../../src/domain/limits/operation-limits.ts';
import { UncountedUses } from '../../../src/domain/usage/uncounted-uses.ts';
import { hourOf, type UsageCounts } from '../../../src/domain/usage/usage.ts';
import { openRedis, type RedisConnection } from '../../../src/drivers/redis/redis.ts';
import { systemClock } from '../../../src/kit/clock.ts';
import { createLog } from '../../../src/kit/log.ts';
import { Secret } from '../../../src/kit/secret.ts';
import { anId } from '../../contract/store-samples.ts';
import { type RedisServer, startRedisServer } from '../../support/redis-server.ts';
import { createStillClock } from '../../support/still-clock.ts';

const settings = {
  userRates: [],
  anonymousRates: [],
  keyRates: [
    { max: 20, seconds: 60 },
    { max: 30, seconds: 3_600 },
  ],
  ownerRates: [{ max: 50, seconds: 3_600 }],
};

let redis: RedisServer;
const connections: RedisConnection[] = [];
let instances: readonly OperationLimits[];
let usage: UsageCounts;

beforeAll(async () => {
  redis = await startRedisServer();
  for (let n = 0; n < 5; n += 1) {
    const connection = openRedis({
      url: new Secret(redis.url),
      clock: createStillClock(),
      logger: createLog('silent'),
    });
    connections.push(connection);
    while (!(await connection.check())) await new Promise(setImmediate);
    ({ usage } = connection);
  }
  instances = connections.map(({ rateLimits, usage }) => {
    const share = new InstanceShare({ clock: systemClock, instances: () => 5 });
    const uncounted = new UncountedUses({ counts: usage, clock: systemClock, logger: createLog('silent') });
    const limits = new LimitsWithFallback({ limits: rateLimits, share, uncounted });
    return new OperationLimits({ settings, share, limits, uncounted, clock: systemClock });
  });
});

afterAll(async () => {
  await Promise.all(connections.map((connection) => connection.close()));
  await redis?.stop();
});

/** How many of so many at once on every instance may begin with the key. */
async function burst(key: { readonly id: string; readonly ownerId: string }, each: number): Promise<number> {
  const all = instances.flatMap((one) =>
    Array.from({ length: each }, () => one.admitKey({ ...key, version: '1' }, 'Me')),
  );
  return (await Promise.all(all)).filter(({ refusal }) => refusal === null).length;
}

describe('the operations of an API key', () => {
  test('AC-49e: are limited for the key and for all keys of its owner, over five instances', async () => {
    const ownerId = anId('user');
    const keys = Array.from({ length: 4 }, () => ({ id: anId('key'), ownerId }));
    const begun = await Promise.all(keys.map((key) => burst(key, 10)));
    expect(Math.max(...begun)).toBeLessThanOrEqual(20);
    expect(begun.reduce((sum, each) => sum + each, 0)).toBe(50);
    expect(await burst({ id: anId('key'), ownerId: anId('user') }, 10)).toBe(20);
  });

  test('are refused with the windows that refuse, and when to come again', async () => {
    const key = { id: anId('key'), ownerId: anId('user'), version: '2' };
    const [one] = instances;
    for (let n = 0; n < 20; n += 1) expect(await one?.admitKey(key, 'Me')).toMatchObject({ refusal: null });
    const { windows = [], refusal } = (await one?.admitKey(key, 'Me')) ?? {};
    expect(windows.map(({ name, seconds, remaining }) => [name, seconds, remaining])).toEqual([
      ['key', 60, 0],
      ['key', 3_600, 10],
      ['owner', 3_600, 30],
    ]);
    expect(refusal).toMatchObject({ code: 'RATE_LIMITED', data: { retryAfterSeconds: windows[0]?.resetSeconds } });
    expect(one?.refused).toBeGreaterThan(0);
  });

  test('are counted by key, version, operation and outcome, in one command with the limits', async () => {
    const key = { id: anId('key'), ownerId: anId('user'), version: '7' };
    const hour = { subject: key.ownerId, id: key.id, hourMs: hourOf(systemClock.now()) };
    const [one] = instances;
    await one?.admitKey(key, 'Me');
    const before = await commandsOf();
    for (let n = 0; n < 24; n += 1) await one?.admitKey(key, n % 2 === 0 ? 'Me' : 'Other');
    expect((await commandsOf()) - before).toBe(24);
    const [stock] = await usage.read([hour]);
    expect(stock?.counts.toSorted((a, b) => b.count - a.count)).toEqual([
      { version: '7', operation: 'Me', outcome: 'admitted', count: 11 },
      { version: '7', operation: 'Other', outcome: 'admitted', count: 9 },
      { version: '7', operation: 'Other', outcome: 'limited', count: 3 },
      { version: '7', operation: 'Me', outcome: 'limited', count: 2 },
    ]);
  });
});

/** Commands that clients have sent so far, but for those that ask this. */
async function commandsOf(): Promise<number> {
  const client = new Redis(redis.url);
  const text = await client.info('commandstats');
  client.disconnect();
  const calls = [...text.matchAll(/^cmdstat_(evalsha|eval|sadd):calls=(\d+)/gm)].map(([, , n]) => Number(n));
  return calls.reduce((sum, each) => sum + each, 0);
}

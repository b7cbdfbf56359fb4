import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { setTimeout as poll } from 'node:timers/promises';
import { openRedis, type RedisConnection } from '../../src/drivers/redis/redis.ts';
import { type Clock, systemClock } from '../../src/kit/clock.ts';
import { createLog } from '../../src/kit/log.ts';
import { Secret } from '../../src/kit/secret.ts';
import { createStillClock } from '../support/still-clock.ts';
import { bulk, type RedisStub, slotsOf, startRedisStub } from '../support/redis-stub.ts';
import { keyIn } from '../support/redis-cluster.ts';

const LOW = keyIn(1);
const HIGH = keyIn(16_000);

let one: RedisStub;
let other: RedisStub;
let opened: RedisConnection[];

beforeEach(async () => {
  opened = [];
  [one, other] = [await startRedisStub(), await startRedisStub()];
  for (const stub of [one, other]) {
    stub.on('CLUSTER', () => slotsOf([one.port, other.port]));
    stub.on('GETRANGE', ([key]) => bulk(`value of ${key}`));
  }
});

afterEach(async () => {
  await Promise.all(opened.map((redis) => redis.close()));
  await Promise.all([one.close(), other.close()]);
});

const PLACES = {
  'a server': () => `redis://127.0.0.1:${one.port}`,
  'a cluster': () => [one, other].map(({ port }) => `redis://127.0.0.1:${port}`).join(),
};

async function open(url: string, clock: Clock = systemClock): Promise<RedisConnection> {
  const redis = openRedis({ url: new Secret(url), clock, logger: createLog('silent') });
  opened.push(redis);
  while (!(await redis.check())) await poll(5);
  return redis;
}

function timesOf(name: string, ...stubs: readonly RedisStub[]): number {
  return stubs.flatMap(({ commands }) => commands).filter(([each]) => each === name).length;
}

/** Refuses the first command of that name. */
function refuse(stub: RedisStub, name: string, refusal: string, then: string): void {
  let isRefused = false;
  stub.on(name, () => {
    if (isRefused) return then;
    isRefused = true;
    return `-${refusal}\r\n`;
  });
}

describe.each(Object.entries(PLACES))('%s', (_, place) => {
  test.each([
    'LOADING Redis is loading the dataset in memory',
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    'TRYAGAIN Multiple keys request during rehashing of slot',
    'CLUSTERDOWN The cluster is down',
  ])('that answers %p for a moment is asked again', async (refusal) => {
    const redis = await open(place(), createStillClock());
    for (const stub of [one, other]) refuse(stub, 'GETRANGE', refusal, bulk('value'));
    expect(await redis.cache.read([LOW])).toEqual(['value']);
    expect(timesOf('GETRANGE', one, other)).toBeGreaterThan(1);
  });

  test('that answers READONLY is left, and written to over a new connection', async () => {
    const redis = await open(place(), createStillClock());
    const refused = new Set<number>();
    one.on('SET', (_args, connection) => {
      const isFirst = refused.size === 0 || refused.has(connection);
      if (isFirst) refused.add(connection);
      return isFirst ? "-READONLY You can't write against a read only replica.\r\n" : '+OK\r\n';
    });
    other.on('SET', () => `-MOVED 1 127.0.0.1:${one.port}\r\n`);
    await redis.cache.write(LOW, 'value', 60);
    expect(timesOf('SET', one)).toBeGreaterThan(1);
    expect([...refused]).toHaveLength(1);
    expect(refused.has(one.lastConnection)).toBe(false);
  });

  test('is not asked again when the time for an answer is over', async () => {
    const clock = createStillClock(0);
    const redis = await open(place(), clock);
    for (const stub of [one, other]) stub.on('GETRANGE', () => '-LOADING Redis is loading the dataset in memory\r\n');
    const reading = redis.cache.read([LOW]);
    // Answered after what was asked before.
    expect(await redis.check()).toBe(true);
    clock.advance(100);
    expect(await reading).toEqual([null]);
    expect(await redis.check()).toBe(true);
    expect(timesOf('GETRANGE', one, other)).toBe(1);
  });

  test('that refuses for good is not asked again', async () => {
    const redis = await open(place(), createStillClock());
    for (const stub of [one, other])
      refuse(stub, 'GETRANGE', "NOPERM this user has no permissions to run the 'getrange' command", bulk('value'));
    expect(await redis.cache.read([LOW])).toEqual([null]);
    expect(timesOf('GETRANGE', one, other)).toBe(1);
    expect(await redis.cache.read([LOW])).toEqual(['value']);
  });
});

test('many keys take one round trip to each node', async () => {
  const redis = await open(PLACES['a cluster'](), createStillClock());
  const keys = Array.from({ length: 100 }, (_, n) => keyIn(n * 160));
  const held = new Map<RedisStub, string>();
  for (const stub of [one, other]) {
    const expected = 50 + (stub === one ? 2 : -2);
    // Nothing is answered before everything was asked.
    stub.on('GETRANGE', ([key]) => {
      held.set(stub, (held.get(stub) ?? '') + bulk(`value of ${key}`));
      return timesOf('GETRANGE', stub) === expected ? (held.get(stub) ?? '') : null;
    });
  }
  expect(await redis.cache.read(keys)).toEqual(keys.map((key) => `value of ${key}`));
});

test('a node that does not answer makes only its keys miss, and is not waited for again until it does', async () => {
  const clock = createStillClock();
  const redis = await open(PLACES['a cluster'](), clock);
  const held: string[] = [];
  other.on('GETRANGE', ([key]) => {
    held.push(key ?? '');
    return null;
  });
  const reading = redis.cache.read([LOW, HIGH, LOW]);
  while (timesOf('GETRANGE', other) < 1) await poll(1);
  // Answered after what was asked before.
  await redis.cache.read([LOW]);
  clock.advance(100);
  expect(await reading).toEqual([`value of ${LOW}`, null, `value of ${LOW}`]);

  // No time passes from here on, so nothing that is waited for would end.
  for (let n = 0; n < 100; n += 1) expect(await redis.cache.read([HIGH, LOW])).toEqual([null, `value of ${LOW}`]);
  await redis.cache.write(HIGH, 'value', 60);
  await redis.cache.forget([HIGH]);
  expect(timesOf('GETRANGE', other)).toBe(1);

  other.on(
    'GETRANGE',
    ([key]) =>
      held
        .splice(0)
        .map((each) => bulk(each))
        .join('') + bulk(`value of ${key}`),
  );
  while ((await redis.cache.read([HIGH]))[0] !== `value of ${HIGH}`) await poll(10);
});

test('nodes that send a command round in circles are followed a few times only', async () => {
  const redis = await open(PLACES['a cluster'](), createStillClock());
  one.on('GETRANGE', () => `-MOVED 1 127.0.0.1:${other.port}\r\n`);
  other.on('GETRANGE', () => `-MOVED 1 127.0.0.1:${one.port}\r\n`);
  expect(await redis.cache.read([LOW])).toEqual([null]);
  expect(timesOf('GETRANGE', one, other)).toBeLessThan(10);
});

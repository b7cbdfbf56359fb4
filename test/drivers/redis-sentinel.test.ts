import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { setTimeout as poll } from 'node:timers/promises';
import { openRedis, type RedisConnection } from '../../src/drivers/redis/redis.ts';
import { systemClock } from '../../src/kit/clock.ts';
import { createLog, type Log } from '../../src/kit/log.ts';
import { Secret } from '../../src/kit/secret.ts';
import { Recorder } from '../contract/hints.contract.ts';
import { recordedLog } from '../support/recorded-log.ts';
import { type RedisSentinel, startRedisSentinel } from '../support/redis-sentinel.ts';

// A takeover takes a second or two, and on a busy machine it may fail the first time.
jest.setTimeout(45_000);

const PASSWORDS = { password: 'correct-horse', sentinelPassword: 'battery-staple' };

let sentinel: RedisSentinel;
let opened: RedisConnection[];

beforeEach(async () => {
  opened = [];
  sentinel = await startRedisSentinel(PASSWORDS);
});

afterEach(async () => {
  await Promise.all(opened.map((redis) => redis.close()));
  await sentinel.stop();
});

function open(url = sentinel.url, logger: Log = createLog('silent')): RedisConnection {
  const redis = openRedis({ url: new Secret(url), clock: systemClock, logger });
  opened.push(redis);
  return redis;
}

async function ready(redis: RedisConnection): Promise<void> {
  while (!(await redis.check())) await poll(10);
}

async function writeUntilRead(redis: RedisConnection, value: string): Promise<void> {
  while ((await redis.cache.read(['a']))[0] !== value) {
    await redis.cache.write('a', value, 60);
    await poll(10);
  }
}

/** News may be lost while connections are made anew, so it is told until it is heard. */
async function tellUntilHeard(from: RedisConnection, listener: Recorder, seq: number): Promise<void> {
  while (!listener.seqs.includes(seq)) {
    from.hints.publishHint(seq);
    await poll(10);
  }
}

/** A takeover that is asked for is given up when it takes too long, and then it is asked for again. */
async function demoteMaster(): Promise<void> {
  while ((await sentinel.master()) === sentinel.servers[0]) {
    await sentinel.ask(sentinel.sentinels[0], 'SENTINEL', 'FAILOVER', 'castellan').catch(() => null);
    await poll(200);
  }
}

test.each([
  ['is killed', () => sentinel.servers[0].kill9()],
  ['hangs', () => Promise.resolve(sentinel.servers[0].pause())],
  ['is made a replica', demoteMaster],
])('a master %s: reads, writes and hints come back by themselves, over the one that took over', async (_, fail) => {
  const { logger, lines } = recordedLog();
  const [one, other] = [open(sentinel.url, logger), open()];
  await Promise.all([ready(one), ready(other)]);
  const listener = new Recorder();
  await one.hints.subscribe(listener);
  await tellUntilHeard(other, listener, 1);
  await one.cache.write('a', 'value', 60);
  expect(await other.cache.read(['a'])).toEqual(['value']);
  await sentinel.ask(sentinel.servers[0], 'WAIT', 1, 1_000);

  await fail();
  while ((await sentinel.master()) !== sentinel.servers[1]) await poll(10);
  // What the old one is still told may be lost with it.
  while ((await sentinel.ask(sentinel.servers[1], 'GET', 'a')) !== 'written since') {
    await one.cache.write('a', 'written since', 60);
    await poll(10);
  }
  while ((await other.cache.read(['a']))[0] !== 'written since') await poll(10);
  await tellUntilHeard(other, listener, 2);
  await tellUntilHeard(one, listener, 3);
  expect(lines().join()).not.toMatch(/correct-horse|battery-staple/);
  sentinel.servers[0].resume();
});

test('one sentinel is enough, whichever it is', async () => {
  await sentinel.sentinels[0]?.kill9();
  await sentinel.sentinels[1]?.kill9();
  const redis = open();
  await ready(redis);
  await writeUntilRead(redis, 'value');
});

test('says what is wrong once, and never a password', async () => {
  const { logger, lines } = recordedLog();
  const cases = [
    [sentinel.url.replace('battery-staple', 'wrong-staple'), 'WRONGPASS'],
    [sentinel.url.replace('correct-horse', 'wrong-horse'), 'WRONGPASS'],
    [sentinel.url.replace('/castellan', '/nobody'), 'No such master'],
  ] as const;
  for (const [n, [url, reason]] of cases.entries()) {
    const redis = open(url, logger);
    while (lines().length === n) await poll(10);
    expect(lines().at(-1)).toContain(reason);
    expect(await redis.check()).toBe(false);
    await redis.close();
  }
  expect(lines()).toHaveLength(cases.length);
  expect(lines().join()).not.toMatch(/staple|horse/);
});

test('closes while neither sentinels nor servers answer', async () => {
  const redis = open();
  await ready(redis);
  for (const each of [...sentinel.servers, ...sentinel.sentinels]) each.pause();
  const late = open();
  const reading = redis.cache.read(['a']);
  await Promise.all([redis.close(), late.close()]);
  expect(await reading).toEqual([null]);
  for (const each of [...sentinel.servers, ...sentinel.sentinels]) each.resume();
});

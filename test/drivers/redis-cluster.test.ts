import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { setTimeout as poll } from 'node:timers/promises';
import { openRedis, type RedisConnection } from '../../src/drivers/redis/redis.ts';
import { type Clock, systemClock } from '../../src/kit/clock.ts';
import { createLog, type Log } from '../../src/kit/log.ts';
import { Secret } from '../../src/kit/secret.ts';
import { Recorder } from '../contract/hints.contract.ts';
import { recordedLog } from '../support/recorded-log.ts';
import { keyIn, type RedisCluster, startRedisCluster } from '../support/redis-cluster.ts';
import type { RedisServer } from '../support/redis-server.ts';
import { createStillClock } from '../support/still-clock.ts';
import { untilSo } from '../support/until.ts';

/** One key of each third of the slots. */
const KEYS = [keyIn(1), keyIn(8_000), keyIn(16_000)] as const;
const VALUES = KEYS.map((key) => `value of ${key}`);

let cluster: RedisCluster;
let opened: RedisConnection[] = [];

beforeAll(async () => {
  cluster = await startRedisCluster();
});

beforeEach(async () => {
  await cluster.heal();
});

afterEach(async () => {
  cluster.resume();
  await Promise.all(opened.map((redis) => redis.close()));
  opened = [];
});

afterAll(() => cluster?.stop());

async function open(parts: { url?: string; clock?: Clock; logger?: Log } = {}): Promise<RedisConnection> {
  const { url = cluster.url, clock = systemClock, logger = createLog('silent') } = parts;
  const redis = openRedis({ url: new Secret(url), clock, logger });
  opened.push(redis);
  while (!(await redis.check())) await poll(10);
  return redis;
}

async function writeAll(redis: RedisConnection): Promise<void> {
  await Promise.all(KEYS.map((key, n) => redis.cache.write(key, VALUES[n] ?? '', 60)));
  // Replicas have them, too.
  for (const node of cluster.nodes.slice(0, 3)) await cluster.ask(node, 'WAIT', 1, 1_000).catch(() => {});
}

async function readUntil(redis: RedisConnection, values: readonly (string | null)[]): Promise<void> {
  while (JSON.stringify(await redis.cache.read(KEYS)) !== JSON.stringify(values)) await poll(10);
}

/** News may be lost while connections are made anew, so it is told until it is heard. */
async function tellUntilHeard(from: RedisConnection, listener: Recorder, seq: number): Promise<void> {
  while (!listener.seqs.includes(seq)) {
    from.hints.publishHint(seq);
    await poll(10);
  }
}

test('reads many keys in their order, wherever they are', async () => {
  const redis = await open({ clock: createStillClock() });
  const keys = Array.from({ length: 200 }, (_, n) => `castellan:standing:{user_${n}}`);
  await Promise.all(keys.map((key, n) => redis.cache.write(key, `${n}`, 60)));
  await redis.cache.forget(keys.filter((_, n) => n % 10 === 0));
  expect(await redis.cache.read(keys)).toEqual(keys.map((_, n) => (n % 10 === 0 ? null : `${n}`)));
});

test('reads and writes what is where a slot is moving from, on its way, and there', async () => {
  const redis = await open({ clock: createStillClock() });
  const slot = 2;
  const key = keyIn(slot);
  const [stays, moves, comes] = [`${key}:stays`, `${key}:moves`, `${key}:comes`];
  for (const each of [stays, moves]) await redis.cache.write(each, each, 60);
  const from = await cluster.masterOf(key);
  const to = await cluster.masterOf(KEYS[1]);
  const [fromId, toId] = [await cluster.idOf(from), await cluster.idOf(to)];
  const move = (...keys: string[]) => cluster.ask(from, 'MIGRATE', '127.0.0.1', to.port, '', 0, 5_000, 'KEYS', ...keys);

  await cluster.ask(to, 'CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId);
  await cluster.ask(from, 'CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId);
  await move(moves);
  expect(await redis.cache.read([stays, moves, comes])).toEqual([stays, moves, null]);
  await redis.cache.write(comes, comes, 60);
  expect(await redis.cache.read([stays, moves, comes])).toEqual([stays, moves, comes]);

  await move(stays);
  await cluster.ask(to, 'CLUSTER', 'SETSLOT', slot, 'NODE', toId);
  await cluster.ask(from, 'CLUSTER', 'SETSLOT', slot, 'NODE', toId);
  expect(await redis.cache.read([stays, moves, comes, KEYS[1]])).toEqual([stays, moves, comes, null]);
  await redis.cache.forget([stays, moves, comes]);
  expect(await redis.cache.read([stays, moves, comes])).toEqual([null, null, null]);
});

test('a master is killed: only its keys miss, until its replica has taken over by itself', async () => {
  const { logger, lines } = recordedLog();
  const redis = await open({ logger });
  await writeAll(redis);
  const master = await cluster.masterOf(KEYS[0]);

  await master.kill9();
  await readUntil(redis, [null, ...VALUES.slice(1)]);
  await readUntil(redis, VALUES);
  await redis.cache.write(KEYS[0], 'written since', 60);
  expect(await redis.cache.read(KEYS)).toEqual(['written since', ...VALUES.slice(1)]);
  while (lines().length < 2) await poll(10);
  // A node that has not heard of the failover yet may say otherwise once more.
  expect(
    lines()
      .slice(0, 2)
      .map((line): unknown => JSON.parse(line)),
  ).toMatchObject([
    { level: 40, server: expect.stringContaining(`127.0.0.1:${master.port}`), msg: 'Redis does not answer' },
    { level: 30, msg: 'Redis answers again' },
  ]);
});

test('hints are heard again after the node they came through was killed', async () => {
  const { one, other, listener, node } = await openOver();
  await node.kill9();
  await tellUntilHeard(other, listener, 2);
  await tellUntilHeard(one, listener, 3);
});

test('hints are heard again after the node they came through has left the cluster', async () => {
  const { listener, node } = await openOver();
  const id = await cluster.idOf(node);
  const rest = cluster.nodes.filter((each) => each !== node);
  const [replica] = await cluster.replicasOf(node);
  if (replica !== undefined) {
    await cluster.ask(replica, 'CLUSTER', 'FAILOVER', 'TAKEOVER');
    while ((await cluster.replicasOf(replica)).length === 0) await poll(10);
  }
  const masterId = await masterIdOf(node);
  await cluster.ask(node, 'CLUSTER', 'RESET', 'SOFT');
  for (const each of rest) await cluster.ask(each, 'CLUSTER', 'FORGET', id);

  while (!listener.seqs.includes(2)) {
    for (const each of rest) await cluster.ask(each, 'PUBLISH', 'castellan:hints', '{"seq":2}');
    await poll(10);
  }

  // A new id, which nobody has forgotten.
  await cluster.ask(node, 'CLUSTER', 'RESET', 'HARD');
  for (const each of rest) await cluster.ask(node, 'CLUSTER', 'MEET', '127.0.0.1', each.port);
  while (!String(await cluster.ask(node, 'CLUSTER', 'NODES')).includes(masterId)) await poll(10);
  await cluster.ask(node, 'CLUSTER', 'REPLICATE', masterId);
});

test('a master without a replica is killed: its keys miss, and the others answer', async () => {
  const redis = await open();
  await writeAll(redis);
  const master = await cluster.masterOf(KEYS[0]);
  for (const replica of await cluster.replicasOf(master)) await replica.kill9();
  await master.kill9();

  await readUntil(redis, [null, ...VALUES.slice(1)]);
  await untilSo('the check says that a master is away', async () => !(await redis.check()));
  const late = openRedis({ url: new Secret(cluster.url), clock: systemClock, logger: createLog('silent') });
  opened.push(late);
  await readUntil(late, [null, ...VALUES.slice(1)]);

  await cluster.heal();
  while ((await redis.cache.read([KEYS[0]]))[0] !== 'written since') {
    await redis.cache.write(KEYS[0], 'written since', 60);
    await poll(10);
  }
});

test('the cluster is down: everything misses, hints are heard all the same, and reads come back', async () => {
  const [one, other] = [await open(), await open()];
  const listener = new Recorder();
  await one.hints.subscribe(listener);
  await writeAll(one);
  const master = await cluster.masterOf(KEYS[0]);
  const set = (value: string) =>
    Promise.all(
      cluster.nodes
        .filter(({ isRunning }) => isRunning)
        .map((node) => cluster.ask(node, 'CONFIG', 'SET', 'cluster-require-full-coverage', value)),
    );
  for (const replica of await cluster.replicasOf(master)) await replica.kill9();
  await set('yes');
  await master.kill9();

  await readUntil(one, [null, null, null]);
  await tellUntilHeard(other, listener, 1);

  await set('no');
  await readUntil(one, [null, ...VALUES.slice(1)]);
});

test('misses after FLUSHALL on every node, and goes on', async () => {
  const redis = await open({ clock: createStillClock() });
  await writeAll(redis);
  expect(await redis.cache.read(KEYS)).toEqual(VALUES);
  for (const key of KEYS) await (await cluster.masterOf(key)).flush();
  expect(await redis.cache.read(KEYS)).toEqual([null, null, null]);
  await writeAll(redis);
  expect(await redis.cache.read(KEYS)).toEqual(VALUES);
});

test('starts with all nodes down but one, and closes while everything hangs', async () => {
  const master = await cluster.masterOf(KEYS[0]);
  const url = cluster.url.replace(/\d+/g, (digits) =>
    digits.length === 5 && digits !== `${master.port}` ? '1' : digits,
  );
  const redis = await open({ url });
  await readUntil(redis, await redis.cache.read(KEYS));
  cluster.hang();
  const reading = redis.cache.read(KEYS);
  await redis.close();
  expect(await reading).toEqual([null, null, null]);
  await untilSo('the check says that a master is away', async () => !(await redis.check()));
});

test('uses the password of its URLs on every node, and tells nobody', async () => {
  for (const node of cluster.nodes) {
    await cluster.ask(node, 'CONFIG', 'SET', 'masterauth', 'correct horse:/@');
    await cluster.ask(node, 'CONFIG', 'SET', 'requirepass', 'correct horse:/@');
  }
  const withPassword = (password: string) => cluster.url.replaceAll('//', `//:${encodeURIComponent(password)}@`);
  const right = await open({ url: withPassword('correct horse:/@') });
  const listener = new Recorder();
  await right.hints.subscribe(listener);
  await writeAll(right);
  await readUntil(right, VALUES);
  await tellUntilHeard(right, listener, 1);

  const { logger, lines } = recordedLog();
  const wrong = openRedis({ url: new Secret(withPassword('battery-staple')), clock: systemClock, logger });
  opened.push(wrong);
  while (lines().length === 0) await poll(10);
  expect(await wrong.check()).toBe(false);
  expect(lines()).toEqual([expect.stringContaining('WRONGPASS')]);
  expect(lines().join()).not.toContain('battery-staple');
});

/** Two connections, and the node over which the first one hears the second. */
async function openOver() {
  const one = await open();
  const listener = new Recorder();
  await one.hints.subscribe(listener);
  await tellUntilHeard(one, listener, 0);
  const counts = await Promise.all(
    cluster.nodes.map(async (each) => (await cluster.ask(each, 'PUBSUB', 'NUMSUB', 'castellan:hints')) as unknown[]),
  );
  const node = cluster.nodes.find((_, n) => Number(counts[n]?.[1]) > 0);
  if (node === undefined) throw new Error('nobody has subscribed');
  const other = await open();
  await tellUntilHeard(other, listener, 1);
  return { one, other, listener, node };
}

async function masterIdOf(replica: RedisServer): Promise<string> {
  const line = String(await cluster.ask(replica, 'CLUSTER', 'NODES'))
    .split('\n')
    .find((each) => each.includes('myself'));
  return line?.split(' ')[3] ?? '';
}

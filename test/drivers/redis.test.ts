import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as poll } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { openRedis, type RedisConnection } from '../../src/drivers/redis/redis.ts';
import { type Clock, systemClock } from '../../src/kit/clock.ts';
import { createLog, type Log } from '../../src/kit/log.ts';
import { Secret } from '../../src/kit/secret.ts';
import { ACKNOWLEDGEMENT, Recorder } from '../contract/hints.contract.ts';
import { createPatientClock } from '../support/patient-clock.ts';
import { recordedLog } from '../support/recorded-log.ts';
import { type RedisServer, startRedisServer } from '../support/redis-server.ts';

let server: RedisServer;
let opened: RedisConnection[];

beforeEach(async () => {
  opened = [];
  server = await startRedisServer();
});

afterEach(async () => {
  server.resume();
  await Promise.all(opened.map((redis) => redis.close()));
  await server.stop();
});

function open(url = server.url, logger: Log = createLog('silent'), clock: Clock = systemClock): RedisConnection {
  const redis = openRedis({ url: new Secret(url), clock, logger });
  opened.push(redis);
  return redis;
}

async function ready(redis: RedisConnection): Promise<void> {
  while (!(await redis.check())) await poll(10);
}

/** News may be lost while connections are made anew, so it is told until it is heard. */
async function tellUntilHeard(from: RedisConnection, listener: Recorder, seq: number): Promise<void> {
  while (!listener.seqs.includes(seq)) {
    from.hints.publishHint(seq);
    await poll(10);
  }
}

/** Stands before the server and can let connections die without a word to either end. */
async function startCable(url: string): Promise<{ url: string; cut(): void; close(): void }> {
  const sockets = new Set<Socket>();
  const cable = createServer((near) => {
    const far = connect(Number(new URL(url).port), '127.0.0.1');
    for (const socket of [near, far]) sockets.add(socket.on('error', () => {}));
    near.pipe(far).pipe(near);
  }).listen(0, '127.0.0.1');
  await once(cable, 'listening');
  const address = cable.address();
  if (typeof address !== 'object' || address === null) throw new TypeError('the cable has no port');
  return {
    url: `redis://127.0.0.1:${address.port}`,
    cut: () => sockets.forEach((socket) => socket.unpipe().pause()),
    close() {
      sockets.forEach((socket) => socket.destroy());
      cable.close();
    },
  };
}

test('starts while Redis is down, and subscribes when it comes', async () => {
  await server.kill9();
  const [one, other] = [open(), open()];
  const listener = new Recorder();

  await one.hints.subscribe(listener);
  expect(await one.check()).toBe(false);
  expect(await one.cache.read(['a', 'b'])).toEqual([null, null]);
  await one.cache.write('a', 'value', 60);
  other.hints.publishHint(1);

  await server.restart();
  await tellUntilHeard(other, listener, 2);
  expect(listener.seqs).not.toContain(1);
  await ready(one);
  // What takes longer than a slow machine allows is a miss.
  while ((await one.cache.read(['a']))[0] !== 'value') await one.cache.write('a', 'value', 60);
  expect(await one.cache.read(['b'])).toEqual([null]);
});

test('lives through kill -9 and a restart under load', async () => {
  const script = `
    const [{ openRedis }, { systemClock }, { createLog }, { Secret }] = await Promise.all(
      ['drivers/redis/redis', 'kit/clock', 'kit/log', 'kit/secret'].map((name) => import(process.argv[1] + name + '.ts')));
    const redis = openRedis({ url: new Secret(process.argv[2]), clock: systemClock, logger: createLog('silent') });
    let goesOn = true;
    process.once('SIGTERM', () => (goesOn = false));
    const listener = { hint() {}, acknowledged() {} };
    await redis.hints.subscribe(listener);
    for (let n = 0, wasUp = false; goesOn; n += 1) {
      for (let i = 0; i < 50; i += 1) {
        void redis.cache.write('k' + i, 'v', 60);
        void redis.cache.read(['k' + i, 'x']);
        void redis.cache.forget(['k' + i]);
        redis.hints.publishHint(n);
        void redis.hints.subscribe(listener);
      }
      const isUp = await redis.check();
      if (isUp !== wasUp) console.log(isUp ? 'up' : 'down');
      wasUp = isUp;
      await new Promise(setImmediate);
    }
    await redis.close();
  `;
  const src = new URL('../../src/', import.meta.url).href;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, src, server.url]);
  let complaints = '';
  child.stderr.on('data', (chunk: Buffer) => (complaints += chunk.toString()));
  const ended = once(child, 'exit');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();

  expect((await lines.next()).value).toBe('up');
  for (let round = 0; round < 3; round += 1) {
    await server.kill9();
    expect((await lines.next()).value).toBe('down');
    await server.restart();
    expect((await lines.next()).value).toBe('up');
  }
  child.kill('SIGTERM');
  expect({ ended: await ended, complaints }).toEqual({ ended: [0, null], complaints: '' });
});

test('hears hints and acknowledgements again after a restart', async () => {
  const [one, other] = [open(), open()];
  const listener = new Recorder();
  await one.hints.subscribe(listener);
  await ready(other);
  for (const seq of [1, 2]) {
    await tellUntilHeard(other, listener, seq);
    await server.kill9();
    await server.restart();
  }
  await tellUntilHeard(other, listener, 3);
  other.hints.publishAcknowledgement(ACKNOWLEDGEMENT);
  await listener.until(() => listener.acknowledgements.length > 0);
  expect(listener.acknowledgements).toEqual([ACKNOWLEDGEMENT]);
});

test('misses after FLUSHALL, and goes on', async () => {
  const redis = open(server.url, createLog('silent'), createPatientClock());
  await ready(redis);
  await redis.cache.write('a', 'value', 60);
  await server.flush();
  expect(await redis.cache.read(['a'])).toEqual([null]);
  await redis.cache.write('a', 'value', 60);
  expect(await redis.cache.read(['a'])).toEqual(['value']);
});

test('answers null while the server hangs, however often it is asked, and recovers', async () => {
  const redis = open();
  const listener = new Recorder();
  await redis.hints.subscribe(listener);
  await ready(redis);
  await redis.cache.write('a', 'value', 60);

  server.pause();
  const reads = await Promise.all(Array.from({ length: 1000 }, () => redis.cache.read(['a'])));
  expect(reads.every(([value]) => value === null)).toBe(true);
  await redis.cache.write('a', 'other', 60);
  await redis.cache.forget(['a']);
  expect(await redis.check()).toBe(false);
  await open().hints.subscribe(new Recorder());

  server.resume();
  await tellUntilHeard(redis, listener, 7);
  await ready(redis);
  while ((await redis.cache.read(['b']))[0] !== 'value') {
    await redis.cache.write('b', 'value', 60);
    await poll(10);
  }
});

test('gives up waiting for a value after 100 ms by its clock', async () => {
  const timers: { ms: number; fn: () => void }[] = [];
  const clock: Clock = { ...systemClock, after: (ms, fn) => ({ cancel() {}, at: timers.push({ ms, fn }) }) };
  const redis = open(server.url, createLog('silent'), clock);
  await ready(redis);
  server.pause();
  timers.length = 0;

  const reading = redis.cache.read(['a']);
  const [deadline] = timers.filter(({ ms }) => ms <= 100);
  expect(deadline?.ms).toBe(100);
  deadline?.fn();
  expect(await reading).toEqual([null]);
});

test('connects anew when the network cuts a connection off silently', async () => {
  const cable = await startCable(server.url);
  const [one, other] = [open(cable.url), open()];
  const listener = new Recorder();
  await one.hints.subscribe(listener);
  await ready(one);

  cable.cut();

  await tellUntilHeard(other, listener, 1);
  await ready(one);
  await one.close();
  cable.close();
});

test('drops what no instance can have sent', async () => {
  const [one, other] = [open(), open()];
  const listener = new Recorder();
  await one.hints.subscribe(listener);
  await ready(other);
  const mallory = new Redis(server.url);

  const { signature: _, ...unsigned } = ACKNOWLEDGEMENT;
  const garbage = [
    '',
    'x',
    'null',
    '1',
    '[]',
    '{}',
    '"seq"',
    '{"seq":',
    Buffer.from([0xff, 0xfe, 0]),
    '['.repeat(1024),
  ];
  const hints = [
    { seq: -1 },
    { seq: 1.5 },
    { seq: '1' },
    { seq: null },
    { seq: 1e300 },
    { seq: 1, pad: 'x'.repeat(2000) },
  ];
  const acknowledgements = [
    unsigned,
    { ...ACKNOWLEDGEMENT, applied: '41' },
    { ...ACKNOWLEDGEMENT, applied: -1 },
    { ...ACKNOWLEDGEMENT, instanceId: 7 },
    { ...ACKNOWLEDGEMENT, epoch: { toString: 'x' } },
    { ...ACKNOWLEDGEMENT, signature: 'x'.repeat(2000) },
    { seq: 1 },
  ];
  const forged = [...hints, ...acknowledgements].map((value) => JSON.stringify(value));
  for (const channel of ['castellan:hints', 'castellan:acknowledgements']) {
    for (const message of [...garbage, ...forged]) {
      const isGenuine = channel === 'castellan:hints' && message === JSON.stringify({ seq: 1 });
      if (!isGenuine) await mallory.publish(channel, message);
    }
  }
  await mallory.publish('castellan:acknowledgements', JSON.stringify({ ...ACKNOWLEDGEMENT, more: 'words' }));
  await mallory.publish('castellan:hints', '{"seq":9,"__proto__":{"x":1}}');
  mallory.disconnect();

  await listener.until(() => listener.seqs.length > 0 && listener.acknowledgements.length > 0);
  expect(listener.seqs).toEqual([9]);
  expect(listener.acknowledgements).toEqual([ACKNOWLEDGEMENT]);
});

test('reads what others wrote as misses when it is no value of ours', async () => {
  const redis = open(server.url, createLog('silent'), createPatientClock());
  await ready(redis);
  const mallory = new Redis(server.url);
  await mallory.lpush('list', 'x');
  await mallory.set('huge', 'x'.repeat(1_000_000));
  await mallory.set('there', 'value');
  mallory.disconnect();
  expect(await redis.cache.read(['list', 'huge', 'there'])).toEqual([null, null, 'value']);
});

test('uses the password and the database of its URL, and tells nobody', async () => {
  const admin = new Redis(server.url);
  await admin.config('SET', 'requirepass', 'correct horse:/@');
  const { host } = new URL(server.url);
  const right = open(`redis://:${encodeURIComponent('correct horse:/@')}@${host}/3`);
  await ready(right);
  await right.cache.write('a', 'value', 60);
  await admin.select(3);
  expect(await admin.get('a')).toBe('value');
  admin.disconnect();

  const { logger, lines } = recordedLog();
  const wrong = open(`redis://:battery-staple@${host}`, logger);
  while (lines().length === 0) await poll(10);
  expect(await wrong.check()).toBe(false);
  expect(lines()).toEqual([expect.stringContaining('WRONGPASS')]);
  expect(lines().join()).not.toContain('battery-staple');
});

test('logs an outage once, and its end', async () => {
  const { logger, lines } = recordedLog();
  const redis = open(server.url, logger);
  await ready(redis);
  await redis.hints.subscribe(new Recorder());
  expect(lines()).toEqual([]);

  for (let outage = 1; outage <= 2; outage += 1) {
    await server.kill9();
    while (lines().length < 2 * outage - 1) await poll(10);
    await server.restart();
    while (lines().length < 2 * outage) await poll(10);
  }
  await redis.close();
  expect(lines().map((line): unknown => JSON.parse(line))).toMatchObject(
    [40, 30, 40, 30].map((level) => ({ level, server: new URL(server.url).host })),
  );
});

test('closed before it was connected it logs nothing: no server was away', async () => {
  const { logger, lines } = recordedLog();
  for (let turns = 0; turns < 10; turns += 1) {
    const redis = openRedis({ url: new Secret(server.url), clock: systemClock, logger });
    for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => void setImmediate(resolve));
    await redis.close();
  }
  expect(lines()).toEqual([]);
});

test('closes whether Redis runs, hangs or is gone', async () => {
  const [runs, hangs, gone] = [open(), open(), open()];
  await Promise.all([runs, hangs, gone].map(ready));
  await runs.close();
  expect(await runs.check()).toBe(false);
  expect(await runs.cache.read(['a'])).toEqual([null]);

  server.pause();
  const reading = hangs.cache.read(['a']);
  await hangs.close();
  expect(await reading).toEqual([null]);
  server.resume();

  await server.kill9();
  while (await gone.check()) await poll(10);
  await gone.close();
  await open().close();
});

test.each(['', 'localhost:6379', 'http://localhost', 'redis://', 'redis://:hunter2@h/x', 'redis://:hunter2@h?db=1'])(
  'refuses the URL %p without repeating it',
  (url) => {
    expect(() => open(url)).toThrow(TypeError);
    expect(() => open(url)).not.toThrow(/hunter2/);
  },
);

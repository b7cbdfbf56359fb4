import { afterEach, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { InstanceShare } from '../../../src/domain/limits/instance-share.ts';
import type { Asked, RateLimits } from '../../../src/domain/limits/rate-limits.ts';
import { LimitsWithFallback } from '../../../src/domain/limits/limits-with-fallback.ts';
import { UncountedUses } from '../../../src/domain/usage/uncounted-uses.ts';
import { openRedis, type RedisConnection } from '../../../src/drivers/redis/redis.ts';
import { type Clock, systemClock } from '../../../src/kit/clock.ts';
import { createLog } from '../../../src/kit/log.ts';
import { Secret } from '../../../src/kit/secret.ts';
import { startRedisSentinel } from '../../support/redis-sentinel.ts';
import { startRedisServer } from '../../support/redis-server.ts';
import { createStillClock } from '../../support/still-clock.ts';
import { untilSo } from '../../support/until.ts';

const INSTANCES = 5;
const MAX = 100;

const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (let back = undo.pop(); back !== undefined; back = undo.pop()) await back();
});

/** What five instances over that Redis have. */
async function instancesOver(
  url: string,
  clock: Clock = systemClock,
): Promise<{ limits: readonly LimitsWithFallback[]; shared: readonly RateLimits[] }> {
  const opened: RedisConnection[] = [];
  for (let n = 0; n < INSTANCES; n += 1) {
    const redis = openRedis({ url: new Secret(url), clock, logger: createLog('silent') });
    opened.push(redis);
    undo.push(() => redis.close());
    await untilSo('Redis answers', () => redis.check());
  }
  const limits = opened.map(
    ({ rateLimits, usage }) =>
      new LimitsWithFallback({
        uncounted: new UncountedUses({ counts: usage, clock, logger: createLog('silent') }),
        limits: rateLimits,
        share: new InstanceShare({ clock: systemClock, instances: () => INSTANCES }),
      }),
  );
  return { limits, shared: opened.map(({ rateLimits }) => rateLimits) };
}

const aWindow = (subject: string): Asked => ({
  subject,
  windows: [{ name: 'owner', of: subject, max: MAX, seconds: 3_600 }],
  cost: 1,
});

/** How many of so many at once on every instance are allowed. */
async function burst(limits: readonly LimitsWithFallback[], asked: Asked, each: number): Promise<number> {
  const all = limits.flatMap((one) => Array.from({ length: each }, () => one.take(asked)));
  return (await Promise.all(all)).filter(({ allowed }) => allowed).length;
}

describe('AC-49e: limits over five instances', () => {
  test('let nothing through beyond the maximum, whoever asks for how many at once', async () => {
    const redis = await startRedisServer();
    undo.push(() => redis.stop());
    // However slow the machine is, no deadline passes.
    const { limits } = await instancesOver(redis.url, createStillClock());
    for (let round = 0; round < 5; round += 1) {
      const asked = aWindow(`user_${randomUUID()}`);
      expect(await burst(limits, asked, 60)).toBe(MAX);
      expect(await burst(limits, asked, 60)).toBe(0);
    }
  });

  test('let through what they had before and once the maximum while Redis is gone, and no more when it is back', async () => {
    const redis = await startRedisServer();
    undo.push(() => redis.stop());
    const { limits, shared } = await instancesOver(redis.url);
    const asked = aWindow(`user_${randomUUID()}`);
    const before = await burst(limits, asked, 6);
    expect(before).toBe(30);
    const [rest] = await Promise.all([burst(limits, asked, 2), redis.kill9()]);
    const during = rest + (await burst(limits, asked, 100));
    expect(during).toBeLessThanOrEqual(MAX + 10);
    expect(during).toBeGreaterThan(MAX / 2);
    // It has lost all it knew; the shares have not.
    await redis.restart();
    await untilSo('everybody counts there again', async () => {
      const asked = aWindow(`user_${randomUUID()}`);
      return (await Promise.all(shared.map((one) => one.take(asked)))).every((taken) => taken !== null);
    });
    expect(before + during + (await burst(limits, asked, 100))).toBeLessThanOrEqual(MAX + before + rest);
  });

  test('let through no more beyond the maximum than they had before a failover that comes in the middle of a burst', async () => {
    const sentinel = await startRedisSentinel();
    undo.push(() => sentinel.stop());
    const { limits, shared } = await instancesOver(sentinel.url);
    const asked = aWindow(`user_${randomUUID()}`);
    let allowed = await burst(limits, asked, 4);
    const before = allowed;
    const master = await sentinel.master();
    const service = { isBack: false };
    const failover = (async () => {
      await master?.kill9();
      await untilSo('another is the master', async () => {
        const other = await sentinel.master();
        return other !== null && other !== master;
      });
      await untilSo('everybody counts there', async () => {
        const asked = aWindow(`user_${randomUUID()}`);
        return (await Promise.all(shared.map((one) => one.take(asked)))).every((taken) => taken !== null);
      });
      service.isBack = true;
    })();
    while (!service.isBack) {
      allowed += await burst(limits, asked, 1);
      await new Promise(setImmediate);
    }
    await failover;
    allowed += await burst(limits, asked, 100);
    expect(before).toBe(20);
    // Those that were under way when it died may have been counted there or not.
    expect(allowed).toBeLessThanOrEqual(MAX + before + INSTANCES);
    expect(allowed).toBeGreaterThanOrEqual(MAX - INSTANCES);
  });
});

describe('the share of an instance', () => {
  test('is the maximum divided by how many there are, and at least one', () => {
    let instances = 1;
    const share = new InstanceShare({ clock: systemClock, instances: () => instances });
    const allowed = (): number => {
      const asked = { ...aWindow(randomUUID()), windows: [{ name: 'user', of: 'user_1', max: 10, seconds: 60 }] };
      return Array.from({ length: 20 }, () => share.take(asked)).filter(({ allowed }) => allowed).length;
    };
    for (const [count, expected] of [
      [1, 10],
      [3, 3],
      [10, 1],
      [50, 1],
    ] as const) {
      instances = count;
      expect(allowed()).toBe(expected);
    }
  });
});

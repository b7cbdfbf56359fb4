import { expect, test } from '@jest/globals';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { setTimeout as poll } from 'node:timers/promises';
import { openRedis } from '../../src/drivers/redis/redis.ts';
import { systemClock } from '../../src/kit/clock.ts';
import { Secret } from '../../src/kit/secret.ts';
import { Recorder } from '../contract/hints.contract.ts';
import { createCertificate } from '../support/certificate.ts';
import { recordedLog } from '../support/recorded-log.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';
import { startRedisSentinel } from '../support/redis-sentinel.ts';
import { startRedisServer } from '../support/redis-server.ts';

const tls = createCertificate();

test.each([
  ['a server', () => startRedisServer({ tls }), 'self-signed certificate'],
  ['a cluster', () => startRedisCluster({ tls }), 'self-signed certificate'],
  ['sentinels and the master they name', () => startRedisSentinel({ tls }), 'failed to connect to sentinel'],
])('%s over TLS, when its certificate is trusted, and not otherwise', async (_, start, reason) => {
  const place = await start();
  const known = getCACertificates('default');
  const { logger, lines } = recordedLog();
  const redis = openRedis({ url: new Secret(place.url), clock: systemClock, logger });
  try {
    while (lines().length === 0) await poll(10);
    expect(lines()[0]).toContain(reason);
    expect(await redis.check()).toBe(false);

    setDefaultCACertificates([...known, tls.certificate]);
    while (!(await redis.check())) await poll(10);
    const keys = Array.from({ length: 20 }, (_each, n) => `{user_${n}}`);
    await Promise.all(keys.map((key) => redis.cache.write(key, key, 60)));
    while ((await redis.cache.read(keys)).includes(null)) {
      await Promise.all(keys.map((key) => redis.cache.write(key, key, 60)));
      await poll(10);
    }
    const listener = new Recorder();
    await redis.hints.subscribe(listener);
    while (!listener.seqs.includes(1)) {
      redis.hints.publishHint(1);
      await poll(10);
    }
  } finally {
    setDefaultCACertificates(known);
    await redis.close();
    await place.stop();
  }
});

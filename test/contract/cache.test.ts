import { Redis } from 'ioredis';
import { createMemoryHub } from '../../src/drivers/memory/memory.ts';
import { openRedis } from '../../src/drivers/redis/redis.ts';
import { systemClock } from '../../src/kit/clock.ts';
import { createLog } from '../../src/kit/log.ts';
import { Secret } from '../../src/kit/secret.ts';
import { startRedisServer } from '../support/redis-server.ts';
import { describeCacheContract } from './cache.contract.ts';

const NEVER_LATE = 'it lives in the memory of the process, and nothing can keep it from answering';

describeCacheContract({
  name: 'memory',
  except: {
    'must answer with null for all when it cannot answer in time': NEVER_LATE,
    'must never throw when it cannot answer in time': NEVER_LATE,
  },
  async open() {
    let nowMs = 0;
    const { cache } = createMemoryHub({ ...systemClock, monotonicMs: () => nowMs });
    return {
      cache,
      async pass(seconds) {
        nowMs += seconds * 1000;
      },
      hang: () => Promise.reject(new TypeError(NEVER_LATE)),
      release: () => cache.close(),
    };
  },
});

describeCacheContract({
  name: 'Redis',
  async open() {
    const server = await startRedisServer();
    const redis = openRedis({ url: new Secret(server.url), clock: systemClock, logger: createLog('silent') });
    while (!(await redis.check())) await new Promise(setImmediate);
    const timekeeper = new Redis(server.url);
    return {
      cache: redis.cache,
      async pass(seconds) {
        // Answered when the server's own clock says so: nobody ever pushes.
        await timekeeper.blpop('nothing is pushed here', seconds);
      },
      hang: async () => server.pause(),
      async release() {
        timekeeper.disconnect();
        await redis.close();
        await server.stop();
      },
    };
  },
});

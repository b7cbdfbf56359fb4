import { createMemoryHub } from '../../src/drivers/memory/memory.ts';
import { openRedis } from '../../src/drivers/redis/redis.ts';
import { systemClock } from '../../src/kit/clock.ts';
import { createLog } from '../../src/kit/log.ts';
import { Secret } from '../../src/kit/secret.ts';
import { createPatientClock } from '../support/patient-clock.ts';
import { REDIS_PLACES } from '../support/redis-places.ts';
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

for (const [name, start] of REDIS_PLACES) {
  describeCacheContract({
    name,
    async open() {
      const place = await start();
      const clock = createPatientClock();
      const redis = openRedis({ url: new Secret(place.url), clock, logger: createLog('silent') });
      while (!(await redis.check())) await new Promise(setImmediate);
      return {
        cache: redis.cache,
        pass: (seconds) => place.pass(seconds),
        async hang() {
          clock.hurry();
          place.hang();
        },
        async release() {
          await redis.close();
          await place.stop();
        },
      };
    },
  });
}

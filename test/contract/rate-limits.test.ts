import { createMemoryHub } from '../../src/drivers/memory/memory.ts';
import { openRedis } from '../../src/drivers/redis/redis.ts';
import { systemClock } from '../../src/kit/clock.ts';
import { createLog } from '../../src/kit/log.ts';
import { Secret } from '../../src/kit/secret.ts';
import { createPatientClock } from '../support/patient-clock.ts';
import { REDIS_PLACES } from '../support/redis-places.ts';
import { describeRateLimitsContract } from './rate-limits.contract.ts';

const INSTANCES = 5;

describeRateLimitsContract({
  name: 'memory',
  except: {
    'must answer with null when it cannot answer in time, and must never throw':
      'it lives in the memory of the process, and nothing can keep it from answering',
  },
  async open() {
    let nowMs = 0;
    const { rateLimits } = createMemoryHub({ ...systemClock, monotonicMs: () => nowMs });
    return {
      instances: Array.from({ length: INSTANCES }, () => rateLimits),
      async pass(seconds) {
        nowMs += seconds * 1_000;
      },
      hang: async () => {},
      release: async () => {},
    };
  },
});

for (const [name, start] of REDIS_PLACES) {
  describeRateLimitsContract({
    name,
    async open() {
      const place = await start();
      const clock = createPatientClock();
      const all = Array.from({ length: INSTANCES }, () =>
        openRedis({ url: new Secret(place.url), clock, logger: createLog('silent') }),
      );
      for (const redis of all) while (!(await redis.check())) await new Promise(setImmediate);
      return {
        instances: all.map(({ rateLimits }) => rateLimits),
        pass: (seconds) => place.pass(seconds),
        async hang() {
          clock.hurry();
          place.hang();
        },
        async release() {
          await Promise.all(all.map((redis) => redis.close()));
          await place.stop();
        },
      };
    },
  });
}

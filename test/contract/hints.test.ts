import { afterAll } from '@jest/globals';
import type { Hints } from '../../src/domain/authority/hints.ts';
import { createMemoryHub } from '../../src/drivers/memory/memory.ts';
import { openRedis, type RedisConnection } from '../../src/drivers/redis/redis.ts';
import { systemClock } from '../../src/kit/clock.ts';
import { createLog } from '../../src/kit/log.ts';
import { Secret } from '../../src/kit/secret.ts';
import { REDIS_PLACES, type StartedPlace } from '../support/redis-places.ts';
import { describeHintsContract } from './hints.contract.ts';

describeHintsContract({
  name: 'memory',
  except: {
    'subscribe must resolve when nothing answers': 'nobody is asked: subscribing is an entry in a set of the process',
  },
  async open() {
    const hub = createMemoryHub(systemClock);
    const all: Hints[] = [];
    return {
      async join() {
        const hints = hub.openHints();
        all.push(hints);
        return hints;
      },
      // Nothing lies between the instances that could hang.
      hang: async () => {},
      async release() {
        await Promise.all(all.map((hints) => hints.close()));
      },
    };
  },
});

for (const [name, start] of REDIS_PLACES) {
  // Starting them takes longer than any of the laws: they serve all, one after the other.
  let place: Promise<StartedPlace> | undefined;

  describeHintsContract({
    name,
    async open() {
      const { url, hang, recover } = await (place ??= start());
      await recover();
      const all: RedisConnection[] = [];
      return {
        async join() {
          const redis = openRedis({ url: new Secret(url), clock: systemClock, logger: createLog('silent') });
          all.push(redis);
          while (!(await redis.check())) await new Promise(setImmediate);
          return redis.hints;
        },
        hang: async () => hang(),
        async release() {
          await recover();
          await Promise.all(all.map((redis) => redis.close()));
        },
      };
    },
  });

  afterAll(async () => (await place)?.stop());
}

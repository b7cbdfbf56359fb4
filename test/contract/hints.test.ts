import type { Hints } from '../../src/domain/authority/hints.ts';
import { createMemoryHub } from '../../src/drivers/memory/memory.ts';
import { openRedis, type RedisConnection } from '../../src/drivers/redis/redis.ts';
import { systemClock } from '../../src/kit/clock.ts';
import { createLog } from '../../src/kit/log.ts';
import { Secret } from '../../src/kit/secret.ts';
import { startRedisServer } from '../support/redis-server.ts';
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

describeHintsContract({
  name: 'Redis',
  async open() {
    const server = await startRedisServer();
    const all: RedisConnection[] = [];
    return {
      async join() {
        const redis = openRedis({ url: new Secret(server.url), clock: systemClock, logger: createLog('silent') });
        all.push(redis);
        while (!(await redis.check())) await new Promise(setImmediate);
        return redis.hints;
      },
      hang: async () => server.pause(),
      async release() {
        server.resume();
        await Promise.all(all.map((redis) => redis.close()));
        await server.stop();
      },
    };
  },
});

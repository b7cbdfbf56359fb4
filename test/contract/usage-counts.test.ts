import { createMemoryHub } from '../../src/drivers/memory/memory.ts';
import { openRedis } from '../../src/drivers/redis/redis.ts';
import { systemClock } from '../../src/kit/clock.ts';
import { createLog } from '../../src/kit/log.ts';
import { Secret } from '../../src/kit/secret.ts';
import { createPatientClock } from '../support/patient-clock.ts';
import { REDIS_PLACES } from '../support/redis-places.ts';
import { describeUsageCountsContract } from './usage-counts.contract.ts';

describeUsageCountsContract({
  name: 'memory',
  except: {
    'must begin another era when it has lost what it counted': 'what the process loses goes with the process',
    'must answer with null when it cannot answer in time, and must never throw':
      'it lives in the memory of the process, and nothing can keep it from answering',
  },
  async open() {
    let nowMs = 0;
    const hub = createMemoryHub({ ...systemClock, monotonicMs: () => nowMs });
    return {
      instances: [hub, hub, hub],
      async pass(seconds) {
        nowMs += seconds * 1_000;
      },
      lose: async () => {},
      hang: async () => {},
      release: async () => {},
    };
  },
});

for (const [name, start] of REDIS_PLACES) {
  describeUsageCountsContract({
    name,
    async open() {
      const place = await start();
      const clock = createPatientClock();
      const connect = async () => {
        const redis = openRedis({ url: new Secret(place.url), clock, logger: createLog('silent') });
        while (!(await redis.check())) await new Promise(setImmediate);
        return redis;
      };
      const all = [await connect(), await connect(), await connect()] as const;
      return {
        instances: all,
        pass: (seconds) => place.pass(seconds),
        lose: () => place.lose(),
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

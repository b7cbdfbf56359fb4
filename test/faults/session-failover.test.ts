import { afterEach, expect, test } from '@jest/globals';
import { closeConnections } from './clients.ts';
import { addUsers, type Cluster, startClusterOver } from './cluster.ts';
import { SessionLoad } from './session-load.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';
import { startRedisSentinel } from '../support/redis-sentinel.ts';
import { untilSo } from '../support/until.ts';

/**
 * A replica that has stood still takes over from its master: whatever Redis was told in the meantime is gone, and what was
 * true before is there again.
 */

const FULL = process.env['CASTELLAN_FAULTS'] === 'full';
const ROUNDS = FULL ? 5 : 1;
const CLIENTS = FULL ? 12 : 4;
const TEST_MS = FULL ? 400_000 : 90_000;
const KEY = 'castellan';

const undo: (() => Promise<void>)[] = [];

afterEach(async () => {
  closeConnections();
  for (let back = undo.pop(); back !== undefined; back = undo.pop()) await back();
}, 60_000);

test(
  'a master of a cluster gives way to a replica that missed revocations, and none that was revoked comes back',
  async () => {
    const redis = await startRedisCluster();
    undo.push(() => redis.stop());
    const load = await startLoad(redis.url);
    for (let round = 0; round < ROUNDS; round += 1) {
      const master = await redis.masterOf(KEY);
      const [replica] = await redis.replicasOf(master);
      if (replica === undefined) throw new TypeError('the master has no replica');
      replica.pause();
      await load.reached(CLIENTS * 15);
      await master.kill9();
      replica.resume();
      await untilSo('the replica has taken over', () =>
        redis.masterOf(KEY).then(
          () => true,
          () => false,
        ),
      );
      await load.reached(CLIENTS * 15);
      if (round + 1 < ROUNDS) await redis.heal();
    }
    await expectNothingLost('a cluster rolled back', load);
  },
  TEST_MS,
);

test(
  'a master watched by sentinels gives way to a replica that missed revocations, and none that was revoked comes back',
  async () => {
    const redis = await startRedisSentinel();
    undo.push(() => redis.stop());
    const load = await startLoad(redis.url);
    for (let round = 0; round < ROUNDS; round += 1) {
      const master = await redis.master();
      const replica = redis.servers.find((server) => server !== master);
      if (master === null || replica === undefined) throw new TypeError('there is no master with a replica');
      replica.pause();
      await load.reached(CLIENTS * 15);
      await master.kill9();
      replica.resume();
      await untilSo('the replica has taken over', async () => (await redis.master()) === replica);
      await load.reached(CLIENTS * 15);
      if (round + 1 < ROUNDS) {
        await master.restart();
        await redis.heal();
      }
    }
    await expectNothingLost('sentinels rolled back', load);
  },
  TEST_MS,
);

let cluster: Omit<Cluster, 'redis'>;

async function startLoad(redisUrl: string): Promise<SessionLoad> {
  cluster = await startClusterOver(redisUrl, 2);
  undo.push(() => cluster.close());
  const load = new SessionLoad(cluster.instances);
  load.start(await addUsers(cluster, CLIENTS));
  undo.push(() => load.stop());
  await load.reached(CLIENTS * 20);
  return load;
}

async function expectNothingLost(what: string, load: SessionLoad): Promise<void> {
  await load.stop();
  await load.verify();
  const { live, ended, counts, problems } = load;
  process.stdout.write(
    `${what}: ${live.size} live and ${ended.length} ended sessions; ${JSON.stringify(counts)}; ${problems.length} problems\n`,
  );
  expect(problems).toEqual([]);
  expect(cluster.instances.filter(({ running }) => !running).map(({ lines }) => lines.at(-1))).toEqual([]);
  expect(Math.min(live.size, ended.length)).toBeGreaterThanOrEqual(CLIENTS);
}

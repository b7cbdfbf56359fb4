import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { closeConnections } from './clients.ts';
import { addUsers, type Cluster, type Instance, startCluster, type TestUser } from './cluster.ts';
import { SessionLoad } from './session-load.ts';
import { codesOfReplay, rotate, untilReady } from './session-steps.ts';

/** Three instances whose sessions are used without pause while what they stand on is killed. */

const FULL = process.env['CASTELLAN_FAULTS'] === 'full';
const KILLS = FULL ? 20 : 3;
const CLIENTS = FULL ? 12 : 6;
const TEST_MS = FULL ? 600_000 : 60_000;

let cluster: Cluster;
let users: readonly TestUser[];
let load: SessionLoad;

beforeAll(async () => {
  cluster = await startCluster(3);
  users = await addUsers(cluster, CLIENTS);
}, 60_000);

afterAll(async () => {
  closeConnections();
  await cluster?.close();
}, 60_000);

beforeEach(async () => {
  load = new SessionLoad(cluster.instances);
  load.start(users);
  await load.reached(CLIENTS * 20);
}, 60_000);

afterEach(() => load.stop());

test(
  `Redis is killed ${KILLS} times, and no session is lost and none that was revoked comes back`,
  async () => {
    for (let kill = 0; kill < KILLS; kill += 1) {
      await cluster.redis.kill9();
      await load.reached(40);
      await cluster.redis.restart();
      await load.reached(momentOf(kill));
    }
    await expectNothingLost('Redis killed');
  },
  TEST_MS,
);

test(
  `PostgreSQL is killed ${KILLS} times, and no session is lost and none that was revoked comes back`,
  async () => {
    load.excuse('INTERNAL');
    for (let kill = 0; kill < KILLS; kill += 1) {
      await cluster.postgres.stop();
      await cluster.postgres.start();
      await untilReady(cluster.instances);
      await load.reached(momentOf(kill));
    }
    await expectNothingLost('PostgreSQL killed');
  },
  TEST_MS,
);

test(
  'all instances are killed at once under load, and no session is lost and none that was revoked comes back',
  async () => {
    load.excuse('connection');
    for (let kill = 0; kill < (FULL ? 5 : 1); kill += 1) {
      await Promise.all(cluster.instances.map((instance) => instance.kill9()));
      // The first one alone is soonest there for those who wait.
      for (const instance of cluster.instances) await instance.start();
      await load.reached(momentOf(kill));
    }
    await expectNothingLost('all instances killed');
  },
  TEST_MS,
);

test(
  'AC-14: a refresh token that was replaced before everything was killed is known as such after it, and ends its family',
  async () => {
    await load.reached(CLIENTS);
    await load.stop();
    const [session] = load.live;
    if (session === undefined) throw new TypeError('there is no session');
    const old = session.refreshToken;
    const { accessToken, refreshToken } = await rotate(at(0), old);

    await Promise.all([
      cluster.postgres.stop(),
      cluster.redis.kill9(),
      ...cluster.instances.map((instance) => instance.kill9()),
    ]);
    await Promise.all([cluster.postgres.start(), cluster.redis.restart()]);
    await Promise.all(cluster.instances.map((instance) => instance.start()));
    // As if the grace, which is for answers that were lost, were over.
    await cluster.postgres.query(
      `update sessions set rotated_at = rotated_at - interval '1 hour' where id = $1 returning id`,
      [session.id],
    );

    expect(await codesOfReplay(at(1), { refreshToken: old })).toEqual(['SESSION_REVOKED']);
    for (const instance of cluster.instances) {
      expect(await codesOfReplay(instance, { accessToken })).toEqual(['SESSION_REVOKED']);
      expect(await codesOfReplay(instance, { refreshToken })).toEqual(['SESSION_REVOKED']);
    }
    const rows = await cluster.postgres.query('select revoked_reason as reason from sessions where id = $1', [
      session.id,
    ]);
    expect(rows).toEqual([{ reason: 'refresh_reuse' }]);
  },
  TEST_MS,
);

function at(index: number): Instance {
  const instance = cluster.instances[index];
  if (instance === undefined) throw new TypeError(`there is no instance ${index}`);
  return instance;
}

/** How much is done until the next kill: no two come at the same moment of what clients do. */
function momentOf(kill: number): number {
  return 30 + ((kill * 37) % 53);
}

async function expectNothingLost(what: string): Promise<void> {
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

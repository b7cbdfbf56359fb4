import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { setTimeout as poll } from 'node:timers/promises';
import { TIMING } from '../../src/domain/authority/timing.ts';
import { Secret } from '../../src/kit/secret.ts';
import { type Castellans, codesOf, recordStatements, startCastellans } from '../support/castellan.ts';
import { type RedisCluster, startRedisCluster } from '../support/redis-cluster.ts';
import type { RedisServer } from '../support/redis-server.ts';

/** Two instances over a Redis Cluster whose masters fail over. */

const KEY = 'castellan';
const ME = '{ me { id } }';
const REVOKE = `mutation ($id: ID!) { revokeSession(id: $id) { receipt { enforced instances acknowledged } } }`;

/**
 * Polls are so far apart that what one instance has applied is told by Redis long before the rows would tell it.
 */
const RARE_POLLS = { ...TIMING, pollMs: 3_000, leaseMs: 9_000, changeDeadlineMs: 9_000 };

let cluster: RedisCluster;
let castellans: Castellans;

beforeAll(async () => {
  cluster = await startRedisCluster();
  const settings = { redisUrl: new Secret(cluster.url) };
  castellans = await startCastellans(2, { settings, timing: RARE_POLLS });
});

afterAll(async () => {
  await castellans?.close();
  await cluster?.stop();
});

test('a revocation is enforced by the word of both instances, before and after a failover', async () => {
  await bothHear();
  await revokeEverywhere();

  const master = await cluster.masterOf(KEY);
  await master.kill9();
  while (!(await isOwned())) await poll(10);
  await bothHear();
  await revokeEverywhere();
});

test('it is, too, after the nodes were killed through which they hear each other', async () => {
  await cluster.heal();
  await bothHear();
  for (const node of await subscribed()) await node.kill9();
  await bothHear();
  await revokeEverywhere();
});

/** By each instance in turn, of a session that the other one knows. */
async function revokeEverywhere(): Promise<void> {
  const admin = await castellans.signUp('alice', ['administrator']);
  for (const [at, other] of [
    [0, 1],
    [1, 0],
  ] as const) {
    const bob = await castellans.signUp('bob');
    for (const instance of [at, other]) {
      expect((await castellans.ask(ME, { token: bob.accessToken, instance })).data).toEqual({ me: { id: bob.id } });
    }
    const { names, stop } = recordStatements(castellans.apps);
    const { data } = await castellans.ask(REVOKE, {
      variables: { id: bob.sessionId },
      token: admin.accessToken,
      instance: at,
    });
    stop();
    expect(data).toEqual({ revokeSession: { receipt: { enforced: true, instances: 2, acknowledged: 2 } } });
    expect(names).not.toContain('authority-standing');
    for (const instance of [at, other]) {
      expect(codesOf(await castellans.ask(ME, { token: bob.accessToken, instance }))).toEqual(['SESSION_REVOKED']);
    }
  }
}

async function isOwned(): Promise<boolean> {
  return cluster.masterOf(KEY).then(
    () => true,
    () => false,
  );
}

async function bothHear(): Promise<void> {
  const count = async (): Promise<number> => {
    const running = cluster.nodes.filter(({ isRunning }) => isRunning);
    const counts = await Promise.all(running.map(listenersAt));
    return counts.reduce((sum, each) => sum + each, 0);
  };
  while ((await count()) !== 2) await poll(10);
}

async function subscribed(): Promise<readonly RedisServer[]> {
  const counts = await Promise.all(cluster.nodes.map(listenersAt));
  return cluster.nodes.filter((_, n) => (counts[n] ?? 0) > 0);
}

async function listenersAt(node: RedisServer): Promise<number> {
  const [, count] = (await cluster.ask(node, 'PUBSUB', 'NUMSUB', 'castellan:acknowledgements')) as unknown[];
  return Number(count);
}

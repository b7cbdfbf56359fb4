import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Balancer, isReady } from './balancer.ts';
import { closeConnections, signIn, Socket } from './clients.ts';
import { addUsers, type Cluster, startCluster } from './cluster.ts';
import { RenameLoad } from './rename-load.ts';

const DRAIN_SECONDS = 1;
const CLIENTS = 3;

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster(3, { DRAIN_SECONDS: String(DRAIN_SECONDS) });
}, 60_000);

afterAll(async () => {
  closeConnections();
  await cluster.close();
}, 30_000);

test('three instances are restarted one after the other under load, and no request fails or is carried out twice', async () => {
  const users = await addUsers(cluster, CLIENTS);
  const balancer = new Balancer(cluster.instances);
  const load = new RenameLoad(balancer, users);
  try {
    for (const instance of cluster.instances) {
      const { token } = await signIn(instance.url, users[0]?.email ?? '');
      const socket = await Socket.open(instance.url, token);
      expect(await instance.terminate()).toBe(0);
      expect(await socket.closed).toBe(1001);
      await instance.start();
      while (!balancer.has(instance)) await isReady(instance);
    }
  } finally {
    await load.stop();
    await balancer.stop();
  }

  expect(load.failures).toEqual([]);
  const { acknowledged, carriedOut } = await load.changes(cluster);
  expect(carriedOut).toEqual(acknowledged);
  expect(Math.min(...acknowledged)).toBeGreaterThan(0);
  process.stdout.write(`rolling restart: ${load.asked} requests, ${load.failures.length} failed\n`);
}, 120_000);

test('an instance that leaves says so first, goes on answering, and keeps no connection', async () => {
  const [instance] = cluster.instances;
  if (instance === undefined) throw new TypeError('there is one');
  const socket = await Socket.open(instance.url, null);
  const order: string[] = [];
  void socket.closed.then((code) => order.push(`a socket closed with ${code}`));
  const end = instance.terminate();
  let ready = true;
  while (ready) ready = await isReady(instance);
  order.push('not ready');
  const answer = await fetch(`${instance.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: '{ me { id } }' }),
  });
  expect([answer.status, answer.headers.get('connection'), await answer.json()]).toEqual([
    200,
    'close',
    { data: { me: null } },
  ]);
  order.push('answered');
  const health = await fetch(`${instance.url}/health/ready`);
  expect([health.status, await health.json()]).toEqual([
    503,
    {
      status: 'unavailable',
      checks: { authority: true, pool: true, policy: true, migrations: true, staying: false },
      reasons: {},
    },
  ]);
  expect(await end).toBe(0);
  await socket.closed;
  expect(order).toEqual(['not ready', 'answered', 'a socket closed with 1001']);
  await expect(fetch(`${instance.url}/health/live`)).rejects.toThrow('fetch failed');
}, 30_000);

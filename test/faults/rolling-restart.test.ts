import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ask, closeConnections, type Reply, signIn, Socket } from './clients.ts';
import { addUsers, type Cluster, type Instance, startCluster } from './cluster.ts';

const DRAIN_SECONDS = 1;
const ASKS_EVERY_MS = 100;
const CLIENTS = 3;

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster(3, { DRAIN_SECONDS: String(DRAIN_SECONDS) });
}, 60_000);

afterAll(async () => {
  closeConnections();
  await cluster.close();
}, 30_000);

/** What stands in front of instances: it sends to those that say they are ready, in turn. */
class Balancer {
  readonly #instances: readonly Instance[];
  #ready: readonly Instance[];
  #turn = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(instances: readonly Instance[]) {
    this.#instances = instances;
    this.#ready = instances;
    this.#look();
  }

  /** Another one is tried where no connection came about: nothing was sent. Keep-alive as a gateway has it. */
  async ask(query: string, options: { token: string; variables?: object }): Promise<Reply> {
    for (let tries = 1; ; tries += 1) {
      const instance = this.#ready[(this.#turn += 1) % this.#ready.length];
      try {
        return await ask(instance?.url ?? '', query, { ...options, once: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED' || tries === this.#instances.length) throw error;
      }
    }
  }

  has(instance: Instance): boolean {
    return this.#ready.includes(instance);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #look(): void {
    this.#timer = setTimeout(() => {
      void Promise.all(this.#instances.map(async (instance) => ((await isReady(instance)) ? [instance] : []))).then(
        (found) => {
          this.#ready = found.flat();
          this.#look();
        },
      );
    }, ASKS_EVERY_MS);
  }
}

async function isReady({ url, running }: Instance): Promise<boolean> {
  if (!running) return false;
  const response = await fetch(`${url}/health/ready`).catch(() => null);
  await response?.text();
  return response?.ok === true;
}

const RENAME = `mutation ($id: ID!, $name: String!) {
  updateUser(input: { id: $id, name: $name }) { user { name } receipt { enforced } }
}`;

test('three instances are restarted one after the other under load, and no request fails or is carried out twice', async () => {
  const users = await addUsers(cluster, CLIENTS);
  const [first] = cluster.instances;
  const sessions = await Promise.all(users.map(({ email }) => signIn(first?.url ?? '', email)));
  const balancer = new Balancer(cluster.instances);
  const load = { over: false };
  let asked = 0;
  const failures: unknown[] = [];
  const renamed = users.map(() => 0);
  const clients = sessions.map(async ({ token }, n) => {
    const { id } = users[n] ?? { id: '' };
    for (let turn = 0; !load.over && failures.length === 0; turn += 1) {
      const isChange = turn % 10 === 0;
      const options = { token, ...(isChange && { variables: { id, name: `bob ${turn}` } }) };
      const reply = await balancer.ask(isChange ? RENAME : '{ me { id roles { name } } }', options).catch(String);
      asked += 1;
      if (typeof reply === 'string' || reply.status !== 200 || reply.codes.length > 0) failures.push(reply);
      else if (isChange) renamed[n] = (renamed[n] ?? 0) + 1;
    }
  });

  try {
    for (const instance of cluster.instances) {
      const socket = await Socket.open(instance.url, sessions[0]?.token ?? '');
      expect(await instance.terminate()).toBe(0);
      expect(await socket.closed).toBe(1001);
      await instance.start();
      while (!balancer.has(instance)) await isReady(instance);
    }
  } finally {
    load.over = true;
    await Promise.all(clients);
    balancer.stop();
  }

  expect(failures).toEqual([]);
  const rows = await cluster.postgres.query<{ subject_id: string; count: string }>(
    `select subject_id, count(*) from audit_entries where action = 'user.update' and subject_id = any($1)
     group by subject_id`,
    [users.map(({ id }) => id)],
  );
  const carriedOut = new Map(rows.map(({ subject_id, count }) => [subject_id, Number(count)]));
  expect(users.map(({ id }) => carriedOut.get(id))).toEqual(renamed);
  process.stdout.write(`rolling restart: ${asked} requests, ${failures.length} failed\n`);
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

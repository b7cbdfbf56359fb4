import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { TIMING } from '../../src/domain/authority/timing.ts';
import { ask, closeConnections, type Reply, signIn } from './clients.ts';
import { addUsers, type Cluster, Instance, KEY_ENCRYPTION_KEY, startCluster, type TestUser } from './cluster.ts';
import { castellan } from '../cli/running.ts';
import { startRedisProxy } from './redis-proxy.ts';

/** More of them by `npm run test:faults`. */
const KILLS = process.env['CASTELLAN_FAULTS'] === 'full' ? 10 : 1;
const ADMIN = 'admin@castellan.local';
/** 2L of silence, a round of the collector, the wait for the last lease, and another round. */
const COLLECTED_MS = 20_000;

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster(2);
}, 60_000);

afterEach(() => {
  // What one test broke must not be the next one's fault.
  for (const instance of cluster.instances) if (instance.paused) instance.resume();
});

afterAll(async () => {
  closeConnections();
  await cluster.close();
}, 30_000);

interface Receipt {
  readonly enforced: boolean;
  readonly instances: number;
  readonly acknowledged: number;
  readonly waitedMs: number;
}

test('a killed instance takes no acknowledged write with it, and is waited for no longer when it was collected', async () => {
  const [first, second] = both();
  const load = await startLoad(second);
  await load.reached(5);
  await second.kill9();
  const { users, sessions } = await load.stop();

  expect(await missing(users, sessions)).toEqual([]);
  const token = await adminToken(first);
  const dead = await revokeOne(first, token);
  // Until it is collected its lease has to run out each time, and that is all that its death costs.
  expect(dead).toMatchObject({ enforced: true, instances: 2, acknowledged: 1 });

  await until('the dead instance was collected', COLLECTED_MS, async () => (await members()) === 1);
  const collected = await revokeOne(first, token);
  expect(collected).toMatchObject({ enforced: true, instances: 1, acknowledged: 1 });
  expect(collected.waitedMs).toBeLessThan(TIMING.leaseMs);

  await second.start();
  expect(await revokeOne(second, token)).toMatchObject({ enforced: true, instances: 2, acknowledged: 2 });
  say(
    `killed: ${users.length} users and ${sessions.length} revocations acknowledged; receipt before collection ${dead.waitedMs} ms, after ${collected.waitedMs} ms`,
  );
}, 60_000);

test('SIGTERM answers what is under way, gives the place up and ends with 0', async () => {
  const [first, second] = both();
  const token = await adminToken(second);
  const [user] = await addUsers(cluster, 1);
  const { sessionId } = await signIn(first.url, user?.email ?? '');
  // With the other one stopped the receipt takes a lease, so that the request is under way for long enough.
  first.pause();
  const answer = revokeSession(second, token, sessionId);
  await until('the change was committed', 5_000, async () => (await revokedSessions([sessionId])).length === 1);
  const signalledAtMs = performance.now();
  const end = await second.terminate();
  const tookMs = performance.now() - signalledAtMs;
  const { data } = await answer;
  first.resume();

  expect(data).toMatchObject({ revokeSession: { receipt: { enforced: true, acknowledged: 1 } } });
  expect(end).toBe(0);
  expect(tookMs).toBeLessThan(10_000);
  expect(await members()).toBe(1);
  await second.start();
  say(`SIGTERM: ended with ${end} after ${tookMs.toFixed(0)} ms`);
}, 60_000);

test('PostgreSQL that crashes under load ends no instance, loses nothing acknowledged, and all goes on by itself', async () => {
  const [first, second] = both();
  const loads = await Promise.all([startLoad(first), startLoad(second)]);
  await Promise.all(loads.map((load) => load.reached(5)));
  await cluster.postgres.stop();
  // Longer than a lease: nobody may decide any more.
  await until('no instance was ready', 10_000, async () => !(await isReady(first)) && !(await isReady(second)));
  const refused = await ask(first.url, '{ me { id } }');
  await cluster.postgres.start();
  await until('both instances were ready again', 10_000, async () => (await isReady(first)) && (await isReady(second)));
  const acknowledged = await Promise.all(loads.map((load) => load.stop()));

  expect([refused.status, refused.codes]).toEqual([503, ['AUTHORITY_UNAVAILABLE']]);
  expect([first.running, second.running]).toEqual([true, true]);
  for (const { users, sessions } of acknowledged) expect(await missing(users, sessions)).toEqual([]);
  expect(await revokeOne(first, await adminToken(first))).toMatchObject({ enforced: true, acknowledged: 2 });
  const writes = acknowledged.reduce((sum, { users, sessions }) => sum + users.length + sessions.length, 0);
  say(`PostgreSQL crashed: ${writes} acknowledged writes, none lost`);
}, 60_000);

test('an instance starts while Redis is away, and receipts come through the rows', async () => {
  const [first] = both();
  const token = await adminToken(first);
  await cluster.redis.kill9();
  const proxy = await startRedisProxy(cluster.redis.url);
  const third = new Instance(2, cluster.postgres.url, proxy);
  try {
    await third.start();
    const receipts = [await revokeOne(third, token), await revokeOne(first, token)];
    expect(receipts).toEqual([
      expect.objectContaining({ enforced: true, instances: 3, acknowledged: 3 }),
      expect.objectContaining({ enforced: true, instances: 3, acknowledged: 3 }),
    ]);
    expect(await third.terminate()).toBe(0);
    say(`Redis away: receipts after ${receipts.map(({ waitedMs }) => waitedMs).join(' and ')} ms`);
  } finally {
    await third.end();
    await proxy.close();
    await cluster.redis.restart();
  }
}, 60_000);

test('whatever is killed at whatever moment, the audit has each change that was committed once and no other, in a whole chain', async () => {
  const [, second] = both();
  for (let round = 0; round < KILLS; round += 1) {
    const load = await startLoad(second);
    await load.reached(1 + round);
    await second.kill9();
    await load.stop();
    await second.start();
  }

  const ids = async (text: string) =>
    (await cluster.postgres.query<{ id: string }>(text)).map(({ id }) => id).toSorted();
  const audited = (action: string) => ids(`select subject_id as id from audit_entries where action = '${action}'`);
  expect(await audited('session.start')).toEqual(await ids('select id from sessions'));
  expect(await audited('session.revoke')).toEqual(await ids('select id from sessions where revoked_at is not null'));
  const created = await ids(`select id from users where email like 'load%' or email = '${ADMIN}'`);
  expect(await audited('user.create')).toEqual(created);

  const env = { DATABASE_URL: cluster.postgres.url, KEY_ENCRYPTION_KEY };
  let found = { unchained: 1, entries: 0, problems: [] as readonly object[] };
  await until('all was chained', 10_000, async () => {
    found = JSON.parse((await castellan(['audit', 'verify', '--json'], env)).stdout) as typeof found;
    return found.unchained === 0;
  });
  expect(found.problems).toEqual([]);
  say(
    `audit: ${found.entries} entries after ${KILLS + 1} kills and a crash of PostgreSQL, ${created.length} users created`,
  );
}, 300_000);

function both(): readonly [Instance, Instance] {
  const [first, second] = cluster.instances;
  if (first === undefined || second === undefined) throw new TypeError('there are not two instances');
  return [first, second];
}

async function adminToken(instance: Instance): Promise<string> {
  return (await signIn(instance.url, ADMIN)).token;
}

function revokeSession(instance: Instance, token: string, id: string): Promise<Reply> {
  const query = `mutation ($id: ID!) {
    revokeSession(id: $id) { receipt { enforced instances acknowledged waitedMs } }
  }`;
  return ask(instance.url, query, { token, variables: { id } });
}

function receiptOf({ data }: Reply): Receipt | undefined {
  return (data?.['revokeSession'] as { receipt: Receipt } | null | undefined)?.receipt;
}

/** Revokes the session of a new user. */
async function revokeOne(instance: Instance, token: string): Promise<Receipt> {
  const [user] = await addUsers(cluster, 1);
  const { sessionId } = await signIn(instance.url, user?.email ?? '');
  const reply = await revokeSession(instance, token, sessionId);
  const receipt = receiptOf(reply);
  if (receipt === undefined) throw new Error(`revokeSession was answered with ${reply.codes.join(', ')}`);
  return receipt;
}

interface Acknowledged {
  /** Addresses of users whose creation was answered. */
  readonly users: readonly string[];
  /** Sessions whose revocation was answered, enforced or not. */
  readonly sessions: readonly string[];
}

interface Load {
  /** Resolves when so many writes of each kind were acknowledged. */
  reached(count: number): Promise<void>;
  stop(): Promise<Acknowledged>;
}

const LANES = 3;
let loads = 0;

/** Creates users and revokes sessions on one instance, some at a time, whatever becomes of it, until it is stopped. */
async function startLoad(instance: Instance): Promise<Load> {
  const token = await adminToken(instance);
  const name = `load${(loads += 1)}`;
  const users: string[] = [];
  const sessions: string[] = [];
  const stopped = new AbortController();
  let count = 0;
  const waiting = await sessionsOf(await addUsers(cluster, 5), instance, 40);

  const createUser = async (): Promise<void> => {
    const email = `${name}.${(count += 1)}@example.com`;
    const query = 'mutation ($input: CreateUserInput!) { createUser(input: $input) { user { id } } }';
    const { data } = await ask(instance.url, query, { token, variables: { input: { email, name } } });
    if (data?.['createUser'] != null) users.push(email);
  };
  const revokeNext = async (): Promise<void> => {
    const sessionId = waiting.pop();
    if (sessionId === undefined) return pause(10);
    const reply = await revokeSession(instance, token, sessionId);
    if (receiptOf(reply) !== undefined) sessions.push(sessionId);
  };
  const lane = async (work: () => Promise<void>): Promise<void> => {
    // What fails was not acknowledged, and then there is no point in hurry.
    while (!stopped.signal.aborted) await work().catch(() => pause(20));
  };
  const lanes = Array.from({ length: LANES }, () => [lane(createUser), lane(revokeNext)]).flat();
  return {
    reached: (target) =>
      until('the load was under way', 20_000, () => Promise.resolve(Math.min(users.length, sessions.length) >= target)),
    async stop() {
      stopped.abort();
      await Promise.all(lanes);
      return { users, sessions };
    },
  };
}

async function sessionsOf(users: readonly TestUser[], { url }: Instance, count: number): Promise<string[]> {
  const sessions: string[] = [];
  for (let n = 0; n < count; n += 1) {
    const { sessionId } = await signIn(url, users[n % users.length]?.email ?? '');
    sessions.push(sessionId);
  }
  return sessions;
}

/** What was acknowledged and is not in the database. */
async function missing(users: readonly string[], sessions: readonly string[]): Promise<readonly string[]> {
  const created = await cluster.postgres.query<{ email: string }>('select email from users where email = any($1)', [
    users,
  ]);
  const kept = new Set([...created.map(({ email }) => email), ...(await revokedSessions(sessions))]);
  return [...users, ...sessions].filter((each) => !kept.has(each));
}

async function revokedSessions(ids: readonly string[]): Promise<readonly string[]> {
  const text = `select s.id from sessions s join authority_log l on l.target = s.id and l.kind = 'revoked'
    where s.id = any($1) and s.revoked_at is not null and l.seq is not null`;
  return (await cluster.postgres.query<{ id: string }>(text, [ids])).map(({ id }) => id);
}

async function members(): Promise<number> {
  const rows = await cluster.postgres.query<{ id: string }>('select id from instances');
  return rows.length;
}

async function isReady({ url }: Instance): Promise<boolean> {
  return (await fetch(`${url}/health/ready`)).ok;
}

async function until(what: string, ms: number, done: () => Promise<boolean>): Promise<void> {
  const giveUpAtMs = performance.now() + ms;
  while (!(await done())) {
    if (performance.now() > giveUpAtMs) throw new Error(`within ${ms} ms it never came that ${what}`);
    await pause(20);
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rename, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { readConfig } from '../../src/config.ts';
import { openHttpSink } from '../../src/drivers/http/audit-sink.ts';
import { openWebhook } from '../../src/drivers/http/webhook.ts';
import { migrate } from '../../src/drivers/postgres/migrate.ts';
import { openRedis, type RedisConnection } from '../../src/drivers/redis/redis.ts';
import { systemClock } from '../../src/kit/clock.ts';
import { createLog } from '../../src/kit/log.ts';
import { FileSecret } from '../../src/kit/secret-files.ts';
import { makeFolder } from '../cli/running.ts';
import { type Castellans, codesOf, type SignedInUser, startCastellans, until } from '../support/castellan.ts';
import { createDatabase, runOn, type TestDatabase } from '../support/database.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';
import { startRedisSentinel } from '../support/redis-sentinel.ts';
import { startRedisServer } from '../support/redis-server.ts';

/** That secrets may be replaced while instances run: whoever connects, signs or compares uses what the file has then. */

/** What the others are members of, as leases of a vault are. */
const GROUP = `group_${randomBytes(4).toString('hex')}`;
const ROLES = ['first', 'second'].map((name) => `${name}_of_${GROUP}`);
const [FIRST = '', SECOND = ''] = ROLES;
const SERVER = process.env['TEST_POSTGRES_URL'] ?? '';
const USERS = '{ users(first: 2) { edges { node { id name } } } }';

let folder: Awaited<ReturnType<typeof makeFolder>>;

beforeAll(async () => {
  folder = await makeFolder();
});

afterAll(() => folder.remove());

/** In one step, as those do who mount secrets. */
async function put(name: string, text: string): Promise<string> {
  const path = join(folder.path, name);
  await writeFile(`${path}.new`, `${text}\n`, { mode: 0o600 });
  await rename(`${path}.new`, path);
  return path;
}

describe('PostgreSQL', () => {
  let database: TestDatabase;
  let castellans: Castellans;
  let alice: SignedInUser;

  const as = (username: string, password: string): string =>
    Object.assign(new URL(database.url), { username, password }).href;
  /** As when what was lent is taken back. */
  const end = (role: string): Promise<void> =>
    runOn(SERVER, `select pg_terminate_backend(pid) from pg_stat_activity where usename = '${role}'`);
  const users = async (): Promise<readonly string[]> => {
    const client = new Client({ connectionString: database.url });
    await client.connect();
    const { rows } = await client.query<{ name: string }>(
      `select distinct usename as name from pg_stat_activity where datname = current_database() and usename = any($1)`,
      [ROLES],
    );
    await client.end();
    return rows.map(({ name }) => name);
  };
  const answers = async (): Promise<boolean> => {
    const { accessToken: token } = alice;
    const all = await Promise.all([0, 1].map((instance) => castellans.ask(USERS, { token, instance })));
    return all.every(({ errors }) => errors.length === 0);
  };

  beforeAll(async () => {
    const members = ROLES.map((role) => `create role ${role} login password 'one' in role ${GROUP}`);
    await runOn(SERVER, `create role ${GROUP}`, ...members);
    database = await createDatabase();
    await migrate(database.url, { grantTo: GROUP });
    const url = as(FIRST, 'one');
    castellans = await startCastellans(2, {
      settings: { databaseUrl: new FileSecret(await put('database', url), url) },
    });
    alice = await castellans.signUp('alice', ['administrator', 'member']);
  });

  afterAll(async () => {
    await castellans?.close();
    await database?.drop();
    await runOn(SERVER, ...[...ROLES, GROUP].map((role) => `drop role ${role}`));
  });

  test('another password: both instances go on with it, and take changes', async () => {
    await runOn(SERVER, `alter role ${FIRST} password 'two'`);
    await put('database', as(FIRST, 'two'));
    await end(FIRST);
    await until(answers);
    await until(async () => (await castellans.signUp('bob').catch(() => null)) !== null);
    expect(await users()).toEqual([FIRST]);
  });

  test('another user: both go on as that one', async () => {
    await put('database', as(SECOND, 'one'));
    await runOn(SERVER, `alter role ${FIRST} nologin`);
    await end(FIRST);
    await until(answers);
    await until(async () => (await castellans.signUp('carol').catch(() => null)) !== null);
    expect(await users()).toEqual([SECOND]);
  });

  test('while the file has something else, nothing changes; while it has what is refused, it says that it is away, until it has what is not', async () => {
    await put('database', 'half of a');
    await end(SECOND);
    await until(answers);
    await put('database', as(SECOND, 'wrong'));
    await end(SECOND);
    const { accessToken: token } = alice;
    await until(async () => codesOf(await castellans.ask(USERS, { token })).includes('AUTHORITY_UNAVAILABLE'));
    await put('database', as(SECOND, 'one'));
    await until(answers);
  });
});

describe.each([
  ['a Redis server', startServer],
  ['the servers that sentinels name', startSentinel],
  ['a Redis Cluster', startCluster],
])('%s', (_, start) => {
  test('of which another user and password are good: it goes on as that one', async () => {
    const { nodes, url, stop } = await start();
    const onAll = async (...command: readonly [string, ...string[]]): Promise<void> => {
      for (const node of nodes) await node.call(...command);
    };
    const as = (user: string): string => url.replaceAll('://', `://${user}:of-${user}@`);
    const given = (user: string) => ['ACL', 'SETUSER', user, 'on', `>of-${user}`, '~*', '&*', '+@all'] as const;
    let redis: RedisConnection | null = null;
    try {
      await onAll(...given('first'));
      const secret = new FileSecret(await put('redis', as('first')), as('first'));
      redis = openRedis({ url: secret, clock: systemClock, logger: createLog('silent') });
      const opened = redis;
      const works = async (): Promise<boolean> => {
        await opened.cache.write('castellan:x', 'x', 60);
        return (await opened.check()) && (await opened.cache.read(['castellan:x']))[0] === 'x';
      };
      await until(works);
      await onAll(...given('second'));
      await put('redis', as('second'));
      // Ends its connections as well.
      await onAll('ACL', 'DELUSER', 'first');
      await until(works);
      for (const node of nodes) {
        expect(await node.call('CLIENT', 'LIST')).not.toContain('user=first');
      }
    } finally {
      await redis?.close();
      for (const node of nodes) node.disconnect();
      await stop();
    }
  });
});

describe('those who are told of something', () => {
  interface Heard {
    readonly path: string;
    readonly authorization: string | undefined;
    readonly signatures: string;
  }
  const heard: Heard[] = [];
  const server = createServer(({ url = '', headers }, response) => {
    const signatures = String(headers['webhook-signature']);
    heard.push({ path: url, authorization: headers.authorization, signatures });
    response.end();
  });
  let origin: string;

  beforeAll(async () => {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  beforeEach(() => void heard.splice(0));
  afterAll(() => void server.close());

  test('the sink of the audit log is asked with the token and at the address that the files have then', async () => {
    const { auditSink } = readConfig({
      AUDIT_SINK_URL_FILE: await put('sink-url', `${origin}/first`),
      AUDIT_SINK_TOKEN_FILE: await put('sink', 'the first of the tokens'),
    });
    if (auditSink === null) throw new TypeError('there is a sink');
    const sink = openHttpSink(auditSink);
    await sink.send(['{}']);
    await put('sink', 'the second of the tokens');
    await put('sink-url', `${origin}/second`);
    await sink.send(['{}']);
    // Too short, and of another server: a start would have to be asked.
    await put('sink', 'short');
    await put('sink-url', 'http://127.0.0.1:1/third');
    await sink.send(['{}']);
    expect(heard.map(({ path, authorization }) => `${path} ${authorization}`)).toEqual([
      '/first Bearer the first of the tokens',
      '/second Bearer the second of the tokens',
      '/second Bearer the second of the tokens',
    ]);
  });

  test('the webhook is signed with the secrets that the file has then', async () => {
    const [first, second] = [7, 8].map((byte) => `whsec_${Buffer.alloc(32, byte).toString('base64')}`);
    const { securityWebhook } = readConfig({
      SECURITY_WEBHOOK_URL_FILE: await put('webhook-url', `${origin}/first`),
      SECURITY_WEBHOOK_SECRET_FILE: await put('webhook', `${first}`),
    });
    if (securityWebhook === null) throw new TypeError('there is a webhook');
    const webhook = openWebhook({ ...securityWebhook, clock: { ...systemClock, now: () => 0 } });
    const send = () => webhook.send({ id: 'sec_1', body: '{}' });
    await send();
    await put('webhook', `${second}, ${first}`);
    await put('webhook-url', `${origin}/second`);
    await send();
    await put('webhook', `${second}`);
    await send();
    await put('webhook', 'whsec_half');
    await send();
    const [one, both, other, same] = heard.map(({ signatures }) => signatures);
    expect(both).toBe(`${other} ${one}`);
    expect(other).not.toBe(one);
    expect(same).toBe(other);
    expect(heard.map(({ path }) => path)).toEqual(['/first', '/second', '/second', '/second']);
  });
});

test('whoever collects metrics shows the token that the file has then, and the one before is refused', async () => {
  const { metricsToken } = readConfig({ METRICS_TOKEN_FILE: await put('metrics', 'the first of the tokens') });
  const castellans = await startCastellans(1, { settings: { metricsToken } });
  const asked = async (token: string): Promise<number> => {
    const headers = { authorization: `Bearer ${token}` };
    return (await fetch(`${castellans.apps[0]?.url}/metrics`, { headers })).status;
  };
  const both = async () => [await asked('the first of the tokens'), await asked('the second of the tokens')];
  expect(await both()).toEqual([200, 401]);
  await put('metrics', 'the second of the tokens');
  expect(await both()).toEqual([401, 200]);
  await put('metrics', 'short');
  expect([...(await both()), await asked('short')]).toEqual([401, 200, 401]);
  await castellans.close();
});

interface Place {
  /** Connections of whoever runs them. */
  readonly nodes: readonly Redis[];
  readonly url: string;
  readonly stop: () => Promise<void>;
}

async function startServer(): Promise<Place> {
  const server = await startRedisServer();
  return { nodes: [new Redis(server.url)], url: server.url, stop: () => server.stop() };
}

async function startSentinel(): Promise<Place> {
  const sentinel = await startRedisSentinel();
  return { nodes: sentinel.servers.map(({ url }) => new Redis(url)), url: sentinel.url, stop: () => sentinel.stop() };
}

async function startCluster(): Promise<Place> {
  const cluster = await startRedisCluster();
  return { nodes: cluster.nodes.map(({ url }) => new Redis(url)), url: cluster.url, stop: () => cluster.stop() };
}

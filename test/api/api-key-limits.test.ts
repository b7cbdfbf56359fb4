import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { readConfig } from '../../src/config.ts';
import { Secret } from '../../src/kit/secret.ts';
import { apiKeysOn } from '../support/api-keys.ts';
import {
  askOver,
  type Castellans,
  codesOf,
  recordStatements,
  type SignedInUser,
  startCastellans,
} from '../support/castellan.ts';
import { openStream } from '../support/event-stream.ts';
import { WAYS_IN } from '../support/every-door.ts';
import { monitorRedis } from '../support/redis-monitor.ts';
import { type RedisServer, startRedisServer } from '../support/redis-server.ts';

const ME = '{ me { id } }';
const INSTANCES = [0, 1, 2, 3, 4];
const KEY_MAX = 30;
const OWNER_MAX = 45;
const LIMITED = { code: 'RATE_LIMITED', retryAfterSeconds: expect.any(Number) };

let redis: RedisServer;
let castellans: Castellans;
let bob: SignedInUser;

const { createKey, withKey, addAccount } = apiKeysOn(
  () => castellans,
  () => bob,
);

beforeAll(async () => {
  // A Redis of our own: its commands are looked at.
  redis = await startRedisServer();
  castellans = await startCastellans(5, {
    settings: {
      redisUrl: new Secret(redis.url),
      keyRates: [{ max: KEY_MAX, seconds: 600 }],
      ownerRates: [{ max: OWNER_MAX, seconds: 600 }],
    },
  });
}, 40_000);

afterAll(async () => {
  await castellans?.close();
  await redis?.stop();
});

/** What so many questions with each of these keys come to, at every door of every instance, all at once. */
async function burst(secrets: readonly string[], times: number) {
  const asked = INSTANCES.flatMap((instance) =>
    WAYS_IN.flatMap(({ name, ask }) =>
      secrets.flatMap((apiKey, key) =>
        Array.from({ length: times }, async () => ({
          name,
          key,
          refused: await ask(castellans, { apiKey }, instance),
        })),
      ),
    ),
  );
  const answers = await Promise.all(asked);
  const refused = answers.filter((answer) => answer.refused.length > 0);
  for (const answer of refused) expect(answer.refused).toEqual([LIMITED]);
  return { admitted: answers.filter((answer) => answer.refused.length === 0), refused };
}

describe('AC-49e: what comes with API keys, over all doors of five instances at once', () => {
  test('never exceeds the limit of a key', async () => {
    bob = await castellans.signUp('bob');
    const { secret } = await createKey(bob);
    const { admitted, refused } = await burst([secret], 3);
    expect([admitted.length, refused.length]).toEqual([KEY_MAX, 60 - KEY_MAX]);
    // And each door refuses from then on.
    for (const { name, ask } of WAYS_IN) {
      for (const instance of INSTANCES) {
        expect([name, await ask(castellans, { apiKey: secret }, instance)]).toEqual([name, [LIMITED]]);
      }
    }
  });

  test('never exceeds the limit of an owner, however many keys there are, and is nobody else’s', async () => {
    bob = await castellans.signUp('bob');
    const secrets = [await createKey(bob), await createKey(bob), await createKey(bob)].map(({ secret }) => secret);
    const { admitted, refused } = await burst(secrets, 2);
    expect([admitted.length, refused.length]).toEqual([OWNER_MAX, 120 - OWNER_MAX]);
    for (const key of secrets.keys()) {
      expect(admitted.filter((answer) => answer.key === key).length).toBeLessThanOrEqual(KEY_MAX);
    }
    const { secret } = await createKey(await castellans.signUp('carol'));
    expect(codesOf(await withKey(secret, ME))).toEqual([]);
    expect(codesOf(await castellans.ask(ME, { token: bob.accessToken }))).toEqual([]);
  });
});

describe('introspection (RFC 7662)', () => {
  const introspect = (key: string, instance: number, token = 'x') =>
    fetch(`${castellans.apps[instance]?.url}/oauth/introspect`, {
      method: 'POST',
      body: new URLSearchParams({ token }),
      headers: { 'x-api-key': key },
    });
  const aKey = async (roles: readonly string[]) => {
    const alice = await castellans.signUp('alice', ['administrator']);
    return createKey(alice, { serviceAccountId: await addAccount('gateway', roles) });
  };

  test('counts as operations of the key, with those at other doors: refused alike, and no more let through at once', async () => {
    const { secret } = await aKey(['introspector']);
    const [first] = await Promise.all([introspect(secret, 0), withKey(secret, ME)]);
    expect(await first.json()).toEqual({ active: false });
    const answers = await Promise.all(
      Array.from({ length: 2 * KEY_MAX }, (_, n) => introspect(secret, n % INSTANCES.length)),
    );
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(KEY_MAX - 2);
    expect(statuses.filter((status) => status === 429)).toHaveLength(KEY_MAX + 2);
    expect(codesOf(await withKey(secret, ME))).toEqual(['RATE_LIMITED']);
  });

  test('says how things stand, and when to come again', async () => {
    const { secret } = await aKey(['introspector']);
    const told = ({ headers }: Response) => [headers.get('ratelimit-policy'), headers.get('ratelimit')];
    const policy = `"key-600";q=${KEY_MAX};w=600, "owner-600";q=${OWNER_MAX};w=600`;
    const states = (left: number, ofOwner: number) =>
      expect.stringMatching(
        new RegExp(String.raw`^"key-600";r=${left};t=\d+, "owner-600";r=${ofOwner};t=\d+$`),
      ) as unknown;
    expect(told(await introspect(secret, 0))).toEqual([policy, states(KEY_MAX - 1, OWNER_MAX - 1)]);
    for (let n = 1; n < KEY_MAX; n += 1) await introspect(secret, n % INSTANCES.length);
    const refused = await introspect(secret, 0);
    expect([refused.status, refused.headers.get('cache-control')]).toEqual([429, 'private, no-store']);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(told(refused)).toEqual([policy, states(0, OWNER_MAX - KEY_MAX)]);
    expect(await refused.json()).toMatchObject({ errors: [{ extensions: LIMITED }] });
  });
});

test('headers tell of both limits at every door that has any, and a refusal says when to come again', async () => {
  bob = await castellans.signUp('bob');
  const { secret } = await createKey(bob);
  const policy = `"key-600";q=${KEY_MAX};w=600, "owner-600";q=${OWNER_MAX};w=600`;
  const told = (headers: Headers) => [headers.get('ratelimit-policy'), headers.get('ratelimit')];
  const left = (n: number) => [
    policy,
    expect.stringMatching(
      new RegExp(String.raw`^"key-600";r=${KEY_MAX - n};t=\d+, "owner-600";r=${OWNER_MAX - n};t=\d+$`),
    ),
  ];
  const headers = { 'x-api-key': secret };
  const url = (instance: number) => castellans.apps[instance]?.url ?? '';
  const get = (instance: number) =>
    fetch(`${url(instance)}/graphql?query=${encodeURIComponent(ME)}`, {
      headers: { ...headers, 'apollo-require-preflight': '1' },
    });
  for (let n = 0; n < KEY_MAX; n += 3) {
    const instance = n % 5;
    expect(told((await withKey(secret, ME, { instance })).headers)).toEqual(left(n + 1));
    expect(told((await get(instance)).headers)).toEqual(left(n + 2));
    const stream = await openStream(url(instance), ME, { headers });
    expect(told(stream.headers)).toEqual(left(n + 3));
    await stream.all();
  }
  for (const instance of INSTANCES) {
    const stream = await openStream(url(instance), ME, { headers });
    await stream.json();
    const answers = [await withKey(secret, ME, { instance }), await get(instance), stream];
    for (const answer of answers) {
      expect([answer.status, ...told(answer.headers)]).toEqual([429, ...left(KEY_MAX)]);
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    }
  }
});

test('a warm operation with a key is one round trip to Redis and none to PostgreSQL', async () => {
  bob = await castellans.signUp('bob');
  const { secret } = await createKey(bob);
  for (const instance of INSTANCES) expect(codesOf(await withKey(secret, ME, { instance }))).toEqual([]);
  const client = new Redis(redis.url);
  await client.ping();
  const commands: string[] = [];
  const seen = Promise.withResolvers<void>();
  const monitor = await monitorRedis(redis.url, ({ args, source }) => {
    if (args[1] === 'that was all') seen.resolve();
    // What a script does within Redis is no round trip.
    else if (source !== 'lua') commands.push(args[0]?.toLowerCase() ?? '');
  });
  const { names, stop } = recordStatements(castellans.apps);
  const socket = castellans.connect({ apiKey: secret });
  expect(codesOf(await askOver(socket, ME))).toEqual([]);
  for (const instance of INSTANCES) {
    for (let n = 0; n < 3; n += 1) expect(codesOf(await withKey(secret, ME, { instance }))).toEqual([]);
  }
  stop();
  await client.echo('that was all');
  await seen.promise;
  monitor.stop();
  client.disconnect();
  // Acknowledgements and hints go with heartbeats.
  const beats = new Set(['publish', 'subscribe', 'ping']);
  expect(commands.filter((name) => !beats.has(name))).toEqual(Array.from({ length: 16 }, () => 'evalsha'));
  // When keys were last used is written behind, whatever is asked.
  expect(names.filter((name) => name !== 'a transaction')).toEqual([]);
});

describe('what was used', () => {
  const CASES = [
    ['is answered', ME, ['admitted']],
    [
      'has errors',
      '{ user(id: "user_none") { id } session(id: "sess_none") { id } explain(principalId: "user_none", action: "read", subject: "User") { allowed } }',
      ['admitted', 'failed'],
    ],
    ['is no document', '{ nothing { of } the kind }', ['admitted', 'failed']],
    ['cannot be read', '{ me { id ', ['admitted', 'failed']],
  ] as const;

  test.each(CASES)('counts an operation that %s once, at every door', async (_, query, outcomes) => {
    bob = await castellans.signUp('bob');
    for (const { name, ask } of WAYS_IN) {
      for (const instance of [0, 3]) {
        const { apiKey, secret } = await createKey(bob);
        const errors = await ask(castellans, { apiKey: secret }, instance, query);
        expect({ name, failed: errors.length > 0 }).toEqual({ name, failed: outcomes.length > 1 });
        expect({ name, counted: await counted(apiKey.id) }).toEqual({
          name,
          counted: outcomes.map((outcome) => ({ version: '1', outcome, count: 1 })),
        });
      }
    }
  });

  test('counts what was limited as that, and not as failed', async () => {
    bob = await castellans.signUp('bob');
    const { apiKey, secret } = await createKey(bob);
    await burst([secret], 2);
    expect(await counted(apiKey.id)).toEqual([
      { version: '1', outcome: 'admitted', count: KEY_MAX },
      { version: '1', outcome: 'limited', count: 40 - KEY_MAX },
    ]);
  });

  /** Over all operations, written by now. */
  async function counted(id: string): Promise<readonly object[]> {
    for (const { services } of castellans.apps) await services.uncountedUses.send();
    await castellans.apps[0]?.services.usageFlusher.flush();
    return castellans.rows(
      `select version, outcome, sum(count)::int as count from usage_counts where id = $1
       group by version, outcome order by version, outcome`,
      id,
    );
  }
});

test('RATE_LIMIT_KEYS and RATE_LIMIT_OWNERS say how many', () => {
  const settings = { RATE_LIMIT_KEYS: '5/1m', RATE_LIMIT_OWNERS: '10/1m, 100/1h' };
  expect(readConfig(settings).keyRates).toEqual([{ max: 5, seconds: 60 }]);
  expect(readConfig(settings).ownerRates).toEqual([
    { max: 10, seconds: 60 },
    { max: 100, seconds: 3_600 },
  ]);
});

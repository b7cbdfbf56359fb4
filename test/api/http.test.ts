import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose';
import { Redis } from 'ioredis';
import { Secret } from '../../src/kit/secret.ts';
import { recordStatements, startCastellans, type Castellans, type SignedInUser } from '../support/castellan.ts';
import { startRedisServer, type RedisServer } from '../support/redis-server.ts';

const JSON_TYPE = { 'content-type': 'application/json' };
const ME = '{ me { id } }';
const REVOKE = 'mutation ($id: ID!) { revokeSession(id: $id) { position receipt { enforced } } }';

let redis: RedisServer;
let castellans: Castellans;
let alice: SignedInUser;
let bob: SignedInUser;

beforeAll(async () => {
  // A Redis of our own: its commands are counted.
  redis = await startRedisServer();
  castellans = await startCastellans(3, { settings: { redisUrl: new Secret(redis.url) } });
  alice = await castellans.signUp('alice', ['administrator']);
  bob = await castellans.signUp('bob');
});

afterAll(async () => {
  await castellans.close();
  await redis.stop();
});

const urlOf = (instance = 0): string => castellans.apps[instance]?.url ?? '';

interface Raw {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly code: unknown;
}

async function request(path: string, init: RequestInit = {}, instance = 0): Promise<Raw> {
  const response = await fetch(urlOf(instance) + path, init);
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, code: codeIn(text) };
}

function codeIn(text: string): unknown {
  try {
    const body = JSON.parse(text) as { errors?: readonly { extensions?: { code?: unknown } }[] };
    return body.errors?.[0]?.extensions?.code;
  } catch {
    return undefined;
  }
}

const post = (body: string, headers: Record<string, string> = JSON_TYPE) =>
  request('/graphql', { method: 'POST', headers, body });

describe('a body that is no request', () => {
  test.each([
    ['is empty', '', 400],
    ['is not JSON', '{ me { id } }', 400],
    ['is cut short', '{"query":"{ me {', 400],
    ['is null', 'null', 400],
    ['is a string', '"{ me { id } }"', 400],
    ['is an array: batches would multiply guesses', `[${JSON.stringify({ query: ME })}]`, 400],
    ['is an empty array', '[]', 400],
    ['has no query', '{}', 400],
    ['has a query that is null', '{"query":null}', 400],
    ['has a query that is no text', '{"query":{"a":1}}', 400],
    ['has an empty query', '{"query":""}', 400],
    ['has a query that is not GraphQL', '{"query":"select 1"}', 400],
    [
      'has thousands of brackets in each other',
      `{"query":"{ me(a: ${'['.repeat(2_400)}${']'.repeat(2_400)}) { id } }"}`,
      400,
    ],
    ['asks for a field that does not exist', '{"query":"{ nothing }"}', 400],
    ['names an operation that does not exist', `{"query":"query A ${ME}","operationName":"B"}`, 400],
    ['has two operations and names none', `{"query":"query A ${ME} query B ${ME}"}`, 400],
    ['has variables that are no object', `{"query":"${ME}","variables":"x"}`, 400],
    ['has variables that are an array', `{"query":"${ME}","variables":[1]}`, 400],
    ['has extensions that are no object', `{"query":"${ME}","extensions":"x"}`, 400],
    [
      'has a persisted query: there are none',
      `{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"${'0'.repeat(64)}"}}}`,
      200,
    ],
    ['has the key __proto__', `{"query":"${ME}","__proto__":{"isAdmin":true}}`, 400],
    ['has the key __proto__ further down', `{"query":"${ME}","variables":{"a":{"__proto__":{"isAdmin":true}}}}`, 400],
    [
      'has the key constructor.prototype',
      `{"query":"${ME}","variables":{"constructor":{"prototype":{"isAdmin":true}}}}`,
      400,
    ],
    ['subscribes: that needs a connection', '{"query":"subscription { sessionEvents { __typename } }"}', 400],
    ['holds too many tokens', JSON.stringify({ query: `{ ${'me { id } '.repeat(2_000)} }` }), 400],
    ['is larger than 256 KiB', JSON.stringify({ query: ME, variables: { a: 'x'.repeat(256 * 1_024) } }), 413],
  ])('is refused when it %s', async (_, body, status) => {
    const answer = await post(body);
    expect({ status: answer.status, code: answer.code }).toEqual({ status, code: 'BAD_USER_INPUT' });
    expect(({} as { isAdmin?: unknown }).isAdmin).toBeUndefined();
    expect((await post(JSON.stringify({ query: ME }))).text).toContain('"me":null');
  });

  test.each([
    ['text/plain', 400],
    ['application/x-www-form-urlencoded', 415],
    ['multipart/form-data; boundary=x', 415],
    ['application/graphql', 415],
    ['garbage', 415],
  ])('is refused when its type is %s: a form of another site could send it', async (type, status) => {
    const answer = await post(JSON.stringify({ query: ME }), { 'content-type': type });
    expect({ status: answer.status, code: answer.code }).toEqual({ status, code: 'BAD_USER_INPUT' });
    if (status === 415) expect(answer.text).toContain('GraphQL takes JSON, with content-type: application/json.');
  });
});

test('a body may be nested as deep as it likes where nobody looks', async () => {
  const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
  expect((await post(`{"query":"${ME}","variables":{"a":${deep}}}`)).text).toContain('"me":null');
  const query = 'mutation ($input: CreateUserInput!) { createUser(input: $input) { position } }';
  const answer = await post(`{"query":"${query}","variables":{"input":{"email":${deep},"name":"x"}}}`);
  expect(answer).toMatchObject({ status: 400, code: 'BAD_USER_INPUT' });
  expect(answer.text.length).toBeLessThan(10_000);
});

describe('GET /graphql', () => {
  const search = (query: string) => `/graphql?query=${encodeURIComponent(query)}`;
  const PREFLIGHT = { 'apollo-require-preflight': '1' };

  test('answers queries that a form of another site could not send', async () => {
    const answer = await request(search(ME), { headers: { ...PREFLIGHT, authorization: `Bearer ${bob.accessToken}` } });
    expect(JSON.parse(answer.text)).toEqual({ data: { me: { id: bob.id } } });
    expect((await request(search(ME), { headers: JSON_TYPE })).status).toBe(200);
    expect(await request(search(ME))).toMatchObject({ status: 400, code: 'BAD_USER_INPUT' });
  });

  test('runs no mutation', async () => {
    const headers = { ...PREFLIGHT, authorization: `Bearer ${bob.accessToken}` };
    const answer = await request(search('mutation { signOut { position } }'), { headers });
    expect({ status: answer.status, allow: answer.headers.get('allow') }).toEqual({ status: 405, allow: 'POST' });
    expect((await castellans.ask(ME, { token: bob.accessToken })).data).toEqual({ me: { id: bob.id } });
  });

  test.each([
    '',
    '?query=',
    '?query=%7B',
    '?query=%00',
    '?query={me{id}}&variables=x',
    '?query={me{id}}&variables=[1]',
    '?query={me{id}}&query={me{id}}',
  ])('is refused without a fault when it is malformed: %s', async (search) => {
    expect(await request(`/graphql${search}`, { headers: PREFLIGHT })).toMatchObject({
      status: 400,
      code: 'BAD_USER_INPUT',
    });
  });
});

describe('an answer', () => {
  test('may be stored by nobody, whatever it says', async () => {
    const answers = [
      await post(JSON.stringify({ query: ME })),
      await post(JSON.stringify({ query: '{ nothing }' })),
      await post(JSON.stringify({ query: ME }), { ...JSON_TYPE, authorization: 'Bearer garbage' }),
      await request(`/graphql?query=${encodeURIComponent(ME)}`, { headers: { 'apollo-require-preflight': '1' } }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 400, 401, 200]);
    for (const { headers } of answers) expect(headers.get('cache-control')).toBe('private, no-store');
  });

  test('to nothing that is here says so with a code', async () => {
    for (const [path, method] of [
      ['/', 'GET'],
      ['/graphql/', 'POST'],
      ['/graphql', 'PUT'],
      ['/graphql', 'DELETE'],
      ['/admin', 'GET'],
      ['/../etc/passwd', 'GET'],
      ['/%00', 'GET'],
    ] as const) {
      const answer = await request(path, { method });
      expect({ path, method, status: answer.status, code: answer.code }).toEqual({
        path,
        method,
        status: 404,
        code: 'NOT_FOUND',
      });
    }
  });

  test('to a fault shows an id and nothing of its cause', async () => {
    const carol = await castellans.signUp('carol');
    await castellans.rows('alter table sessions rename to sessions_elsewhere');
    try {
      const { errors } = await castellans.ask('query ($id: ID!) { session(id: $id) { id } }', {
        variables: { id: carol.sessionId },
        token: carol.accessToken,
      });
      const [{ message, extensions } = { message: '', extensions: {} }] = errors;
      expect(extensions).toEqual({ code: 'INTERNAL', id: expect.stringMatching(/^[0-9a-f-]{36}$/) });
      expect(message).toBe(`Something went wrong on our side (${String((extensions as { id?: unknown }).id)}).`);
    } finally {
      await castellans.rows('alter table sessions_elsewhere rename to sessions');
    }
  });
});

describe('what others read about Castellan', () => {
  test('the key set verifies its access tokens, and holds no private part', async () => {
    const { text, headers } = await request('/.well-known/jwks.json');
    const keys = JSON.parse(text) as JSONWebKeySet;
    expect(headers.get('cache-control')).toBe('public, max-age=60');
    expect(keys.keys.length).toBeGreaterThan(0);
    for (const key of keys.keys) {
      expect(Object.keys(key).toSorted()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
      expect(key).toMatchObject({ alg: 'ES256', use: 'sig', kid: expect.stringMatching(/^sk_/) });
    }
    const { issuer, audience } = castellans.config;
    const { payload, protectedHeader } = await jwtVerify(bob.accessToken, createLocalJWKSet(keys), {
      issuer,
      audience,
      typ: 'at+jwt',
      algorithms: ['ES256'],
    });
    expect(protectedHeader.kid).toBe(keys.keys[0]?.kid);
    expect(payload).toMatchObject({
      sub: bob.id,
      sid: bob.sessionId,
      client_id: 'castellan',
      jti: expect.any(String),
      iat: expect.any(Number),
      exp: expect.any(Number),
    });
    for (const instance of [1, 2]) expect((await request('/.well-known/jwks.json', {}, instance)).text).toBe(text);
  });

  test('that it lives, and that it may be sent requests', async () => {
    expect(await request('/health/live')).toMatchObject({ status: 200, text: '{"status":"ok"}' });
    const ready = await request('/health/ready');
    expect({ status: ready.status, body: JSON.parse(ready.text) as unknown }).toEqual({
      status: 200,
      body: { status: 'ok', checks: { authority: true, pool: true, policy: true, migrations: true } },
    });
  });

  test('its numbers', async () => {
    await castellans.ask(ME);
    const { status, headers, text } = await request('/metrics');
    expect(status).toBe(200);
    expect(headers.get('content-type')).toContain('text/plain');
    const names = [
      'operations_total',
      'receipt_seconds_bucket',
      'lease_margin_seconds',
      'authority_position',
      'sockets',
      'live_operations',
      'standing_database_reads_total',
      'session_state_database_reads_total',
    ];
    for (const name of names) expect(text).toMatch(new RegExp(`^castellan_${name}[ {]`, 'm'));
    expect(text).toMatch(/^castellan_operations_total\{kind="query",outcome="ok"\} [1-9]/m);
    for (const { id, email } of [alice, bob]) {
      expect(text).not.toContain(id);
      expect(text).not.toContain(email);
    }
  });

  test('its schema', async () => {
    const { status, headers, text } = await request('/sdl');
    expect({ status, type: headers.get('content-type') }).toEqual({ status: 200, type: 'text/plain; charset=utf-8' });
    for (const part of [
      'federation/v2.9',
      'type User implements Principal @key(fields: "id")',
      'disableUser(id: ID!)',
      'permissionsChanged(after: String)',
    ]) {
      expect(text).toContain(part);
    }
    const bare = await request('/sdl?auth=none');
    expect({ status: bare.status, text: bare.text }).toMatchObject({
      status: 200,
      text: expect.stringContaining('type User'),
    });
    expect(await request('/sdl?auth=some')).toMatchObject({ status: 400, code: 'BAD_USER_INPUT' });
    const { data } = await castellans.ask('{ _service { sdl } }');
    expect(JSON.stringify(data)).toContain('type User');
  });
});

describe('x-castellan-min-position', () => {
  const at = (position: string, instance: number) =>
    castellans.ask(ME, { token: bob.accessToken, instance, headers: { 'x-castellan-min-position': position } });

  test('of a change makes every instance answer as after it', async () => {
    for (let round = 0; round < 5; round += 1) {
      const phone = await castellans.signIn(bob.email);
      const { data } = await castellans.ask<{ revokeSession: { position: string } }>(REVOKE, {
        variables: { id: phone.sessionId },
        token: bob.accessToken,
      });
      const answers = await Promise.all([0, 1, 2].map((instance) => at(data?.revokeSession.position ?? '', instance)));
      expect(answers.map((answer) => answer.data)).toEqual(answers.map(() => ({ me: { id: bob.id } })));
    }
  });

  test('waits until the instance has applied the change', async () => {
    const [head] = await castellans.rows<{ epoch: string; seq: string }>('select epoch, seq from authority_head');
    const next = `${head?.epoch.slice(0, 8)}-${Number(head?.seq) + 1}`;
    const phone = await castellans.signIn(bob.email);
    const [waiting, changed] = await Promise.all([
      at(next, 1),
      castellans.ask(REVOKE, { variables: { id: phone.sessionId }, token: bob.accessToken }),
    ]);
    expect(changed.data).toMatchObject({ revokeSession: { position: next } });
    expect(waiting.data).toEqual({ me: { id: bob.id } });
  });

  test.each([
    '',
    'garbage',
    '1',
    '0000000-1',
    '00000000-01',
    '00000000--1',
    '00000000-1x',
    '00000000-99999999999999999',
  ])('is refused when it is no position: %j', async (position) => {
    const answer = await at(position, 0);
    expect(answer.status).toBe(400);
    expect(answer.errors.map(({ extensions }) => extensions)).toEqual([
      { code: 'BAD_USER_INPUT', field: 'x-castellan-min-position' },
    ]);
  });

  test('is refused for now when it is not reached in time, or belongs to another history', async () => {
    const [head] = await castellans.rows<{ epoch: string }>('select epoch from authority_head');
    for (const position of [`${head?.epoch.slice(0, 8)}-999999999`, '00000000-1']) {
      const answer = await at(position, 0);
      expect(answer.errors.map(({ extensions }) => extensions)).toEqual([
        { code: 'AUTHORITY_UNAVAILABLE', retryAfterSeconds: 1 },
      ]);
      expect({ status: answer.status, retryAfter: answer.headers.get('retry-after') }).toEqual({
        status: 503,
        retryAfter: '1',
      });
    }
  });
});

describe('a warm request', () => {
  test('asks neither PostgreSQL nor Redis for anything', async () => {
    const client = new Redis(redis.url);
    const ask = (instance: number) =>
      castellans.ask('{ me { id email name status } }', { token: bob.accessToken, instance });
    const expected = { me: { id: bob.id, email: bob.email, name: 'bob', status: 'active' } };
    for (const instance of [0, 1, 2]) expect((await ask(instance)).data).toEqual(expected);

    const recorded = recordStatements(castellans.apps);
    const before = await commands(client);
    const answers = await Promise.all(Array.from({ length: 200 }, (_, n) => ask(n % 3)));
    const after = await commands(client);
    // That counting works at all: this one is not warm.
    await castellans.ask('{ me { grants { id } } }', { token: bob.accessToken });
    recorded.stop();
    client.disconnect();

    expect(answers.filter(({ data }) => JSON.stringify(data) !== JSON.stringify(expected))).toEqual([]);
    // What was counted is written behind every few seconds, but not with requests.
    expect(recorded.names.filter((name) => name !== 'a transaction')).toEqual(['grant-of-principals']);
    expect(recorded.names.length).toBeLessThan(50);
    const used = [...after].flatMap(([name, calls]) => {
      const more = calls - (before.get(name) ?? 0);
      return more === 0 || name === 'info' ? [] : [{ name, more }];
    });
    // Acknowledgements go with heartbeats, subscriptions are renewed and looked after now and then, but not with requests.
    const background = ['publish', 'subscribe', 'ping'];
    expect(used.filter(({ name }) => !background.includes(name))).toEqual([]);
    for (const { more } of used) expect(more).toBeLessThan(50);
  });

  async function commands(client: Redis): Promise<ReadonlyMap<string, number>> {
    const text = await client.info('commandstats');
    return new Map(
      [...text.matchAll(/^cmdstat_(\S+):calls=(\d+)/gm)].map(([, name = '', calls]) => [name, Number(calls)]),
    );
  }
});

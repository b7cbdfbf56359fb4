import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { hash } from 'node:crypto';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { resealApiKeys } from '../../src/domain/api-keys/reseal-keys.ts';
import { isApiKey, makeApiKey } from '../../src/domain/api-keys/key-format.ts';
import { createStore } from '../../src/drivers/postgres/store.ts';
import { newId } from '../../src/kit/ids.ts';
import { Keys, Secret } from '../../src/kit/secret.ts';
import { apiKeysOn, came, IN, outWith, REVOKE_KEY, ROTATE_KEY, UPDATE_KEY } from '../support/api-keys.ts';
import { IN_FORCE, INSTANCES } from '../support/asking.ts';
import { startRedisServer, type RedisServer } from '../support/redis-server.ts';
import {
  askOver,
  type Castellans,
  codesOf,
  post,
  recordStatements,
  type SignedInUser,
  startCastellans,
} from '../support/castellan.ts';
import { openStream } from '../support/event-stream.ts';
import { addGrant, revokeGrant } from '../support/people.ts';
import { watching } from '../support/rights-events.ts';
import { openSocket } from '../support/socket.ts';

const ME = '{ me { id } }';
const SUBSCRIPTION = `subscription {
  permissionsChanged { __typename ... on PermissionsChanged { rules } ... on AccessEnded { code reason position } }
}`;

let redis: RedisServer;
let castellans: Castellans;
let alice: SignedInUser;
let bob: SignedInUser;

const { done, createKey, withKey, onEvery, addAccount } = apiKeysOn(
  () => castellans,
  () => alice,
);

beforeAll(async () => {
  // A Redis of our own: its commands are counted.
  redis = await startRedisServer();
  castellans = await startCastellans(3, { settings: { redisUrl: new Secret(redis.url) } });
  [alice, bob] = [await castellans.signUp('alice', ['administrator']), await castellans.signUp('bob')];
}, 40_000);

afterAll(async () => {
  await castellans?.close();
  await redis?.stop();
});

const hashOf = (text: string): string => hash('sha256', text, 'base64url');
const urlOf = (instance: number): string => castellans.apps[instance]?.url ?? '';

interface Outcome {
  readonly data: unknown;
  readonly codes: readonly unknown[];
}

/** One question with a key, through each protocol and each place that a key may stand in. */
const PLACES: Readonly<Record<string, (url: string, key: string) => Promise<Outcome>>> = {
  'a header of a POST': async (url, key) => {
    const answer = await post(url, ME, {}, { 'x-api-key': key });
    return { data: answer.data, codes: codesOf(answer) };
  },
  'a header of a GET': async (url, key) => {
    const headers = { 'apollo-require-preflight': '1', 'x-api-key': key };
    const response = await fetch(`${url}/graphql?query=${encodeURIComponent(ME)}`, { headers });
    return read((await response.json()) as Body);
  },
  'a header of an event stream': async (url, key) => {
    const stream = await openStream(url, ME, { headers: { 'x-api-key': key } });
    if (stream.status !== 200) return read((await stream.json()) as Body);
    const [first] = await stream.all();
    return read(first?.data as Body);
  },
  'a header of the upgrade': (url, key) => overSocket(url, {}, {}, { 'x-api-key': key }),
  'the payload of connection_init': (url, key) => overSocket(url, { 'X-API-Key': key }),
  'apiKey of it': (url, key) => overSocket(url, { apiKey: key }),
  'headers of it': (url, key) => overSocket(url, { headers: { 'x-api-key': key } }),
  'connectionParams of it': (url, key) => overSocket(url, { connectionParams: { apiKey: key } }),
  'headers of one operation': (url, key) => overSocket(url, {}, { extensions: { headers: { 'X-API-Key': key } } }),
};

interface Body {
  readonly data?: unknown;
  readonly errors?: readonly { readonly extensions: Record<string, unknown> }[];
}

const read = ({ data = null, errors = [] }: Body): Outcome => ({
  data,
  codes: errors.map(({ extensions }) => extensions['code']),
});

async function overSocket(
  url: string,
  init: object,
  more: object = {},
  headers: Record<string, string> = {},
): Promise<Outcome> {
  const socket = await openSocket(`${url.replace('http', 'ws')}/graphql`, { headers });
  socket.init(init);
  const first = await socket.next(() => true);
  if (first === null) return { data: null, codes: [await socket.reason] };
  socket.subscribe('1', ME, more);
  const frame = await socket.next(({ id }) => id === '1');
  socket.close();
  return read(frame?.type === 'error' ? { errors: frame.payload as [] } : (Object(frame?.payload) as Body));
}

describe.each(Object.entries(PLACES))('a key in %s', (_, ask) => {
  test('is its owner’s, refused when it is bad, and when it is revoked, on every instance', async () => {
    const { apiKey, secret } = await createKey(bob);
    const ended = await createKey(bob);
    await done(REVOKE_KEY, { id: ended.apiKey.id }, { by: bob });
    for (const instance of INSTANCES) {
      const url = urlOf(instance);
      expect(await ask(url, secret)).toEqual({ data: { me: { id: bob.id } }, codes: [] });
      for (const bad of ['', 'ck_', `${secret}x`, secret.toLowerCase(), another(apiKey.id), bob.accessToken]) {
        expect({ bad, ...(await ask(url, bad)) }).toEqual({ bad, data: null, codes: ['UNAUTHENTICATED'] });
      }
      expect(await ask(url, ended.secret)).toEqual({ data: null, codes: ['SESSION_REVOKED'] });
    }
  });
});

/** A key with a right checksum, of that id, that nobody was given. */
const another = (id: string): string => makeApiKey(id, 'dev').text;

test('two kinds of credential at once are refused, wherever they stand', async () => {
  const { secret } = await createKey(bob);
  const authorization = `Bearer ${bob.accessToken}`;
  for (const instance of INSTANCES) {
    const both = await withKey(secret, ME, { instance, headers: { authorization } });
    expect(came(both)).toEqual([400, 'BAD_USER_INPUT']);
    const url = urlOf(instance);
    const sockets = [
      overSocket(url, { authorization, 'X-API-Key': secret }),
      overSocket(url, { headers: { authorization, 'x-api-key': secret } }),
      overSocket(url, { token: bob.accessToken, apiKey: secret }),
      overSocket(url, {}, { extensions: { headers: { authorization, 'x-api-key': secret } } }),
      overSocket(url, {}, {}, { authorization, 'x-api-key': secret }),
    ];
    for (const socket of sockets) expect(await socket).toEqual({ data: null, codes: ['BAD_USER_INPUT'] });
    const cookie = await withKey(secret, ME, { instance, headers: { cookie: `__Host-castellan=${bob.accessToken}` } });
    expect(came(cookie)).toEqual([400, 'BAD_USER_INPUT']);
  }
});

test('AC-25: a key is good as a key alone, and nothing else is good as one', async () => {
  const { secret } = await createKey(bob);
  const others = [bob.accessToken, bob.refreshToken, `Bearer ${bob.accessToken}`, bob.id];
  for (const instance of INSTANCES) {
    for (const other of others) {
      expect(came(await withKey(other, ME, { instance }))).toEqual([401, 'UNAUTHENTICATED']);
    }
    const headers = { authorization: `Bearer ${secret}` };
    expect(came(await castellans.ask(ME, { instance, headers }))).toEqual([401, 'UNAUTHENTICATED']);
    const cookies = { cookie: `__Host-castellan=${secret}` };
    expect(came(await castellans.ask(ME, { instance, headers: cookies }))).toEqual([401, 'UNAUTHENTICATED']);
    for (const [mutation, variables] of [
      ['mutation ($it: String!) { refreshSession(refreshToken: $it) { expiresAt } }', { it: secret }],
      ['mutation ($it: String!) { verifyEmail(token: $it) { position } }', { it: secret }],
      [
        'mutation ($it: String!) { resetPassword(token: $it, newPassword: "a few unrelated words") { position } }',
        { it: secret },
      ],
      [
        'mutation ($it: VerifyMfaInput!) { verifyMfa(input: $it) { expiresAt } }',
        { it: { challengeToken: secret, code: '1' } },
      ],
    ] as const) {
      const { data, errors } = await castellans.ask(mutation, { variables, instance });
      expect({ mutation, data, refused: errors.length }).toEqual({ mutation, data: null, refused: 1 });
    }
    await fetch(`${urlOf(instance)}/oauth/revoke`, { method: 'POST', body: new URLSearchParams({ token: secret }) });
    expect(came(await withKey(secret, ME, { instance }))).toEqual([200]);
  }
});

describe('AC-49c: who guesses at keys', () => {
  test('gets one answer, and costs as much, whether or not there is a key of that id, and however often they ask', async () => {
    const asked = async (text: string, instance: number) => {
      const recorded = recordStatements([castellans.apps[instance] ?? fail()]);
      const { status, data, errors } = await withKey(text, ME, { instance });
      recorded.stop();
      const names = recorded.names.filter((name) => name !== 'a transaction');
      return { answer: JSON.stringify({ status, data, errors }), names };
    };
    for (const instance of INSTANCES) {
      const { apiKey } = await createKey(bob);
      const changed = apiKey.id.toUpperCase().replace('KEY_', 'key_');
      // Known and unknown, and one that differs in case alone, which is another.
      const guesses = [another(apiKey.id), another(newId('apiKey')), another(changed)];
      const cold = [];
      for (const guess of guesses) cold.push(await asked(guess, instance));
      const warm = [];
      for (const guess of guesses) warm.push(await asked(guess, instance));
      const same = { answer: cold[0]?.answer, names: ['snapshot-api-keys'] };
      expect(cold).toEqual(guesses.map(() => same));
      expect(warm).toEqual(guesses.map(() => ({ ...same, names: [] })));
      expect(same.answer).toContain('"code":"UNAUTHENTICATED"');

      // What cannot be a key is known for it without asking anybody, and gets the same answer.
      const malformed = [
        `${guesses[0]?.slice(0, -1)}${guesses[0]?.endsWith('0') === true ? '1' : '0'}`,
        'ck_dev_short',
        changed,
      ];
      for (const text of malformed) {
        expect(isApiKey(text)).toBe(false);
        expect(await asked(text, instance)).toEqual({ ...same, names: [] });
      }
    }
  });

  test('finds no key that is written otherwise than it was given', async () => {
    const { secret } = await createKey(bob);
    expect(await onEvery(secret)).toEqual(IN);
    const [, environment = ''] = secret.split('_');
    for (const written of [
      secret.replace(environment, 'live'),
      secret.toUpperCase(),
      ` ${secret} x`,
      `${secret}\u00e9`,
    ]) {
      const headers = Buffer.from(written, 'utf8').toString('latin1');
      expect({ written, out: await onEvery(headers) }).toEqual({ written, out: outWith(401, 'UNAUTHENTICATED') });
    }
    for (let length = 1; length < secret.length; length += 7) {
      expect(came(await withKey(secret.slice(0, length), ME))).toEqual([401, 'UNAUTHENTICATED']);
    }
  });
});

test('a warm request with a key asks PostgreSQL for nothing, and Redis once', async () => {
  const client = new Redis(redis.url);
  const { secret } = await createKey(bob, { permissions: ['user:read'], addressRanges: ['127.0.0.0/8', '::1'] });
  expect(await onEvery(secret)).toEqual(IN);
  const commands = async () => {
    const text = await client.info('commandstats');
    const found = [...text.matchAll(/^cmdstat_(\S+):calls=(\d+)/gm)];
    return new Map(found.map(([, name = '', calls]) => [name, Number(calls)]));
  };
  const recorded = recordStatements(castellans.apps);
  const before = await commands();
  const answers = await Promise.all(Array.from({ length: 200 }, (_, n) => withKey(secret, ME, { instance: n % 3 })));
  const after = await commands();
  recorded.stop();
  client.disconnect();
  expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  expect(recorded.names.filter((name) => name !== 'a transaction')).toEqual([]);
  expect(recorded.names.length).toBeLessThan(50);
  const more = (name: string) => (after.get(name) ?? 0) - (before.get(name) ?? 0);
  // One script counts it, and the rest is what that does.
  expect(more('evalsha') + more('eval')).toBe(200);
  const used = [...after.keys()].filter((name) => more(name) > 0 && name !== 'info');
  // Acknowledgements go with heartbeats and subscriptions are renewed now and then, but not with requests.
  const background = ['publish', 'subscribe', 'evalsha', 'eval', 'hexists', 'hincrby', 'ping'];
  expect(used.filter((name) => !background.includes(name))).toEqual([]);
});

describe('a subscription by a key', () => {
  test.each([
    ['the key is revoked', (id: string) => done(REVOKE_KEY, { id }, { by: bob, instance: 2 })],
    ['its secret is replaced', (id: string) => done(ROTATE_KEY, { id, overlapSeconds: 0 }, { by: bob, instance: 2 })],
    [
      'it is good elsewhere alone',
      (id: string) => done(UPDATE_KEY, { id, input: { addressRanges: ['10.0.0.1'] } }, { by: bob }),
    ],
  ] as const)(
    'ends with AccessEnded on every instance when %s, and its socket refuses everything after',
    async (why, change) => {
      const { apiKey, secret } = await createKey(bob);
      const clients = INSTANCES.map((instance) => castellans.connect({ apiKey: secret, instance }));
      const events = await Promise.all(
        clients.map((client, instance) =>
          watching<{ permissionsChanged: object }>(castellans, { client, instance, query: SUBSCRIPTION }),
        ),
      );
      expect(await change(apiKey.id)).toMatchObject({ receipt: IN_FORCE });
      const code =
        { 'the key is revoked': 'SESSION_REVOKED', 'its secret is replaced': 'TOKEN_EXPIRED' }[why as string] ??
        'FORBIDDEN';
      for (const each of events) {
        expect(await each.next()).toMatchObject({ permissionsChanged: { __typename: 'AccessEnded', code } });
      }
      for (const each of events) expect(await each.next()).toBeNull();
      for (const client of clients) {
        const answer = await askOver(client, ME);
        expect({ data: answer.data, isRefused: answer.closed !== null || answer.errors.length > 0 }).toEqual({
          data: null,
          isRefused: true,
        });
      }
    },
  );

  test('ends with its owner, a user or a service account', async () => {
    const account = await addAccount('listener', ['service']);
    const dan = await castellans.signUp('dan');
    const keys = [await createKey(dan), await createKey(alice, { serviceAccountId: account })];
    const clients = keys.map(({ secret }, n) => castellans.connect({ apiKey: secret, instance: n + 1 }));
    const events = await Promise.all(
      clients.map((client, n) =>
        watching<{ permissionsChanged: object }>(castellans, { client, instance: n + 1, query: SUBSCRIPTION }),
      ),
    );
    await done('mutation ($id: ID!) { disableUser(id: $id) { receipt { enforced } } }', { id: dan.id });
    await done('mutation ($id: ID!) { disableServiceAccount(id: $id) { receipt { enforced } } }', { id: account });
    for (const each of events) {
      const ended = { permissionsChanged: { __typename: 'AccessEnded', code: 'SESSION_REVOKED' } };
      expect(await each.next()).toMatchObject(ended);
    }
  });

  test('is told on every instance when its owner is demoted and when the key is narrowed, and goes on', async () => {
    const ada = await castellans.signUp('ada');
    const grant = await addGrant(castellans.apps[0] ?? fail(), { principalId: ada.id, role: 'support' });
    const { apiKey, secret } = await createKey(ada, { permissions: ['user:disable', 'user:read'] });
    const clients = INSTANCES.map((instance) => castellans.connect({ apiKey: secret, instance }));
    const events = await Promise.all(
      clients.map((client, instance) =>
        watching<{ permissionsChanged: { rules: readonly (readonly string[])[] } }>(castellans, {
          client,
          instance,
          query: SUBSCRIPTION,
        }),
      ),
    );
    const next = () => Promise.all(events.map((each) => each.next()));
    await done(UPDATE_KEY, { id: apiKey.id, input: { permissions: ['user:read'] } }, { by: ada });
    const narrowed = (await next()).map((event) => event?.permissionsChanged.rules ?? []);
    expect(await revokeGrant(castellans.apps[1] ?? fail(), grant)).toBe(true);
    const demoted = (await next()).map((event) => event?.permissionsChanged.rules.length);
    const disables = (rules: readonly (readonly string[])[]) =>
      rules.filter(([action, , , inverted]) => action?.includes('disable') === true && !Number(inverted));
    expect(narrowed.map((rules) => [rules.length > 1, disables(rules).length])).toEqual(INSTANCES.map(() => [true, 0]));
    expect(demoted).toEqual([1, 1, 1]);
    for (const each of events) await each.stop();
  });

  test('cannot be renewed with a token, nor can a key renew somebody’s socket', async () => {
    const { secret } = await createKey(bob);
    const RENEW = 'mutation ($token: String!) { renewConnection(accessToken: $token) { expiresAt } }';
    const byKey = await askOver(castellans.connect({ apiKey: secret }), RENEW, {
      variables: { token: bob.accessToken },
    });
    expect(codesOf(byKey)).toEqual(['FORBIDDEN']);
    const bySession = await askOver(castellans.connect({ token: bob.accessToken }), RENEW, {
      variables: { token: secret },
    });
    expect(codesOf(bySession)).toEqual(['UNAUTHENTICATED']);
  });
});

describe('the effect fence: a change by a key', () => {
  test.each([
    ['revoked', { revoked_at: 'now()' }, 'revoked', 'SESSION_REVOKED'],
    ['narrowed', { permissions: `'{user:read}'` }, 'changed', 'FORBIDDEN'],
  ] as const)('that was %s after it was authorised is not made', async (_, set, kind, code) => {
    const ada = await castellans.signUp('ada', ['administrator']);
    const victim = await castellans.signUp('vic');
    const { apiKey, secret } = await createKey(ada);
    expect(await onEvery(secret)).toEqual(IN);
    const client = new Client({ connectionString: castellans.databaseUrl });
    await client.connect();
    await client.query('begin');
    await client.query('select id from users where id = $1 for update', [victim.id]);
    const changing = withKey(secret, 'mutation ($id: ID!) { disableUser(id: $id) { position } }', {
      variables: { id: victim.id },
    });
    await castellansWaiting(1);
    // Committed by nobody who tells the instances: the fence alone is left to see it.
    const [[column, value] = ['', '']] = Object.entries(set);
    await castellans.rows(`update api_keys set ${column} = ${value} where id = $1`, apiKey.id);
    await castellans.rows(
      `insert into authority_log (target, kind, user_id, reason) values ($1, $2, $3, 'test')`,
      apiKey.id,
      kind,
      ada.id,
    );
    await client.query('commit');
    await client.end();
    expect(codesOf(await changing)).toEqual([code]);
    const [row] = await castellans.rows<{ status: string }>('select status from users where id = $1', victim.id);
    expect(row?.status).toBe('active');
  });

  async function castellansWaiting(count: number): Promise<void> {
    for (;;) {
      const [row] = await castellans.rows<{ waiting: number }>(
        `select count(*)::int as waiting from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      );
      if ((row?.waiting ?? 0) >= count) return;
      await new Promise(setImmediate);
    }
  }
});

describe('what is kept of a key', () => {
  test('is nothing that it could be made of, in PostgreSQL or Redis', async () => {
    const { apiKey, secret } = await createKey(bob);
    const rotated = await done<{ secret: string }>(ROTATE_KEY, { id: apiKey.id, overlapSeconds: 60 }, { by: bob });
    for (const each of [secret, rotated.secret]) expect(await onEvery(each)).toEqual(IN);
    const tables = await castellans.rows<{ name: string }>(
      `select table_name as name from information_schema.tables where table_schema = 'public'`,
    );
    const texts: string[] = [];
    for (const { name } of tables) {
      const rows = await castellans.rows<{ row: string }>(`select t::text as row from ${name} t`);
      texts.push(...rows.map(({ row }) => row));
    }
    const client = new Redis(redis.url);
    for (const key of await client.keys(`castellan:api-key:*`)) texts.push(key, (await client.get(key)) ?? '');
    client.disconnect();
    const everything = texts.join('\n');
    expect(everything).toContain(apiKey.id);
    for (const each of [secret, rotated.secret]) {
      const [, , , random = ''] = each.split('_');
      const hex = (encoding: 'hex' | 'base64' | 'base64url') => Buffer.from(each).toString(encoding);
      for (const piece of [each, random, random.slice(0, 20), hex('hex'), hex('base64'), hex('base64url')]) {
        expect(everything).not.toContain(piece);
      }
      expect(everything).not.toContain(hashOf(each));
    }
  });

  test('goes along when KEY_ENCRYPTION_KEY is replaced and sealed anew', async () => {
    const [first, second] = ['the first secret that is long enough', 'the second secret that is long enough'].map(
      (text) => new Secret(text),
    );
    if (first === undefined || second === undefined) throw new TypeError('there are two');
    const home = await startCastellans(1, { settings: { keyEncryptionKeys: [first] } });
    const { createKey: create, withKey: show } = apiKeysOn(
      () => home,
      () => fail(),
    );
    try {
      const { apiKey, secret } = await create(await home.signUp('bob'));
      const store = createStore(home.apps[0]?.database ?? fail());
      const kept = () =>
        home.rows<{ sealed_hash: string }>('select sealed_hash from api_key_versions where key_id = $1', apiKey.id);
      const before = await kept();
      expect(await resealApiKeys(store, new Keys([second, first]))).toBe(1);
      expect(await kept()).not.toEqual(before);
      const { snapshots } = store;
      const found = (await snapshots.apiKeys([apiKey.id])).keys.get(apiKey.id);
      const [version] = found?.versions ?? [];
      expect(new Keys([second]).open('api-keys', version?.sealedHash ?? '', `${apiKey.id}.1`)).toBe(hashOf(secret));
      expect(new Keys([first]).open('api-keys', version?.sealedHash ?? '', `${apiKey.id}.1`)).toBeNull();
      await expect(resealApiKeys(store, new Keys([first]))).rejects.toMatchObject({ code: 'CONFLICT' });
      // One that holds the old secret alone knows the key no more than it should.
      expect(came(await show(secret, ME))).toEqual([401, 'UNAUTHENTICATED']);
    } finally {
      await home.close();
    }
  });
});

function fail(): never {
  throw new TypeError('there is nobody');
}

import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { CallbackCalls, type Lookup } from '../../src/api/http/callback-calls.ts';
import { ConfigError, readConfig } from '../../src/config.ts';
import { isPublicAddress } from '../../src/kit/networks.ts';
import {
  type Castellans,
  createTestClock,
  type SignedInUser,
  startCastellans,
  until,
  type TestClock,
} from '../support/castellan.ts';
import { addGateway } from '../support/gateway-key.ts';
import { startRouter, type CallbackMessage, type Router } from '../support/router.ts';

/** As Apollo Router asks to be called back. */
const ACCEPT = 'application/json;callbackSpec=1.0';
const SESSION_EVENTS = `subscription {
  sessionEvents { __typename ... on SessionRevoked { sessionId } ... on AccessEnded { code } }
}`;
const REVOKE = 'mutation ($id: ID!) { revokeSession(id: $id) { receipt { enforced } } }';

let router: Router;
let bystander: Router;
let clock: TestClock;
let castellans: Castellans;
let trusted: Record<string, string>;
let alice: SignedInUser;
let bob: SignedInUser;

beforeAll(async () => {
  [router, bystander] = [await startRouter(), await startRouter()];
  clock = createTestClock();
  castellans = await startCastellans(3, {
    clock,
    settings: { callbackOrigins: [router.origin] },
  });
  trusted = { 'x-castellan-gateway': (await addGateway(castellans)).secret };
  alice = await castellans.signUp('alice', ['administrator']);
  bob = await castellans.signUp('bob');
}, 40_000);

beforeEach(() => router.answerWith(({ action }) => (action === 'check' ? 204 : 200)));

afterEach(() => until(async () => (await open()) === 0));

afterAll(async () => {
  await castellans?.close();
  await router?.close();
  await bystander?.close();
});

/** How many subscriptions all instances call back about. */
async function open(): Promise<number> {
  const texts = await Promise.all(castellans.apps.map(({ metrics }) => metrics.render()));
  return texts.reduce((sum, text) => sum + Number(/^castellan_callbacks (\d+)$/m.exec(text)?.[1]), 0);
}

interface Asking {
  readonly token?: string;
  readonly headers?: Record<string, string>;
  readonly extensions?: object;
  readonly query?: string;
  readonly instance?: number;
}

async function subscribe(id: string, { token, headers = trusted, extensions, query, instance = 1 }: Asking) {
  const response = await fetch(`${castellans.apps[instance]?.url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: ACCEPT,
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: JSON.stringify({ query: query ?? SESSION_EVENTS, extensions: extensions ?? router.extensions(id) }),
  });
  const body = (await response.json()) as { data?: unknown; errors?: { extensions: Record<string, unknown> }[] };
  const refused = body.errors?.map(({ extensions: { code, reason, field } }) => [code, reason ?? field]);
  return { status: response.status, body, refused, version: response.headers.get('subscription-protocol') };
}

async function revoke(id: string): Promise<void> {
  const { data } = await castellans.ask(REVOKE, { variables: { id }, token: alice.accessToken });
  expect(data).toEqual({ revokeSession: { receipt: { enforced: true } } });
}

const sent = (messages: readonly CallbackMessage[]) =>
  messages.map(({ action, payload, errors }) => [action, payload?.data ?? errors].filter((part) => part !== undefined));
const next = (event: object) => ['next', { sessionEvents: event }];

describe('a trusted gateway of a listed origin', () => {
  test('is asked before it is answered, gets every event, the end before the receipt, and then complete', async () => {
    const { accessToken, sessionId } = await castellans.signIn(bob.email);
    const phone = await castellans.signIn(bob.email);
    const id = randomUUID();
    let asked = 0;
    router.answerWith(({ action }) => (action === 'check' ? ((asked += 1), 204) : 200));
    const { status, body, version } = await subscribe(id, { token: accessToken });
    expect([status, body, version, asked]).toEqual([200, { data: null }, 'callback/1.0', 1]);
    expect(router.headers.at(-1)).toMatchObject({ 'subscription-protocol': 'callback/1.0' });

    await revoke(phone.sessionId);
    await router.received(id, 2);
    await revoke(sessionId);
    const before = sent(router.messages.filter((message) => message.id === id));
    expect(before.slice(0, 3)).toEqual([
      ['check'],
      next({ __typename: 'SessionRevoked', sessionId: phone.sessionId }),
      next({ __typename: 'AccessEnded', code: 'SESSION_REVOKED' }),
    ]);
    expect(sent(await router.received(id, 4)).at(-1)).toEqual(['complete']);
    for (const { kind, verifier } of await router.received(id, 4)) {
      expect([kind, verifier]).toEqual(['subscription', `verifier of ${id}`]);
    }
  });

  test('AC-95: carries many users, and whoever is revoked takes nobody along', async () => {
    const people = await Promise.all(['carol', 'dave', 'erin'].map((name) => castellans.signUp(name)));
    const phones = await Promise.all(people.map(({ email }) => castellans.signIn(email)));
    for (const [at, { accessToken, id }] of people.entries()) {
      await subscribe(id, { token: accessToken, instance: at });
    }
    const [first, ...others] = people;
    const [, ...phonesOfOthers] = phones;
    await revoke(first?.sessionId ?? '');
    expect(sent(await router.received(first?.id ?? '', 3)).slice(1)).toEqual([
      next({ __typename: 'AccessEnded', code: 'SESSION_REVOKED' }),
      ['complete'],
    ]);
    for (const [at, { id, sessionId }] of others.entries()) {
      const phone = phonesOfOthers[at]?.sessionId ?? '';
      await revoke(phone);
      expect(sent(await router.received(id, 2)).slice(1)).toEqual([
        next({ __typename: 'SessionRevoked', sessionId: phone }),
      ]);
      await revoke(sessionId);
    }
  });

  test('gets signs of life, and none after it has forgotten the subscription', async () => {
    const id = randomUUID();
    await subscribe(id, { token: bob.accessToken, extensions: router.extensions(id, { heartbeatIntervalMs: 5_000 }) });
    for (const count of [2, 3]) {
      clock.advance(4_000);
      expect(sent(await router.received(id, count))).toEqual(Array.from({ length: count }, () => ['check']));
      // The answer to it has come before the answer to what is asked now.
      await castellans.ask('{ me { id } }', { instance: 1 });
    }
    router.answerWith(() => 404);
    clock.advance(4_000);
    await until(async () => (await open()) === 0);
    clock.advance(60_000);
    expect(sent(await router.received(id, 4))).toEqual([['check'], ['check'], ['check'], ['check']]);
  });

  test('that answers 404 to an event gets nothing more', async () => {
    const id = randomUUID();
    const phone = await castellans.signIn(bob.email);
    await subscribe(id, { token: bob.accessToken });
    router.answerWith(() => 404);
    await revoke(phone.sessionId);
    await until(async () => (await open()) === 0);
    expect(sent(router.messages.filter((message) => message.id === id)).map(([action]) => action)).toEqual([
      'check',
      'next',
    ]);
  });

  test('that fails for a moment gets the event again', async () => {
    const id = randomUUID();
    const phone = await castellans.signIn(bob.email);
    await subscribe(id, { token: bob.accessToken });
    let failures = 2;
    router.answerWith(({ action }) => (action === 'next' && (failures -= 1) >= 0 ? 503 : 200));
    await revoke(phone.sessionId);
    expect(sent(await router.received(id, 4)).map(([action]) => action)).toEqual(['check', 'next', 'next', 'next']);
    router.answerWith(() => 404);
    await castellans.signIn(bob.email);
    await until(async () => (await open()) === 0);
  });

  test('AC-09: that fails is sent no event again that was withheld by a revocation since', async () => {
    const { accessToken, sessionId } = await castellans.signIn(bob.email);
    const phone = await castellans.signIn(bob.email);
    const id = randomUUID();
    await subscribe(id, { token: accessToken });
    const isEvent = ({ payload }: CallbackMessage) => JSON.stringify(payload ?? {}).includes('SessionRevoked');
    router.answerWith((message) => (isEvent(message) ? 503 : message.action === 'check' ? 204 : 200));
    await revoke(phone.sessionId);
    await router.received(id, 2);
    await revoke(sessionId);
    const events = () => router.messages.filter((message) => message.id === id && isEvent(message)).length;
    const before = events();
    await until(async () => (await open()) === 0);
    expect(events()).toBe(before);
    expect(sent(router.messages.filter((message) => message.id === id)).slice(-2)).toEqual([
      next({ __typename: 'AccessEnded', code: 'SESSION_REVOKED' }),
      ['complete'],
    ]);
  });

  test('is told of the end of a token', async () => {
    const { accessToken } = await castellans.signIn(bob.email);
    const id = randomUUID();
    await subscribe(id, { token: accessToken });
    clock.advance(310_000);
    expect(sent(await router.received(id, 3)).slice(1)).toEqual([
      next({ __typename: 'AccessEnded', code: 'TOKEN_EXPIRED' }),
      ['complete'],
    ]);
    bob = { ...bob, ...(await castellans.signIn(bob.email)) };
    alice = { ...alice, ...(await castellans.signIn(alice.email)) };
  });

  test('is answered with the refusal of a credential or a subscription, and nothing is open then', async () => {
    const ask = (asking: Asking) => subscribe(randomUUID(), asking);
    expect(await ask({ token: 'none' })).toMatchObject({ status: 401, refused: [['UNAUTHENTICATED', undefined]] });
    expect(await ask({})).toMatchObject({ status: 200, refused: [['UNAUTHENTICATED', undefined]] });
    expect(await open()).toBe(0);
  });

  test('gets a query and a mutation answered as ever', async () => {
    const { status, body } = await subscribe(randomUUID(), { token: bob.accessToken, query: '{ me { id } }' });
    expect([status, body]).toEqual([200, { data: { me: { id: bob.id } } }]);
  });

  test.each([
    ['no extension', {}],
    ['no verifier', { subscription: { callbackUrl: 'http://127.0.0.1', subscriptionId: 'one' } }],
    ['an id that is no text', { subscription: { callbackUrl: 'http://127.0.0.1', subscriptionId: {}, verifier: 'v' } }],
  ])('with %s is told what is missing', async (_, extensions) => {
    expect(await subscribe('', { token: bob.accessToken, extensions })).toMatchObject({
      status: 400,
      refused: [['BAD_USER_INPUT', 'extensions']],
    });
  });

  test.each([1, 999, -5, 4_000_000, 1.5])('wants no sign of life every %d ms', async (heartbeatIntervalMs) => {
    const extensions = router.extensions('one', { heartbeatIntervalMs });
    expect(await subscribe('one', { token: bob.accessToken, extensions })).toMatchObject({
      status: 400,
      refused: [['BAD_USER_INPUT', 'extensions']],
    });
  });

  test('of another version of the protocol is refused', async () => {
    const headers = { ...trusted, accept: 'application/json;callbackSpec=2.0' };
    expect(await subscribe('one', { token: bob.accessToken, headers })).toMatchObject({
      refused: [['BAD_USER_INPUT', 'accept']],
    });
  });
});

describe('AC-73: nobody makes Castellan ask what it should not', () => {
  afterEach(() => expect(bystander.messages).toEqual([]));

  test.each([
    ['nobody', {}, 403, 'FORBIDDEN'],
    ['somebody who says so', { 'x-castellan-gateway': 'trust me' }, 401, 'UNAUTHENTICATED'],
  ])('%s is refused before anything is sent, however good the URL is', async (_, headers, status, code) => {
    const count = router.messages.length;
    for (const token of [bob.accessToken, alice.accessToken, undefined]) {
      const answer = await subscribe(randomUUID(), { headers, ...(token !== undefined && { token }) });
      expect(answer).toMatchObject({ status, refused: [[code, 'gateway']] });
    }
    expect(router.messages).toHaveLength(count);
  });

  test('a trusted gateway is called back at listed origins only', async () => {
    const { host, port } = new URL(router.origin);
    const urls = [
      'http://169.254.169.254/latest/meta-data/',
      `${bystander.origin}/callback`,
      `http://localhost:${port}/callback`,
      `https://${host}/callback`,
      `http://${host}.example.com/callback`,
      `http://${host}@example.com/callback`,
      `http://somebody@${host}/callback`,
      `http://:secret@${host}/callback`,
      'file:///etc/passwd',
      'callback',
      '//127.0.0.1/callback',
      '',
      `${router.origin}/${'a'.repeat(3_000)}`,
    ];
    for (const callbackUrl of urls) {
      const extensions = router.extensions('one', { callbackUrl });
      const answer = await subscribe('one', { token: bob.accessToken, extensions });
      expect([callbackUrl, answer.status, answer.refused]).toEqual([
        callbackUrl,
        403,
        [['FORBIDDEN', 'callback_origin']],
      ]);
    }
  });

  test('no redirect is followed, and every check that fails is answered alike', async () => {
    const answers = [];
    for (const answer of [`${bystander.origin}/callback`, 404, 500, 200, 400]) {
      router.answerWith(() => answer);
      answers.push((await subscribe(randomUUID(), { token: bob.accessToken })).body);
    }
    expect(new Set(answers.map((body) => JSON.stringify(body))).size).toBe(1);
    expect(answers[0]).toMatchObject({ errors: [{ extensions: { code: 'BAD_USER_INPUT', field: 'extensions' } }] });
    expect(await open()).toBe(0);
  });

  test('what fits a pattern is called at public addresses only, whatever its name says', async () => {
    const url = new URL(`${bystander.origin.replace('127.0.0.1', 'router.example.com')}/callback`);
    const resolved: string[] = [];
    const calls = (...addresses: string[]) => {
      const lookup = (hostname: string, _options: unknown, done: (...found: unknown[]) => void): void => {
        resolved.push(hostname);
        done(
          null,
          addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
        );
      };
      return new CallbackCalls(lookup as unknown as Lookup);
    };
    for (const addresses of [['127.0.0.1'], ['::1'], ['93.184.215.14', '127.0.0.1'], ['::ffff:127.0.0.1'], []]) {
      const each = calls(...addresses);
      expect(await each.post({ url, publicOnly: true }, {})).toBeNull();
      each.close();
    }
    expect(resolved).toEqual(Array.from({ length: 5 }, () => 'router.example.com'));
  });

  const NOT_PUBLIC =
    '0.0.0.0 10.0.0.7 100.64.0.1 127.0.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.168.1.1 ' +
    '192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.9 224.0.0.1 255.255.255.255 :: ::1 ' +
    'fe80::1 fc00::1 fd12::1 ff02::1 2001:db8::1 2002:7f00:1:: 64:ff9b::7f00:1 ::ffff:8.8.8.8 ' +
    'localhost 127.1 0x7f000001';

  test.each(['', ...NOT_PUBLIC.split(' ')])('%s is no public address', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });

  test.each(['8.8.8.8', '93.184.215.14', '172.15.0.1', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '2a00:1450::1'])(
    '%s is one',
    (address) => {
      expect(isPublicAddress(address)).toBe(true);
    },
  );

  test.each([
    'https://*',
    'https://*.com',
    'https://*example.com',
    'https://a.*.example.com',
    'https://router.example.com/callback',
    'ftp://router.example.com',
    'router.example.com',
    '*',
  ])('%s is no origin to call back', (origin) => {
    expect(() => readConfig({ CALLBACK_ORIGINS: `https://router.example.com,${origin}` })).toThrow(ConfigError);
  });

  test('origins and what is below a domain are', () => {
    const origins = ['https://router.example.com', 'http://10.0.0.7:4000', 'https://*.routers.example.com'];
    expect(readConfig({ CALLBACK_ORIGINS: origins.join(', ') }).callbackOrigins).toEqual(origins);
  });
});

test('an instance that goes tells gateways that their subscriptions have ended, and why', async () => {
  const own = await startCastellans(1, {
    settings: { callbackOrigins: [router.origin] },
  });
  const { accessToken } = await own.signUp('bob');
  const { secret } = await addGateway(own);
  const id = randomUUID();
  const response = await fetch(`${own.apps[0]?.url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: ACCEPT,
      authorization: `Bearer ${accessToken}`,
      'x-castellan-gateway': secret,
    },
    body: JSON.stringify({ query: SESSION_EVENTS, extensions: router.extensions(id) }),
  });
  expect(await response.json()).toEqual({ data: null });
  await own.close();
  const [, last] = await router.received(id, 2);
  expect([last?.action, last?.errors?.[0]?.extensions?.code]).toEqual(['complete', 'AUTHORITY_UNAVAILABLE']);
});

test('a gateway that is trusted no more gets no further event, and is told so', async () => {
  const own = await addGateway(castellans);
  const { accessToken } = await castellans.signIn(bob.email);
  const id = randomUUID();
  const headers = { 'x-castellan-gateway': own.secret };
  expect(await subscribe(id, { token: accessToken, headers })).toMatchObject({ status: 200, body: { data: null } });
  const { data } = await castellans.ask('mutation ($id: ID!) { revokeApiKey(id: $id) { receipt { enforced } } }', {
    variables: { id: own.keyId },
    token: alice.accessToken,
  });
  expect(data).toEqual({ revokeApiKey: { receipt: { enforced: true } } });
  await castellans.signIn(bob.email);
  const [, last] = await router.received(id, 2);
  expect([last?.action, last?.errors?.[0]?.extensions?.code]).toEqual(['complete', 'UNAUTHENTICATED']);
  expect(await subscribe(randomUUID(), { token: accessToken, headers })).toMatchObject({ status: 401 });
});

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { ConfigError, readConfig } from '../../src/config.ts';
import { Secret } from '../../src/kit/secret.ts';
import {
  askOver,
  codesOf,
  collect,
  createTestClock,
  PASSWORD,
  recordStatements,
  startCastellans,
  type Castellans,
  type SignedInUser,
  type TestClock,
} from '../support/castellan.ts';
import { openStream } from '../support/event-stream.ts';
import { WAYS_IN } from '../support/every-door.ts';
import { startRedisServer } from '../support/redis-server.ts';
import { listening } from '../support/session-events.ts';

const ME = '{ me { id } }';
const NOBODY = { me: null };
const SIGN_IN = 'mutation ($input: SignInInput!) { signIn(input: $input) { __typename } }';
const REVOKE = 'mutation ($id: ID!) { revokeSession(id: $id) { position } }';
const MAX = 20;
const RATES = [{ max: MAX, seconds: 60 }];
const LIMITED = { code: 'RATE_LIMITED', retryAfterSeconds: expect.any(Number) };

describe('the operations of a user', () => {
  let clock: TestClock;
  let castellans: Castellans;
  let bob: SignedInUser;

  beforeAll(async () => {
    clock = createTestClock();
    castellans = await startCastellans(1, {
      clock,
      settings: { userRates: RATES, allowedOrigins: ['https://a.example'] },
    });
  });
  afterAll(() => castellans?.close());

  const ask = (user = bob, headers: Record<string, string> = {}) =>
    castellans.ask(ME, { token: user.accessToken, headers });

  test('are counted alike at every door, and refused alike at every door', async () => {
    bob = await castellans.signUp('bob');
    for (let n = 0; n < MAX; n += 1) {
      expect(await WAYS_IN[n % WAYS_IN.length]?.ask(castellans, { token: bob.accessToken }, 0)).toEqual([]);
    }
    for (const { name, ask } of WAYS_IN) {
      expect([name, await ask(castellans, { token: bob.accessToken }, 0)]).toEqual([name, [LIMITED]]);
    }
  });

  test('are those of all of the user’s sessions, and of nobody else', async () => {
    bob = await castellans.signUp('bob');
    const [phone, carol] = [await castellans.signIn(bob.email), await castellans.signUp('carol')];
    for (let n = 0; n < MAX; n += 1)
      expect(codesOf(await ask(n % 2 === 0 ? bob : { ...phone, id: bob.id }))).toEqual([]);
    expect(codesOf(await ask({ ...phone, id: bob.id }))).toEqual(['RATE_LIMITED']);
    expect(codesOf(await ask(carol))).toEqual([]);
  });

  test('are told about in the headers of every answer, and a refusal says when to come again', async () => {
    bob = await castellans.signUp('bob');
    const told = (headers: Headers) =>
      Object.fromEntries(['ratelimit-policy', 'ratelimit', 'retry-after'].map((name) => [name, headers.get(name)]));
    const policy = `"user-60";q=${MAX};w=60`;
    // The first is answered by Apollo Server, later ones without it.
    for (let n = 1; n <= 3; n += 1) {
      const answer = await ask();
      expect(answer.status).toBe(200);
      expect(told(answer.headers)).toEqual({
        'ratelimit-policy': policy,
        ratelimit: `"user-60";r=${MAX - n};t=60`,
        'retry-after': null,
      });
    }
    const stream = await openStream(castellans.apps[0]?.url ?? '', ME, {
      headers: { authorization: `Bearer ${bob.accessToken}` },
    });
    expect(told(stream.headers)).toMatchObject({ ratelimit: `"user-60";r=${MAX - 4};t=60` });
    await stream.all();
    for (let n = 5; n <= MAX; n += 1) await ask();

    const refused = await ask(bob, { origin: 'https://a.example' });
    expect(refused.status).toBe(429);
    expect(refused.data).toBeNull();
    expect(refused.errors).toMatchObject([{ extensions: LIMITED }]);
    const seconds = refused.errors[0]?.extensions['retryAfterSeconds'];
    expect(told(refused.headers)).toEqual({
      'ratelimit-policy': policy,
      ratelimit: `"user-60";r=0;t=${String(seconds)}`,
      'retry-after': String(seconds),
    });
    expect(refused.headers.get('cache-control')).toBe('private, no-store');
    // Pages may read them.
    const exposed = refused.headers.get('access-control-expose-headers');
    for (const name of ['ratelimit', 'ratelimit-policy', 'retry-after']) expect(exposed).toContain(name);
  });

  test('may begin again when the window is over', async () => {
    bob = await castellans.signUp('bob');
    for (let n = 0; n < MAX; n += 1) await ask();
    expect(codesOf(await ask())).toEqual(['RATE_LIMITED']);
    clock.advance(60_000);
    expect(codesOf(await ask())).toEqual([]);
  });

  test('have effects only when they are let through', async () => {
    bob = await castellans.signUp('bob');
    const phone = await castellans.signIn(bob.email);
    for (let n = 0; n < MAX; n += 1) await ask();
    const before = await castellans.recorded();
    const variables = { id: phone.sessionId };
    expect(codesOf(await castellans.ask(REVOKE, { variables, token: bob.accessToken }))).toEqual(['RATE_LIMITED']);
    const client = castellans.connect({ token: bob.accessToken });
    expect(codesOf(await askOver(client, REVOKE, { variables }))).toEqual(['RATE_LIMITED']);
    expect(await castellans.recorded()).toEqual(before);
  });

  test('count once for a subscription, however many events it brings', async () => {
    bob = await castellans.signUp('bob');
    const alice = await castellans.signUp('alice', ['administrator']);
    const remaining = async () => /r=(\d+)/.exec((await ask()).headers.get('ratelimit') ?? '')?.[1];
    expect(await remaining()).toBe(String(MAX - 1));
    const events = await listening(castellans, 0, () =>
      collect(castellans.connect({ token: bob.accessToken }), 'subscription { sessionEvents { __typename } }'),
    );
    const phones = [];
    for (let n = 0; n < 4; n += 1) phones.push(await castellans.signIn(bob.email));
    for (const { sessionId } of phones) {
      await castellans.ask(REVOKE, { variables: { id: sessionId }, token: alice.accessToken });
    }
    for (let n = 0; n < 4; n += 1) expect(await events.next()).toMatchObject({ sessionEvents: {} });
    expect(await remaining()).toBe(String(MAX - 3));
    await events.stop();
  });

  test('that use up one of several rates are refused until that one begins anew', async () => {
    const several = await startCastellans(1, {
      clock,
      settings: {
        userRates: [
          { max: 2, seconds: 10 },
          { max: 5, seconds: 3_600 },
        ],
      },
    });
    try {
      const { accessToken: token } = await several.signUp('bob');
      const codes: unknown[] = [];
      for (let round = 0; round < 3; round += 1) {
        for (let n = 0; n < 3; n += 1) codes.push(codesOf(await several.ask(ME, { token }))[0] ?? 'ok');
        clock.advance(10_000);
      }
      const refused = 'RATE_LIMITED';
      expect(codes).toEqual(['ok', 'ok', refused, 'ok', 'ok', refused, 'ok', refused, refused]);
      const { errors, headers } = await several.ask(ME, { token });
      expect(Number(errors[0]?.extensions['retryAfterSeconds'])).toBeGreaterThan(3_000);
      expect(headers.get('ratelimit-policy')).toBe('"user-10";q=2;w=10, "user-3600";q=5;w=3600');
    } finally {
      await several.close();
    }
  });
});

describe('on five instances', () => {
  let castellans: Castellans;
  const INSTANCES = [0, 1, 2, 3, 4];

  beforeAll(async () => {
    castellans = await startCastellans(5, {
      settings: { userRates: [{ max: 50, seconds: 600 }], anonymousRates: [{ max: 500, seconds: 600 }] },
    });
    // Everybody has heard of the last one.
    for (const { services } of castellans.apps) await services.tail.poll(true);
  }, 30_000);
  afterAll(() => castellans?.close());

  test('AC-49e: bursts over all doors of all instances never exceed the limit', async () => {
    const bob = await castellans.signUp('bob');
    const asked = INSTANCES.flatMap((instance) =>
      WAYS_IN.flatMap(({ ask }) =>
        Array.from({ length: 6 }, () => ask(castellans, { token: bob.accessToken }, instance)),
      ),
    );
    const answers = (await Promise.all(asked)).map(([refused]) => refused?.['code'] ?? 'ok');
    expect(answers.filter((code) => code === 'ok')).toHaveLength(50);
    expect(answers.filter((code) => code === 'RATE_LIMITED')).toHaveLength(70);
  });

  test('a warm operation is counted without asking PostgreSQL or Redis', async () => {
    const bob = await castellans.signUp('bob');
    const ask = (instance: number) => castellans.ask(ME, { token: bob.accessToken, instance });
    for (const instance of INSTANCES) await ask(instance);
    const { names, stop } = recordStatements(castellans.apps);
    for (const instance of INSTANCES) expect((await ask(instance)).headers.get('ratelimit')).toContain(';r=8;');
    stop();
    expect(names.filter((name) => name !== 'a transaction')).toEqual([]);
    const redis = new Redis(castellans.config.redisUrl?.reveal() ?? '');
    expect(await redis.keys(`*limit*${bob.id}*`)).toEqual([]);
    redis.disconnect();
  });
});

describe('AC-48: nobody in particular', () => {
  let behind: Castellans;
  let open: Castellans;
  const from = (castellans: Castellans, forwarded: string) =>
    castellans.ask(ME, { headers: { 'x-forwarded-for': forwarded } });

  beforeAll(async () => {
    const settings = { anonymousRates: [{ max: 5, seconds: 600 }] };
    behind = await startCastellans(1, { settings: { ...settings, trustedProxies: ['127.0.0.1', '10.0.0.0/8'] } });
    open = await startCastellans(1, { settings });
  });
  afterAll(() => Promise.all([behind?.close(), open?.close()]));

  test('gains nothing by naming another address each time', async () => {
    const answers = [];
    for (let n = 0; n < 10; n += 1) answers.push(codesOf(await from(open, `203.0.113.${n}`))[0] ?? 'ok');
    expect(answers).toEqual([
      ...Array.from({ length: 5 }, () => 'ok'),
      ...Array.from({ length: 5 }, () => 'RATE_LIMITED'),
    ]);
    // Nor does what a client wrote in front of what the proxy saw.
    const spoofed = [];
    for (let n = 0; n < 10; n += 1)
      spoofed.push(codesOf(await from(behind, `198.51.100.${n}, 203.0.113.77`))[0] ?? 'ok');
    expect(spoofed).toEqual(answers);
    expect(codesOf(await from(behind, '203.0.113.78'))).toEqual([]);
  });

  test('is one network in whatever form its address is written, and with whatever address of its /64', async () => {
    const forms = [
      '2001:db8:1:2::1',
      '2001:0DB8:0001:0002:0000:0000:0000:0001',
      '2001:db8:1:2:0:0:0:ff',
      '2001:db8:1:2:ffff:ffff:ffff:ffff',
      '2001:DB8:1:2::192.0.2.1',
    ];
    for (const form of forms) expect([form, codesOf(await from(behind, form))]).toEqual([form, []]);
    for (const form of forms) expect(codesOf(await from(behind, form))).toEqual(['RATE_LIMITED']);
    expect(codesOf(await from(behind, '2001:db8:1:3::1'))).toEqual([]);
    for (const form of ['192.0.2.9', '::ffff:192.0.2.9', '::ffff:c000:209', '0:0:0:0:0:ffff:192.0.2.9', '192.0.2.9']) {
      expect([form, codesOf(await from(behind, form))]).toEqual([form, []]);
    }
    expect(codesOf(await from(behind, '::FFFF:192.0.2.9'))).toEqual(['RATE_LIMITED']);
  });

  test('is refused over a WebSocket as well, and who signs in is counted as who they are', async () => {
    const bob = await behind.signUp('bob');
    for (let n = 0; n < 5; n += 1) await behind.ask(ME);
    const client = behind.connect({});
    expect(codesOf(await askOver(client, ME))).toEqual(['RATE_LIMITED']);
    await client.dispose();
    expect((await behind.ask(ME)).headers.get('ratelimit-policy')).toBe('"anonymous-600";q=5;w=600');
    const signedIn = await behind.ask(ME, { token: bob.accessToken });
    expect(signedIn.data).toEqual({ me: { id: bob.id } });
    expect(signedIn.headers.get('ratelimit')).toBeNull();
  });
});

describe('credentials that do not hold', () => {
  let castellans: Castellans;
  let bob: SignedInUser;
  const forged = (token = 'forged') => castellans.ask(ME, { token });

  beforeAll(async () => {
    castellans = await startCastellans(1, { settings: { anonymousRates: [{ max: 10, seconds: 600 }] } });
  });
  afterAll(() => castellans?.close());

  test('AC-49c: are counted as what nobody in particular asks, at every door, and keep nobody out whose credential holds', async () => {
    bob = await castellans.signUp('bob');
    const withKey = () => castellans.ask(ME, { headers: { 'x-api-key': 'ck_live_nonsense' } });
    for (let n = 0; n < 2; n += 1) {
      expect(codesOf(await forged())).toEqual(['UNAUTHENTICATED']);
      expect(codesOf(await withKey())).toEqual(['UNAUTHENTICATED']);
      expect(await WAYS_IN[2]?.ask(castellans, { token: 'forged' }, 0)).toEqual([{ code: 'UNAUTHENTICATED' }]);
    }
    const good = castellans.connect({ token: bob.accessToken });
    expect((await askOver(good, ME)).data).toEqual({ me: { id: bob.id } });
    expect(codesOf(await askOver(good, ME, { token: 'forged' }))).toEqual(['UNAUTHENTICATED']);
    expect(await askOver(castellans.connect({ token: 'forged' }), ME)).toMatchObject({ closed: 4401 });

    // Signing in was the first of ten, and these were eight.
    expect(codesOf(await forged())).toEqual(['UNAUTHENTICATED']);
    const refused = await forged();
    expect([refused.status, codesOf(refused)]).toEqual([429, ['RATE_LIMITED']]);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(refused.headers.get('ratelimit')).toContain('"anonymous-600";r=0;');
    expect(codesOf(await withKey())).toEqual(['RATE_LIMITED']);
    expect(codesOf(await askOver(good, ME, { token: 'forged' }))).toEqual(['RATE_LIMITED']);
    expect(await askOver(castellans.connect({ token: 'forged' }), ME)).toMatchObject({ closed: 4429 });

    expect((await askOver(good, ME)).data).toEqual({ me: { id: bob.id } });
    expect((await castellans.ask(ME, { token: bob.accessToken })).data).toEqual({ me: { id: bob.id } });
    await castellans.ask(REVOKE, { variables: { id: bob.sessionId }, token: bob.accessToken });
    expect(codesOf(await castellans.ask(ME, { token: bob.accessToken }))).toEqual(['SESSION_REVOKED']);
  });

  test('are refused at the doors beside GraphQL as well, where too many came from there', async () => {
    for (let n = 0; n < 10; n += 1) await forged();
    const form = { method: 'POST', body: new URLSearchParams({ token: 'no.token.of_ours' }) };
    for (const [path, init] of [
      ['/oauth/revoke', form],
      ['/oauth/introspect', { ...form, headers: { 'x-api-key': 'ck_live_nonsense' } }],
      ['/sdl', { headers: { 'x-castellan-gateway': 'ck_live_nonsense' } }],
    ] as const) {
      const { status, headers } = await fetch(`${castellans.apps[0]?.url}${path}`, init);
      expect([path, status, Number(headers.get('retry-after')) > 0]).toEqual([path, 429, true]);
    }
  });
});

describe('what guards sign-in', () => {
  test('AC-49e: is counted in PostgreSQL, and holds while Redis does not answer', async () => {
    const redis = await startRedisServer();
    const castellans = await startCastellans(3, { settings: { redisUrl: new Secret(redis.url) } });
    try {
      const bob = await castellans.signUp('bob');
      redis.pause();
      const guesses = Array.from({ length: 60 }, (_, n) =>
        castellans.ask(SIGN_IN, {
          variables: { input: { email: bob.email, password: 'not the one of this user' } },
          instance: n % 3,
        }),
      );
      const codes = (await Promise.all(guesses)).map((answer) => codesOf(answer)[0]);
      expect(codes.filter((code) => code === 'UNAUTHENTICATED')).toHaveLength(5);
      expect(codes.filter((code) => code === 'RATE_LIMITED')).toHaveLength(55);
      const right = { input: { email: bob.email, password: PASSWORD } };
      expect(codesOf(await castellans.ask(SIGN_IN, { variables: right, instance: 1 }))).toEqual(['RATE_LIMITED']);
    } finally {
      redis.resume();
      await castellans.close();
      await redis.stop();
    }
  });
});

describe('the settings', () => {
  test('limit users and networks unless they say otherwise, and nothing where they are off', async () => {
    const { userRates, anonymousRates } = readConfig({});
    expect({ userRates, anonymousRates }).toEqual({
      userRates: [{ max: 1_000, seconds: 10 }],
      anonymousRates: [{ max: 300, seconds: 10 }],
    });
    const off = readConfig({ RATE_LIMIT_USERS: 'off', RATE_LIMIT_ANONYMOUS: '5/1m, 100/1h,500/1d' });
    expect(off.userRates).toEqual([]);
    expect(off.anonymousRates).toEqual([
      { max: 5, seconds: 60 },
      { max: 100, seconds: 3_600 },
      { max: 500, seconds: 86_400 },
    ]);
    const castellans = await startCastellans(1);
    const { data, headers } = await castellans.ask(ME);
    expect(data).toEqual(NOBODY);
    expect([headers.get('ratelimit'), headers.get('ratelimit-policy')]).toEqual([null, null]);
    await castellans.close();
  });

  test.each([
    '',
    ' ',
    '0/10s',
    '10',
    '10/s',
    '10/0s',
    '-1/10s',
    '1.5/1s',
    '10/10',
    '10/10x',
    '5/1m,',
    '2/1m,3/60s',
    '1/2d',
  ])('are refused by name where they are %j', (text) => {
    // What is set to nothing is not set.
    if (text === '') return expect(readConfig({ RATE_LIMIT_USERS: text }).userRates).toHaveLength(1);
    expect(() => readConfig({ RATE_LIMIT_USERS: text })).toThrow(ConfigError);
    expect(() => readConfig({ RATE_LIMIT_USERS: text })).toThrow(/RATE_LIMIT_USERS/);
  });
});

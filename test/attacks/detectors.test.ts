import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { SecurityEventKind } from '../../src/domain/security/security-event.ts';
import { THRESHOLDS } from '../../src/kit/thresholds.ts';
import {
  type Castellans,
  codesOf,
  createTestClock,
  PASSWORD,
  recordStatements,
  type SignedInUser,
  startCastellans,
  type TestClock,
  until,
} from '../support/castellan.ts';
import { CITIES, mmdbOf } from '../support/mmdb.ts';
import { secondFactors } from '../support/second-factors.ts';

/**
 * What is nothing by itself and an attack when it adds up, with what it takes as it is shipped: spread over three instances it
 * raises one event, and just less raises none.
 */

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const SIGN_IN = 'mutation ($input: SignInInput!) { signIn(input: $input) { __typename } }';

const LONDON = '81.2.69.142';
const SEATTLE = '216.160.83.56';
/** From one to the other and back. */
const WAY = [LONDON, SEATTLE];

interface Told {
  readonly kind: string;
  readonly severity: string;
  readonly userId: string | null;
  readonly sessionId: string | null;
  readonly subjectId: string | null;
  readonly count: number | null;
  readonly address: string | null;
}

let castellans: Castellans;
let folder: string;
let clock: TestClock;
let alice: SignedInUser;
let bob: SignedInUser;
let attempts = 0;
let networks = 0;

beforeAll(async () => {
  clock = createTestClock();
  clock.advance(untilNextHour());
  folder = await mkdtemp(join(tmpdir(), 'castellan-places-'));
  const geoDatabase = join(folder, 'places.mmdb');
  await writeFile(geoDatabase, mmdbOf(CITIES));
  const settings = { trustedProxies: ['127.0.0.1'], geoDatabase };
  castellans = await startCastellans(3, { clock, settings });
  alice = await castellans.signUp('alice', ['administrator']);
  bob = await castellans.signUp('bob');
});

afterAll(async () => {
  await castellans?.close();
  await rm(folder, { recursive: true });
});

/** Each from another instance than the one before. */
const next = () => (attempts += 1) % 3;
const network = () => `198.51.100.${(networks += 1)}`;
const from = (address: string) => ({ 'x-forwarded-for': address });
const somebody = () => `nobody.${(attempts += 1)}@example.com`;
const anyPassword = () => `wrong password ${(attempts += 1)}`;

const trySignIn = (email: string, password: string, address = network()) =>
  castellans.ask(SIGN_IN, { variables: { input: { email, password } }, instance: next(), headers: from(address) });

/** So that no window ends while it is filled. */
const untilNextHour = () => HOUR_MS - (clock.now() % HOUR_MS) + 1_000;

/** Tokens may end meanwhile: alice signs in again. */
async function pass(ms: number): Promise<void> {
  clock.advance(ms);
  await until(() => castellans.apps.every(({ services }) => services.tail.inForce()));
  alice = { ...alice, ...(await castellans.signIn(alice.email)) };
}

/** A form, or a GET without one. */
async function knock(path: string, headers: Record<string, string>, form?: string): Promise<void> {
  const type = { 'content-type': 'application/x-www-form-urlencoded' };
  const url = `${castellans.apps[next()]?.url}${path}`;
  const init = form === undefined ? { headers } : { method: 'POST', headers: { ...type, ...headers }, body: form };
  await (await fetch(url, init)).text();
}

async function times(count: number, work: (n: number) => Promise<unknown>): Promise<void> {
  for (let n = 0; n < count; n += 1) await work(n);
}

/** What was raised of this kind by now, when all instances have written what they noted, at once. */
async function raised(kind: string): Promise<readonly Told[]> {
  await Promise.all(castellans.apps.flatMap(({ services }) => [services.detectors.flush(), services.travels.flush()]));
  const query = `query ($kind: String!) {
    securityEvents(first: 100, filter: { kind: $kind }) {
      edges { node { kind severity userId sessionId subjectId count address } }
    }
  }`;
  const { data } = await castellans.ask<{ securityEvents: { edges: readonly { readonly node: Told }[] } }>(query, {
    variables: { kind },
    token: alice.accessToken,
  });
  return (data?.securityEvents.edges ?? []).map(({ node }) => node);
}

interface Scenario {
  readonly kind: SecurityEventKind;
  /** How many of it raise one; of impossible travel, in how many places. */
  readonly threshold: number;
  /** Begins an attack, or something like one; the answer makes one attempt of it. */
  readonly begin: () => Promise<(n: number) => Promise<unknown>>;
  readonly event: Partial<Told>;
}

const anAccount = async () => (await castellans.signUp('carla')).email;

const SCENARIOS: readonly Scenario[] = [
  {
    kind: 'sign_in.failures',
    threshold: 10,
    begin: async () => {
      await pass(untilNextHour());
      const email = await anAccount();
      return async (n) => {
        // From the sixth on each must wait for twice as long, and a guesser who does is told all the same.
        if (n >= 5) await pass(30_000 * 2 ** (n - 5));
        expect(codesOf(await trySignIn(email, anyPassword()))).toEqual(['UNAUTHENTICATED']);
      };
    },
    event: { severity: 'warning', userId: expect.any(String) as unknown as string },
  },
  {
    kind: 'sign_in.blocked',
    threshold: 10,
    begin: async () => {
      const email = await anAccount();
      await times(5, () => trySignIn(email, anyPassword()));
      return async () => expect(codesOf(await trySignIn(email, anyPassword()))).toEqual(['RATE_LIMITED']);
    },
    event: { severity: 'warning', userId: expect.any(String) as unknown as string },
  },
  {
    kind: 'account.locked',
    threshold: 1,
    begin: async () => {
      const email = await anAccount();
      await times(5, () => trySignIn(email, anyPassword()));
      await castellans.rows('update password_guesses set failures = 99, retry_at = null where failures = 5');
      expect(codesOf(await trySignIn(email, anyPassword()))).toEqual(['UNAUTHENTICATED']);
      return async () => expect(codesOf(await trySignIn(email, PASSWORD))).toEqual(['ACCOUNT_LOCKED']);
    },
    event: { severity: 'critical', userId: expect.any(String) as unknown as string },
  },
  {
    kind: 'sign_in.stuffing',
    threshold: 20,
    begin: async () => {
      const address = network();
      return () => trySignIn(somebody(), anyPassword(), address);
    },
    event: {
      severity: 'critical',
      userId: null,
      address: expect.stringMatching(/^198\.51\.100\./) as unknown as string,
    },
  },
  {
    kind: 'sign_in.spraying',
    threshold: 10,
    begin: async () => {
      const password = anyPassword();
      return () => trySignIn(somebody(), password);
    },
    event: { severity: 'critical', userId: null },
  },
  {
    kind: 'credential.guessed',
    threshold: 50,
    begin: async () => {
      const address = network();
      // At another door each time.
      const doors = [
        (n: number) =>
          castellans.ask('{ me { id } }', { token: `no token ${n}`, instance: next(), headers: from(address) }),
        (n: number) => knock('/oauth/introspect', { 'x-api-key': `ck_${n}`, ...from(address) }, 'token=x'),
        (n: number) => knock('/oauth/revoke', from(address), `token=no.token.${n}`),
        (n: number) => knock('/sdl', { 'x-castellan-gateway': `ck_${n}`, ...from(address) }),
      ];
      return (n) => doors[n % doors.length]?.(n) ?? Promise.resolve();
    },
    event: { severity: 'warning', userId: null },
  },
  {
    kind: 'credential.replayed',
    threshold: 20,
    begin: async () => {
      const { accessToken: token } = await castellans.signIn(bob.email);
      await castellans.ask('mutation { signOut { receipt { enforced } } }', { token });
      const address = network();
      return () => castellans.ask('{ me { id } }', { token, instance: next(), headers: from(address) });
    },
    event: { severity: 'warning', userId: null },
  },
  {
    kind: 'grant.denied',
    threshold: 5,
    begin: async () => {
      const mallory = await castellans.signUp('mallory');
      const [role] = await castellans.rows<{ id: string }>(`select id from roles where name = 'administrator'`);
      const grant = `mutation { grantRole(principalId: "${mallory.id}", roleId: "${role?.id}") { position } }`;
      return async () => {
        const answer = await castellans.ask(grant, { token: mallory.accessToken, instance: next() });
        expect(codesOf(answer)).toEqual(['FORBIDDEN']);
      };
    },
    event: { severity: 'critical', userId: expect.any(String) as unknown as string },
  },
  {
    kind: 'read.denied',
    threshold: 50,
    begin: async () => {
      const { accessToken: token } = await castellans.signUp('mallory');
      return () => castellans.ask('{ signingKeys { id } }', { token, instance: next() });
    },
    event: { severity: 'warning', userId: expect.any(String) as unknown as string },
  },
  {
    kind: 'origin.refused',
    threshold: 10,
    begin: async () => {
      const address = network();
      const headers = { ...from(address), origin: 'https://evil.example', accept: 'text/event-stream' };
      return async () => {
        const answer = await castellans.ask('{ __typename }', { instance: next(), headers });
        expect(codesOf(answer)).toEqual(['FORBIDDEN']);
      };
    },
    event: { severity: 'warning', userId: null },
  },
  {
    kind: 'csrf.refused',
    threshold: 5,
    begin: async () => {
      const signedIn = await castellans.ask(SIGN_IN, {
        variables: { input: { email: bob.email, password: PASSWORD } },
        headers: { 'x-castellan-cookies': '1' },
      });
      const cookie = signedIn.headers
        .getSetCookie()
        .map((each) => each.split(';')[0])
        .join('; ');
      const headers = { ...from(network()), cookie };
      return async () => {
        const answer = await castellans.ask('{ me { id } }', { instance: next(), headers });
        expect(codesOf(answer)).toEqual(['FORBIDDEN']);
      };
    },
    event: { severity: 'warning', userId: null },
  },
  {
    kind: 'session.impossible_travel',
    threshold: 2,
    begin: async () => {
      const { accessToken: token } = await castellans.signUp('frida');
      return (n) => castellans.ask('{ me { id } }', { token, instance: next(), headers: from(WAY[n % 2] ?? LONDON) });
    },
    // So many kilometres, less what the file says of how far off it may be.
    event: {
      severity: 'warning',
      userId: expect.any(String) as unknown as string,
      sessionId: expect.any(String) as unknown as string,
      address: expect.stringMatching(/^(81\.2\.69\.142|216\.160\.83\.56)$/) as unknown as string,
      count: 7_702,
    },
  },
];

test('every detector is tried with what it takes as it is shipped', () => {
  const shipped = Object.entries(THRESHOLDS).map(([kind, threshold]) => [kind, threshold?.count]);
  const tried = SCENARIOS.map(({ kind, threshold }) => [kind, threshold]);
  expect(Object.fromEntries(tried)).toEqual({ ...Object.fromEntries(shipped), 'session.impossible_travel': 2 });
});

describe.each(SCENARIOS)('$kind', ({ kind, threshold, begin, event }) => {
  test('just less than it takes raises none, on whichever instances', async () => {
    const attempt = await begin();
    await times(threshold - 1, attempt);
    expect(await raised(kind)).toEqual([]);
  });

  test('as much as it takes, spread over three instances, raises one, and more of it no other', async () => {
    const attempt = await begin();
    await times(threshold, attempt);
    const [told, ...others] = await raised(kind);
    expect(others).toEqual([]);
    expect(told).toMatchObject({ kind, count: threshold, ...event });
    await attempt(threshold);
    expect(await raised(kind)).toHaveLength(1);
  });
});

test('wrong passwords and codes for one account add up, at sign-in and in a session', async () => {
  const before = (await raised('sign_in.failures')).length;
  await pass(untilNextHour());
  const phone = secondFactors(castellans, clock, PASSWORD);
  const carla = await phone.enrolled('carla');
  const dora = await castellans.signUp('dora');
  const challenge = await phone.challengeOf(carla.email);
  const tryCode = () => phone.verify(challenge, phone.wrongCode(carla.secret), next());
  const STEP_UP = 'mutation ($p: String!) { stepUp(input: { password: $p }) { position } }';
  const CHANGE = `mutation ($p: String!) { changePassword(currentPassword: $p, newPassword: "a staple for a battery of horses") { position } }`;
  const inSession = async (query: string) => {
    const variables = { p: anyPassword() };
    const answer = await castellans.ask(query, { variables, token: dora.accessToken, instance: next() });
    expect(codesOf(answer)).toEqual(['BAD_USER_INPUT']);
  };
  await times(5, () => trySignIn(carla.email, anyPassword()));
  await times(4, tryCode);
  await times(5, () => trySignIn(dora.email, anyPassword()));
  await times(4, () => inSession(STEP_UP));
  expect(await raised('sign_in.failures')).toHaveLength(before);
  await tryCode();
  await inSession(CHANGE);
  const told = await raised('sign_in.failures');
  expect(told.slice(0, told.length - before).map(({ userId }) => userId)).toEqual(
    expect.arrayContaining([carla.id, dora.id]),
  );
  expect(told).toHaveLength(before + 2);
});

describe('what looks like an attack and is another thing', () => {
  test('many tries at one account with one password are no spraying, and from one network no stuffing', async () => {
    const before = [await raised('sign_in.spraying'), await raised('sign_in.stuffing')];
    const [email, password, address] = [somebody(), anyPassword(), network()];
    await times(20, () => trySignIn(email, password, address));
    expect([await raised('sign_in.spraying'), await raised('sign_in.stuffing')]).toEqual(before);
  });

  test('who signs in rightly from a network that many share raises nothing', async () => {
    const before = await raised('sign_in.stuffing');
    const address = network();
    await times(21, () => trySignIn(bob.email, PASSWORD, address));
    expect(await raised('sign_in.stuffing')).toEqual(before);
  });

  test('as many in two windows as it takes in one', async () => {
    const { accessToken: token } = await castellans.signUp('mallory');
    const before = await raised('read.denied');
    for (const half of [25, 25]) {
      await times(half, () => castellans.ask('{ signingKeys { id } }', { token, instance: next() }));
      await raised('read.denied');
      // Longer than the window.
      await pass(5 * MINUTE_MS + 1);
    }
    expect(await raised('read.denied')).toEqual(before);
  });
});

test('what is denied of many in one request counts as if each had been asked for alone', async () => {
  const before = (await raised('grant.denied')).length;
  const [role] = await castellans.rows<{ id: string }>(`select id from roles where name = 'administrator'`);
  const GRANTS =
    'mutation ($grants: [GrantRoleInput!]!) { grantRoles(grants: $grants) { results { refusal { code } } } }';
  const tryMany = async (count: number) => {
    const mallory = await castellans.signUp('mallory');
    const grants = Array.from({ length: count }, () => ({ principalId: mallory.id, roleId: role?.id }));
    const answer = await castellans.ask(GRANTS, {
      variables: { grants },
      token: mallory.accessToken,
      instance: next(),
    });
    const refused = { refusal: { code: 'FORBIDDEN' } };
    expect(answer.data).toEqual({ grantRoles: { results: grants.map(() => refused) } });
    return mallory.id;
  };
  await tryMany(4);
  expect(await raised('grant.denied')).toHaveLength(before);
  const userId = await tryMany(5);
  const [told, ...others] = await raised('grant.denied');
  expect(told).toMatchObject({ severity: 'critical', userId, count: 5 });
  expect(others).toHaveLength(before);
});

test('whoever is turned away costs the database nothing but the batches of every two seconds', async () => {
  const { accessToken: token } = await castellans.signUp('mallory');
  await castellans.ask('{ signingKeys { id } }', { token });
  const statements = recordStatements(castellans.apps);
  await times(60, (n) => castellans.ask('{ me { id } }', { token: `no token ${n}`, headers: from(network()) }));
  await times(60, () => castellans.ask('{ signingKeys { id } }', { token }));
  statements.stop();
  expect(statements.names.filter((name) => name !== 'a transaction')).toEqual([]);
  expect(statements.names.length).toBeLessThan(20);
});

describe('what somebody who may does, and should be seen to', () => {
  test('an API key that is used from another network than before, and not the first time it is used', async () => {
    const key = await castellans.ask<{ createApiKey: { secret: string; apiKey: { id: string } } }>(
      `mutation { createApiKey(input: { name: "robot" }) { secret apiKey { id } } }`,
      { token: alice.accessToken },
    );
    const { secret = '', apiKey } = key.data?.createApiKey ?? {};
    const use = (address: string) =>
      castellans.ask('{ __typename }', {
        instance: next(),
        headers: { ...from(address), 'x-api-key': secret },
      });
    const [home, elsewhere] = [network(), network()];
    await times(3, () => use(home));
    expect(await raised('api_key.new_network')).toEqual([]);
    await times(6, () => use(elsewhere));
    expect(await raised('api_key.new_network')).toMatchObject([
      { severity: 'warning', userId: alice.id, subjectId: apiKey?.id, address: elsewhere },
    ]);
    await times(3, () => use(home));
    expect(await raised('api_key.new_network')).toHaveLength(1);
  });

  test('signing keys that are rotated and revoked, each once', async () => {
    const rotate = 'mutation { rotateSigningKey { signingKey { id } } }';
    const { data } = await castellans.ask<{ rotateSigningKey: { signingKey: { id: string } } }>(rotate, {
      token: alice.accessToken,
    });
    const kid = data?.rotateSigningKey.signingKey.id;
    // While one waits, nothing changes.
    await castellans.ask(rotate, { token: alice.accessToken, instance: 1 });
    const whose = { userId: alice.id, sessionId: alice.sessionId, subjectId: kid };
    expect(await raised('signing_key.rotated')).toMatchObject([{ severity: 'info', ...whose }]);
    for (const instance of [1, 2]) {
      await castellans.ask(`mutation { revokeSigningKey(kid: "${kid}") { position } }`, {
        token: alice.accessToken,
        instance,
      });
    }
    expect(await raised('signing_key.revoked')).toMatchObject([{ severity: 'warning', ...whose }]);
  });

  test('another policy, but not the first one, nor the same again', async () => {
    expect(await raised('policy.changed')).toEqual([]);
    const { data } = await castellans.ask<{
      policy: { version: string; files: readonly { readonly path: string; readonly text: string }[] };
    }>('{ policy { version files { path text } } }', { token: alice.accessToken });
    const { version = '', files = [] } = data?.policy ?? {};
    const apply = (more: readonly object[]) =>
      castellans.ask<{ applyPolicy: { version: string } }>(
        `mutation ($files: [PolicyFileInput!]!, $version: String!) {
           applyPolicy(files: $files, expectedVersion: $version) { version }
         }`,
        { token: alice.accessToken, variables: { files: [...files, ...more], version } },
      );
    await apply([]);
    expect(await raised('policy.changed')).toEqual([]);
    const { data: applied } = await apply([{ path: 'policies/more.yaml', text: 'roles: { guest: {} }' }]);
    expect(await raised('policy.changed')).toMatchObject([
      { severity: 'info', userId: alice.id, subjectId: applied?.applyPolicy.version },
    ]);
  });
});

test('what is raised is counted by kind, and what is noted holds nobody’s password or address in readable form', async () => {
  const text = (await castellans.apps[0]?.metrics.render()) ?? '';
  expect(text).toMatch(/^castellan_security_events_total\{kind="sign_in\.spraying"\} [1-9]/m);
  const signals = JSON.stringify(await castellans.rows('select * from security_signals'));
  expect(signals).not.toContain('@example.com');
  expect(signals).not.toContain('wrong password');
});

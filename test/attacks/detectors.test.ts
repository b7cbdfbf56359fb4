import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { SecurityEventKind } from '../../src/domain/security/security-event.ts';
import { changedThresholds } from '../../src/kit/thresholds.ts';
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

/** What is nothing by itself and an attack when it adds up: spread over three instances it raises one event, and just less raises none. */

const HOUR_MS = 3_600_000;
const THRESHOLDS = [
  'sign_in.failures=4/15m',
  'sign_in.blocked=3/15m',
  'sign_in.stuffing=5/10m',
  'sign_in.spraying=5/1h',
  'credential.guessed=4/10m',
  'credential.replayed=3/10m',
  'grant.denied=3/15m',
  'read.denied=4/5m',
  'origin.refused=3/10m',
  'csrf.refused=3/10m',
].join(',');
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
  // So that no window ends while it is filled.
  clock.advance(HOUR_MS - (clock.now() % HOUR_MS) + 1_000);
  folder = await mkdtemp(join(tmpdir(), 'castellan-places-'));
  const geoDatabase = join(folder, 'places.mmdb');
  await writeFile(geoDatabase, mmdbOf(CITIES));
  const settings = {
    securityThresholds: changedThresholds(THRESHOLDS),
    trustedProxies: ['127.0.0.1'],
    geoDatabase,
  };
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
  readonly threshold: number;
  /** Begins an attack, or something like one; the answer makes one attempt of it. */
  readonly begin: () => Promise<(n: number) => Promise<unknown>>;
  readonly event: Partial<Told>;
}

const anAccount = async () => (await castellans.signUp('carla')).email;

const SCENARIOS: readonly Scenario[] = [
  {
    kind: 'sign_in.failures',
    threshold: 4,
    begin: async () => {
      const email = await anAccount();
      return () => trySignIn(email, anyPassword());
    },
    event: { severity: 'warning', userId: expect.any(String) as unknown as string },
  },
  {
    kind: 'sign_in.stuffing',
    threshold: 5,
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
    threshold: 5,
    begin: async () => {
      const password = anyPassword();
      return () => trySignIn(somebody(), password);
    },
    event: { severity: 'critical', userId: null },
  },
  {
    kind: 'credential.guessed',
    threshold: 4,
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
    threshold: 3,
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
    threshold: 3,
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
    threshold: 4,
    begin: async () => {
      const { accessToken: token } = await castellans.signUp('mallory');
      return () => castellans.ask('{ signingKeys { id } }', { token, instance: next() });
    },
    event: { severity: 'warning', userId: expect.any(String) as unknown as string },
  },
  {
    kind: 'origin.refused',
    threshold: 3,
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
    threshold: 3,
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

describe('what looks like an attack and is another thing', () => {
  test('many tries at one account with one password are no spraying, and from one network no stuffing', async () => {
    const before = [await raised('sign_in.spraying'), await raised('sign_in.stuffing')];
    const [email, password, address] = [somebody(), anyPassword(), network()];
    await times(6, () => trySignIn(email, password, address));
    expect([await raised('sign_in.spraying'), await raised('sign_in.stuffing')]).toEqual(before);
  });

  test('who signs in rightly from a network that many share raises nothing', async () => {
    const before = await raised('sign_in.stuffing');
    const address = network();
    await times(6, () => trySignIn(bob.email, PASSWORD, address));
    expect(await raised('sign_in.stuffing')).toEqual(before);
  });

  test('as many in two windows as it takes in one', async () => {
    const { accessToken: token } = await castellans.signUp('mallory');
    const before = await raised('read.denied');
    for (const half of [2, 2]) {
      await times(half, () => castellans.ask('{ signingKeys { id } }', { token, instance: next() }));
      await raised('read.denied');
      // Longer than the window and less than the life of a token.
      clock.advance(4 * 60_000);
      clock.advance(60_001);
      await until(() => castellans.apps.every(({ services }) => services.tail.inForce()));
      alice = { ...alice, ...(await castellans.signIn(alice.email)) };
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
  await tryMany(2);
  expect(await raised('grant.denied')).toHaveLength(before);
  const userId = await tryMany(3);
  const [told, ...others] = await raised('grant.denied');
  expect(told).toMatchObject({ severity: 'critical', userId, count: 3 });
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

describe('accounts', () => {
  test('that are kept waiting, and one that is locked, are told once', async () => {
    const email = await anAccount();
    await times(5, () => trySignIn(email, anyPassword()));
    await times(2, () => trySignIn(email, anyPassword()));
    expect(await raised('sign_in.blocked')).toEqual([]);
    expect(await raised('account.locked')).toEqual([]);
    await times(2, () => trySignIn(email, anyPassword()));
    expect(await raised('sign_in.blocked')).toMatchObject([{ severity: 'warning', userId: expect.any(String) }]);

    await castellans.rows('update password_guesses set failures = 100 where failures > 4');
    await times(3, async () => expect(codesOf(await trySignIn(email, PASSWORD))).toEqual(['ACCOUNT_LOCKED']));
    expect(await raised('account.locked')).toMatchObject([{ severity: 'critical', userId: expect.any(String) }]);
  });
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

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { App } from '../../src/app.ts';
import { accountsOn } from '../support/accounts.ts';
import { askingOn, INSTANCES } from '../support/asking.ts';
import {
  type Castellans,
  codesOf,
  createTestClock,
  PASSWORD,
  recordStatements,
  type SignedInUser,
  startCastellans,
} from '../support/castellan.ts';
import { addGrant } from '../support/people.ts';
import { secondFactors } from '../support/second-factors.ts';

const ACTIVITY = `query ($id: ID!, $range: AnalyticsRange!) {
  userActivity(id: $id, range: $range) {
    signIns failedSignIns refreshes lastSignInAt completeUntil
    devices { deviceKind browser os firstSeenAt lastSeenAt signIns } buckets { start signIns failedSignIns refreshes }
  }
}`;
const SIGN_INS = `query ($id: ID!, $first: Int!, $after: String) {
  signIns(userId: $id, first: $first, after: $after) {
    edges { cursor node { id at outcome aal sessionId deviceKind browser os client address } }
    pageInfo { hasNextPage endCursor }
  }
}`;
const REFRESH = 'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken } }';
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0';
const range = () => ({
  from: new Date(Date.now() - 3_600_000).toISOString(),
  to: new Date(Date.now() + 3_600_000).toISOString(),
});

interface Activity {
  readonly signIns: number;
  readonly failedSignIns: number;
  readonly refreshes: number;
  readonly lastSignInAt: string | null;
  readonly devices: readonly object[];
  readonly buckets: readonly { readonly signIns: number }[];
}
interface History {
  readonly edges: readonly { readonly node: Readonly<Record<string, unknown>> }[];
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string };
}

let castellans: Castellans;
let alice: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(3, { settings: { trustedProxies: ['127.0.0.1/32', '::1/128'] } });
  alice = await castellans.signUp('alice', ['administrator']);
}, 40_000);

afterAll(() => castellans?.close());

const { ask, done, audited, atHome } = askingOn(
  () => castellans,
  () => alice,
);
const accounts = accountsOn(() => castellans);
const first = (): App => {
  const [app] = castellans.apps;
  if (app === undefined) throw new TypeError('three were started');
  return app;
};
const signIn = (email: string, password: string, instance = 0) =>
  castellans.ask('mutation ($input: SignInInput!) { signIn(input: $input) { ... on SignedIn { session { id } } } }', {
    variables: { input: { email, password } },
    instance,
    headers: { 'user-agent': FIREFOX, 'apollographql-client-name': 'desk' },
  });

test('what a user did is counted once, whichever instance it happened on, and every instance answers it', async () => {
  const bob = await castellans.signUp('bob');
  for (const instance of INSTANCES) await signIn(bob.email, PASSWORD, instance);
  for (const instance of [0, 1]) await signIn(bob.email, 'not the one of bob', instance);
  await ask(REFRESH, { token: bob.refreshToken }, { by: null, instance: 2 });
  for (const instance of INSTANCES) {
    const activity = await done<Activity>(ACTIVITY, { id: bob.id, range: range() }, { instance });
    expect(activity).toMatchObject({ signIns: 4, failedSignIns: 2, refreshes: 1 });
    expect(activity.buckets.reduce((sum, { signIns }) => sum + signIns, 0)).toBe(4);
    expect(activity.devices[0]).toEqual({
      deviceKind: 'desktop',
      browser: 'Firefox',
      os: 'Linux',
      firstSeenAt: expect.any(String),
      lastSeenAt: activity.lastSignInAt,
      signIns: 3,
    });
    expect(activity.devices).toHaveLength(2);
    const { lastSignInAt } = await done<{ lastSignInAt: string }>(
      'query ($id: ID!) { user(id: $id) { lastSignInAt } }',
      { id: bob.id },
      { instance },
    );
    expect(lastSignInAt).toBe(activity.lastSignInAt);
  }
});

test('the history says when, how, by what, from where and with what outcome, page by page', async () => {
  const dora = await castellans.signUp('dora');
  await signIn(dora.email, 'not the one of dora');
  await signIn(dora.email, PASSWORD);
  const page = await done<History>(SIGN_INS, { id: dora.id, first: 2 });
  expect(page.edges.map(({ node }) => node)).toEqual([
    expect.objectContaining({
      outcome: 'succeeded',
      aal: 1,
      sessionId: expect.stringMatching(/^sess_/),
      browser: 'Firefox',
      os: 'Linux',
      deviceKind: 'desktop',
      client: 'desk',
      address: expect.any(String),
    }),
    expect.objectContaining({ outcome: 'wrong_password', aal: null, sessionId: null, browser: 'Firefox' }),
  ]);
  expect(page.pageInfo.hasNextPage).toBe(true);
  const next = await done<History>(SIGN_INS, { id: dora.id, first: 2, after: page.pageInfo.endCursor });
  expect(next.edges.map(({ node }) => node['sessionId'])).toEqual([dora.sessionId]);
  expect(next.pageInfo.hasNextPage).toBe(false);
  for (const wrong of [{ first: 0 }, { first: 101 }, { first: 1, after: 'bm9uZQ' }]) {
    expect(codesOf(await ask(SIGN_INS, { id: dora.id, ...wrong }))).toEqual(['BAD_USER_INPUT']);
  }
});

test('guesses leave one entry of the audit for each account and hour, however many there are', async () => {
  const [carl, nobody] = [await castellans.signUp('carl'), 'nobody.has.it@example.com'];
  for (const instance of [0, 1, 2, 0]) {
    await signIn(carl.email, 'not the one of carl', instance);
    await signIn(nobody, 'not the one of anybody', instance);
  }
  await done(ACTIVITY, { id: carl.id, range: range() });
  const failures = (await audited(carl.id)).filter((entry) => Object(entry).action === 'user.sign_in_failed');
  // An hour may have ended meanwhile.
  expect(failures.length).toBeGreaterThanOrEqual(1);
  expect(failures.length).toBeLessThanOrEqual(2);
  expect(failures[0]).toMatchObject({ by: 'anonymous', after: { hour: expect.stringMatching(/T\d\d:00:00\.000Z$/) } });
});

test('a wrong code is in it, and the right one with the level of its session', async () => {
  const clock = createTestClock();
  const timed = await startCastellans(1, { clock });
  try {
    const factors = secondFactors(timed, clock, PASSWORD);
    const eve = await factors.enrolled('eve');
    const challengeToken = await factors.challengeOf(eve.email);
    expect(codesOf(await factors.verify(challengeToken, factors.wrongCode(eve.secret)))).toEqual(['UNAUTHENTICATED']);
    expect(codesOf(await factors.verify(challengeToken, await factors.nextCode(eve.secret)))).toEqual([]);
    const { accessToken: token } = await timed.signUp('ada', ['administrator']);
    const { data } = await timed.ask<{ signIns: History }>(SIGN_INS, { variables: { id: eve.id, first: 9 }, token });
    const told = data?.signIns.edges.map(({ node }) => [node['outcome'], node['aal']]);
    expect(told?.slice(0, 2)).toEqual([
      ['succeeded', 2],
      ['wrong_code', null],
    ]);
  } finally {
    await timed.close();
  }
});

describe('who may know of it', () => {
  test('whoever may read the sessions of the user; to others it is as for a user that is not there', async () => {
    await castellans.addScopes('acme', 'globex');
    const [dave, erin] = [await atHome('dave', 'acme'), await atHome('erin', 'globex')];
    const sam = await atHome('sam', null);
    await addGrant(first(), { principalId: sam.id, role: 'support', scope: 'acme' });
    const missing = `user_${'0'.repeat(26)}`;
    for (const [query, variables] of [
      [ACTIVITY, { range: range() }],
      [SIGN_INS, { first: 5 }],
    ] as const) {
      expect(codesOf(await ask(query, { id: dave.id, ...variables }, { by: sam }))).toEqual([]);
      expect(codesOf(await ask(query, { id: erin.id, ...variables }, { by: erin }))).toEqual([]);
      const [hidden, absent] = [
        await ask(query, { id: erin.id, ...variables }, { by: sam }),
        await ask(query, { id: missing, ...variables }, { by: sam }),
      ];
      expect(codesOf(hidden)).toEqual(['NOT_FOUND']);
      expect(hidden.errors.map(({ message }) => message)).toEqual(absent.errors.map(({ message }) => message));
    }
  });

  test('a page of users with their last sign-ins costs one statement for all of them', async () => {
    const query = 'query ($first: Int!) { users(first: $first) { edges { node { id lastSignInAt } } } }';
    const statements = recordStatements([first()]);
    const { errors } = await ask(query, { first: 100 });
    statements.stop();
    expect(errors).toEqual([]);
    expect(statements.names.filter((name) => name.startsWith('sign-in'))).toEqual(['sign-in-last-of']);
  });
});

test('a device that shows the token of an earlier sign-in is no new one, whatever it says it is', async () => {
  const finn = await castellans.signUp('finn');
  const { data } = await accounts.signIn({ email: finn.email, password: PASSWORD });
  const deviceToken = data?.signIn.deviceToken ?? '';
  const from = (agent: string, token?: string) =>
    castellans.ask('mutation ($input: SignInInput!) { signIn(input: $input) { ... on SignedIn { session { id } } } }', {
      variables: {
        input: { email: finn.email, password: PASSWORD, ...(token !== undefined && { deviceToken: token }) },
      },
      headers: { 'user-agent': agent },
    });
  await from('Known/1.0', deviceToken);
  await accounts.errandsDone();
  expect(accounts.subjectsTo(finn.email)).toEqual([]);
  await from('Unknown/1.0');
  await accounts.errandsDone();
  expect(accounts.subjectsTo(finn.email)).toEqual(['A new device signed in']);
});

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { toInstant } from '../../src/kit/clock.ts';
import {
  askOver,
  type Castellans,
  codesOf,
  createTestClock,
  PASSWORD,
  type SignedInUser,
  startCastellans,
  type TestClock,
  until,
} from '../support/castellan.ts';

const QUARTER_MS = 15 * 60_000;
const HOUR_MS = 4 * QUARTER_MS;

interface Range {
  readonly from: string;
  readonly to: string;
  readonly bucket?: 'hour' | 'day' | 'week' | 'month';
  readonly timeZone?: string;
}
interface Count {
  readonly kind: string;
  readonly outcome: string;
  readonly protocol: string;
  readonly count: number;
}
interface Report {
  readonly succeeded: number;
  readonly failed: number;
  readonly counts: readonly Count[];
  readonly buckets: readonly { readonly start: string; readonly succeeded: number; readonly failed: number }[];
}
interface Activity {
  readonly active: number;
  readonly buckets: readonly {
    readonly start: string;
    readonly active: number;
    readonly fromPrevious: number;
    readonly fromFirst: number;
  }[];
  readonly operations: readonly {
    readonly kind: string;
    readonly field: string;
    readonly succeeded: number;
    readonly failed: number;
  }[];
}

const AUTHENTICATION = `query ($range: AnalyticsRange!) {
  authenticationAnalytics(range: $range) {
    succeeded failed counts { kind outcome protocol count }
    buckets { start succeeded failed outcomes { outcome count } } completeUntil
  }
}`;
const ACTIVITY = `query ($range: AnalyticsRange!) {
  activityAnalytics(range: $range) {
    active buckets { start active fromPrevious fromFirst }
    operations { kind field succeeded failed } completeUntil
  }
}`;
const SIGN_IN = 'mutation ($i: SignInInput!) { signIn(input: $i) { ... on SignedIn { refreshToken } } }';
const REFRESH = 'mutation ($token: String!) { refreshSession(refreshToken: $token) { refreshToken } }';

let castellans: Castellans;
let clock: TestClock;
let alice: SignedInUser;

beforeAll(async () => {
  clock = createTestClock();
  castellans = await startCastellans(2, { clock });
  alice = await castellans.signUp('alice', ['administrator']);
});

afterAll(() => castellans.close());

const flush = () => Promise.all(castellans.apps.map(({ services }) => services.rollups.flush()));

async function authentication(range: Range, instance = 0): Promise<Report> {
  await flush();
  const { data, errors } = await castellans.ask<{ authenticationAnalytics: Report }>(AUTHENTICATION, {
    variables: { range },
    token: alice.accessToken,
    instance,
  });
  if (data === null) throw new Error(`it was refused: ${JSON.stringify(errors)}`);
  return data.authenticationAnalytics;
}

async function activity(range: Range): Promise<Activity> {
  await flush();
  const { data, errors } = await castellans.ask<{ activityAnalytics: Activity }>(ACTIVITY, {
    variables: { range },
    token: alice.accessToken,
  });
  if (data === null) throw new Error(`it was refused: ${JSON.stringify(errors)}`);
  return data.activityAnalytics;
}

/** A quarter of an hour in which nothing has happened yet but that alice signed in. */
async function freshRange(): Promise<Range> {
  clock.advance(QUARTER_MS - (clock.now() % QUARTER_MS));
  await flush();
  await until(() => castellans.apps.every(({ services }) => services.tail.inForce()));
  alice = { ...alice, ...(await castellans.signIn(alice.email)) };
  const fromMs = Math.floor(clock.now() / QUARTER_MS) * QUARTER_MS;
  return { from: toInstant(fromMs), to: toInstant(fromMs + QUARTER_MS) };
}

const signIn = (email: string, password: string, instance: number) =>
  castellans.ask<{ signIn: { refreshToken: string } }>(SIGN_IN, { variables: { i: { email, password } }, instance });

describe('authenticationAnalytics', () => {
  test('counts what was done to be known by kind, outcome and protocol, on every instance and through every door', async () => {
    const range = await freshRange();
    const bob = await castellans.signUp('bob');
    for (const instance of [0, 1]) {
      await signIn(bob.email, PASSWORD, instance);
      await signIn(bob.email, 'a wrong password', instance);
      await castellans.ask('{ me { id } }', { token: 'no token', instance });
    }
    const wrong = `email: "${bob.email}", password: "another wrong password"`;
    await askOver(castellans.connect({}), `mutation { signIn(input: { ${wrong} }) { __typename } }`);
    await castellans.ask(`mutation { a: signIn(input: { ${wrong} }) { __typename } }`);
    const { data } = await signIn(bob.email, PASSWORD, 0);
    const first = data?.signIn.refreshToken ?? '';
    const refreshed = await castellans.ask<{ refreshSession: { refreshToken: string } }>(REFRESH, {
      variables: { token: first },
    });
    expect(refreshed.errors).toEqual([]);
    await castellans.ask(REFRESH, { variables: { token: 'no refresh token' }, instance: 1 });
    await castellans.ask('mutation { signOut { position } }', { token: bob.accessToken });
    await castellans.ask('{ me { id } }', { token: bob.accessToken, instance: 1 });

    const { counts, succeeded, failed } = await authentication(range, 1);
    expect(counts).toEqual(
      expect.arrayContaining([
        { kind: 'sign_in', outcome: 'succeeded', protocol: 'http', count: 5 },
        { kind: 'sign_in', outcome: 'unauthenticated', protocol: 'http', count: 3 },
        { kind: 'sign_in', outcome: 'unauthenticated', protocol: 'websocket', count: 1 },
        { kind: 'refresh', outcome: 'succeeded', protocol: 'http', count: 1 },
        { kind: 'refresh', outcome: 'unauthenticated', protocol: 'http', count: 1 },
        { kind: 'sign_out', outcome: 'succeeded', protocol: 'http', count: 1 },
        { kind: 'credential', outcome: 'unauthenticated', protocol: 'http', count: 2 },
        { kind: 'credential', outcome: 'session_revoked', protocol: 'http', count: 1 },
      ]),
    );
    expect(counts).toHaveLength(8);
    expect({ succeeded, failed }).toEqual({ succeeded: 7, failed: 8 });
    expect((await authentication({ ...range, bucket: 'hour' })).buckets).toHaveLength(1);
  });

  test('has every hour of a day, the empty ones included, and days of 23 and 25 hours where clocks are changed', async () => {
    const at = (start: string, count: number) => ({
      metric: 'authentication',
      start,
      dimensions: { kind: 'sign_in', outcome: 'succeeded', protocol: 'http' },
      count,
    });
    await castellans.rows(
      `insert into rollup_series (metric, dimensions) values ('authentication', $1) on conflict do nothing`,
      at('', 0).dimensions,
    );
    for (const { start, dimensions, count } of [
      at('2020-10-24T22:00:00.000Z', 1),
      at('2020-10-25T22:45:00.000Z', 2),
      at('2020-10-25T23:00:00.000Z', 4),
    ]) {
      await castellans.rows(
        `insert into rollups (series_id, start, count)
         select id, $1, $2 from rollup_series where metric = 'authentication' and dimensions = $3`,
        start,
        count,
        dimensions,
      );
    }
    const day = { from: '2020-10-24T22:00:00.000Z', to: '2020-10-26T23:00:00.000Z', timeZone: 'Europe/Berlin' };
    const days = await authentication({ ...day, bucket: 'day' });
    expect(days.buckets.map(({ start, succeeded }) => [start, succeeded])).toEqual([
      ['2020-10-24T22:00:00.000Z', 3],
      ['2020-10-25T23:00:00.000Z', 4],
    ]);
    const hours = await authentication({ ...day, bucket: 'hour' });
    expect(hours.buckets).toHaveLength(49);
    expect(hours.buckets.filter(({ succeeded }) => succeeded > 0)).toHaveLength(3);
    const months = await authentication({ ...day, to: '2020-12-01T00:00:00.000Z', bucket: 'month' });
    expect(months.buckets.map(({ start, succeeded }) => [start, succeeded])).toEqual([
      ['2020-09-30T22:00:00.000Z', 7],
      ['2020-10-31T23:00:00.000Z', 0],
      ['2020-11-30T23:00:00.000Z', 0],
    ]);
  });
});

describe('activityAnalytics', () => {
  test('tells how many users were active by day, week and month, and how many of them came back', async () => {
    const active = {
      ann: ['2021-03-01T09:00:00.000Z', '2021-03-02T09:00:00.000Z', '2021-03-09T09:00:00.000Z'],
      ben: ['2021-03-01T23:15:00.000Z', '2021-03-08T10:00:00.000Z', '2021-04-01T10:00:00.000Z'],
      cem: ['2021-03-02T10:00:00.000Z'],
    };
    for (const [user, starts] of Object.entries(active)) {
      for (const start of starts) {
        await castellans.rows(
          `insert into user_activity (user_id, start, what, count) values ($1, $2, 'signed_in', 1), ($1, $2, 'refreshed', 7)`,
          `user_${user}`,
          start,
        );
      }
    }
    // Who only failed was not there.
    await castellans.rows(
      `insert into user_activity (user_id, start, what, count) values ('user_dan', '2021-03-01T09:00:00.000Z', 'failed', 3)`,
    );
    const march = { from: '2021-03-01T00:00:00.000Z', to: '2021-03-04T00:00:00.000Z', bucket: 'day' } as const;
    const days = await activity(march);
    expect(days.active).toBe(3);
    expect(days.buckets).toEqual([
      { start: '2021-03-01T00:00:00.000Z', active: 2, fromPrevious: 0, fromFirst: 2 },
      { start: '2021-03-02T00:00:00.000Z', active: 2, fromPrevious: 1, fromFirst: 1 },
      { start: '2021-03-03T00:00:00.000Z', active: 0, fromPrevious: 0, fromFirst: 0 },
    ]);
    // In Berlin ben came on the second.
    const berlin = await activity({ ...march, from: '2021-02-28T23:00:00.000Z', timeZone: 'Europe/Berlin' });
    expect(berlin.buckets.map((each) => each.active)).toEqual([1, 3, 0, 0]);
    const weeks = await activity({ from: '2021-03-01T00:00:00.000Z', to: '2021-03-15T00:00:00.000Z', bucket: 'week' });
    expect(weeks.buckets).toEqual([
      { start: '2021-03-01T00:00:00.000Z', active: 3, fromPrevious: 0, fromFirst: 3 },
      { start: '2021-03-08T00:00:00.000Z', active: 2, fromPrevious: 2, fromFirst: 2 },
    ]);
    const months = await activity({
      from: '2021-03-01T00:00:00.000Z',
      to: '2021-05-01T00:00:00.000Z',
      bucket: 'month',
    });
    expect(months.buckets.map((each) => [each.active, each.fromPrevious])).toEqual([
      [3, 0],
      [1, 1],
    ]);
  });

  test('counts operations by root field, those that failed apart, over both instances', async () => {
    const range = await freshRange();
    const bob = await castellans.signUp('bob');
    for (const instance of [0, 1, 0]) {
      await castellans.ask('{ roles(first: 1) { edges { node { id } } } }', { token: bob.accessToken, instance });
    }
    await castellans.ask('{ signingKeys { id } }', { token: bob.accessToken, instance: 1 });
    const { operations, active } = await activity(range);
    expect(active).toBeGreaterThanOrEqual(1);
    expect(operations).toContainEqual({ kind: 'query', field: 'roles', succeeded: 3, failed: 0 });
    expect(operations).toContainEqual({ kind: 'query', field: 'signingKeys', succeeded: 0, failed: 1 });
    expect(operations).toContainEqual({ kind: 'mutation', field: 'signIn', succeeded: 2, failed: 0 });
  });
});

test.each([AUTHENTICATION, ACTIVITY])(
  'both are for those who may read analytics everywhere, with the same ranges',
  async (query) => {
    const bob = await castellans.signUp('bob');
    const range = { from: '2026-01-01T00:00:00.000Z', to: '2026-01-02T00:00:00.000Z', bucket: 'day', timeZone: 'UTC' };
    const ask = (changes: Partial<Range>, token?: string) =>
      castellans.ask(query, { variables: { range: { ...range, ...changes } }, ...(token !== undefined && { token }) });
    alice = { ...alice, ...(await castellans.signIn(alice.email)) };
    expect((await ask({}, alice.accessToken)).errors).toEqual([]);
    expect(codesOf(await ask({}, bob.accessToken))).toEqual(['FORBIDDEN']);
    expect(codesOf(await ask({}))).toEqual(['UNAUTHENTICATED']);
    for (const wrong of [
      { to: range.from },
      { timeZone: 'Nowhere/Else' },
      { timeZone: '+02:00' },
      { from: '2020-01-01T00:00:00.000Z', bucket: 'month' },
      { from: toInstant(Date.parse(range.to) - 1_002 * HOUR_MS), bucket: 'hour' },
    ] as const) {
      expect(codesOf(await ask(wrong, alice.accessToken))).toEqual(['BAD_USER_INPUT']);
    }
  },
);

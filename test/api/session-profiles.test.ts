import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ConfigError, readConfig } from '../../src/config.ts';
import {
  codesOf,
  createTestClock,
  PASSWORD,
  startCastellans,
  type Castellans,
  type TestClock,
} from '../support/castellan.ts';
import { secondFactors } from '../support/second-factors.ts';

const HOUR = 3_600;
const DAY = 24 * HOUR;
const REFRESH = 'mutation ($token: String!) { refreshSession(refreshToken: $token) { refreshToken } }';

describe('the longest that sessions last', () => {
  test.each([
    [undefined, [30 * DAY, 14 * DAY], [DAY, HOUR]],
    ['aal1', [30 * DAY, 14 * DAY], [DAY, HOUR]],
    ['aal2', [DAY, HOUR], [DAY, HOUR]],
    ['aal3', [12 * HOUR, HOUR / 4], [12 * HOUR, HOUR / 4]],
  ])('at the level %s is %j with a password and %j with a second factor', (level, password, factor) => {
    const { sessionProfiles } = readConfig({ SESSION_PROFILE: level });
    const [one, two] = [sessionProfiles[1], sessionProfiles[2]];
    expect([one.lifeSeconds, one.idleSeconds]).toEqual(password);
    expect([two.lifeSeconds, two.idleSeconds]).toEqual(factor);
    expect(sessionProfiles[3]).toEqual({ lifeSeconds: 12 * HOUR, idleSeconds: HOUR / 4 });
  });
});

test.each([
  ['SESSION_PROFILE', ['aal0', '2', 'AAL2']],
  ['SESSIONS_PER_USER', ['0', '-1', '10001', '1.5', '1e3', ' 7', 'many']],
  ['SESSIONS_OVER_LIMIT', ['end', 'Refuse', 'true']],
  ['SESSION_TAKEOVER', ['stepup', 'Revoke', 'true']],
])('a setting of %s that cannot be meant is refused by name', (variable, values) => {
  for (const value of values) {
    expect(() => readConfig({ [variable]: value })).toThrow(ConfigError);
    expect(() => readConfig({ [variable]: value })).toThrow(variable);
  }
});

test('a user may have a hundred sessions, or as many as is said, and one more ends the oldest or is refused', () => {
  expect(readConfig({})).toMatchObject({ sessionsPerUser: 100, sessionsOverLimit: 'end-oldest' });
  expect(readConfig({ SESSIONS_PER_USER: '10000', SESSIONS_OVER_LIMIT: 'refuse' })).toMatchObject({
    sessionsPerUser: 10_000,
    sessionsOverLimit: 'refuse',
  });
});

describe('held to the third level', () => {
  let castellans: Castellans;
  let clock: TestClock;

  beforeAll(async () => {
    clock = createTestClock();
    const { sessionProfiles } = readConfig({ SESSION_PROFILE: 'aal3' });
    castellans = await startCastellans(1, { clock, settings: { sessionProfiles } });
  });

  afterAll(() => castellans?.close());

  const lifeOf = async (id: string) => {
    const text = `select extract(epoch from expires_at - created_at)::int as seconds, aal from sessions where id = $1`;
    return (await castellans.rows<{ seconds: number; aal: number }>(text, id))[0];
  };

  test('a session lasts twelve hours, whatever began it, and is of the level that was proven in it', async () => {
    const app = secondFactors(castellans, clock, PASSWORD);
    const bob = await app.enrolled('bob');
    const carol = await castellans.signUp('carol');
    expect(await lifeOf(carol.sessionId)).toEqual({ seconds: 12 * HOUR, aal: 1 });
    expect(await lifeOf(bob.sessionId)).toEqual({ seconds: 12 * HOUR, aal: 2 });
    expect(await lifeOf((await app.signInWith(bob)).session.id)).toEqual({ seconds: 12 * HOUR, aal: 2 });
  });

  test('a session ends after fifteen minutes without use, and not before', async () => {
    const app = secondFactors(castellans, clock, PASSWORD);
    const bob = await castellans.signUp('bob');
    await app.pass(14 * 60_000);
    const { data } = await castellans.ask<{ refreshSession: { refreshToken: string } }>(REFRESH, {
      variables: { token: bob.refreshToken },
    });
    const token = data?.refreshSession.refreshToken ?? '';
    expect(token).not.toBe('');
    await app.pass(16 * 60_000);
    expect(codesOf(await castellans.ask(REFRESH, { variables: { token } }))).toEqual(['TOKEN_EXPIRED']);
  });
});

import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Client } from 'pg';
import { SYSTEM, type UserPrincipal } from '../../src/domain/principals/principal.ts';
import { doorsOf, takesMutations } from '../attacks/doors.ts';
import { tally } from '../support/accounts.ts';
import { extensionsOf, INSTANCES, IN_FORCE, onEveryInstance } from '../support/asking.ts';
import { Browser } from '../support/browser.ts';
import {
  askOver,
  codesOf,
  createTestClock,
  PASSWORD,
  type Castellans,
  type SignedInUser,
  startCastellans,
  type TestClock,
  until,
} from '../support/castellan.ts';
import { openStream } from '../support/event-stream.ts';
import { dataOf, secondFactors } from '../support/second-factors.ts';
import { ofType, openSocket } from '../support/socket.ts';
import { letProofsAge, RENAME, STEP_UP, steppingPolicy, steppingUp } from '../support/step-ups.ts';

jest.setTimeout(60_000);

const DAY_MS = 86_400_000;
const CAN = `query ($id: ID!, $action: String!) {
  viewerCan(action: $action, subject: "Session", id: $id) { allowed stepUp { level withinSeconds } }
}`;
const REFRESH = `mutation ($token: String!) {
  refreshSession(refreshToken: $token) { accessToken refreshToken session { id aal } }
}`;
const REVOKE = 'mutation ($id: ID!) { revokeSession(id: $id) { receipt { enforced } } }';
const RECENT = { code: 'MFA_REQUIRED', reason: 'step_up', level: 1, withinSeconds: 900 };

let clock: TestClock;
let castellans: Castellans;
let phone: ReturnType<typeof secondFactors>;
const stepUp = steppingUp(() => castellans);

beforeAll(async () => {
  clock = createTestClock();
  castellans = await startCastellans(3, { clock, policyFiles: await steppingPolicy() });
  phone = secondFactors(castellans, clock, PASSWORD);
});

afterAll(() => castellans.close());

const rename = ({ sessionId: id, accessToken: token }: SignedInUser, label = 'x', instance = 0) =>
  castellans.ask(RENAME, { variables: { id, label }, token, instance });
const age = (...people: readonly SignedInUser[]) =>
  letProofsAge(castellans, ...people.map(({ sessionId }) => sessionId));
const refresh = (token: string, instance = 0) =>
  castellans.ask<{ refreshSession: { accessToken: string; refreshToken: string; session: { aal: number } } }>(REFRESH, {
    variables: { token },
    instance,
  });
const can = async ({ sessionId: id, accessToken: token }: SignedInUser, action: string) =>
  (await castellans.ask(CAN, { variables: { id, action }, token })).data;

async function identified({ accessToken: token }: SignedInUser, instance = 0): Promise<UserPrincipal> {
  const by = await castellans.apps[instance]?.services.identification.identify({ kind: 'accessToken', token });
  if (by?.kind !== 'user') throw new TypeError('a user was signed in');
  return by;
}

describe('what the policy asks a session to have proven', () => {
  test('is refused with MFA_REQUIRED alike through every door, and says what to prove', async () => {
    const bob = await castellans.signUp('bob');
    expect((await rename(bob)).errors).toEqual([]);
    await age(bob);
    for (const instance of INSTANCES) expect(extensionsOf(await rename(bob, 'x', instance))).toEqual([RECENT]);
    const message =
      'This takes a session that has proven who you are within the last 900 seconds. Call stepUp and try again.';
    for (const door of doorsOf(castellans)) {
      const variables = { id: bob.sessionId, label: 'x', action: 'update' };
      if (takesMutations(door)) {
        const { codes, messages } = await door.ask(RENAME, variables, bob.accessToken);
        expect({ door: door.name, codes, messages }).toEqual({
          door: door.name,
          codes: ['MFA_REQUIRED'],
          messages: [message],
        });
      }
      const { data } = await door.ask(CAN, variables, bob.accessToken);
      expect({ door: door.name, data }).toEqual({
        door: door.name,
        data: { viewerCan: { allowed: true, stepUp: { level: 1, withinSeconds: 900 } } },
      });
    }
    const proven = { ...bob, ...dataOf(await stepUp(bob, { password: PASSWORD }, 1)).stepUp };
    for (const instance of INSTANCES) expect((await rename(proven, 'x', instance)).errors).toEqual([]);
    expect(await can(proven, 'update')).toEqual({ viewerCan: { allowed: true, stepUp: null } });
  });

  test('changes nothing about what is allowed: who may not is told so, whatever they have proven', async () => {
    const [bob, mallory] = [await castellans.signUp('bob'), await castellans.signUp('mallory')];
    await age(mallory);
    const variables = { id: bob.sessionId, label: 'x' };
    const answer = await castellans.ask(RENAME, { variables, token: mallory.accessToken });
    expect(codesOf(answer)).toEqual(['NOT_FOUND']);
    expect(await can({ ...mallory, sessionId: bob.sessionId }, 'update')).toEqual({
      viewerCan: { allowed: false, stepUp: null },
    });
  });

  test('by level is not met by a password, and is met by enrolling an app, in the same session', async () => {
    const bob = await castellans.signUp('bob');
    const other = await castellans.signIn(bob.email);
    const revoke = ({ accessToken: token }: { readonly accessToken: string }, instance = 0) =>
      castellans.ask(REVOKE, { variables: { id: other.sessionId }, token, instance });
    const lacking = [{ ...RECENT, level: 2 }];
    expect(extensionsOf(await revoke(bob))).toEqual(lacking);
    const proven = dataOf(await stepUp(bob, { password: PASSWORD })).stepUp;
    expect(proven.session).toMatchObject({ id: bob.sessionId, aal: 1 });
    expect(extensionsOf(await revoke(proven))).toEqual(lacking);

    const { secret } = dataOf(await phone.begin(proven.accessToken)).beginTotpEnrollment;
    const confirmed = dataOf(await phone.confirm(proven.accessToken, phone.code(secret), 2)).confirmTotpEnrollment;
    expect(confirmed).toMatchObject({ session: { id: bob.sessionId, aal: 2 }, receipt: IN_FORCE });
    for (const instance of INSTANCES) expect((await revoke(confirmed, instance)).errors).toEqual([]);
    expect(dataOf(await refresh(confirmed.refreshToken)).refreshSession.session).toEqual({
      id: bob.sessionId,
      aal: 2,
    });
  });

  test('is asked again where it was overtaken between the check and the effect', async () => {
    const bob = await castellans.signUp('bob');
    const by = await identified(bob);
    await age(bob);
    const { sessions } = castellans.apps[0]?.services ?? {};
    await expect(sessions?.rename(by, bob.sessionId, 'late')).rejects.toMatchObject({ code: 'MFA_REQUIRED' });
    const [row] = await castellans.rows<{ label: string | null }>(
      'select label from sessions where id = $1',
      bob.sessionId,
    );
    expect(row?.label).toBeNull();
  });

  test('is refused to a credential without a session, and not asked of Castellan itself', async () => {
    const bob = await castellans.signUp('bob');
    const by = await identified(bob);
    const { policy, sessions } = castellans.apps[0]?.services ?? {};
    const [session] = (await sessions?.findMany(by, [bob.sessionId])) ?? [];
    if (session === null || session === undefined) throw new TypeError('bob has a session');
    expect(() => policy?.demand({ ...by, session: null }, 'update', session)).toThrow(
      expect.objectContaining({ code: 'FORBIDDEN', data: { reason: 'no_session' } }),
    );
    expect(() => policy?.demand(by, 'update', session)).not.toThrow();
    expect(() => policy?.demand(SYSTEM, 'update', session)).not.toThrow();
  });
});

describe('stepping up', () => {
  test('by a code of the app or a recovery code renews the proof, at level 2, and is recorded', async () => {
    const bob = await phone.enrolled('bob');
    const ways = [
      { code: await phone.nextCode(bob.secret), by: 'totp' },
      { code: bob.recoveryCodes[0] ?? '', by: 'recoveryCode' },
    ];
    let shown: Pick<SignedInUser, 'accessToken'> = bob;
    for (const { code, by } of ways) {
      await age(bob);
      const { accessToken, session, receipt } = dataOf(await stepUp(shown, { code }, 1)).stepUp;
      shown = { accessToken };
      expect(session).toMatchObject({ id: bob.sessionId, aal: 2, current: true });
      expect(clock.now() - Date.parse(session.authenticatedAt)).toBeLessThan(60_000);
      expect(receipt).toEqual(IN_FORCE);
      const [entry] = await castellans.rows(
        `select subject_id, after from audit_entries where by = $1 and action = 'session.step_up'
         order by id desc limit 1`,
        bob.id,
      );
      expect(entry).toMatchObject({ subject_id: bob.sessionId, after: { aal: 2, by } });
      expect(codesOf(await stepUp(shown, { code }))).toEqual(['UNAUTHENTICATED']);
    }
  });

  test('leaves no older refresh token good, not even the one just replaced', async () => {
    for (const at of [0, 1]) {
      const bob = await castellans.signUp('bob');
      const { refreshToken } = dataOf(await refresh(bob.refreshToken)).refreshSession;
      const old = [bob.refreshToken, refreshToken];
      // Within its grace it still has a successor.
      expect(dataOf(await refresh(bob.refreshToken, 1)).refreshSession.refreshToken).toBe(refreshToken);
      const stepped = dataOf(await stepUp(bob, { password: PASSWORD })).stepUp;
      expect(old).not.toContain(stepped.refreshToken);
      const next = dataOf(await refresh(stepped.refreshToken, 2)).refreshSession;
      expect(next.session).toMatchObject({ id: bob.sessionId });

      // Whoever shows one has a copy.
      expect(codesOf(await refresh(old[at] ?? ''))).toEqual(['SESSION_REVOKED']);
      expect(codesOf(await rename({ ...bob, accessToken: next.accessToken }))).toEqual(['SESSION_REVOKED']);
    }
  });

  test('leaves no older access token good on any instance or door, and sockets and streams that are open go on', async () => {
    const [bob, carol] = [await castellans.signUp('bob'), await castellans.signUp('carol')];
    const sockets = INSTANCES.map((instance) => castellans.connect({ token: bob.accessToken, instance }));
    for (const socket of sockets) expect(codesOf(await askOver(socket, '{ me { id } }'))).toEqual([]);
    const headers = { authorization: `Bearer ${bob.accessToken}` };
    const stream = await openStream(castellans.apps[2]?.url ?? '', 'subscription { sessionEvents { __typename } }', {
      headers,
    });
    clock.advance(1);
    const stepped = dataOf(await stepUp(bob, { password: PASSWORD })).stepUp;
    for (const door of doorsOf(castellans)) {
      const codes = async (token: string) => (await door.ask('{ me { id } }', {}, token)).codes;
      const [code] = await codes(bob.accessToken);
      expect([door.name, ['TOKEN_EXPIRED', 4403]]).toEqual([door.name, expect.arrayContaining([code])]);
      expect([door.name, await codes(stepped.accessToken)]).toEqual([door.name, []]);
      expect([door.name, await codes(carol.accessToken)]).toEqual([door.name, []]);
    }
    for (const instance of INSTANCES) {
      expect(codesOf(await rename(bob, 'x', instance))).toEqual(['TOKEN_EXPIRED']);
      expect(codesOf(await rename({ ...bob, ...stepped }, 'x', instance))).toEqual([]);
    }
    for (const socket of sockets) expect(codesOf(await askOver(socket, '{ me { id } }'))).toEqual([]);
    await castellans.signIn(bob.email);
    for (const __typename of ['SessionRefreshed', 'SessionStarted']) {
      expect((await stream.next())?.data).toEqual({ data: { sessionEvents: { __typename } } });
    }
    stream.leave();
  });

  test('is no proof of who has a copy of an older access token, though it waits for its turn behind the step-up', async () => {
    const bob = await castellans.signUp('bob');
    await age(bob);
    clock.advance(1);
    const holder = new Client({ connectionString: castellans.databaseUrl });
    await holder.connect();
    await holder.query('begin');
    await holder.query('select from users where id = $1 for update', [bob.id]);
    const waits = (count: number) =>
      until(async () => {
        const [row] = await castellans.rows<{ count: number }>(
          `select count(distinct pid)::int as count from pg_locks l join pg_stat_activity a using (pid)
           where not l.granted and a.datname = current_database()`,
        );
        return row?.count === count;
      });
    const stepping = stepUp(bob, { password: PASSWORD });
    await waits(1);
    const copied = rename(bob, 'mine', 1);
    await waits(2);
    await holder.query('commit');
    await holder.end();
    expect(codesOf(await stepping)).toEqual([]);
    expect(codesOf(await copied)).toEqual(['TOKEN_EXPIRED']);
  });

  test('gives tokens that are good on every instance, and lasts no longer than a session of its level', async () => {
    const bob = await phone.enrolled('bob');
    const { accessToken, session } = dataOf(await stepUp(bob, { code: await phone.nextCode(bob.secret) })).stepUp;
    expect(
      await onEveryInstance(async (instance) => (await rename({ ...bob, accessToken }, 'x', instance)).errors),
    ).toEqual(INSTANCES.map(() => []));
    expect(Date.parse(session.expiresAt) - clock.now()).toBeLessThanOrEqual(DAY_MS);
    const carol = await castellans.signUp('carol');
    const before = await castellans.rows('select expires_at from sessions where id = $1', carol.sessionId);
    dataOf(await stepUp(carol, { password: PASSWORD }));
    expect(await castellans.rows('select expires_at from sessions where id = $1', carol.sessionId)).toEqual(before);
  });

  test('takes one proof, and the one that the user has', async () => {
    const [bob, carol] = [await castellans.signUp('bob'), await phone.enrolled('carol')];
    const refused = async (who: SignedInUser, input: object) => {
      const [extensions] = extensionsOf(await stepUp(who, input));
      return [extensions?.['code'], extensions?.['field']];
    };
    expect(await refused(bob, {})).toEqual(['BAD_USER_INPUT', 'code']);
    expect(await refused(bob, { password: null, code: null })).toEqual(['BAD_USER_INPUT', 'code']);
    expect(await refused(bob, { password: PASSWORD, code: '123456' })).toEqual(['BAD_USER_INPUT', 'password']);
    expect(await refused(bob, { password: 'another password' })).toEqual(['BAD_USER_INPUT', 'password']);
    expect(await refused(bob, { code: '123456' })).toEqual(['CONFLICT', undefined]);
    for (const password of [PASSWORD, 'another password']) {
      expect(await refused(carol, { password })).toEqual(['BAD_USER_INPUT', 'code']);
    }
    const nobody = await castellans.ask(STEP_UP, { variables: { input: { password: PASSWORD } } });
    expect(codesOf(nobody)).toEqual(['UNAUTHENTICATED']);
  });

  test('of 200 wrong codes or passwords at once on three instances no more are checked than when signing in', async () => {
    const [bob, carol] = [await phone.enrolled('bob'), await castellans.signUp('carol')];
    const code = phone.wrongCode(bob.secret);
    const all = Array.from({ length: 200 }, (_, n) => n % 3);
    const codes = tally(await Promise.all(all.map((instance) => stepUp(bob, { code }, instance))));
    expect(codes).toMatchObject({ UNAUTHENTICATED: 5 });
    expect(codes['ok']).toBeUndefined();
    const right = await stepUp(bob, { code: phone.code(bob.secret, 1) });
    expect(codesOf(right)).toEqual(['RATE_LIMITED']);
    // It is one count, whatever shows the code.
    expect(codesOf(await phone.verify(await phone.challengeOf(bob.email), phone.code(bob.secret, 1)))).toEqual([
      'RATE_LIMITED',
    ]);

    const passwords = tally(await Promise.all(all.map((n) => stepUp(carol, { password: `wrong ${n}` }, n))));
    expect(passwords).toMatchObject({ BAD_USER_INPUT: 5 });
    expect(passwords['ok']).toBeUndefined();
    expect(codesOf(await stepUp(carol, { password: PASSWORD }, 2))).toEqual(['RATE_LIMITED']);
  });
});

describe('where cookies keep the tokens', () => {
  const COOKIE_STEP_UP = `mutation ($input: StepUpInput!) {
    stepUp(input: $input) { accessToken refreshToken session { id } }
  }`;
  const input = { password: PASSWORD };

  test('a step-up over HTTP puts the new ones there, and tells no script', async () => {
    const bob = await castellans.signUp('bob');
    const browser = new Browser();
    const url = castellans.apps[0]?.url ?? '';
    await browser.signIn(url, bob.email);
    const old = browser.cookieOf('__Host-castellan-refresh');
    const { data, errors } = await browser.ask(url, COOKIE_STEP_UP, { variables: { input } });
    expect(errors).toEqual([]);
    expect(data).toMatchObject({ stepUp: { accessToken: null, refreshToken: null } });
    expect(browser.cookieOf('__Host-castellan-refresh')).not.toBe(old);
    expect((await browser.ask(url, '{ me { id } }')).data).toEqual({ me: { id: bob.id } });
    expect((await browser.refresh(url)).errors).toEqual([]);
    expect(codesOf(await refresh(old ?? ''))).toEqual(['SESSION_REVOKED']);
  });

  test('a step-up over a socket is refused, and leaves them as they are', async () => {
    const bob = await castellans.signUp('bob');
    const browser = new Browser();
    const url = castellans.apps[0]?.url ?? '';
    await browser.signIn(url, bob.email);
    const socket = await openSocket(`${url.replace('http', 'ws')}/graphql`, { headers: { cookie: browser.cookie } });
    socket.init({ csrfToken: browser.csrfToken });
    await socket.next(ofType('connection_ack'));
    for (const query of [COOKIE_STEP_UP, 'mutation { confirmTotpEnrollment(code: "123456") { position } }']) {
      socket.send({ type: 'subscribe', id: 'a', payload: { query, variables: { input } } });
      expect(await socket.next(ofType('next'))).toMatchObject({
        payload: { errors: [{ extensions: { code: 'FORBIDDEN', reason: 'cookies' } }] },
      });
    }
    socket.close();
    expect((await browser.refresh(url)).errors).toEqual([]);
  });
});

test('a token that proves nothing recent enrols no app', async () => {
  const bob = await castellans.signUp('bob');
  const { secret } = dataOf(await phone.begin(bob.accessToken)).beginTotpEnrollment;
  await age(bob);
  expect(extensionsOf(await phone.begin(bob.accessToken))).toEqual([RECENT]);
  expect(extensionsOf(await phone.confirm(bob.accessToken, phone.code(secret)))).toEqual([RECENT]);
  const { accessToken } = dataOf(await stepUp(bob, { password: PASSWORD })).stepUp;
  dataOf(await phone.confirm(accessToken, phone.code(secret)));
});

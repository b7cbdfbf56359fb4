import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { OperationContext } from '../../src/api/graphql/context.ts';
import { handOn } from '../../src/api/graphql/signed-in.ts';
import type { PolicyFile } from '../../src/domain/policy/parse.ts';
import { ANONYMOUS } from '../../src/domain/principals/principal.ts';
import { Refusal } from '../../src/domain/refusals.ts';
import { tally } from '../support/accounts.ts';
import { apiKeysOn } from '../support/api-keys.ts';
import { EVERYWHERE, extensionsOf, IN_FORCE, INSTANCES, NOWHERE, onEveryInstance } from '../support/asking.ts';
import {
  codesOf,
  createTestClock,
  PASSWORD,
  recordStatements,
  startCastellans,
  until,
  type Answer,
  type Castellans,
  type SignedInUser,
} from '../support/castellan.ts';
import { BEGIN_BY, CONFIRM_BY, type EnrolledBy, policiesRequiring } from '../support/required-factors.ts';
import { watching } from '../support/rights-events.ts';
import { dataOf, DISABLE, secondFactors } from '../support/second-factors.ts';
import { letProofsAge, STEP_UP } from '../support/step-ups.ts';
import { type Door, doorsOf, takesMutations } from './doors.ts';
import { everyOperation } from './operations.ts';

/** That those of whom a role asks for a second factor do nothing without one, however they came in, and can always get one. */

const ME = '{ me { id } }';
const APPLY = `mutation ($files: [PolicyFileInput!]!, $expectedVersion: String!) {
  applyPolicy(files: $files, expectedVersion: $expectedVersion) { version receipt { enforced } }
}`;
const PREVIEW = `query ($files: [PolicyFileInput!]!) {
  previewPolicy(files: $files) { changes { action } mfa { role required users } }
}`;
const GRANT = `mutation ($principalId: ID!, $roleId: ID!) {
  grantRole(principalId: $principalId, roleId: $roleId) { receipt { enforced } }
}`;
const REFRESH = 'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken user { email } } }';
const SIGN_OUT = 'mutation { signOut { receipt { enforced } } }';
/** What a session may do that must get a second factor first. */
const LEFT = new Set(['beginTotpEnrollment', 'confirmTotpEnrollment', 'stepUp', 'signOut'].map((n) => `Mutation.${n}`));
const ENROLL = { code: 'MFA_REQUIRED', reason: 'enrollment', level: 2 };

const clock = createTestClock();
let castellans: Castellans;
let phone: ReturnType<typeof secondFactors>;
let doors: readonly Door[];
let alice: SignedInUser;
let policies: { readonly without: readonly PolicyFile[]; readonly required: readonly PolicyFile[] };

const { addAccount, createKey } = apiKeysOn(
  () => castellans,
  () => alice,
);

beforeAll(async () => {
  castellans = await startCastellans(3, { clock });
  phone = secondFactors(castellans, clock, PASSWORD);
  doors = doorsOf(castellans);
  policies = await policiesRequiring('support');
  alice = await castellans.signUp('alice', ['administrator']);
});

afterAll(() => castellans.close());

async function apply(files: readonly PolicyFile[], instance = 0): Promise<void> {
  const token = alice.accessToken;
  const known = await castellans.ask<{ policy: { version: string } }>('{ policy { version } }', { token });
  const variables = { files, expectedVersion: dataOf(known).policy.version };
  const { data } = await castellans.ask<{ applyPolicy: object }>(APPLY, { variables, token, instance });
  expect(data?.applyPolicy).toMatchObject({ receipt: { enforced: true } });
}

async function grantSupport({ id }: SignedInUser, instance = 0): Promise<void> {
  const token = alice.accessToken;
  const role = await castellans.ask<{ role: { id: string } }>('{ role(name: "support") { id } }', { token });
  const variables = { principalId: id, roleId: dataOf(role).role.id };
  expect((await castellans.ask(GRANT, { variables, token, instance })).data).toEqual({
    grantRole: { receipt: { enforced: true } },
  });
}

/** A member whose session was warm everywhere before the role was granted that asks for a second factor. */
async function caught(name: string): Promise<SignedInUser> {
  const user = await castellans.signUp(name);
  expect(await onEveryInstance((instance) => meOf(user, instance))).toEqual([[], [], []]);
  await grantSupport(user);
  return user;
}

const meOf = async ({ accessToken: token }: Pick<SignedInUser, 'accessToken'>, instance = 0) =>
  extensionsOf(await castellans.ask(ME, { token, instance }));

const beginBy = (token: string, instance = 0) =>
  castellans.ask<{ beginTotpEnrollment: { secret: string; uri: string } }>(BEGIN_BY, {
    variables: { token },
    instance,
  });
const confirmBy = (token: string, code: string, instance = 0) =>
  castellans.ask<EnrolledBy>(CONFIRM_BY, { variables: { token, code }, instance });

/** What was answered that should not have been, of every operation through each kind of door, on one instance after the other. */
async function letThrough(
  token: string,
  isRefused: (codes: readonly unknown[]) => boolean,
): Promise<readonly object[]> {
  const wrong: object[] = [];
  let tries = 0;
  await Promise.all(
    Object.values(Object.groupBy(doors, ({ name }) => name.replace(/ on instance \d/, ''))).map(async (same = []) => {
      for (const [n, { name, document }] of everyOperation('user_00000000000000000000000000').entries()) {
        const door = same[n % same.length];
        if (door === undefined || LEFT.has(name) || (!takesMutations(door) && document.startsWith('mutation')))
          continue;
        const { data, codes } = await door.ask(document, {}, token);
        tries += 1;
        if (data !== null || codes.length !== 1 || !isRefused(codes))
          wrong.push({ door: door.name, name, data, codes });
      }
    }),
  );
  expect(tries).toBeGreaterThan(300);
  return wrong;
}

describe('before a role asks for a second factor', () => {
  test('a preview says of whom it will be asked', async () => {
    const sam = await castellans.signUp('sam', ['support']);
    const preview = await castellans.ask(PREVIEW, {
      variables: { files: policies.required },
      token: alice.accessToken,
    });
    expect(preview.data).toEqual({
      previewPolicy: { changes: [], mfa: [{ role: 'support', required: true, users: [sam.id] }] },
    });
  });

  test('sessions go on; when the policy that does is acknowledged, none does on any instance or socket', async () => {
    const [sam, bob] = [await castellans.signUp('sam', ['support']), await castellans.signUp('bob')];
    const sockets = INSTANCES.map((instance) => castellans.connect({ token: sam.accessToken, instance }));
    const query = 'subscription { permissionsChanged { __typename ... on AccessEnded { code } } }';
    const heard = await Promise.all(
      sockets.map((client, instance) =>
        watching<{ permissionsChanged: { __typename: string; code?: string } }>(castellans, {
          client,
          instance,
          query,
        }),
      ),
    );
    expect(await onEveryInstance((instance) => meOf(sam, instance))).toEqual([[], [], []]);
    await apply(policies.required, 1);
    expect(await onEveryInstance((instance) => meOf(sam, instance))).toEqual([[ENROLL], [ENROLL], [ENROLL]]);
    expect(await onEveryInstance((instance) => meOf(bob, instance))).toEqual([[], [], []]);
    for (const events of heard) {
      let told = await events.next();
      while (told !== null && told.permissionsChanged.__typename !== 'AccessEnded') told = await events.next();
      expect(told?.permissionsChanged).toEqual({ __typename: 'AccessEnded', code: 'MFA_REQUIRED' });
    }
    for (const socket of sockets) await socket.dispose();
  });
});

describe('a session that began before it did', () => {
  test('may add an app and leave, and nothing else, through any door, where everything is known', async () => {
    const bob = await caught('bob');
    expect(await onEveryInstance((instance) => meOf(bob, instance))).toEqual([[ENROLL], [ENROLL], [ENROLL]]);
    // What each has read of it once is all it takes to refuse.
    const statements = recordStatements(castellans.apps);
    for (let n = 0; n < 20; n += 1)
      expect(await onEveryInstance((instance) => meOf(bob, instance))).toEqual([[ENROLL], [ENROLL], [ENROLL]]);
    statements.stop();
    expect(statements.names.filter((name) => name !== 'a transaction')).toEqual([]);
    // What is written behind goes with the clock, and not with each request.
    expect(statements.names.length).toBeLessThan(30);
    const before = await castellans.recorded();
    expect(await letThrough(bob.accessToken, ([code]) => code === 'MFA_REQUIRED')).toEqual([]);
    expect(await castellans.recorded()).toEqual(before);
  }, 60_000);

  test.each([
    ['mutation { __typename }'],
    ['mutation { beginTotpEnrollment { secret } revokeOtherSessions { position } }'],
    ['mutation { ...all } fragment all on Mutation { beginTotpEnrollment { secret } }'],
    ['mutation a { signOut { position } } mutation b { signOut { position } }'],
    [`mutation { stepUp(input: { password: "${PASSWORD}" }) { session { user { id email } } } }`],
    [
      `mutation { stepUp(input: { password: "${PASSWORD}" }) { session { ...s } } } fragment s on Session { user { id } }`,
    ],
    [`mutation { stepUp(input: { password: "${PASSWORD}" }) { ... on StepUpPayload { session { user { id } } } } }`],
    ['mutation { signOut { session { user { roles { name } } } } }'],
  ])('reads nothing on the way: %s', async (query) => {
    const bob = await caught('bob');
    const { data, ...answer } = await castellans.ask(query, { token: bob.accessToken, instance: 1 });
    expect(data).toBeNull();
    expect(extensionsOf({ errors: answer.errors })).toEqual([ENROLL]);
  });

  test('that steps up while it comes to need one goes on as nobody in its operation, unless that may do nothing else', async () => {
    await apply(policies.required);
    const bob = await castellans.signUp('bob');
    const [services] = castellans.apps.map((app) => app.services);
    if (services === undefined) throw new TypeError('three were started');
    const from = { address: '127.0.0.1', userAgent: null, client: null };
    const by = await services.identification.identify({ kind: 'accessToken', token: bob.accessToken });
    const { value: tokens } = await services.stepUps.stepUp(by, { password: PASSWORD }, from);
    await grantSupport(bob);
    // No door has asked anything of what else is in the operation.
    const unasked = new OperationContext(services, by, from);
    expect(await handOn(unasked, tokens)).toMatchObject({ accessToken: tokens.accessToken });
    expect(unasked.by.kind).toBe(ANONYMOUS.kind);
    const refusal = new Refusal('MFA_REQUIRED', 'A second factor is missing.');
    const unproven = { refusal, allowed: new Set(['stepUp']), flat: true };
    const asked = new OperationContext(services, by, from, { unproven });
    await handOn(asked, tokens);
    expect(asked.by).toMatchObject({ kind: 'user', id: bob.id });
  });

  test('is neither refreshed, nor good for whoever asks about its tokens', async () => {
    const bob = await caught('bob');
    const refused = await castellans.ask(REFRESH, { variables: { token: bob.refreshToken }, instance: 2 });
    expect(extensionsOf(refused)).toEqual([ENROLL]);
    const serviceAccountId = await addAccount('gateway', ['introspector']);
    const { secret } = await createKey(alice, { serviceAccountId });
    for (const token of [bob.accessToken, bob.refreshToken, alice.accessToken]) {
      const response = await fetch(`${castellans.apps[1]?.url}/oauth/introspect`, {
        method: 'POST',
        body: new URLSearchParams({ token }),
        headers: { 'x-api-key': secret },
      });
      expect(await response.json()).toMatchObject({ active: token === alice.accessToken });
    }
  });

  test('adds an app, after a step-up where it is old, and goes on everywhere; the others end', async () => {
    const bob = await castellans.signUp('bob');
    const other = await castellans.signIn(bob.email, 2);
    await grantSupport(bob, 2);
    await letProofsAge(castellans, bob.sessionId);
    const asked = { code: 'MFA_REQUIRED', reason: 'step_up', level: 1, withinSeconds: 900 };
    expect(extensionsOf(await phone.begin(bob.accessToken))).toEqual([asked]);
    const stepped = await castellans.ask<{ stepUp: { accessToken: string } }>(STEP_UP, {
      variables: { input: { password: PASSWORD } },
      token: bob.accessToken,
      instance: 1,
    });
    const { accessToken } = dataOf(stepped).stepUp;
    expect(await meOf({ accessToken }, 2)).toEqual([ENROLL]);
    const { secret } = dataOf(await phone.begin(accessToken)).beginTotpEnrollment;
    const confirmed = dataOf(await phone.confirm(accessToken, phone.code(secret), 1)).confirmTotpEnrollment;
    expect(confirmed).toMatchObject({ session: { id: bob.sessionId, aal: 2 }, receipt: IN_FORCE });
    expect(await onEveryInstance((instance) => meOf(confirmed, instance))).toEqual([[], [], []]);
    for (const instance of INSTANCES) expect(await meOf(other, instance)).toEqual([{ code: 'SESSION_REVOKED' }]);
  });

  test('signs out', async () => {
    const bob = await caught('bob');
    const left = await castellans.ask(SIGN_OUT, { token: bob.accessToken, instance: 2 });
    expect(left.data).toEqual({ signOut: { receipt: { enforced: true } } });
    expect(await meOf(bob, 1)).toEqual([{ code: 'SESSION_REVOKED' }]);
  });
});

describe('a sign-in', () => {
  /** A user who must have a second factor and has none, with the challenge of a sign-in. */
  async function challenged(name: string): Promise<{ user: SignedInUser; token: string }> {
    const user = await caught(name);
    const { signIn } = dataOf(await phone.signIn(user.email, 1));
    expect(signIn).toMatchObject({ __typename: 'MfaRequired', methods: ['enrollTotp'] });
    return { user, token: signIn.challengeToken };
  }

  test('that began when no role asked for one yet is good for nothing else in its own operation', async () => {
    await apply(policies.required);
    const bob = await castellans.signUp('bob');
    const holder = new Client({ connectionString: castellans.databaseUrl });
    await holder.connect();
    await holder.query('begin');
    await holder.query('select from users where id = $1 for no key update', [bob.id]);
    const query = `mutation ($input: SignInInput!) {
      signIn(input: $input) { __typename ... on SignedIn { accessToken } } revokeOtherSessions { position }
    }`;
    const variables = { input: { email: bob.email, password: PASSWORD } };
    const asked = castellans.ask<{ signIn: { accessToken: string } }>(query, { variables, instance: 1 });
    await until(async () => {
      const waiting = `select pid from pg_locks l join pg_stat_activity a using (pid)
        where not l.granted and a.datname = current_database()`;
      return (await castellans.rows(waiting)).length > 0;
    });
    const given = `insert into grants (id, principal_id, role_id, granted_by, created_at)
      select 'grant_' || substr($1, 6), $1, id, 'system', now() from roles where name = 'support'`;
    await castellans.rows(given, bob.id);
    const logged = `insert into authority_log (target, kind, user_id, reason) values ($1, 'changed', $1, 'role_granted')`;
    await castellans.rows(logged, bob.id);
    await castellans.apps[1]?.services.tail.poll(true);
    await holder.query('commit');
    await holder.end();
    const { data, errors } = await asked;
    expect(errors.map(({ path, extensions }) => [path?.[0], extensions['code']])).toEqual([['signIn', 'MFA_REQUIRED']]);
    expect(data).toBeNull();
    expect(await meOf(bob, 1)).toEqual([ENROLL]);
  });

  test('gives a challenge that starts no session and is no credential, through any door', async () => {
    const { user, token } = await challenged('bob');
    const warm = () => castellans.apps.map(({ services }) => services.identification.identifyWarm(token) !== null);
    expect(await onEveryInstance((instance) => meOf(user, instance))).toEqual([[ENROLL], [ENROLL], [ENROLL]]);
    expect(castellans.apps.map(({ services }) => services.standings.warm(user.id) !== null)).toEqual(EVERYWHERE);
    const before = await castellans.recorded();
    const refused = new Set<unknown>(['UNAUTHENTICATED', 4401]);
    expect(await letThrough(token, ([code]) => refused.has(code))).toEqual([]);
    expect(await castellans.recorded()).toEqual(before);
    expect(warm()).toEqual(NOWHERE);
  }, 60_000);

  test('becomes a session at level 2 when an app is added by it, once, with recovery codes', async () => {
    const { user, token } = await challenged('bob');
    const { secret } = dataOf(await beginBy(token)).beginTotpEnrollment;
    expect(codesOf(await confirmBy(token, phone.wrongCode(secret), 1))).toEqual(['UNAUTHENTICATED']);
    const { confirmTotpEnrollment: enrolled } = dataOf(await confirmBy(token, phone.code(secret), 2));
    expect(enrolled).toMatchObject({
      session: { aal: 2, current: true },
      user: { id: user.id, mfaEnabled: true },
      receipt: IN_FORCE,
    });
    expect(new Set(enrolled.recoveryCodes).size).toBe(10);
    expect(enrolled.deviceToken).toEqual(expect.any(String));
    expect(await onEveryInstance((instance) => meOf(enrolled, instance))).toEqual([[], [], []]);
    expect(await meOf(user)).toEqual([{ code: 'SESSION_REVOKED' }]);
    const refreshed = await castellans.ask(REFRESH, { variables: { token: enrolled.refreshToken }, instance: 1 });
    expect(codesOf(refreshed)).toEqual([]);

    const code = await phone.nextCode(secret);
    expect(codesOf(await confirmBy(token, code))).toEqual(['UNAUTHENTICATED']);
    expect(codesOf(await beginBy(token))).toEqual(['UNAUTHENTICATED']);
    expect(codesOf(await phone.verify(token, code))).toEqual(['UNAUTHENTICATED']);
    const [recovery = ''] = enrolled.recoveryCodes;
    expect(dataOf(await phone.verify(await phone.challengeOf(user.email), recovery)).verifyMfa.user.id).toBe(user.id);
  });

  test('adds one app by one challenge, though five confirm it at once over three instances', async () => {
    const { user, token } = await challenged('bob');
    const { secret } = dataOf(await beginBy(token)).beginTotpEnrollment;
    const code = phone.code(secret);
    const raced = await Promise.all([0, 1, 2, 0, 1].map((instance) => confirmBy(token, code, instance)));
    expect(tally(raced)).toEqual({ ok: 1, UNAUTHENTICATED: 4 });
    const live = await castellans.rows('select aal from sessions where user_id = $1 and revoked_at is null', user.id);
    expect(live).toEqual([{ aal: 2 }]);
  });

  test('takes a session or its challenge, not both, and no other challenge', async () => {
    const { token } = await challenged('bob');
    const { accessToken } = await castellans.signUp('mallory');
    const both = await castellans.ask(BEGIN_BY, { variables: { token }, token: accessToken });
    expect(extensionsOf(both)).toEqual([{ code: 'BAD_USER_INPUT', field: 'challengeToken' }]);
    const forged = `${token.slice(0, -3)}AAA`;
    for (const bad of [forged, 'mfa', '', accessToken]) {
      expect(codesOf(await beginBy(bad))).toEqual(['UNAUTHENTICATED']);
      expect(codesOf(await confirmBy(bad, '123456'))).toEqual(['UNAUTHENTICATED']);
    }
    expect(codesOf(await confirmBy(token, '123456'))).toEqual(['CONFLICT']);
    expect(codesOf(await castellans.ask('mutation { beginTotpEnrollment { secret } }'))).toEqual(['UNAUTHENTICATED']);
  });

  test('of whoever has an app is finished by its code alone: its challenge adds no other', async () => {
    const bob = await phone.enrolled('bob');
    await grantSupport(bob);
    const token = await phone.challengeOf(bob.email);
    expect(codesOf(await beginBy(token))).toEqual(['CONFLICT']);
    expect(codesOf(await confirmBy(token, await phone.nextCode(bob.secret)))).toEqual(['CONFLICT']);
    expect(dataOf(await phone.verify(token, await phone.nextCode(bob.secret))).verifyMfa.session.aal).toBe(2);
  });

  test('whose user is shut out, or whose time is over, adds nothing', async () => {
    const { user, token } = await challenged('carol');
    const { secret } = dataOf(await beginBy(token)).beginTotpEnrollment;
    const disable = 'mutation ($id: ID!) { disableUser(id: $id) { position } }';
    expect(codesOf(await castellans.ask(disable, { variables: { id: user.id }, token: alice.accessToken }))).toEqual(
      [],
    );
    expect(codesOf(await confirmBy(token, phone.code(secret), 1))).toEqual(['UNAUTHENTICATED']);

    const late = await challenged('bob');
    const begun = dataOf(await beginBy(late.token)).beginTotpEnrollment;
    await castellans.rows(
      'update challenges set expires_at = $2 where user_id = $1',
      late.user.id,
      new Date(clock.now() - 1),
    );
    expect(codesOf(await confirmBy(late.token, phone.code(begun.secret)))).toEqual(['UNAUTHENTICATED']);
  });
});

describe('the last factor', () => {
  test('is kept while a role asks for one, and leaves the session at level 1 when none does', async () => {
    const bob = await phone.enrolled('bob');
    await grantSupport(bob);
    const refused: Answer<object> = await phone.change(DISABLE, await phone.nextCode(bob.secret), bob.accessToken, 1);
    expect(extensionsOf(refused)).toEqual([{ code: 'FORBIDDEN', reason: 'second_factor_required' }]);
    expect(await meOf(bob, 2)).toEqual([]);

    await apply(policies.without);
    const disabled = await phone.change(DISABLE, await phone.nextCode(bob.secret), bob.accessToken, 1);
    expect(codesOf(disabled)).toEqual([]);
    expect(await onEveryInstance((instance) => meOf(bob, instance))).toEqual([[], [], []]);
    expect(dataOf(await phone.signIn(bob.email)).signIn.__typename).toBe('SignedIn');
    await apply(policies.required, 2);
    expect(await onEveryInstance((instance) => meOf(bob, instance))).toEqual([[ENROLL], [ENROLL], [ENROLL]]);
  });
});

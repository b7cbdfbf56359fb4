import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { stepOf, totpCode } from '../../src/domain/authentication/totp.ts';
import {
  codesOf,
  PASSWORD,
  startCastellans,
  until,
  type Castellans,
  type SignedInUser,
  collect,
} from '../support/castellan.ts';
import { dataOf } from '../support/second-factors.ts';
import { listening } from '../support/session-events.ts';
import { castellan, STARTS_MS } from './running.ts';

jest.setTimeout(STARTS_MS);

const SIGN_IN = `mutation ($input: SignInInput!) {
  signIn(input: $input) { __typename ... on SignedIn { accessToken user { id roles { name } } } }
}`;

interface SignIn {
  readonly signIn: {
    readonly __typename: string;
    readonly accessToken?: string;
    readonly user?: { readonly id: string; readonly roles: readonly { readonly name: string }[] };
  };
}

interface Done {
  readonly code: number | null;
  readonly said: Readonly<Record<string, unknown>> & { readonly oneTimePassword: string };
}

let castellans: Castellans;
let alice: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(2);
});

beforeEach(async () => {
  alice = await castellans.signUp('alice', ['administrator', 'member']);
});

afterAll(() => castellans.close());

/** `castellan admin …` on the machine that has the secrets. */
async function admin(...args: readonly string[]): Promise<Done> {
  const { databaseUrl, redisUrl, keyEncryptionKeys } = castellans.config;
  const { code, stdout } = await castellan(['admin', ...args, '--json'], {
    DATABASE_URL: databaseUrl?.reveal(),
    REDIS_URL: redisUrl?.reveal(),
    KEY_ENCRYPTION_KEY: keyEncryptionKeys?.[0]?.reveal(),
  });
  return { code, said: JSON.parse(stdout) as Done['said'] };
}

const signIn = (email: string, password: string, instance = 0) =>
  castellans.ask<SignIn>(SIGN_IN, { variables: { input: { email, password } }, instance });

/** Whether it is good for a day only. */
async function isInitial(email: string): Promise<boolean | undefined> {
  const [row] = await castellans.rows<{ initial: boolean }>(
    'select initial_at = changed_at as initial from passwords where user_id = (select id from users where email = $1)',
    email,
  );
  return row?.initial;
}

const recorded = (subjectId: string) =>
  castellans.rows<{ by: string; action: string; after: object }>(
    `select by, action, after from audit_entries where subject_id = $1 order by id desc limit 1`,
    subjectId,
  );

/** Everybody who is administrator by now, but for these. */
const disableOthers = (...ids: readonly string[]) =>
  castellans.rows(
    `update users set status = 'disabled' where id <> all($1) and id in (
       select principal_id from grants g join roles r on r.id = g.role_id where r.name = 'administrator')`,
    ids,
  );

describe('castellan admin recover', () => {
  test('whoever lost password and second factor signs in with the one-time password alone, locked or not', async () => {
    const { accessToken: token } = alice;
    const begun = dataOf(
      await castellans.ask<{ beginTotpEnrollment: { secret: string } }>('mutation { beginTotpEnrollment { secret } }', {
        token,
      }),
    );
    const code = totpCode(begun.beginTotpEnrollment.secret, stepOf(Date.now()));
    const confirm = 'mutation ($code: String!) { confirmTotpEnrollment(code: $code) { session { id } } }';
    dataOf(await castellans.ask(confirm, { token, variables: { code } }));
    await signIn(alice.email, 'not the password of alice');
    await castellans.rows('update password_guesses set failures = 100 where failures > 0');
    expect(codesOf(await signIn(alice.email, PASSWORD))).toEqual(['ACCOUNT_LOCKED']);

    const { code: exit, said } = await admin('recover', alice.email);
    expect(exit).toBe(0);
    expect(said).toMatchObject({ ok: true, enforced: true, factorRemoved: true, roleGiven: false, sessionsEnded: 1 });
    for (const instance of [0, 1]) {
      const { signIn: signedIn } = dataOf(await signIn(alice.email, said.oneTimePassword, instance));
      expect(signedIn.__typename).toBe('SignedIn');
      expect(signedIn.user?.id).toBe(alice.id);
    }
    expect(codesOf(await signIn(alice.email, PASSWORD))).toEqual(['UNAUTHENTICATED']);
    expect(await isInitial(alice.email)).toBe(true);
    expect(await recorded(alice.id)).toEqual([
      { by: 'system', action: 'administrator.recover', after: expect.objectContaining({ sessionsEnded: 1 }) },
    ]);
    await until(() =>
      castellans.mails.some(({ to, subject }) => to === alice.email && subject.includes('was removed')),
    );
  });

  test('when it returns, no session of before is honoured by any instance, and their sockets are dark', async () => {
    const closed = Promise.withResolvers<number>();
    const socket = castellans.connect({ token: alice.accessToken, instance: 1, onClosed: closed.resolve });
    const events = await listening(castellans, 1, () =>
      collect(socket, 'subscription { sessionEvents { __typename } }'),
    );

    expect((await admin('recover', alice.email)).said).toMatchObject({ enforced: true, sessionsEnded: 1 });
    for (const instance of [0, 1]) {
      const asked = await castellans.ask('{ me { id } }', { token: alice.accessToken, instance });
      expect(codesOf(asked)).toEqual(['SESSION_REVOKED']);
    }
    expect(await closed.promise).toBe(4401);
    expect(await events.next()).toEqual({ sessionEvents: { __typename: 'AccessEnded' } });
    const [session] = await castellans.rows<{ revoked_reason: string }>(
      'select revoked_reason from sessions where id = $1',
      alice.sessionId,
    );
    expect(session?.revoked_reason).toBe('recovered');
  });

  test('where nobody is administrator any more, the role is given again, and whoever was shut out is let in', async () => {
    await castellans.rows('update grants set revoked_at = now() where principal_id = $1', alice.id);
    await disableOthers();
    await castellans.rows(`update users set status = 'disabled' where id = $1`, alice.id);
    const { said } = await admin('recover', alice.email);
    expect(said).toMatchObject({ ok: true, roleGiven: true });
    const { signIn: signedIn } = dataOf(await signIn(alice.email, said.oneTimePassword));
    expect(signedIn.user?.roles).toEqual([{ name: 'administrator' }]);
    const users = await castellans.ask('{ users(first: 1) { edges { node { id } } } }', {
      token: signedIn.accessToken ?? '',
    });
    expect(users.errors).toEqual([]);
  });

  test('while there is another administrator, nobody becomes one by it, and nobody who was shut out comes in', async () => {
    const bob = await castellans.signUp('bob');
    const carol = await castellans.signUp('carol', ['administrator']);
    await castellans.rows(`update users set status = 'disabled' where id = $1`, carol.id);
    const before = await castellans.recorded();
    const emails = [bob.email, carol.email, 'nobody@example.com'];
    const refused = await Promise.all(emails.map((email) => admin('recover', email)));
    expect(refused.map(({ code, said }) => [code, said['code']])).toEqual([
      [1, 'CONFLICT'],
      [1, 'CONFLICT'],
      [1, 'NOT_FOUND'],
    ]);
    expect(await castellans.recorded()).toEqual(before);
    expect((await signIn(bob.email, PASSWORD)).errors).toEqual([]);
  });
});

describe('castellan admin create', () => {
  test('adds an administrator with a one-time password, and refuses an address that is taken', async () => {
    const email = `ada.${alice.id}@example.com`;
    const { code, said } = await admin('create', email, '--name', 'Ada');
    expect([code, said['email']]).toEqual([0, email]);
    const { signIn: signedIn } = dataOf(await signIn(email, said.oneTimePassword));
    expect(signedIn.user?.roles).toContainEqual({ name: 'administrator' });
    expect(await isInitial(email)).toBe(true);
    const [taken, wrong] = await Promise.all([admin('create', email), admin('create', 'no address')]);
    expect(taken).toMatchObject({ code: 1, said: { ok: false, code: 'CONFLICT' } });
    expect(wrong).toMatchObject({ code: 1, said: { ok: false, code: 'BAD_USER_INPUT' } });
  });

  test('says how it is called', async () => {
    for (const command of ['create', 'recover']) {
      expect(await castellan(['admin', command])).toMatchObject({
        code: 2,
        stderr: expect.stringContaining("missing required argument 'email'"),
      });
    }
  });
});

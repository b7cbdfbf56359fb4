import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createApp } from '../../src/app.ts';
import type { Mail } from '../../src/domain/users/mail.ts';
import { createLog } from '../../src/kit/log.ts';
import { accountsOn, tally } from '../support/accounts.ts';
import { extensionsOf, INSTANCES } from '../support/asking.ts';
import {
  codesOf,
  createTestClock,
  PASSWORD,
  startCastellans,
  until,
  type Answer,
  type Castellans,
  type TestClock,
} from '../support/castellan.ts';
import { dataOf, secondFactors } from '../support/second-factors.ts';

const NEW = 'another few unrelated words';
const NEWER = 'yet another few unrelated words';
const HOUR_MS = 3_600_000;

let clock: TestClock;
let castellans: Castellans;
let phone: ReturnType<typeof secondFactors>;
const { signIn, signUp, verify, requestReset, reset, change, tokenFor, subjectsTo, errandsDone } = accountsOn(
  () => castellans,
);

beforeAll(async () => {
  clock = createTestClock();
  const settings = { signUp: 'open', accountRequestsPerAddress: 10_000 } as const;
  castellans = await startCastellans(3, { clock, settings });
  phone = secondFactors(castellans, clock, PASSWORD);
});

afterAll(() => castellans?.close());

const addressOf = (name: string) => `${name}.${Math.trunc(performance.now() * 1_000).toString(36)}@example.com`;

async function signedUp(name: string): Promise<{ email: string; token: string }> {
  const email = addressOf(name);
  dataOf(await signUp({ email, name, password: PASSWORD }));
  return { email, token: await tokenFor(email) };
}

/** A user who has been mailed a token to reset the password with. */
async function forgetful(name: string, instance = 0) {
  const user = await castellans.signUp(name);
  dataOf(await requestReset(` ${user.email.toUpperCase()}`, instance));
  return { ...user, token: await tokenFor(user.email) };
}

describe('signing up', () => {
  test('makes a member who signs in once the address is verified, and not before', async () => {
    const { email, token } = await signedUp('uma');
    for (const instance of INSTANCES) {
      expect(codesOf(await signIn({ email, password: 'not the one of this user' }, { instance }))).toEqual([
        'UNAUTHENTICATED',
      ]);
      expect(extensionsOf(await signIn({ email, password: PASSWORD }, { instance }))).toEqual([
        { code: 'FORBIDDEN', reason: 'email_not_verified' },
      ]);
    }
    expect(dataOf(await verify(token, 1))).toMatchObject({ verifyEmail: { receipt: { enforced: true } } });
    const { accessToken } = dataOf(await signIn({ email, password: PASSWORD }, { instance: 2 })).signIn;
    const me = await castellans.ask('{ me { email name emailVerified scope roles { name } } }', { token: accessToken });
    expect(me.data).toEqual({
      me: { email, name: 'uma', emailVerified: true, scope: null, roles: [{ name: 'member' }] },
    });
    expect(codesOf(await verify(token))).toEqual(['UNAUTHENTICATED']);
  });

  test('with an address that is known changes nothing; its owner is told by mail', async () => {
    const bob = await castellans.signUp('bob');
    dataOf(await signUp({ email: bob.email, name: 'Eve', password: NEW }));
    await errandsDone();
    expect(subjectsTo(bob.email)).toEqual(['You have an account already']);
    expect((await signIn({ email: bob.email, password: PASSWORD })).errors).toEqual([]);
    expect(codesOf(await signIn({ email: bob.email, password: NEW }))).toEqual(['UNAUTHENTICATED']);
  });

  test('with one address, five at once: there is one account, and no mail waits for another try', async () => {
    const email = addressOf('una');
    await Promise.all(Array.from({ length: 5 }, (_, n) => signUp({ email, name: 'una', password: PASSWORD }, n % 3)));
    await errandsDone();
    const [found] = await castellans.rows<{ count: number }>('select count(*)::int from users where email = $1', email);
    expect(found?.count).toBe(1);
    expect(subjectsTo(email)).toHaveLength(3);
  });

  test('before its owner did gives nobody their account: whose mail is followed, their password counts', async () => {
    const email = addressOf('vic');
    dataOf(await signUp({ email, name: 'Eve', password: NEW }));
    await errandsDone();
    dataOf(await signUp({ email, name: 'Vic', password: PASSWORD }, 1));
    const token = await tokenFor(email);
    dataOf(await signUp({ email, name: 'Eve', password: NEWER }, 2));
    await errandsDone();
    dataOf(await verify(token));
    const { accessToken } = dataOf(await signIn({ email, password: PASSWORD })).signIn;
    expect((await castellans.ask('{ me { name } }', { token: accessToken })).data).toEqual({ me: { name: 'Vic' } });
    for (const password of [NEW, NEWER]) {
      expect(codesOf(await signIn({ email, password }))).toEqual(['UNAUTHENTICATED']);
    }
    // Nor is any of the other mails good any more.
    const tokens = castellans.mails
      .filter(({ to }) => to === email)
      .map(({ text }) => /^ev\.\S+$/m.exec(text)?.[0] ?? '');
    expect(tokens).toHaveLength(3);
    for (const each of tokens) expect(codesOf(await verify(each))).toEqual(['UNAUTHENTICATED']);
  });

  test('fills nobody’s mailbox: three mails of a kind, and no more while their tokens are good', async () => {
    const [bob, email] = [await castellans.signUp('bob'), addressOf('uma')];
    for (let n = 0; n < 5; n += 1) {
      await signUp({ email: bob.email, name: 'Eve', password: NEW }, n % 3);
      await signUp({ email, name: 'Uma', password: PASSWORD }, n % 3);
      await requestReset(bob.email, n % 3);
      await errandsDone();
    }
    expect(subjectsTo(bob.email)).toHaveLength(6);
    expect(subjectsTo(email)).toHaveLength(3);
  });

  test('is refused with what is wrong, and where it is closed', async () => {
    const honest = { email: addressOf('uma'), name: 'Uma', password: PASSWORD };
    for (const [field, value] of [
      ['email', 'nobody'],
      ['name', ''],
      ['password', 'short'],
      ['password', `${honest.email} 123456`],
    ] as const) {
      expect(extensionsOf(await signUp({ ...honest, [field]: value }))).toEqual([{ code: 'BAD_USER_INPUT', field }]);
    }
    const closed = await startCastellans(1);
    try {
      const calls = accountsOn(() => closed);
      expect(extensionsOf(await calls.signUp(honest))).toEqual([{ code: 'FORBIDDEN', reason: 'sign_up_closed' }]);
    } finally {
      await closed.close();
    }
  });

  test('and asking for mails is limited by address', async () => {
    const own = await startCastellans(1, { settings: { signUp: 'open', accountRequestsPerAddress: 3 } });
    try {
      const calls = accountsOn(() => own);
      const asks = [
        await calls.requestReset('a@example.com'),
        await calls.requestReset('b@example.com'),
        await calls.signUp({ email: 'c@example.com', name: 'C', password: PASSWORD }),
        await calls.requestReset('d@example.com'),
        await calls.signUp({ email: 'e@example.com', name: 'E', password: PASSWORD }),
      ];
      expect(tally(asks)).toEqual({ ok: 3, RATE_LIMITED: 2 });
    } finally {
      await own.close();
    }
  });
});

describe('resetting a password', () => {
  test('takes a new one from whoever reads the mail, and ends every session on every instance', async () => {
    const bob = await forgetful('bob');
    const devices = [bob, await castellans.signIn(bob.email, 1), await castellans.signIn(bob.email, 2)];
    const { data } = await reset(bob.token, NEW, 1);
    expect(data).toMatchObject({ resetPassword: { receipt: { enforced: true, instances: 3, acknowledged: 3 } } });
    for (const { accessToken, refreshToken } of devices) {
      for (const instance of INSTANCES) {
        const answer = await castellans.ask('{ me { id } }', { token: accessToken, instance });
        expect(codesOf(answer)).toEqual(['SESSION_REVOKED']);
      }
      const refreshed = await castellans.ask(
        'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken } }',
        { variables: { token: refreshToken } },
      );
      expect(codesOf(refreshed)).toEqual(['SESSION_REVOKED']);
    }
    expect(codesOf(await signIn({ email: bob.email, password: PASSWORD }))).toEqual(['UNAUTHENTICATED']);
    dataOf(await signIn({ email: bob.email, password: NEW }));
    await errandsDone();
    expect(subjectsTo(bob.email)).toEqual(['Reset your password', 'Your password was changed']);
    const [entry] = await castellans.rows(
      `select by, session_id from audit_entries where subject_id = $1 and outcome = 'done' and action = 'user.reset_password'`,
      bob.id,
    );
    expect(entry).toEqual({ by: bob.id, session_id: null });
  });

  test('ends no API key: the mail that tells of it says so, and how to end one', async () => {
    const bob = await forgetful('bob');
    const CREATE = 'mutation { createApiKey(input: { name: "robot" }) { secret apiKey { id } } }';
    const made = await castellans.ask<{ createApiKey: { secret: string; apiKey: { id: string } } }>(CREATE, {
      token: bob.accessToken,
    });
    const { secret, apiKey } = dataOf(made).createApiKey;
    dataOf(await reset(bob.token, NEW));
    const withKey = (instance: number) =>
      castellans.ask('{ me { id } }', { headers: { 'x-api-key': secret }, instance });
    for (const instance of INSTANCES) expect((await withKey(instance)).data).toEqual({ me: { id: bob.id } });
    await errandsDone();
    const told = castellans.mails.findLast(({ to }) => to === bob.email)?.text ?? '';
    expect(told).toContain('Your API keys are as good as before.');
    const command = /\b(revoke\w+)/.exec(told)?.[1];
    const { accessToken: token } = dataOf(await signIn({ email: bob.email, password: NEW })).signIn;
    dataOf(await castellans.ask(`mutation { ${command}(id: "${apiKey.id}") { position } }`, { token }));
    for (const instance of INSTANCES) expect(codesOf(await withKey(instance))).toEqual(['SESSION_REVOKED']);
  });

  test('with a token that was used, has run out, or is one of several of which another was used, is refused', async () => {
    const bob = await forgetful('bob');
    await requestReset(bob.email, 1);
    const second = await tokenFor(bob.email);
    expect(second).not.toBe(bob.token);
    dataOf(await reset(bob.token, NEW));
    for (const token of [bob.token, second]) expect(codesOf(await reset(token, NEWER))).toEqual(['UNAUTHENTICATED']);

    await requestReset(bob.email, 2);
    const [late, fresh] = [await tokenFor(bob.email), await signedUp('uma')];
    await phone.pass(HOUR_MS);
    expect(codesOf(await reset(late, NEWER))).toEqual(['UNAUTHENTICATED']);
    await phone.pass(23 * HOUR_MS);
    expect(codesOf(await verify(fresh.token))).toEqual(['UNAUTHENTICATED']);
    dataOf(await signIn({ email: bob.email, password: NEW }));
    // Another instance may clean at this moment, of which only one does.
    await until(async () => {
      await castellans.apps[0]?.services.cleaner.clean();
      return (await castellans.rows('select hash from account_tokens')).length === 0;
    });
  });

  test('needs a password that may be one, and leaves the token good until there is', async () => {
    const bob = await forgetful('bob');
    for (const password of ['short', 'aaaaaaaaaaaaaaaaaaaa', `${bob.email} 12`]) {
      expect(extensionsOf(await reset(bob.token, password))).toEqual([
        { code: 'BAD_USER_INPUT', field: 'newPassword' },
      ]);
    }
    dataOf(await reset(bob.token, NEW));
  });

  test.each(['Manchester12345!!', 'm@nch3st3r.2024', 'localhost Castellan'])(
    'refuses %j, as every other way to a password does',
    async (easy) => {
      const user = await forgetful('una');
      const fresh = { email: addressOf('una'), name: 'una' };
      const alice = await castellans.signUp('alice', ['administrator']);
      const create = 'mutation ($input: CreateUserInput!) { createUser(input: $input) { position } }';
      const variables = { input: { ...fresh, password: easy } };
      const answers: readonly [string, Answer<object>][] = [
        ['newPassword', await reset(user.token, easy)],
        ['newPassword', await change(user.accessToken, PASSWORD, easy)],
        ['password', await signUp({ ...fresh, password: easy })],
        ['password', await castellans.ask(create, { variables, token: alice.accessToken })],
      ];
      for (const [field, answer] of answers) expect(extensionsOf(answer)).toEqual([{ code: 'BAD_USER_INPUT', field }]);
    },
  );

  test('is offered to nobody who was disabled, and refused to those who were meanwhile', async () => {
    const bob = await forgetful('bob');
    await castellans.rows(`update users set status = 'disabled' where id = $1`, bob.id);
    expect(codesOf(await reset(bob.token, NEW))).toEqual(['UNAUTHENTICATED']);
    dataOf(await requestReset(bob.email));
    await errandsDone();
    expect(subjectsTo(bob.email)).toEqual(['Reset your password']);
  });

  test('shows that the address is theirs, too', async () => {
    const { email, token } = await signedUp('uma');
    await requestReset(email);
    dataOf(await reset(await tokenFor(email), NEW));
    dataOf(await signIn({ email, password: NEW }));
    expect(codesOf(await verify(token))).toEqual(['UNAUTHENTICATED']);
  });

  test('leaves the second factor, without which the new password starts no session', async () => {
    const { email, secret } = await phone.enrolled('carol');
    await requestReset(email);
    dataOf(await reset(await tokenFor(email), NEW));
    const { signIn: answer } = dataOf(await signIn({ email, password: NEW }));
    expect(answer).toMatchObject({ __typename: 'MfaRequired', challengeToken: expect.any(String) });
    dataOf(await phone.verify(answer.challengeToken, await phone.nextCode(secret)));
  });
});

describe('a token from a mail', () => {
  test('is good once, though five show it at once on three instances, a hundred times over', async () => {
    const bob = await castellans.signUp('bob');
    const service = castellans.apps.map(({ services }) => services.passwordChanges);
    for (let round = 0; round < 100; round += 1) {
      if (round % 2 === 0) await castellans.rows('delete from account_tokens where user_id = $1', bob.id);
      await service[0]?.request(bob.email);
      const token = await tokenFor(bob.email);
      const shown = Array.from({ length: 5 }, (_, n) => reset(token, `${NEW} ${round} ${n}`, n % 3));
      const answers = await Promise.all(shown);
      expect(tally(answers)).toEqual({ ok: 1, UNAUTHENTICATED: 4 });
    }
  }, 120_000);

  test('that verifies is good once, though five show it at once', async () => {
    for (let round = 0; round < 10; round += 1) {
      const { token } = await signedUp('uma');
      const answers = await Promise.all(Array.from({ length: 5 }, (_, n) => verify(token, n % 3)));
      expect(tally(answers)).toEqual({ ok: 1, UNAUTHENTICATED: 4 });
    }
  });

  test('is in the database as its hash alone, in the mail that waits as well', async () => {
    const { token } = await forgetful('bob');
    const secret = token.split('.')[2] ?? '';
    for (const table of ['account_tokens', 'errands', 'audit_entries', 'authority_log']) {
      expect(await castellans.rows(`select * from ${table} t where strpos(t::text, $1) > 0`, secret)).toEqual([]);
    }
  });

  test('that never was one is refused like one that was', async () => {
    expect(codesOf(await castellans.ask('mutation { verifyEmail(token: "x") { position } }'))).toEqual([
      'UNAUTHENTICATED',
    ]);
    const reset = 'mutation { resetPassword(token: "x", newPassword: "x") { position } }';
    expect(codesOf(await castellans.ask(reset))).toEqual(['UNAUTHENTICATED']);
    const nobody = 'mutation { requestPasswordReset(email: "x") { position } }';
    expect(codesOf(await castellans.ask(nobody))).toEqual([]);
  });

  test('AC-25: is none of any other kind, nor is any other one of these', async () => {
    const [bob, uma] = [await forgetful('bob'), await signedUp('uma')];
    const device = dataOf(await signIn({ email: bob.email, password: PASSWORD })).signIn.deviceToken;
    const others = [bob.accessToken, bob.refreshToken, device, '', 'x', `${bob.token}x`, bob.token.slice(0, -1)];
    for (const token of [...others, uma.token]) expect(codesOf(await reset(token, NEW))).toEqual(['UNAUTHENTICATED']);
    for (const token of [...others, bob.token]) expect(codesOf(await verify(token))).toEqual(['UNAUTHENTICATED']);
    for (const token of [bob.token, uma.token, device]) {
      expect((await castellans.ask('{ me { id } }', { token })).status).toBe(401);
      const refreshed = await castellans.ask(
        'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken } }',
        { variables: { token } },
      );
      expect(codesOf(refreshed)).toEqual(['UNAUTHENTICATED']);
      const verified = await castellans.ask(
        'mutation ($input: VerifyMfaInput!) { verifyMfa(input: $input) { position } }',
        {
          variables: { input: { challengeToken: token, code: '123456' } },
        },
      );
      expect(codesOf(verified)).toEqual(['UNAUTHENTICATED']);
    }
    // One of another user, with the id of this one.
    const mixed = bob.token.replace(bob.id, (await castellans.signUp('carol')).id);
    expect(codesOf(await reset(mixed, NEW))).toEqual(['UNAUTHENTICATED']);
    dataOf(await reset(bob.token, NEW));
  });
});

describe('a mail', () => {
  test('is sent by another instance where the one that was asked dies between the commit and the sending', async () => {
    const own = await startCastellans(1, { settings: { signUp: 'open' }, clock });
    const got: Mail[] = [];
    try {
      const calls = accountsOn(() => own);
      const bob = await own.signUp('bob');
      // Nothing is done after the commit any more, as after a kill.
      await own.apps[0]?.errands.stop();
      dataOf(await calls.requestReset(bob.email));
      expect(await own.rows('select kind from errands')).toEqual([{ kind: 'passwordReset' }]);
      expect(own.mails).toEqual([]);
      const another = await createApp(own.config, {
        clock,
        logger: createLog('silent'),
        mailer: { send: async (mail) => void got.push(mail), close: () => Promise.resolve() },
      });
      await until(() => got.length === 1);
      expect(got[0]).toMatchObject({ to: bob.email, subject: 'Reset your password' });
      await until(async () => (await own.rows('select id from errands')).length === 0);
      await another.close();
    } finally {
      await own.close();
    }
  });

  test('that could not be sent is sent later, and at last given up', async () => {
    let tries = 0;
    const own = await startCastellans(1, {
      clock,
      mailer: {
        send() {
          tries += 1;
          return tries === 2 ? Promise.resolve() : Promise.reject(new Error('the mail server is away'));
        },
        close: () => Promise.resolve(),
      },
    });
    try {
      const calls = accountsOn(() => own);
      const bob = await own.signUp('bob');
      dataOf(await calls.requestReset(bob.email));
      await until(() => tries === 1);
      expect(await own.rows('select attempts from errands')).toEqual([{ attempts: 1 }]);
      clock.advance(30_000);
      await until(async () => (await own.rows('select id from errands')).length === 0);
      expect(tries).toBe(2);

      await until(async () => (await calls.requestReset(bob.email)).errors.length === 0);
      await until(() => tries === 3);
      await own.rows('update errands set attempts = 11, due_at = created_at');
      clock.advance(5_000);
      await until(async () => (await own.rows('select id from errands')).length === 0);
      expect(own.apps[0]?.errands.abandoned).toBe(1);
    } finally {
      await own.close();
    }
  });

  test('is written when a new device signs in, and a second factor comes or goes', async () => {
    const bob = await castellans.signUp('bob');
    const as = async (agent: string) => {
      const query = `mutation { signIn(input: { email: "${bob.email}", password: "${PASSWORD}" }) { __typename } }`;
      dataOf(await castellans.ask(query, { headers: { 'user-agent': agent } }));
      await errandsDone();
      return subjectsTo(bob.email).length;
    };
    const agent = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0 see https://evil.example/x';
    expect(await as(agent)).toBe(1);
    expect(await as(agent.replaceAll('140', '141'))).toBe(1);
    expect(await as('curl/8.0')).toBe(2);
    expect(castellans.mails.findLast(({ to }) => to === bob.email)?.text).toContain('curl/8.0');
    const first = castellans.mails.find(({ to }) => to === bob.email);
    expect(first).toMatchObject({ subject: 'A new device signed in', text: expect.stringContaining('Firefox') });
    expect(first?.text).not.toContain('evil');

    const { email, secret, recoveryCodes } = await phone.enrolled('carol');
    const { accessToken } = await phone.signInWith({ email, secret });
    dataOf(
      await castellans.ask(`mutation { disableTotp(code: "${recoveryCodes[0]}") { position } }`, {
        token: accessToken,
      }),
    );
    await errandsDone();
    expect(subjectsTo(email)).toEqual(['An authenticator app was added', 'The authenticator app was removed']);
  });
});

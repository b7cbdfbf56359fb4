import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { hashPassword } from '../../src/domain/users/passwords.ts';
import { accountsOn, costOf, tally } from '../support/accounts.ts';
import { extensionsOf, IN_FORCE, INSTANCES } from '../support/asking.ts';
import {
  codesOf,
  collect,
  createTestClock,
  PASSWORD,
  startCastellans,
  type Castellans,
  type SignedInUser,
  type TestClock,
} from '../support/castellan.ts';
import { dataOf, secondFactors } from '../support/second-factors.ts';
import { listening } from '../support/session-events.ts';
import { untilNoneHashes } from '../support/threads.ts';

const NEW = 'another few unrelated words';
const WRONG = 'not the one of this user';

let clock: TestClock;
let castellans: Castellans;
const { signIn, change, requestReset, reset, tokenFor, subjectsTo, errandsDone } = accountsOn(() => castellans);

beforeAll(async () => {
  clock = createTestClock();
  castellans = await startCastellans(3, { clock });
});

afterAll(() => castellans?.close());

const meOf = async ({ accessToken }: Pick<SignedInUser, 'accessToken'>, instance = 0) =>
  castellans.ask('{ me { id } }', { token: accessToken, instance });

describe('changing the own password', () => {
  test('ends all other sessions on every instance, and goes on in this one', async () => {
    const bob = await castellans.signUp('bob');
    const others = [await castellans.signIn(bob.email, 1), await castellans.signIn(bob.email, 2)];
    const socket = castellans.connect({ token: others[0]?.accessToken ?? '', instance: 2 });
    const events = await listening(castellans, 2, () =>
      collect(socket, 'subscription { sessionEvents { __typename } }'),
    );

    const { changePassword } = dataOf(await change(bob.accessToken, PASSWORD, NEW, 1));
    expect(changePassword).toMatchObject({ receipt: IN_FORCE });
    expect(changePassword.sessions).toEqual(
      others.map(({ sessionId }) => ({ id: sessionId, revokedReason: 'password_changed' })),
    );
    for (const instance of INSTANCES) {
      for (const other of others) expect(codesOf(await meOf(other, instance))).toEqual(['SESSION_REVOKED']);
      expect((await meOf(bob, instance)).data).toEqual({ me: { id: bob.id } });
    }
    expect(await events.next()).toEqual({ sessionEvents: { __typename: 'AccessEnded' } });
    expect(codesOf(await signIn({ email: bob.email, password: PASSWORD }))).toEqual(['UNAUTHENTICATED']);
    dataOf(await signIn({ email: bob.email, password: NEW }));
    await errandsDone();
    expect(subjectsTo(bob.email)).toEqual(['Your password was changed']);
    const [entry] = await castellans.rows(
      `select by, session_id, before, after from audit_entries where subject_id = $1 and outcome = 'done' and action = 'user.change_password'`,
      bob.id,
    );
    expect(entry).toEqual({ by: bob.id, session_id: bob.sessionId, before: null, after: null });
  });

  test('takes away what was asked for with the old one: challenges, and mails to reset it', async () => {
    const bob = await castellans.signUp('bob');
    await requestReset(bob.email);
    const token = await tokenFor(bob.email);
    dataOf(await change(bob.accessToken, PASSWORD, NEW));
    expect(codesOf(await reset(token, `${NEW} once more`))).toEqual(['UNAUTHENTICATED']);

    const phone = secondFactors(castellans, clock, PASSWORD);
    const carol = await phone.enrolled('carol');
    const [challenge, { accessToken }] = [await phone.challengeOf(carol.email), await phone.signInWith(carol)];
    dataOf(await change(accessToken, PASSWORD, NEW));
    expect(codesOf(await phone.verify(challenge, await phone.nextCode(carol.secret)))).toEqual(['UNAUTHENTICATED']);
  });

  test('is refused with what is to blame, and to nobody', async () => {
    const bob = await castellans.signUp('bob');
    const token = bob.accessToken;
    expect(extensionsOf(await change(token, WRONG, NEW))).toEqual([
      { code: 'BAD_USER_INPUT', field: 'currentPassword' },
    ]);
    for (const password of ['short', 'aaaaaaaaaaaaaaaaaaaa', `${bob.email} 1234`]) {
      expect(extensionsOf(await change(token, PASSWORD, password))).toEqual([
        { code: 'BAD_USER_INPUT', field: 'newPassword' },
      ]);
    }
    const anonymous = await castellans.ask(
      'mutation { changePassword(currentPassword: "x", newPassword: "y") { position } }',
    );
    expect(codesOf(anonymous)).toEqual(['UNAUTHENTICATED']);
    dataOf(await signIn({ email: bob.email, password: PASSWORD }));
  });

  test('AC-41: of 60 wrong current passwords at once on three instances five are checked; signing in is counted apart', async () => {
    const bob = await castellans.signUp('bob');
    let answers: Awaited<ReturnType<typeof change>>[] = [];
    const { hashes } = await costOf(async () => {
      const guesses = Array.from({ length: 60 }, (_, n) => change(bob.accessToken, WRONG, NEW, n % 3));
      answers = await Promise.all(guesses);
    });
    expect(tally(answers)).toEqual({ BAD_USER_INPUT: 5, RATE_LIMITED: 55 });
    expect(hashes).toBe(5);
    dataOf(await signIn({ email: bob.email, password: PASSWORD }));
    expect(codesOf(await change(bob.accessToken, PASSWORD, NEW))).toEqual(['RATE_LIMITED']);
    const phone = secondFactors(castellans, clock, PASSWORD);
    await phone.pass(30_000);
    dataOf(await change(bob.accessToken, PASSWORD, NEW));
  });

  test('is done by one of two who know the password and change it at once', async () => {
    for (let round = 0; round < 5; round += 1) {
      const bob = await castellans.signUp('bob');
      const devices = [bob, await castellans.signIn(bob.email, 1)];
      const answers = await Promise.all(
        devices.map(({ accessToken }, n) => change(accessToken, PASSWORD, `${NEW} ${n}`, n)),
      );
      expect(answers.filter(({ errors }) => errors.length === 0)).toHaveLength(1);
    }
  });
});

test('a hash of another strength is made anew when its user signs in', async () => {
  const own = await startCastellans(1, { settings: { passwordStrength: { memoryKib: 19_456, passes: 3 } } });
  try {
    const calls = accountsOn(() => own);
    const bob = await own.signUp('bob');
    const hashOf = async () => {
      const [row] = await own.rows<{ hash: string }>('select hash from passwords where user_id = $1', bob.id);
      return row?.hash ?? '';
    };
    expect(await hashOf()).toContain('$m=19456,t=3,p=1$');
    await own.rows('update passwords set hash = $2 where user_id = $1', bob.id, await hashPassword(PASSWORD));
    const { deviceToken } = dataOf(await calls.signIn({ email: bob.email, password: PASSWORD })).signIn;
    const made = await hashOf();
    expect(made).toContain('$m=19456,t=3,p=1$');
    // It is the same password as before, for devices as well.
    expect(dataOf(await calls.signIn({ email: bob.email, password: PASSWORD, deviceToken })).signIn.deviceToken).toBe(
      deviceToken,
    );
    expect(await hashOf()).toBe(made);
  } finally {
    await own.close();
  }
  // A process that ends would have to wait for threads that rest.
  await untilNoneHashes();
});

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { accountsOn, costOf, tally } from '../support/accounts.ts';
import {
  askOver,
  codesOf,
  createTestClock,
  PASSWORD,
  startCastellans,
  type Castellans,
  type TestClock,
} from '../support/castellan.ts';
import { dataOf, secondFactors } from '../support/second-factors.ts';

const INSTANCES = [0, 1, 2, 3, 4];
const WRONG = 'not the one of this user';
const ME = '{ me { id } }';

let clock: TestClock;
let castellans: Castellans;
let phone: ReturnType<typeof secondFactors>;
const { signIn, requestReset, reset, change, signUp, tokenFor, errandsDone, subjectsTo } = accountsOn(() => castellans);

beforeAll(async () => {
  clock = createTestClock();
  // Whoever asks says where from, as behind a proxy.
  const settings = {
    trustedProxies: ['127.0.0.1/32', '::1/128'],
    signUp: 'open',
    accountRequestsPerAddress: 10_000,
  } as const;
  castellans = await startCastellans(5, { clock, settings });
  phone = secondFactors(castellans, clock, PASSWORD);
}, 30_000);

afterAll(() => castellans?.close());

const unknown = (): string => `nobody.${Math.trunc(performance.now() * 1_000).toString(36)}@example.com`;

/** As if everybody had waited as long as they must. */
const waited = () => castellans.rows('update password_guesses set retry_at = null');

/** Guesses without an end until the account is locked; what was answered. */
async function lock(email: string): Promise<Readonly<Record<string, number>>> {
  const answers = [];
  for (let n = 0; n < 130; n += 1) {
    await waited();
    // From another network each time, or the limit by address would come first.
    answers.push(await signIn({ email, password: WRONG }, { instance: n % 5, from: `198.51.100.${n}` }));
  }
  return tally(answers);
}

describe('guessing a password', () => {
  test('AC-41: of 200 guesses at once on five instances as many are checked as the limit allows, and no more', async () => {
    const bob = await castellans.signUp('bob');
    for (const email of [bob.email, unknown()]) {
      let answers: Awaited<ReturnType<typeof signIn>>[] = [];
      const { hashes } = await costOf(async () => {
        const guesses = Array.from({ length: 200 }, (_, n) => signIn({ email, password: WRONG }, { instance: n % 5 }));
        answers = await Promise.all(guesses);
      });
      expect(tally(answers)).toEqual({ UNAUTHENTICATED: 5, RATE_LIMITED: 195 });
      expect(hashes).toBe(5);
      for (const { errors } of answers.filter((answer) => codesOf(answer)[0] === 'RATE_LIMITED')) {
        expect(errors[0]?.extensions['retryAfterSeconds']).toBeGreaterThan(0);
      }
    }
    // The right one is not looked at either, wherever it is shown, until the wait is over.
    for (const instance of INSTANCES) {
      expect(codesOf(await signIn({ email: bob.email, password: PASSWORD }, { instance }))).toEqual(['RATE_LIMITED']);
    }
    await phone.pass(30_000);
    dataOf(await signIn({ email: bob.email, password: PASSWORD }, { instance: 3 }));
    // And clears the count.
    const again = await Promise.all(
      INSTANCES.map((instance) => signIn({ email: bob.email, password: WRONG }, { instance })),
    );
    expect(tally(again)).toEqual({ UNAUTHENTICATED: 5 });
  });

  test('who knows the password and signs in twenty times at once, on all instances, is not taken for a guesser', async () => {
    const bob = await castellans.signUp('bob');
    const input = { email: bob.email, password: PASSWORD };
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => signIn(input, { instance: n % 5 })));
    expect(tally(answers)).toEqual({ ok: 20 });
  });

  test('AC-40: many guesses in one request count as what they are', async () => {
    const bob = await castellans.signUp('bob');
    const guess = (n: number) =>
      `a${n}: signIn(input: { email: "${bob.email}", password: "${WRONG} ${n}" }) { __typename }`;
    const query = `mutation { ${Array.from({ length: 10 }, (_, n) => guess(n)).join(' ')} }`;
    const codes = [];
    // The first that is refused ends the request.
    for (const instance of [...INSTANCES, 0]) codes.push(...codesOf(await castellans.ask(query, { instance })));
    expect(codes).toEqual([...INSTANCES.map(() => 'UNAUTHENTICATED'), 'RATE_LIMITED']);
  });

  test('AC-46: from a thousand networks a hundred are checked and no more, and the owner gets in on a known device', async () => {
    const bob = await castellans.signUp('bob');
    const { deviceToken } = dataOf(await signIn({ email: bob.email, password: PASSWORD })).signIn;
    const other = dataOf(await signIn({ email: (await castellans.signUp('carol')).email, password: PASSWORD })).signIn;
    expect(await lock(bob.email)).toEqual({ UNAUTHENTICATED: 100, ACCOUNT_LOCKED: 30 });
    const flood = Array.from({ length: 1_000 }, (_, n) => {
      const from = `2001:db8:${(n >> 4).toString(16)}:${(n & 15).toString(16)}::1`;
      return signIn({ email: bob.email, password: WRONG }, { instance: n % 5, from });
    });
    const { UNAUTHENTICATED: checked = 0 } = tally(await Promise.all(flood));
    expect(checked).toBe(0);

    for (const instance of INSTANCES) {
      const known = { email: bob.email, password: PASSWORD, deviceToken };
      // From the very network that the guesses come from, as well.
      expect(dataOf(await signIn(known, { instance, from: '198.51.100.7' })).signIn.deviceToken).toBe(deviceToken);
      for (const token of [undefined, other.deviceToken, 'dv.x', `${deviceToken.slice(0, -1)}x`]) {
        const strange = { email: bob.email, password: PASSWORD, ...(token !== undefined && { deviceToken: token }) };
        expect(codesOf(await signIn(strange, { instance }))).toEqual(['ACCOUNT_LOCKED']);
      }
    }
    // Guesses with it are counted as well, apart.
    const stolen = Array.from({ length: 10 }, () => signIn({ email: bob.email, password: WRONG, deviceToken }));
    expect(tally(await Promise.all(stolen))).toEqual({ UNAUTHENTICATED: 5, RATE_LIMITED: 5 });
  }, 60_000);

  test('AC-46: a device token from before the password was changed is none', async () => {
    const bob = await castellans.signUp('bob');
    const { deviceToken } = dataOf(await signIn({ email: bob.email, password: PASSWORD })).signIn;
    const changed = 'another few unrelated words';
    await phone.pass(1_000);
    dataOf(await change(await tokenOf(bob.email), PASSWORD, changed));
    await Promise.all(Array.from({ length: 5 }, () => signIn({ email: bob.email, password: WRONG })));
    expect(codesOf(await signIn({ email: bob.email, password: changed, deviceToken }))).toEqual(['RATE_LIMITED']);
  });

  test('AC-48: whoever tries many accounts from one network is stopped there, whatever else the request says', async () => {
    const own = await startCastellans(1, { settings: { wrongPasswordsPerAddress: 10 } });
    try {
      const calls = accountsOn(() => own);
      const bob = await own.signUp('bob');
      const guesses = [];
      for (let n = 0; n < 15; n += 1) {
        guesses.push(await calls.signIn({ email: unknown(), password: WRONG }, { from: `203.0.113.${n}` }));
      }
      expect(tally(guesses)).toEqual({ UNAUTHENTICATED: 10, RATE_LIMITED: 5 });
      const right = await calls.signIn({ email: bob.email, password: PASSWORD }, { from: '203.0.113.200' });
      expect(codesOf(right)).toEqual(['RATE_LIMITED']);
    } finally {
      await own.close();
    }
  });
});

/** An access token of a new session: those of before have run out when time was let pass. */
async function tokenOf(email: string): Promise<string> {
  return dataOf(await signIn({ email, password: PASSWORD })).signIn.accessToken;
}

describe('AC-45: an account that is locked', () => {
  test('goes on where it is signed in, is opened by a reset, and by whoever may unlock it', async () => {
    const alice = await castellans.signUp('alice', ['administrator']);
    const bob = await phone.enrolled('bob');
    const challenge = await phone.challengeOf(bob.email);
    const { refreshToken } = await phone.signInWith(bob);
    await lock(bob.email);
    for (const instance of INSTANCES) {
      expect(codesOf(await signIn({ email: bob.email, password: PASSWORD }, { instance }))).toEqual(['ACCOUNT_LOCKED']);
    }

    // What was proved before it was locked stays so.
    const refreshed = await castellans.ask<{ refreshSession: { accessToken: string } }>(
      'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken } }',
      { variables: { token: refreshToken }, instance: 1 },
    );
    const token = dataOf(refreshed).refreshSession.accessToken;
    expect((await castellans.ask(ME, { token, instance: 2 })).data).toEqual({ me: { id: bob.id } });
    expect((await askOver(castellans.connect({ token, instance: 3 }), ME)).data).toEqual({ me: { id: bob.id } });
    expect((await phone.verify(challenge, await phone.nextCode(bob.secret))).errors).toEqual([]);

    const unlock = 'mutation ($id: ID!) { unlockUser(id: $id) { user { id } receipt { enforced } position } }';
    const asAlice = { variables: { id: bob.id }, token: await tokenOf(alice.email) };
    expect(dataOf(await castellans.ask(unlock, asAlice))).toMatchObject({
      unlockUser: { user: { id: bob.id }, receipt: { enforced: true } },
    });
    expect(dataOf(await signIn({ email: bob.email, password: PASSWORD }, { instance: 4 })).signIn.__typename).toBe(
      'MfaRequired',
    );

    await lock(bob.email);
    await requestReset(bob.email, 2);
    const changed = 'another few unrelated words';
    dataOf(await reset(await tokenFor(bob.email), changed, 3));
    // The second factor is asked for all the same.
    expect(dataOf(await signIn({ email: bob.email, password: changed })).signIn.__typename).toBe('MfaRequired');
  }, 60_000);

  test('is unlocked by nobody who may not, as if it did not exist', async () => {
    const [bob, carol] = [await castellans.signUp('bob'), await castellans.signUp('carol')];
    const unlock = (id: string) =>
      castellans.ask('mutation ($id: ID!) { unlockUser(id: $id) { position } }', {
        variables: { id },
        token: bob.accessToken,
      });
    expect(codesOf(await unlock(carol.id))).toEqual(['NOT_FOUND']);
    expect(codesOf(await unlock(`user_${'0'.repeat(26)}`))).toEqual(['NOT_FOUND']);
    expect(codesOf(await unlock(bob.id))).toEqual(['FORBIDDEN']);
  });
});

describe('AC-47: whether somebody has an address', () => {
  const answerOf = ({ status, data, errors }: Awaited<ReturnType<typeof signIn>>) => ({ status, data, errors });

  test('shows neither in the answers to wrong passwords, to the last of them, nor in what they cost', async () => {
    const [bob, none] = [await castellans.signUp('bob'), unknown()];
    for (let n = 0; n < 105; n += 1) {
      const answers: object[] = [];
      const costs: Awaited<ReturnType<typeof costOf>>[] = [];
      await waited();
      for (const email of [bob.email, none]) {
        const input = { email, password: WRONG };
        const at = { instance: n % 5, from: `198.51.100.${n}` };
        costs.push(await costOf(async () => answers.push(answerOf(await signIn(input, at)))));
      }
      expect(answers[0]).toEqual(answers[1]);
      expect(costs[0]).toEqual(costs[1]);
      expect(costs[0]?.hashes).toBe(n < 100 ? 1 : 0);
    }
  }, 60_000);

  test('shows neither in the answers to sign-up and reset nor in what they cost; only mails differ', async () => {
    const [bob, none, other] = [await castellans.signUp('bob'), unknown(), unknown()];
    const shown = ({ status, data, errors }: Awaited<ReturnType<typeof requestReset>>) =>
      JSON.stringify({ status, data, errors }).replaceAll(/[0-9a-f]{8}-\d+/g, 'position');
    const pairs = [
      [() => requestReset(bob.email), () => requestReset(none)],
      [
        () => signUp({ email: bob.email, name: 'Bob', password: PASSWORD }),
        () => signUp({ email: other, name: 'Bob', password: PASSWORD }),
      ],
    ] as const;
    for (const pair of pairs) {
      const answers: string[] = [];
      const costs: Awaited<ReturnType<typeof costOf>>[] = [];
      for (const ask of pair) {
        // What is left to do afterwards is no part of the answer.
        costs.push(await costOf(async () => answers.push(shown(await ask()))));
        await errandsDone();
      }
      expect(answers[0]).toBe(answers[1]);
      expect(answers[0]).toContain('"errors":[]');
      expect(costs[0]?.hashes).toBe(costs[1]?.hashes);
    }
    expect(subjectsTo(bob.email)).toEqual(['Reset your password', 'You have an account already']);
    expect(subjectsTo(none)).toEqual([]);
    expect(subjectsTo(other)).toEqual(['Confirm your address']);
  });

  test('is told to nobody who has the right password of somebody who was disabled', async () => {
    const bob = await castellans.signUp('bob');
    await castellans.rows(`update users set status = 'disabled' where id = $1`, bob.id);
    const right = await signIn({ email: bob.email, password: PASSWORD });
    expect(answerOf(right)).toEqual(answerOf(await signIn({ email: unknown(), password: PASSWORD })));
  });
});

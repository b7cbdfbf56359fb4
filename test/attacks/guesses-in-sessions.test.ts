import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  type Castellans,
  codesOf,
  createTestClock,
  PASSWORD,
  type SignedInUser,
  startCastellans,
  type TestClock,
  until,
} from '../support/castellan.ts';
import { CONFIRM, dataOf, DISABLE, REGENERATE, secondFactors } from '../support/second-factors.ts';

/** Wrong passwords and codes from within a session, spread over three instances: one event where they add up, and none before. */

const HOUR_MS = 3_600_000;

const STEP_UP_BY_PASSWORD = 'mutation ($p: String!) { stepUp(input: { password: $p }) { position } }';
const STEP_UP_BY_CODE = 'mutation ($code: String!) { stepUp(input: { code: $code }) { position } }';
const CHANGE_PASSWORD = `mutation ($p: String!) {
  changePassword(currentPassword: $p, newPassword: "a staple for a battery of horses") { position }
}`;

let castellans: Castellans;
let clock: TestClock;
let phone: ReturnType<typeof secondFactors>;
let alice: SignedInUser;
let attempts = 0;

beforeAll(async () => {
  clock = createTestClock();
  castellans = await startCastellans(3, { clock });
  phone = secondFactors(castellans, clock, PASSWORD);
  alice = await castellans.signUp('alice', ['administrator']);
});

afterAll(() => castellans?.close());

/** Each from another instance than the one before. */
const next = () => (attempts += 1) % 3;

async function times(count: number, work: (n: number) => Promise<unknown>): Promise<void> {
  for (let n = 0; n < count; n += 1) await work(n);
}

/** So that no window ends while it is filled. */
async function nextHour(): Promise<void> {
  clock.advance(HOUR_MS - (clock.now() % HOUR_MS) + 1_000);
  await until(() => castellans.apps.every(({ services }) => services.tail.inForce()));
  alice = { ...alice, ...(await castellans.signIn(alice.email)) };
}

/** What was raised of this kind about somebody, when all instances have written what they noted, at once. */
async function raised(kind: string, userId: string): Promise<readonly object[]> {
  await Promise.all(castellans.apps.map(({ services }) => services.detectors.flush()));
  const query = `query ($kind: String!) {
    securityEvents(first: 100, filter: { kind: $kind }) { edges { node { severity userId count address } } }
  }`;
  const { data } = await castellans.ask<{
    securityEvents: { edges: readonly { readonly node: { readonly userId: string | null } }[] };
  }>(query, { variables: { kind }, token: alice.accessToken });
  return (data?.securityEvents.edges ?? []).map(({ node }) => node).filter((each) => each.userId === userId);
}

/** Somebody's session that somebody else guesses in. */
interface Stolen {
  readonly id: string;
  /** The codes that it comes to. */
  readonly guess: () => Promise<readonly unknown[]>;
  readonly wrong: string;
  readonly guesses: 'password_guesses' | 'totp_factors';
}

const passwordsAt = (query: string) => async (): Promise<Stolen> => {
  const { id, accessToken: token } = await castellans.signUp('dora');
  const guess = async () => {
    const variables = { p: `wrong password ${(attempts += 1)}` };
    return codesOf(await castellans.ask(query, { variables, token, instance: next() }));
  };
  return { id, guess, wrong: 'BAD_USER_INPUT', guesses: 'password_guesses' };
};

function codesIn(user: Pick<SignedInUser, 'id' | 'accessToken'>, secret: string, query: string): Stolen {
  const guess = async () => codesOf(await phone.change(query, phone.wrongCode(secret), user.accessToken, next()));
  return { id: user.id, guess, wrong: 'UNAUTHENTICATED', guesses: 'totp_factors' };
}

const codesAt = (query: string) => async (): Promise<Stolen> => {
  const user = await phone.enrolled('carla');
  return codesIn(user, user.secret, query);
};

const codesOfAnEnrollment = async (): Promise<Stolen> => {
  const user = await castellans.signUp('erin');
  return codesIn(user, dataOf(await phone.begin(user.accessToken)).beginTotpEnrollment.secret, CONFIRM);
};

/** Of all that need not wait now, and are as many as that. */
const guessed = ({ guesses }: Stolen, failures: string) =>
  castellans.rows(`update ${guesses} set failures = ${failures}, retry_at = null where retry_at is not null`);

const WAYS = [
  ['passwords at stepUp', passwordsAt(STEP_UP_BY_PASSWORD)],
  ['passwords at changePassword', passwordsAt(CHANGE_PASSWORD)],
  ['codes at stepUp', codesAt(STEP_UP_BY_CODE)],
  ['codes at disableTotp', codesAt(DISABLE)],
  ['codes at regenerateRecoveryCodes', codesAt(REGENERATE)],
  ['codes at confirmTotpEnrollment', codesOfAnEnrollment],
] as const;

describe.each(WAYS)('wrong %s', (_, begin) => {
  test('raise one event with the tenth, none before it and no other after it', async () => {
    await nextHour();
    const stolen = await begin();
    const guess = async () => {
      await guessed(stolen, 'failures');
      expect(await stolen.guess()).toEqual([stolen.wrong]);
    };
    await times(9, guess);
    expect(await raised('sign_in.failures', stolen.id)).toEqual([]);
    await guess();
    const event = { severity: 'warning', count: 10, address: '127.0.0.1' };
    expect(await raised('sign_in.failures', stolen.id)).toMatchObject([event]);
    await times(2, guess);
    expect(await raised('sign_in.failures', stolen.id)).toHaveLength(1);
    expect(await raised('sign_in.blocked', stolen.id)).toEqual([]);
  });

  test('raise one event with the tenth that is too early to be looked at, and none before it', async () => {
    await nextHour();
    const { id, guess, wrong } = await begin();
    await times(5, async () => expect(await guess()).toEqual([wrong]));
    const tooEarly = async () => expect(await guess()).toEqual(['RATE_LIMITED']);
    await times(9, tooEarly);
    expect(await raised('sign_in.blocked', id)).toEqual([]);
    await tooEarly();
    const event = { severity: 'warning', count: 10, address: '127.0.0.1' };
    expect(await raised('sign_in.blocked', id)).toMatchObject([event]);
    await times(2, tooEarly);
    expect(await raised('sign_in.blocked', id)).toHaveLength(1);
    expect(await raised('sign_in.failures', id)).toEqual([]);
  });

  test('raise one event once no more of them are looked at', async () => {
    await nextHour();
    const stolen = await begin();
    await times(5, stolen.guess);
    expect(await raised('account.locked', stolen.id)).toEqual([]);
    await guessed(stolen, '100');
    await times(3, async () => expect(await stolen.guess()).toEqual(['ACCOUNT_LOCKED']));
    expect(await raised('account.locked', stolen.id)).toMatchObject([{ severity: 'critical', count: 1 }]);
  });
});

test('wrong recovery codes, which nobody need wait for, raise one event with the tenth', async () => {
  await nextHour();
  const { id, accessToken } = await phone.enrolled('carla');
  const guess = async (n: number) => {
    const answer = await phone.change(STEP_UP_BY_CODE, `wrong-recovery-code-${n}`, accessToken, next());
    expect(codesOf(answer)).toEqual(['UNAUTHENTICATED']);
  };
  await times(9, guess);
  expect(await raised('sign_in.failures', id)).toEqual([]);
  await times(3, guess);
  expect(await raised('sign_in.failures', id)).toHaveLength(1);
});

test('codes at sign-in that are too early to be looked at raise one event with the tenth', async () => {
  await nextHour();
  const { id, email, secret } = await phone.enrolled('carla');
  const challenge = await phone.challengeOf(email);
  const guess = async () => codesOf(await phone.verify(challenge, phone.wrongCode(secret), next()));
  await times(5, async () => expect(await guess()).toEqual(['UNAUTHENTICATED']));
  await times(9, async () => expect(await guess()).toEqual(['RATE_LIMITED']));
  expect(await raised('sign_in.blocked', id)).toEqual([]);
  await times(3, guess);
  expect(await raised('sign_in.blocked', id)).toHaveLength(1);
});

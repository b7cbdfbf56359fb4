import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { accountsOn, costOf } from '../support/accounts.ts';
import { extensionsOf, seen } from '../support/asking.ts';
import {
  codesOf,
  createTestClock,
  PASSWORD,
  startCastellans,
  type Castellans,
  type SignedInUser,
  type TestClock,
} from '../support/castellan.ts';
import { dataOf } from '../support/second-factors.ts';

const DAY_MS = 24 * 3_600_000;
const ADMIN = 'admin@castellan.local';
const GIVEN = 'what somebody else has chosen';
const OWN = 'another few unrelated words';
const WRONG = 'not the one of this user';
const CREATE = 'mutation ($input: CreateUserInput!) { createUser(input: $input) { user { id } } }';
const STEP_UP = 'mutation ($password: String!) { stepUp(input: { password: $password }) { accessToken } }';

let clock: TestClock;
let castellans: Castellans;
let alice: SignedInUser;
let count = 0;
const { signIn, signUp, verify, change, requestReset, reset, tokenFor } = accountsOn(() => castellans);

beforeAll(async () => {
  clock = createTestClock();
  castellans = await startCastellans(2, { clock, settings: { signUp: 'open', accessTokenSeconds: 3 * 86_400 } });
  alice = await castellans.signUp('alice', ['administrator', 'member']);
});

afterAll(() => castellans?.close());

/** The address of a user whom alice has created with a password. */
async function invited(): Promise<string> {
  const email = `bob.${(count += 1)}@example.com`;
  const input = { email, name: 'bob', password: GIVEN };
  const token = (await castellans.signIn(alice.email)).accessToken;
  dataOf(await castellans.ask(CREATE, { variables: { input }, token }));
  return email;
}

const tokenOf = async (email: string, password = GIVEN): Promise<string> =>
  dataOf(await signIn({ email, password })).signIn.accessToken;

const ofSignIn = (statements: readonly string[]) =>
  statements.filter((text) => /password_guesses|from users/.test(text));

test('a password that somebody else has chosen is good for 24 hours, and then answered as a wrong one, at the same cost, on every instance', async () => {
  const email = await invited();
  clock.advance(DAY_MS - 60_000);
  dataOf(await signIn({ email, password: GIVEN }));
  clock.advance(61_000);
  for (const instance of [0, 1]) {
    const answers: ReturnType<typeof seen>[] = [];
    const [ended, wrong] = [
      await costOf(async () => void answers.push(seen(await signIn({ email, password: GIVEN }, { instance })))),
      await costOf(async () => void answers.push(seen(await signIn({ email, password: WRONG }, { instance })))),
    ];
    expect(answers[0]).toEqual(answers[1]);
    expect(answers[0]?.errors).toMatchObject([{ extensions: { code: 'UNAUTHENTICATED' } }]);
    // A day has passed: much is done in the background that is no part of it.
    expect(ofSignIn(ended.statements)).toEqual(ofSignIn(wrong.statements));
    expect(ofSignIn(ended.statements)).not.toEqual([]);
    expect(ended.hashes).toBe(wrong.hashes);
    expect(ended.hashes).toBe(1);
  }
  // Both count as guesses.
  expect(codesOf(await signIn({ email, password: GIVEN }))).toEqual(['UNAUTHENTICATED']);
  expect(codesOf(await signIn({ email, password: GIVEN }))).toEqual(['RATE_LIMITED']);
});

test('the first administrator’s is one, and renewed once by instances that start together, only after its end', async () => {
  const own = createTestClock();
  const house = await startCastellans(2, { clock: own });
  const renew = (to: string) => house.apps.map(({ services }) => services.users.renewPassword(ADMIN, to));
  try {
    const calls = accountsOn(() => house);
    const input = { email: ADMIN, password: PASSWORD };
    dataOf(await calls.signIn(input));
    expect(await Promise.all(renew(OWN))).toEqual([false, false]);
    own.advance(DAY_MS);
    expect(codesOf(await calls.signIn(input))).toEqual(['UNAUTHENTICATED']);
    expect((await Promise.all(renew(OWN))).filter(Boolean)).toHaveLength(1);
    const { accessToken } = dataOf(await calls.signIn({ email: ADMIN, password: OWN })).signIn;
    // One that was changed does not end, and is never renewed.
    dataOf(await calls.change(accessToken, OWN, `${OWN} again`));
    own.advance(2 * DAY_MS);
    expect(await Promise.all(renew(OWN))).toEqual([false, false]);
    dataOf(await calls.signIn({ email: ADMIN, password: `${OWN} again` }));
  } finally {
    await house.close();
  }
});

test('who changes it has one that lasts, and so has who resets it by mail after its end', async () => {
  const [changing, resetting] = [await invited(), await invited()];
  dataOf(await change(await tokenOf(changing), GIVEN, OWN));
  clock.advance(DAY_MS);
  expect(codesOf(await signIn({ email: resetting, password: GIVEN }))).toEqual(['UNAUTHENTICATED']);
  await requestReset(resetting);
  dataOf(await reset(await tokenFor(resetting), OWN));
  clock.advance(2 * DAY_MS);
  for (const email of [changing, resetting]) dataOf(await signIn({ email, password: OWN }));
});

test('who signs up has chosen it, and it lasts', async () => {
  const email = `pia.${(count += 1)}@example.com`;
  dataOf(await signUp({ email, name: 'Pia', password: OWN }));
  dataOf(await verify(await tokenFor(email)));
  clock.advance(2 * DAY_MS);
  dataOf(await signIn({ email, password: OWN }));
});

test('in a session that began before, one that has ended proves nothing, and is told apart from a wrong one', async () => {
  const email = await invited();
  const token = await tokenOf(email);
  clock.advance(DAY_MS);
  const changed = await change(token, GIVEN, OWN);
  const stepped = await castellans.ask(STEP_UP, { variables: { password: GIVEN }, token });
  expect([changed, stepped].flatMap(extensionsOf)).toEqual([
    { code: 'BAD_USER_INPUT', field: 'currentPassword' },
    { code: 'BAD_USER_INPUT', field: 'password' },
  ]);
  for (const { errors } of [changed, stepped]) expect(errors[0]?.message).toMatch(/its time is over/);
});

test('a password that a version before this one sets meanwhile lasts', async () => {
  const email = await invited();
  clock.advance(60_000);
  await castellans.rows(
    `insert into passwords (user_id, hash, changed_at) select user_id, hash, $2 from passwords
       where user_id = (select id from users where email = $1)
     on conflict (user_id) do update set hash = excluded.hash, changed_at = excluded.changed_at`,
    email,
    new Date(clock.now()).toISOString(),
  );
  clock.advance(2 * DAY_MS);
  dataOf(await signIn({ email, password: GIVEN }));
});

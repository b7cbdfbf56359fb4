import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { accountsOn } from '../support/accounts.ts';
import { extensionsOf } from '../support/asking.ts';
import { PASSWORD, startCastellans, type Castellans, type SignedInUser } from '../support/castellan.ts';
import { type PasswordRangesServer, startPasswordRanges } from '../support/password-ranges.ts';
import { dataOf } from '../support/second-factors.ts';

/** Nothing in it is common. */
const BREACHED = 'quite unlike any other secret';
const OWN = 'another few unrelated words';
const CREATE = 'mutation ($input: CreateUserInput!) { createUser(input: $input) { user { id } } }';

let server: PasswordRangesServer;
let castellans: Castellans;
let alice: SignedInUser;
let bob: SignedInUser;
const { signIn, signUp, change, requestReset, reset, tokenFor } = accountsOn(() => castellans);

beforeAll(async () => {
  // That of alice got into a breach after she had chosen it.
  server = await startPasswordRanges(BREACHED, PASSWORD);
  server.answer = (response) => void response.writeHead(200).end();
  castellans = await startCastellans(1, { settings: { signUp: 'open', breachedPasswordsUrl: server.url } });
  alice = await castellans.signUp('alice', ['administrator', 'member']);
  bob = await castellans.signUp('bob');
  server.asked.length = 0;
});

afterEach(() => {
  server.answer = null;
  server.asked.length = 0;
});

afterAll(async () => {
  await castellans?.close();
  await server?.close();
});

const create = (by: SignedInUser, password: string) =>
  castellans.ask(CREATE, {
    variables: { input: { email: `${password.length}.${alice.email}`, name: 'bob', password } },
    token: by.accessToken,
  });

test('a password that is known from a breach is refused wherever one is set, under the name of its argument', async () => {
  server.answer = null;
  await requestReset(alice.email);
  const token = await tokenFor(alice.email);
  const answers = [
    await create(alice, BREACHED),
    await signUp({ email: 'pia@example.com', name: 'Pia', password: BREACHED }),
    await change(alice.accessToken, PASSWORD, BREACHED),
    await reset(token, BREACHED),
  ];
  expect(answers.flatMap(extensionsOf)).toEqual(
    ['password', 'password', 'newPassword', 'newPassword'].map((field) => ({ code: 'BAD_USER_INPUT', field })),
  );
  for (const { errors } of answers) expect(errors[0]?.message).toMatch(/known from a breach/);
  dataOf(await create(alice, OWN));
  expect(server.asked).toHaveLength(5);
});

test('nobody is asked at a sign-in, about what is refused anyway, or for one who may not', async () => {
  dataOf(await signIn({ email: alice.email, password: PASSWORD }));
  const pia = await signUp({ email: 'pia@example.com', name: 'Pia', password: 'Password12345678' });
  expect(extensionsOf(pia)).toEqual([{ code: 'BAD_USER_INPUT', field: 'password' }]);
  expect(extensionsOf(await create(bob, BREACHED))).toMatchObject([{ code: 'FORBIDDEN' }]);
  expect(server.asked).toEqual([]);
});

test('without an answer the list that is here decides, and a metric counts it', async () => {
  const text = async () => (await fetch(`${castellans.apps[0]?.url}/metrics`)).text();
  const unanswered = async () => Number(/breached_passwords_unanswered_total (\d+)/.exec(await text())?.[1]);
  const before = await unanswered();
  server.answer = (response) => void response.writeHead(500).end();
  dataOf(await change(alice.accessToken, PASSWORD, BREACHED));
  const common = await change(alice.accessToken, BREACHED, 'Password12345678');
  expect(extensionsOf(common)).toEqual([{ code: 'BAD_USER_INPUT', field: 'newPassword' }]);
  expect(await unanswered()).toBe(before + 1);
});

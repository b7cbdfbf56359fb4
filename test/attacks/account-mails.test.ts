import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { accountsOn } from '../support/accounts.ts';
import { type Castellans, codesOf, PASSWORD, type SignedInUser, startCastellans } from '../support/castellan.ts';

/** What a mail carries, and whoever reads the mails of somebody else. */

const UPDATE = 'mutation ($input: UpdateUserInput!) { updateUser(input: $input) { user { email } } }';
const DISABLE = 'mutation ($id: ID!) { disableUser(id: $id) { position } }';
const ENABLE = 'mutation ($id: ID!) { enableUser(id: $id) { position } }';
const THEIRS = 'another correct horse, which is theirs';

let castellans: Castellans;
let alice: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(1, { settings: { signUp: 'open' } });
  alice = await castellans.signUp('alice', ['administrator']);
});

afterAll(() => castellans?.close());

const accounts = accountsOn(() => castellans);

async function byAlice(text: string, variables: object): Promise<void> {
  const { errors } = await castellans.ask(text, { variables, token: alice.accessToken });
  expect(errors).toEqual([]);
}

describe('who reads the mails of an address', () => {
  test.each([
    [
      'that an account has no more',
      ({ id, email }: SignedInUser) => byAlice(UPDATE, { input: { id, email: `new.${email}` } }),
    ],
    [
      'whose account was disabled meanwhile',
      async ({ id }: SignedInUser) => {
        await byAlice(DISABLE, { id });
        await byAlice(ENABLE, { id });
      },
    ],
  ])('%s resets no password with a mail of before', async (_, change) => {
    const bob = await castellans.signUp('bob');
    await accounts.requestReset(bob.email);
    const token = await accounts.tokenFor(bob.email);
    await change(bob);
    expect(codesOf(await accounts.reset(token, THEIRS))).toEqual(['UNAUTHENTICATED']);
    const { errors } = await accounts.signIn({ email: bob.email, password: THEIRS });
    expect(codesOf({ errors })).toEqual(['UNAUTHENTICATED']);
  });

  test.each([
    ['a letter without its dot', 'mike', 'mıke'],
    ['a wide letter', 'mike', 'ｍike'],
    ['a long s', 'asa', 'aſa'],
    ['a ligature', 'fiona', 'ﬁona'],
  ])('that only looks like another one, by %s, signs nobody up with it', async (_, name, alike) => {
    const domain = `${randomBytes(4).toString('hex')}.example.com`;
    const [victim, mallory] = [`${name}@${domain}`, `${alike}@${domain}`];
    await accounts.signUp({ email: mallory, name: 'Mallory', password: THEIRS });
    await accounts.errandsDone();
    await accounts.signUp({ email: victim, name: 'Mike', password: PASSWORD });
    await accounts.errandsDone();
    expect(accounts.subjectsTo(mallory)).toEqual([]);
    expect(accounts.subjectsTo(victim)).toEqual(['Confirm your address']);
  });
});

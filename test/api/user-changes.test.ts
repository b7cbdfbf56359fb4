import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { accountsOn } from '../support/accounts.ts';
import { type Ask, askingOn, extensionsOf, IN_FORCE, INSTANCES, NOWHERE, onEveryInstance } from '../support/asking.ts';
import {
  askOver,
  codesOf,
  collect,
  createTestClock,
  PASSWORD,
  startCastellans,
  type Castellans,
  type SignedInUser,
} from '../support/castellan.ts';
import { apiKeysOn } from '../support/api-keys.ts';
import { dataOf, secondFactors } from '../support/second-factors.ts';
import { letProofsAge, steppingUp } from '../support/step-ups.ts';
import { listening } from '../support/session-events.ts';

const RECEIPT = 'receipt { enforced instances acknowledged } position';
const UPDATE = `mutation ($input: UpdateUserInput!) {
  updateUser(input: $input) { user { id name email emailVerified metadata } ${RECEIPT} }
}`;
const ENABLE = `mutation ($id: ID!) { enableUser(id: $id) { user { id status } ${RECEIPT} } }`;
const DISABLE = `mutation ($id: ID!) { disableUser(id: $id) { user { id status } ${RECEIPT} } }`;
const DELETE = `mutation ($id: ID!) { deleteUser(id: $id) { id ${RECEIPT} } }`;
const USER = 'query ($id: ID!) { user(id: $id) { id name email emailVerified metadata status } }';
const SEARCH = `query ($search: String!) {
  users(first: 50, filter: { search: $search }) { edges { node { id } } }
}`;
const MISSING = `user_${'0'.repeat(26)}`;

const clock = createTestClock();
let castellans: Castellans;
let alice: SignedInUser;

const { ask, done, unchanged, audited, may } = askingOn(
  () => castellans,
  () => alice,
);
const { createKey, withKey } = apiKeysOn(
  () => castellans,
  () => alice,
);
const { signIn, subjectsTo, errandsDone } = accountsOn(() => castellans);

beforeAll(async () => {
  castellans = await startCastellans(3, { clock });
  await castellans.addScopes('acme/platform');
  alice = await castellans.signUp('alice', ['administrator']);
});

afterAll(() => castellans?.close());

const update = (input: object, options?: Ask) => ask<{ updateUser: object }>(UPDATE, { input }, options);

async function logged(id: string): Promise<readonly unknown[]> {
  const rows = await castellans.rows<{ kind: string; reason: string }>(
    'select kind, reason from authority_log where target = $1 order by id',
    id,
  );
  return rows.map(({ kind, reason }) => `${kind} ${reason}`);
}

describe('updating a user', () => {
  test('sets what is given, on every instance when the receipt is there, and records which fields', async () => {
    const bob = await castellans.signUp('bob');
    const metadata = { team: 'blue', floor: 3, remote: true };
    const email = `new.${bob.email}`;
    const updated = { id: bob.id, name: 'Bob II', email, emailVerified: true, metadata };
    expect(await done(UPDATE, { input: { id: bob.id, name: ' Bob II ', email, metadata } })).toMatchObject({
      user: updated,
      receipt: IN_FORCE,
    });
    for (const instance of INSTANCES) {
      const own = await ask(`{ me { id name email emailVerified metadata } }`, {}, { by: bob, instance });
      expect(own.data).toEqual({ me: updated });
    }
    expect((await audited(bob.id)).at(-1)).toEqual({
      by: alice.id,
      action: 'user.update',
      before: null,
      after: { fields: ['name', 'email', 'metadata'] },
    });
    expect(await logged(bob.id)).toEqual(['changed user_updated']);
    // It goes to the address that was theirs.
    await errandsDone();
    expect(subjectsTo(bob.email)).toContain('Your address was changed');
    expect((await signIn({ email, password: PASSWORD })).errors).toEqual([]);
    expect(codesOf(await signIn({ email: bob.email, password: PASSWORD }))).toEqual(['UNAUTHENTICATED']);
  });

  test('with what is there already changes nothing, and waits like a change', async () => {
    const bob = await castellans.signUp('bob');
    await unchanged(async () => {
      expect(await done(UPDATE, { input: { id: bob.id, name: 'bob' } })).toMatchObject({ receipt: IN_FORCE });
    });
  });

  test('is each field a right of its own: a member sets the own name and no more', async () => {
    const [bob, carol] = [await castellans.signUp('bob'), await castellans.signUp('carol')];
    expect(await done(UPDATE, { input: { id: bob.id, name: 'Robert' } }, { by: bob })).toMatchObject({
      user: { name: 'Robert' },
    });
    await unchanged(async () => {
      for (const [field, value] of [
        ['email', 'x@example.com'],
        ['metadata', { a: 1 }],
      ] as const) {
        const refused = await update({ id: bob.id, name: 'Rob', [field]: value }, { by: bob });
        expect(extensionsOf(refused)).toEqual([expect.objectContaining({ code: 'FORBIDDEN', field })]);
      }
      expect(codesOf(await update({ id: carol.id, name: 'x' }, { by: bob }))).toEqual(['NOT_FOUND']);
      expect(codesOf(await update({ id: MISSING, name: 'x' }, { by: bob }))).toEqual(['NOT_FOUND']);
      expect(codesOf(await update({ id: bob.id, name: 'x' }, { by: null }))).toEqual(['UNAUTHENTICATED']);
    });
  });

  test('refuses an address that another user has, to one of two at once as well', async () => {
    const [bob, carol] = [await castellans.signUp('bob'), await castellans.signUp('carol')];
    await unchanged(async () => {
      const taken = await update({ id: bob.id, email: carol.email.toUpperCase() });
      expect(extensionsOf(taken)).toEqual([{ code: 'CONFLICT', field: 'email' }]);
    });
    for (let round = 0; round < 10; round += 1) {
      const email = `both${round}.${bob.email}`;
      const both = await Promise.all(
        [bob, carol].map(({ id }, instance) => update({ id, email }, { instance: instance + 1 })),
      );
      expect(both.flatMap(codesOf)).toEqual(['CONFLICT']);
    }
  });

  test('another address takes a session that has proven lately who acts, one’s own or not; a name does not', async () => {
    const [bob, carol] = [await castellans.signUp('bob'), await castellans.signUp('carol', ['administrator'])];
    const { secret } = await createKey(carol);
    await letProofsAge(castellans, bob.sessionId, carol.sessionId);
    await unchanged(async () => {
      for (const [id, instance] of [
        [bob.id, 0],
        [carol.id, 1],
      ] as const) {
        const refused = await update({ id, name: 'x', email: `new.${bob.email}` }, { by: carol, instance });
        expect(extensionsOf(refused)).toEqual([
          { code: 'MFA_REQUIRED', reason: 'step_up', level: 1, withinSeconds: 900 },
        ]);
      }
      const byKey = await withKey(secret, UPDATE, { variables: { input: { id: bob.id, email: `new.${bob.email}` } } });
      expect(extensionsOf(byKey)).toEqual([{ code: 'FORBIDDEN', reason: 'no_session' }]);
      // Who may not is told that, and not to prove more.
      const member = await update({ id: bob.id, email: `new.${bob.email}` }, { by: bob });
      expect(codesOf(member)).toEqual(['FORBIDDEN']);
    });
    await done(UPDATE, { input: { id: bob.id, name: 'Robert', email: bob.email } }, { by: carol });
    const { stepUp } = dataOf(await steppingUp(() => castellans)(carol, { password: PASSWORD }));
    const proven = { ...carol, accessToken: stepUp.accessToken };
    await done(UPDATE, { input: { id: bob.id, email: `new.${bob.email}` } }, { by: proven });
  });

  test.each([
    ['nothing', {}, 'input'],
    ['no name', { name: ' ' }, 'name'],
    ['no address', { email: 'nobody' }, 'email'],
    ['metadata that is none', { metadata: ['x'] }, 'metadata'],
    ['metadata in metadata', { metadata: { a: { b: 1 } } }, 'metadata'],
    // Refused before it is known what it would be.
    ['AC-86: a prototype', { metadata: JSON.parse('{"__proto__":{"isAdmin":true}}') as unknown }, null],
    ['AC-86: a constructor', { metadata: { constructor: 'x' } }, 'metadata'],
    ['metadata of more than 4 KiB', { metadata: { a: 'x'.repeat(4_096) } }, 'metadata'],
  ])('refuses %s, and names what is to blame', async (_, wrong, field) => {
    const bob = await castellans.signUp('bob');
    await unchanged(async () => {
      expect(extensionsOf(await update({ id: bob.id, ...wrong }))).toEqual([
        { code: 'BAD_USER_INPUT', ...(field !== null && { field }) },
      ]);
    });
    expect({}).not.toHaveProperty('isAdmin');
  });
});

describe('enabling a user', () => {
  test('lets a disabled one sign in again, and brings no session back', async () => {
    const bob = await castellans.signUp('bob');
    await done(DISABLE, { id: bob.id });
    expect(codesOf(await signIn({ email: bob.email, password: PASSWORD }))).toEqual(['UNAUTHENTICATED']);
    expect(await done(ENABLE, { id: bob.id })).toMatchObject({ user: { status: 'active' }, receipt: IN_FORCE });
    await unchanged(async () => void (await done(ENABLE, { id: bob.id })));
    expect(await onEveryInstance(async (instance) => (await signedInOn(bob, instance)).length === 0)).toEqual(NOWHERE);
    for (const instance of INSTANCES) expect(await castellans.signIn(bob.email, instance)).toBeDefined();
    expect((await logged(bob.id)).slice(-2)).toEqual(['revoked user_disabled', 'changed user_enabled']);
    expect((await audited(bob.id)).filter((entry) => 'action' in entry && entry.action === 'user.enable')).toEqual([
      { by: alice.id, action: 'user.enable', before: { status: 'disabled' }, after: { status: 'active' } },
    ]);
  });

  test('is refused to members as if there were no such user', async () => {
    const [bob, carol] = [await castellans.signUp('bob'), await castellans.signUp('carol')];
    for (const id of [carol.id, MISSING]) {
      expect(codesOf(await ask(ENABLE, { id }, { by: bob }))).toEqual(['NOT_FOUND']);
    }
  });
});

const signedInOn = async ({ accessToken }: SignedInUser, instance: number) =>
  codesOf(await castellans.ask('{ me { id } }', { token: accessToken, instance }));

describe('deleting a user', () => {
  test('ends all they had, on every instance, and leaves nothing of them but the id', async () => {
    const phone = secondFactors(castellans, clock, PASSWORD);
    const bob = await phone.enrolled('bobby-tables');
    const by = { ...alice, ...(await castellans.signIn(alice.email)) };
    await done(UPDATE, { input: { id: bob.id, metadata: { secret: 'bobby' } } }, { by });
    const closed = Promise.withResolvers<number>();
    const live = await phone.signInWith(bob);
    const socket = castellans.connect({ token: live.accessToken, instance: 1, onClosed: closed.resolve });
    const events = await listening(castellans, 1, () =>
      collect(socket, 'subscription { sessionEvents { __typename ... on AccessEnded { code } } }'),
    );
    expect((await askOver(socket, '{ me { id } }')).data).toEqual({ me: { id: bob.id } });
    await phone.signIn(bob.email);

    expect(await done(DELETE, { id: bob.id }, { by, instance: 2 })).toMatchObject({ id: bob.id, receipt: IN_FORCE });
    expect(await events.next()).toEqual({ sessionEvents: { __typename: 'AccessEnded', code: 'SESSION_REVOKED' } });
    expect(await closed.promise).toBe(4401);
    for (const instance of INSTANCES) {
      const token = live.accessToken;
      expect(codesOf(await castellans.ask('{ me { id } }', { token, instance }))).toEqual(['SESSION_REVOKED']);
      expect((await ask(USER, { id: bob.id }, { by, instance })).data).toEqual({ user: null });
      expect((await ask(SEARCH, { search: 'bobby-tables' }, { by, instance })).data).toEqual({ users: { edges: [] } });
      expect(codesOf(await ask(DELETE, { id: bob.id }, { by, instance }))).toEqual(['NOT_FOUND']);
      expect(codesOf(await ask(ENABLE, { id: bob.id }, { by, instance }))).toEqual(['NOT_FOUND']);
    }
    await errandsDone();
    const tables = await castellans.rows<{ name: string }>(
      `select table_name as name from information_schema.tables where table_schema = 'public'`,
    );
    for (const { name } of tables) {
      const [row] = await castellans.rows<{ found: number }>(
        `select count(*)::int as found from ${name} t where t::text ilike '%bobby%'`,
      );
      expect({ name, ...row }).toEqual({ name, found: 0 });
    }
    expect((await audited(bob.id)).at(-1)).toMatchObject({ by: alice.id, action: 'user.delete', after: null });
    expect(await castellans.rows('select user_agent, address from sessions where user_id = $1', bob.id)).toEqual(
      expect.arrayContaining([{ user_agent: null, address: null }]),
    );
  });

  test('AC-19: whoever takes the address is somebody else, and inherits nothing', async () => {
    const bob = await castellans.signUp('bob', ['member', 'administrator']);
    const { deviceToken } = (await signIn({ email: bob.email, password: PASSWORD })).data?.signIn ?? {};
    const by = { ...alice, ...(await castellans.signIn(alice.email)) };
    await done(DELETE, { id: bob.id }, { by });
    const input = { email: bob.email, name: 'Bob', password: PASSWORD, scope: 'acme' };
    const created = await done<{ user: { id: string } }>(
      'mutation ($input: CreateUserInput!) { createUser(input: $input) { user { id } } }',
      { input },
      { by },
    );
    expect(created.user.id).not.toBe(bob.id);
    const again = { ...bob, ...(await castellans.signIn(bob.email)) };
    const own = `{ me { id roles { name } metadata mfaEnabled } sessions(first: 10) { edges { node { id } } } }`;
    expect((await ask(own, {}, { by: again })).data).toEqual({
      me: { id: created.user.id, roles: [{ name: 'member' }], metadata: {}, mfaEnabled: false },
      sessions: { edges: [{ node: { id: again.sessionId } }] },
    });
    expect(await may(again, 'disable', 'User', alice.id)).toEqual(NOWHERE);
    expect(await signedInOn(bob, 1)).toEqual(['SESSION_REVOKED']);
    // Wrong passwords with a device of the one before are no longer apart.
    await Promise.all(
      Array.from({ length: 5 }, () => signIn({ email: bob.email, password: 'not the one of this user' })),
    );
    const kept = await signIn({
      email: bob.email,
      password: PASSWORD,
      ...(deviceToken !== undefined && { deviceToken }),
    });
    expect(codesOf(kept)).toEqual(['RATE_LIMITED']);
  });

  test('is refused for the last administrator, to one of two who delete each other as well', async () => {
    const own = await startCastellans(2);
    try {
      const [first] = await own.rows<{ id: string }>('select id from users');
      const ada = await own.signUp('ada', ['administrator']);
      const token = (await own.signIn('admin@castellan.local')).accessToken;
      const both = await Promise.all([
        own.ask(DELETE, { variables: { id: first?.id }, token: ada.accessToken }),
        own.ask(DELETE, { variables: { id: ada.id }, token, instance: 1 }),
      ]);
      expect(both.filter(({ errors }) => errors.length === 0)).toHaveLength(1);
      const [left] = await own.rows<{ id: string; email: string }>(
        'select id, email from users where deleted_at is null',
      );
      const last = await own.signIn(left?.email ?? '');
      const refused = await own.ask(DELETE, { variables: { id: left?.id }, token: last.accessToken });
      expect(extensionsOf(refused)).toEqual([{ code: 'CONFLICT', reason: 'last_administrator' }]);
    } finally {
      await own.close();
    }
  });

  test('is refused to members as if there were no such user', async () => {
    const [bob, carol] = [await castellans.signUp('bob'), await castellans.signUp('carol')];
    for (const id of [carol.id, MISSING]) {
      expect(codesOf(await ask(DELETE, { id }, { by: bob }))).toEqual(['NOT_FOUND']);
    }
    expect(codesOf(await ask(DELETE, { id: bob.id }, { by: bob }))).toEqual(['FORBIDDEN']);
  });
});

describe('searching users', () => {
  test('finds parts of names and addresses in any case, each character as what it is', async () => {
    const names = ['Zoë Ångström', '100% "quoted"', 'back\\slash', 'under_score'];
    const by = { ...alice, ...(await castellans.signIn(alice.email)) };
    const ids: string[] = [];
    for (const [at, name] of names.entries()) {
      const email = `Search.${at}@Example.net`;
      const { user } = await done<{ user: { id: string } }>(
        'mutation ($input: CreateUserInput!) { createUser(input: $input) { user { id } } }',
        { input: { email, name } },
        { by },
      );
      ids.push(user.id);
    }
    const found = async (search: string, who = by) => {
      const { data } = await ask<{ users: { edges: { node: { id: string } }[] } }>(SEARCH, { search }, { by: who });
      return data?.users.edges.map(({ node }) => ids.indexOf(node.id)).toSorted();
    };
    expect(await found('ÅNGSTRÖM')).toEqual([0]);
    expect(await found('zoe\u0308')).toEqual([0]);
    expect(await found('0% "')).toEqual([1]);
    expect(await found('%')).toEqual([1]);
    expect(await found('_')).toEqual([3]);
    expect(await found('k\\s')).toEqual([2]);
    expect(await found('search.2@')).toEqual([2]);
    expect(await found('@example.NET')).toEqual([0, 1, 2, 3]);
    expect(await found('score search')).toEqual([]);
    const bob = await castellans.signUp('bob');
    expect(await found('search', bob)).toEqual([]);
    for (const search of ['', ' ', 'x'.repeat(201), 'a\nb']) {
      expect(extensionsOf(await ask(SEARCH, { search }, { by }))).toEqual([
        { code: 'BAD_USER_INPUT', field: 'search' },
      ]);
    }
  });
});

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  askOver,
  codesOf,
  collect,
  PASSWORD,
  startCastellans,
  type Answer,
  type Castellans,
  type SignedInUser,
} from '../support/castellan.ts';
import { listening } from '../support/session-events.ts';

const INSTANCES = [0, 1, 2];
const MISSING = `user_${'0'.repeat(26)}`;
const ME = '{ me { id } }';
const USER = 'query ($id: ID!) { user(id: $id) { id email name status scope roles { name } grants { scope } } }';
const CREATE = `mutation ($input: CreateUserInput!) {
  createUser(input: $input) { user { id email name status scope roles { name } } position }
}`;
const DISABLE = `mutation ($id: ID!) {
  disableUser(id: $id) {
    user { id status }
    receipt { enforced position instances acknowledged waitedMs }
    position
  }
}`;

type Created = { readonly createUser: { readonly user: { readonly id: string; readonly email: string } } };
type Disabled = {
  readonly disableUser: {
    readonly user: { readonly status: string };
    readonly receipt: { readonly enforced: boolean; readonly position: string };
    readonly position: string;
  };
};

let castellans: Castellans;
let alice: SignedInUser;
let bob: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(3);
  await castellans.addScopes('acme/platform');
  alice = await castellans.signUp('alice', ['administrator']);
  bob = await castellans.signUp('bob');
});

afterAll(() => castellans.close());

async function auditOf(subjectId: string): Promise<readonly { readonly action: string; readonly by: string }[]> {
  return castellans.rows(
    `select action, by from audit_entries where subject_id = $1 and outcome = 'done' order by id`,
    subjectId,
  );
}

const seen = ({ status, data, errors }: Answer) => ({ status, data, errors });

const disable = (id: string, token?: string, instance = 0) =>
  castellans.ask<Disabled>(DISABLE, { variables: { id }, instance, ...(token !== undefined && { token }) });

const create = (input: object, token?: string, instance = 0) =>
  castellans.ask<Created>(CREATE, { variables: { input }, instance, ...(token !== undefined && { token }) });

const addressOf = (name: string) => `${name}.${Math.trunc(performance.now() * 1_000).toString(36)}@example.com`;

describe('me', () => {
  test('is who acts, over HTTP and WebSocket, and null when nobody is signed in', async () => {
    const socket = castellans.connect({ token: bob.accessToken, instance: 1 });
    const expected = { me: { id: bob.id } };
    expect((await castellans.ask(ME, { token: bob.accessToken })).data).toEqual(expected);
    expect((await askOver(socket, ME)).data).toEqual(expected);
    expect((await castellans.ask(ME)).data).toEqual({ me: null });
    expect((await askOver(castellans.connect({}), ME)).data).toEqual({ me: null });
  });
});

describe('reading a user', () => {
  const read = async (id: string, token?: string) =>
    seen(await castellans.ask(USER, { variables: { id }, ...(token !== undefined && { token }) }));

  test('is for administrators and for oneself', async () => {
    const expected = {
      id: bob.id,
      email: bob.email,
      status: 'active',
      roles: [{ name: 'member' }],
      grants: [{ scope: null }],
    };
    expect(await read(bob.id, alice.accessToken)).toMatchObject({ data: { user: expected } });
    expect(await read(bob.id, bob.accessToken)).toMatchObject({ data: { user: expected } });
  });

  test('answers with null for a user one may not read and for one that does not exist alike', async () => {
    const none = { status: 200, data: { user: null }, errors: [] };
    for (const token of [bob.accessToken, undefined]) {
      expect(await read(alice.id, token)).toEqual(none);
      expect(await read(MISSING, token)).toEqual(none);
    }
    for (const id of ['', 'garbage', '__proto__', bob.sessionId, bob.id.toUpperCase(), 'x'.repeat(10_000)]) {
      expect({ id, ...(await read(id, alice.accessToken)) }).toEqual({ id, ...none });
    }
  });

  test('refuses an id that no database can hold', async () => {
    const answer = await castellans.ask(USER, { variables: { id: 'user_\u0000' }, token: alice.accessToken });
    expect(codesOf(answer)).toEqual(['BAD_USER_INPUT']);
  });

  test('AC-52: through _entities answers as through the field', async () => {
    const query = `query ($representations: [_Any!]!) {
      _entities(representations: $representations) { ... on User { id email } ... on Session { id } ... on Role { id } }
    }`;
    const representations = [
      { __typename: 'User', id: alice.id },
      { __typename: 'User', id: bob.id },
      { __typename: 'User', id: MISSING },
      { __typename: 'Session', id: alice.sessionId },
      { __typename: 'Session', id: bob.sessionId },
    ];
    const entities = async (token?: string) =>
      (await castellans.ask(query, { variables: { representations }, ...(token !== undefined && { token }) })).data;
    const own = { id: bob.id, email: bob.email };
    expect(await entities(bob.accessToken)).toEqual({ _entities: [null, own, null, null, { id: bob.sessionId }] });
    expect(await entities()).toEqual({ _entities: [null, null, null, null, null] });
  });

  test('AC-53: takes nothing but the key from a representation', async () => {
    const query = `query ($representations: [_Any!]!) {
      _entities(representations: $representations) { ... on User { id email status roles { name } } }
    }`;
    const claims = {
      email: 'x',
      status: 'disabled',
      roles: ['administrator'],
      scope: 'acme',
      isAdmin: true,
      scopes: ['acme'],
    };
    const ask = async (id: string) => {
      const representations = [{ __typename: 'User', id, ...claims }];
      return (await castellans.ask(query, { variables: { representations }, token: bob.accessToken })).data;
    };
    const own = { id: bob.id, email: bob.email, status: 'active', roles: [{ name: 'member' }] };
    expect(await ask(bob.id)).toEqual({ _entities: [own] });
    expect(await ask(alice.id)).toEqual({ _entities: [null] });
  });
});

describe('creating a user', () => {
  test('is for administrators; the new user can sign in on every instance', async () => {
    const email = addressOf('Carol');
    const { data, errors } = await create(
      { email, name: ' Carol ', password: PASSWORD, scope: 'acme/platform' },
      alice.accessToken,
    );
    expect(errors).toEqual([]);
    const user = { email, name: 'Carol', status: 'active', scope: 'acme/platform', roles: [{ name: 'member' }] };
    expect(data?.createUser).toMatchObject({ user, position: expect.stringMatching(/^[0-9a-f]{8}-\d+$/) });
    expect(await auditOf(data?.createUser.user.id ?? '')).toEqual([{ action: 'user.create', by: alice.id }]);
    for (const instance of INSTANCES) {
      const { accessToken } = await castellans.signIn(email, instance);
      expect((await castellans.ask(ME, { token: accessToken, instance })).data).toEqual({
        me: { id: data?.createUser.user.id },
      });
    }
  });

  test('without a password makes a user who cannot sign in yet', async () => {
    const email = addressOf('carol');
    expect((await create({ email, name: 'Carol' }, alice.accessToken)).errors).toEqual([]);
    for (const password of ['', PASSWORD]) {
      const answer = await castellans.ask('mutation ($input: SignInInput!) { signIn(input: $input) { __typename } }', {
        variables: { input: { email, password } },
      });
      expect(codesOf(answer)).toEqual(['UNAUTHENTICATED']);
    }
  });

  test('is refused to members, and to anonymous callers asks for sign-in; nothing is left behind', async () => {
    const before = await castellans.recorded();
    expect(codesOf(await create({ email: addressOf('eve'), name: 'Eve' }, bob.accessToken))).toEqual(['FORBIDDEN']);
    expect(codesOf(await create({ email: addressOf('eve'), name: 'Eve' }))).toEqual(['UNAUTHENTICATED']);
    expect(await castellans.recorded()).toEqual(before);
  });

  test('does not tell those who may not create users which addresses are taken', async () => {
    const answerTo = async (email: string, token?: string) => seen(await create({ email, name: 'Eve' }, token));
    for (const token of [bob.accessToken, undefined]) {
      expect(await answerTo(alice.email, token)).toEqual(await answerTo(addressOf('free'), token));
    }
  });

  test('is refused when the address is taken, in any case, by one of two at once as well', async () => {
    const before = await castellans.recorded();
    for (const email of [bob.email, bob.email.toUpperCase(), ` ${bob.email} `]) {
      const { data, errors } = await create({ email, name: 'Bob' }, alice.accessToken);
      expect(data).toBeNull();
      expect(errors.map(({ extensions }) => extensions)).toEqual([{ code: 'CONFLICT', field: 'email' }]);
    }
    expect(await castellans.recorded()).toEqual(before);

    const email = addressOf('dave');
    const both = await Promise.all(
      INSTANCES.map((instance) => create({ email, name: 'Dave' }, alice.accessToken, instance)),
    );
    expect(both.flatMap(codesOf)).toEqual(['CONFLICT', 'CONFLICT']);
    expect(await castellans.rows('select name from users where email = $1', email)).toHaveLength(1);
  });

  test.each([
    ['email', { email: 'no address' }],
    ['email', { email: '' }],
    ['email', { email: '@example.com' }],
    ['email', { email: 'a@' }],
    ['email', { email: 'a@b@c' }],
    ['email', { email: 'eve\u0000@example.com' }],
    ['email', { email: 'eve\u200b@example.com' }],
    ['email', { email: `${'x'.repeat(65)}@example.com` }],
    ['email', { email: `x@${'x'.repeat(190)}` }],
    ['name', { name: '' }],
    ['name', { name: '   ' }],
    ['name', { name: 'x'.repeat(201) }],
    ['name', { name: 'Eve\nBcc: all' }],
    ['password', { password: 'fourteen chars' }],
    ['password', { password: '' }],
    ['password', { password: 'x'.repeat(1_025) }],
    ['scope', { scope: '' }],
    ['scope', { scope: 'acme//platform' }],
    ['scope', { scope: '/acme' }],
    ['scope', { scope: 'Acme' }],
    ['scope', { scope: '../acme' }],
    ['scope', { scope: 'acme\u0000' }],
  ])('is refused with the field to blame when the %s is wrong: %j', async (field, wrong) => {
    const before = await castellans.recorded();
    const { data, errors } = await create({ email: addressOf('eve'), name: 'Eve', ...wrong }, alice.accessToken);
    expect(data).toBeNull();
    expect(errors.map(({ extensions }) => extensions)).toEqual([{ code: 'BAD_USER_INPUT', field }]);
    expect(await castellans.recorded()).toEqual(before);
  });

  test('AC-57: takes no field that a caller may not set', async () => {
    const before = await castellans.recorded();
    const fields = [
      'id',
      'status',
      'roles',
      'scopes',
      'createdAt',
      'passwordHash',
      'email_folded',
      'emailFolded',
      '__typename',
      '__caslSubjectType__',
      'constructor',
    ];
    for (const field of fields) {
      const answer = await create(
        { email: addressOf('eve'), name: 'Eve', [field]: 'administrator' },
        alice.accessToken,
      );
      expect({ field, status: answer.status, codes: codesOf(answer) }).toEqual({
        field,
        status: 400,
        codes: ['BAD_USER_INPUT'],
      });
    }
    expect(await castellans.recorded()).toEqual(before);
  });
});

describe('disabling a user', () => {
  test('ends every session, socket, subscription and refresh of theirs on every instance', async () => {
    const carol = await castellans.signUp('carol');
    const devices = [carol, await castellans.signIn(carol.email, 1), await castellans.signIn(carol.email, 2)];
    const closed = INSTANCES.map(() => Promise.withResolvers<number>());
    const sockets = devices.map(({ accessToken }, instance) =>
      castellans.connect({ token: accessToken, instance, onClosed: (code) => closed[instance]?.resolve(code) }),
    );
    const query = 'subscription { sessionEvents { __typename ... on AccessEnded { code } } }';
    const streams = await Promise.all(
      sockets.map((socket, instance) =>
        listening(castellans, instance, () => collect<{ sessionEvents: object }>(socket, query)),
      ),
    );
    for (const socket of sockets) expect((await askOver(socket, ME)).data).toEqual({ me: { id: carol.id } });

    const { data } = await disable(carol.id, alice.accessToken, 1);
    const answers = await Promise.all(
      devices.flatMap(({ accessToken }) =>
        Array.from({ length: 15 }, (_, n) => castellans.ask(ME, { token: accessToken, instance: n % 3 })),
      ),
    );
    expect(new Set(answers.flatMap(codesOf))).toEqual(new Set(['SESSION_REVOKED']));
    expect(answers).toHaveLength(45);
    expect(data?.disableUser).toMatchObject({
      user: { id: carol.id, status: 'disabled' },
      receipt: { enforced: true, instances: 3, acknowledged: 3, position: data?.disableUser.position },
    });

    const last = { sessionEvents: { __typename: 'AccessEnded', code: 'SESSION_REVOKED' } };
    expect(await Promise.all(streams.map((stream) => stream.next()))).toEqual([last, last, last]);
    expect(await Promise.all(streams.map((stream) => stream.next()))).toEqual([null, null, null]);
    expect(await Promise.all(closed.map(({ promise }) => promise))).toEqual([4401, 4401, 4401]);
    for (const { refreshToken } of devices) {
      const answer = await castellans.ask(
        'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken } }',
        { variables: { token: refreshToken }, instance: 2 },
      );
      expect(codesOf(answer)).toEqual(['SESSION_REVOKED']);
    }
  });

  test('a second time changes nothing, waits like the first and is recorded once', async () => {
    const carol = await castellans.signUp('carol');
    const both = await Promise.all([0, 1].map((instance) => disable(carol.id, alice.accessToken, instance)));
    const again = await disable(carol.id, alice.accessToken, 2);
    for (const { data } of [...both, again]) {
      expect(data?.disableUser).toMatchObject({
        user: { status: 'disabled' },
        receipt: { enforced: true, acknowledged: 3 },
      });
    }
    const own = (await auditOf(carol.id)).filter(({ action }) => action === 'user.disable');
    expect(own).toEqual([{ action: 'user.disable', by: alice.id }]);
    expect(
      await castellans.rows(`select kind from authority_log where target = $1 and kind = 'revoked'`, carol.id),
    ).toHaveLength(1);
  });

  test('is refused to members as if the user did not exist, and leaves nothing behind', async () => {
    const before = await castellans.recorded();
    const missing = await disable(MISSING, bob.accessToken);
    const theirs = await disable(alice.id, bob.accessToken);
    expect(codesOf(missing)).toEqual(['NOT_FOUND']);
    expect(JSON.stringify(seen(theirs)).replaceAll(alice.id, MISSING)).toEqual(JSON.stringify(seen(missing)));
    expect(codesOf(await disable(bob.id, bob.accessToken))).toEqual(['FORBIDDEN']);
    expect(await castellans.recorded()).toEqual(before);
  });

  test('asks anonymous callers to sign in, whether the user exists or not', async () => {
    const before = await castellans.recorded();
    const theirs = await disable(bob.id);
    expect(codesOf(theirs)).toEqual(['UNAUTHENTICATED']);
    expect(seen(await disable(MISSING))).toEqual(seen(theirs));
    expect(await castellans.recorded()).toEqual(before);
  });

  test('is not for those who support administrators', async () => {
    const support = await castellans.signUp('sam', ['support']);
    const { data, errors } = await disable(alice.id, support.accessToken);
    expect(data).toBeNull();
    expect(errors).toMatchObject([
      {
        message: 'Administrators are disabled by administrators only.',
        extensions: { code: 'FORBIDDEN', rule: expect.stringMatching(/users\.yaml:\d+$/) },
      },
    ]);
    const carol = await castellans.signUp('carol');
    expect((await disable(carol.id, support.accessToken)).errors).toEqual([]);
  });

  test('oneself answers with the receipt, and is the last thing one does', async () => {
    const ada = await castellans.signUp('ada', ['administrator']);
    const { data } = await disable(ada.id, ada.accessToken);
    expect(data?.disableUser.receipt).toMatchObject({ enforced: true, acknowledged: 3 });
    expect(codesOf(await castellans.ask(ME, { token: ada.accessToken, instance: 1 }))).toEqual(['SESSION_REVOKED']);
  });
});

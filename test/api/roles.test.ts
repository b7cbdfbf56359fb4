import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { SYSTEM } from '../../src/domain/principals/principal.ts';
import {
  codesOf,
  createTestClock,
  PASSWORD,
  startCastellans,
  type Answer,
  type Castellans,
  type SignedInUser,
  type TestClock,
} from '../support/castellan.ts';
import { watching } from '../support/rights-events.ts';

const INSTANCES = [0, 1, 2];
const MISSING_USER = `user_${'0'.repeat(26)}`;
const MISSING_ROLE = `role_${'0'.repeat(26)}`;
const RECEIPT = 'receipt { enforced position instances acknowledged } position';
const GRANT = `mutation ($user: ID!, $role: ID!, $scope: String, $expiresAt: DateTime) {
  grantRole(principalId: $user, roleId: $role, scope: $scope, expiresAt: $expiresAt) {
    grant { id role { id name } scope expiresAt grantedBy } ${RECEIPT}
  }
}`;
const REVOKE = `mutation ($id: ID!) { revokeRole(grantId: $id) { grant { id scope } ${RECEIPT} } }`;
const IN_FORCE = { enforced: true, instances: 3, acknowledged: 3 };

type Granted = { readonly grantRole: { readonly grant: { readonly id: string }; readonly position: string } };

let clock: TestClock;
let castellans: Castellans;
let alice: SignedInUser;
let bob: SignedInUser;
let roleIds: ReadonlyMap<string, string>;

beforeAll(async () => {
  clock = createTestClock();
  castellans = await startCastellans(3, { clock });
  await castellans.addScopes('acme/platform/api', 'acme/other', 'acme2', 'acm', 'globex');
  alice = await castellans.signUp('alice', ['administrator']);
  bob = await castellans.signUp('bob');
  const found = await castellans.rows<{ id: string; name: string }>('select id, name from roles');
  roleIds = new Map(found.map(({ id, name }) => [name, id]));
});

afterAll(() => castellans.close());

const seen = ({ status, data, errors }: Answer) => ({ status, data, errors });

/** A user whose home is this scope; roles are granted there. */
async function signUpIn(name: string, scope: string | null, ...roles: readonly string[]): Promise<SignedInUser> {
  const [app] = castellans.apps;
  const email = `${name}.${randomBytes(4).toString('hex')}@example.com`;
  const created = await app?.services.users.create(SYSTEM, { email, name, password: PASSWORD, roles: [], scope });
  const user = { id: created?.value.id ?? '', ...(await castellans.signIn(email)) };
  for (const role of roles) {
    await app?.services.grants.grant(SYSTEM, { principalId: user.id, roleId: roleIds.get(role) ?? '', scope });
  }
  return user;
}

/** As every user does, it holds what members hold, too: nobody gives what they lack. */
async function administratorOf(scope: string): Promise<SignedInUser> {
  const ada = await signUpIn('ada', scope, 'administrator');
  await granted(ada.id, { role: 'member' });
  return ada;
}

interface Wish {
  readonly role?: string;
  readonly roleId?: string;
  readonly scope?: string | null;
  readonly expiresAt?: unknown;
  readonly instance?: number;
}

const grant = (
  user: string,
  token: string | undefined,
  { role = 'support', roleId, instance = 0, ...more }: Wish = {},
) =>
  castellans.ask<Granted>(GRANT, {
    variables: { user, role: roleId ?? roleIds.get(role), ...more },
    instance,
    ...(token !== undefined && { token }),
  });

const revoke = (id: string, token?: string, instance = 0) =>
  castellans.ask(REVOKE, { variables: { id }, instance, ...(token !== undefined && { token }) });

async function granted(user: string, wish: Wish = {}): Promise<string> {
  const { data, errors } = await grant(user, alice.accessToken, wish);
  if (data === null) throw new Error(`the role was not granted: ${JSON.stringify(errors)}`);
  return data.grantRole.grant.id;
}

/** Whether this may be done, as each instance says. */
async function mayEverywhere(token: string, action: string, subject: string, id?: string): Promise<readonly unknown[]> {
  const query =
    'query ($action: String!, $subject: String!, $id: ID) { viewerCan(action: $action, subject: $subject, id: $id) { allowed } }';
  const answers = await Promise.all(
    INSTANCES.map((instance) =>
      castellans.ask<{ viewerCan: { allowed: boolean } }>(query, {
        variables: { action, subject, id },
        token,
        instance,
      }),
    ),
  );
  return answers.map(({ data, errors }) => data?.viewerCan.allowed ?? errors);
}

const EVERYWHERE = [true, true, true];
const NOWHERE = [false, false, false];

describe('granting a role', () => {
  test('may be revoked again, which changes nothing and confirms that it is in force', async () => {
    const carol = await castellans.signUp('carol');
    const { data } = await grant(carol.id, alice.accessToken, { role: 'support' });
    const query = 'mutation ($id: ID!) { revokeRole(grantId: $id) { grant { id } receipt { enforced position } } }';
    const variables = { id: (data as { grantRole: { grant: { id: string } } }).grantRole.grant.id };
    const first = await castellans.ask(query, { variables, token: alice.accessToken });
    const before = await castellans.recorded();
    const second = await castellans.ask(query, { variables, token: alice.accessToken, instance: 1 });
    expect(first.data).toMatchObject({ revokeRole: { receipt: { enforced: true } } });
    expect(second.data).toEqual(first.data);
    expect(await castellans.recorded()).toEqual(before);
  });

  test('holds on every instance as soon as the receipt is there, and no longer than until it is revoked', async () => {
    const carol = await castellans.signUp('carol');
    for (const instance of INSTANCES) {
      expect(await mayEverywhere(carol.accessToken, 'disable', 'User', bob.id)).toEqual(NOWHERE);
      const { data } = await grant(carol.id, alice.accessToken, { instance });
      expect(await mayEverywhere(carol.accessToken, 'disable', 'User', bob.id)).toEqual(EVERYWHERE);
      expect(data).toMatchObject({
        grantRole: {
          grant: { role: { name: 'support' }, scope: null, expiresAt: null, grantedBy: alice.id },
          receipt: { ...IN_FORCE, position: data?.grantRole.position },
        },
      });
      const revoked = await revoke(data?.grantRole.grant.id ?? '', alice.accessToken, (instance + 1) % 3);
      expect(await mayEverywhere(carol.accessToken, 'disable', 'User', bob.id)).toEqual(NOWHERE);
      expect(revoked.data).toMatchObject({ revokeRole: { receipt: IN_FORCE } });
    }
  });

  test('is recorded once with who gave what, and not at all when it is refused', async () => {
    const carol = await castellans.signUp('carol');
    const id = await granted(carol.id, { scope: 'acme' });
    await revoke(id, alice.accessToken);
    const entries = await castellans.rows(
      `select by, session_id, action, before, after from audit_entries where subject_id = $1 and outcome = 'done' and by = $2 order by id`,
      carol.id,
      alice.id,
    );
    const held = { grantId: id, roleId: roleIds.get('support'), role: 'support', scope: 'acme', expiresAt: null };
    const by = { by: alice.id, session_id: alice.sessionId };
    expect(entries).toEqual([
      { ...by, action: 'role.grant', before: null, after: held },
      { ...by, action: 'role.revoke', before: held, after: null },
    ]);
  });

  test('twice at the same scope is a conflict; at another scope it is another grant', async () => {
    const carol = await castellans.signUp('carol');
    await granted(carol.id);
    await granted(carol.id, { scope: 'acme' });
    const before = await castellans.recorded();
    for (const scope of [null, 'acme']) {
      const { errors } = await grant(carol.id, alice.accessToken, { scope, instance: 1 });
      expect(errors.map(({ extensions }) => extensions)).toEqual([{ code: 'CONFLICT', field: 'roleId' }]);
    }
    expect(await castellans.recorded()).toEqual(before);
    const both = await Promise.all(
      INSTANCES.map((instance) => grant(carol.id, alice.accessToken, { scope: 'globex', instance })),
    );
    expect(both.flatMap(codesOf)).toEqual(['CONFLICT', 'CONFLICT']);
  });

  test('is refused to members as if neither user nor role existed', async () => {
    const before = await castellans.recorded();
    const mallory = await castellans.signUp('mallory');
    const answers = [
      await grant(MISSING_USER, mallory.accessToken),
      await grant(alice.id, mallory.accessToken),
      await grant(MISSING_USER, mallory.accessToken, { roleId: MISSING_ROLE }),
      await grant(alice.id, mallory.accessToken, { roleId: MISSING_ROLE }),
    ].map((answer) => JSON.stringify(seen(answer)).replaceAll(alice.id, MISSING_USER));
    expect(answers[0]).toContain('"NOT_FOUND"');
    expect(new Set(answers).size).toBe(1);
    expect(codesOf(await grant(mallory.id, mallory.accessToken, { role: 'administrator' }))).toEqual(['FORBIDDEN']);
    const [{ grants } = { grants: -1 }] = await castellans.rows<{ grants: string }>(
      'select count(*) as grants from grants where granted_by = $1',
      mallory.id,
    );
    expect(grants).toBe('0');
    expect(await castellans.recorded()).not.toEqual(before); // mallory signed up, and nothing else:
    expect(
      await castellans.rows(`select action from audit_entries where by = $1 and outcome = 'done'`, mallory.id),
    ).toEqual([{ action: 'session.start' }]);
  });

  test('asks anonymous callers to sign in, whether user, role and grant exist or not', async () => {
    const grants = [
      await grant(bob.id, undefined),
      await grant(MISSING_USER, undefined),
      await grant(bob.id, undefined, { roleId: MISSING_ROLE }),
    ];
    for (const answer of grants) expect(seen(answer)).toEqual(seen(grants[0] ?? answer));
    expect(codesOf(grants[0] ?? { errors: [] })).toEqual(['UNAUTHENTICATED']);

    const carol = await castellans.signUp('carol');
    const id = await granted(carol.id);
    const missing = await revoke(`grant_${'0'.repeat(26)}`);
    expect(codesOf(missing)).toEqual(['UNAUTHENTICATED']);
    expect(seen(await revoke(id))).toEqual(seen(missing));
  });

  test('of a missing role or to a missing user is refused as such', async () => {
    const noRole = await grant(bob.id, alice.accessToken, { roleId: MISSING_ROLE });
    expect(noRole.errors).toMatchObject([
      { message: 'There is no such role.', extensions: { code: 'NOT_FOUND', id: MISSING_ROLE } },
    ]);
    const noUser = await grant(MISSING_USER, alice.accessToken);
    expect(noUser.errors).toMatchObject([
      { message: 'There is no such user.', extensions: { code: 'NOT_FOUND', id: MISSING_USER } },
    ]);
    for (const id of ['', '__proto__', 'x'.repeat(1_000)]) {
      expect(codesOf(await grant(id, alice.accessToken))).toEqual(['NOT_FOUND']);
      expect(codesOf(await grant(bob.id, alice.accessToken, { roleId: id }))).toEqual(['NOT_FOUND']);
      expect(codesOf(await revoke(id, alice.accessToken))).toEqual(['NOT_FOUND']);
    }
  });

  test('is refused when no database can hold an id', async () => {
    const id = '\u0000';
    const answers = [
      await grant(id, alice.accessToken),
      await grant(bob.id, alice.accessToken, { roleId: id }),
      await revoke(id, alice.accessToken),
      await castellans.ask('query ($name: String) { role(name: $name) { id } }', {
        variables: { name: id },
        token: alice.accessToken,
      }),
    ];
    expect(answers.flatMap(codesOf)).toEqual(answers.map(() => 'BAD_USER_INPUT'));
  });

  test.each([
    '',
    '/',
    'acme/',
    '/acme',
    'acme//platform',
    'Acme',
    'acme platform',
    '..',
    '*',
    'acme/*',
    'ácme',
    `${'a/'.repeat(16)}a`,
    'acme\u0000',
  ])('refuses %j as a scope', async (scope) => {
    const before = await castellans.recorded();
    const { errors } = await grant(bob.id, alice.accessToken, { scope });
    expect(errors.map(({ extensions }) => extensions)).toEqual([{ code: 'BAD_USER_INPUT', field: 'scope' }]);
    expect(await castellans.recorded()).toEqual(before);
  });

  test('refuses an end that is past, or no instant at all', async () => {
    const past = await grant(bob.id, alice.accessToken, { expiresAt: new Date(clock.now()).toISOString() });
    expect(past.errors.map(({ extensions }) => extensions)).toEqual([{ code: 'BAD_USER_INPUT', field: 'expiresAt' }]);
    for (const expiresAt of [
      'tomorrow',
      '2099-01-01',
      '2099-01-01T00:00:00',
      4_070_908_800,
      '',
      '2099-13-01T00:00:00Z',
      {},
    ]) {
      expect(codesOf(await grant(bob.id, alice.accessToken, { expiresAt }))).toEqual(['BAD_USER_INPUT']);
    }
  });
});

describe('a grant with an end', () => {
  const inAMinute = () => new Date(clock.now() + 60_000).toISOString();

  test('ends by itself on every instance, and tells who listens', async () => {
    const carol = await castellans.signUp('carol');
    await granted(carol.id, { expiresAt: inAMinute() });
    const clients = INSTANCES.map((instance) => castellans.connect({ token: carol.accessToken, instance }));
    const query = 'subscription { permissionsChanged { __typename } }';
    const streams = await Promise.all(
      clients.map((client, instance) =>
        watching<{ permissionsChanged: object }>(castellans, { client, instance, query }),
      ),
    );
    clock.advance(60_000);
    const told = await Promise.all(streams.map((stream) => stream.next()));
    expect(told).toEqual(told.map(() => ({ permissionsChanged: { __typename: 'PermissionsChanged' } })));
    expect(await mayEverywhere(carol.accessToken, 'disable', 'User', bob.id)).toEqual(NOWHERE);
  });

  test('ends in time on an instance whose clock is ahead of the database', async () => {
    const carol = await castellans.signUp('carol');
    await granted(carol.id, { expiresAt: inAMinute() });
    expect(await mayEverywhere(carol.accessToken, 'disable', 'User', bob.id)).toEqual(EVERYWHERE);
    clock.advance(60_000);
    expect(await mayEverywhere(carol.accessToken, 'disable', 'User', bob.id)).toEqual(NOWHERE);
    expect(await mayEverywhere(carol.accessToken, 'read', 'User', carol.id)).toEqual(EVERYWHERE);
    const { data } = await castellans.ask('{ me { roles { name } grants { scope } } }', { token: carol.accessToken });
    expect(data).toEqual({ me: { roles: [{ name: 'member' }], grants: [{ scope: null }, { scope: null }] } });
  });

  test('does not keep the role from being given again', async () => {
    const carol = await castellans.signUp('carol');
    const id = await granted(carol.id, { expiresAt: inAMinute() });
    await castellans.rows(`update grants set expires_at = now() - interval '1 second' where id = $1`, id);
    const { data, errors } = await grant(carol.id, (await castellans.signIn(alice.email)).accessToken);
    expect(errors).toEqual([]);
    expect(data).toMatchObject({ grantRole: { grant: { expiresAt: null } } });
    expect(await mayEverywhere(carol.accessToken, 'disable', 'User', bob.id)).toEqual(EVERYWHERE);
  });
});

describe('a grant at a scope', () => {
  test('holds there and below, and nowhere else', async () => {
    const users = new Map<string | null, SignedInUser>();
    for (const scope of ['acme', 'acme/platform', 'acme/platform/api', 'acme2', 'acm', 'globex', null]) {
      users.set(scope, await signUpIn('dave', scope));
    }
    const support = await castellans.signUp('sam', []);
    await granted(support.id, { scope: 'acme/platform' });
    const reach = async (action: string) => {
      const found: (string | null)[] = [];
      for (const [scope, { id }] of users) {
        const answers = await mayEverywhere(support.accessToken, action, 'User', id);
        expect(new Set(answers).size).toBe(1);
        if (answers[0] === true) found.push(scope);
      }
      return found;
    };
    expect(await reach('read')).toEqual(['acme/platform', 'acme/platform/api']);
    expect(await reach('disable')).toEqual(['acme/platform', 'acme/platform/api']);

    await granted(support.id, { scope: 'acme' });
    expect(await reach('read')).toEqual(['acme', 'acme/platform', 'acme/platform/api']);
  });

  test('lets its administrator give roles in it and below, and neither outside nor everywhere', async () => {
    const ada = await administratorOf('acme');
    const inside = await signUpIn('dave', 'acme/platform');
    const outside = await signUpIn('dave', 'acme2');
    const homeless = await signUpIn('dave', null);
    for (const scope of ['acme', 'acme/platform', 'acme/other']) {
      expect((await grant(inside.id, ada.accessToken, { scope })).errors).toEqual([]);
    }
    const before = await castellans.recorded();
    for (const scope of [null, 'acme2', 'acm', 'globex', 'acme-x']) {
      for (const role of ['member', 'administrator']) {
        const refused = await grant(inside.id, ada.accessToken, { scope, role });
        expect({ scope, role, codes: codesOf(refused) }).toEqual({
          scope,
          role,
          codes: [expect.stringMatching(/^(FORBIDDEN|NOT_FOUND)$/)],
        });
      }
    }
    for (const { id } of [outside, homeless, alice]) {
      expect(codesOf(await grant(id, ada.accessToken, { scope: 'acme' }))).toEqual(['NOT_FOUND']);
    }
    expect(await castellans.recorded()).toEqual(before);
  });

  test('lets its administrator take away roles in it and below, and neither outside nor everywhere', async () => {
    const ada = await administratorOf('acme');
    const inside = await signUpIn('dave', 'acme/platform');
    const own = await granted(inside.id, { scope: 'acme/platform' });
    expect((await revoke(own, ada.accessToken)).errors).toEqual([]);

    const others = [
      await granted(inside.id, { scope: 'acme2' }),
      await granted(inside.id, { scope: 'globex' }),
      await granted(inside.id, { role: 'administrator' }),
    ];
    const before = await castellans.recorded();
    for (const id of others) {
      expect(codesOf(await revoke(id, ada.accessToken))).toEqual([expect.stringMatching(/^(FORBIDDEN|NOT_FOUND)$/)]);
    }
    expect(await castellans.recorded()).toEqual(before);
  });

  test('lets its administrator create users in it and below, and neither outside nor without a home', async () => {
    const ada = await administratorOf('acme');
    const create = (scope: string | null, n: number) =>
      castellans.ask('mutation ($input: CreateUserInput!) { createUser(input: $input) { user { scope } } }', {
        variables: { input: { email: `new.${ada.id}.${n}@example.com`, name: 'New', scope } },
        token: ada.accessToken,
      });
    expect((await create('acme', 1)).data).toEqual({ createUser: { user: { scope: 'acme' } } });
    expect((await create('acme/platform', 2)).errors).toEqual([]);
    for (const [n, scope] of ['acme2', 'globex', null].entries()) {
      expect(codesOf(await create(scope, 3 + n))).toEqual(['FORBIDDEN']);
    }
  });
});

describe('revoking a role', () => {
  test('twice at once changes it once, and both are told that it is in force', async () => {
    const bob = await castellans.signUp('bob');
    const id = await granted(bob.id);
    const both = await Promise.all([0, 1].map((instance) => revoke(id, alice.accessToken, instance)));
    expect(both.flatMap(codesOf)).toEqual([]);
    const revocations = await castellans.rows(
      `select id from audit_entries where action = 'role.revoke' and subject_id = $1 and outcome = 'done'`,
      bob.id,
    );
    expect(revocations).toHaveLength(1);
  });

  test('is refused to members, of others as if it did not exist, and leaves nothing behind', async () => {
    const carol = await castellans.signUp('carol');
    const id = await granted(carol.id);
    const before = await castellans.recorded();
    const missing = `grant_${'0'.repeat(26)}`;
    const theirs = await revoke(id, bob.accessToken);
    expect(codesOf(theirs)).toEqual(['NOT_FOUND']);
    expect(JSON.stringify(seen(theirs)).replaceAll(id, missing)).toEqual(
      JSON.stringify(seen(await revoke(missing, bob.accessToken))),
    );
    expect(codesOf(await revoke(id, carol.accessToken))).toEqual(['FORBIDDEN']);
    expect(await castellans.recorded()).toEqual(before);
  });
});

describe('reading a role', () => {
  const ask = (query: string, token?: string) => castellans.ask(query, token === undefined ? {} : { token });

  test('is by its id or by its name', async () => {
    const id = roleIds.get('support') ?? '';
    const role = { id, name: 'support', managed: true };
    expect((await ask(`{ role(id: "${id}") { id name managed } }`, bob.accessToken)).data).toEqual({ role });
    expect((await ask(`{ role(name: "support") { id name managed } }`, bob.accessToken)).data).toEqual({ role });
  });

  test.each(['', '(id: null)', '(name: null)', '(id: "role_1", name: "support")'])(
    'is refused without exactly one of the two: role%s',
    async (args) => {
      const { errors } = await ask(`{ role${args} { id } }`, bob.accessToken);
      expect(errors.map(({ extensions }) => extensions)).toEqual([{ code: 'BAD_USER_INPUT', field: 'id' }]);
    },
  );

  test('is null for missing ones, and for all of them without the right to read', async () => {
    const none = { role: null };
    for (const name of ['Support', '', '__proto__', 'support ']) {
      expect({ name, data: (await ask(`{ role(name: "${name}") { id } }`, bob.accessToken)).data }).toEqual({
        name,
        data: none,
      });
    }
    expect((await ask(`{ role(id: "${MISSING_ROLE}") { id } }`, bob.accessToken)).data).toEqual(none);
    expect((await ask('{ role(name: "support") { id } }')).data).toEqual(none);
    const nobody = await castellans.signUp('nobody', []);
    expect((await ask('{ role(name: "support") { id } }', nobody.accessToken)).data).toEqual(none);
  });
});

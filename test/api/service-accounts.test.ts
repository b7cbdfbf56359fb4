import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { askingOn, extensionsOf, IN_FORCE, INSTANCES, onEveryInstance } from '../support/asking.ts';
import { type Castellans, codesOf, type SignedInUser, startCastellans } from '../support/castellan.ts';
import { addGrant } from '../support/people.ts';

const ACCOUNT =
  'id name status scope scopes suspended createdAt roles { name } grants { id scope grantedBy role { name } }';
const CREATE = `mutation ($input: CreateServiceAccountInput!) {
  createServiceAccount(input: $input) { serviceAccount { ${ACCOUNT} } position }
}`;
const WITH_RECEIPT = '{ serviceAccount { id status } receipt { enforced instances acknowledged } position }';
const DISABLE = `mutation ($id: ID!) { disableServiceAccount(id: $id) ${WITH_RECEIPT} }`;
const ENABLE = `mutation ($id: ID!) { enableServiceAccount(id: $id) ${WITH_RECEIPT} }`;
const UPDATE = `mutation ($input: UpdateServiceAccountInput!) { updateServiceAccount(input: $input) {
  serviceAccount { id name status } receipt { enforced instances acknowledged } position
} }`;
const DELETE = `mutation ($id: ID!) {
  deleteServiceAccount(id: $id) { id receipt { enforced instances acknowledged } position }
}`;
const READ = `query ($id: ID!) { serviceAccount(id: $id) { ${ACCOUNT} } }`;
const LIST = `query ($filter: ServiceAccountFilter, $orderBy: ServiceAccountOrder, $after: String) {
  serviceAccounts(first: 2, filter: $filter, orderBy: $orderBy, after: $after) {
    edges { cursor node { id name } } pageInfo { hasNextPage endCursor }
  }
}`;
const GRANT = `mutation ($principalId: ID!, $roleId: ID!, $scope: String) {
  grantRole(principalId: $principalId, roleId: $roleId, scope: $scope) { grant { id scope } receipt { enforced } }
}`;
const ENTITIES = `query ($representations: [_Any!]!) {
  them: _entities(representations: $representations) {
    __typename ... on ServiceAccount { id name scope roles { name } } ... on User { id name }
  }
}`;
const MISSING = `svc_${'0'.repeat(26)}`;

interface Account {
  readonly id: string;
  readonly name: string;
}

let castellans: Castellans;
let alice: SignedInUser;
let bob: SignedInUser;
let sam: SignedInUser;

const { ask, done, unchanged, audited } = askingOn(
  () => castellans,
  () => alice,
);

beforeAll(async () => {
  castellans = await startCastellans(3);
  await castellans.addScopes('acme/platform', 'globex');
  [alice, bob, sam] = [
    await castellans.signUp('alice', ['administrator']),
    await castellans.signUp('bob'),
    await castellans.signUp('sam', []),
  ];
  await addGrant(castellans.apps[0] ?? fail(), { principalId: sam.id, role: 'support', scope: 'acme' });
}, 40_000);

afterAll(() => castellans?.close());

async function create(name: string, scope: string | null = null): Promise<Account> {
  return (await done<{ serviceAccount: Account }>(CREATE, { input: { name, scope } })).serviceAccount;
}

async function roleIdOf(name: string): Promise<string> {
  const [role] = await castellans.rows<{ id: string }>('select id from roles where name = $1', name);
  return role?.id ?? '';
}

const logged = (id: string) =>
  castellans.rows<object>('select kind, user_id, reason from authority_log where target = $1 order by id', id);

describe('creating a service account', () => {
  test('it is there on every instance, at home in its scope, without a role, and recorded', async () => {
    const account = await done<{ serviceAccount: Account }>(CREATE, {
      input: { name: ' Gateway ', scope: 'acme/platform' },
    });
    const expected = {
      id: expect.stringMatching(/^svc_[0-9a-z]{26}$/),
      name: 'Gateway',
      status: 'active',
      scope: 'acme/platform',
      scopes: ['acme', 'acme/platform'],
      suspended: false,
      createdAt: expect.any(String),
      roles: [],
      grants: [],
    };
    expect(account.serviceAccount).toEqual(expected);
    const { id } = account.serviceAccount;
    const read = await onEveryInstance((instance) => done(READ, { id }, { instance }));
    expect(read).toEqual(INSTANCES.map(() => expected));
    const after = { status: 'active', scope: 'acme/platform', roles: [] };
    expect(await audited(id)).toEqual([{ by: alice.id, action: 'service_account.create', before: null, after }]);
  });

  test('is FORBIDDEN to members, support and nobody, and leaves nothing behind', () =>
    unchanged(async () => {
      const input = { name: 'Eve', scope: 'acme' };
      expect(codesOf(await ask(CREATE, { input }, { by: bob }))).toEqual(['FORBIDDEN']);
      expect(codesOf(await ask(CREATE, { input }, { by: sam }))).toEqual(['FORBIDDEN']);
      expect(codesOf(await ask(CREATE, { input }, { by: null }))).toEqual(['UNAUTHENTICATED']);
    }));

  test.each([
    ['an empty name', { name: ' ' }, 'name'],
    ['a name with a line break', { name: 'a\nb' }, 'name'],
    ['a scope that is not there', { name: 'a', scope: 'nowhere' }, 'scope'],
    ['a scope that cannot be', { name: 'a', scope: 'a//b' }, 'scope'],
  ] as const)('refuses %s', async (_, input, field) => {
    expect(extensionsOf(await ask(CREATE, { input }))).toEqual([{ code: 'BAD_USER_INPUT', field }]);
  });
});

describe('updating a service account', () => {
  const nameOf = (id: string) =>
    onEveryInstance(async (instance) => (await done<Account>(READ, { id }, { instance })).name);

  test('sets its name on every instance, with a receipt, as a change, and is recorded without the name', async () => {
    const { id } = await create('before', 'acme');
    const input = { id, name: ' After ' };
    for (const instance of INSTANCES) {
      expect(await done(UPDATE, { input }, { instance })).toMatchObject({
        serviceAccount: { id, name: 'After', status: 'active' },
        receipt: IN_FORCE,
      });
    }
    expect(await nameOf(id)).toEqual(INSTANCES.map(() => 'After'));
    // Once: the other two changed nothing.
    expect(await logged(id)).toEqual([{ kind: 'changed', user_id: id, reason: 'service_account_updated' }]);
    expect((await audited(id)).slice(1)).toEqual([
      { by: alice.id, action: 'service_account.update', before: null, after: { fields: ['name'] } },
    ]);
  });

  test('is refused to support, members and nobody, and what is wrong or nothing, and leaves nothing behind', async () => {
    const { id } = await create('kept', 'acme');
    await unchanged(async () => {
      const input = { id, name: 'Eve' };
      expect(codesOf(await ask(UPDATE, { input }, { by: sam }))).toEqual(['FORBIDDEN']);
      expect(codesOf(await ask(UPDATE, { input }, { by: bob }))).toEqual(['NOT_FOUND']);
      expect(codesOf(await ask(UPDATE, { input }, { by: null }))).toEqual(['UNAUTHENTICATED']);
      const of = (other: object) => ask(UPDATE, { input: { ...input, ...other } });
      expect(extensionsOf(await of({ name: null }))).toEqual([{ code: 'BAD_USER_INPUT', field: 'input' }]);
      expect(extensionsOf(await of({ name: 'a\nb' }))).toEqual([{ code: 'BAD_USER_INPUT', field: 'name' }]);
      expect(extensionsOf(await of({ id: MISSING }))).toEqual([{ code: 'NOT_FOUND', id: MISSING }]);
      expect(extensionsOf(await of({ id: bob.id }))).toEqual([{ code: 'NOT_FOUND', id: bob.id }]);
    });
    expect(await nameOf(id)).toEqual(INSTANCES.map(() => 'kept'));
  });
});

describe('a service account', () => {
  test('holds roles as a user does', async () => {
    const { id } = await create('holder', 'acme');
    const given = await done<object>(GRANT, { principalId: id, roleId: await roleIdOf('service'), scope: 'acme' });
    expect(given).toEqual({ grant: { id: expect.any(String), scope: 'acme' }, receipt: { enforced: true } });
    expect(await done(READ, { id })).toMatchObject({
      roles: [{ name: 'service' }],
      grants: [{ scope: 'acme', grantedBy: alice.id, role: { name: 'service' } }],
    });
    const { grant } = given as { grant: { id: string } };
    await done('mutation ($id: ID!) { revokeRole(grantId: $id) { receipt { enforced } } }', { id: grant.id });
    expect(await done(READ, { id })).toMatchObject({ roles: [], grants: [] });
    expect(await logged(id)).toEqual([
      { kind: 'changed', user_id: id, reason: 'role_granted' },
      { kind: 'changed', user_id: id, reason: 'role_revoked' },
    ]);
  });

  test('that is administrator keeps nobody from being the last one', async () => {
    const { id } = await create('root');
    await done(GRANT, { principalId: id, roleId: await roleIdOf('administrator') });
    const [grant] = await castellans.rows<{ id: string }>(
      `select g.id from grants g join roles r on r.id = g.role_id
       where r.name = 'administrator' and g.principal_id not in ($1, $2)`,
      id,
      alice.id,
    );
    const REVOKE = 'mutation ($id: ID!) { revokeRole(grantId: $id) { receipt { enforced } } }';
    await done(REVOKE, { id: grant?.id });
    const [own] = await castellans.rows<{ id: string }>(
      `select g.id from grants g join roles r on r.id = g.role_id where r.name = 'administrator' and g.principal_id = $1`,
      alice.id,
    );
    expect(extensionsOf(await ask(REVOKE, { id: own?.id }))).toEqual([
      { code: 'CONFLICT', reason: 'last_administrator' },
    ]);
  });

  test('is no user: it is in no list of users, and nothing that is done to users can be done to it', async () => {
    const { id } = await create('no user');
    const users = await done<{ edges: { node: { id: string } }[] }>(
      '{ users(first: 100) { edges { node { id } } } }',
      {},
    );
    expect(users.edges.map(({ node }) => node.id)).not.toContain(id);
    expect(await done('query ($id: ID!) { user(id: $id) { id } }', { id })).toBeNull();
    for (const mutation of ['disableUser', 'enableUser', 'deleteUser', 'unlockUser']) {
      const answer = await ask(`mutation ($id: ID!) { ${mutation}(id: $id) { position } }`, { id });
      expect(extensionsOf(answer)).toEqual([{ code: 'NOT_FOUND', id }]);
    }
    for (const mutation of ['disableServiceAccount', 'enableServiceAccount', 'deleteServiceAccount']) {
      const answer = await ask(`mutation ($id: ID!) { ${mutation}(id: $id) { position } }`, { id: bob.id });
      expect(extensionsOf(answer)).toEqual([{ code: 'NOT_FOUND', id: bob.id }]);
    }
  });

  test('that one may not read answers every operation as one that is not there', async () => {
    const { id } = await create('hidden', 'globex');
    const grant = { roleId: await roleIdOf('member') };
    for (const by of [bob, sam]) {
      expect(await done(READ, { id }, { by })).toBeNull();
      for (const [mutation, more] of [
        [DISABLE, {}],
        [ENABLE, {}],
        [DELETE, {}],
        [GRANT, grant],
      ] as const) {
        const name = mutation === GRANT ? 'principalId' : 'id';
        const [hidden, missing] = [
          await ask(mutation, { [name]: id, ...more }, { by }),
          await ask(mutation, { [name]: MISSING, ...more }, { by }),
        ];
        expect(codesOf(hidden)).toEqual(['NOT_FOUND']);
        expect(JSON.stringify(hidden.errors).replaceAll(id, MISSING)).toBe(JSON.stringify(missing.errors));
      }
    }
  });

  test('is disabled and enabled with a receipt, as a revocation and a change, and again without a trace', async () => {
    const { id } = await create('switched', 'acme');
    for (const by of [sam, alice]) {
      expect(await done(DISABLE, { id }, { by, instance: 1 })).toMatchObject({
        serviceAccount: { id, status: 'disabled' },
        receipt: IN_FORCE,
      });
    }
    for (const by of [sam, alice]) {
      expect(await done(ENABLE, { id }, { by, instance: 2 })).toMatchObject({
        serviceAccount: { id, status: 'active' },
        receipt: IN_FORCE,
      });
    }
    expect(await logged(id)).toEqual([
      { kind: 'revoked', user_id: id, reason: 'service_account_disabled' },
      { kind: 'changed', user_id: id, reason: 'service_account_enabled' },
    ]);
    expect((await audited(id)).map((entry) => (entry as { action: string }).action)).toEqual([
      'service_account.create',
      'service_account.disable',
      'service_account.enable',
    ]);
  });

  test('AC-19: that is deleted leaves nothing to one of the same name, and its id cannot be granted anything', async () => {
    const { id } = await create('reborn', 'acme');
    await done(GRANT, { principalId: id, roleId: await roleIdOf('administrator') });
    expect(await done(DELETE, { id })).toMatchObject({ id, receipt: IN_FORCE });
    expect(await logged(id)).toMatchObject([{ reason: 'role_granted' }, { kind: 'revoked', user_id: id }]);
    for (const instance of INSTANCES) expect(await done(READ, { id }, { instance })).toBeNull();
    const again = await create('reborn', 'acme');
    expect(again.id).not.toBe(id);
    expect(await done(READ, { id: again.id })).toMatchObject({ roles: [], grants: [] });
    const roleId = await roleIdOf('member');
    expect(codesOf(await ask(GRANT, { principalId: id, roleId }))).toEqual(['NOT_FOUND']);
    expect(codesOf(await ask(DELETE, { id }))).toEqual(['NOT_FOUND']);
    const rows = await castellans.rows('select name, scope_id, status from users where id = $1', id);
    expect(rows).toEqual([{ name: '', scope_id: null, status: 'disabled' }]);
  });
});

describe('the list of service accounts', () => {
  test('has those one may read, in order, page by page, and narrowed', async () => {
    const here = [
      await create('list a', 'acme/platform'),
      await create('list b', 'acme'),
      await create('list c', 'acme'),
    ];
    const elsewhere = await create('list d', 'globex');
    type Page = { edges: { node: Account }[]; pageInfo: { hasNextPage: boolean; endCursor: string | null } };
    const all = async (by: SignedInUser, variables: object) => {
      const found: string[] = [];
      for (let after: string | null = null, more = true; more;) {
        const page: Page = await done<Page>(LIST, { ...variables, after }, { by });
        found.push(...page.edges.map(({ node }) => node.id));
        after = page.pageInfo.endCursor;
        more = page.pageInfo.hasNextPage;
      }
      return found;
    };
    const orderBy = { field: 'name', direction: 'ascending' };
    const seen = await all(sam, { orderBy });
    expect(seen.filter((id) => here.some((each) => each.id === id))).toEqual(here.map(({ id }) => id));
    expect(seen).not.toContain(elsewhere.id);
    expect(await all(bob, { orderBy: { field: 'createdAt' } })).toEqual([]);
    expect(await all(alice, { filter: { within: 'globex' }, orderBy })).toContain(elsewhere.id);
    expect(await all(alice, { filter: { within: 'acme/platform', status: 'active' } })).toContain(here[0]?.id);
    expect(await all(alice, { filter: { within: 'acme/platform', status: 'disabled' } })).toEqual([]);
  });
});

describe('_entities', () => {
  test('gives a service account, as itself and as a principal, to whoever may read it', async () => {
    const { id } = await create('entity', 'acme');
    const representations = [
      { __typename: 'ServiceAccount', id },
      { __typename: 'Principal', id },
      { __typename: 'Principal', id: sam.id },
      { __typename: 'Principal', id: MISSING },
      { __typename: 'ServiceAccount', id: sam.id },
      { __typename: 'User', id },
    ];
    const account = { __typename: 'ServiceAccount', id, name: 'entity', scope: 'acme', roles: [] };
    const user = { __typename: 'User', id: sam.id, name: 'sam' };
    const asked = (by: SignedInUser | null) => ask<{ them: unknown }>(ENTITIES, { representations }, { by });
    expect((await asked(alice)).data?.them).toEqual([account, account, user, null, null, null]);
    expect((await asked(bob)).data?.them).toEqual([null, null, null, null, null, null]);
    expect((await asked(null)).data?.them).toEqual([null, null, null, null, null, null]);
  });
});

function fail(): never {
  throw new TypeError('there is nobody');
}

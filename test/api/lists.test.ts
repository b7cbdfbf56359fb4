import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readPolicyFiles } from '../../src/drivers/files/policies.ts';
import { SYSTEM } from '../../src/domain/principals/principal.ts';
import {
  codesOf,
  recordStatements,
  startCastellans,
  type Answer,
  type Castellans,
  type SignedInUser,
} from '../support/castellan.ts';

interface Connection<T> {
  readonly edges: readonly { readonly cursor: string; readonly node: T }[];
  readonly pageInfo: {
    readonly hasNextPage: boolean;
    readonly hasPreviousPage: boolean;
    readonly startCursor: string | null;
    readonly endCursor: string | null;
  };
}
type Listed<T = { readonly id: string }> = { readonly list: Connection<T> };

const PAGE = 'edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }';
const USERS = `query ($first: Int!, $after: String, $filter: UserFilter, $orderBy: UserOrder) {
  list: users(first: $first, after: $after, filter: $filter, orderBy: $orderBy) { ${PAGE} }
}`;
const ROLES = `query ($first: Int!, $after: String, $filter: RoleFilter, $orderBy: RoleOrder) {
  list: roles(first: $first, after: $after, filter: $filter, orderBy: $orderBy) { ${PAGE} }
}`;
const SESSIONS = `query ($first: Int!, $after: String, $filter: SessionFilter, $orderBy: SessionOrder) {
  list: sessions(first: $first, after: $after, filter: $filter, orderBy: $orderBy) { ${PAGE} }
}`;
const LISTS = [
  ['users', USERS],
  ['roles', ROLES],
  ['sessions', SESSIONS],
] as const;

/** Reads names of users, and that only; and addresses of those in one scope. */
const CLERKS = {
  path: 'policies/clerks.yaml',
  text: `roles:
  clerk:
    allow:
      - { action: read, subject: User, fields: [name] }
      - { action: read, subject: User, fields: [email, name], where: { scopes: { elemMatch: { eq: open } } } }
`,
};

let castellans: Castellans;
let alice: SignedInUser;
let bob: SignedInUser;
let sam: SignedInUser;
let clara: SignedInUser;
/** Users by the path of their home. */
const homes: Record<string, string[]> = {};

beforeAll(async () => {
  const policyFiles = [...(await readPolicyFiles('policies')), CLERKS];
  castellans = await startCastellans(2, { policyFiles });
  alice = await castellans.signUp('alice', ['administrator']);
  bob = await castellans.signUp('bob');
  sam = await castellans.signUp('sam', []);
  clara = await castellans.signUp('clara', ['clerk']);
  await castellans.addScopes('acme/platform', 'acme2', 'open/desk');
  for (const scope of ['acme', 'acme/platform', 'acme2', 'open', 'open/desk']) {
    homes[scope] = [];
    for (let n = 0; n < 7; n += 1) homes[scope].push(await addUser(`u${n}`, scope));
  }
  const [support] = await castellans.rows<{ id: string }>(`select id from roles where name = 'support'`);
  const grant = `mutation ($principalId: ID!, $roleId: ID!) {
    grantRole(principalId: $principalId, roleId: $roleId, scope: "acme") { receipt { enforced } }
  }`;
  const variables = { principalId: sam.id, roleId: support?.id };
  expect((await castellans.ask(grant, { variables, token: alice.accessToken })).errors).toEqual([]);
});

afterAll(() => castellans.close());

let added = 0;
async function addUser(
  name: string,
  scope: string | null = null,
  roles: readonly string[] = ['member'],
): Promise<string> {
  added += 1;
  const email = `${name}.${added}@lists.example`;
  const { value } = await castellans.apps[0]!.services.users.create(SYSTEM, { email, name, scope, roles });
  return value.id;
}

const ask = <T = { readonly id: string }>(
  query: string,
  variables: object,
  token?: string,
  instance = 0,
): Promise<Answer<Listed<T>>> =>
  castellans.ask<Listed<T>>(query, { variables, instance, ...(token !== undefined && { token }) });

async function idsIn(query: string, variables: object, token?: string): Promise<readonly string[]> {
  const { data, errors } = await ask(query, { first: 100, ...variables }, token);
  expect(errors).toEqual([]);
  return (data?.list.edges ?? []).map(({ node }) => node.id);
}

/** Walks page by page, the instances in turn. */
async function walk(
  query: string,
  variables: { readonly first: number; readonly orderBy?: object | null },
  token: string,
  between: () => Promise<void> = async () => {},
): Promise<readonly string[]> {
  const ids: string[] = [];
  let after: string | null = null;
  for (let page = 0; page < 200; page += 1) {
    const answer: Answer<Listed> = await ask(query, { ...variables, after }, token, page % 2);
    expect(answer.errors).toEqual([]);
    if (answer.data === null) break;
    const { edges, pageInfo }: Connection<{ readonly id: string }> = answer.data.list;
    expect(edges.length).toBeLessThanOrEqual(variables.first);
    expect(pageInfo).toMatchObject({
      hasPreviousPage: after !== null,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    });
    ids.push(...edges.map(({ node }) => node.id));
    if (!pageInfo.hasNextPage) return ids;
    after = pageInfo.endCursor;
    await between();
  }
  throw new Error('there is no end of it');
}

const everybody = async (): Promise<readonly string[]> =>
  (await castellans.rows<{ id: string }>('select id from users order by id')).map(({ id }) => id);

describe('a list', () => {
  test.each([
    ['by nothing', null],
    ['by createdAt', { field: 'createdAt', direction: 'ascending' }],
    ['by createdAt, the latest first', { field: 'createdAt', direction: 'descending' }],
    ['by name, of which many have the same', { field: 'name', direction: 'descending' }],
    ['by email', { field: 'email' }],
  ])('ordered %s is walked without gap or duplicate while others are added', async (_, orderBy) => {
    const before = await everybody();
    let inserts = 0;
    const walked = await walk(USERS, { first: 7, orderBy }, alice.accessToken, async () => {
      inserts += 1;
      await addUser(inserts % 2 === 0 ? 'a' : 'z');
    });
    expect(inserts).toBeGreaterThan(3);
    expect(new Set(walked).size).toBe(walked.length);
    const old = new Set(before);
    expect(walked.filter((id) => old.has(id)).toSorted()).toEqual(before);
  });

  test('is in the order it was asked for, byte for byte, ids among equals', async () => {
    for (const name of ['Zoë', 'zoe', 'Abel', 'ähnlich', '_', '🗝', '\uFFFD']) await addUser(name);
    const rows = await castellans.rows<{ id: string }>(`select id from users order by name collate "C" desc, id desc`);
    const walked = await walk(
      USERS,
      { first: 9, orderBy: { field: 'name', direction: 'descending' } },
      alice.accessToken,
    );
    expect(walked).toEqual(rows.map(({ id }) => id));
  });

  test('of roles and of sessions is walked in each of their orders', async () => {
    const roles = await castellans.rows<{ id: string }>('select id from roles order by name collate "C"');
    const byName = await walk(ROLES, { first: 2, orderBy: { field: 'name' } }, alice.accessToken);
    expect(byName).toEqual(roles.map(({ id }) => id));
    expect(await idsIn(ROLES, { filter: { managed: true } }, alice.accessToken)).toHaveLength(roles.length);
    expect(await idsIn(ROLES, { filter: { managed: false } }, alice.accessToken)).toEqual([]);

    const sessions = await castellans.rows<{ id: string }>('select id from sessions order by created_at desc, id desc');
    for (const field of ['createdAt', 'expiresAt']) {
      const orderBy = { field, direction: 'descending' };
      const walked = await walk(SESSIONS, { first: 1, orderBy }, alice.accessToken);
      expect(walked).toEqual(sessions.map(({ id }) => id));
    }
  });

  test.each(LISTS)('of %s takes a page of 1 to 100 and says so', async (_, query) => {
    for (const first of [0, 101, -1, 2_147_483_647]) {
      const { data, errors } = await ask(query, { first }, alice.accessToken);
      expect(data).toBeNull();
      expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT', field: 'first' } }]);
    }
    for (const variables of [{}, { first: null }, { first: 1.5 }, { first: '1' }]) {
      const answer = await ask(query, variables, alice.accessToken);
      expect(codesOf(answer)).toEqual(['BAD_USER_INPUT']);
      expect(answer.data).toBeNull();
    }
    expect((await ask(query, { first: 1 }, alice.accessToken)).data?.list.edges).toHaveLength(1);
  });

  test.each(LISTS)('of %s is empty for those who are not signed in', async (_, query) => {
    const pageInfo = { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null };
    expect((await ask(query, { first: 10 })).data).toEqual({ list: { edges: [], pageInfo } });
  });
});

describe('what is in a list', () => {
  test('is oneself for members, and the sessions of oneself', async () => {
    const again = await castellans.signIn(bob.email);
    expect(await idsIn(USERS, {}, bob.accessToken)).toEqual([bob.id]);
    expect((await idsIn(SESSIONS, {}, bob.accessToken)).toSorted()).toEqual(
      [bob.sessionId, again.sessionId].toSorted(),
    );
    expect((await idsIn(ROLES, {}, bob.accessToken)).length).toBeGreaterThan(3);
  });

  test('is what is in its scope for support, by segment, and oneself', async () => {
    const expected = [...(homes['acme'] ?? []), ...(homes['acme/platform'] ?? []), sam.id];
    expect((await idsIn(USERS, {}, sam.accessToken)).toSorted()).toEqual(expected.toSorted());
    expect((await walk(USERS, { first: 4 }, sam.accessToken)).toSorted()).toEqual(expected.toSorted());
  });

  test('is narrowed by what was asked for, and never widened', async () => {
    const users = (filter: object, { accessToken } = alice) => idsIn(USERS, { filter }, accessToken);
    const within = await users({ within: 'acme' });
    expect(within.toSorted()).toEqual([...(homes['acme'] ?? []), ...(homes['acme/platform'] ?? [])].toSorted());
    expect(await users({ within: 'acm' })).toEqual([]);
    expect(await users({ email: bob.email.toUpperCase() })).toEqual([bob.id]);
    expect(await users({ role: 'administrator' })).toContain(alice.id);
    expect(await users({ role: 'clerk', status: 'active' })).toEqual([clara.id]);
    expect(await users({ status: 'disabled' })).toEqual([]);
    expect(await users({ email: null, status: null, role: null, within: null }, bob)).toEqual([bob.id]);
    expect(await users({ email: alice.email }, bob)).toEqual([]);
    expect(await users({ within: 'acme2' }, sam)).toEqual([]);
    expect(await users({ email: `' or true --` })).toEqual([]);
    expect(await users({ email: '\u0000', role: '\uD800' })).toEqual([]);
  });

  test('AC-50: is nobody else for who names them in a filter', async () => {
    expect(await idsIn(SESSIONS, { filter: { userId: alice.id } }, bob.accessToken)).toEqual([]);
    expect(await idsIn(SESSIONS, { filter: { userId: bob.id } }, bob.accessToken)).toContain(bob.sessionId);
    expect(await idsIn(SESSIONS, { filter: { userId: bob.id } }, alice.accessToken)).toContain(bob.sessionId);
  });

  test('is live sessions or the others, as asked', async () => {
    const dora = await castellans.signUp('dora');
    const gone = await castellans.signIn(dora.email);
    await castellans.ask('mutation { signOut { position } }', { token: gone.accessToken });
    const list = (live: boolean) => idsIn(SESSIONS, { filter: { userId: dora.id, live } }, dora.accessToken);
    expect(await list(true)).toEqual([dora.sessionId]);
    expect(await list(false)).toEqual([gone.sessionId]);
  });

  test('is not found by guessing at a field that one may not read, nor by its place', async () => {
    const open = [...(homes['open'] ?? []), ...(homes['open/desk'] ?? [])].toSorted();
    const all = await everybody();
    const list = (variables: object) => walk(USERS, { first: 100, ...variables }, clara.accessToken);
    expect((await list({})).toSorted()).toEqual(all);
    expect((await list({ orderBy: { field: 'name' } })).toSorted()).toEqual(all);
    // Of all others clara may not read the address, and of nobody the rest.
    expect((await list({ orderBy: { field: 'email' } })).toSorted()).toEqual(open);
    expect(await list({ filter: { email: bob.email } })).toEqual([]);
    expect(await list({ orderBy: { field: 'createdAt' } })).toEqual([]);
    for (const filter of [{ status: 'active' }, { role: 'member' }, { within: 'open' }]) {
      expect(await list({ filter })).toEqual([]);
    }
  });
});

describe('AC-50: a cursor', () => {
  const byName = { field: 'name', direction: 'ascending' };

  async function cursorOf(query: string, variables: object = {}): Promise<string> {
    const { data } = await ask(query, { first: 3, ...variables }, alice.accessToken);
    const cursor = data?.list.pageInfo.endCursor;
    if (typeof cursor !== 'string') throw new Error('the list is too short');
    return cursor;
  }

  async function refused(query: string, after: string, variables: object = {}): Promise<void> {
    const { data, errors } = await ask(query, { first: 3, after, ...variables }, bob.accessToken);
    expect({ after, data, errors }).toMatchObject({
      data: null,
      errors: [{ extensions: { code: 'BAD_USER_INPUT', field: 'after' } }],
    });
  }

  test('of a larger view shows nothing that one may not read', async () => {
    for (const orderBy of [null, byName, { field: 'createdAt', direction: 'descending' }]) {
      const after = await cursorOf(USERS, { orderBy });
      for (const { id, accessToken } of [bob, clara]) {
        const seen = await idsIn(USERS, { orderBy: null }, accessToken);
        const behind = await idsIn(USERS, { after, orderBy }, accessToken);
        expect(behind.filter((each) => each !== id && !seen.includes(each))).toEqual([]);
      }
    }
  });

  test('belongs to one list', async () => {
    for (const [, query] of LISTS.slice(1)) await refused(USERS, await cursorOf(query));
    await refused(SESSIONS, await cursorOf(USERS));
    await refused(ROLES, await cursorOf(USERS));
  });

  test('belongs to one order', async () => {
    const orders = [null, byName, { ...byName, direction: 'descending' }, { field: 'email' }, { field: 'createdAt' }];
    for (const own of orders) {
      const after = await cursorOf(USERS, { orderBy: own });
      for (const orderBy of orders) if (orderBy !== own) await refused(USERS, after, { orderBy });
    }
  });

  test('that was written by somebody else is refused', async () => {
    const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const own = await cursorOf(USERS);
    const texts = ['', 'x', 'null', '=', own.slice(0, -1), `${own}=`, ` ${own}`, `${own}AA`, 'A'.repeat(100_000)];
    const ids = [7, '\u0000', '\uD800', null];
    const values: unknown[] = [null, {}, [], 'User', ['User', null, false, null], ['User', null, false, 'x', 'id']];
    values.push(...ids.map((id) => ['User', null, false, null, id]), ['User', null, false, null, 'id', 'more']);
    const spaced = Buffer.from('["User", null, false, null, "id"]').toString('base64url');
    const forged = [...texts, ...values.map(encoded), spaced];
    for (const after of forged) await refused(USERS, after);
    for (const value of ['x', '', '2024-02-30T00:00:00.000Z', '0000-01-01T00:00:00.000Z', 7, null, ['x']]) {
      await refused(USERS, encoded(['User', 'createdAt', false, value, 'id']), { orderBy: { field: 'createdAt' } });
    }
    const invented = encoded(['User', 'name', false, `'; drop table users; --`, `' or true --`]);
    expect(await idsIn(USERS, { after: invented, orderBy: byName }, bob.accessToken)).toEqual([bob.id]);
  });
});

test('a page of a hundred users with their roles costs two statements', async () => {
  for (let n = (await everybody()).length; n < 105; n += 1) await addUser('crowd', null, ['member', 'auditor']);
  const query = '{ users(first: 100) { edges { node { roles { name } } } } }';
  await castellans.ask(query, { token: alice.accessToken });
  const statements = recordStatements(castellans.apps.slice(0, 1));
  const { data, errors } = await castellans.ask<{
    users: { edges: readonly { node: { roles: readonly { name: string }[] } }[] };
  }>(query, { token: alice.accessToken });
  statements.stop();
  expect(errors).toEqual([]);
  expect(data?.users.edges).toHaveLength(100);
  expect(data?.users.edges.flatMap(({ node }) => node.roles).length).toBeGreaterThanOrEqual(100);
  expect(statements.names.filter((name) => /user|role|grant|session/.test(name))).toHaveLength(2);
});

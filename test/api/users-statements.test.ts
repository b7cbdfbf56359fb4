import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { App } from '../../src/app.ts';
import { askingOn } from '../support/asking.ts';
import { type Castellans, recordStatements, type SignedInUser, startCastellans } from '../support/castellan.ts';
import { addUser } from '../support/people.ts';

/** How many statements users with their roles and permissions cost, however many they are, within the limits of everybody. */

const USERS = 500;
const ROLES = 'id name roles { name }';
const PERMISSIONS = `${ROLES} permissions { action subject effect fields conditions { operator } sources { path scope grant { id role { name } } } }`;
const page = (fields: string) => `query ($first: Int!) { users(first: $first) { edges { node { ${fields} } } } }`;
const entities = (fields: string) =>
  `query ($of: [_Any!]!) { them: _entities(representations: $of) { ... on User { ${fields} } } }`;

let castellans: Castellans;
let alice: SignedInUser;
let ids: readonly string[];

beforeAll(async () => {
  castellans = await startCastellans(3);
  alice = await castellans.signUp('alice', ['administrator']);
  const people = Array.from({ length: USERS }, (_, n) => ({ email: `crowd.${n}@example.com`, name: `No. ${n}` }));
  const added: string[] = [];
  while (added.length < USERS) {
    const some = people.slice(added.length, added.length + 20);
    added.push(...(await Promise.all(some.map((each) => addUser(first(), { ...each, roles: ['member', 'support'] })))));
  }
  ids = added;
}, 60_000);

afterAll(() => castellans?.close());

const { ask } = askingOn(
  () => castellans,
  () => alice,
);

function first(): App {
  const [app] = castellans.apps;
  if (app === undefined) throw new TypeError('three were started');
  return app;
}

interface Held {
  readonly roles: readonly unknown[];
  readonly permissions?: readonly unknown[];
}

/** The statements about users that one question costs, of an instance that knows them, and whom it answers with. */
async function costOf(query: string, variables: object): Promise<{ names: readonly string[]; held: readonly Held[] }> {
  await ask(query, variables);
  const statements = recordStatements([first()]);
  const { data, errors } = await ask<{
    users?: { edges: readonly { node: Held }[] };
    them?: readonly Held[];
  }>(query, variables);
  statements.stop();
  expect(errors).toEqual([]);
  const names = statements.names.filter((name) => /user|role|grant|principal|session|scope/.test(name)).toSorted();
  return { names, held: data?.them ?? data?.users?.edges.map(({ node }) => node) ?? [] };
}

describe('a page of users', () => {
  test.each([
    ['roles', ROLES, ['grant-of-principals', 'user-page-0']],
    ['roles and permissions', PERMISSIONS, ['grant-of-principals', 'role-hierarchy', 'user-page-0']],
  ])('with their %s costs as many statements at 10, 50 and 100', async (_, fields, expected) => {
    for (const count of [10, 50, 100]) {
      const { names, held } = await costOf(page(fields), { first: count });
      expect({ count, names }).toEqual({ count, names: expected });
      expect(held).toHaveLength(count);
      expect(held.filter(({ roles }) => roles.length === 2).length).toBeGreaterThan(count / 2);
    }
  });
});

describe('users as entities', () => {
  test.each([
    ['roles', ROLES, 500, ['grant-of-principals']],
    ['permissions', 'roles { id } permissions { action subject }', 500, ['grant-of-principals', 'role-hierarchy']],
  ])('with their %s cost as many statements at 10, 100 and more', async (_, fields, most, expected) => {
    for (const count of [10, 100, most]) {
      const of = ids.slice(0, count).map((id) => ({ __typename: 'User', id }));
      const { names, held } = await costOf(entities(fields), { of });
      expect({ count, names }).toEqual({ count, names: expected });
      expect(held.filter(({ roles }) => roles.length === 2)).toHaveLength(count);
    }
  });
});

describe('users with more than they were taken for', () => {
  const GRANTS = `query ($first: Int!) { users(first: $first) { edges { node { grants { id } } } } }`;

  test('are answered up to what a document may cost, and refused beyond that', async () => {
    const paths = Array.from({ length: 60 }, (_, n) => `far/place${n}`);
    await castellans.addScopes(...paths);
    await castellans.rows(
      `insert into grants (id, principal_id, role_id, scope_id, granted_by, created_at)
       select 'grant_' || substr(md5(u.id || s.id), 1, 26), u.id, r.id, s.id, 'system', now()
       from (select id from users where id = any($1)) u, scopes s, roles r where s.path = any($2) and r.name = 'auditor'`,
      ids,
      paths,
    );
    const few = await ask<{ users: { edges: readonly { node: { grants: readonly unknown[] } }[] } }>(GRANTS, {
      first: 50,
    });
    expect(few.errors).toEqual([]);
    expect(few.data?.users.edges.filter(({ node }) => node.grants.length === 62).length).toBeGreaterThan(25);
    const many = await ask(GRANTS, { first: 100 });
    expect(many.errors.length).toBeGreaterThan(0);
    for (const { extensions, path } of many.errors) {
      expect({ ...extensions, value: null }).toEqual({
        code: 'BAD_USER_INPUT',
        limit: 'cost',
        max: 5_000,
        value: null,
      });
      expect(path).toEqual(['users', 'edges', expect.any(Number), 'node', 'grants']);
    }
  });
});

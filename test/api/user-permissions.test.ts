import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { App } from '../../src/app.ts';
import { askingOn, onEveryInstance } from '../support/asking.ts';
import {
  type Castellans,
  codesOf,
  recordStatements,
  type SignedInUser,
  startCastellans,
} from '../support/castellan.ts';
import { addGrant, addUser, endGrant, revokeGrant } from '../support/people.ts';
import { LIMITS, type Limits } from '../../src/kit/limits.ts';

const WHY = `query ($id: ID!) {
  user(id: $id) {
    permissions {
      action subject effect fields conditions { attribute operator expected } reason rule
      sources { path scope grant { id role { name } scope grantedBy createdAt expiresAt } }
    }
  }
}`;

interface Permission {
  readonly action: string;
  readonly subject: string;
  readonly effect: string;
  readonly fields: readonly string[] | null;
  readonly conditions: readonly object[];
  readonly rule: string;
  readonly sources: readonly {
    readonly path: readonly string[];
    readonly scope: string | null;
    readonly grant: { readonly id: string };
  }[];
}

/** A hundred users, each with all permissions and where they come from, are more than one question may cost by default. */
const DEAR: Limits = { ...LIMITS, documents: { ...LIMITS.documents, cost: 10_000 } };

let castellans: Castellans;
let alice: SignedInUser;
let bob: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(3, { settings: { limits: DEAR } });
  [alice, bob] = [await castellans.signUp('alice', ['administrator']), await castellans.signUp('bob')];
}, 40_000);

afterAll(() => castellans?.close());

const { ask, done } = askingOn(
  () => castellans,
  () => alice,
);
const first = (): App => {
  const [app] = castellans.apps;
  if (app === undefined) throw new TypeError('three were started');
  return app;
};
const someone = (name: string, roles: readonly string[] = []) =>
  addUser(first(), { email: `${name}@example.com`, name, roles });
const permissionsOf = async (id: string, instance = 0): Promise<readonly Permission[]> =>
  (await done<{ permissions: readonly Permission[] }>(WHY, { id }, { instance })).permissions;
const disabling = (permissions: readonly Permission[], effect = 'allow') =>
  permissions.filter((each) => each.action === 'disable' && each.subject === 'User' && each.effect === effect);
const pathsOf = (permissions: readonly Permission[]) =>
  permissions.flatMap(({ sources }) => sources.map(({ path }) => path));

async function makeRole(name: string, ...inherits: readonly string[]): Promise<void> {
  const ids = await Promise.all(
    inherits.map(
      async (each) =>
        (await done<{ id: string }>('query ($name: String!) { role(name: $name) { id } }', { name: each })).id,
    ),
  );
  await done('mutation ($input: CreateRoleInput!) { createRole(input: $input) { position } }', {
    input: { name, inherits: ids },
  });
}

describe('a permission says where it comes from', () => {
  test('the granted role, the custom roles it is made of, what those inherit; by whom, when and until when', async () => {
    await makeRole('desk', 'support');
    await makeRole('floor', 'desk');
    const id = await someone('sam');
    const expiresAt = '2099-01-01T00:00:00.000Z';
    const grantId = await addGrant(first(), { principalId: id, role: 'floor', scope: 'acme', expiresAt });
    for (const permissions of await onEveryInstance((instance) => permissionsOf(id, instance))) {
      const [allowed, ...others] = disabling(permissions);
      expect(others).toEqual([]);
      expect(allowed).toEqual({
        action: 'disable',
        subject: 'User',
        effect: 'allow',
        fields: null,
        conditions: [],
        reason: null,
        rule: expect.stringMatching(/^policies\/users\.yaml:\d+$/),
        sources: [
          {
            path: ['floor', 'desk', 'support'],
            scope: 'acme',
            grant: {
              id: grantId,
              role: { name: 'floor' },
              scope: 'acme',
              grantedBy: 'system',
              createdAt: expect.any(String),
              expiresAt,
            },
          },
        ],
      });
      // What a role inherits in files is the end of the way.
      const own = permissions.find((each) => each.action === 'update' && each.subject === 'User');
      expect(own).toMatchObject({
        fields: ['name'],
        conditions: [{ attribute: 'id', operator: 'eq', expected: '${principal.id}' }],
        // One's own record is one's own wherever the role was granted.
        sources: [{ path: ['floor', 'desk', 'support', 'member'], scope: null }],
      });
    }
  });

  test('every grant that brings it, and what is denied with its reason', async () => {
    const id = await someone('dora', ['support']);
    await addGrant(first(), { principalId: id, role: 'support', scope: 'acme' });
    await makeRole('second-desk', 'support');
    await addGrant(first(), { principalId: id, role: 'second-desk' });
    const permissions = await permissionsOf(id);
    const [allowed] = disabling(permissions);
    expect(allowed?.sources.map(({ path, scope }) => [path.join(' > '), scope])).toEqual([
      ['support', null],
      ['support', 'acme'],
      ['second-desk > support', null],
    ]);
    expect(disabling(permissions, 'deny')).toEqual([
      expect.objectContaining({
        reason: 'Administrators are disabled by administrators only.',
        conditions: [{ attribute: 'roles', operator: 'all', expected: ['administrator'] }],
      }),
    ]);
  });

  test('and that is no grant in a scope where only one for everywhere counts', async () => {
    const id = await someone('keith');
    await addGrant(first(), { principalId: id, role: 'administrator', scope: 'acme' });
    const about = (permissions: readonly Permission[]) =>
      permissions.filter(({ subject }) => subject === 'Policy').map(({ action }) => action);
    expect(about(await permissionsOf(id))).toEqual(['read']);
    expect(about(await permissionsOf(alice.id))).toEqual(['apply', 'read']);
  });

  test('and is what decides: whoever has none of an action on a type may not do it to any', async () => {
    const id = await someone('eve', ['auditor']);
    const permissions = await permissionsOf(id);
    const { engine, ability } = Object((await first().services.standings.ofMany([id])).get(id));
    const rules = (
      engine as { plainRules(of: unknown): readonly { action: string[]; subject: string[]; inverted: boolean }[] }
    ).plainRules(ability);
    const compiled = rules.flatMap(({ action, subject, inverted }) =>
      action.flatMap((each) => subject.map((type) => `${inverted ? 'deny' : 'allow'} ${each} ${type}`)),
    );
    const told = permissions.map(({ effect, action, subject }) => `${effect} ${action} ${subject}`);
    expect(told.toSorted()).toEqual(compiled.toSorted());
    expect(told.length).toBeGreaterThan(3);
  });
});

test('a grant that was revoked or has ended brings nothing, and one in a suspended scope what it denies, on any instance', async () => {
  const id = await someone('carl');
  const revoked = await addGrant(first(), { principalId: id, role: 'support' });
  const ended = await addGrant(first(), {
    principalId: id,
    role: 'support',
    scope: 'ended',
    expiresAt: '2099-01-01T00:00:00.000Z',
  });
  await addGrant(first(), { principalId: id, role: 'support', scope: 'asleep' });
  expect(pathsOf(disabling(await permissionsOf(id)))).toHaveLength(3);
  await endGrant(first(), ended, new Date(Date.now() - 1_000).toISOString());
  await revokeGrant(first(), revoked);
  const { id: scopeId } = await done<{ id: string }>('query { scope(path: "asleep") { id } }', {});
  await done('mutation ($id: ID!) { suspendScope(id: $id) { position } }', { id: scopeId });
  for (const left of await onEveryInstance((instance) => permissionsOf(id, instance))) {
    expect([...new Set(left.map(({ effect }) => effect))]).toEqual(['deny']);
    expect([...new Set(pathsOf(left).map(String))]).toEqual(['support']);
  }
});

describe('who may read it', () => {
  test('everybody their own, and nobody what somebody else may do whose roles they may not read', async () => {
    const own = await ask<{ user: { permissions: readonly Permission[] } }>(WHY, { id: bob.id }, { by: bob });
    expect(own.errors).toEqual([]);
    expect(own.data?.user.permissions.length).toBeGreaterThan(3);
    const others = await ask<{ user: null }>(WHY, { id: alice.id }, { by: bob });
    expect(others).toMatchObject({ data: { user: null }, errors: [] });
    const entity = 'query ($of: [_Any!]!) { _entities(representations: $of) { ... on User { permissions { rule } } } }';
    const asEntity = await ask(entity, { of: [{ __typename: 'User', id: alice.id }] }, { by: bob });
    expect(asEntity.data).toEqual({ _entities: [null] });
    expect(codesOf(await ask(WHY, { id: alice.id }, { by: null }))).toEqual([]);
  });
});

test('a page of a hundred users with their permissions costs as many statements as one of ten', async () => {
  for (let n = 0; n < 100; n += 1) await someone(`crowd.${n}`, ['member', 'support']);
  const query = `query ($first: Int!) { users(first: $first) { edges { node {
    permissions { action subject sources { path grant { role { name } } } }
  } } } }`;
  const costOf = async (count: number) => {
    const statements = recordStatements([first()]);
    const { data, errors } = await ask<{ users: { edges: readonly { node: { permissions: readonly unknown[] } }[] } }>(
      query,
      { first: count },
    );
    statements.stop();
    expect(errors).toEqual([]);
    expect(data?.users.edges.filter(({ node }) => node.permissions.length > 0).length).toBeGreaterThan(count / 2);
    return statements.names.filter((name) => /user|role|grant|session|snapshot|bundle/.test(name)).toSorted();
  };
  expect(await costOf(100)).toEqual(['grant-of-principals', 'role-hierarchy', 'snapshot-principals', 'user-page-0']);
  expect(await costOf(10)).toEqual(['grant-of-principals', 'role-hierarchy', 'user-page-0']);
});

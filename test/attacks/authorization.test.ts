import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readSchemaText } from '../../src/api/graphql/sdl.ts';
import { LIMITS } from '../../src/kit/limits.ts';
import { type Answer, codesOf, recordStatements, type SignedInUser, startCastellans } from '../support/castellan.ts';
import { takesMutations } from './doors.ts';
import { openTenants, type Tenants } from './tenants.ts';

const NO_INTROSPECTION = { ...LIMITS, documents: { ...LIMITS.documents, introspection: false } };
const NO_USER = `user_${'0'.repeat(26)}`;
const NO_SESSION = `sess_${'0'.repeat(26)}`;
const NO_GRANT = `grant_${'0'.repeat(26)}`;

let tenants: Tenants;

beforeAll(async () => {
  tenants = await openTenants();
}, 40_000);

afterAll(() => tenants?.castellans.close());

/** The answer with ids that were asked about taken out of its texts. */
const without = (answer: unknown, ...ids: readonly string[]): string =>
  ids.reduce((text, id) => text.replaceAll(id, '…'), JSON.stringify(answer));

describe('AC-50: what belongs to somebody else', () => {
  test('answers to its id as what nobody has, on every instance and through every door', async () => {
    const { doors, bob, mallory } = tenants;
    const queries = [
      ['query ($id: ID!) { user(id: $id) { id email } }', { user: null }, bob.id, NO_USER],
      ['query ($id: ID!) { session(id: $id) { id userAgent } }', { session: null }, bob.sessionId, NO_SESSION],
    ] as const;
    for (const door of doors) {
      for (const [query, data, hidden, missing] of queries) {
        const nothing = { door: door.name, data, codes: [], messages: [] };
        for (const id of [hidden, missing]) {
          expect({ door: door.name, ...(await door.ask(query, { id }, mallory.accessToken)) }).toEqual(nothing);
          expect({ door: door.name, ...(await door.ask(query, { id })) }).toEqual(nothing);
        }
        expect((await door.ask(query, { id: hidden }, bob.accessToken)).data).not.toEqual(data);
      }
    }
  });

  test('is changed by no mutation that names it, and the refusal does not tell that it is there', async () => {
    const { castellans, doors, bob, mallory, grantId, memberRoleId } = tenants;
    const mutations = [
      ['mutation ($id: ID!) { disableUser(id: $id) { user { id } } }', bob.id, NO_USER],
      ['mutation ($id: ID!) { revokeSession(id: $id) { session { id } } }', bob.sessionId, NO_SESSION],
      ['mutation ($id: ID!) { revokeRole(grantId: $id) { grant { id } } }', grantId, NO_GRANT],
      [
        `mutation ($id: ID!) { grantRole(principalId: $id, roleId: "${memberRoleId}") { grant { id } } }`,
        bob.id,
        NO_USER,
      ],
    ] as const;
    const before = await castellans.recorded();
    for (const door of doors) {
      for (const [mutation, hidden, missing] of mutations) {
        const refused = await door.ask(mutation, { id: hidden }, mallory.accessToken);
        expect(refused.data).toBeNull();
        const codes = takesMutations(door) ? ['NOT_FOUND'] : expect.not.arrayContaining(['NOT_FOUND']);
        expect({ door: door.name, mutation, codes: refused.codes }).toEqual({ door: door.name, mutation, codes });
        expect(refused.codes).toHaveLength(1);
        const absent = await door.ask(mutation, { id: missing }, mallory.accessToken);
        expect(without(refused, hidden)).toBe(without(absent, missing));
      }
    }
    expect(await castellans.recorded()).toEqual(before);
  });

  test('is in no list of another tenant: not by a filter, nor by the cursor of one who sees it', async () => {
    const { doors, ada, gus, bob, mallory } = tenants;
    const list = `query ($after: String, $filter: UserFilter) {
      users(first: 1, after: $after, filter: $filter) { edges { cursor node { id } } pageInfo { hasNextPage } }
    }`;
    type Page = {
      users: { edges: { cursor: string; node: { id: string } }[]; pageInfo: { hasNextPage: boolean } };
    };
    for (const door of doors) {
      const pages = async (who: SignedInUser, from: string | null) => {
        const found: { cursor: string; id: string }[] = [];
        for (let after: string | null = from, more = true; more;) {
          const { data } = await door.ask<Page>(list, { after }, who.accessToken);
          for (const { cursor, node } of data?.users.edges ?? []) {
            found.push({ cursor, id: node.id });
            after = cursor;
          }
          more = data?.users.pageInfo.hasNextPage === true;
        }
        return found;
      };
      const acme = await pages(ada, null);
      expect(acme.map(({ id }) => id).toSorted()).toEqual([ada.id, bob.id].toSorted());
      const globex = (await pages(gus, null)).map(({ id }) => id);
      expect(globex.toSorted()).toEqual([gus.id, mallory.id].toSorted());
      for (const { cursor, id } of acme) {
        const behind = (await pages(gus, cursor)).map((each) => each.id);
        expect({ door: door.name, behind }).toEqual({ door: door.name, behind: globex.filter((each) => each > id) });
      }
      for (const filter of [{ within: 'acme' }, { email: bob.email }]) {
        const { data, codes } = await door.ask<Page>(list, { filter }, gus.accessToken);
        expect({ door: door.name, codes, edges: data?.users.edges }).toEqual({ door: door.name, codes: [], edges: [] });
      }
    }
  });

  test('has no second way to it by an id of all types', () => {
    expect(readSchemaText()).not.toMatch(/\bnodes?\s*\(|interface Node\b/);
  });
});

const ENTITIES = `query ($representations: [_Any!]!) {
  them: _entities(representations: $representations) {
    __typename
    ... on User { id email name status scope createdAt roles { name } grants { scope } }
    ... on Role { id name description managed inherits { id } }
    ... on Scope { id name path state: status createdAt parent { id } }
    ... on ServiceAccount { id name accountStatus: status scope createdAt roles { name } grants { scope } }
    ... on ApiKey { id label: name prefix createdAt expiresAt owner { id } permissions }
    ... on Session { id createdAt expiresAt userAgent address user { id email } }
  }
}`;

const ORDINARY: Readonly<Record<string, string>> = {
  User: `query ($id: ID!) { it: user(id: $id) {
    __typename id email name status scope createdAt roles { name } grants { scope } } }`,
  Role: 'query ($id: ID!) { it: role(id: $id) { __typename id name description managed inherits { id } } }',
  Scope: 'query ($id: ID!) { it: scope(id: $id) { __typename id name path state: status createdAt parent { id } } }',
  ServiceAccount: `query ($id: ID!) { it: serviceAccount(id: $id) {
    __typename id name accountStatus: status scope createdAt roles { name } grants { scope } } }`,
  ApiKey: `query ($id: ID!) { it: apiKey(id: $id) {
    __typename id label: name prefix createdAt expiresAt owner { id } permissions } }`,
  Session: `query ($id: ID!) { it: session(id: $id) {
    __typename id createdAt expiresAt userAgent address user { id email } } }`,
};

/** Every record that there is an entity of: mine, somebody else's, and none. */
function representations(): readonly { readonly __typename: string; readonly id: string }[] {
  const { bob, mallory, gus, memberRoleId, scopeIds, serviceAccountId, apiKeyIds } = tenants;
  return [
    ...[bob, mallory, gus].flatMap(({ id, sessionId }) => [
      { __typename: 'User', id },
      { __typename: 'Session', id: sessionId },
    ]),
    { __typename: 'Role', id: memberRoleId },
    { __typename: 'ServiceAccount', id: serviceAccountId },
    { __typename: 'ServiceAccount', id: bob.id },
    ...apiKeyIds.map((id) => ({ __typename: 'ApiKey', id })),
    { __typename: 'User', id: serviceAccountId },
    ...scopeIds.map((id) => ({ __typename: 'Scope', id })),
    { __typename: 'Scope', id: bob.id },
    { __typename: 'User', id: NO_USER },
    { __typename: 'Session', id: NO_SESSION },
    { __typename: 'User', id: bob.sessionId },
    { __typename: 'Session', id: memberRoleId },
  ];
}

/** Everybody who may ask, nobody included. */
const callers = (): readonly (SignedInUser | null)[] => {
  const { alice, bob, mallory, ada, gus } = tenants;
  return [alice, bob, mallory, ada, gus, null];
};

describe('AC-52: _entities', () => {
  test('is asked about every type that has a key', () => {
    const keyed = [...readSchemaText().matchAll(/type (\w+)(?: implements \w+)? @key/g)].map(([, name = '']) => name);
    expect(keyed.toSorted()).toEqual(Object.keys(ORDINARY).toSorted());
  });

  test('gives the verdict of the ordinary field, on every instance and through every door', async () => {
    const { doors } = tenants;
    for (const caller of callers()) {
      const token = caller?.accessToken;
      const expected = await Promise.all(
        representations().map(async ({ __typename, id }) => {
          const { data } = await doors[0]!.ask<{ it: unknown }>(ORDINARY[__typename] ?? '', { id }, token);
          return data?.it;
        }),
      );
      for (const { name, ask } of doors) {
        const { data, codes } = await ask<{ them: unknown }>(ENTITIES, { representations: representations() }, token);
        expect({ name, codes, them: data?.them }).toEqual({ name, codes: [], them: expected });
      }
      expect(expected.some((each) => each !== null)).toBe(caller !== null);
    }
  });

  test('is as closed where introspection is off, as in production', async () => {
    const closed = await startCastellans(1, { settings: { limits: NO_INTROSPECTION } });
    try {
      const [bob, mallory] = [await closed.signUp('bob'), await closed.signUp('mallory')];
      const them = [
        { __typename: 'User', id: bob.id },
        { __typename: 'Session', id: bob.sessionId },
      ];
      const ask = (token?: string): Promise<Answer> =>
        closed.ask(ENTITIES, { variables: { representations: them }, ...(token !== undefined && { token }) });
      for (const token of [mallory.accessToken, undefined]) {
        expect(await ask(token)).toMatchObject({ data: { them: [null, null] }, errors: [] });
      }
      expect(await ask(bob.accessToken)).toMatchObject({ data: { them: [{ id: bob.id }, { id: bob.sessionId }] } });
      const introspection = await closed.ask('{ __schema { types { name } } }', { token: bob.accessToken });
      expect(introspection).toMatchObject({ status: 400, data: null });
    } finally {
      await closed.close();
    }
  });
});

test('AC-53: nothing in a representation but its key is believed, on any instance, through any door', async () => {
  const { doors, alice } = tenants;
  const claims = {
    email: 'x',
    isAdmin: true,
    tenantId: 'globex',
    ownerId: alice.id,
    userId: alice.id,
    scope: 'globex',
    scopes: ['globex'],
    status: 'disabled',
    roles: ['administrator'],
    grants: [{ role: { name: 'administrator' } }],
    name: 'administrator',
    managed: false,
    current: true,
    __caslSubjectType__: 'Role',
  };
  for (const caller of callers()) {
    const token = caller?.accessToken;
    const own = { userId: caller?.id ?? alice.id, ownerId: caller?.id ?? alice.id };
    for (const { name, ask } of doors) {
      const honest = await ask(ENTITIES, { representations: representations() }, token);
      const smuggled = representations().map((each) => ({ ...claims, ...own, ...each }));
      expect({ name, ...(await ask(ENTITIES, { representations: smuggled }, token)) }).toEqual({ name, ...honest });
    }
  }
});

describe('AC-91: who asks about somebody else’s rights', () => {
  const CAN = `query ($action: String!, $subject: String!, $id: ID, $field: String) {
    viewerCan(action: $action, subject: $subject, id: $id, field: $field) { allowed reason rule policyVersion }
  }`;
  const MANY =
    'query ($checks: [CheckInput!]!) { viewerCanMany(checks: $checks) { allowed reason rule policyVersion } }';
  const WHY = `query ($principalId: ID!, $action: String!, $subject: String!, $id: ID) {
    explain(principalId: $principalId, action: $action, subject: $subject, id: $id) { allowed reason rule { rule } }
  }`;

  const questions = (): readonly (readonly [object, string, string])[] => {
    const { bob } = tenants;
    return [
      ...['read', 'update', 'disable', 'delete', 'grant'].flatMap((action) =>
        [undefined, 'name', 'email'].map((field) => [{ action, subject: 'User', field }, bob.id, NO_USER] as const),
      ),
      ...['read', 'revoke'].map((action) => [{ action, subject: 'Session' }, bob.sessionId, NO_SESSION] as const),
    ];
  };

  test('gets the answer of what does not exist, on every instance and through every door', async () => {
    const { doors, mallory } = tenants;
    for (const { name, ask } of doors) {
      for (const [question, hidden, missing] of questions()) {
        const [about, absent] = [
          await ask(CAN, { ...question, id: hidden }, mallory.accessToken),
          await ask(CAN, { ...question, id: missing }, mallory.accessToken),
        ];
        expect({ name, ...about }).toEqual({ name, ...absent });
        expect(about).toMatchObject({ data: { viewerCan: { allowed: false, rule: null } }, codes: [] });
      }
      const checks = (at: 1 | 2) => questions().map((each) => ({ ...each[0], id: each[at] }));
      const many = await ask(MANY, { checks: checks(1) }, mallory.accessToken);
      expect({ name, ...many }).toEqual({ name, ...(await ask(MANY, { checks: checks(2) }, mallory.accessToken)) });
    }
  });

  test('is told nothing of them by an explanation, whether or not they exist', async () => {
    const { doors, mallory, bob } = tenants;
    for (const { name, ask } of doors) {
      const question = { action: 'read', subject: 'User' };
      const explain = (principalId: string, id: string) =>
        ask(WHY, { ...question, principalId, id }, mallory.accessToken);
      const about = await explain(bob.id, mallory.id);
      expect({ name, ...about }).toMatchObject({ name, data: null, codes: ['FORBIDDEN'] });
      expect(without(about, bob.id)).toBe(without(await explain(NO_USER, mallory.id), NO_USER));
      const hidden = await explain(mallory.id, bob.id);
      expect({ name, ...hidden }).toMatchObject({ name, data: null, codes: ['NOT_FOUND'] });
      expect(without(hidden, bob.id)).toBe(without(await explain(mallory.id, NO_USER), NO_USER));
    }
  });

  test('has no name to ask by: the rules that are given out are one’s own', () => {
    expect(readSchemaText()).toMatch(/^ {2}viewerAbility: AbilityRules!$/m);
    expect(readSchemaText()).toMatch(/^ {2}permissionsChanged\(after: String\): PermissionsEvent!$/m);
    expect(readSchemaText()).not.toMatch(/viewerCan\w*\([^)]*(principal|user|for)\w*:/i);
  });

  test('costs the same work as asking about what does not exist, so that its time tells nothing either', async () => {
    const { castellans, mallory } = tenants;
    const [app] = castellans.apps;
    if (app === undefined) throw new TypeError('three were started');
    const work = async (variables: object) => {
      const statements = recordStatements([app]);
      const answer = await castellans.ask(CAN, { variables, token: mallory.accessToken });
      statements.stop();
      expect(codesOf(answer)).toEqual([]);
      return statements.names.filter((name) => /user|role|grant|session|snapshot/.test(name));
    };
    for (const [question, hidden, missing] of questions()) {
      const about = await work({ ...question, id: hidden });
      expect(about).toEqual(await work({ ...question, id: missing }));
      expect(about).toHaveLength(1);
    }
  });
});

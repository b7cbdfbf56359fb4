import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Answer, type Castellans, codesOf, type SignedInUser, startCastellans } from '../support/castellan.ts';

const USER = 'id email name status scope createdAt roles { name } grants { role { id } scope grantedBy }';
const ROLE = 'id name description managed';
const SESSION = 'id createdAt expiresAt revokedAt revokedReason userAgent address current user { id email }';

const ENTITIES = `query ($representations: [_Any!]!) {
  entities: _entities(representations: $representations) {
    __typename ... on User { ${USER} } ... on Role { ${ROLE} } ... on Session { ${SESSION} }
  }
}`;

type Entities = { readonly entities: readonly unknown[] };

let castellans: Castellans;
let alice: SignedInUser;
let bob: SignedInUser;
let mallory: SignedInUser;
let roleId: string;

beforeAll(async () => {
  castellans = await startCastellans(1);
  [alice, bob, mallory] = [
    await castellans.signUp('alice', ['administrator']),
    await castellans.signUp('bob'),
    await castellans.signUp('mallory'),
  ];
  const [role] = await castellans.rows<{ id: string }>(`select id from roles where name = 'member'`);
  roleId = role?.id ?? '';
});

afterAll(() => castellans?.close());

function tokenOf(who: string): string | undefined {
  return { alice, bob, mallory }[who]?.accessToken;
}

function idOf(what: string): string {
  return { User: bob.id, Role: roleId, Session: bob.sessionId }[what] ?? '';
}

function entities(who: string, representations: readonly unknown[]): Promise<Answer<Entities>> {
  const token = tokenOf(who);
  return castellans.ask<Entities>(ENTITIES, { variables: { representations }, ...(token !== undefined && { token }) });
}

describe('_entities gives the verdict of the ordinary field', () => {
  test.each([
    ['User', 'alice', true],
    ['User', 'bob', true],
    ['User', 'mallory', false],
    ['User', 'nobody', false],
    ['Role', 'alice', true],
    ['Role', 'bob', true],
    ['Role', 'mallory', true],
    ['Role', 'nobody', false],
    ['Session', 'alice', true],
    ['Session', 'bob', true],
    ['Session', 'mallory', false],
    ['Session', 'nobody', false],
  ] as const)('of a %s to %s: %p', async (typename, who, readable) => {
    const [field, selection] = { User: ['user', USER], Role: ['role', ROLE], Session: ['session', SESSION] }[typename];
    const query = `query ($id: ID!) { it: ${field}(id: $id) { __typename ${selection} } }`;
    const [id, token] = [idOf(typename), tokenOf(who)];
    const ordinary = await castellans.ask<{ it: unknown }>(query, {
      variables: { id },
      ...(token !== undefined && { token }),
    });
    const entity = await entities(who, [{ __typename: typename, id }]);
    expect(entity.data?.entities).toEqual([ordinary.data?.it]);
    expect(codesOf(entity)).toEqual(codesOf(ordinary));
    expect(entity.data?.entities).toEqual([readable ? expect.objectContaining({ __typename: typename, id }) : null]);
  });

  test('what does not exist answers as what one may not read', async () => {
    const [missing, forbidden] = [
      await entities('mallory', [
        { __typename: 'User', id: `user_${'0'.repeat(26)}` },
        { __typename: 'Session', id: `sess_${'0'.repeat(26)}` },
      ]),
      await entities('mallory', [
        { __typename: 'User', id: bob.id },
        { __typename: 'Session', id: bob.sessionId },
      ]),
    ];
    expect({ ...missing, headers: null }).toEqual({ ...forbidden, headers: null });
    expect(missing).toMatchObject({ status: 200, data: { entities: [null, null] }, errors: [] });
  });

  test('each of several at once, in their order', async () => {
    const representations = ['Session', 'User', 'Role', 'User'].map((__typename) => ({
      __typename,
      id: idOf(__typename),
    }));
    const { data } = await entities('mallory', representations);
    expect(data?.entities).toEqual([null, null, expect.objectContaining({ id: roleId }), null]);
    expect((await entities('bob', representations)).data?.entities).toEqual(
      representations.map((representation) => expect.objectContaining(representation)),
    );
  });

  test('a revoked session is refused here as everywhere', async () => {
    const { accessToken, sessionId } = await castellans.signIn(bob.email);
    const ask = () =>
      castellans.ask(ENTITIES, {
        variables: { representations: [{ __typename: 'User', id: bob.id }] },
        token: accessToken,
      });
    expect(await ask()).toMatchObject({ data: { entities: [{ id: bob.id }] } });
    await castellans.ask('mutation ($id: ID!) { revokeSession(id: $id) { position } }', {
      variables: { id: sessionId },
      token: alice.accessToken,
    });
    const refused = await ask();
    expect(refused).toMatchObject({ status: 401, data: null });
    expect(codesOf(refused)).toEqual(['SESSION_REVOKED']);
  });
});

describe('AC-53: nothing in a representation but its key counts', () => {
  const SMUGGLED = {
    email: 'mallory@example.com',
    name: 'Mallory',
    status: 'active',
    scope: 'mine',
    scopes: ['mine'],
    tenantId: 'mine',
    isAdmin: true,
    managed: false,
    roles: ['administrator'],
    grants: [{ role: { name: 'administrator' } }],
    current: true,
    revokedAt: null,
    __caslSubjectType__: 'Role',
  };

  test.each(['User', 'Role', 'Session'])('of a %s', async (__typename) => {
    const key = { __typename, id: idOf(__typename) };
    for (const who of ['alice', 'bob', 'mallory', 'nobody']) {
      const claims = { ...SMUGGLED, userId: { mallory: mallory.id }[who] ?? alice.id };
      const honest = await entities(who, [key]);
      const smuggled = await entities(who, [{ ...key, ...claims }]);
      expect(smuggled.data).toEqual(honest.data);
      expect(codesOf(smuggled)).toEqual(codesOf(honest));
    }
  });
});

describe('a representation that is none', () => {
  const id = `user_${'0'.repeat(26)}`;

  test.each([
    ['of an unknown type', { __typename: 'Vault', id }],
    ['of a type that is no entity', { __typename: 'Grant', id }],
    ['of the type of all queries', { __typename: 'Query', id }],
    ['of a type called __proto__', { __typename: '__proto__', id }],
    ['of a type called constructor', { __typename: 'constructor', id }],
    ['of a scalar', { __typename: 'DateTime', id }],
    ['whose type is no text', { __typename: { toString: 'User' }, id }],
    ['without a type', { id }],
    ['without an id', { __typename: 'User' }],
    ['whose id is null', { __typename: 'User', id: null }],
    ['whose id is a boolean', { __typename: 'User', id: true }],
    ['whose id is an object', { __typename: 'User', id: { $ne: null } }],
    ['whose id is a list', { __typename: 'Session', id: [id] }],
    ['whose id has U+0000 in it', { __typename: 'Role', id: 'role_\0' }],
    ['with a __proto__ that has an id', JSON.parse(`{"__typename":"User","__proto__":{"id":"${id}"}}`) as object],
    ['that is a text', 'User'],
    ['that is a number', 7],
    ['that is a list', [{ __typename: 'User', id }]],
    ['that is null', null],
  ])('is an error of the caller: one %s', async (_, representation) => {
    const answer = await entities('alice', [representation]);
    expect(answer.status).toBeLessThan(500);
    expect(answer.errors.length).toBeGreaterThan(0);
    expect(new Set(codesOf(answer))).toEqual(new Set(['BAD_USER_INPUT']));
    expect(answer.data?.entities ?? [null]).toEqual([null]);
    expect(JSON.stringify(answer.errors)).not.toMatch(/stack|node_modules|\.ts\b|\\n\s*at /);
  });

  test('has the whole list refused: no gateway sends one', async () => {
    const representations = [{ __typename: 'User', id: bob.id }, { __typename: 'User' }];
    const answer = await entities('alice', representations);
    expect(answer).toMatchObject({ data: null, errors: [{ extensions: { field: 'representations' } }] });
  });

  test('an id that is a number is the text of it', async () => {
    const answer = await entities('alice', [{ __typename: 'User', id: 7 }]);
    expect(answer).toMatchObject({ status: 200, data: { entities: [null] }, errors: [] });
  });
});

test('a hundred representations of one type cause one statement', async () => {
  const [app] = castellans.apps;
  if (app === undefined) throw new TypeError('one was started');
  const { pool } = app.database;
  const query = `query ($representations: [_Any!]!) {
    entities: _entities(representations: $representations) { ... on User { id name } ... on Session { id } }
  }`;
  const users = await castellans.rows<{ id: string }>('select id from users');
  const ids = [...users.map((user) => user.id), ...Array.from({ length: 100 }, (_, n) => `user_${n}`)].slice(0, 100);
  const statements: string[] = [];
  const run = pool.query.bind(pool);
  Object.assign(pool, {
    query: (...args: Parameters<typeof run>) => {
      const [statement] = args as unknown as readonly [string | { text: string }];
      statements.push(typeof statement === 'string' ? statement : statement.text);
      return run(...args);
    },
  });
  try {
    const { data } = await castellans.ask<Entities>(query, {
      variables: { representations: ids.map((each) => ({ __typename: 'User', id: each })) },
      token: alice.accessToken,
    });
    expect(data?.entities).toEqual(
      ids.map((each, n) => (n < users.length ? expect.objectContaining({ id: each }) : null)),
    );
  } finally {
    Object.assign(pool, { query: run });
  }
  // The tail of the log goes on meanwhile.
  expect(statements.filter((statement) => /\busers\b/.test(statement))).toHaveLength(1);
});

import { describe, expect, test } from '@jest/globals';
import { Documents } from '../../src/api/graphql/documents.ts';
import { limitsFor } from '../../src/api/graphql/limits.ts';
import { createSchema } from '../../src/api/graphql/schema.ts';
import { readSchemaText, withoutAuth } from '../../src/api/graphql/sdl.ts';
import { ConfigError, readConfig } from '../../src/config.ts';
import { type DocumentLimits, LIMITS } from '../../src/kit/limits.ts';

const documents = new Documents(createSchema());
const times = (count: number, part: (n: number) => string): string =>
  Array.from({ length: count }, (_, n) => part(n)).join(' ');

/** The data of the refusal, or null where it is none. */
function refused(query: string, variables: Record<string, unknown> = {}, limits: DocumentLimits = LIMITS.documents) {
  const operation = documents.operation({ query, variables }, limits);
  if ('document' in operation) return null;
  const { data } = (operation[0]?.originalError ?? {}) as { data?: object };
  return data ?? operation[0]?.message;
}

const PAGE = 'query ($n: Int! = 7) { users(first: $n) { edges { node { roles { inherits { id } } } } } }';
/** A connection and, for each user, an edge, the user, and five roles with five more each. */
const pageCost = (n: number): number => 1 + n * (1 + 1 + 5 * (1 + 5));

describe('a limit', () => {
  test.each([
    ['depth', 12, (n: number) => `{ me { roles { ${'inherits { '.repeat(n - 3)}id${' }'.repeat(n - 3)} } } }`],
    ['aliases', 30, (n: number) => `{ me { ${times(n, (each) => `a${each}: id`)} } }`],
    ['rootFields', 20, (n: number) => `{ ${times(n, () => 'me { id }')} }`],
    [
      'directives',
      50,
      (n: number) => `{ me { ${times(n - 1, () => '... @include(if: true) { id }')} name @skip(if: false) } }`,
    ],
    ['definitions', 100, (n: number) => times(n, (each) => `query Q${each} { me { id } }`)],
    ['tokens', 5_000, (n: number) => `{ ${'! '.repeat(n - 1)}`],
    ['nesting', 200, (n: number) => `{ me(a: ${'['.repeat(n - 2)}${']'.repeat(n - 2)}) { id } }`],
    [
      'repeats',
      2_000,
      (n: number) => (n === 2_000 ? `{ me { ${'id '.repeat(63)} } }` : `{ me { ${'id '.repeat(64)} } }`),
    ],
    ['fields', 2_500, (n: number) => `{ me { ${times(n - 1, (each) => `f${each}`)} } }`],
  ])('of %s allows %d and no more', (limit, max, document) => {
    const over = (data: unknown): unknown => Object(data)['limit'] ?? null;
    expect(over(refused(document(max)))).not.toBe(limit);
    expect(refused(document(max + 1))).toEqual({ limit, max, value: limit === 'repeats' ? (64 * 63) / 2 : max + 1 });
  });

  test('of cost counts the objects of every list, with its length from the text, a variable or its default', () => {
    const tight = (cost: number): DocumentLimits => ({ ...LIMITS.documents, cost });
    for (const n of [0, 1, 10, 100]) {
      const cost = pageCost(n);
      expect(refused(PAGE, { n }, tight(cost))).toBeNull();
      expect(refused(PAGE, { n }, tight(cost - 1))).toEqual({ limit: 'cost', max: cost - 1, value: cost });
      expect(refused(PAGE.replace('$n)', `${n})`).replace('($n: Int! = 7)', ''), {}, tight(cost - 1))).toMatchObject({
        value: cost,
      });
    }
    expect(refused(PAGE, {}, tight(1))).toMatchObject({ value: pageCost(7) });
    // What is no length is refused by whoever makes the page, and counts as the longest until then.
    for (const n of [-1, 101, 1e9, '5', null, {}]) {
      expect(refused(PAGE, { n }, tight(1))).toMatchObject({ value: pageCost(100) });
    }
    expect(refused('mutation { signOut { position } }', {}, tight(10))).toMatchObject({ value: 11 });
  });

  test('of cost takes the permissions of a user for thirty, and for a tenth of a record each', () => {
    const ofUser = (fields: string, count: number): string =>
      `{ users(first: ${count}) { edges { node { roles { name } permissions { action subject ${fields} } } } } }`;
    const tight: DocumentLimits = { ...LIMITS.documents, cost: 1 };
    const costs = [
      '',
      'conditions { operator }',
      'conditions { operator } sources { path grant { id role { name } } }',
    ];
    expect(costs.map((fields) => refused(ofUser(fields, 100), {}, tight))).toEqual([
      { limit: 'cost', max: 1, value: 1 + 100 * (2 + 5 + 3) },
      { limit: 'cost', max: 1, value: 1 + 100 * (2 + 5 + 3 + 6) },
      { limit: 'cost', max: 1, value: 1 + 100 * (2 + 5 + 3 + 6 + 18) },
    ]);
    for (const fields of costs) expect(refused(ofUser(fields, 100))).toBeNull();
    const them = { them: Array.from({ length: 500 }, () => ({ __typename: 'User', id: 'user_1' })) };
    const entities = (fields: string): string =>
      `query ($them: [_Any!]!) { _entities(representations: $them) { ... on User { ${fields} } } }`;
    expect(refused(entities('roles { name } permissions { action subject effect }'), them)).toBeNull();
    // What is read for each is no tenth.
    const roles = 'permissions { sources { grant { role { ancestors { id } } } } }';
    expect(refused(entities(roles), them)).toMatchObject({ limit: 'cost' });
    expect(refused(`{ users(first: 100) { edges { node { ${roles} } } } }`)).toMatchObject({ limit: 'cost' });
  });

  test('of representations counts them all, wherever they are written', () => {
    const one = '{ __typename: "User", id: "1" }';
    const query = `query ($them: [_Any!]!) {
      a: _entities(representations: $them) { __typename } b: _entities(representations: [${one} ${one}]) { __typename }
      c: _entities(representations: ${one}) { __typename } }`;
    const them = (n: number) => ({ them: Array.from({ length: n }, () => ({})) });
    expect(refused(query, them(497))).toBeNull();
    expect(refused(query, them(498))).toEqual({ limit: 'representations', max: 500, value: 501 });
  });

  test('counts nothing of introspection but its text', () => {
    const type = times(1, () => 'ofType { '.repeat(9) + 'name' + ' }'.repeat(9));
    expect(refused(`{ __schema { types { fields { args { type { ${type} } } type { ${type} } } } } }`)).toBeNull();
  });
});

describe('a gateway that is trusted', () => {
  const query = `{ me { ${times(31, (n) => `a${n}: id`)} } }`;

  test('may ask for more, and what it asked for is still refused to others', () => {
    const services = { limits: LIMITS };
    expect(refused(query)).toMatchObject({ limit: 'aliases' });
    expect(refused(query, {}, limitsFor({ byGateway: true, services }))).toBeNull();
    expect(refused(query, {}, limitsFor({ byGateway: false, services }))).toEqual({
      limit: 'aliases',
      max: 30,
      value: 31,
    });
  });

  test('sees the schema where others do not', () => {
    const { documents: open, gatewayDocuments } = readConfig({ INTROSPECTION: 'off' }).limits;
    for (const field of ['__schema { queryType { name } }', '_service { sdl }']) {
      expect(refused(`{ ${field} }`, {}, gatewayDocuments)).toBeNull();
      expect(refused(`{ ${field} }`, {}, open)).toMatch(/not shown/);
    }
  });
});

describe('the configuration', () => {
  test('changes the limits it names, and leaves the rest', () => {
    const { limits } = readConfig({
      LIMITS: ' depth=15, cost=8000 ',
      GATEWAY_LIMITS: 'aliases=900',
      SOCKETS_PER_USER: '3',
    });
    expect(limits.documents).toEqual({ ...LIMITS.documents, depth: 15, cost: 8_000 });
    expect(limits.gatewayDocuments).toEqual({ ...LIMITS.gatewayDocuments, aliases: 900 });
    expect(limits.sockets).toEqual({ ...LIMITS.sockets, perUser: 3 });
    for (const each of [limits, limits.documents, limits.gatewayDocuments, limits.sockets])
      expect(Object.isFrozen(each)).toBe(true);
  });

  test.each([
    'deep=1',
    'depth',
    'depth=',
    'depth=0',
    'depth=-1',
    'depth=1e9',
    'depth=1=2',
    '__proto__=1',
    'introspection=1',
  ])('is refused with LIMITS=%s', (text) => {
    expect(() => readConfig({ LIMITS: text })).toThrow(ConfigError);
    expect(() => readConfig({ GATEWAY_LIMITS: text })).toThrow(/GATEWAY_LIMITS/);
  });
});

test('the contract without what says who may ask is the same but for that', () => {
  const sdl = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@authenticated", { name: "@policy", as: "@may" }])
    type User @key(fields: "id") @authenticated { id: ID! email: String @requiresScopes(scopes: [["a"]]) @deprecated }`;
  const bare = withoutAuth(sdl);
  expect(bare).toContain('import: ["@key"]');
  expect(bare).toContain('type User @key(fields: "id") {');
  expect(bare).toContain('email: String @deprecated');
  expect(bare).not.toMatch(/authenticated|requiresScopes|policy/);
  expect(withoutAuth(withoutAuth(readSchemaText()))).toBe(withoutAuth(readSchemaText()));
});

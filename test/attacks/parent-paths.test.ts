import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  type GraphQLField,
  type GraphQLObjectType,
  getNamedType,
  isInterfaceType,
  isLeafType,
  isObjectType,
  isRequiredArgument,
  isUnionType,
} from 'graphql';
import { createSchema } from '../../src/api/graphql/schema.ts';
import { SYSTEM } from '../../src/domain/principals/principal.ts';
import { readPolicyFiles } from '../../src/drivers/files/policies.ts';
import { apiKeysOn } from '../support/api-keys.ts';
import {
  type Answer,
  type Castellans,
  MANY_ALIASES,
  type SignedInUser,
  startCastellans,
} from '../support/castellan.ts';
import { addGateway } from '../support/gateway-key.ts';
import { addGrant, addScopes } from '../support/people.ts';

/** AC-55, AC-56: a field of a record is answered the same whichever way it is asked for. The ways are made from the schema. */

const SCHEMA = createSchema();
const QUERY = SCHEMA.getQueryType()!;
const ENTITIES = Object.values(SCHEMA.getTypeMap())
  .filter(isObjectType)
  .filter(({ astNode }) => astNode?.directives?.some(({ name }) => name.value === 'key') === true);

/** Some fields of what it may read, so that records are refused in part. */
const EDITS: readonly (readonly [file: string, from: string, to: string])[] = [
  [
    'users.yaml',
    '- { action: [read, disable], subject: User }',
    '- { action: disable, subject: User }\n      - { action: read, subject: User, fields: [id, name, status, scope] }',
  ],
  [
    'sessions.yaml',
    '- { action: [read, revoke], subject: Session }',
    '- { action: revoke, subject: Session }\n      - { action: read, subject: Session, fields: [id, userId, scope, createdAt] }',
  ],
  [
    'api-keys.yaml',
    '- { action: [read, revoke], subject: ApiKey }',
    '- { action: revoke, subject: ApiKey }\n      - { action: read, subject: ApiKey, fields: [id, name, scope] }',
  ],
];

let castellans: Castellans;
let alice: SignedInUser;
/** Whose records they are, by type. */
const targets = new Map<string, string>();
/** How somebody asks, by name. */
const askers = new Map<string, Readonly<Record<string, string>>>();

const { createKey, atHome, addAccount } = apiKeysOn(
  () => castellans,
  () => alice,
);

beforeAll(async () => {
  const files = await readPolicyFiles('policies');
  const policyFiles = files.map(({ path, text }) => {
    const edit = EDITS.find(([file]) => path.endsWith(`/${file}`));
    if (edit === undefined) return { path, text };
    expect(text).toContain(edit[1]);
    return { path, text: text.replace(edit[1], edit[2]) };
  });
  castellans = await startCastellans(1, { policyFiles, settings: { limits: MANY_ALIASES } });
  const app = castellans.apps[0]!;
  await addScopes(app.services, 'acme/platform', 'globex');
  alice = await castellans.signUp('alice', ['administrator']);
  const bob = await atHome('bob', 'acme/platform');
  const sam = await atHome('sam', 'acme');
  const mallory = await atHome('mallory', 'globex');
  await addGrant(app, { principalId: sam.id, role: 'support', scope: 'acme' });
  const service = await addAccount('robot', ['service'], 'acme/platform');
  const key = await createKey(bob);
  const scope = await app.services.scopes.findByPath(SYSTEM, 'acme/platform');
  const role = await app.services.roles.findByName(SYSTEM, 'support');
  for (const [type, id] of Object.entries({
    User: bob.id,
    Session: bob.sessionId,
    ApiKey: key.apiKey.id,
    ServiceAccount: service,
    Scope: scope?.id ?? '',
    Role: role?.id ?? '',
  })) {
    targets.set(type, id);
  }
  const { secret } = await addGateway(castellans, { roles: ['service'] });
  for (const [name, { accessToken }] of Object.entries({ alice, bob, sam, mallory })) {
    askers.set(name, { authorization: `Bearer ${accessToken}` });
  }
  askers.set('a program', { 'x-api-key': secret });
  askers.set('nobody', {});
}, 40_000);

afterAll(() => castellans?.close());

type Selection = (selected: string) => string;

/** A way to a record: the document around its selection, and the type that stands there. */
interface Way {
  readonly name: string;
  readonly around: Selection;
  readonly parent: string;
  /** Whether whoever may read the record also gets there. */
  readonly isDirect: boolean;
}

const idOf = (type: string) => targets.get(type) ?? '';

const givesOne = (field: GraphQLField<unknown, unknown>, type: GraphQLObjectType): boolean => {
  const named = getNamedType(field.type);
  return named === type || (isInterfaceType(named) && type.getInterfaces().includes(named));
};

const takesNothing = ({ args }: GraphQLField<unknown, unknown>) => !args.some(isRequiredArgument);

function rootOf(type: GraphQLObjectType): Selection {
  const field = Object.values(QUERY.getFields()).find(
    (each) => getNamedType(each.type) === type && each.args.some(({ name }) => name === 'id'),
  );
  if (field === undefined) throw new TypeError(`nothing gives a ${type.name} by its id`);
  return (selected) => `it: ${field.name}(id: "${idOf(type.name)}") { ${selected} }`;
}

function waysTo(type: GraphQLObjectType): readonly Way[] {
  const root = rootOf(type);
  const entity =
    (name: string): Selection =>
    (selected) =>
      `it: _entities(representations: [{ __typename: "${name}", id: "${idOf(type.name)}" }]) { ${selected} }`;
  const lists = Object.values(QUERY.getFields()).filter((field): boolean => {
    const connection = getNamedType(field.type);
    const edges = isObjectType(connection) ? connection.getFields()['edges'] : undefined;
    const edge = edges === undefined ? undefined : getNamedType(edges.type);
    const node = isObjectType(edge) ? edge.getFields()['node'] : undefined;
    return node !== undefined && getNamedType(node.type) === type;
  });
  const hops = ENTITIES.flatMap((from) =>
    Object.values(from.getFields())
      .filter((field) => givesOne(field, type) && takesNothing(field))
      .map((field) => ({
        name: `${from.name}.${field.name}`,
        around: (selected: string) => rootOf(from)(`${field.name} { ${selected} }`),
        parent: getNamedType(field.type).name,
        isDirect: false,
      })),
  );
  return [
    { name: 'by its id', around: root, parent: type.name, isDirect: true },
    { name: 'as an entity', around: entity(type.name), parent: '_Entity', isDirect: true },
    ...type
      .getInterfaces()
      .map(({ name }) => ({ name: `as the entity ${name}`, around: entity(name), parent: '_Entity', isDirect: true })),
    ...lists.map(({ name }) => ({
      name: `in ${name}`,
      around: (selected: string) => `it: ${name}(first: 100) { edges { node { ${selected} } } }`,
      parent: type.name,
      isDirect: false,
    })),
    ...hops,
  ];
}

/** A form to select fields of a type in, where an object of that type, or one that may be of it, stands. */
interface Form {
  readonly name: string;
  readonly select: Selection;
  readonly fragments?: string;
}

function formsOf(type: GraphQLObjectType, parent: string, fields: string): readonly Form[] {
  const on = (name: string, selected: string) => `... on ${name} { ${selected} }`;
  const whole = on(type.name, fields);
  const unions = Object.values(SCHEMA.getTypeMap())
    .filter(isUnionType)
    .filter((union) => union.getTypes().includes(type))
    .map(({ name }) => name);
  const above = [...type.getInterfaces().map(({ name }) => name), ...unions];
  const forms: readonly Form[] = [
    { name: 'an inline fragment', select: () => whole },
    { name: 'an inline fragment without a type', select: () => `... { ${whole} }` },
    { name: 'an inline fragment with a directive', select: () => `... @include(if: true) { ${whole} }` },
    { name: 'inline fragments in each other', select: () => on(type.name, on(type.name, whole)) },
    { name: 'a named fragment', select: () => '...F', fragments: `fragment F on ${type.name} { ${fields} }` },
    {
      name: 'named fragments in each other',
      select: () => '...G',
      fragments: `fragment F on ${type.name} { ${fields} } fragment G on ${type.name} { ...F }`,
    },
    ...above.map((name) => ({ name: `a fragment on ${name}`, select: () => on(name, whole) })),
    ...above.map((name) => ({
      name: `a named fragment on ${name}`,
      select: () => '...F',
      fragments: `fragment F on ${name} { ${whole} }`,
    })),
  ];
  const plain = [
    { name: 'plainly', select: () => fields },
    { name: 'twice', select: () => `${fields} ${fields} ${whole}` },
  ];
  return parent === type.name ? [...plain, ...forms] : forms;
}

type Verdict = Readonly<Record<string, unknown>>;

/** Fields that say something else a moment later. */
const PASSING: ReadonlySet<string> = new Set(['lastSeenAt', 'lastUsedAt', 'lastSignInAt', 'safeToRetire']);

/**
 * What an answer says about the record: of each field its value, and the codes that it was refused with. Fields are called
 * by what stands behind `was_`, where they have another name.
 */
function verdictOf({ data, errors }: Pick<Answer, 'data' | 'errors'>, id: string): Verdict | 'not there' {
  const found: Record<string, unknown> = {};
  let isThere = false;
  const look = (value: unknown, path: readonly (string | number)[]): void => {
    if (typeof value !== 'object' || value === null) return;
    if (!Array.isArray(value) && Object(value)['at'] === id) {
      isThere = true;
      for (const [name, each] of Object.entries(value)) {
        if (name === 'at') continue;
        const codes = errors
          .filter(
            (error) =>
              JSON.stringify((error as unknown as { path?: unknown[] }).path?.slice(0, path.length + 1)) ===
              JSON.stringify([...path, name]),
          )
          .map(({ extensions }) => extensions['code']);
        const said = JSON.stringify([PASSING.has(name.replace('was_', '')) ? typeof each : each, ...codes]);
        const field = name.replace('was_', '');
        found[field] = found[field] === undefined || found[field] === said ? said : 'not the same by another name';
      }
      return;
    }
    for (const [name, each] of Object.entries(value)) look(each, [...path, Array.isArray(value) ? Number(name) : name]);
  };
  look(data, []);
  return isThere ? found : 'not there';
}

const fieldsOf = (type: GraphQLObjectType) =>
  Object.values(type.getFields())
    .filter(takesNothing)
    .map(({ name, type: of }) => ({ name, selected: isLeafType(getNamedType(of)) ? '' : ' { __typename }' }));

const ask = (name: string, document: string): Promise<Answer> =>
  castellans.ask(document, { headers: askers.get(name) ?? {} });

const documentOf = ({ around, parent }: Way, type: string, { select, fragments = '' }: Form) => {
  const at = parent === type ? 'at: id' : `... on ${type} { at: id }`;
  return `query { ${around(`${at} ${select('')}`)} } ${fragments}`;
};

const ASKERS = ['alice', 'bob', 'sam', 'mallory', 'a program', 'nobody'];

describe.each(ENTITIES.map((type) => [type.name, type] as const))('AC-55: %s', (name, type) => {
  /** Each field by its own name and by another. */
  const both = fieldsOf(type)
    .map(({ name: field, selected }) => `${field}${selected} was_${field}: ${field}${selected}`)
    .join(' ');

  test.each(ASKERS)('%s is answered the same whichever way it is asked for', async (asker) => {
    const reference = verdictOf(await ask(asker, `{ ${rootOf(type)(`at: id ${both}`)} }`), idOf(name));
    const asked = waysTo(type).flatMap((way) => formsOf(type, way.parent, both).map((form) => ({ way, form })));
    const answered = await Promise.all(
      asked.map(async ({ way, form }) => {
        const document = documentOf(way, name, form);
        const verdict = verdictOf(await ask(asker, document), idOf(name));
        return { way: way.name, form: form.name, document, verdict, isDirect: way.isDirect };
      }),
    );
    // Whoever may not read what lies on the way does not get there; but nobody gets further than by the id.
    const there = answered.filter(({ verdict, isDirect }) => isDirect || verdict !== 'not there');
    expect(there.length).toBeGreaterThan(10);
    for (const each of there) expect(each).toEqual({ ...each, verdict: reference });
  });

  test('a field that calls itself __typename is answered as under its own name', async () => {
    const reference = verdictOf(await ask('sam', `{ ${rootOf(type)(`at: id ${both}`)} }`), idOf(name));
    const leaves = fieldsOf(type).filter(({ name: field, selected }) => selected === '' && !PASSING.has(field));
    for (const { name: field } of leaves) {
      const verdict = verdictOf(await ask('sam', `{ ${rootOf(type)(`at: id __typename: ${field}`)} }`), idOf(name));
      const expected = reference === 'not there' ? reference : { __typename: Object(reference)[field] as unknown };
      expect({ field, verdict }).toEqual({ field, verdict: expected });
    }
  });
});

test('AC-55: somebody is refused a part of a record, or all of this would say little', async () => {
  const user = SCHEMA.getType('User') as GraphQLObjectType;
  const { data, errors } = await ask('sam', `{ ${rootOf(user)('name email')} }`);
  expect(data).toEqual({ it: { name: 'bob', email: null } });
  expect(errors.map(({ extensions }) => extensions['code'])).toEqual(['FORBIDDEN']);
});

test('AC-56: what another subgraph requires of a user, the gateway asks for as whoever asks it, and claims are no records', async () => {
  const asked = (who: string, claimed: string) =>
    ask(
      who,
      `{ _entities(representations: [{ __typename: "User", id: "${idOf('User')}"${claimed} }]) { ... on User { id email } } }`,
    );
  for (const claimed of ['', ', email: "mine@example.com"', ', email: null, roles: [{ name: "administrator" }]']) {
    const [own, part, none, nobody] = [
      await asked('bob', claimed),
      await asked('sam', claimed),
      await asked('mallory', claimed),
      await asked('nobody', claimed),
    ];
    expect(own.data).toMatchObject({ _entities: [{ email: expect.stringContaining('bob.') }] });
    expect(part.data).toEqual({ _entities: [{ id: idOf('User'), email: null }] });
    expect(none.data).toEqual({ _entities: [null] });
    expect(nobody.data).toEqual({ _entities: [null] });
  }
});

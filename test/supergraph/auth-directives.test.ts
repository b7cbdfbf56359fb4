import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  getNamedType,
  getNullableType,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLInputType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isRequiredArgument,
  isRequiredInputField,
  Kind,
  parse,
} from 'graphql';
import { createSchema } from '../../src/api/graphql/schema.ts';
import { withAuth, withoutAuth, readSchemaText } from '../../src/api/graphql/sdl.ts';
import { type Answer, type Castellans, startCastellans } from '../support/castellan.ts';
import { openStream } from '../support/event-stream.ts';

/** That a gateway which goes by the directives refuses nobody whom Castellan lets in, and the other way round. */

const SCHEMA = createSchema();
const INSTANCES = 3;
const NOBODY = { code: 'UNAUTHENTICATED', message: 'Sign in first.' };

const ROOTS = ['Query', 'Mutation', 'Subscription'].flatMap((type) =>
  Object.values(Object(SCHEMA.getType(type)).getFields() as Record<string, GraphQLField<unknown, unknown>>)
    .filter(({ name }) => !name.startsWith('_'))
    .map((field) => [type, field.name, field] as const),
);

let castellans: Castellans;

beforeAll(async () => {
  castellans = await startCastellans(INSTANCES);
});

afterAll(() => castellans.close());

describe('@authenticated', () => {
  test.each(ROOTS)('is on %s.%s exactly when it refuses whoever is not signed in', async (type, name, field) => {
    const answers = await refusalsOf(documentOf(type, field), name.length % INSTANCES);
    const refusesNobody = answers.some(({ code, message }) => code === NOBODY.code && message === NOBODY.message);
    // The answers say why, where it fails.
    expect({ answers, authenticated: authenticated().has(`${type}.${name}`) }).toEqual({
      answers,
      authenticated: refusesNobody,
    });
  });

  test('is on most of them', () => {
    expect(authenticated().size).toBeGreaterThan(20);
  });
});

test('the contract without auth directives has none, and is otherwise the same', () => {
  const plain = readSchemaText();
  const shown = withAuth(plain);
  expect(shown).toContain('@authenticated');
  expect(withoutAuth(shown)).toBe(withoutAuth(plain));
  expect(withoutAuth(shown)).not.toMatch(/@(authenticated|requiresScopes|policy)/);
});

/** Root fields that the published contract says are for those who are signed in. */
function authenticated(): ReadonlySet<string> {
  const marked = new Set<string>();
  for (const definition of parse(withAuth(readSchemaText())).definitions) {
    if (definition.kind !== Kind.OBJECT_TYPE_DEFINITION && definition.kind !== Kind.OBJECT_TYPE_EXTENSION) continue;
    for (const { name, directives = [] } of definition.fields ?? []) {
      if (directives.some((directive) => directive.name.value === 'authenticated'))
        marked.add(`${definition.name.value}.${name.value}`);
    }
  }
  return marked;
}

/** What somebody without a credential is told. */
async function refusalsOf(
  query: string,
  instance: number,
): Promise<readonly { readonly code: unknown; readonly message: string }[]> {
  const { errors } = query.startsWith('subscription')
    ? await streamed(query, instance)
    : await castellans.ask(query, { instance });
  return errors.map(({ message, extensions }) => ({ code: extensions['code'], message }));
}

async function streamed(query: string, instance: number): Promise<Pick<Answer, 'errors'>> {
  const stream = await openStream(castellans.apps[instance]?.url ?? '', query, { headers: {} });
  if (stream.status !== 200) return (await stream.json()) as Pick<Answer, 'errors'>;
  const { data } = (await stream.all()).find(({ event }) => event === 'next') ?? {};
  return { errors: [], ...Object(data) } as Pick<Answer, 'errors'>;
}

/** Asks for it with arguments that it takes. */
function documentOf(type: string, field: GraphQLField<unknown, unknown>): string {
  const given = field.args.filter((each) => isRequiredArgument(each) || ONE_OF.has(`${field.name}.${each.name}`));
  const args = given.length === 0 ? '' : `(${given.map((each) => `${each.name}: ${valueOf(each)}`).join(', ')})`;
  const selection = isLeafType(getNamedType(field.type)) ? '' : ' { __typename }';
  return `${type.toLowerCase()} { ${field.name}${args}${selection} }`;
}

/** Of those that want one of several. */
const ONE_OF: ReadonlySet<string> = new Set([
  'role.name',
  'scope.path',
  'SessionFilter.userId',
  'UpdateServiceAccountInput.name',
  'UpdateUserInput.name',
]);

const TEXTS: Readonly<Record<string, string>> = {
  first: '1',
  action: '"read"',
  subject: '"User"',
  path: '"acme"',
  email: '"nobody@example.com"',
  from: '"2026-01-01T00:00:00.000Z"',
  to: '"2026-01-02T00:00:00.000Z"',
  overlapSeconds: '60',
};

function valueOf({ name, type }: GraphQLArgument | GraphQLInputField): string {
  return TEXTS[name] ?? valueOfType(type);
}

function valueOfType(type: GraphQLInputType): string {
  const bare = getNullableType(type);
  if (isListType(bare)) return `[${valueOfType(bare.ofType)}]`;
  if (isEnumType(bare)) return bare.getValues()[0]?.name ?? '';
  if (!isInputObjectType(bare)) return VALUES[bare.name] ?? `"user_${'0'.repeat(26)}"`;
  const fields = Object.values(bare.getFields()).filter(
    (each) => isRequiredInputField(each) || ONE_OF.has(`${bare.name}.${each.name}`),
  );
  return `{ ${fields.map((each) => `${each.name}: ${valueOf(each)}`).join(', ')} }`;
}

const VALUES: Readonly<Record<string, string>> = {
  Int: '1',
  Boolean: 'true',
  DateTime: '"2026-01-01T00:00:00.000Z"',
  Attributes: '{}',
};

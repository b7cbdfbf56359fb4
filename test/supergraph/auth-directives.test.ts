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
  print,
} from 'graphql';
import { createSchema } from '../../src/api/graphql/schema.ts';
import {
  publishedSdl,
  readSchemaText,
  withAuth,
  withoutAuth,
  withPolicies,
  withScopes,
} from '../../src/api/graphql/sdl.ts';
import { type Answer, type Castellans, startCastellans } from '../support/castellan.ts';
import { addGateway } from '../support/gateway-key.ts';
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

describe('@policy', () => {
  /** Forbidden to whoever holds nothing, and yet not whatever they are about: it depends on what is to be made or followed. */
  const BY_RECORD: ReadonlySet<string> = new Set([
    'Mutation.createApiKey',
    'Mutation.createRole',
    'Mutation.createScope',
    'Mutation.createServiceAccount',
    'Mutation.createUser',
    'Mutation.importUsers',
    'Subscription.sessionEvents',
  ]);

  test('is on what is forbidden to whoever holds nothing, whatever it is about, and on nothing else', async () => {
    const { secret } = await addGateway(castellans, { roles: [] });
    const asked = await Promise.all(
      ROOTS.map(async ([type, name, field], at) => {
        const answers = await refusalsOf(documentOf(type, field), at % INSTANCES, { 'x-api-key': secret });
        const isByRule = answers.some(
          ({ code, message }) =>
            code === 'FORBIDDEN' && /^No (rule|role that is granted everywhere) allows/.test(message),
        );
        return isByRule ? [`${type}.${name}`] : [];
      }),
    );
    const forbidden = asked.flat();
    expect(forbidden.filter((each) => !BY_RECORD.has(each)).toSorted()).toEqual([...policies().keys()].toSorted());
  });

  test.each([...policies()])('%s is refused without %s alone, and not with it', async (place, permission) => {
    const [type = '', name = ''] = place.split('.');
    const field = ROOTS.find((each) => each[0] === type && each[1] === name)?.[2];
    if (field === undefined) throw new TypeError(`there is no ${place}`);
    const known = await knownPermissions();
    expect(known).toContain(permission);
    const codesWith = async (permissions: readonly string[]) => {
      const { secret } = await addGateway(castellans, { roles: ['administrator'], permissions });
      const answers = await refusalsOf(documentOf(type, field), name.length % INSTANCES, { 'x-api-key': secret });
      return answers.map(({ code }) => code);
    };
    expect(await codesWith(known.filter((each) => each !== permission))).toEqual(['FORBIDDEN']);
    expect(await codesWith([permission])).not.toContain('FORBIDDEN');
  });

  test('is published when it is asked for, and @requiresScopes says the same', () => {
    const plain = readSchemaText();
    expect(publishedSdl(plain, 'policies')).toBe(withPolicies(plain));
    expect(publishedSdl(plain, undefined)).not.toContain('@policy');
    expect(publishedSdl(plain, 'none')).toBe(withoutAuth(withPolicies(plain)));
    expect(publishedSdl(plain, ['none'])).toBeNull();
    expect(publishedSdl(plain, 'scopes')).toBe(withScopes(plain));
    expect(withScopes(plain).replaceAll('@requiresScopes(scopes:', '@policy(policies:')).toBe(
      withPolicies(plain).replaceAll('"@policy"', '"@requiresScopes"'),
    );
    expect(publishedSdl(plain, 'none')).toBe(withoutAuth(withScopes(plain)));
  });
});

/** Every permission that the policy in force knows. */
async function knownPermissions(): Promise<readonly string[]> {
  const { id } = await castellans.signUp('ann', []);
  const standing = await castellans.apps[0]?.services.standings.of(id);
  return [...(standing?.engine.permissions ?? [])];
}

/** The permissions that the contract with policies names, by root field. */
function policies(): ReadonlyMap<string, string> {
  const named = new Map<string, string>();
  for (const definition of parse(withPolicies(readSchemaText())).definitions) {
    if (definition.kind !== Kind.OBJECT_TYPE_DEFINITION && definition.kind !== Kind.OBJECT_TYPE_EXTENSION) continue;
    for (const { name, directives = [] } of definition.fields ?? []) {
      const given = directives.find((directive) => directive.name.value === 'policy')?.arguments?.[0];
      if (given !== undefined)
        named.set(`${definition.name.value}.${name.value}`, print(given.value).replaceAll(/["[\]]/g, ''));
    }
  }
  return named;
}

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

/** What somebody who shows this is told; without it, somebody without a credential. */
async function refusalsOf(
  query: string,
  instance: number,
  headers: Record<string, string> = {},
): Promise<readonly { readonly code: unknown; readonly message: string }[]> {
  const { errors } = query.startsWith('subscription')
    ? await streamed(query, instance, headers)
    : await castellans.ask(query, { instance, headers });
  return errors.map(({ message, extensions }) => ({ code: extensions['code'], message }));
}

async function streamed(
  query: string,
  instance: number,
  headers: Record<string, string>,
): Promise<Pick<Answer, 'errors'>> {
  const stream = await openStream(castellans.apps[instance]?.url ?? '', query, { headers });
  if (stream.status !== 200) return (await stream.json()) as Pick<Answer, 'errors'>;
  const { data } = (await stream.next()) ?? {};
  stream.leave();
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
  // Of another history: answered at once.
  'apiKeyEvents.after',
  'authEvents.after',
  'permissionsChanged.after',
  'policyChanged.after',
  'revocations.after',
  'securityEventRaised.after',
  'sessionEvents.after',
  'role.name',
  'scope.path',
  'SessionFilter.userId',
  'UpdateServiceAccountInput.name',
  'UpdateUserInput.name',
]);

const TEXTS: Readonly<Record<string, string>> = {
  first: '1',
  after: '"00000000-1"',
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

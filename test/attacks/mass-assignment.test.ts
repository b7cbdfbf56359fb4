import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Kind, parse, type TypeNode } from 'graphql';
import { readSchemaText } from '../../src/api/graphql/sdl.ts';
import { codesOf } from '../support/castellan.ts';
import { openTenants, type Tenants } from './tenants.ts';

let tenants: Tenants;
/** Every name that a client might hope to set something by. */
let names: readonly string[];

beforeAll(async () => {
  tenants = await openTenants();
  const columns = await tenants.castellans.rows<{ name: string }>(
    `select distinct column_name as name from information_schema.columns where table_schema = 'public'`,
  );
  const snake = columns.map(({ name }) => name);
  const camel = snake.map((name) => name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase()));
  names = [...new Set([...snake, ...camel, ...WISHES.split(' '), ''])];
}, 40_000);

afterAll(() => tenants?.castellans.close());

const WISHES =
  'verified emailVerified isAdmin admin role roles grants permissions tenantId ownerId mfa passwordHash scopes managed ' +
  'allowed reason inherits updatedAt __typename __caslSubjectType__ __proto__ constructor prototype toString $where';

interface Place {
  /** Takes the input as `$it`. */
  readonly operation: string;
  readonly honest: object;
}

const list = (field: string, argument: string, type: string): Place => ({
  operation: `query ($it: ${type}!) { ${field}(first: 1, ${argument}: $it) { edges { node { id } } } }`,
  honest: argument === 'filter' ? {} : { field: field === 'roles' ? 'name' : 'createdAt' },
});

/** Where each type of input is taken. */
const INPUTS: Readonly<Record<string, Place>> = {
  CreateUserInput: {
    operation: 'mutation ($it: CreateUserInput!) { createUser(input: $it) { user { id } } }',
    honest: { email: 'eve@tenants.example', name: 'Eve' },
  },
  CreateServiceAccountInput: {
    operation: 'mutation ($it: CreateServiceAccountInput!) { createServiceAccount(input: $it) { position } }',
    honest: { name: 'Eve' },
  },
  UpdateServiceAccountInput: {
    operation: 'mutation ($it: UpdateServiceAccountInput!) { updateServiceAccount(input: $it) { position } }',
    honest: { id: 'svc_none', name: 'Eve' },
  },
  CreateApiKeyInput: {
    operation: 'mutation ($it: CreateApiKeyInput!) { createApiKey(input: $it) { position } }',
    honest: { name: 'Eve', serviceAccountId: 'svc_none' },
  },
  UpdateApiKeyInput: {
    operation: 'mutation ($it: UpdateApiKeyInput!) { updateApiKey(id: "key_none", input: $it) { position } }',
    honest: { name: 'Eve' },
  },
  CreateRoleInput: {
    operation: 'mutation ($it: CreateRoleInput!) { createRole(input: $it) { role { id } } }',
    honest: { name: 'eve', inherits: ['role_none'] },
  },
  UpdateRoleInput: {
    operation: 'mutation ($it: UpdateRoleInput!) { updateRole(id: "role_none", input: $it) { role { id } } }',
    honest: { name: 'eve' },
  },
  AnalyticsRange: {
    operation: 'query ($it: AnalyticsRange!) { permissionAnalytics(range: $it) { overflow } }',
    honest: { from: '2030-01-01T00:00:00.000Z', to: '2030-01-02T00:00:00.000Z' },
  },
  SignInInput: {
    operation: 'mutation ($it: SignInInput!) { signIn(input: $it) { ... on SignedIn { expiresAt } } }',
    honest: { email: 'bob@tenants.example', password: 'not the one of this user' },
  },
  SignUpInput: {
    operation: 'mutation ($it: SignUpInput!) { signUp(input: $it) { position } }',
    honest: { email: 'eve@tenants.example', name: 'Eve', password: 'a few unrelated words' },
  },
  StepUpInput: {
    operation: 'mutation ($it: StepUpInput!) { stepUp(input: $it) { position } }',
    honest: { password: 'not the one of this user', code: '123456' },
  },
  UpdateUserInput: {
    operation: 'mutation ($it: UpdateUserInput!) { updateUser(input: $it) { user { id } } }',
    honest: { id: 'user_none', name: 'Eve' },
  },
  VerifyMfaInput: {
    operation: 'mutation ($it: VerifyMfaInput!) { verifyMfa(input: $it) { expiresAt } }',
    honest: { challengeToken: 'none', code: '123456' },
  },
  GrantRoleInput: {
    operation: 'mutation ($it: GrantRoleInput!) { grantRoles(grants: [$it]) { position } }',
    honest: { principalId: 'user_none', roleId: 'role_none' },
  },
  ImportUserInput: {
    operation: 'mutation ($it: ImportUserInput!) { importUsers(users: [$it]) { position } }',
    honest: { email: 'eve@tenants.example', name: 'Eve' },
  },
  CheckInput: {
    operation: 'query ($it: CheckInput!) { viewerCanMany(checks: [$it]) { allowed } }',
    honest: { action: 'read', subject: 'User' },
  },
  PolicyFileInput: {
    operation: 'query ($it: PolicyFileInput!) { previewPolicy(files: [$it]) { after } }',
    honest: { path: 'policies/a.yaml', text: 'roles: { member: {} }' },
  },
  UserFilter: list('users', 'filter', 'UserFilter'),
  UserOrder: list('users', 'orderBy', 'UserOrder'),
  ServiceAccountFilter: list('serviceAccounts', 'filter', 'ServiceAccountFilter'),
  ServiceAccountOrder: list('serviceAccounts', 'orderBy', 'ServiceAccountOrder'),
  ApiKeyFilter: list('apiKeys', 'filter', 'ApiKeyFilter'),
  ApiKeyOrder: list('apiKeys', 'orderBy', 'ApiKeyOrder'),
  SessionFilter: list('sessions', 'filter', 'SessionFilter'),
  AuditLogFilter: list('auditLog', 'filter', 'AuditLogFilter'),
  SecurityEventFilter: list('securityEvents', 'filter', 'SecurityEventFilter'),
  SessionOrder: list('sessions', 'orderBy', 'SessionOrder'),
  RoleFilter: list('roles', 'filter', 'RoleFilter'),
  RoleOrder: list('roles', 'orderBy', 'RoleOrder'),
  ScopeFilter: list('scopes', 'filter', 'ScopeFilter'),
  ScopeOrder: list('scopes', 'orderBy', 'ScopeOrder'),
};

const { definitions } = parse(readSchemaText());

/** The names of the fields of each type of input. */
const inputs: ReadonlyMap<string, readonly string[]> = new Map(
  definitions.flatMap((each) =>
    each.kind === Kind.INPUT_OBJECT_TYPE_DEFINITION
      ? [[each.name.value, each.fields?.map(({ name }) => name.value) ?? []] as const]
      : [],
  ),
);

const mutations = definitions.flatMap((each) =>
  each.kind === Kind.OBJECT_TYPE_EXTENSION && each.name.value === 'Mutation' ? (each.fields ?? []) : [],
);

const textOf = (type: TypeNode): string => {
  if (type.kind === Kind.NON_NULL_TYPE) return `${textOf(type.type)}!`;
  return type.kind === Kind.LIST_TYPE ? `[${textOf(type.type)}]` : type.name.value;
};

/** All that is kept of people and their rights. */
async function kept(): Promise<object> {
  const tables = [
    'users',
    'passwords',
    'scopes',
    'roles',
    'role_inherits',
    'grants',
    'policy_head',
    'policy_bundles',
    'signing_keys',
  ];
  const rows: Record<string, unknown> = { ...(await tenants.castellans.recorded()) };
  for (const table of tables) rows[table] = await tenants.castellans.rows(`select * from ${table} t order by t::text`);
  rows['sessions'] = await tenants.castellans.rows('select * from sessions order by id');
  return rows;
}

/** With a key of that very name, even where JavaScript gives it a meaning. */
const having = (honest: object, name: string, value: unknown): object =>
  Object.defineProperty({ ...honest }, name, { value, enumerable: true });

const VALUES: readonly unknown[] = ['administrator', true, ['administrator'], { set: 'administrator' }];

describe('AC-57: what a caller sends beside what may be set', () => {
  test('is looked for in every type of input that there is', () => {
    expect([...inputs.keys()].toSorted()).toEqual(Object.keys(INPUTS).toSorted());
  });

  test.each(Object.keys(INPUTS))('in %s has the whole request refused, whoever sends it', async (type) => {
    const { castellans, alice, bob } = tenants;
    const { operation, honest } = INPUTS[type] ?? { operation: '', honest: {} };
    const unknown = names.filter((name) => inputs.get(type)?.includes(name) === false);
    expect(unknown.length).toBeGreaterThan(80);
    const before = await kept();
    for (const [at, name] of unknown.entries()) {
      const variables = { it: having(honest, name, VALUES[at % VALUES.length]) };
      expect(JSON.stringify(variables)).toContain(`${JSON.stringify(name)}:`);
      const token = (at % 2 === 0 ? alice : bob).accessToken;
      const answer = await castellans.ask(operation, { variables, token, instance: at % 3 });
      expect({ name, status: answer.status, data: answer.data, codes: codesOf(answer) }).toEqual({
        name,
        status: 400,
        data: null,
        codes: ['BAD_USER_INPUT'],
      });
    }
    expect(await kept()).toEqual(before);
  });

  test('as a further argument has every mutation refused', async () => {
    const { castellans, alice } = tenants;
    expect(mutations.length).toBeGreaterThan(8);
    const before = await kept();
    for (const [at, { name: mutation, arguments: own = [] }] of mutations.entries()) {
      const taken = own.map(({ name }) => name.value);
      const wishes = names.filter((name) => /^[A-Za-z_]\w*$/.test(name) && !taken.includes(name));
      const all = wishes.map((name, index) => `a${index}: ${mutation.value}(${name}: "administrator") { __typename }`);
      const answer = await castellans.ask(`mutation { ${all.join('\n')} }`, {
        token: alice.accessToken,
        instance: at % 3,
      });
      expect({ mutation: mutation.value, status: answer.status, data: answer.data }).toEqual({
        mutation: mutation.value,
        status: 400,
        data: null,
      });
      for (const name of wishes.slice(0, 10)) {
        const alone = await castellans.ask(`mutation { ${mutation.value}(${name}: "x") { __typename } }`, {
          token: alice.accessToken,
        });
        expect(alone.errors.map(({ message }) => message)).toContainEqual(
          expect.stringContaining(`Unknown argument "${name}"`),
        );
      }
    }
    expect(await kept()).toEqual(before);
  });

  test('in the place of a plain value, as an object or a list, has every mutation refused', async () => {
    const { castellans, alice } = tenants;
    const before = await kept();
    const nested = [{ set: 'x' }, { connect: { id: alice.id } }, JSON.parse('{"__proto__":{"isAdmin":true}}'), [['x']]];
    for (const [at, { name, arguments: own = [] }] of mutations.entries()) {
      if (own.length === 0) continue;
      const heads = own.map((each) => `$${each.name.value}: ${textOf(each.type)}`).join(', ');
      const passed = own.map((each) => `${each.name.value}: $${each.name.value}`).join(', ');
      for (const value of nested) {
        const variables = Object.fromEntries(own.map((each) => [each.name.value, value as unknown]));
        const answer = await castellans.ask(`mutation (${heads}) { ${name.value}(${passed}) { __typename } }`, {
          variables,
          token: alice.accessToken,
          instance: at % 3,
        });
        expect({ mutation: name.value, status: answer.status, data: answer.data }).toEqual({
          mutation: name.value,
          status: 400,
          data: null,
        });
      }
    }
    expect(await kept()).toEqual(before);
    expect({}).not.toHaveProperty('isAdmin');
  });

  test('among the attributes of a record of another subgraph, is no attribute unless it is declared', async () => {
    const { castellans, bob, alice } = tenants;
    const query = `query ($attributes: Attributes!) {
      viewerCan: viewerCanMany(checks: [{ action: "publish", subject: "Document", attributes: $attributes }]) { allowed }
    }`;
    const ask = (attributes: object, instance: number) =>
      castellans.ask(query, { variables: { attributes }, token: bob.accessToken, instance });
    expect((await ask({ ownerId: bob.id }, 0)).data).toEqual({ viewerCan: [{ allowed: true }] });
    expect((await ask({ ownerId: alice.id }, 0)).data).toEqual({ viewerCan: [{ allowed: false }] });
    for (const [at, name] of names.entries()) {
      if (['id', 'ownerId', 'place'].includes(name)) continue;
      const answer = await ask(having({ ownerId: alice.id }, name, VALUES[at % VALUES.length]), at % 3);
      expect({ name, data: answer.data, codes: codesOf(answer) }).toEqual({
        name,
        data: null,
        codes: ['BAD_USER_INPUT'],
      });
    }
    expect({}).not.toHaveProperty('isAdmin');
  });
});

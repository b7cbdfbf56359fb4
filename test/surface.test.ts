import { describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { isInterfaceType, isObjectType, parse, type GraphQLObjectType } from 'graphql';
import { buildSchema, createSchema } from '../src/api/graphql/schema.ts';
import {
  aGrant,
  anApiKey,
  anAuditEntry,
  aRole,
  aScope,
  aSecurityEvent,
  aServiceAccount,
  aSession,
  aUser,
} from './contract/store-samples.ts';
import { readFolder, ROOT, type SourceFile } from './support/source-files.ts';

/** That nothing is promised in the public contract which is not there, or which no test ever asks for. */

const SCHEMA = createSchema();
const SRC = readFolder('src');
const TESTS = readFolder('test').filter(({ path }) => path.endsWith('.test.ts') && path !== 'test/surface.test.ts');

const CONTRACTS = readFolder('test/contract');

const ROOTS = ['Query', 'Mutation', 'Subscription'].map((name) => SCHEMA.getType(name)).filter(isObjectType);

/** One record of each kind that stands behind a type of the same name. A field is one of its properties or has a resolver. */
const RECORDS: Readonly<Record<string, object>> = {
  User: aUser(),
  ServiceAccount: aServiceAccount(),
  ApiKey: anApiKey({ ownerId: '' }),
  Scope: aScope('acme'),
  Role: aRole(),
  Session: aSession(),
  SecurityEvent: aSecurityEvent(),
  AuditEntry: anAuditEntry(),
  Grant: aGrant({ principalId: '', roleId: '' }),
};

/** A port and the contract that holds its drivers to its words. */
const PORTS = [
  ['Store', 'store'],
  ['Cache', 'cache'],
  ['Hints', 'hints'],
  ['AuthorityLog', 'authority-log'],
  ['Mailer', 'mailer'],
] as const;

function ownFields(type: GraphQLObjectType): readonly string[] {
  return Object.keys(type.getFields()).filter((name) => !name.startsWith('_'));
}

function entities(): readonly GraphQLObjectType[] {
  return Object.values(SCHEMA.getTypeMap())
    .filter(isObjectType)
    .filter(({ astNode, extensionASTNodes }) =>
      [astNode, ...extensionASTNodes].some((node) => node?.directives?.some(({ name }) => name.value === 'key')),
    );
}

describe('every field is there', () => {
  test('every root field has a resolver', () => {
    const missing = ROOTS.flatMap((type) =>
      ownFields(type)
        .filter((name) => {
          const { resolve, subscribe } = type.getFields()[name] ?? {};
          return type.name === 'Subscription' ? subscribe === undefined : resolve === undefined;
        })
        .map((name) => `${type.name}.${name}`),
    );
    expect(ROOTS.length).toBe(3);
    expect(missing).toEqual([]);
  });

  test('every field of an entity is a property of its record or has a resolver', () => {
    const names = new Set([...entities().map(({ name }) => name), ...Object.keys(RECORDS)]);
    const missing = [...names].flatMap((name) => {
      const type = SCHEMA.getType(name);
      if (!isObjectType(type)) return [`${name}, which has a record and no type`];
      const record = RECORDS[name];
      if (record === undefined) return [`${name}, which has a type and no record here`];
      return ownFields(type)
        .filter((field) => type.getFields()[field]?.resolve === undefined && !Object.hasOwn(record, field))
        .map((field) => `${name}.${field}`);
    });
    expect(entities().length).toBeGreaterThanOrEqual(3);
    expect(missing).toEqual([]);
  });
});

describe('every field is asked for in some test', () => {
  /** What stands between quotes in the tests and may be a piece of a GraphQL document. */
  const documents = TESTS.flatMap(literalsOf).filter((text) => text.includes('{') || /^\w+( \w+)+$/.test(text));
  const isAskedFor = (name: string): boolean => {
    const asked = new RegExp(String.raw`(?<![$\w])${name}\b(?!:)|: ${name}\b`);
    return documents.some((text) => asked.test(text));
  };

  test.each(ROOTS.map((type) => [type.name, type] as const))('every field of %s', (_, type) => {
    expect(ownFields(type).filter((name) => !isAskedFor(name))).toEqual([]);
  });

  test('every field of every entity, and of what hangs on one', () => {
    const types = [...entities(), ...Object.keys(RECORDS).map((name) => SCHEMA.getType(name))].filter(isObjectType);
    const missing = types.flatMap((type) =>
      ownFields(type)
        .filter((name) => !isAskedFor(name))
        .map((name) => `${type.name}.${name}`),
    );
    expect(missing).toEqual([]);
  });

  test('every entity through _entities', () => {
    const asking = TESTS.filter(({ text }) => text.includes('_entities(representations:'));
    const missing = entities().filter(
      ({ name }) => !asking.some(({ text }) => new RegExp(String.raw`__typename: '${name}'`).test(text)),
    );
    expect(missing.map(({ name }) => name)).toEqual([]);
  });

  test('a field that no test knows would show', () => {
    expect(isAskedFor('vaultOf')).toBe(false);
    expect(isAskedFor('viewerShall')).toBe(false);
  });
});

describe('every port has a driver and a contract', () => {
  test.each(PORTS)('%s', (port, contract) => {
    const declared = SRC.filter(({ path }) => path.startsWith('src/domain/')).filter(({ code }) =>
      new RegExp(String.raw`export interface ${port}\b`).test(code),
    );
    expect(declared).toHaveLength(1);
    const drivers = SRC.filter(({ path }) => path.startsWith('src/drivers/')).filter(({ code }) =>
      new RegExp(String.raw`(\bimplements|:) ${port}\b`).test(code),
    );
    expect(drivers.length).toBeGreaterThan(0);
    const laws = CONTRACTS.filter(({ path }) => path.startsWith(`test/contract/${contract}`));
    expect(laws.map(({ path }) => path)).toContain(`test/contract/${contract}.contract.ts`);
    const named = new RegExp(String.raw`import (type )?\{[^}]*\b${port}\b[^}]*\} from`);
    expect(laws.some(({ code }) => named.test(code))).toBe(true);
    expect(readFileSync(join(ROOT, `test/contract/${contract}.test.ts`), 'utf8')).toContain(`${contract}.contract.ts`);
  });

  test('a contract that a comment names exists', () => {
    const named = SRC.flatMap(({ text }) => [...text.matchAll(/test\/[\w/-]+(\.[\w]+)*\.ts/g)].map(([path]) => path));
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });
});

test('the generated types are what the schema makes', async () => {
  const program = `const { generate } = await import('./schema/generate.ts'); process.stdout.write(await generate());`;
  const flags = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', program];
  const { stdout } = await promisify(execFile)(process.execPath, flags, { cwd: ROOT, maxBuffer: 16 * 1_024 * 1_024 });
  expect(readFileSync(join(ROOT, 'src/api/graphql/generated.ts'), 'utf8')).toBe(stdout);
});

describe('a schema and resolvers that do not fit refuse to start', () => {
  const SDL = `
    extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key"])
    type Vault @key(fields: "id") { id: ID! door: String }
    enum Colour { red }
    type Query { vault: Vault }
  `;
  const reference = { __resolveReference: async () => null };
  const build = (...modules: readonly object[]) =>
    buildSchema(parse(SDL), modules as readonly Readonly<Record<string, unknown>>[]);

  test('and those that fit start', () => {
    expect(build({ Vault: reference }).getType('Vault')).toBeDefined();
    expect(build({ Vault: reference }, { Query: { vault: () => null } }, { Vault: { door: () => '' } })).toBeDefined();
  });

  test.each([
    ['a resolver of a type that is none', { Vault: reference, Vualt: { door: () => '' } }, 'Vualt'],
    ['a resolver of a field that is none', { Vault: { ...reference, dor: () => '' } }, 'Vault.dor'],
    ['a resolver of a root field that is none', { Vault: reference, Query: { vualt: () => null } }, 'Query.vualt'],
    ['resolvers of a type without fields', { Vault: reference, Colour: { red: () => 1 } }, 'Colour'],
    ['a type with a key and no reference resolver', { Vault: { door: () => '' } }, 'Vault'],
    ['a type with a key and no resolver at all', {}, 'Vault'],
    ['a reference resolver that is no function', { Vault: { __resolveReference: true } }, 'Vault'],
  ])('%s', (_, resolvers, name) => {
    expect(() => build(resolvers)).toThrow(name);
  });

  test('a type that is extended with a key counts as well', () => {
    const text = `${SDL.replace('type Vault @key(fields: "id")', 'type Vault')} extend type Vault @key(fields: "id")`;
    expect(() => buildSchema(parse(text), [])).toThrow('Vault has a key and no __resolveReference');
  });
});

test('no interface of the schema is left without an implementation', () => {
  const bare = Object.values(SCHEMA.getTypeMap())
    .filter(isInterfaceType)
    .filter((type) => SCHEMA.getPossibleTypes(type).length === 0);
  expect(bare).toEqual([]);
});

function literalsOf({ text }: SourceFile): readonly string[] {
  return [...text.matchAll(/`([^`]*)`|'([^'\n]*)'/g)].map(([, template, plain]) => template ?? plain ?? '');
}

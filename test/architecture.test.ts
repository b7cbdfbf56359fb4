import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { basename, join } from 'node:path';
import { importsOf, readFolder, ROOT, SourceFile } from './support/source-files.ts';

/** The rules of the house that no compiler knows, read from the text of its files. */

interface Rule {
  /** What holds. */
  readonly title: string;
  readonly files: readonly SourceFile[];
  readonly broken: (file: SourceFile) => readonly string[];
  /** Files that the rule must complain about, each by its path. */
  readonly bad: Readonly<Record<string, string>>;
  /** Files that look like it and are fine. */
  readonly good?: Readonly<Record<string, string>>;
}

const DEPENDENCIES: ReadonlySet<string> = new Set(
  Object.keys((JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { dependencies: object }).dependencies),
);

const SRC = readFolder('src');
const TESTS = readFolder('test');
const OWN = [...SRC, ...TESTS, ...readFolder('schema'), ...readFolder('migrations')].filter(
  ({ path }) => path !== 'src/api/graphql/generated.ts',
);
const OWN_SRC = OWN.filter(({ path }) => path.startsWith('src/'));

// Rooms

/** Which rooms each room may bring its own imports from. A file directly under src/ is a room of its own. */
const DOORS: Readonly<Record<string, readonly string[]>> = {
  kit: [],
  domain: ['kit'],
  drivers: ['domain', 'kit'],
  api: ['domain', 'kit'],
  cli: ['domain', 'kit', 'drivers', 'app', 'config'],
  sdk: [],
  config: ['kit', 'environment', 'setting-values'],
  environment: ['kit', 'setting-values'],
  'setting-values': ['kit'],
  app: ['kit', 'domain', 'drivers', 'api', 'config'],
  main: ['kit', 'domain', 'drivers', 'api', 'cli', 'config', 'app'],
};

/** What each room may bring in from outside. `x/*` is everything in the scope or below the package. */
const OUTSIDE: Readonly<Record<string, readonly string[]>> = {
  kit: ['node:*', 'pino', 'prom-client', '@opentelemetry/api'],
  // Pure computation only.
  domain: [
    '@casl/ability',
    '@casl/ability/*',
    'jose',
    'zod',
    'yaml',
    'otplib',
    'bowser',
    'ipaddr.js',
    '@zxcvbn-ts/language-common',
    'node:crypto',
    'node:util',
  ],
  'drivers/postgres': ['node:*', '@mikro-orm/*', 'pg'],
  'drivers/redis': ['node:*', 'ioredis'],
  'drivers/memory': ['node:*'],
  'drivers/files': ['node:*', 'yaml'],
  'drivers/http': ['node:*'],
  'drivers/smtp': ['node:*', 'nodemailer'],
  'drivers/otlp': ['@opentelemetry/*'],
  'drivers/mmdb': ['node:*', 'mmdb-lib'],
  api: [
    'node:*',
    'graphql',
    '@apollo/*',
    'dataloader',
    'graphql-ws',
    'graphql-ws/*',
    'graphql-sse',
    'graphql-sse/*',
    'ws',
    'fastify',
    '@fastify/*',
    'zod',
  ],
  // The demonstration listens as clients do.
  cli: ['node:*', 'commander', 'graphql-ws', 'ws'],
  sdk: ['@casl/ability', '@casl/ability/*', 'graphql-ws/client', 'jose'],
  environment: ['zod'],
  'setting-values': ['node:*', 'zod'],
  app: ['node:*'],
  main: ['node:*'],
};

/** Below are what those above may use. Concepts of one row do not use each other. */
const ORDER: readonly (readonly string[])[] = [
  ['authority', 'principals', 'usage'],
  ['outbox', 'limits'],
  ['policy'],
  ['analytics', 'audit-log', 'scopes', 'security', 'health'],
  ['users', 'service-accounts'],
  ['roles'],
  ['sessions', 'tokens', 'api-keys'],
  ['authentication'],
];

const ROOM_RULES: readonly Rule[] = [
  {
    title: 'a room imports only from the rooms it has a door to',
    files: SRC,
    broken: (file) =>
      importsOf(file).flatMap(({ specifier, target, index }) => {
        if (target === null) return [];
        const [from, to] = [roomOf(file.path), roomOf(target)];
        if (from === to || DOORS[from]?.includes(to) === true) return [];
        // Migrations are the driver's own, kept where everybody looks for them.
        if (target.startsWith('migrations/') && file.path.startsWith('src/drivers/postgres/')) return [];
        return [file.at(index, `${from} may not import ${specifier}`)];
      }),
    bad: {
      'src/domain/users/users.ts': `import { createStore } from '../../drivers/postgres/store.ts';`,
      'src/domain/users/user.ts': `import type { User } from '../../api/graphql/generated.ts';`,
      'src/api/http/server.ts': `export { openRedis } from '../../drivers/redis/redis.ts';`,
      'src/drivers/redis/redis.ts': `const app = await import('../../app.ts');`,
      'src/kit/clock.ts': `import {\n  Refusal,\n} from '../domain/refusals.ts';`,
      'src/api/ws/sockets.ts': `import type { App } from '../../app.ts';`,
      'src/app.ts': `import { startCastellans } from '../test/support/castellan.ts';`,
      'src/domain/roles/roles.ts': `import { Migration0001 } from '../../../migrations/0001-first-tables.ts';`,
      'src/sdk/client.ts': `import { newId } from '../kit/ids.ts';`,
      'src/house/attic.ts': `import '../kit/ids.ts';`,
    },
    good: {
      'src/main.ts': `import { createApp } from './app.ts';`,
      'src/domain/users/users.ts': `// import from '../../drivers/postgres/store.ts'\nimport { newId } from '../../kit/ids.ts';`,
      'src/api/ws/sockets.ts': `const text = "import x from '../../app.ts'";`,
    },
  },
  {
    title: 'one driver never imports another',
    files: SRC,
    broken: (file) =>
      importsOf(file)
        .filter(({ target }) => target?.startsWith('src/drivers/') && file.path.startsWith('src/drivers/'))
        .filter(({ target }) => driverOf(target ?? '') !== driverOf(file.path))
        .map(({ specifier, index }) => file.at(index, `the driver ${driverOf(file.path)} may not import ${specifier}`)),
    bad: {
      'src/drivers/redis/redis.ts': `import type { Database } from '../postgres/database.ts';`,
      'src/drivers/memory/memory.ts': `import { readPolicyFiles } from '../files/policies.ts';`,
    },
    good: { 'src/drivers/redis/redis.ts': `import { RedisCache } from './redis-cache.ts';` },
  },
  {
    title: 'a room brings in from outside only what it is there for',
    files: SRC,
    broken: (file) => {
      const room = file.path.startsWith('src/drivers/') ? `drivers/${driverOf(file.path)}` : roomOf(file.path);
      const allowed = OUTSIDE[room] ?? [];
      return importsOf(file)
        .filter(({ target, specifier }) => target === null && !allowed.some((name) => fits(name, specifier)))
        .map(({ specifier, index }) => file.at(index, `${room} may not bring in ${specifier}`));
    },
    bad: {
      'src/domain/users/users.ts': `import { GraphQLError } from 'graphql';`,
      'src/domain/policy/parse.ts': `import { readFile } from 'node:fs/promises';`,
      'src/domain/tokens/key-ring.ts': `import { EntityManager } from '@mikro-orm/postgresql';`,
      'src/drivers/redis/redis.ts': `import { Pool } from 'pg';`,
      'src/api/graphql/users.ts': `const { Redis } = await import('ioredis');`,
      'src/kit/ids.ts': `import { z } from 'zod';`,
      'src/app.ts': `import { fastify } from 'fastify';`,
      'src/api/http/server.ts': `import lodash from 'lodash';`,
      'src/domain/refusals.ts': `import { createRequire } from 'node:module';`,
      'src/drivers/mongo/store.ts': `import { MongoClient } from 'mongodb';`,
    },
    good: {
      'src/domain/policy/engine.ts': `import { packRules } from '@casl/ability/extra';`,
      'src/drivers/postgres/rows.ts': `import { p } from '@mikro-orm/postgresql';`,
    },
  },
  {
    title: 'what src brings in is a dependency that is installed in production',
    files: SRC,
    broken: (file) =>
      importsOf(file)
        .filter(({ target, specifier }) => target === null && !specifier.startsWith('node:'))
        .filter(({ specifier }) => !DEPENDENCIES.has(packageOf(specifier)))
        .map(({ specifier, index }) => file.at(index, `${specifier} is not in the dependencies of package.json`)),
    bad: { 'src/api/graphql/schema.ts': `import { compose } from '@apollo/composition';` },
    good: { 'src/api/graphql/apollo.ts': `import { x } from '@apollo/server/plugin/disabled';` },
  },
  {
    title: 'what is imported is written out, so that it can be read here',
    files: SRC,
    broken: (file) => [
      ...file.find(/\bimport\s*\(\s*(?!['"])/g, 'imports what only running it tells'),
      ...file.find(/(?<![.\w])require\s*\(/g, 'uses require()'),
    ],
    bad: {
      'src/cli/castellan.ts': 'await import(`./${name}.ts`);',
      'src/kit/ids.ts': `const pg = require('pg');`,
      'src/app.ts': 'await import(path);',
    },
  },
  {
    // A type leaves no import when the program runs, so it makes no concept depend on another: a standing carries the
    // user's record, and audit writers are named by the store. What runs goes down the order only.
    title: 'concepts of the domain import only what comes before them, except for types',
    files: SRC,
    broken: (file) =>
      importsOf(file).flatMap(({ specifier, target, typeOnly, index }) => {
        const [from, to] = [conceptOf(file.path), conceptOf(target ?? '')];
        if (to === null || typeOnly || from === to) return [];
        if (from === null && !file.path.startsWith('src/domain/')) return [];
        // What lies in the domain itself, such as the store, is used by every concept and so uses none.
        if (from !== null && rankOf(to) < rankOf(from)) return [];
        return [file.at(index, `${from ?? 'the domain itself'} may not import ${specifier}`)];
      }),
    bad: {
      'src/domain/authority/tail.ts': `import { Users } from '../users/users.ts';`,
      'src/domain/policy/standings.ts': `import { foldEmail, type User } from '../users/user.ts';`,
      'src/domain/users/users.ts': `import { AccessTokens } from '../tokens/access-tokens.ts';`,
      'src/domain/sessions/sessions.ts': `import { KeyRing } from '../tokens/key-ring.ts';`,
      'src/domain/store.ts': `import { foldEmail } from './users/user.ts';`,
      'src/domain/users/user.ts': `import { Vault } from '../vaults/vault.ts';`,
      'src/domain/roles/roles.ts': `import { AuditEntry } from '../audit/entry.ts';`,
    },
    good: {
      'src/domain/policy/standings.ts': `import type { User } from '../users/user.ts';`,
      'src/domain/authentication/authentication.ts': `import { AccessTokens } from '../tokens/access-tokens.ts';`,
      'src/domain/authority/authority.ts': `import { TransactionConflict } from '../store.ts';`,
      'src/app.ts': `import { Users } from './domain/users/users.ts';`,
    },
  },
  {
    title: 'every concept of the domain has its place in the order',
    files: SRC,
    broken: (file) => {
      const concept = conceptOf(file.path);
      return concept === null || concept === 'audit' || ORDER.flat().includes(concept)
        ? []
        : [file.at(0, `${concept} has no place in the order of concepts`)];
    },
    bad: { 'src/domain/vaults/vault.ts': '' },
  },
  {
    title: 'audit knows nothing but ids',
    files: SRC,
    broken: (file) =>
      conceptOf(file.path) !== 'audit'
        ? []
        : importsOf(file)
            .filter(({ target }) => ![null, 'audit'].includes(conceptOf(target ?? '')))
            .map(({ specifier, index }) => file.at(index, `audit may not import ${specifier}`)),
    bad: { 'src/domain/audit/entry.ts': `import type { User } from '../users/user.ts';` },
  },
];

// Style

const STYLE_RULES: readonly Rule[] = [
  {
    title: 'the environment is read in config.ts, main.ts and the command line only',
    files: OWN_SRC,
    broken: (file) =>
      /^src\/(config|main)\.ts$|^src\/cli\//.test(file.path)
        ? []
        : [
            ...file.find(/\bprocess\s*(\.\s*env\b|\[)/g, 'reads the environment'),
            ...file.find(/\{[^{}]*\benv\b[^{}]*\}\s*=\s*process\b/g, 'reads the environment'),
            ...importsOf(file)
              .filter(({ specifier }) => /^(node:)?process$/.test(specifier))
              .map(({ index }) => file.at(index, 'imports the process')),
          ],
    bad: {
      'src/app.ts': 'const port = process.env.PORT;',
      'src/kit/log.ts': `const level = process['env'].LOG_LEVEL;`,
      'src/drivers/redis/redis.ts': 'const { env } = process;',
      'src/api/http/server.ts': `import { env } from 'node:process';`,
    },
    good: {
      'src/main.ts': 'readConfig(process.env);',
      'src/kit/log.ts': '// process.env is read elsewhere\nprocess.exit();',
    },
  },
  {
    title: 'the time comes from kit/clock.ts',
    files: OWN_SRC,
    broken: (file) =>
      file.path === 'src/kit/clock.ts'
        ? []
        : [
            ...file.find(/\bDate\s*\.\s*now\b/g, 'reads the wall clock'),
            ...file.find(/\bnew\s+Date\b\s*(\(\s*\)|(?!\s*\())/g, 'reads the wall clock'),
            ...file.find(/(?<!new\s)(?<![.\w])Date\s*\(/g, 'reads the wall clock'),
          ],
    bad: {
      'src/app.ts': 'const now = Date.now();',
      'src/kit/log.ts': 'const at = new Date();',
      'src/kit/ids.ts': 'const at = new Date;',
      'src/config.ts': 'const text = Date();',
      'src/domain/users/users.ts': 'clock = { now: Date.now };',
    },
    good: { 'src/drivers/postgres/database.ts': 'return new Date(value).toISOString();' },
  },
  {
    title: 'chance is never taken from Math.random, which can be foretold',
    files: OWN_SRC,
    broken: (file) => file.find(/\bMath\s*\.\s*random\b/g, 'uses Math.random'),
    bad: { 'src/kit/ids.ts': 'const id = Math.random();' },
  },
  {
    title: 'there are no barrels',
    files: OWN,
    broken: (file) => [
      ...(/^index\.[cm]?[jt]s$/.test(basename(file.path)) ? [file.at(0, 'is a barrel')] : []),
      ...file.find(/\bexport\s*(type\s*)?\*/g, 'passes on all of another file'),
    ],
    bad: { 'src/domain/index.ts': '', 'src/domain/users/users.ts': `export * from './user.ts';` },
  },
  {
    title: 'there is nothing that only a compiler could run: enums, namespaces, parameter properties',
    files: OWN,
    broken(file) {
      try {
        stripTypeScriptTypes(file.text, { mode: 'strip' });
        return [];
      } catch (error) {
        const { stack = '', message } = error as Error;
        return [`${file.path}:${/^:(\d+)/.exec(stack)?.[1] ?? '?'} ${message}`];
      }
    },
    bad: {
      'src/kit/a.ts': 'export enum Colour { red }',
      'src/kit/b.ts': 'namespace House { export const door = 1; }',
      'src/kit/c.ts': 'class House {\n  constructor(private readonly door: Door) {}\n}',
    },
  },
  {
    title: 'there are no decorators',
    files: OWN,
    broken: (file) => file.find(/(?<![\w)\]'"`])@[A-Za-z_$]/g, 'has a decorator'),
    bad: {
      'src/domain/users/user.ts': '@Entity()\nclass User {}',
      'src/kit/a.ts': 'class A {\n  @column() id = 1;\n}',
    },
    good: { 'src/kit/ids.ts': `/** @param kind */\nconst email = 'a@b.example';` },
  },
  {
    title: '`any` is nowhere, unless the line above says why',
    files: OWN,
    broken: (file) =>
      [...file.code.matchAll(/(?<![.\w$])any\b(?!\s*\??[:(])/g)]
        .filter(
          ({ index }) => !/oxlint-disable-next-line typescript\/no-explicit-any -- \S/.test(lineBefore(file, index)),
        )
        .map(({ index }) => file.at(index, 'is typed any')),
    bad: {
      'src/kit/a.ts': 'function a(value: any) {}',
      'src/kit/b.ts': 'const b = value as any;',
      'src/kit/c.ts': 'const c: Record<string, any[]> = {};',
      'src/kit/d.ts':
        '// oxlint-disable-next-line typescript/no-explicit-any -- a reason\nconst d = 1;\nlet e: any = d;',
    },
    good: { 'src/kit/a.ts': `const text = 'any';\nexpect.any(String);\n// any of these` },
  },
  {
    title: 'no file and no folder is named after nothing in particular',
    files: OWN,
    broken: ({ path }) => {
      const vague = /(^|[/.-])(utils?|helpers?|common|shared|managers?|lib|misc)(?=[/.-]|$)/i.exec(path)?.[2];
      return vague === undefined ? [] : [`${path}:1 is named ${vague}`];
    },
    bad: { 'src/utils/text.ts': '', 'src/kit/helpers.ts': '', 'src/domain/session-manager.ts': '' },
  },
  {
    title: 'files and folders are named in kebab case',
    files: OWN,
    broken: ({ path }) =>
      path.split('/').every((part) => /^[a-z0-9]+(-[a-z0-9]+)*(\.(test|contract))?(\.[jt]s)?$/.test(part))
        ? []
        : [`${path}:1 is not in kebab case`],
    bad: { 'src/kit/boundedMap.ts': '', 'src/Domain/user.ts': '', 'src/kit/bounded_map.ts': '' },
  },
  {
    title: 'no file has more than 500 lines',
    files: OWN,
    broken: (file) => {
      const lines = file.text.trimEnd().split('\n').length;
      return lines <= 500 ? [] : [`${file.path}:${lines} there are two things in it`];
    },
    bad: { 'src/app.ts': 'const a = 1;\n'.repeat(501) },
    good: { 'src/app.ts': 'const a = 1;\n'.repeat(500) },
  },
  {
    title: 'nothing is left for later',
    // This file names the words.
    files: OWN.filter(({ path }) => path !== 'test/architecture.test.ts'),
    broken: (file) => file.find(/\b(TODO|FIXME|XXX|HACK|NOT_IMPLEMENTED)\b/g, 'is left for later', file.text),
    bad: { 'src/app.ts': '// TODO: later', 'src/api/a.ts': `throw new Refusal('NOT_IMPLEMENTED');` },
  },
  {
    title: 'no test is skipped, focused or only planned',
    files: TESTS,
    broken: (file) => [
      ...file.find(/\b(describe|test|it)\s*(\.\s*\w+\s*)*\.\s*(skip|only|todo|failing)\b/g, 'does not run as a test'),
      ...file.find(/(?<![.\w])(xit|xtest|xdescribe|fit|ftest|fdescribe)\s*\(/g, 'does not run as a test'),
    ],
    bad: {
      'test/a.test.ts': `test.skip('is true', () => {});`,
      'test/b.test.ts': `describe.only('this', () => {});`,
      'test/c.test.ts': `test.todo('is true');`,
      'test/d.test.ts': `fit('is true', () => {});`,
      'test/e.test.ts': `test.concurrent.only.each([])('is true', () => {});`,
    },
    good: { 'test/a.test.ts': `test('skips what is .only', () => {});` },
  },
];

describe.each([
  ['the doors are shut', ROOM_RULES],
  ['the style is kept', STYLE_RULES],
])('%s', (_, rules) => {
  test.each(rules)('$title', ({ files, broken }) => {
    expect(files.length).toBeGreaterThan(0);
    expect(files.flatMap(broken)).toEqual([]);
  });

  test.each(rules)('a breach shows: $title', ({ broken, bad, good = {} }) => {
    for (const [path, text] of Object.entries(bad)) {
      const [complaint] = broken(new SourceFile(path, text));
      expect(complaint?.startsWith(`${path}:`)).toBe(true);
      expect(complaint?.slice(path.length)).toMatch(/^:\d+ /);
    }
    for (const [path, text] of Object.entries(good)) expect(broken(new SourceFile(path, text))).toEqual([]);
  });
});

test('a complaint names the line', () => {
  const file = new SourceFile(
    'src/app.ts',
    `/* one */\nconst a = \`\${\n{ b: '}' }.b}\`; // Math.random\n\nMath.random();`,
  );
  expect(file.find(/Math\.random/g, 'uses Math.random')).toEqual(['src/app.ts:5 uses Math.random']);
});

/** The folder under src/ that the file is in, or its name when it is in none. */
function roomOf(path: string): string {
  const [top = '', room = ''] = path.split('/');
  return top === 'src' ? room.replace(/\.ts$/, '') : top;
}

function driverOf(path: string): string {
  return path.split('/')[2] ?? '';
}

/** The folder under src/domain/ that the file is in, or null. */
function conceptOf(path: string): string | null {
  return /^src\/domain\/([^/]+)\//.exec(path)?.[1] ?? null;
}

/** What is not in the order comes last, so nothing may import it. */
function rankOf(concept: string): number {
  const rank = ORDER.findIndex((row) => row.includes(concept));
  return rank < 0 ? ORDER.length : rank;
}

function fits(pattern: string, specifier: string): boolean {
  return pattern.endsWith('*') ? specifier.startsWith(pattern.slice(0, -1)) : specifier === pattern;
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function lineBefore(file: SourceFile, index: number): string {
  return file.text.split('\n')[file.lineOf(index) - 2] ?? '';
}

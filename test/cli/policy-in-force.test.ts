import { cp, readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { diffPolicy } from '../../src/cli/policy-diff.ts';
import { explainPolicy } from '../../src/cli/policy-explain.ts';
import { SYSTEM } from '../../src/domain/principals/principal.ts';
import { type Castellans, type SignedInUser, startCastellans } from '../support/castellan.ts';
import { addGrant } from '../support/people.ts';
import { runOn } from '../support/database.ts';
import { castellan, type Ended, makeFolder, ROOT, STARTS_MS } from './running.ts';

jest.setTimeout(STARTS_MS);

let folder: Awaited<ReturnType<typeof makeFolder>>;
let castellans: Castellans;
let url: string;
let database: string;
let alice: SignedInUser;
let bob: SignedInUser;
let sam: SignedInUser;
let members: readonly SignedInUser[];

/** Support may also change users; nobody but administrators may end sessions of others. */
const CHANGE = {
  'users.yaml': ['{ action: [read, disable], subject: User }', '{ action: [read, update, disable], subject: User }'],
  'sessions.yaml': [
    '      - { action: [read, revoke], subject: Session }',
    '      - { action: read, subject: Session }',
  ],
} as const;

beforeAll(async () => {
  folder = await makeFolder();
  await cp(join(ROOT, 'policies'), join(folder.path, 'new'), { recursive: true });
  for (const [file, [from, to]] of Object.entries(CHANGE)) {
    const path = join(folder.path, 'new', file);
    const text = await readFile(path, 'utf8');
    expect(text).toContain(from);
    await writeFile(path, text.replace(from, to));
  }
  castellans = await startCastellans(1);
  database = castellans.config.databaseUrl?.reveal() ?? '';
  url = castellans.apps[0]?.url ?? '';
  alice = await castellans.signUp('alice', ['administrator']);
  bob = await castellans.signUp('bob');
  await castellans.addScopes('acme/platform');
  const users = castellans.apps[0]?.services.users;
  members = [];
  for (const at of Array.from({ length: 12 }).keys()) {
    const email = `m${String(at).padStart(2, '0')}@example.com`;
    const made = await users?.create(SYSTEM, { email, name: 'M', scope: 'acme/platform' });
    members = [...members, { ...bob, email, id: made?.value.id ?? '' }];
  }
  sam = await castellans.signUp('sam', ['member']);
  const { roles, grants } = castellans.apps[0]?.services ?? {};
  const support = await roles?.findByName(SYSTEM, 'support');
  await grants?.grant(SYSTEM, { principalId: sam.id, roleId: support?.id ?? '', scope: 'acme' });
  await castellans.signIn(sam.email);
});

afterAll(async () => {
  await castellans.close();
  await folder.remove();
});

const policy = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> =>
  castellan(['policy', ...args], env, folder.path);

/** What is told to people fits a terminal. */
function lines({ stdout, stderr }: Ended): readonly string[] {
  const all = `${stdout}${stderr}`.trimEnd().split('\n');
  expect(all.filter((line) => line.length > 100)).toEqual([]);
  return all;
}

const json = ({ stdout }: Ended): Record<string, unknown> => JSON.parse(stdout) as Record<string, unknown>;

describe('policy diff', () => {
  test('names who gains and loses what over the users of the database, with roles and live sessions', async () => {
    const diff = await policy(['diff', 'new', '--database', database]);
    expect(diff.code).toBe(0);
    expect(lines(diff)).toEqual([
      expect.stringMatching(/^before {2}[0-9a-f]{12} {2}the policy in force in the database$/),
      expect.stringMatching(/^after {3}[0-9a-f]{12} {2}new$/),
      '',
      'GAINS update User',
      '  1 principal; roles: support at acme; 2 live sessions; on 12 User records',
      `    ${sam.email}  ${sam.id}  2 live sessions, 12 records`,
      '',
      'LOSES revoke Session',
      '  1 principal; roles: support at acme; 2 live sessions; on 12 Session records',
      `    ${sam.email}  ${sam.id}  2 live sessions, 12 records`,
      '',
      '1 gain and 1 lose something; asked for 16 principals.',
    ]);
  });

  test('as a gate, takes DATABASE_URL and says the same as JSON', async () => {
    const diff = await policy(['diff', 'new', '--json', '--fail-on-loss'], { DATABASE_URL: database });
    expect({ code: diff.code, facts: json(diff) }).toMatchObject({
      code: 1,
      facts: {
        ok: false,
        population: 'database',
        asked: 16,
        groups: [
          { effect: 'gains', action: 'update', members: [{ id: sam.id, email: sam.email, records: 12 }] },
          { effect: 'loses', action: 'revoke', liveSessions: 2 },
        ],
      },
    });
  });

  test('names ten, and all when asked to', async () => {
    const file = join(folder.path, 'fewer/users.yaml');
    await cp(join(ROOT, 'policies'), join(folder.path, 'fewer'), { recursive: true });
    await writeFile(file, (await readFile(file, 'utf8')).replace('fields: [name], ', 'fields: [name, email], '));
    const ten = lines(await policy(['diff', 'fewer', '--database', database]));
    expect(ten.slice(3, 5)).toEqual([
      'GAINS update User (email)',
      '  14 principals; roles: member, support at acme; 3 live sessions; on themselves',
    ]);
    expect(ten.filter((line) => line.includes('user_'))).toHaveLength(10);
    expect(ten).toContain('    … and 4 more: --all names them');
    const all = lines(await policy(['diff', 'fewer', '--database', database, '--all']));
    expect(all.filter((line) => line.includes('user_'))).toHaveLength(14);
  });

  test('asks a Castellan over HTTP for the same', async () => {
    const env = { CASTELLAN_TOKEN: alice.accessToken };
    const diff = await policy(['diff', 'new', '--endpoint', url, '--fail-on-gain'], env);
    expect(diff.code).toBe(1);
    expect(lines(diff).slice(2)).toEqual([
      '',
      'GAINS update User',
      '  1 principal; roles: support at acme; on 12 User records',
      `    ${sam.email}  ${sam.id}  12 records`,
      '',
      'LOSES revoke Session',
      '  1 principal; roles: support at acme; on 12 Session records',
      `    ${sam.email}  ${sam.id}  12 records`,
      '',
      '1 gain and 1 lose something; asked for everybody.',
      'Somebody gains something, which --fail-on-gain refuses.',
    ]);
  });

  test('names service accounts as well, in the database and over HTTP, and explains what one may do', async () => {
    const app = castellans.apps[0];
    if (app === undefined) throw new TypeError('one was started');
    const { value: account } = await app.services.serviceAccounts.create(SYSTEM, { name: 'gateway', scope: 'acme' });
    try {
      await addGrant(app, { principalId: account.id, role: 'service', scope: 'acme' });
      await cp(join(ROOT, 'policies'), join(folder.path, 'shut'), { recursive: true });
      const file = join(folder.path, 'shut/users.yaml');
      const text = await readFile(file, 'utf8');
      await writeFile(
        file,
        text.replace(
          '  service:\n    allow:\n      - { action: read,',
          '  service:\n    allow:\n      - { action: disable,',
        ),
      );
      const env = { CASTELLAN_TOKEN: alice.accessToken };
      const inDatabase = lines(await policy(['diff', 'shut', '--database', database]));
      expect(inDatabase).toContain('  1 principal; roles: service at acme; 0 live sessions; on 12 User records');
      expect(inDatabase).toContain(`    ${account.id}  0 live sessions, 12 records`);
      const overHttp = lines(await policy(['diff', 'shut', '--endpoint', url], env));
      expect(overHttp).toContain('  1 principal; roles: service at acme; on 12 User records');
      expect(overHttp).toContain(`    ${account.id}  12 records`);
      const question = [
        '--action',
        'read',
        '--subject',
        'ServiceAccount',
        '--id',
        account.id,
        '--principal',
        account.id,
      ];
      const explained = await policy(['explain', ...question, '--database', database, '--json']);
      expect(json(explained)).toMatchObject({ principal: `gateway (${account.id})`, allowed: true });
    } finally {
      await app.services.serviceAccounts.delete(SYSTEM, account.id);
    }
  });

  test('changes nothing', async () => {
    const versions = await castellans.rows<{ n: number }>('select count(*)::int as n from policy_bundles');
    expect(versions).toEqual([{ n: 1 }]);
  });
});

describe('policy explain', () => {
  const disable = (id: string) => ['explain', '--action', 'disable', '--subject', 'User', '--id', id];

  test('finds a user by e-mail, and shows rule, conditions and what would have to be different', async () => {
    const explained = await policy([...disable(alice.id), '--database', database, '--principal', sam.email]);
    const told = lines(explained);
    expect(explained.code).toBe(0);
    expect(told.slice(0, 2).join(' ')).toContain(`DENIED: ${sam.email} (${sam.id}) may not disable User`);
    expect(told).toContain('  No rule allows disable on User.');
    expect(told).toContainEqual(
      expect.stringMatching(/^Nearest miss: policies\/users\.yaml:\d+: an allow of the role/),
    );
    expect(told).toContain('  fails  scopes in ["acme"]; it is [] (the scope of the grant)');
    expect(told).toContain('To be allowed:');
  });

  test('says of the files in a folder what they would say, and reads sessions', async () => {
    const [member] = members;
    const question = ['--principal', sam.id, '--database', database];
    const update = ['--action', 'update', '--subject', 'User', '--id', member?.id ?? '', '--field', 'email'];
    expect(json(await policy(['explain', ...update, ...question, '--json']))).toMatchObject({ allowed: false });
    expect(json(await policy(['explain', 'new', ...update, ...question, '--json']))).toMatchObject({
      allowed: true,
      rule: { file: 'new/users.yaml', role: 'support', inheritance: ['support'] },
    });
    const own = ['--action', 'revoke', '--subject', 'Session', '--id', sam.sessionId];
    expect(json(await policy(['explain', ...own, ...question, '--json']))).toMatchObject({
      allowed: true,
      rule: { role: 'member', conditions: [{ attribute: 'userId', actual: sam.id, holds: true }] },
    });
  });

  test('asks a Castellan over HTTP', async () => {
    const env = { CASTELLAN_TOKEN: alice.accessToken };
    const [member] = members;
    const about = disable(member?.id ?? '');
    const told = lines(await policy([...about, '--endpoint', url, '--principal', sam.id], env));
    expect(told[0]).toContain('ALLOWED');
    expect(told).toContainEqual(expect.stringMatching(/^ {2}holds {2}scopes in \["acme"\]; it is \["acme"/));
    const own = await policy([...about, '--endpoint', url, '--principal', alice.email, '--json'], env);
    expect(json(own)).toMatchObject({ allowed: true, rule: { role: 'administrator' } });
  });
});

describe('what cannot be asked', () => {
  const diff = (options: object, token = 'x') =>
    diffPolicy(join(folder.path, 'new'), options, { CASTELLAN_TOKEN: token });
  const explain = (options: object) =>
    explainPolicy(undefined, { action: 'read', subject: 'User', role: [], attribute: [], database, ...options }, {});
  let server: Server;
  let stranger: string;

  beforeAll(async () => {
    server = createServer((_, response) => response.writeHead(404).end('<html>'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    stranger = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterAll(() => void server.close());

  test.each<readonly [string, () => Promise<unknown>, RegExp]>([
    [
      'a database of something else',
      async () => {
        const other = new URL(database);
        other.pathname = '/other_database';
        await runOn(castellans.databaseUrl, 'drop database if exists other_database', 'create database other_database');
        try {
          return await diff({ database: other.href });
        } finally {
          await runOn(castellans.databaseUrl, 'drop database other_database with (force)');
        }
      },
      /^This database is not one of Castellan, or not up to date: run `castellan migrate`, or check its URL\.$/,
    ],
    [
      'a user who is not there',
      () => explain({ principal: 'eve@x.org' }),
      /^There is no user or service account eve@x\.org in this database\. Check --principal\.$/,
    ],
    [
      'a record that is not there',
      () => explain({ principal: bob.email, id: 'user_x' }),
      /^There is no User user_x in this database\. Check --id\.$/,
    ],
    [
      'an endpoint where nothing is',
      () => diff({ endpoint: 'http://127.0.0.1:9' }),
      /^127\.0\.0\.1:9 cannot be reached: .*Check --endpoint, and that Castellan runs there\.$/,
    ],
    [
      'an endpoint of something else',
      () => diff({ endpoint: stranger }),
      /is no GraphQL endpoint: it answered 404\. Check --endpoint\.$/,
    ],
    [
      'a token that is none',
      () => diff({ endpoint: url }, 'garbage'),
      /^The token in CASTELLAN_TOKEN is refused \(UNAUTHENTICATED\)\. Sign in again, and export the new one\.$/,
    ],
    [
      'a token of somebody who may not',
      () => diff({ endpoint: url }, bob.accessToken),
      /The token must be of somebody who may read the policy, such as an auditor\.$/,
    ],
  ])('%s: says what to do next', async (_, ask, told) => {
    await expect(ask()).rejects.toThrow(told);
  });

  test('a database that is not there: exits with 1, and tells no password', async () => {
    const ended = await policy(['diff', 'new', '--database', 'postgres://castellan:hunter2@127.0.0.1:9/none']);
    expect(ended).toMatchObject({
      code: 1,
      stdout: '',
      stderr:
        'The database cannot be used: nothing listens there (ECONNREFUSED, 127.0.0.1:9). Check --database, or DATABASE_URL.\n',
    });
  });
});

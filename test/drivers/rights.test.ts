import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { createApp } from '../../src/app.ts';
import { examine } from '../../src/cli/doctor.ts';
import { migrateDatabase } from '../../src/cli/migrate.ts';
import { migrate } from '../../src/drivers/postgres/migrate.ts';
import { RIGHTS } from '../../src/drivers/postgres/rights.ts';
import { createLog } from '../../src/kit/log.ts';
import { Secret } from '../../src/kit/secret.ts';
import { castellan } from '../cli/running.ts';
import { testConfig } from '../support/castellan.ts';
import { createDatabase, INSTANCE_ROLE, runOn, type TestDatabase } from '../support/database.ts';
import { ROOT } from '../support/source-files.ts';

/** That a role has what an instance does, and no more. All other tests of the database run with that role. */

/** A name that must be quoted wherever it stands. */
const OTHER_ROLE = `o'ther 100% ${randomBytes(4).toString('hex')}`;
const QUOTED = `"${OTHER_ROLE}"`;
const [, THIS_MONTH = '', LATER = ''] =
  /^(\d{4}-\d\d)-\d\d.*?(\d{4}-\d\d-\d\d)$/.exec(
    `${new Date().toISOString().slice(0, 10)} ${new Date(Date.now() + 400 * 86_400_000).toISOString().slice(0, 10)}`,
  ) ?? [];

let database: TestDatabase;
let owner: Client;
let instance: Client;

beforeAll(async () => {
  database = await createDatabase();
  owner = new Client({ connectionString: database.url });
  instance = new Client({ connectionString: database.instanceUrl });
  await Promise.all([owner.connect(), instance.connect()]);
  await owner.query(`create role ${QUOTED} login password 'of another'`);
});

afterAll(async () => {
  await Promise.allSettled([owner?.end(), instance?.end()]);
  await database?.drop();
  await runOn(process.env['TEST_POSTGRES_URL'] ?? '', `drop role if exists ${QUOTED}`);
});

const rows = async (client: Client, text: string): Promise<readonly Record<string, unknown>[]> =>
  (await client.query<Record<string, unknown>>(text)).rows;

test('every table has its rights, and every right is of a table', async () => {
  const tables = await rows(
    owner,
    `select relname as name from pg_class c where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
     and not exists (select from pg_inherits where inhrelid = c.oid) order by relname collate "C"`,
  );
  expect(Object.keys(RIGHTS)).toEqual(tables.map(({ name }) => name));
});

test('whatever may be changed, a statement changes, and whatever a statement changes may be', () => {
  const folder = join(ROOT, 'src/drivers/postgres');
  const done = new Map(Object.keys(RIGHTS).map((table) => [table, new Set(['select'])]));
  const add = (table: string, right: string): void => void done.get(table)?.add(right);
  for (const file of readdirSync(folder)) {
    const source = readFileSync(join(folder, file), 'utf8').replaceAll(/\/\*.*?\*\/|^\s*\/\/[^\n]*/gms, '');
    for (const [, verb = '', table = '', rest = ''] of source.matchAll(
      /\b(insert into|(?<!(?:for|do|key) )update|delete from)\s+([a-z_]+)(?=([^`]*))/g,
    )) {
      add(table, verb.split(' ')[0] ?? '');
      if (verb === 'insert into' && rest.split('insert into')[0]?.includes('do update set')) add(table, 'update');
    }
    // A table whose name is put in.
    for (const [, names = ''] of source.matchAll(
      /for \(const table of \[([^\]]*)\]\) \{\s*await send\([^)]*delete from/g,
    )) {
      for (const [, table = ''] of names.matchAll(/'(\w+)'/g)) add(table, 'delete');
    }
  }
  const may = Object.entries(RIGHTS).map(
    ([table, granted]) => [table, new Set(granted.match(/[a-z]+(?=,|$| \()/g))] as const,
  );
  for (const table of LOCKED) done.get(table)?.add('update');
  expect(Object.fromEntries(may)).toEqual(Object.fromEntries(done));
});

/** Rows that are locked before they are removed: that takes a right to change something of them. */
const LOCKED = new Set(['rollup_flushes']);

describe('an instance may not', () => {
  const partition = `audit_entries_${THIS_MONTH.replace('-', '_')}`;
  test.each([
    ['change an audit entry', `update audit_entries set by = 'user_x'`],
    ['remove an audit entry', 'delete from audit_entries'],
    ['change one by its partition', `update ${partition} set by = 'user_x'`],
    ['remove one by its partition', `delete from ${partition}`],
    ['read one by its partition', `select * from ${partition}`],
    ['empty the audit log', 'truncate audit_entries'],
    ['change what was chained', `update audit_batches set hash = ''`],
    ['remove what was chained', 'delete from audit_batches'],
    ['remove where the chain begins', 'delete from audit_anchors'],
    ['take this month for one that is kept no longer', `select audit_month_drop('${THIS_MONTH}-01', 9)`],
    ['make a partition far ahead', `select audit_month_prepare('${LATER}')`],
    ['make a partition of a month that is over', `select audit_month_prepare('2020-01-01')`],
    ['change the authority log', `update authority_log set kind = 'changed'`],
    ['number the authority log', 'update authority_log set seq = 1'],
    ['set the head of the authority log', 'update authority_head set seq = 1'],
    ['empty the authority log', 'truncate authority_log'],
    ['say that a migration was done', `insert into migrations (name) values ('x')`],
    ['drop a table', 'drop table users'],
    ['change a table', 'alter table users add column x text'],
    ['turn a trigger off', 'alter table authority_log disable trigger all'],
    ['make a table', 'create table mine (id text)'],
    ['make a function', `create function mine() returns int language sql as 'select 1'`],
    ['make a role', 'create role mine'],
    ['become who made the tables', `set role ${new URL(process.env['TEST_POSTGRES_URL'] ?? 'x:').username}`],
    ['remove a user', 'delete from users'],
  ])('%s', async (_, statement) => {
    await expect(instance.query(statement)).rejects.toMatchObject({ code: '42501' });
  });
});

test('a month whose last day is kept no longer goes, and only with what it has', async () => {
  await owner.query(
    `insert into audit_entries (at, by, action) values ('2020-01-15', 'system', 'x'), (now(), 'system', 'y')`,
  );
  await instance.query(`select audit_month_drop('2020-01-01', 0)`);
  expect(await rows(owner, 'select action from audit_entries')).toEqual([{ action: 'y' }]);
});

test('what is done in another’s name is done to the tables of that one, whatever temporary ones there are', async () => {
  await instance.query('begin');
  await instance.query('create temporary table authority_head (id int, epoch uuid, seq bigint)');
  await instance.query('create temporary table audit_anchors (month text)');
  await instance.query(`insert into audit_anchors values ('kept')`);
  await instance.query(`insert into authority_log (target, kind, reason) values ('user_x', 'changed', 'test')`);
  await instance.query(`select audit_month_drop('2020-01-01', 0)`);
  await instance.query('commit');
  expect(await rows(instance, 'select month from audit_anchors')).toEqual([{ month: 'kept' }]);
  expect(await rows(owner, 'select l.seq = h.seq as numbered from authority_log l, authority_head h')).toEqual([
    { numbered: true },
  ]);
  await instance.query('drop table authority_head, audit_anchors');
});

test('a role gets it by castellan migrate, loses what else it had, and is kept up to date', async () => {
  await owner.query(`grant all on all tables in schema public to ${QUOTED}`);
  const granted = await migrate(database.url, { grantTo: OTHER_ROLE });
  expect(granted).toContain(`grant select, insert, update (seq) on table audit_entries to ${QUOTED}`);
  const other = new URL(database.url);
  Object.assign(other, { username: OTHER_ROLE, password: 'of another' });
  await expect(runOn(other.href, 'truncate audit_entries')).rejects.toMatchObject({ code: '42501' });
  await expect(runOn(other.href, 'truncate audit_entries_other')).rejects.toMatchObject({ code: '42501' });
  await runOn(other.href, 'select * from audit_entries');

  // As a table that a migration makes: whoever had rights before gets those to it.
  await owner.query(`revoke all on users from ${INSTANCE_ROLE}, ${QUOTED}`);
  await owner.query(`grant delete on users to ${INSTANCE_ROLE}`);
  await migrate(database.url, { grantTo: OTHER_ROLE });
  for (const url of [other.href, database.instanceUrl]) await runOn(url, 'select * from users');
  // Who is not named keeps what it has: instances of the version before may need it.
  await runOn(database.instanceUrl, 'delete from users');
  await migrate(database.url, { grantTo: INSTANCE_ROLE });
  await expect(runOn(database.instanceUrl, 'delete from users')).rejects.toMatchObject({ code: '42501' });
});

test('only a role that is there, and owns nothing, gets it', async () => {
  await expect(migrate(database.url, { grantTo: 'nobody' })).rejects.toThrow('there is no role of that name');
  const { username } = new URL(database.url);
  await expect(migrate(database.url, { grantTo: username })).rejects.toThrow('owns the tables');
  await expect(migrate(database.url, { grantTo: `x'; drop table users; --` })).rejects.toThrow('there is no role');
});

describe('a start', () => {
  const start = (databaseUrl: string, settings: object = {}) =>
    createApp({ ...testConfig(databaseUrl, undefined), ...settings }, { logger: createLog('silent'), poolMax: 2 });

  test('as a role that may not do everything is refused, and says what it lacks', async () => {
    await owner.query(`revoke delete on sessions from ${INSTANCE_ROLE}`);
    await owner.query(`revoke execute on function audit_month_prepare(date) from ${INSTANCE_ROLE}`);
    await expect(start(database.instanceUrl)).rejects.toThrow(
      'DATABASE_URL names a user who may not use audit_month_prepare(date), sessions as an instance does',
    );
    const { facts } = await examine({ DATABASE_URL: database.instanceUrl });
    expect(facts).toMatchObject({
      problems: [{ variable: 'DATABASE_URL', message: expect.stringContaining('sessions') }],
    });
    await migrate(database.url, { grantTo: INSTANCE_ROLE });
  });

  test('on an older database makes what is missing as who owns it, and otherwise says who does', async () => {
    const older = await createDatabase();
    try {
      await runOn(
        older.url,
        `delete from migrations where name = '0023-rights'`,
        'drop function audit_month_prepare(date)',
        `alter function audit_month_drop(date, bigint) rename to kept`,
      );
      await expect(start(older.instanceUrl)).rejects.toThrow('castellan migrate does, with MIGRATION_DATABASE_URL');
      await runOn(older.url, 'drop function kept(date, bigint)');
      // It is granted to nobody yet, and says so: who gets it was never said here.
      await expect(start(older.instanceUrl, { migrationDatabaseUrl: new Secret(older.url) })).rejects.toThrow(
        'castellan migrate --grant-to',
      );
      await migrate(older.url, { grantTo: INSTANCE_ROLE });
      const app = await start(older.instanceUrl);
      await app.close();
    } finally {
      await older.drop();
    }
  });
});

test('castellan migrate and castellan doctor name the owner who is none, or cannot be asked', async () => {
  const problems = async (env: Record<string, string>): Promise<unknown> => (await examine(env)).facts;
  const { instanceUrl: DATABASE_URL } = database;
  expect(await problems({ DATABASE_URL, MIGRATION_DATABASE_URL: DATABASE_URL })).toMatchObject({
    problems: [{ variable: 'MIGRATION_DATABASE_URL', message: expect.stringContaining('does not own the table') }],
  });
  const MIGRATION_DATABASE_URL = 'postgres://owner:secret@127.0.0.1:1/castellan';
  expect(await problems({ DATABASE_URL, MIGRATION_DATABASE_URL })).toMatchObject({
    problems: [{ variable: 'MIGRATION_DATABASE_URL', message: expect.stringContaining('ECONNREFUSED') }],
  });
  expect(await castellan(['migrate'], { DATABASE_URL, MIGRATION_DATABASE_URL })).toMatchObject({
    code: 1,
    stderr: 'MIGRATION_DATABASE_URL cannot be used: nothing listens there (ECONNREFUSED, 127.0.0.1:1).\n',
  });
  await expect(migrateDatabase({ grantTo: 'nobody' }, { DATABASE_URL: database.url })).rejects.toThrow(
    '--grant-to nobody: there is no role of that name',
  );
});

test('castellan doctor warns in production of a role that may do more, and not of one that may do just this', async () => {
  const warnings = async (url: string): Promise<readonly string[]> => {
    const { facts } = await examine({ NODE_ENV: 'production', DATABASE_URL: url });
    const all = (facts as { warnings: { variable: string; message: string }[] }).warnings;
    return all.map(({ message }) => message).filter((message) => message.startsWith('names'));
  };
  expect(await warnings(database.instanceUrl)).toEqual([]);
  expect(await warnings(database.url)).toEqual([expect.stringContaining('names a superuser')]);
  await owner.query(`grant truncate on audit_entries_other to ${INSTANCE_ROLE}`);
  await owner.query(`grant update on audit_entries to ${INSTANCE_ROLE}`);
  await owner.query(`grant create on schema public to ${INSTANCE_ROLE}`);
  expect(await warnings(database.instanceUrl)).toEqual([
    expect.stringContaining('may make tables'),
    expect.stringContaining('with audit_entries, audit_entries_other:'),
  ]);
});

import { Migrator } from '@mikro-orm/migrations';
import { MikroORM } from '@mikro-orm/postgresql';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { Migration0001 } from '../../migrations/0001-first-tables.ts';
import { migrate, MIGRATIONS } from '../../src/drivers/postgres/migrate.ts';
import { createDatabase, runOn, type TestDatabase } from '../support/database.ts';

/** That the version before can go on while a migration runs, and after it. */

interface Column {
  readonly type: string;
  /** Whether a row can be written that says nothing of it. */
  readonly optional: boolean;
  readonly nullable: boolean;
}

/** What statements rely on, by what names it: `column users.email`, `unique users_email_index`, `function x(text)`. */
type Catalog = ReadonlyMap<string, Column | string>;

/** Those that did so before there was a version which anybody could be running. Nothing is to be added here. */
const BEFORE_ANYBODY: ReadonlySet<string> = new Set([
  '0002-scopes-and-custom-roles',
  '0004-list-indexes',
  '0005-signing-key-lives',
  '0014-session-events',
]);

/** What no statement of the version before relied on: it only ever added audit entries, and named no conflict. */
const UNUSED: Readonly<Record<string, readonly string[]>> = {
  '0018-audit-log': ['unique audit_entries_pkey of audit_entries is another: "PRIMARY KEY (at, id)"'],
};

let created: TestDatabase;
let client: Client;

beforeAll(async () => {
  created = await createDatabase();
  client = new Client({ connectionString: created.url });
  await client.connect();
});

afterAll(async () => {
  await client?.end();
  await created?.drop();
});

async function catalog(): Promise<Catalog> {
  const columns = await client.query<Column & { name: string }>(
    `select format('column %s.%s', table_name, column_name) as name, udt_name as type,
       is_nullable = 'YES' as nullable,
       is_nullable = 'YES' or column_default is not null or is_identity = 'YES' or is_generated = 'ALWAYS' as optional
     from information_schema.columns where table_schema = 'public'`,
  );
  const rules = await client.query<{ name: string; says: string }>(
    `select format('%s %s of %s', case contype when 'c' then 'check' when 'f' then 'reference' else 'unique' end,
       conname, conrelid::regclass) as name, pg_get_constraintdef(oid) as says
     from pg_constraint where connamespace = 'public'::regnamespace and contype in ('c', 'f', 'u', 'p')
     union all
     select format('unique %s of %s', indexrelid::regclass, indrelid::regclass), pg_get_indexdef(indexrelid)
     from pg_index where indisunique and not indisprimary and indrelid in (
       select oid from pg_class where relnamespace = 'public'::regnamespace)
     union all
     select format('function %s', oid::regprocedure), pg_get_function_result(oid)
     from pg_proc where pronamespace = 'public'::regnamespace`,
  );
  return new Map<string, Column | string>([
    ...columns.rows.map(({ name, type, optional, nullable }) => [name, { type, optional, nullable }] as const),
    ...rules.rows.map(({ name, says }) => [name, says] as const),
  ]);
}

/** What statements that were written for `before` may stumble over in `after`. */
function broken(before: Catalog, after: Catalog): readonly string[] {
  const tables = new Set([...before.keys()].flatMap((name) => /^column (\w+)\./.exec(name)?.[1] ?? []));
  const found: string[] = [];
  for (const [name, was] of before) {
    const is = after.get(name);
    // A rule that is gone lets more through, but for what `on conflict` names.
    if (is === undefined) {
      if (!name.startsWith('check') && !name.startsWith('reference')) found.push(`${name} is gone`);
    } else if (typeof was === 'string' || typeof is === 'string') {
      if (was !== is && !name.startsWith('check')) found.push(`${name} is another: ${JSON.stringify(is)}`);
    } else if (was.type !== is.type) {
      found.push(`${name} is of another type`);
    } else if ((was.optional && !is.optional) || (was.nullable && !is.nullable)) {
      found.push(`${name} must be given`);
    }
  }
  for (const [name, is] of after) {
    if (before.has(name)) continue;
    const table = /^column (\w+)\./.exec(name)?.[1] ?? / of (\w+)$/.exec(name)?.[1] ?? '';
    if (!tables.has(table)) continue;
    if (typeof is === 'string') {
      if (name.startsWith('unique')) found.push(`${name} is new`);
    } else if (!is.optional) {
      found.push(`${name} is new and must be given`);
    }
  }
  return found;
}

test('no migration takes away, renames or narrows what the version before reads and writes', async () => {
  await runOn(created.url, 'drop schema public cascade', 'create schema public');
  const orm = new MikroORM({
    discovery: { warnWhenNoEntities: false },
    entities: [],
    clientUrl: created.url,
    extensions: [Migrator],
    migrations: { migrationsList: MIGRATIONS, tableName: 'migrations', snapshot: false, silent: true },
  });
  const stumbling: Record<string, readonly string[]> = {};
  let before: Catalog = new Map();
  try {
    for (const { name } of await orm.migrator.getPending()) {
      expect(await orm.migrator.up({ migrations: [name] })).toHaveLength(1);
      const after = await catalog();
      const found = broken(before, after).filter((each) => UNUSED[name]?.includes(each) !== true);
      if (found.length > 0) stumbling[name] = found;
      before = after;
    }
  } finally {
    await orm.close(true);
  }
  expect(before.size).toBeGreaterThan(200);
  expect(Object.fromEntries(Object.entries(stumbling).filter(([name]) => !BEFORE_ANYBODY.has(name)))).toEqual({});
});

test('while a migration waits for a table in use, whoever reads the table after it waits for a second at most', async () => {
  await runOn(created.url, 'drop schema public cascade', 'create schema public');
  const [first = Migration0001] = MIGRATIONS;
  const orm = new MikroORM({
    discovery: { warnWhenNoEntities: false },
    entities: [],
    clientUrl: created.url,
    extensions: [Migrator],
    migrations: { migrationsList: [first], tableName: 'migrations', snapshot: false, silent: true },
  });
  await orm.migrator.up();
  await orm.close(true);

  await client.query('begin');
  await client.query('select from users');
  const migrated = migrate(created.url);
  migrated.catch(() => {});
  const reader = new Client({ connectionString: created.url, query_timeout: 5_000 });
  await reader.connect();
  try {
    for (let waiting = 0; waiting === 0;) {
      const text = `select count(*)::int as count from pg_stat_activity where datname = current_database()
        and application_name = 'castellan migrate' and wait_event_type = 'Lock'`;
      waiting = (await reader.query<{ count: number }>(text)).rows[0]?.count ?? 0;
    }
    await reader.query('select from users');
  } finally {
    await reader.end();
    await client.query('commit');
  }
  await migrated;
  const { rows } = await client.query<{ count: number }>('select count(*)::int as count from migrations');
  expect(rows).toEqual([{ count: MIGRATIONS.length }]);
}, 30_000);

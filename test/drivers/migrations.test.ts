import { Migrator } from '@mikro-orm/migrations';
import { MikroORM } from '@mikro-orm/postgresql';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { Migration0001 } from '../../migrations/0001-first-tables.ts';
import { addressKey } from '../../src/domain/address-range.ts';
import { migrate } from '../../src/drivers/postgres/migrate.ts';
import { isId } from '../../src/kit/ids.ts';
import { createDatabase, runOn, type TestDatabase } from '../support/database.ts';

/** That a database which somebody has used is brought up to date with everything where it was. */

const AT = '2025-06-01T12:00:00.123Z';
/** The path of each user's home, by name. */
const HOMES = { ann: 'acme/platform/api', bob: 'acme', cem: 'acme2', dot: null, eve: 'acme-x/a_b/c' } as const;
/** Who holds which role, and at what path; none is everywhere. The last was revoked. */
const GRANTS = [
  ['ann', 'support', 'acme/platform'],
  ['ann', 'support', 'globex/eu/west'],
  ['ann', 'member', ''],
  ['bob', 'support', 'acme'],
  ['bob', 'member', ''],
  ['eve', 'support', 'old/left'],
] as const;
/** Where sessions came from, and what is no address. */
const ADDRESSES = ['203.0.113.7', '::1', '2001:db8:1::5', 'fe80::1%eth0', 'unknown', '', null];
const PATHS = [
  'acme',
  'acme-x',
  'acme-x/a_b',
  'acme-x/a_b/c',
  'acme/platform',
  'acme/platform/api',
  'acme2',
  'globex',
  'globex/eu',
  'globex/eu/west',
  'old',
  'old/left',
];

interface ScopeRow {
  readonly id: string;
  readonly parent_id: string | null;
  readonly name: string;
  readonly path: string;
  readonly paths: readonly string[];
  readonly lineage: readonly string[];
  readonly status: string;
  readonly deleted_at: string | null;
}

let created: TestDatabase;
let client: Client;
let scopes: ReadonlyMap<string, ScopeRow>;

async function rows<Row>(text: string, ...values: readonly unknown[]): Promise<readonly Row[]> {
  return (await client.query(text, [...values])).rows as Row[]; // the statement names its columns
}

/** The first tables and nothing of what came after them. */
async function migrateFirst(clientUrl: string): Promise<void> {
  const orm = new MikroORM({
    discovery: { warnWhenNoEntities: false },
    entities: [],
    clientUrl,
    extensions: [Migrator],
    migrations: { migrationsList: [Migration0001], tableName: 'migrations', snapshot: false, silent: true },
  });
  await orm.migrator.up();
  await orm.close(true);
}

beforeAll(async () => {
  created = await createDatabase();
  // As empty as a database is made.
  await runOn(created.url, 'drop schema public cascade', 'create schema public');
  await migrateFirst(created.url);
  client = new Client({ connectionString: created.url });
  await client.connect();
  for (const [name, home] of Object.entries(HOMES)) {
    await rows(
      `insert into users (id, email, email_folded, name, status, scope, created_at)
       values ('user_' || $1, $1 || '@example.com', $1 || '@example.com', $1, 'active', $2, $3)`,
      name,
      home,
      AT,
    );
  }
  await rows(
    `insert into roles (id, name, managed) values ('role_support', 'support', true), ('role_member', 'member', true)`,
  );
  for (const [n, [user, role, scope]] of GRANTS.entries()) {
    await rows(
      `insert into grants (id, principal_id, role_id, scope, granted_by, created_at, revoked_at)
       values ('grant_' || $1::text, 'user_' || $2, 'role_' || $3, $4, 'system', $5, $6)`,
      n,
      user,
      role,
      scope,
      AT,
      n === GRANTS.length - 1 ? AT : null,
    );
  }
  await rows(
    `insert into audit_entries (by, action, subject_id, detail) values
       ('system', 'user.create', 'user_ann', '{"status":"active","scope":"acme/platform/api"}'), ('system', 'x.y', 'z', null)`,
  );
  for (const [n, address] of ADDRESSES.entries()) {
    await rows(
      `insert into sessions (id, user_id, created_at, expires_at, refresh_hash, address) values ($1, 'user_ann', $2, $2, '', $3)`,
      `sess_${n}`,
      AT,
      address,
    );
  }
  await migrate(created.url);
  const found = await rows<ScopeRow>('select * from scopes');
  scopes = new Map(found.map((scope) => [scope.path, scope]));
});

afterAll(async () => {
  await client?.end();
  await created?.drop();
});

describe('0002: scopes and custom roles', () => {
  test('every path in use is a scope, with all above it, once', async () => {
    const found = await rows<{ path: string }>('select path from scopes order by path collate "C"');
    expect(found.map(({ path }) => path)).toEqual(PATHS);
    const ids = [...scopes.values()].map(({ id }) => id);
    expect(ids.filter((id) => !isId('scope', id))).toEqual([]);
    expect(new Set(ids).size).toBe(PATHS.length);
  });

  test.each(PATHS)('%s has its name, its parent, and the paths and ids from the root down to it', (path) => {
    const segments = path.split('/');
    const paths = segments.map((_, index) => segments.slice(0, index + 1).join('/'));
    const lineage = paths.map((each) => scopes.get(each)?.id);
    expect(scopes.get(path)).toMatchObject({
      name: segments.at(-1),
      parent_id: lineage.at(-2) ?? null,
      paths,
      lineage,
      status: 'active',
      deleted_at: null,
    });
  });

  test('every user has the home it had', async () => {
    const found = await rows<{ name: string; path: string | null }>(
      'select u.name, s.path from users u left join scopes s on s.id = u.scope_id',
    );
    expect(Object.fromEntries(found.map(({ name, path }) => [name, path]))).toEqual(HOMES);
  });

  test('every grant holds where it held: none everywhere that was at a scope, and revoked ones still are', async () => {
    const found = await rows<{ id: string; path: string | null; revoked: boolean }>(
      `select g.id, s.path, g.revoked_at is not null as revoked from grants g left join scopes s on s.id = g.scope_id order by g.id`,
    );
    const expected = GRANTS.map(([, , scope], n) => ({
      id: `grant_${n}`,
      path: scope === '' ? null : scope,
      revoked: n === GRANTS.length - 1,
    }));
    expect(found).toEqual(expected);
  });

  test('one grant of a role to a user is all there is everywhere, and all there is at a scope', async () => {
    const add = (id: string, user: string, scope: string | null) =>
      rows(
        `insert into grants (id, principal_id, role_id, scope_id, granted_by, created_at)
         values ($1, $2, 'role_member', $3, 'system', now())`,
        id,
        user,
        scope,
      );
    const acme = scopes.get('acme')?.id ?? '';
    await expect(add('grant_a', 'user_ann', null)).rejects.toThrow('grants_held_index');
    await add('grant_b', 'user_ann', acme);
    await expect(add('grant_c', 'user_ann', acme)).rejects.toThrow('grants_held_index');
    await add('grant_d', 'user_cem', null);
    await expect(add('grant_e', 'user_cem', null)).rejects.toThrow('grants_held_index');
    await rows(`update grants set revoked_at = now() where id = 'grant_d'`);
    await add('grant_f', 'user_cem', null);
    await rows(`delete from grants where id in ('grant_b', 'grant_d', 'grant_f')`);
  });

  test('a path is taken by one scope that is there, and a scope that users or grants refer to cannot be dropped', async () => {
    const add = (id: string) =>
      rows(
        `insert into scopes (id, name, path, paths, lineage, status, created_at)
         values ($1, 'acme', 'acme', '{acme}', '{}', 'active', now())`,
        id,
      );
    await expect(add('scope_other')).rejects.toThrow('scopes_path_index');
    for (const path of ['acme2', 'old/left']) {
      await expect(rows('delete from scopes where path = $1', path)).rejects.toThrow('foreign key');
    }
  });

  test('every role amounts to itself', async () => {
    const closure = await rows('select role_id, held_id from role_closure order by role_id');
    expect(closure).toEqual(['role_member', 'role_support'].map((id) => ({ role_id: id, held_id: id })));
    expect(await rows('select * from role_inherits')).toEqual([]);
  });

  test('what was recorded says what it said', async () => {
    expect(await rows('select subject_id, before, after from audit_entries order by id')).toEqual([
      { subject_id: 'user_ann', before: null, after: { status: 'active', scope: 'acme/platform/api' } },
      { subject_id: 'z', before: null, after: null },
    ]);
  });
});

describe('0008: devices of sessions', () => {
  test('every address that is one has the form that has an order, and every session a kind of device', async () => {
    const found = await rows('select address, address_key, device_kind, label from sessions order by id');
    expect(found).toEqual(
      ADDRESSES.map((address) => ({
        address,
        address_key: address?.includes('%') === true ? null : addressKey(address),
        device_kind: 'other',
        label: null,
      })),
    );
  });
});

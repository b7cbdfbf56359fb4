import { setTimeout as pause } from 'node:timers/promises';
import { Migrator } from '@mikro-orm/migrations';
import { type EntityManager, MikroORM } from '@mikro-orm/postgresql';
import { Migration0001 } from '../../../migrations/0001-first-tables.ts';
import { Migration0002 } from '../../../migrations/0002-scopes-and-custom-roles.ts';
import { Migration0003 } from '../../../migrations/0003-rollups.ts';
import { Migration0004 } from '../../../migrations/0004-list-indexes.ts';
import { Migration0005 } from '../../../migrations/0005-signing-key-lives.ts';
import { Migration0006 } from '../../../migrations/0006-second-factors.ts';
import { Migration0007 } from '../../../migrations/0007-session-activity.ts';
import { Migration0008 } from '../../../migrations/0008-session-devices.ts';
import { Migration0009 } from '../../../migrations/0009-outbox.ts';
import { Migration0010 } from '../../../migrations/0010-accounts.ts';
import { Migration0011 } from '../../../migrations/0011-cleaning-indexes.ts';
import { Migration0013 } from '../../../migrations/0013-api-keys.ts';
import { Migration0014 } from '../../../migrations/0014-session-events.ts';
import { Migration0015 } from '../../../migrations/0015-sign-ins.ts';
import { Migration0016 } from '../../../migrations/0016-usage.ts';
import { Migration0017 } from '../../../migrations/0017-security-events.ts';
import { Migration0018 } from '../../../migrations/0018-audit-log.ts';
import { Migration0019 } from '../../../migrations/0019-key-and-security-events.ts';
import { Migration0020 } from '../../../migrations/0020-monitoring.ts';
import { Migration0021 } from '../../../migrations/0021-where-users-were.ts';
import { Migration0022 } from '../../../migrations/0022-initial-passwords.ts';
import { Migration0023 } from '../../../migrations/0023-rights.ts';
import { Migration0024 } from '../../../migrations/0024-set-aside.ts';
import { CONNECT_TIMEOUT_MS, isLockNotAvailable, isNotAllowed } from './database.ts';
import { LOCKS } from './locks.ts';
import { grantRights, rolesWithRights } from './rights.ts';
import { ROWS } from './rows.ts';

/** In the order in which they run. Append only: what has landed is never edited. */
export const MIGRATIONS = [
  Migration0001,
  Migration0002,
  Migration0003,
  Migration0004,
  Migration0005,
  Migration0006,
  Migration0007,
  Migration0008,
  Migration0009,
  Migration0010,
  Migration0011,
  Migration0013,
  Migration0014,
  Migration0015,
  Migration0016,
  Migration0017,
  Migration0018,
  Migration0019,
  Migration0020,
  Migration0021,
  Migration0022,
  Migration0023,
  Migration0024,
];

/** Those of this code that are not among `done`, by their names and in their order. */
export function missingMigrations(done: readonly string[]): readonly string[] {
  return MIGRATION_NAMES.filter((name) => !done.includes(name));
}

/** A migration that is only asked for its name needs no database. */
const MIGRATION_NAMES = MIGRATIONS.map((Each) => new Each(undefined as never, undefined as never).name);

/** While a migration waits for a table, whoever wants the table after it waits as well: so not for long, and then again. */
const LOCK_WAIT = '1s';
const TRIES_MAX = 20;
const PAUSE_MS = 200;

export interface MigrateOptions {
  /** A role that is granted what an instance does: see `rights.ts`. */
  readonly grantTo?: string | undefined;
}

/**
 * Brings the database up to date; what is done already is left alone. Safe to call from many instances at once. What is new is
 * granted to roles that were granted rights before. The answer is what was granted, as statements.
 */
export async function migrate(databaseUrl: string, { grantTo }: MigrateOptions = {}): Promise<readonly string[]> {
  const orm = new MikroORM({
    entities: ROWS,
    clientUrl: databaseUrl,
    extensions: [Migrator],
    pool: { min: 0, max: 3 },
    driverOptions: {
      // As for `openDatabase`.
      connectionString: databaseUrl,
      application_name: 'castellan migrate',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    },
    migrations: { migrationsList: MIGRATIONS, tableName: 'migrations', snapshot: false, silent: true },
  });
  try {
    // Whoever may only use the tables asks for no more than that.
    if (grantTo === undefined && (await missingIn(orm.em)).length === 0) return [];
    for (let tries = 1; ; tries += 1) {
      const done = await runAll(orm, grantTo).catch((error: unknown) => {
        if (!isLockNotAvailable(error) || tries === TRIES_MAX) throw error;
        return null;
      });
      if (done !== null) return done;
      await pause(PAUSE_MS);
    }
  } catch (error) {
    if (!isNotAllowed(error)) throw error;
    throw new Error(
      'The database is older than this code, and its user may not change it: castellan migrate does, with MIGRATION_DATABASE_URL.',
      { cause: error },
    );
  } finally {
    await orm.close(true);
  }
}

/** All that are missing, or none of them. */
async function runAll(orm: MikroORM, grantTo: string | undefined): Promise<readonly string[]> {
  return orm.em.transactional(async (em) => {
    // The migrator itself takes no lock. Whoever is at it may take long.
    for (const bound of ['lock', 'statement', 'idle_in_transaction_session']) {
      await em.execute(`set local ${bound}_timeout = 0`);
    }
    await em.execute('select pg_advisory_xact_lock(?)', [LOCKS.migrations]);
    await em.execute(`set local lock_timeout = '${LOCK_WAIT}'`);
    if ((await missingIn(em)).length > 0) await orm.migrator.up({ transaction: em.getTransactionContext() });
    const execute = <Row>(text: string) => em.execute<Row[]>(text);
    const roles = new Set([...(await rolesWithRights(execute)), ...(grantTo === undefined ? [] : [grantTo])]);
    const granted: string[] = [];
    for (const role of roles) granted.push(...(await grantRights(execute, role, { narrowing: role === grantTo })));
    return granted;
  });
}

async function missingIn(em: EntityManager): Promise<readonly string[]> {
  const [found] = await em.execute<{ there: boolean }[]>(`select to_regclass('migrations') is not null as there`);
  if (found?.there !== true) return MIGRATION_NAMES;
  const done = await em.execute<{ name: string }[]>('select name from migrations');
  return missingMigrations(done.map(({ name }) => name));
}

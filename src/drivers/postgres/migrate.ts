import { setTimeout as pause } from 'node:timers/promises';
import { Migrator } from '@mikro-orm/migrations';
import { MikroORM } from '@mikro-orm/postgresql';
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
import { CONNECT_TIMEOUT_MS, isLockNotAvailable } from './database.ts';
import { LOCKS } from './locks.ts';
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

/** Brings the database up to date; what is done already is left alone. Safe to call from many instances at once. */
export async function migrate(databaseUrl: string): Promise<void> {
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
    for (let tries = 1; ; tries += 1) {
      const done = await runAll(orm).catch((error: unknown) => {
        if (!isLockNotAvailable(error) || tries === TRIES_MAX) throw error;
        return false;
      });
      if (done) return;
      await pause(PAUSE_MS);
    }
  } finally {
    await orm.close(true);
  }
}

/** All that are missing, or none of them. */
async function runAll(orm: MikroORM): Promise<true> {
  await orm.em.transactional(async (em) => {
    // The migrator itself takes no lock. Whoever is at it may take long.
    for (const bound of ['lock', 'statement', 'idle_in_transaction_session']) {
      await em.execute(`set local ${bound}_timeout = 0`);
    }
    await em.execute('select pg_advisory_xact_lock(?)', [LOCKS.migrations]);
    await em.execute(`set local lock_timeout = '${LOCK_WAIT}'`);
    await orm.migrator.up({ transaction: em.getTransactionContext() });
  });
  return true;
}

import { join } from 'node:path';
import { readConfig } from '../config.ts';
import { startEmbedded } from '../drivers/postgres/embedded.ts';
import { migrate } from '../drivers/postgres/migrate.ts';
import { OwnerFailed } from '../drivers/postgres/owner-failed.ts';
import { RoleUnfit } from '../drivers/postgres/rights.ts';
import type { Environment } from './environment.ts';
import { Misuse, type Report } from './report.ts';

export interface MigrateOptions {
  readonly grantTo?: string;
}

/**
 * `castellan migrate`: brings the database up to date, and starts nothing that stays. With a role, that is granted what an instance
 * does with the tables, and nothing else.
 */
export async function migrateDatabase({ grantTo }: MigrateOptions, env: Environment): Promise<Report> {
  const { databaseUrl, migrationDatabaseUrl, dataDir } = readConfig(env);
  if (databaseUrl !== null) {
    const owner = migrationDatabaseUrl ?? databaseUrl;
    const granted = await migrate(owner.reveal(), { grantTo }).catch((error: unknown) => {
      if (error instanceof RoleUnfit) throw new Misuse(`--grant-to ${grantTo}: ${error.message}`);
      throw migrationDatabaseUrl === null ? error : new OwnerFailed(error);
    });
    return upToDate('the database of DATABASE_URL', granted);
  }
  if (grantTo !== undefined)
    throw new Misuse('--grant-to is for the database of DATABASE_URL: the embedded server has one user');
  const embedded = await startEmbedded({ dataDir: join(dataDir, 'postgres') });
  try {
    await migrate(embedded.url);
  } finally {
    await embedded.stop();
  }
  return upToDate(`the embedded database in ${dataDir}`);
}

function upToDate(database: string, granted: readonly string[] = []): Report {
  return {
    ok: true,
    lines: [`Up to date: ${database}.`, ...granted.map((each) => `  ${each}`)],
    facts: { database, ...(granted.length > 0 && { granted }) },
  };
}

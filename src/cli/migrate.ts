import { join } from 'node:path';
import { readConfig } from '../config.ts';
import { startEmbedded } from '../drivers/postgres/embedded.ts';
import { migrate } from '../drivers/postgres/migrate.ts';
import type { Environment } from './environment.ts';
import type { Report } from './report.ts';

/** `castellan migrate`: brings the database up to date, and starts nothing that stays. */
export async function migrateDatabase(env: Environment): Promise<Report> {
  const { databaseUrl, dataDir } = readConfig(env);
  if (databaseUrl !== null) {
    await migrate(databaseUrl.reveal());
    return upToDate('the database of DATABASE_URL');
  }
  const embedded = await startEmbedded({ dataDir: join(dataDir, 'postgres') });
  try {
    await migrate(embedded.url);
  } finally {
    await embedded.stop();
  }
  return upToDate(`the embedded database in ${dataDir}`);
}

function upToDate(database: string): Report {
  return { ok: true, lines: [`Up to date: ${database}.`], facts: { database } };
}

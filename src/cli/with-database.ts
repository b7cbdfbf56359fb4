import { type Database, openDatabase } from '../drivers/postgres/database.ts';
import { createLog } from '../kit/log.ts';
import type { Secret } from '../kit/secret.ts';

interface Which {
  readonly url: Secret;
  readonly poolMax: number;
  readonly preparedStatements: boolean;
}

/** Does this with a database, and closes it. One that cannot be used is found out first, with what it says itself. */
export async function withDatabase<T>(which: Which, work: (database: Database) => Promise<T>): Promise<T> {
  const database = await openDatabase({ ...which, logger: createLog('silent') });
  try {
    await database.pool.query('select 1');
    return await work(database);
  } finally {
    await database.close();
  }
}

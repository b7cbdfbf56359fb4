import { readConfig } from '../config.ts';
import type { AuditReader } from '../domain/audit/log.ts';
import { createStore } from '../drivers/postgres/store.ts';
import { Keys } from '../kit/secret.ts';
import type { Environment } from './environment.ts';
import { Misuse } from './report.ts';
import { withDatabase } from './with-database.ts';

/** Reads the audit log of DATABASE_URL, and closes what it opened. */
export async function withAudit<T>(env: Environment, work: (audit: AuditReader) => Promise<T>): Promise<T> {
  const { databaseUrl, preparedStatements } = readConfig(env);
  if (databaseUrl === null) throw new Misuse('DATABASE_URL must name the database that has the audit log');
  return withDatabase({ url: databaseUrl, poolMax: 1, preparedStatements }, (database) =>
    work(createStore(database).audit),
  );
}

/** The keys that the log was signed with. */
export function auditKeys(env: Environment): Keys {
  const { keyEncryptionKeys } = readConfig(env);
  if (keyEncryptionKeys === null) throw new Misuse('KEY_ENCRYPTION_KEY must be what the instances have');
  return new Keys(keyEncryptionKeys);
}

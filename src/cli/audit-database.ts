import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readConfig } from '../config.ts';
import type { AuditReader } from '../domain/audit/log.ts';
import { secretFromFile } from '../drivers/files/secret-file.ts';
import { startEmbedded } from '../drivers/postgres/embedded.ts';
import { createStore } from '../drivers/postgres/store.ts';
import { Keys, Secret } from '../kit/secret.ts';
import type { Environment } from './environment.ts';
import { Misuse } from './report.ts';
import { withDatabase } from './with-database.ts';

/** Reads the audit log of DATABASE_URL, or of the embedded server while no Castellan runs on it, and closes what it opened. */
export async function withAudit<T>(env: Environment, work: (audit: AuditReader) => Promise<T>): Promise<T> {
  const { databaseUrl, dataDir, preparedStatements } = readConfig(env);
  const read = (url: Secret): Promise<T> =>
    withDatabase({ url, poolMax: 1, preparedStatements }, (database) => work(createStore(database).audit));
  if (databaseUrl !== null) return read(databaseUrl);

  const embedded = await startEmbedded({ dataDir: embeddedIn(dataDir) });
  try {
    return await read(new Secret(embedded.url));
  } finally {
    await embedded.stop();
  }
}

/** The keys that the log was signed with. */
export async function auditKeys(env: Environment): Promise<Keys> {
  const { keyEncryptionKeys, databaseUrl, dataDir } = readConfig(env);
  if (keyEncryptionKeys !== null) return new Keys(keyEncryptionKeys);
  if (databaseUrl !== null) throw new Misuse('KEY_ENCRYPTION_KEY must be what the instances have');
  embeddedIn(dataDir);
  return new Keys([await secretFromFile(join(dataDir, 'key-encryption-key'))]);
}

/** Where its data is. Nothing is made by looking for it. */
function embeddedIn(dataDir: string): string {
  const place = join(dataDir, 'postgres');
  if (existsSync(place)) return place;
  throw new Misuse('DATABASE_URL must name the database that has the audit log');
}

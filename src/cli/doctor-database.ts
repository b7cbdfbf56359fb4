import type { Config } from '../config.ts';
import { CLOCK_SECONDS_MAX } from '../domain/health/health.ts';
import { openDatabase } from '../drivers/postgres/database.ts';
import type { Query } from '../drivers/postgres/query.ts';
import { systemClock } from '../kit/clock.ts';
import { createLog } from '../kit/log.ts';
import { Keys } from '../kit/secret.ts';

/** Asks the database on a connection of its own; nothing where there is only the embedded one. */
export async function askDatabase(
  { databaseUrl, preparedStatements }: Pick<Config, 'databaseUrl' | 'preparedStatements'>,
  ask: (query: Query) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  if (databaseUrl === null) return [];
  const database = await openDatabase({
    url: databaseUrl,
    poolMax: 1,
    preparedStatements,
    logger: createLog('silent'),
  });
  try {
    return await ask(database.query);
  } finally {
    await database.close();
  }
}

/** Of a database in which nothing was sealed yet there is nothing to tell. */
export async function keyProblems(
  query: Query,
  { keyEncryptionKeys, sealing }: Pick<Config, 'keyEncryptionKeys' | 'sealing'>,
): Promise<readonly string[]> {
  if (keyEncryptionKeys === null) return [];
  const [table] = await query<{ there: boolean }>(
    'doctor-keys-there',
    `select to_regclass('signing_keys') is not null as there`,
    [],
  );
  if (table?.there !== true) return [];
  const [row] = await query<{ kid: string; sealed: string }>(
    'doctor-keys',
    `select kid, sealed_private_jwk as sealed from signing_keys where revoked_at is null order by signs_from desc limit 1`,
    [],
  );
  const keys = new Keys(keyEncryptionKeys, sealing);
  if (row === undefined || keys.open('signing-keys', row.sealed, row.kid) !== null) return [];
  return [
    'is not the secret that the signing keys of this database were sealed under: list that one second, after this',
  ];
}

/** What ends by time ends too early or too late where clocks differ. */
export async function clockWarnings(query: Query): Promise<readonly string[]> {
  const askedMs = systemClock.now();
  const [row] = await query<{ ms: number }>(
    'doctor-clock',
    'select extract(epoch from clock_timestamp())::float8 * 1000 as ms',
    [],
  );
  if (row === undefined) return [];
  const aheadSeconds = Math.round(((askedMs + systemClock.now()) / 2 - row.ms) / 1_000);
  if (Math.abs(aheadSeconds) <= CLOCK_SECONDS_MAX) return [];
  const side = aheadSeconds > 0 ? 'behind' : 'ahead of';
  return [
    `names a server whose clock is ${Math.abs(aheadSeconds)} s ${side} that of this machine: one of both is wrong`,
  ];
}

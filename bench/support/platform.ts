import { mkdir, readdir, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { startEmbedded } from '../../src/drivers/postgres/embedded.ts';
import { startRedisServer } from '../../test/support/redis-server.ts';
import { installRedis } from '../../test/support/install-redis.ts';
import { type Child, startChild } from './child.ts';
import { ADMIN_EMAIL, type Administrator, signInAdministrator } from './client.ts';
import { PROXIES } from './over-tls.ts';

export const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
export const ADMIN_PASSWORD = 'correct horse battery staple';

const RUNS = join(import.meta.dirname, '..', '..', '.castellan', 'bench');

/** PostgreSQL and Redis of one bench, and the Castellans over them. */
export interface Platform extends AsyncDisposable {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  /** What PostgreSQL writes its log into. */
  readonly postgresLog: string;
  /** The settings of a Castellan in production here. */
  readonly env: Readonly<Record<string, string>>;
  startCastellan(main?: string, execArgv?: readonly string[], filesMax?: number): Promise<Child>;
  administrator(castellan: Child): Promise<Administrator>;
}

/** @param settings of PostgreSQL, over those of its defaults; it is durable unless they say otherwise */
export async function startPlatform(settings: Readonly<Record<string, string>> = {}): Promise<Platform> {
  await using stack = new AsyncDisposableStack();
  const folder = await makeFolder();
  stack.defer(() => removeFolder(folder));
  const dataDir = join(folder, 'postgres');
  const postgres = await startEmbedded({ dataDir, settings });
  stack.defer(() => postgres.stop());
  await installRedis((line) => process.stderr.write(`${line}\n`));
  const redis = await startRedisServer();
  stack.defer(() => redis.stop());

  const env = {
    DATABASE_URL: postgres.url,
    REDIS_URL: redis.url,
    PORT: '0',
    CASTELLAN_DIR: folder,
    KEY_ENCRYPTION_KEY: 'a secret for benchmarks that is long enough',
    ISSUER: 'https://castellan.example',
    AUDIENCE: 'benchmarks',
    METRICS_TOKEN: 'a token for benchmarks',
    TRUSTED_PROXIES: PROXIES,
    ADMIN_EMAIL,
    // Nothing is asked of anybody outside.
    BREACHED_PASSWORDS_URL: 'off',
    ADMIN_PASSWORD,
    LOG_LEVEL: 'warn',
    // They hold, and are never reached.
    RATE_LIMIT_USERS: '900000000/10s',
    RATE_LIMIT_ANONYMOUS: '900000000/10s',
    RATE_LIMIT_KEYS: '900000000/10s',
    RATE_LIMIT_OWNERS: '900000000/10s',
  };
  const postgresLog = join(await realpath(dataDir), 'server.log');
  const rest = stack.move();
  return {
    databaseUrl: postgres.url,
    redisUrl: redis.url,
    postgresLog,
    env,
    startCastellan: async (script = MAIN, execArgv = [], filesMax) =>
      rest.use(await startChild({ script, env, execArgv, ...(filesMax !== undefined && { filesMax }) })),
    administrator: ({ url }) => signInAdministrator(url, ADMIN_PASSWORD),
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}

/** On the disk of the project: where /tmp is memory, being durable would cost nothing. */
export async function makeFolder(): Promise<string> {
  await mkdir(RUNS, { recursive: true });
  for (const name of await readdir(RUNS)) if (!isRunning(name)) await removeFolder(join(RUNS, name));
  const folder = join(RUNS, `run-${process.pid}-${Date.now()}`);
  await mkdir(folder);
  return folder;
}

function isRunning(name: string): boolean {
  try {
    return process.kill(Number(name.split('-')[1]), 0);
  } catch {
    return false;
  }
}

export async function removeFolder(folder: string): Promise<void> {
  // The database may have been put elsewhere, behind a link.
  const postgres = await realpath(join(folder, 'postgres')).catch(() => folder);
  for (const path of [postgres, folder]) await rm(path, { recursive: true, force: true });
}

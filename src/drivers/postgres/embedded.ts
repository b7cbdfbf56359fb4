import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Client, DatabaseError } from 'pg';
import { complete, findBinaries, own, settle } from './embedded-place.ts';
import {
  cleanEnvironment,
  end,
  endLeftover,
  launch,
  type Launched,
  logTail,
  type Place,
  POLL_MS,
  saysReady,
  startOf,
  type StopMode,
} from './embedded-process.ts';

export interface EmbeddedServer {
  /** With its password; reachable from this machine only. */
  readonly url: string;
  /** The process id of its first process; means nothing after `stop`. */
  readonly pid: number;
  /**
   * `fast` breaks connections off and waits for a checkpoint alone; `immediate` is a crash, of which the next start
   * recovers. Ends within 8 s whatever the server does. Idempotent: the first call decides.
   */
  stop(mode?: StopMode): Promise<void>;
}

export interface EmbeddedOptions {
  /** A folder of the server's own, such as `.castellan/postgres`: cluster, password, port and log are kept in it. */
  readonly dataDir: string;
  /** Default: a free one, kept for the next start as long as it stays free. */
  readonly port?: number;
  /** PostgreSQL settings by name, over ours. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Created when missing. Default: `castellan`. */
  readonly database?: string;
}

const USER = 'castellan';
const READY_MS = 15_000;

const SETTINGS = {
  shared_buffers: '64MB',
  max_connections: '100',
  jit: 'off',
  log_min_messages: 'warning',
  timezone: 'UTC',
  log_timezone: 'UTC',
};

/**
 * Starts a PostgreSQL server of our own, making its cluster at the first start, and waits until the database answers.
 * A server left behind by a killed process is ended first. Throws when another living process uses the folder.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const place = await settle(options.dataDir);
  const release = await own(place.home);
  try {
    return await start(place, options, release);
  } catch (error) {
    await release();
    throw error;
  }
}

async function start(place: Place, options: EmbeddedOptions, release: () => Promise<void>): Promise<EmbeddedServer> {
  const binaries = await findBinaries(place);
  const cluster = join(place.home, 'cluster');
  const password = await keepPassword(place, cluster);
  const settings = { ...SETTINGS, ...options.settings };
  await complete(cluster, (partial) => initialise(place, binaries, partial, settings));

  const deadline = performance.now() + READY_MS;
  for (;;) {
    await endLeftover(cluster);
    const port = options.port ?? (await choosePort(place.home));
    const server = await launch(place, binaries, cluster, { ...settings, port: `${port}` });
    const url = (database: string) =>
      `postgres://${USER}:${password}@127.0.0.1:${port}/${encodeURIComponent(database)}`;
    const database = options.database ?? 'castellan';
    try {
      await answers(server, cluster, url('postgres'), database, deadline);
      await keep(join(place.home, 'port'), `${port}`);
      return handle(server, url(database), release);
    } catch (cause) {
      await end(server.pid, 'immediate');
      const log = await logTail(place.home);
      if (willPass(log, options) && performance.now() < deadline) continue;
      const why = cause instanceof Error ? cause.message : String(cause);
      const file = join(place.home, 'server.log');
      throw new Error(`PostgreSQL did not start: ${why}. The end of ${file}:\n${log}`, { cause });
    }
  }
}

/** The cluster is worthless without the password, so it is on the disk before the cluster is. */
async function keepPassword({ home, account }: Place, cluster: string): Promise<string> {
  const file = join(home, 'password');
  const kept = await fs.readFile(file, 'utf8').catch(() => '');
  if (kept !== '' && existsSync(cluster)) return kept;
  if (existsSync(cluster)) {
    throw new Error(
      `${file} is missing or unreadable: restore it, delete ${home} with all its data, or set DATABASE_URL`,
    );
  }
  const password = randomBytes(24).toString('hex');
  await keep(file, password);
  // initdb reads it too.
  if (account.uid !== undefined && account.gid !== undefined) await fs.chown(file, account.uid, account.gid);
  return password;
}

/** Replaces a small file: never through a link, and whoever wrote the one before. */
async function keep(file: string, text: string): Promise<void> {
  await fs.rm(file, { force: true });
  await fs.writeFile(file, text, { flag: 'wx', mode: 0o600, flush: true });
}

/** Makes a cluster whose letters follow Unicode and whose order is that of code points, the same on every machine. */
async function initialise(
  { home, account }: Place,
  binaries: string,
  folder: string,
  settings: Readonly<Record<string, string>>,
): Promise<void> {
  if (account.uid !== undefined && account.gid !== undefined) await fs.chown(folder, account.uid, account.gid);
  const flags = [
    `--pgdata=${folder}`,
    `--username=${USER}`,
    `--pwfile=${join(home, 'password')}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--no-instructions',
    ...(settings['fsync'] === 'off' ? ['--no-sync'] : []),
  ];
  const options = { ...account, cwd: '/', env: cleanEnvironment, timeout: 60_000 };
  await promisify(execFile)(join(binaries, 'initdb'), flags, options);
}

async function choosePort(home: string): Promise<number> {
  const kept = Number(await fs.readFile(join(home, 'port'), 'utf8').catch(() => ''));
  const valid = Number.isInteger(kept) && kept > 1023 && kept < 65_536;
  return (valid ? await bind(kept) : undefined) ?? (await bind(0)) ?? 0;
}

/** The port, if it is free. 0 asks for any. */
async function bind(port: number): Promise<number | undefined> {
  const probe = createServer().listen(port, '127.0.0.1');
  try {
    await once(probe, 'listening');
  } catch {
    return undefined;
  }
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  return typeof address === 'object' ? address?.port : undefined;
}

/**
 * Waits until the database answers, having created it if it is missing. Asks nothing before our server says in its pid
 * file that it is ready: until then whoever answers on the port is somebody else.
 */
async function answers(
  { pid }: Launched,
  cluster: string,
  url: string,
  database: string,
  deadline: number,
): Promise<void> {
  for (let failure: unknown; ; await sleep(POLL_MS)) {
    if (startOf(pid) === undefined) throw new Error('PostgreSQL ended by itself', { cause: failure });
    if (performance.now() > deadline) throw new Error(`no answer within ${READY_MS / 1000} s`, { cause: failure });
    if (!(await saysReady(cluster, pid))) continue;
    failure = await ensureDatabase(url, database, deadline).catch((error: unknown) => error);
    if (failure === undefined) return;
    // What a ready server refuses (a wrong password, a full disk), it refuses again. 57P03: not ready after all.
    if (failure instanceof DatabaseError && failure.code !== '57P03') throw failure;
  }
}

async function ensureDatabase(url: string, database: string, deadline: number): Promise<undefined> {
  const client = new Client({
    connectionString: url,
    ssl: false,
    connectionTimeoutMillis: 1000,
    query_timeout: Math.max(1, deadline - performance.now()),
  });
  // A connection that dies between two queries reports it here, and would end the process if nobody listened.
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rowCount } = await client.query('select from pg_database where datname = $1', [database]);
    if (rowCount === 0) await client.query(`create database ${client.escapeIdentifier(database)}`);
  } finally {
    // Not waited for: a server that hangs would not answer this either.
    void client.end().catch(() => undefined);
  }
}

/** Reasons that go away by themselves: someone took the free port; processes of a killed server are still ending. */
function willPass(log: string, { port }: EmbeddedOptions): boolean {
  if (/still in use|lock file .* already exists/.test(log)) return true;
  return port === undefined && log.includes('Address already in use');
}

function handle({ child, pid }: Launched, url: string, release: () => Promise<void>): EmbeddedServer {
  // Left by process.exit or an uncaught error, the server would live on until the next start.
  const farewell = () => child.kill('SIGINT');
  process.once('exit', farewell);
  let stopped: Promise<void> | undefined;
  const stop = async (mode: StopMode) => {
    process.off('exit', farewell);
    await end(pid, mode);
    child.unref();
    await release();
  };
  return { url, pid, stop: (mode = 'fast') => (stopped ??= stop(mode)) };
}

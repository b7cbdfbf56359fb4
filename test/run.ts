/**
 * What `npm test` runs: `node test/run.ts [--faults | --versions] [Jest's arguments and path patterns]`.
 *
 * Starts one PostgreSQL and one Redis for all tests, runs Jest, and ends what it started. The last line is
 * `N passed, N failed`. A test that was skipped or is only planned is no success either. TEST_DATABASE_URL (with a
 * superuser's name) and REDIS_URL choose servers to use instead of new ones. With `--versions` the version before this one runs
 * beside it: PREVIOUS says which one that is.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, readdir, readFile, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { startEmbedded } from '../src/drivers/postgres/embedded.ts';
import { migrate } from '../src/drivers/postgres/migrate.ts';
import { INSTANCE_ROLE, MAKE_INSTANCE_ROLE, runOn } from './support/database.ts';
import { installRedis } from './support/install-redis.ts';
import { startRedisServer } from './support/redis-server.ts';
import { noResult, type Verdict, verdictOf } from './support/verdict.ts';
import { checkOutPrevious, NoPrevious } from './versions/previous.ts';

const ROOT = join(import.meta.dirname, '..');
const RUNS = join(ROOT, '.castellan', 'test');
/** Many processes load the same modules: a third of the time of each. */
const COMPILED = join(ROOT, '.castellan', 'compiled');
const TEMPLATE = 'castellan_template';
const STOP_MS = 5_000;

type Variables = Readonly<Record<string, string>>;

/** How to undo what was done, the latest last. */
const undo: (() => Promise<void>)[] = [];
let jest: ChildProcess | undefined;
let interruption: NodeJS.Signals | undefined;

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupt(signal));

const { passed, failed, complaints } = await run(process.argv.slice(2));
for (const complaint of complaints) say(complaint);
say(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 || complaints.length > 0 ? 1 : 0);

async function run(args: readonly string[]): Promise<Verdict> {
  try {
    const folder = await step('a folder for this run', makeFolder);
    const previous = args.includes('--versions')
      ? await step('the version before this one', () => preparePrevious(folder))
      : {};
    const postgres = await step('PostgreSQL', () => preparePostgres(folder));
    const redis = await step('Redis', () => prepareRedis(folder));
    return await step('Jest', () => runJest(args, { ...previous, ...postgres, ...redis }, join(folder, 'result.json')));
  } catch (error) {
    if (interruption !== undefined) return noResult(`stopped by ${interruption}`);
    return noResult(error instanceof NoPrevious ? error.message : inspect(error));
  } finally {
    for (const back of undo.toReversed()) await back().catch((error: unknown) => say(`not undone: ${String(error)}`));
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function step<T>(what: string, work: () => Promise<T>): Promise<T> {
  if (interruption !== undefined) throw new Error(`stopped by ${interruption}`);
  say(`test: ${what}`);
  return work();
}

function interrupt(signal: NodeJS.Signals): void {
  interruption ??= signal;
  say(`test: ${signal}, stopping`);
  signalJest('SIGTERM');
  setTimeout(() => signalJest('SIGKILL'), STOP_MS).unref();
}

/** Reaches the servers that tests have started, too: they are of Jest's process group. */
function signalJest(signal: NodeJS.Signals): void {
  if (jest?.pid === undefined) return;
  try {
    process.kill(-jest.pid, signal);
  } catch {
    // The group has ended.
  }
}

/** Named by the process, so that runs side by side keep apart and what a killed run left is known as such. */
async function makeFolder(): Promise<string> {
  await mkdir(RUNS, { recursive: true });
  for (const name of await readdir(RUNS)) if (!isRunning(name)) await removeFolder(join(RUNS, name));
  const folder = join(RUNS, `run-${process.pid}`);
  await removeFolder(folder);
  await mkdir(folder);
  undo.push(() => removeFolder(folder));
  return folder;
}

function isRunning(name: string): boolean {
  try {
    return process.kill(Number(name.replace('run-', '')), 0);
  } catch {
    return false;
  }
}

async function removeFolder(folder: string): Promise<void> {
  // The database may have been put elsewhere, behind a link.
  const postgres = await realpath(join(folder, 'postgres')).catch(() => folder);
  for (const path of [postgres, folder]) await rm(path, { recursive: true, force: true });
}

async function preparePrevious(folder: string): Promise<Variables> {
  const ref = process.env['PREVIOUS'];
  const previous = await checkOutPrevious(ROOT, join(folder, 'previous'), ref === '' ? undefined : ref);
  undo.push(() => previous.remove());
  say(`test: it is ${previous.commit}`);
  return { PREVIOUS_FOLDER: previous.folder };
}

async function preparePostgres(folder: string): Promise<Variables> {
  const server = new URL(process.env['TEST_DATABASE_URL'] || (await startPostgres(folder)));
  server.pathname = '/postgres';
  const template = new URL(server);
  template.pathname = `/${TEMPLATE}`;

  say(`test: migrations, into the database ${TEMPLATE}`);
  await runOn(server.href, `drop database if exists ${TEMPLATE} with (force)`, `create database ${TEMPLATE}`);
  await runOn(server.href, MAKE_INSTANCE_ROLE);
  await migrate(template.href, { grantTo: INSTANCE_ROLE });
  // While anybody is connected to it, it cannot be copied.
  await runOn(server.href, `alter database ${TEMPLATE} with allow_connections false`);
  return { TEST_POSTGRES_URL: server.href };
}

async function startPostgres(folder: string): Promise<string> {
  const settings = { fsync: 'off', full_page_writes: 'off', max_connections: '300' };
  const server = await startEmbedded({ dataDir: join(folder, 'postgres'), settings });
  undo.push(() => server.stop('immediate'));
  return server.url;
}

async function prepareRedis(folder: string): Promise<Variables> {
  const given = process.env['REDIS_URL'];
  if (given !== undefined && given !== '') return { TEST_REDIS_URL: given };
  await installRedis((line) => say(`test: ${line}`));
  const dir = join(folder, 'redis');
  await mkdir(dir);
  const server = await startRedisServer({ dir });
  undo.push(() => server.stop());
  return { TEST_REDIS_URL: server.url };
}

async function runJest(args: readonly string[], variables: Variables, outputFile: string): Promise<Verdict> {
  const [faults, versions] = [args.includes('--faults'), args.includes('--versions')];
  const flags = [
    '--experimental-vm-modules',
    '--disable-warning=ExperimentalWarning',
    join(ROOT, 'node_modules/jest/bin/jest.js'),
    ...(faults ? ['--roots', join(ROOT, 'test/faults')] : []),
    // Nothing is left out then, but for what Jest leaves out by itself.
    ...(versions ? ['--roots', join(ROOT, 'test/versions'), '--testPathIgnorePatterns', '/node_modules/'] : []),
    // An array option takes what follows it, up to the next option.
    '--json',
    `--outputFile=${outputFile}`,
    ...args.filter((arg) => arg !== '--faults' && arg !== '--versions'),
  ];
  const env = {
    ...process.env,
    NODE_COMPILE_CACHE: COMPILED,
    ...variables,
    ...(faults ? { CASTELLAN_FAULTS: 'full' } : {}),
  };
  jest = spawn(process.execPath, flags, { cwd: ROOT, env, stdio: ['ignore', 'inherit', 'inherit'], detached: true });
  const { promise: end, resolve, reject } = Promise.withResolvers<number | NodeJS.Signals>();
  jest.once('error', reject).once('exit', (code, signal) => resolve(code ?? signal ?? 1));
  const endedWith = await end;
  // What tests left running is of no use to anybody.
  signalJest('SIGKILL');
  if (interruption !== undefined) return noResult(`stopped by ${interruption}`);
  return verdictOf(await readFile(outputFile, 'utf8').catch(() => null), endedWith);
}

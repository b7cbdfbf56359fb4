/**
 * What `npm run test:controls` runs: `node test/controls.ts [name …]`.
 *
 * Takes each of the controls in `controls/` out of a copy of the project, runs the test that is named beside it, and demands that
 * it fails. All of these tests run once before that, with every control in place. The last line is `N passed, N failed`; a
 * control whose removal no test noticed has failed.
 */
import { spawn } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { startEmbedded } from '../src/drivers/postgres/embedded.ts';
import type { Control } from './controls/control.ts';
import { CONTROLS } from './controls/list.ts';
import { startRedisServer } from './support/redis-server.ts';

const ROOT = join(import.meta.dirname, '..');
/** Of the project, what a copy needs not. */
const LEFT_OUT: ReadonlySet<string> = new Set(['.git', '.castellan', 'dist', 'node_modules']);
const RUN_MS = 600_000;

/** How a test went, and what it said where it failed. */
interface Outcome {
  readonly how: 'failed' | 'passed' | 'did not run';
  readonly said: string;
}

const NOT_RUN: Outcome = { how: 'did not run', said: '' };

const stopped = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopped.abort());

const names = process.argv.slice(2);
const unknown = names.filter((name) => CONTROLS.every((control) => control.name !== name));
if (unknown.length > 0) {
  say(`There is no control ${unknown.join(', ')}. There are: ${CONTROLS.map(({ name }) => name).join(', ')}.`);
  process.exit(2);
}
const chosen = CONTROLS.filter(({ name }) => names.length === 0 || names.includes(name));
const copy = await mkdtemp(join(tmpdir(), 'castellan-controls-'));
/** How to undo what was done, the latest last. */
const undo: (() => Promise<unknown>)[] = [() => rm(copy, { recursive: true, force: true })];
let [passed, failed] = [0, 0];
try {
  await copyProject();
  const servers = await startServers();
  const before = await outcomesOf(chosen, servers);
  for (const control of chosen) {
    stopped.signal.throwIfAborted();
    const { isNoticed, why } = await verdictOn(control, before.get(control) ?? NOT_RUN, servers);
    if (isNoticed) passed += 1;
    else failed += 1;
    say(`${isNoticed ? '✓' : '✕'} ${control.name}: ${why}`);
  }
} finally {
  for (const back of undo.toReversed()) await back().catch((error: unknown) => say(`not undone: ${String(error)}`));
}
say(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** So that nothing that goes wrong leaves the project itself without a control. */
async function copyProject(): Promise<void> {
  // PostgreSQL runs as another account where this is root, and must come to its own folder in here.
  await chmod(copy, 0o755);
  await cp(ROOT, copy, { recursive: true, filter: (path) => !LEFT_OUT.has(relative(ROOT, path)) });
  await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
}

/** One of each for all runs, which are many and short. */
async function startServers(): Promise<Readonly<Record<string, string>>> {
  const [dataDir, dir] = [join(copy, '.castellan/postgres'), join(copy, '.castellan/redis')];
  await mkdir(dir, { recursive: true });
  const settings = { fsync: 'off', full_page_writes: 'off', max_connections: '300' };
  const postgres = await startEmbedded({ dataDir, settings });
  undo.push(() => postgres.stop('immediate'));
  const redis = await startRedisServer({ dir });
  undo.push(() => redis.stop());
  return { TEST_DATABASE_URL: postgres.url, REDIS_URL: redis.url };
}

/** Whether the test fails without the control, and only then. */
async function verdictOn(
  control: Control,
  before: Outcome,
  servers: Readonly<Record<string, string>>,
): Promise<{ readonly isNoticed: boolean; readonly why: string }> {
  if (before.how !== 'passed') return { isNoticed: false, why: `its test ${before.how} with it in place` };
  const path = join(copy, control.file);
  const source = await readFile(path, 'utf8');
  const around = source.split(control.find);
  if (around.length !== 2) return { isNoticed: false, why: `it is ${around.length - 1} times in ${control.file}` };
  await writeFile(path, around.join(control.replace));
  try {
    const after = (await outcomesOf([control], servers)).get(control) ?? NOT_RUN;
    return { isNoticed: after.how === 'failed', why: `its test ${after.how} without it${after.said}` };
  } finally {
    await writeFile(path, source);
  }
}

/** How the tests of these controls go in the copy as it is. A test that is a table has failed where a row of it did. */
async function outcomesOf(
  controls: readonly Control[],
  servers: Readonly<Record<string, string>>,
): Promise<ReadonlyMap<Control, Outcome>> {
  const files = [...new Set(controls.map(({ test }) => test))];
  const titles = [...new Set(controls.map(patternOf))].join('|');
  const told = await runTests(['--verbose', '-t', titles, '--runTestsByPath', ...files], servers);
  return new Map(controls.map((control) => [control, outcomeIn(told.split('\n'), new RegExp(patternOf(control)))]));
}

function outcomeIn(lines: readonly string[], title: RegExp): Outcome {
  const results = lines.filter((line) => title.test(line)).map((line) => line.trim().charAt(0));
  if (!results.includes('✕')) return { how: results.includes('✓') ? 'passed' : 'did not run', said: '' };
  const at = lines.findIndex((line) => title.test(line) && line.trim().startsWith('●'));
  const said = lines.slice(at + 1).find((line) => line.trim() !== '');
  return { how: 'failed', said: at < 0 || said === undefined ? '' : `: ${said.trim()}` };
}

/** A title is taken as it is written, but for the values of a table. */
function patternOf({ title }: Control): string {
  return title
    .split(/%[sdj]/)
    .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
    .join('.*');
}

async function runTests(args: readonly string[], servers: Readonly<Record<string, string>>): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = spawn(process.execPath, [join(copy, 'test/run.ts'), ...args], {
    cwd: copy,
    env: { ...process.env, ...servers },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: RUN_MS,
  });
  const stop = (): void => void child.kill('SIGTERM');
  stopped.signal.addEventListener('abort', stop, { once: true });
  let told = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      told += text;
    });
  }
  child.once('error', reject).once('close', () => resolve(told));
  try {
    return await promise;
  } finally {
    stopped.signal.removeEventListener('abort', stop);
  }
}

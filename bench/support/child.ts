import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { openFilesMax } from '../../src/kit/open-files.ts';
import type { Switched } from './without.ts';

const READY_MS = 60_000;
const STOP_MS = 10_000;
const SWITCH_MS = 10_000;
/** What Linux counts processor time in: USER_HZ, 100 on every platform Node runs on. */
const TICKS_PER_SECOND = 100;

/** A server in a process of its own. */
export interface Child extends AsyncDisposable {
  readonly pid: number;
  /** Where it listens, such as `http://127.0.0.1:4001`. */
  readonly url: string;
  /** Takes out, or puts back, what it was started `without` and can be switched while it runs. */
  switch(part: Switched, to: 'on' | 'off'): Promise<void>;
}

interface Launch {
  readonly script: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly execArgv?: readonly string[];
  /** Files it may have open; without it, as many as this process may. */
  readonly filesMax?: number;
}

/** Starts a script that prints its URL once it listens. */
export async function startChild(launch: Launch): Promise<Child> {
  const { child, stdout, output } = spawnScript(launch);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  stdout.on('data', () => {
    const url = /http:\/\/[\w.]+:\d+/.exec(output())?.[0];
    if (url !== undefined) resolve(url);
  });
  child.once('exit', (code) => reject(new Error(`${launch.script} ended with ${code}:\n${output()}`)));
  const timer = setTimeout(() => reject(new Error(`${launch.script} is not up:\n${output()}`)), READY_MS);
  try {
    const url = await promise;
    return childOf(child, url);
  } catch (error) {
    await end(child);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Starts a script without waiting for anything. */
export function launchChild(launch: Launch & { readonly url: string }): Child {
  const { child } = spawnScript(launch);
  return childOf(child, launch.url);
}

function childOf(child: ChildProcess, url: string): Child {
  return {
    pid: child.pid ?? 0,
    url,
    switch: (part, to) => switchPart(child, part, to),
    [Symbol.asyncDispose]: () => end(child),
  };
}

async function switchPart(child: ChildProcess, part: Switched, to: 'on' | 'off'): Promise<void> {
  const switched = once(child, 'message', { signal: AbortSignal.timeout(SWITCH_MS) });
  child.send({ [part]: to === 'off' });
  await switched;
}

function spawnScript({ script, env = {}, execArgv = [], filesMax }: Launch) {
  const command = [process.execPath, ...execArgv, script];
  // The shell gives way to it, so that it is the process that is ended.
  const limited = filesMax === undefined ? command : ['sh', '-c', `ulimit -n ${filesMax}; exec "$@"`, 'sh', ...command];
  const [program = '', ...args] = limited;
  const child = spawn(program, args, {
    cwd: join(dirname(script), '..'),
    env: { PATH: process.env['PATH'], NODE_ENV: 'production', ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const farewell = () => void child.kill();
  process.once('exit', farewell);
  child.once('exit', () => process.off('exit', farewell));
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new TypeError('both are pipes');
  let output = '';
  // Goes on reading, or the server blocks when the pipe is full; what matters comes early.
  for (const stream of [stdout, stderr]) {
    stream.on('data', (chunk: Buffer) => {
      if (output.length < 100_000) output += chunk.toString();
    });
  }
  return { child, stdout, output: () => output };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await ended;
  clearTimeout(timer);
}

/** Processor time the process has used, user and system, all its threads, in µs; NaN where /proc is missing. */
export function cpuMicrosOf(pid: number): number {
  const stat = readProc(pid, 'stat');
  // The name before it may hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11] ?? NaN) + Number(fields[12] ?? NaN)) / TICKS_PER_SECOND) * 1_000_000;
}

/** Resident memory in MiB; NaN where /proc is missing. */
export function residentMiBOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readProc(pid, 'status'))?.[1] ?? NaN) / 1_024;
}

/** The limit is inherited: what this process may open, a child may. */
export function refuseFewFiles(needed: number): void {
  const limit = openFilesMax();
  if (limit >= needed) return;
  throw new Error(`${needed} open files are needed and ${limit} are allowed: run \`ulimit -n ${needed}\` first`);
}

function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo; // it listens on TCP
  probe.close();
  await once(probe, 'close');
  return port;
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const POLL_MS = 20;

/** Who PostgreSQL runs as, in the words of `spawn`. Empty: as whoever we are. */
export interface Account {
  readonly uid?: number;
  readonly gid?: number;
}

/** A canonical folder that is ours, and the account which reaches the `cluster` folder in it. */
export interface Place {
  readonly home: string;
  readonly account: Account;
}

/** The environment of every PostgreSQL process: PG* variables of the caller would change what it does. */
export const cleanEnvironment = { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/bin:/bin' };

/** `fast` is SIGINT, `immediate` is SIGQUIT. */
export type StopMode = 'fast' | 'immediate';

/** How a server is ended, each step after the one before was given its time (5 + 2 + 1 s). */
const ENDINGS = [
  { signal: 'SIGINT', waitMs: 5000 },
  { signal: 'SIGQUIT', waitMs: 2000 },
  { signal: 'SIGKILL', waitMs: 900 },
] as const;

/** The server's first process, which PostgreSQL calls postmaster. */
export interface Launched {
  readonly child: ChildProcess;
  readonly pid: number;
}

/** Starts the server without waiting for it to be ready. What it says goes to `server.log`, begun anew. */
export async function launch(
  { home, account }: Place,
  binaries: string,
  cluster: string,
  settings: Readonly<Record<string, string>>,
): Promise<Launched> {
  // What keeps others out is not open to settings.
  const all = { ...settings, listen_addresses: '127.0.0.1', unix_socket_directories: '' };
  const flags = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const file = join(home, 'server.log');
  await fs.rm(file, { force: true });
  const log = await fs.open(file, 'wx', 0o600);
  try {
    const child = spawn(join(binaries, 'postgres'), ['-D', cluster, ...flags], {
      ...account,
      cwd: '/',
      env: cleanEnvironment,
      stdio: ['ignore', log.fd, log.fd],
      // In a session of its own Ctrl-C does not reach it: we end it when we no longer need it.
      detached: true,
    });
    await once(child, 'spawn');
    return { child, pid: child.pid! };
  } finally {
    await log.close();
  }
}

/** Whether the server says in its pid file that it takes connections. Source: pidfile.h of PostgreSQL. */
export async function saysReady(cluster: string, pid: number): Promise<boolean> {
  const lines = (await fs.readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  return Number(lines[0]) === pid && lines[7]?.trim() === 'ready';
}

export async function logTail(home: string): Promise<string> {
  const log = await fs.readFile(join(home, 'server.log'), 'utf8').catch(() => '');
  return log.trimEnd().split('\n').slice(-20).join('\n').slice(-4000);
}

/**
 * Ends a server that outlived its Castellan. Any other pid file is stale, though its id may be in use again: PostgreSQL
 * would take that process for a server, so the file goes, unless it names a server we do not know.
 */
export async function endLeftover(cluster: string): Promise<void> {
  const file = join(cluster, 'postmaster.pid');
  const pid = Number.parseInt(await fs.readFile(file, 'utf8').catch(() => ''), 10);
  if (Number.isNaN(pid)) return;
  const [program = '', ...flags] = argumentsOf(pid);
  if (flags.includes(cluster)) return end(pid, 'fast');
  if (!basename(program).startsWith('postgres')) await fs.rm(file, { force: true });
}

/** Ends a process and waits for it, more harshly with time. Does not trust the id alone: it may be reused meanwhile. */
export async function end(pid: number, mode: StopMode): Promise<void> {
  const born = startOf(pid);
  if (born === undefined) return;
  for (const { signal, waitMs } of mode === 'fast' ? ENDINGS : ENDINGS.slice(1)) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if (startOf(pid) !== born) return;
      throw error;
    }
    const deadline = performance.now() + waitMs;
    while (performance.now() < deadline) {
      if (startOf(pid) !== born) return;
      await sleep(POLL_MS);
    }
  }
  throw new Error(`PostgreSQL (process ${pid}) does not end`);
}

/**
 * The state of a process as one word that survives the reuse of its id: when it started, in clock ticks since boot.
 * `undefined`: there is none, or only its zombie. Source: proc_pid_stat(5).
 */
export function startOf(pid: number): string | undefined {
  const stat = readProc(pid, 'stat');
  // The command, in parentheses, may hold spaces and parentheses itself.
  const [state = 'X', ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return stat === '' || 'ZX'.includes(state) ? undefined : fields[18];
}

/** The arguments a process was started with; none when it is gone. Readable whoever runs it, unlike its links. */
export function argumentsOf(pid: number): string[] {
  return readProc(pid, 'cmdline').split('\0');
}

function readProc(pid: number, file: 'stat' | 'cmdline'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '../..');

/** A start takes a second or two, and much longer on a machine that is busy with something else. */
export const STARTS_MS = 60_000;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly tookMs: number;
}

/** A process as a user would start it: with the variables it is given and no others. */
export class Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';

  constructor(command: string, args: readonly string[], { env, cwd }: { env: NodeJS.ProcessEnv; cwd: string }) {
    const startedAtMs = performance.now();
    const { PATH, HOME, NODE_COMPILE_CACHE } = process.env;
    const all = { PATH, HOME, NODE_COMPILE_CACHE, ...env };
    this.child = spawn(command, args, { cwd, env: all, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.ended = once(this.child, 'close').then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
      stdout: this.stdout,
      stderr: this.stderr,
      tookMs: performance.now() - startedAtMs,
    }));
  }

  /** What was printed, once it holds this. Throws when the process ends before. */
  async printed(text: string): Promise<string> {
    while (!this.stdout.includes(text)) {
      const more = this.child.stdout === null ? [] : [once(this.child.stdout, 'data').then(() => null)];
      const end = await Promise.race([this.ended, ...more]);
      if (end !== null && !this.stdout.includes(text)) throw new Error(`it ended with ${end.code}: ${end.stderr}`);
    }
    return this.stdout;
  }

  /** Sends a signal and waits for the end, which `tookMs` counts from the signal. */
  async end(signal: NodeJS.Signals): Promise<Ended> {
    const sentAtMs = performance.now();
    this.child.kill(signal);
    const ended = await this.ended;
    return { ...ended, tookMs: performance.now() - sentAtMs };
  }
}

export function node(args: readonly string[], env: NodeJS.ProcessEnv = {}, cwd = ROOT): Running {
  return new Running(process.execPath, args, { env, cwd });
}

/** `castellan …`, to its end. */
export function castellan(args: readonly string[], env: NodeJS.ProcessEnv = {}, cwd = ROOT): Promise<Ended> {
  return node([join(ROOT, 'bin/castellan.js'), ...args], env, cwd).ended;
}

/** A folder of the test's own, with a space in its path, that PostgreSQL's user may pass. */
export async function makeFolder(): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'castellan cli '));
  await chmod(path, 0o755);
  return {
    path,
    async remove() {
      const postgres = await realpath(join(path, 'data/postgres')).catch(() => path);
      for (const folder of [postgres, path]) await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The command lines of all processes that name this folder. */
export function processesOf(folder: string): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => commandLine(pid))
    .filter((line) => line.includes(folder));
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    // It has ended meanwhile.
    return '';
  }
}

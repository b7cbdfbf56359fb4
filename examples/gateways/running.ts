import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** A gateway takes a few seconds, and much longer on a machine that is busy with something else. */
const READY_MS = 90_000;
const ASK_AGAIN_MS = 50;
/** Apollo Server takes a GET without it for one that another site made a browser send. */
const NO_PAGE = { 'apollo-require-preflight': 'true' };
/** A process that does not end by then when it is asked to is ended. */
const STOP_MS = 30_000;

/** A process of its own that serves HTTP. */
export interface Running {
  readonly url: string;
  /** What it has printed so far. */
  output(): string;
  /** Resolves when it has ended, whoever ended it. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

export interface RunOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Where it will be found. */
  readonly url: string;
  /** A path that answers with a success once it can be used. */
  readonly ready: string;
  /** What it prints once it can be used, where its path says so too early. */
  readonly prints?: string;
  /** How long that may take. */
  readonly readyMs?: number;
}

/** Starts it, and resolves when it is ready. Throws with what it printed when it does not come to that. */
export async function run({
  command,
  args,
  cwd,
  env = {},
  url,
  ready,
  prints = '',
  readyMs = READY_MS,
}: RunOptions): Promise<Running> {
  const { PATH, HOME, NODE_COMPILE_CACHE } = process.env;
  const child = spawn(command, args, {
    cwd,
    env: { PATH, HOME, NODE_COMPILE_CACHE, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (printed += String(chunk)));
  const end = new AbortController();
  const ended = once(child, 'close')
    .then(() => {})
    // It could not be started.
    .catch((error: unknown) => void (printed += String(error)))
    .finally(() => end.abort());
  const stop = async (): Promise<void> => {
    if (!end.signal.aborted) child.kill('SIGTERM');
    const kill = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await ended;
    clearTimeout(kill);
  };

  const givesUpAt = performance.now() + readyMs;
  while (!end.signal.aborted && performance.now() < givesUpAt) {
    const signal = AbortSignal.timeout(1_000);
    const response = await fetch(new URL(ready, url), { headers: NO_PAGE, signal }).catch(() => null);
    if (response?.ok === true && printed.includes(prints)) return { url, ended, stop, output: () => printed };
    await Promise.race([ended, new Promise((resolve) => void setTimeout(resolve, ASK_AGAIN_MS))]);
  }
  await stop();
  throw new Error(`${command} ${args.join(' ')} did not become ready:\n${printed}`);
}

/** Below those that outgoing connections take, so that it stays free until it is used. */
const PORTS = { from: 20_000, to: 32_000 };

export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(PORTS.from, PORTS.to);
    const server = createServer();
    const isFree = new Promise<boolean>((resolve) => {
      server.once('listening', () => resolve(true)).once('error', () => resolve(false));
    });
    server.listen(port, '127.0.0.1');
    if (!(await isFree)) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}

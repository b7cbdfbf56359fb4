import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis, type RedisOptions } from 'ioredis';
import type { Certificate } from './certificate.ts';

const READY_MS = 10_000;
const STOP_MS = 2_000;

type ClientOptions = Omit<RedisOptions, 'replyMapping'>;

export interface RedisServer {
  readonly url: string;
  /** Of the process that runs now, or ran last. */
  readonly pid: number;
  readonly port: number;
  readonly isRunning: boolean;
  /** How ioredis connects to it, but for a password. */
  readonly options: ClientOptions;
  /** As a power cut: nothing is said to anybody. */
  kill9(): Promise<void>;
  /** Ends the server for good, paused or not, and removes the folder made for it. Idempotent. */
  stop(): Promise<void>;
  /** Starts it again on the same port, empty; one that still runs is stopped first. */
  restart(): Promise<void>;
  /** Hangs: connections stay open and are even accepted, and nothing answers. */
  pause(): void;
  resume(): void;
  /** FLUSHALL. */
  flush(): Promise<void>;
}

export interface RedisServerOptions {
  readonly port?: number;
  readonly dir?: string;
  /** Settings of the server beside the port, the folder and that it keeps nothing. */
  readonly flags?: Readonly<Record<string, string>>;
  /** Makes it a sentinel: what stands in its file. */
  readonly sentinel?: string;
  /** Makes it speak TLS, and nothing else, to everybody. */
  readonly tls?: Certificate;
}

/** A real `redis-server` of the caller's own on 127.0.0.1, without persistence. Default: a free port, a new folder. */
export async function startRedisServer(options: RedisServerOptions = {}): Promise<RedisServer> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'castellan-redis-')));
  const start = (port: number): Promise<ChildProcess> => launch(dir, port, options);
  let { port, child } = await launchOn(start, options.port);
  const url = `redis${options.tls === undefined ? '' : 's'}://127.0.0.1:${port}`;
  const clientOptions: ClientOptions = {
    host: '127.0.0.1',
    port,
    protocol: 2,
    disconnectTimeout: 100,
    ...(options.tls !== undefined && { tls: { ca: options.tls.certificate } }),
  };
  return {
    url,
    port,
    options: clientOptions,
    get isRunning() {
      return isRunning(child);
    },
    get pid() {
      return child.pid ?? 0;
    },
    kill9: () => end(child, 'SIGKILL'),
    async stop() {
      await end(child, 'SIGTERM');
      if (options.dir === undefined) await rm(dir, { recursive: true, force: true });
    },
    async restart() {
      await end(child, 'SIGTERM');
      child = await start(port);
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    flush: () => flush(clientOptions),
  };
}

/**
 * Clients are given ports above 32767 by the kernel, even that of a server that was killed: ours are below, and so are
 * those of the cluster bus, which are 10 000 higher.
 */
async function launchOn(
  start: (port: number) => Promise<ChildProcess>,
  given: number | undefined,
): Promise<{ port: number; child: ChildProcess }> {
  for (let attemptsLeft = 20; ; attemptsLeft -= 1) {
    const port = given ?? randomInt(10_000, 22_768);
    try {
      return { port, child: await start(port) };
    } catch (error) {
      const isTaken = String(error).includes('Address already in use');
      if (!isTaken || given !== undefined || attemptsLeft === 0) throw error;
    }
  }
}

async function launch(dir: string, port: number, { flags, sentinel, tls }: RedisServerOptions): Promise<ChildProcess> {
  const settings = {
    port,
    dir,
    bind: '127.0.0.1',
    save: '',
    appendonly: 'no',
    daemonize: 'no',
    logfile: '',
    ...flags,
    ...(tls !== undefined && (await encrypted(dir, port, tls))),
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, `${value}`]);
  const file = join(dir, 'sentinel.conf');
  if (sentinel !== undefined) await writeFile(file, sentinel);
  const all = sentinel === undefined ? args : [file, '--sentinel', ...args];
  const child = spawn('redis-server', all, { stdio: ['ignore', 'pipe', 'pipe'] });
  try {
    await ready(child, sentinel === undefined ? 'Ready to accept connections' : 'Sentinel ID is');
    return child;
  } catch (error) {
    await end(child, 'SIGKILL');
    throw error;
  }
}

async function encrypted(dir: string, port: number, { certificate, key }: Certificate) {
  const [certificateFile, keyFile] = [join(dir, 'certificate.pem'), join(dir, 'key.pem')];
  await writeFile(certificateFile, certificate);
  await writeFile(keyFile, key);
  return {
    port: 0,
    'tls-port': port,
    'tls-cert-file': certificateFile,
    'tls-key-file': keyFile,
    'tls-ca-cert-file': certificateFile,
    'tls-auth-clients': 'no',
    'tls-replication': 'yes',
    'tls-cluster': 'yes',
  };
}

function ready(child: ChildProcess, sign: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error(`redis-server was not ready within ${READY_MS} ms`)), READY_MS);
  let output = '';
  const read = (chunk: Buffer) => {
    output += chunk.toString();
    if (output.includes(sign)) resolve();
  };
  child.stdout?.on('data', read);
  child.stderr?.on('data', read);
  child.once('error', (cause) => {
    reject(new Error('redis-server cannot be run: start the tests with npm test, which installs it', { cause }));
  });
  child.once('exit', () => reject(new Error(`redis-server ended by itself:\n${output}`)));
  return promise.finally(() => {
    clearTimeout(timer);
    // Goes on reading, or the server blocks when the pipe is full.
    for (const stream of [child.stdout, child.stderr]) stream?.off('data', read).resume();
  });
}

async function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (!isRunning(child)) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  // One that is paused hears SIGTERM only now.
  child.kill('SIGCONT');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await ended;
  clearTimeout(timer);
}

function isRunning({ pid, exitCode, signalCode }: ChildProcess): boolean {
  return pid !== undefined && exitCode === null && signalCode === null;
}

async function flush(options: ClientOptions): Promise<void> {
  const client = new Redis(options);
  client.on('error', () => {});
  try {
    await client.flushall();
  } finally {
    client.disconnect();
  }
}

import { type ChildProcess, spawn } from 'node:child_process';
import { argon2Sync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { type EmbeddedServer, startEmbedded } from '../../src/drivers/postgres/embedded.ts';
import { PASSWORD } from '../support/castellan.ts';
import { startRedisServer, type RedisServer } from '../support/redis-server.ts';
import { startRedisProxy, type RedisProxy } from './redis-proxy.ts';

const ROOT = join(import.meta.dirname, '../..');
/** Where the machine is busy, reading all modules alone takes many seconds. */
const READY_MS = 60_000;
const LINES_MAX = 2_000;

/** A PostgreSQL with the durability it has in production: what was committed survives an immediate stop. */
export interface Postgres {
  readonly url: string;
  /** As a crash. */
  stop(): Promise<void>;
  /** On the same port, from what is on the disk. */
  start(): Promise<void>;
  query<Row>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  close(): Promise<void>;
}

/** Several Castellans as processes of their own, over a PostgreSQL and a Redis of their own. */
export interface Cluster {
  readonly postgres: Postgres;
  readonly redis: RedisServer;
  readonly instances: readonly Instance[];
  close(): Promise<void>;
}

/** @param env what each instance is given beside what it needs */
export async function startCluster(size: number, env: NodeJS.ProcessEnv = {}): Promise<Cluster> {
  const undo: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const back of undo.splice(0).toReversed()) await back();
  };
  try {
    const postgres = await startPostgres();
    undo.push(() => postgres.close());
    const redis = await startRedisServer();
    undo.push(() => redis.stop());
    const instances: Instance[] = [];
    for (let n = 0; n < size; n += 1) {
      const proxy = await startRedisProxy(redis.url);
      undo.push(() => proxy.close());
      const instance = new Instance(n, postgres.url, proxy, env);
      instances.push(instance);
      undo.push(() => instance.end());
      // One after the other: the first one migrates, and creates the administrator.
      await instance.start();
    }
    return { postgres, redis, instances, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The same over a Redis that somebody else has started, to which each instance connects by itself. */
export async function startClusterOver(redisUrl: string, size: number): Promise<Omit<Cluster, 'redis'>> {
  const postgres = await startPostgres();
  const redis = { url: redisUrl, deaf: false, lost: 0, close: () => Promise.resolve() };
  const instances = Array.from({ length: size }, (_, n) => new Instance(n, postgres.url, redis));
  const close = async () => {
    for (const instance of instances) await instance.end();
    await postgres.close();
  };
  try {
    for (const instance of instances) await instance.start();
    return { postgres, instances, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Named by this process, so that later test runs clear away what is left when this one is killed. */
export async function startPostgres(): Promise<Postgres> {
  const folder = join(ROOT, '.castellan/test', `run-${process.pid}`);
  const dataDir = join(folder, 'postgres');
  await mkdir(folder, { recursive: true });
  let server: EmbeddedServer = await startEmbedded({ dataDir });
  const { url } = server;
  return {
    url,
    stop: () => server.stop('immediate'),
    async start() {
      server = await startEmbedded({ dataDir, port: Number(new URL(url).port) });
    },
    query: (text, values) => queryOnce(url, text, values),
    async close() {
      await server.stop('immediate');
      // It may have been put elsewhere, behind a link.
      const place = await realpath(dataDir).catch(() => dataDir);
      for (const path of [place, folder]) await rm(path, { recursive: true, force: true });
    },
  };
}

async function queryOnce<Row>(url: string, text: string, values: readonly unknown[] = []): Promise<Row[]> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 2_000, query_timeout: 10_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    return (await client.query(text, [...values])).rows as Row[]; // the statement names its columns
  } finally {
    await client.end();
  }
}

export const KEY_ENCRYPTION_KEY = 'a secret for fault tests that is long enough';

/** One `node src/main.ts`. */
export class Instance {
  readonly index: number;
  readonly redisProxy: RedisProxy;
  readonly #databaseUrl: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #root: string;
  readonly #lines: string[] = [];
  #child: ChildProcess | null = null;
  #url = '';
  #paused = false;

  /** @param root the folder whose code it runs */
  constructor(index: number, databaseUrl: string, redisProxy: RedisProxy, env: NodeJS.ProcessEnv = {}, root = ROOT) {
    this.index = index;
    this.#env = env;
    this.#root = root;
    this.#databaseUrl = databaseUrl;
    this.redisProxy = redisProxy;
  }

  get url(): string {
    return this.#url;
  }

  get paused(): boolean {
    return this.#paused;
  }

  get running(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** What it wrote last, newest at the end. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Starts it, and resolves when it serves. */
  async start(): Promise<void> {
    const child = spawn(process.execPath, ['src/main.ts'], {
      cwd: this.#root,
      env: {
        PATH: process.env['PATH'],
        NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'],
        PORT: '0',
        ISSUER: 'http://localhost:4001',
        DATABASE_URL: this.#databaseUrl,
        REDIS_URL: this.redisProxy.url,
        KEY_ENCRYPTION_KEY,
        ADMIN_PASSWORD: PASSWORD,
        LOG_LEVEL: 'warn',
        // Probes ask without pause.
        RATE_LIMIT_USERS: 'off',
        RATE_LIMIT_ANONYMOUS: 'off',
        RATE_LIMIT_KEYS: 'off',
        RATE_LIMIT_OWNERS: 'off',
        ...this.#env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    const { promise: up, resolve, reject } = Promise.withResolvers<string>();
    const read = (chunk: Buffer): void => {
      this.#lines.push(...chunk.toString().split('\n').filter(Boolean));
      this.#lines.splice(0, this.#lines.length - LINES_MAX);
      const [, url] = /Castellan is up at (\S+)\/graphql/.exec(chunk.toString()) ?? [];
      if (url !== undefined) resolve(url);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      reject(new Error(`it ended with ${code ?? signal}: ${this.#lines.join('\n')}`)),
    );
    const timer = setTimeout(
      () => reject(new Error(`it was not up within ${READY_MS} ms: ${this.#lines.slice(-20).join('\n')}`)),
      READY_MS,
    );
    try {
      this.#url = await up;
    } finally {
      clearTimeout(timer);
    }
  }

  /** SIGSTOP: connections stay open, and nothing answers. */
  pause(): void {
    this.#paused = true;
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#paused = false;
    this.#child?.kill('SIGCONT');
  }

  async kill9(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** SIGTERM; resolves with the exit code, or the signal it died of. */
  async terminate(): Promise<number | NodeJS.Signals> {
    return this.#end('SIGTERM');
  }

  /** Ends it for good, whatever state it is in. */
  async end(): Promise<void> {
    if (this.running) await this.kill9();
  }

  async #end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals> {
    const child = this.#child;
    if (child === null || !this.running) throw new TypeError(`instance ${this.index} does not run`);
    const ended = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
    child.kill(signal);
    this.#paused = false;
    const [code, died] = await ended;
    return code ?? died ?? 'SIGKILL';
  }
}

export interface TestUser {
  readonly id: string;
  readonly email: string;
  /** The grant of the role `support`, when it was given. */
  readonly supportGrantId: string;
}

/** A hash of {@link PASSWORD} that costs next to nothing to check: the sign-ins are not what is tested. */
function cheapHash(): string {
  const nonce = randomBytes(16);
  const message = Buffer.from(PASSWORD);
  const tag = argon2Sync('argon2id', { message, nonce, memory: 8, passes: 1, parallelism: 1, tagLength: 32 });
  const [salt, hash] = [nonce, tag].map((bytes) => bytes.toString('base64').replaceAll('=', ''));
  return `$argon2id$v=19$m=8,t=1,p=1$${salt}$${hash}`;
}

/** Users who hold the role `member`, and `support` if asked for, put straight into the database. */
export async function addUsers(
  { postgres }: Pick<Cluster, 'postgres'>,
  count: number,
  { support = false } = {},
): Promise<readonly TestUser[]> {
  const id = (prefix: string) => `${prefix}_${randomText(26)}`;
  const users = Array.from({ length: count }, () => ({
    id: id('user'),
    email: `${randomText(12)}@example.com`,
    memberGrantId: id('grant'),
    supportGrantId: id('grant'),
  }));
  await postgres.query(
    `with given as (
       select * from json_to_recordset($1) as g(id text, email text, "memberGrantId" text, "supportGrantId" text)
     ), u as (
       insert into users (id, email, email_folded, name, status, created_at)
       select id, email, email, 'bob', 'active', now() from given
     ), p as (insert into passwords (user_id, hash, changed_at) select id, $2, now() from given)
     insert into grants (id, principal_id, role_id, granted_by, created_at)
     select case name when 'member' then g."memberGrantId" else g."supportGrantId" end,
       g.id, r.id, 'system', now()
     from given g, roles r where name = 'member' or (name = 'support' and $3)`,
    [JSON.stringify(users), cheapHash(), support],
  );
  return users;
}

function randomText(length: number): string {
  const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
  return Array.from(randomBytes(length), (byte) => alphabet[byte & 31]).join('');
}

import { LIMITS, type Limits } from '../../src/kit/limits.ts';
import { randomBytes } from 'node:crypto';
import { createClient, type Client } from 'graphql-ws';
import { Pool } from 'pg';
import { WebSocket } from 'ws';
import { createApp, type App, type Overrides } from '../../src/app.ts';
import { readConfig, type Config } from '../../src/config.ts';
import { SYSTEM } from '../../src/domain/principals/principal.ts';
import { systemClock, type Clock } from '../../src/kit/clock.ts';
import { createLog, type LogLevel } from '../../src/kit/log.ts';
import type { Mail, Mailer } from '../../src/domain/users/mail.ts';
import { createDatabase } from './database.ts';
import { addScopes } from './people.ts';

export const PASSWORD = 'correct horse battery staple';

export interface Answer<T = Record<string, unknown>> {
  readonly status: number;
  readonly headers: Headers;
  readonly data: T | null;
  readonly errors: readonly {
    readonly message: string;
    readonly extensions: Record<string, unknown>;
    readonly path?: readonly string[];
  }[];
}

export interface SignedInUser {
  readonly id: string;
  readonly email: string;
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly sessionId: string;
}

/** Several Castellans over one PostgreSQL and one Redis, as in production, and how tests talk to them. */
export interface Castellans {
  readonly apps: readonly App[];
  readonly config: Config;
  /** Their database, as a superuser. */
  readonly databaseUrl: string;
  /** All mails that went out, oldest first. */
  readonly mails: readonly Mail[];
  /** Runs a GraphQL operation over HTTP. */
  ask<T = Record<string, unknown>>(
    query: string,
    options?: { variables?: object; token?: string; instance?: number; headers?: Record<string, string> },
  ): Promise<Answer<T>>;
  /** A graphql-ws client that connects when it is first used, with the token in `connection_init`, and stays connected. */
  connect(options: {
    token?: string;
    /** In place of a token. */
    apiKey?: string;
    instance?: number;
    onClosed?: (code: number) => void;
  }): Client;
  /** Scopes at these paths, with all above them, where there are none yet. */
  addScopes(...paths: readonly string[]): Promise<void>;
  /** Creates an active user holding these roles everywhere, and signs in. */
  signUp(name: string, roles?: readonly string[]): Promise<SignedInUser>;
  signIn(email: string, instance?: number): Promise<Omit<SignedInUser, 'id'>>;
  /** What the whole database has recorded so far: a refused change leaves it as it was. */
  recorded(): Promise<object>;
  /** Runs one statement on their database, as whoever made it. */
  rows<Row>(text: string, ...values: readonly unknown[]): Promise<readonly Row[]>;
  close(): Promise<void>;
}

/**
 * @param instances how many Castellans run; 1 uses no Redis unless asked to
 * @param options what to override in the parts, and `settings` in the configuration that the environment would give; `clocks`,
 * one for each instance; `through`, which makes the address by which they reach their database
 */
export async function startCastellans(
  instances: number,
  {
    redis = instances > 1,
    settings = {},
    clocks = [],
    through = (url) => url,
    ...overrides
  }: Overrides & {
    redis?: boolean;
    settings?: Partial<Config>;
    clocks?: readonly Clock[];
    through?: (databaseUrl: string) => string;
  } = {},
): Promise<Castellans> {
  const database = await createDatabase();
  const config: Config = {
    ...testConfig(through(database.instanceUrl), redis ? redisUrl() : undefined),
    // Where time is not what is tested, no token ends while a slow machine works.
    ...(overrides.clock === undefined && clocks.length === 0 && { accessTokenSeconds: 3_600 }),
    ...settings,
  };
  const logger = overrides.logger ?? createLog((process.env['TEST_LOG'] ?? 'silent') as LogLevel);
  const mails: Mail[] = [];
  const mailer: Mailer = { send: async (mail) => void mails.push(mail), close: () => Promise.resolve() };
  const apps: App[] = [];
  const clients: Client[] = [];
  const beside = new Pool({ connectionString: database.url, application_name: 'beside', max: 2 });
  beside.on('error', () => {});
  const closeAll = async (): Promise<void> => {
    for (const client of clients) await client.dispose();
    await Promise.all(apps.map((app) => app.close()));
    if (!beside.ended) await beside.end();
    await database.drop();
  };
  try {
    for (let n = 0; n < instances; n += 1) {
      const clock = clocks[n] ?? overrides.clock;
      apps.push(
        await createApp(config, { poolMax: 5, mailer, ...overrides, ...(clock !== undefined && { clock }), logger }),
      );
    }
  } catch (error) {
    // Those that did start would go on for ever.
    await closeAll();
    throw error;
  }

  const at = (instance = 0): App => instanceOf({ apps }, instance);

  const castellans: Castellans = {
    apps,
    config,
    databaseUrl: database.url,
    mails,

    ask: (query, { variables = {}, token, instance = 0, headers = {} } = {}) =>
      post(at(instance).url, query, variables, {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...headers,
      }),

    connect({ token, apiKey, instance = 0, onClosed }) {
      const client = whenUsed(() =>
        createClient({
          url: `${at(instance).url.replace('http', 'ws')}/graphql`,
          webSocketImpl: WebSocket,
          retryAttempts: 0,
          // Between operations its socket is open. Whoever asks over it is told why it closes.
          lazy: false,
          onNonLazyError: () => {},
          connectionParams: {
            ...(token !== undefined && { authorization: `Bearer ${token}` }),
            ...(apiKey !== undefined && { 'X-API-Key': apiKey }),
          },
          ...(onClosed !== undefined && { on: { closed: (event) => onClosed((event as { code: number }).code) } }),
        }),
      );
      clients.push(client);
      return client;
    },

    addScopes: (...paths) => addScopes(at().services, ...paths),

    async signUp(name, roles = ['member']) {
      const email = `${name}.${randomBytes(4).toString('hex')}@example.com`;
      const { value: user } = await at().services.users.create(SYSTEM, { email, name, password: PASSWORD, roles });
      // As if they had changed it: what is given to somebody is good for a day only.
      await castellans.rows('update passwords set initial_at = null where user_id = $1', user.id);
      return { id: user.id, ...(await castellans.signIn(email)) };
    },

    async signIn(email, instance = 0) {
      const { data, errors } = await castellans.ask<{
        signIn: { accessToken: string; refreshToken: string; session: { id: string } };
      }>(SIGN_IN, { variables: { input: { email, password: PASSWORD } }, instance });
      if (data === null) throw new Error(`${email} could not sign in: ${JSON.stringify(errors)}`);
      const { accessToken, refreshToken, session } = data.signIn;
      return { email, accessToken, refreshToken, sessionId: session.id };
    },

    async recorded() {
      const [counts] = await castellans.rows<object>(
        `select (select count(*) from audit_entries where outcome = 'done' and action <> 'user.sign_in_failed') as audit, (select count(*) from authority_log) as log,
           (select count(*) from users) as users, (select count(*) from grants) as grants`,
      );
      return counts ?? {};
    },

    async rows<Row>(text: string, ...values: readonly unknown[]) {
      const { rows } = await beside.query(text, [...values]);
      return rows as Row[]; // the statement names its columns
    },

    close: closeAll,
  };
  return castellans;
}

export function instanceOf({ apps }: Pick<Castellans, 'apps'>, instance: number): App {
  const app = apps[instance];
  if (app === undefined) throw new TypeError(`there is no instance ${instance}`);
  return app;
}

/** How tests sign in. */
export const SIGN_IN = `mutation ($input: SignInInput!) {
  signIn(input: $input) { ... on SignedIn { accessToken refreshToken session { id } } }
}`;

const QUICK_HASHES = { memoryKib: 64, passes: 1 };

export function testConfig(databaseUrl: string, redis: string | undefined): Config {
  const config = readConfig({
    DATABASE_URL: databaseUrl,
    REDIS_URL: redis,
    PORT: '0',
    KEY_ENCRYPTION_KEY: 'a secret for tests that is long enough',
    ADMIN_PASSWORD: PASSWORD,
    LOG_LEVEL: 'silent',
    // Tests ask more than anybody would.
    RATE_LIMIT_USERS: 'off',
    RATE_LIMIT_ANONYMOUS: 'off',
    RATE_LIMIT_KEYS: 'off',
    RATE_LIMIT_OWNERS: 'off',
  });
  const limits = patient(config.limits);
  // Whoever edits the policies meanwhile must not change what is tested; and what a hash costs matters to tests of hashes alone.
  return { ...config, limits, policiesWatched: false, passwordStrength: QUICK_HASHES };
}

export function redisUrl(): string {
  const url = process.env['TEST_REDIS_URL'];
  if (url === undefined)
    throw new Error('TEST_REDIS_URL is not set: run tests with `npm test`, which starts a Redis for them');
  return url;
}

export async function post<T>(
  url: string,
  query: string,
  variables: object,
  headers: Record<string, string> = {},
): Promise<Answer<T>> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query, variables }),
  });
  const body = (await response.json()) as { data?: T | null; errors?: Answer['errors'] };
  return { status: response.status, headers: response.headers, data: body.data ?? null, errors: body.errors ?? [] };
}

/** The codes of an answer's errors. */
export function codesOf({ errors }: Pick<Answer, 'errors'>): readonly unknown[] {
  return errors.map(({ extensions }) => extensions['code']);
}

export interface SocketAnswer<T = Record<string, unknown>> {
  readonly data: T | null;
  readonly errors: Answer['errors'];
  /** The code the socket closed with in place of an answer. */
  readonly closed: number | null;
}

/** Runs a query or mutation over a socket, with a credential of its own when `token` is given. */
export async function askOver<T = Record<string, unknown>>(
  client: Client,
  query: string,
  { variables = {}, token }: { variables?: Record<string, unknown>; token?: string } = {},
): Promise<SocketAnswer<T>> {
  const extensions = token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } };
  const answers = client.iterate<T>({ query, variables, extensions });
  try {
    const { value } = await answers.next();
    const { data, errors } = (value ?? {}) as { data?: T | null; errors?: Answer['errors'] };
    return { data: data ?? null, errors: errors ?? [], closed: null };
  } catch (error) {
    if (Array.isArray(error)) return { data: null, errors: error as Answer['errors'], closed: null };
    const { code } = error as { code?: unknown };
    if (typeof code === 'number') {
      // Whoever asks for errors alone must not take it for an answer without any.
      const error = { message: `the socket was closed with ${code}`, extensions: { code } };
      return { data: null, errors: [error], closed: code };
    }
    throw error;
  } finally {
    await answers.return?.();
  }
}

/** A client that connects when it is first used. */
function whenUsed(create: () => Client): Client {
  let created: Client | null = null;
  const client = (): Client => (created ??= create());
  return {
    on: (event, listener) => client().on(event, listener),
    subscribe: (payload, sink) => client().subscribe(payload, sink),
    iterate: (payload) => client().iterate(payload),
    dispose: () => created?.dispose(),
    terminate: () => created?.terminate(),
  };
}

/** What goes with the clock, whoever asks. */
const HEARTBEATS = new Set([
  'authority-beat',
  'authority-poll',
  'authority-mark',
  'authority-marked',
  'authority-collect',
  'outbox-waiting',
  'audit-waiting',
  'audit-head',
  'instance-report',
]);

/** Notes by name what the apps send to PostgreSQL from now on, but for {@link HEARTBEATS}; a transaction counts as one. */
export function recordStatements(apps: readonly App[]): {
  readonly names: readonly string[];
  readonly stop: () => void;
} {
  const names: string[] = [];
  const pools = apps.flatMap(({ database: { pool, reserve } }) => [pool, reserve]);
  // What bounds the queue is the pool's own; the rest stands on the prototype.
  const bounds = pools.map((pool) => Object.getOwnPropertyDescriptor(pool, 'connect'));
  for (const pool of pools) {
    const query = pool.query.bind(pool) as (...args: readonly unknown[]) => unknown;
    const connect = pool.connect.bind(pool) as (...args: readonly unknown[]) => unknown;
    Object.assign(pool, {
      query: (...args: readonly unknown[]) => {
        const { name } = Object(args[0]) as { name?: unknown };
        const noted = typeof name === 'string' ? name : 'without a name';
        if (!HEARTBEATS.has(noted)) names.push(noted);
        return query(...args);
      },
      connect: (...args: readonly unknown[]) => {
        // With a callback it is the pool itself, for its own query.
        if (args.length === 0) names.push('a transaction');
        return connect(...args);
      },
    });
  }
  return {
    names,
    stop() {
      for (const [index, pool] of pools.entries()) {
        Reflect.deleteProperty(pool, 'query');
        Reflect.deleteProperty(pool, 'connect');
        const bound = bounds[index];
        if (bound !== undefined) Object.defineProperty(pool, 'connect', bound);
      }
    },
  };
}

/** Longer than anything takes on a machine that does ten other things as well: it only ends what never comes. */
const UNTIL_MS = 20_000;

/** Asks until it is so: for what announces itself to nobody. Fails a test that asks for too long. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const givesUpAt = performance.now() + UNTIL_MS;
  while (!(await isSo())) {
    if (performance.now() > givesUpAt) throw new Error(`this never came to be: ${isSo.toString()}`);
    await new Promise(setImmediate);
  }
}

/** By what they are on. */
const turns = new WeakMap<object, Promise<unknown>>();

/**
 * What `open` opens on `on`, once there is one more there than before. Some of before may be on their way out meanwhile; whoever
 * else opens something there takes a turn of its own.
 */
export async function oneMore<Opened>(
  on: object,
  count: () => number | Promise<number>,
  open: () => Opened | Promise<Opened>,
): Promise<Opened> {
  const before = turns.get(on);
  const own = Promise.withResolvers<void>();
  turns.set(on, own.promise);
  await before;
  return opened(count, open).finally(own.resolve);
}

async function opened<Opened>(
  count: () => number | Promise<number>,
  open: () => Opened | Promise<Opened>,
): Promise<Opened> {
  let least = await count();
  const it = await open();
  await until(async () => {
    const now = await count();
    least = Math.min(least, now);
    return now > least;
  });
  return it;
}

/** A clock that tests move on. What is due by then happens at once; otherwise time passes as it does. */
export interface TestClock extends Clock {
  advance(ms: number): void;
}

export function createTestClock(): TestClock {
  let aheadMs = 0;
  const timers = new Set<{ readonly dueMs: number; fire(): void }>();
  const monotonicMs = (): number => systemClock.monotonicMs() + aheadMs;
  return {
    now: () => systemClock.now() + aheadMs,
    monotonicMs,
    after(ms, fn) {
      const entry = {
        dueMs: monotonicMs() + ms,
        fire() {
          timers.delete(entry);
          timer.cancel();
          fn();
        },
      };
      const timer = systemClock.after(ms, () => entry.fire());
      timers.add(entry);
      return {
        cancel() {
          timers.delete(entry);
          timer.cancel();
        },
      };
    },
    advance(ms) {
      aheadMs += ms;
      const due = [...timers].filter(({ dueMs }) => dueMs <= monotonicMs());
      for (const entry of due.toSorted((a, b) => a.dueMs - b.dueMs)) entry.fire();
    },
  };
}

/** Subscribes at once, and collects the events; `next` waits for one more. */
export function collect<T = Record<string, unknown>>(
  client: Client,
  query: string,
  variables: Record<string, unknown> = {},
) {
  const events = client.iterate<T>({ query, variables });
  // Asked for at once: what ends before anybody asks would end unheard.
  let first: ReturnType<typeof events.next> | null = events.next();
  first.catch(() => {});
  return {
    /** The data of the next event, or null when the subscription completed. */
    async next(): Promise<T | null> {
      const upcoming = first ?? events.next();
      first = null;
      const { value, done } = await upcoming;
      if (done === true) return null;
      const { data, errors } = value as { data?: T | null; errors?: unknown };
      if (errors !== undefined) throw new Error(`the subscription answered with errors: ${JSON.stringify(errors)}`);
      return data ?? null;
    },
    stop: () => events.return?.(undefined),
  };
}

/** So that one event can be of some megabytes. */
export const MANY_ALIASES: Limits = patient({ ...LIMITS, documents: { ...LIMITS.documents, aliases: 1_000 } });

/** The same but for what would be hit by the test and not by what it tests. */
function patient(limits: Limits): Limits {
  // The test and all of its instances take turns in one process: how long each takes says nothing.
  const load = { ...limits.load, turnMs: Infinity };
  // Clients of tests stay connected.
  return { ...limits, load, sockets: { ...limits.sockets, perUser: 1_000 } };
}

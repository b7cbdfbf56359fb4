import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { Redis, type RedisOptions } from 'ioredis';
import type { Clock } from '../../kit/clock.ts';
import { withDeadline } from '../../kit/deadline.ts';
import type { Log } from '../../kit/log.ts';
import type { Secret } from '../../kit/secret.ts';

const CONNECT_MS = 1_000;
const COMMAND_MS = 1_000;
/** A server that owes an answer for this long is left, and connected to anew. */
const SILENCE_MS = 2_000;
const RETRY_MS_MAX = 1_000;
/** A connection may take this long to end in good order. */
const GOODBYE_MS = 200;
const CLOSE_MS = 1_000;

type Options = Omit<RedisOptions, 'replyMapping'>;

/** Opens connections to one Redis server in the background: the first one need not succeed, and none ever gives up. */
export class RedisConnector {
  readonly #options: Options;
  readonly #logger: Log;
  readonly #lost = new Set<Redis>();

  /** @param parts.url `redis://` or `rediss://`, with user, password and database number where needed. */
  constructor(parts: { url: Secret; logger: Log }) {
    this.#options = { ...serverOf(parts.url), ...BOUNDS };
    this.#logger = parts.logger;
  }

  /** A connection that fails its commands at once while it is down, and keeps none of them for later. */
  connect(): Redis {
    const redis = new Redis(this.#options);
    redis.on('error', (error: Error & { code?: string }) => this.#down(redis, error.message || error.code));
    redis.on('reconnecting', () => this.#down(redis, 'the connection was lost'));
    redis.on('ready', () => this.#up(redis));
    redis.on('end', () => this.#lost.delete(redis));
    return redis;
  }

  // ioredis hangs the arguments of the failed command on its errors, and those of AUTH are a password: only words of
  // the server and of the operating system are logged.
  #down(redis: Redis, reason: string | undefined): void {
    const isNews = this.#lost.size === 0;
    this.#lost.add(redis);
    if (isNews) this.#logger.warn({ server: this.#server, reason }, 'Redis does not answer');
  }

  #up(redis: Redis): void {
    if (!this.#lost.delete(redis) || this.#lost.size > 0) return;
    this.#logger.info({ server: this.#server }, 'Redis answers again');
  }

  get #server(): string {
    return `${this.#options.host}:${this.#options.port}`;
  }
}

/** Ends a connection for good; commands under way fail. */
export async function disconnect(redis: Redis, clock: Clock): Promise<void> {
  // Between two attempts there is no socket whose end could be waited for.
  const hasSocket = redis.status !== 'reconnecting' && redis.status !== 'end';
  redis.disconnect();
  if (!hasSocket) return;
  await withDeadline(clock, once(redis, 'end'), CLOSE_MS, 'Redis').catch(() => {});
}

const BOUNDS: Options = {
  connectionName: 'castellan',
  disableClientInfo: true,
  // After a password that the server does not ask for, ioredis speaks RESP3 to a server that answers in RESP2.
  protocol: 2,
  enableAutoPipelining: true,
  connectTimeout: CONNECT_MS,
  commandTimeout: COMMAND_MS,
  socketTimeout: SILENCE_MS,
  disconnectTimeout: GOODBYE_MS,
  // Whatever was under way when the connection was lost is lost with it: sent later, it would be old news.
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  // ioredis does not catch the failure of a subscription that it renews: it would end the process.
  autoResubscribe: false,
  retryStrategy: (attempts) => {
    const ms = Math.min(50 * 2 ** Math.min(attempts, 10), RETRY_MS_MAX);
    // Instances that lost the same server must not come back all at once.
    return randomInt(ms / 2, ms + 1);
  },
};

function serverOf(secret: Secret): Options {
  const url = URL.parse(secret.reveal());
  const db = /^\/?(\d{0,5})$/.exec(url?.pathname ?? '')?.[1];
  const isTls = url?.protocol === 'rediss:';
  if (
    url === null ||
    !(isTls || url.protocol === 'redis:') ||
    url.hostname === '' ||
    url.search !== '' ||
    db === undefined
  )
    throw new TypeError('the Redis URL is not of the form redis[s]://[[user]:password@]host[:port][/database]');
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? 6379 : Number(url.port),
    username: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    db: Number(db),
    ...(isTls ? { tls: {} } : {}),
  };
}

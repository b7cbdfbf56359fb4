import { once } from 'node:events';
import { type Cluster, Redis } from 'ioredis';
import type { Clock } from '../../kit/clock.ts';
import { withDeadline } from '../../kit/deadline.ts';
import type { RedisPlace } from '../../kit/redis-url.ts';
import type { RedisLogin } from './redis-login.ts';
import { COMMAND_MS, CONNECT_MS, type Options, optionsOf, retryMs } from './redis-options.ts';
import type { Outage } from './redis-outage.ts';

const CLOSE_MS = 1_000;

type ServerPlace = Exclude<RedisPlace, { kind: 'cluster' }>;

/** What cache and hints work over. Connections are made in the background: the first need not succeed, none gives up. */
export interface Connections {
  /** Fails its commands at once while it is down, and keeps none of them for later. */
  readonly commands: Redis | Cluster;
  /** A connection with subscriptions takes no other commands. */
  readonly subscriber: Redis;
  /** Names the node that answers for the key; null while none can. */
  readonly nodeOf: (key: string) => string | null;
  /** Resolves when every node that holds keys has answered. */
  readonly ping: () => Promise<unknown>;
}

/** What every connection needs. */
export interface Connecting {
  readonly login: RedisLogin;
  readonly outage: Outage;
  readonly clock: Clock;
}

/** Connections to one server: the one of that name, or the one that the sentinels call the master. */
export function connectServer(place: ServerPlace, { login, outage, clock }: Connecting): Connections {
  const options = { ...optionsOf(place, clock), ...whereabouts(place) };
  const commands = new Redis({ ...options, enableAutoPipelining: true });
  const subscriber = new Redis(options);
  for (const redis of [commands, subscriber]) {
    login.follow(redis);
    watch(redis, outage, nameOf(place));
  }
  return {
    commands,
    subscriber,
    nodeOf: () => (commands.status === 'ready' ? 'the server' : null),
    ping: () => commands.ping(),
  };
}

/** Those that are ended: what fails by that is no outage. */
const ended = new WeakSet<Redis | Cluster>();

/** Tells of an outage of this connection, and of its end. */
export function watch(redis: Redis, outage: Outage, server: string): void {
  // Why no sentinel could name the master: the error that follows says only that none could.
  let told: string | undefined;
  redis.on('sentinelError', ({ message }: Error) => (told = message));
  redis.on('error', ({ message, code }: Error & { code?: string }) => {
    if (!ended.has(redis)) outage.lost(redis, server, told ?? (message || code));
  });
  redis.on('reconnecting', () => outage.lost(redis, server, 'the connection was lost'));
  redis.on('ready', () => {
    told = undefined;
    outage.back(redis, server);
  });
  redis.on('end', () => outage.gone(redis));
}

/** Ends a connection for good; commands under way fail. */
export async function disconnect(redis: Redis | Cluster, clock: Clock): Promise<void> {
  // Between two attempts there is no socket whose end could be waited for.
  const hasSocket = redis.status !== 'reconnecting' && redis.status !== 'end';
  ended.add(redis);
  redis.disconnect();
  if (!hasSocket) return;
  await withDeadline(clock, once(redis, 'end'), CLOSE_MS, 'Redis').catch(() => {});
}

function whereabouts(place: ServerPlace): Options {
  if (place.kind === 'server') return { ...place.server };
  const { sentinels, master, sentinelPassword, tls } = place;
  return {
    sentinels: sentinels.map((sentinel) => ({ ...sentinel })),
    name: master,
    role: 'master',
    ...(sentinelPassword !== null && { sentinelPassword: sentinelPassword.reveal() }),
    connectTimeout: CONNECT_MS,
    sentinelCommandTimeout: COMMAND_MS,
    sentinelRetryStrategy: retryMs,
    ...(tls && { enableTLSForSentinelMode: true, sentinelTLS: {} }),
  };
}

function nameOf(place: ServerPlace): string {
  if (place.kind === 'server') return `${place.server.host}:${place.server.port}`;
  return `${place.master} of ${place.sentinels.map(({ host, port }) => `${host}:${port}`).join(', ')}`;
}

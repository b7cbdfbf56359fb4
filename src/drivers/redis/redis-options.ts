import { randomInt } from 'node:crypto';
import type { RedisOptions } from 'ioredis';
import type { Clock } from '../../kit/clock.ts';
import type { RedisPlace } from '../../kit/redis-url.ts';

export const CONNECT_MS = 1_000;
export const COMMAND_MS = 1_000;
/** A server that owes an answer for this long is left, and connected to anew. */
const SILENCE_MS = 2_000;
const RETRY_MS_MAX = 1_000;
/** A server that refuses a write, since it is no master any more, is left at most this often. */
const DEMOTED_MS = 1_000;
/** A connection may take this long to end in good order. */
export const GOODBYE_MS = 200;
const LOADING_MS = 100;

export type Options = Omit<RedisOptions, 'replyMapping'>;

/** How the data nodes of that place are spoken to: within bounds, and keeping no command for later. */
export function optionsOf({ tls, username, password, database }: RedisPlace, clock: Clock): Options {
  return {
    ...BOUNDS,
    reconnectOnError: leavesDemoted(clock),
    ...(username !== null && { username }),
    ...(password !== null && { password: password.reveal() }),
    db: database,
    ...(tls && { tls: {} }),
  };
}

/** Milliseconds until the next attempt; short at first, since a failover wants a new connection at once. */
export function retryMs(attempts: number): number {
  const ms = Math.min(10 * 2 ** Math.min(attempts, 10), RETRY_MS_MAX);
  // Instances that lost the same server must not come back all at once.
  return randomInt(ms / 2, ms + 1);
}

const BOUNDS: Options = {
  connectionName: 'castellan',
  disableClientInfo: true,
  // After a password that the server does not ask for, ioredis speaks RESP3 to a server that answers in RESP2.
  protocol: 2,
  connectTimeout: CONNECT_MS,
  commandTimeout: COMMAND_MS,
  socketTimeout: SILENCE_MS,
  disconnectTimeout: GOODBYE_MS,
  // While a server loads its data it is asked this often whether it still does.
  maxLoadingRetryTime: LOADING_MS,
  // Whatever was under way when the connection was lost is lost with it: sent later, it would be old news.
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  // ioredis does not catch the failure of a subscription that it renews: it would end the process.
  autoResubscribe: false,
  retryStrategy: retryMs,
};

/** After a failover the master is another, which only a new connection finds. A replica given as the server stays one. */
function leavesDemoted(clock: Clock): (error: Error) => boolean {
  let leftAtMs = -Infinity;
  return ({ message }) => {
    const now = clock.monotonicMs();
    if (!message.startsWith('READONLY') || now - leftAtMs < DEMOTED_MS) return false;
    leftAtMs = now;
    return true;
  };
}

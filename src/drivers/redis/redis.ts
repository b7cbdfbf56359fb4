import type { Cache } from '../../domain/authority/cache.ts';
import type { Hints } from '../../domain/authority/hints.ts';
import type { Clock } from '../../kit/clock.ts';
import { withDeadline } from '../../kit/deadline.ts';
import type { Log } from '../../kit/log.ts';
import type { Secret } from '../../kit/secret.ts';
import { RedisCache } from './redis-cache.ts';
import { disconnect, RedisConnector } from './redis-connection.ts';
import { RedisHints } from './redis-hints.ts';

const CHECK_MS = 500;

export interface RedisConnection {
  readonly cache: Cache;
  readonly hints: Hints;
  /** Whether the server answered a PING within 500 ms. Never throws. */
  check(): Promise<boolean>;
  /** Ends cache, hints and their connections, within a few seconds whatever the server does. */
  close(): Promise<void>;
}

/**
 * Cache and hints over one Redis server. Returns before it is connected, and goes on whatever becomes of the server:
 * while it is away reads miss and news is lost; when it is back everything works again by itself.
 *
 * @param parts.url `redis[s]://[[user]:password@]host[:port][/database]`; TypeError for any other form.
 */
export function openRedis(parts: { url: Secret; clock: Clock; logger: Log }): RedisConnection {
  const { clock } = parts;
  const connector = new RedisConnector(parts);
  const commands = connector.connect();
  const cache = new RedisCache({ redis: commands, clock });
  // A connection with subscriptions takes no other commands.
  const hints = new RedisHints({ publisher: commands, subscriber: connector.connect(), clock });

  return {
    cache,
    hints,
    async check() {
      if (commands.status !== 'ready') return false;
      return withDeadline(clock, commands.ping(), CHECK_MS, 'Redis').then(
        () => true,
        () => false,
      );
    },
    async close() {
      await Promise.all([cache.close(), hints.close(), disconnect(commands, clock)]);
    },
  };
}

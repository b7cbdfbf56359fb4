import type { Cache } from '../../domain/authority/cache.ts';
import type { Hints } from '../../domain/authority/hints.ts';
import type { RateLimits } from '../../domain/limits/rate-limits.ts';
import type { UsageCounts } from '../../domain/usage/usage.ts';
import type { Clock } from '../../kit/clock.ts';
import { withDeadline } from '../../kit/deadline.ts';
import type { Log } from '../../kit/log.ts';
import type { Secret } from '../../kit/secret.ts';
import { RedisCache } from './redis-cache.ts';
import { connectCluster } from './redis-cluster.ts';
import { connectServer, disconnect } from './redis-connection.ts';
import { RedisHints } from './redis-hints.ts';
import { RedisLogin } from './redis-login.ts';
import { RedisQuestions } from './redis-questions.ts';
import { RedisRateLimits } from './redis-rate-limits.ts';
import { RedisUsage } from './redis-usage.ts';
import { Outage } from './redis-outage.ts';

const CHECK_MS = 500;
/** What the cache does not have by then is read from PostgreSQL. */
const CACHE_ANSWER_MS = 100;
/** Without an answer instances go by their shares, which is coarser: so it is worth waiting for a little longer. */
const LIMITS_ANSWER_MS = 300;

export interface RedisConnection {
  readonly cache: Cache;
  readonly hints: Hints;
  readonly rateLimits: RateLimits;
  readonly usage: UsageCounts;
  /** Connections and nodes that are lost, nodes that do not answer and so are not waited for, and questions without an answer so far. */
  readonly figures: () => { readonly lost: number; readonly silent: number; readonly unanswered: number };
  /** Why nodes or connections are lost, in words of the server or the operating system; null while nothing is. */
  readonly lostFor: () => string | null;
  /** Whether the server, or every node of the cluster that holds keys, answered a PING within 500 ms. Never throws. */
  check(): Promise<boolean>;
  /** By which policy the server forgets keys when its memory is full; null where it forgets none. One that must answer. */
  evicts(): Promise<string | null>;
  /** Ends cache, limits, hints and their connections, within a few seconds whatever the servers do. */
  close(): Promise<void>;
}

/**
 * Cache, limits and hints over one Redis server, a cluster, or the master that sentinels name. Returns before it is connected,
 * and goes on whatever becomes of the servers: while one is away its reads miss and news may be lost; when it is back, or
 * another has taken over, everything works again by itself.
 *
 * @param parts.url as `parseRedisUrl` reads it; TypeError for any other form.
 */
export function openRedis(parts: { url: Secret; clock: Clock; logger: Log }): RedisConnection {
  const { clock } = parts;
  const login = new RedisLogin(parts.url);
  const { place } = login;
  const outage = new Outage(parts.logger);
  const { commands, subscriber, nodeOf, ping } =
    place.kind === 'cluster'
      ? connectCluster(place, { login, outage, clock })
      : connectServer(place, { login, outage, clock });
  const asking = { redis: commands, nodeOf, clock };
  const cached = new RedisQuestions({ ...asking, answerMs: CACHE_ANSWER_MS });
  const counted = new RedisQuestions({ ...asking, answerMs: LIMITS_ANSWER_MS });
  const cache = new RedisCache({ redis: commands, questions: cached });
  const counting = { redis: commands, questions: counted };
  const usage = new RedisUsage(counting);
  const rateLimits = new RedisRateLimits({ ...counting, usage });
  const hints = new RedisHints({ publisher: commands, subscriber, clock });

  return {
    cache,
    hints,
    rateLimits,
    usage,
    figures: () => ({
      lost: outage.size,
      silent: Math.max(cached.figures.silent, counted.figures.silent),
      unanswered: cached.figures.unanswered + counted.figures.unanswered,
    }),
    lostFor: () => outage.reason,
    async check() {
      if (commands.status !== 'ready') return false;
      return withDeadline(clock, ping(), CHECK_MS, 'Redis').then(
        () => true,
        () => false,
      );
    },
    async evicts() {
      const told = await withDeadline(clock, commands.info('memory'), CHECK_MS, 'Redis');
      const [, max = '0'] = /^maxmemory:(\d+)/m.exec(told) ?? [];
      const [, policy = 'noeviction'] = /^maxmemory_policy:(\S+)/m.exec(told) ?? [];
      return max === '0' || policy === 'noeviction' ? null : policy;
    },
    async close() {
      await Promise.all([cache.close(), hints.close(), disconnect(commands, clock)]);
    },
  };
}

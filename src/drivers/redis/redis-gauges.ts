import type { Metrics } from '../../kit/metrics.ts';
import type { RedisConnection } from './redis.ts';

/** What can be read of the connections to Redis whenever somebody asks for metrics. */
export function observeRedis(metrics: Metrics, { figures }: Pick<RedisConnection, 'figures'>): void {
  metrics.gauge('redis_lost', 'Connections to Redis, and nodes of it, that are lost.', () => figures().lost);
  metrics.gauge(
    'redis_silent',
    'Nodes of Redis that have not answered in time, and that nobody waits for until they do.',
    () => figures().silent,
  );
  metrics.counter(
    'redis_unanswered_total',
    'Questions to Redis that had no answer in time.',
    () => figures().unanswered,
  );
}

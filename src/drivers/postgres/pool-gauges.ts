import type { Pool } from 'pg';
import type { PoolFigures } from '../../domain/health/instance-report.ts';
import type { Metrics } from '../../kit/metrics.ts';
import type { Database } from './database.ts';

export function poolFigures({ totalCount, idleCount, waitingCount, options }: Pool): PoolFigures {
  return { connections: totalCount, idle: idleCount, waiting: waitingCount, max: options.max };
}

/** What can be read of the connections to PostgreSQL whenever somebody asks for metrics. */
export function observePool(metrics: Metrics, { pool, connections }: Database): void {
  metrics.gauges('database_connections', 'Connections to PostgreSQL by state.', () => [
    { labels: { state: 'in_use' }, value: pool.totalCount - pool.idleCount },
    { labels: { state: 'idle' }, value: pool.idleCount },
  ]);
  metrics.gauge('database_connections_max', 'Connections to PostgreSQL that there may be.', () => pool.options.max);
  metrics.gauge('database_waiting', 'Who waits for a connection to PostgreSQL.', () => pool.waitingCount);
  metrics.counter(
    'database_refused_total',
    'Who was turned away at once, since too many waited for a connection to PostgreSQL.',
    () => connections().refused,
  );
}

import type { Pool } from 'pg';
import type { Metrics } from '../../kit/metrics.ts';

/** What can be read of the connections to PostgreSQL whenever somebody asks for metrics. */
export function observePool(metrics: Metrics, pool: Pool): void {
  metrics.gauges('database_connections', 'Connections to PostgreSQL by state.', () => [
    { labels: { state: 'in_use' }, value: pool.totalCount - pool.idleCount },
    { labels: { state: 'idle' }, value: pool.idleCount },
  ]);
  metrics.gauge('database_connections_max', 'Connections to PostgreSQL that there may be.', () => pool.options.max);
  metrics.gauge('database_waiting', 'Who waits for a connection to PostgreSQL.', () => pool.waitingCount);
}

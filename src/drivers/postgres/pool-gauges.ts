import type { PoolFigures } from '../../domain/health/instance-report.ts';
import type { Metrics } from '../../kit/metrics.ts';
import type { Database } from './database.ts';

/** The one in reserve is counted with those of the pool: it is one of those that PostgreSQL has. */
export function poolFigures({ pool, queue, reserve }: Pick<Database, 'pool' | 'queue' | 'reserve'>): PoolFigures {
  return {
    connections: pool.totalCount + reserve.totalCount,
    idle: pool.idleCount + reserve.idleCount,
    waiting: queue.waiting,
    max: pool.options.max + reserve.options.max,
  };
}

/** What can be read of the connections to PostgreSQL whenever somebody asks for metrics. */
export function observePool(metrics: Metrics, database: Database): void {
  const figures = () => poolFigures(database);
  metrics.gauges('database_connections', 'Connections to PostgreSQL by state.', () => {
    const { connections, idle } = figures();
    return [
      { labels: { state: 'in_use' }, value: connections - idle },
      { labels: { state: 'idle' }, value: idle },
    ];
  });
  metrics.gauge('database_connections_max', 'Connections to PostgreSQL that there may be.', () => figures().max);
  metrics.gauge('database_waiting', 'Who waits for a connection to PostgreSQL.', () => figures().waiting);
  metrics.counter(
    'database_refused_total',
    'Who was turned away at once, since too many waited for a connection to PostgreSQL.',
    () => database.queue.refused,
  );
}

import { hashing } from '../../domain/users/hashing.ts';
import type { Metrics } from '../../kit/metrics.ts';
import type { Services } from '../graphql/context.ts';

/** What can be read of the parts whenever somebody asks for metrics. */
export function observe(
  metrics: Metrics,
  { tail, standings, keyStates, keyUses, live, policyFiles, rollups, activity, cleaner }: Services,
  open: { readonly sockets: () => number; readonly streams: () => number },
): void {
  metrics.gauge(
    'lease_margin_seconds',
    'Time until this instance must ask the database before it decides.',
    () => tail.leaseMarginMs / 1_000,
  );
  metrics.gauge(
    'authority_position',
    'The position up to which this instance has applied the authority log.',
    () => tail.position.seq,
  );
  metrics.gauge('tombstones', 'Targets of the recent authority log kept in memory.', () => tail.tombstones.size);
  metrics.gauge('standings', 'Principals kept in memory with their abilities.', () => standings.size);
  metrics.gauge('live_operations', 'Subscriptions and sockets that revocations can end.', () => live.size);
  metrics.gauge('sockets', 'Open WebSockets.', open.sockets);
  metrics.gauge('event_streams', 'Subscriptions over server-sent events.', open.streams);
  metrics.gauge('policy_problem', '1 while the policy files of this instance cannot be put in force.', () =>
    Number(!policyFiles.usable),
  );
  metrics.gauge(
    'rollup_keys_pending',
    'Counts told apart that are not written yet.',
    () => rollups.figures.pendingKeys,
  );
  metrics.counter('rollup_counted_total', 'What was counted and is written.', () => rollups.figures.written);
  metrics.counter(
    'rollup_flushes_failed_total',
    'Times that counts could not be written and were kept for the next time.',
    () => rollups.figures.failedFlushes,
  );
  metrics.gauge('password_hashes_waiting', 'Passwords that wait to be hashed.', () => hashing.figures.waiting);
  metrics.counter('password_hashes_total', 'Passwords that were hashed.', () => hashing.figures.done);
  metrics.counter(
    'password_hashes_refused_total',
    'Passwords that were not hashed because too many others were.',
    () => hashing.figures.refused,
  );
  metrics.gauge('activity_pending', 'Sessions whose last use is not written yet.', () => activity.pending);
  metrics.gauge('api_key_uses_pending', 'API keys whose last use is not written yet.', () => keyUses.pending);
  metrics.gauge('cleaning_behind', '1 while what has ended is more than one round removes.', () =>
    Number(cleaner.behind),
  );
  metrics.gauge(
    'cleaning_overdue_seconds',
    'For how long the oldest of what cleaning left should have been gone.',
    () => cleaner.overdueSeconds,
  );
  metrics.counter('cleaning_removed_total', 'Rows of all kinds that cleaning removed.', () =>
    Object.values(cleaner.removed).reduce((sum, each) => sum + each, 0),
  );
  metrics.counter('sessions_removed_total', 'Ended sessions that were removed.', () => cleaner.removed.sessions);
  metrics.counter(
    'log_entries_removed_total',
    'Old entries of the authority log that were removed.',
    () => cleaner.removed.logEntries,
  );
  metrics.counter(
    'api_key_database_reads_total',
    'Snapshots of API keys read from PostgreSQL.',
    () => keyStates.counts.databaseReads,
  );
  metrics.counter(
    'standing_cache_hits_total',
    'Standings taken from the shared cache.',
    () => standings.counts.cacheHits,
  );
  metrics.counter(
    'standing_cache_misses_total',
    'Standings the shared cache did not have.',
    () => standings.counts.cacheMisses,
  );
  metrics.counter(
    'standing_cache_rejected_total',
    'Cache entries that were forged, foreign or stale.',
    () => standings.counts.cacheRejected,
  );
  metrics.counter(
    'standing_database_reads_total',
    'Snapshots of standings read from PostgreSQL.',
    () => standings.counts.databaseReads,
  );
}

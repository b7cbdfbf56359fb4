import type { LabelledCounts } from '../../domain/authority/labelled.ts';
import { raisedEvents } from '../../domain/security/raise.ts';
import { hashing } from '../../domain/users/hashing.ts';
import type { Metrics } from '../../kit/metrics.ts';
import { faults } from '../graphql/errors.ts';
import type { Services } from '../graphql/services.ts';

/** What can be read of the parts whenever somebody asks for metrics. */
export function observe(
  metrics: Metrics,
  {
    tail,
    standings,
    sessionStates,
    keyStates,
    keyUses,
    live,
    policyFiles,
    rollups,
    activity,
    cleaner,
    eventFeeds,
    drainer,
    detectors,
    travels,
    operationLimits,
    loadShedder,
    health,
  }: Services,
  open: { readonly sockets: () => number; readonly streams: () => number; readonly callbacks: () => number },
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
  metrics.gauge('authority_lag', 'Entries of the authority log that were there and not applied yet.', () => tail.lag);
  metrics.gauge('instances', 'Instances that are running, as this one knows.', () => tail.instances);
  metrics.gauge(
    'outbox_lag_seconds',
    'For how long events have been waiting for their numbers, as far as this instance knows.',
    () => drainer.lagSeconds,
  );
  metrics.gauges('not_ready', 'By check: 1 while it does not hold, and so this instance is not ready.', () =>
    Object.entries(health.checks()).map(([check, holds]) => ({ labels: { check }, value: Number(!holds) })),
  );
  metrics.gauge(
    'clock_ahead_seconds',
    'By how much the clock of this machine is ahead of that of the database.',
    () => health.clockAheadSeconds,
  );
  metrics.counter(
    'faults_total',
    'Answers with an id in place of what went wrong: the log has it.',
    () => faults.count,
  );
  metrics.gauge('tombstones', 'Targets of the recent authority log kept in memory.', () => tail.tombstones.size);
  metrics.gauge('standings', 'Principals kept in memory with their abilities.', () => standings.size);
  metrics.gauge('session_states', 'Sessions whose state is kept in memory.', () => sessionStates.size);
  metrics.gauge('api_keys', 'API keys whose state is kept in memory.', () => keyStates.size);
  metrics.gauge('live_operations', 'Subscriptions and sockets that revocations can end.', () => live.size);
  metrics.gauge(
    'event_subscribers',
    'Subscriptions that are told of events from the outbox.',
    () => eventFeeds.subscribers,
  );
  metrics.gauge('sockets', 'Open WebSockets.', open.sockets);
  metrics.gauge('event_streams', 'Subscriptions over server-sent events.', open.streams);
  metrics.gauge('callbacks', 'Subscriptions of gateways that are called back.', open.callbacks);
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
  metrics.counter(
    'operations_limited_total',
    'Operations that were refused since there were too many.',
    () => operationLimits.refused,
  );
  metrics.counter(
    'operations_shed_total',
    'Operations that were refused at once, since more had come than could be done.',
    () => loadShedder.refused,
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
  metrics.counters('security_events_total', 'Security events that this instance raised, by kind.', () =>
    raisedEvents().map(([kind, value]) => ({ labels: { kind }, value })),
  );
  metrics.counter(
    'security_signals_dropped_total',
    'What may be an attack and was not counted, since too much else was.',
    () => detectors.dropped + travels.dropped,
  );
  observeCache(metrics, 'standing', 'Standings', standings);
  observeCache(metrics, 'session_state', 'States of sessions', sessionStates);
  observeCache(metrics, 'api_key', 'API keys', keyStates);
}

/** What of it was found where. */
function observeCache(
  metrics: Metrics,
  name: string,
  what: string,
  { counts }: { readonly counts: LabelledCounts },
): void {
  metrics.counter(`${name}_memory_hits_total`, `${what} found in memory.`, () => counts.memoryHits);
  metrics.counter(
    `${name}_memory_misses_total`,
    `${what} not found in memory, or outdated there.`,
    () => counts.memoryMisses,
  );
  metrics.counter(`${name}_cache_hits_total`, `${what} taken from the shared cache.`, () => counts.cacheHits);
  metrics.counter(`${name}_cache_misses_total`, `${what} the shared cache did not have.`, () => counts.cacheMisses);
  metrics.counter(
    `${name}_cache_rejected_total`,
    `${what} in the shared cache that were forged, foreign or stale.`,
    () => counts.cacheRejected,
  );
  metrics.counter(
    `${name}_database_reads_total`,
    `Statements that read PostgreSQL: ${what}.`,
    () => counts.databaseReads,
  );
}

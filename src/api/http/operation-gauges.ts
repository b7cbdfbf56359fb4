import type { Metrics } from '../../kit/metrics.ts';
import type { Documents } from '../graphql/documents.ts';

/** How it goes with what is asked, by kind and root field, through whichever door. */
export function observeOperations(metrics: Metrics, documents: Documents): void {
  const { operations } = documents;
  metrics.counters('operations_total', 'GraphQL operations by kind and outcome.', () => {
    const kinds = [...new Set(operations.all.map(({ kind }) => kind))];
    return kinds.flatMap((kind) => {
      const figures = operations.all.filter((figure) => figure.kind === kind);
      const all = figures.reduce((sum, { durations }) => sum + durations.count, 0);
      const errors = figures.reduce((sum, { failed }) => sum + failed, 0);
      return [
        { labels: { kind, outcome: 'ok' }, value: all - errors },
        { labels: { kind, outcome: 'errors' }, value: errors },
      ];
    });
  });
  metrics.durations(
    'operation_seconds',
    'From when it was known who asks until the answer was there, or the subscription ran; by kind and root field.',
    () =>
      operations.all
        .filter(({ durations }) => durations.count > 0)
        .map(({ kind, field, durations }) => ({ labels: { kind, field }, value: durations })),
  );
  metrics.counters('operation_errors_total', 'Answers with errors, by kind, root field and code of the first.', () =>
    operations.all.flatMap(({ kind, field, errors }) =>
      [...errors].map(([code, value]) => ({ labels: { kind, field, code }, value })),
    ),
  );
  metrics.counters(
    'requests_refused_total',
    'Requests that were refused before their operation began, by code.',
    () => operations.refusals,
  );
  const subscriptions = () => operations.all.filter(({ kind }) => kind === 'subscription');
  metrics.gauges('subscriptions', 'Subscriptions that run, by field.', () =>
    subscriptions().map(({ field, running }) => ({ labels: { field }, value: running })),
  );
  metrics.counters('subscription_events_total', 'What was told in subscriptions, by field.', () =>
    subscriptions().map(({ field, events }) => ({ labels: { field }, value: events })),
  );
  metrics.gauge('documents', 'GraphQL documents kept with what is known of them.', () => documents.figures.kept);
  metrics.counter('documents_parsed_total', 'Texts that were parsed.', () => documents.figures.parsed);
}

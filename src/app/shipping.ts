import type { Foundation } from '../app/foundation.ts';
import { auditShipment } from '../domain/audit/shipment.ts';
import { WebhookShipment } from '../domain/security/webhook.ts';
import { type Shipment, Shipper } from '../domain/shipping.ts';
import { openHttpSink } from '../drivers/http/audit-sink.ts';
import { openWebhook } from '../drivers/http/webhook.ts';

/** Starts to send on what is told outside of this house. */
export function startShipping({ config, store, metrics, clock, logger, cleanup }: Foundation): readonly Shipper[] {
  const { auditSink, securityWebhook } = config;
  const webhook =
    securityWebhook === null
      ? null
      : new WebhookShipment({ store, webhook: openWebhook({ ...securityWebhook, clock }), clock, logger });
  const shipments: readonly Shipment[] = [
    ...(auditSink === null ? [] : [auditShipment(store.audit, openHttpSink(auditSink))]),
    ...(webhook === null ? [] : [webhook]),
  ];
  const shippers = shipments.map((shipment) => new Shipper({ store, shipment, clock, logger }));
  for (const { receiver, rounds } of shippers) cleanup.start(`the sending to ${receiver}`, rounds);
  metrics.gauges('shipping_failing_seconds', 'For how long a receiver has taken nothing, by receiver.', () =>
    shippers.map(({ receiver, failingSeconds: value }) => ({ labels: { receiver }, value })),
  );
  metrics.counters('shipping_set_aside_total', 'What a receiver refused while it took others, by receiver.', () =>
    webhook === null ? [] : [{ labels: { receiver: webhook.receiver }, value: webhook.setAside }],
  );
  return shippers;
}

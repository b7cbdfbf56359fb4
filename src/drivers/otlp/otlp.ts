import { context, propagation } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AlwaysOnSampler, BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { Secret } from '../../kit/secret.ts';
import { tracing } from '../../kit/tracing.ts';

const EXPORT_MS = 2_000;
/** What a killed instance takes with it. */
const EVERY_MS = 1_000;

/**
 * Sends spans to a collector over OTLP/HTTP until the returned function is called, which sends the rest. One for a process.
 * Whether a trace is kept is the collector's to say: a caller could otherwise keep what it does out of sight.
 */
export function openTraces({ endpoint, version }: { endpoint: Secret; version: string }): () => Promise<void> {
  const exporter = new OTLPTraceExporter({
    url: `${endpoint.reveal().replace(/\/$/, '')}/v1/traces`,
    timeoutMillis: EXPORT_MS,
  });
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'castellan', 'service.version': version }),
    sampler: new AlwaysOnSampler(),
    spanProcessors: [
      new BatchSpanProcessor(exporter, { exportTimeoutMillis: EXPORT_MS, scheduledDelayMillis: EVERY_MS }),
    ],
  });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  tracing.start(provider.getTracer('castellan'));
  return async () => {
    tracing.stop();
    await provider.shutdown();
    context.disable();
    propagation.disable();
  };
}

import { context, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Tracer } from '@opentelemetry/api';

type Attributes = Readonly<Record<string, string | number>>;

/** Spans are named by us, and carry no arguments, addresses, ids of anybody or secrets: whoever reads traces need not be trusted with these. */
class Tracing {
  #tracer: Tracer | null = null;

  /** Whether anybody wants spans; where nobody does, this is all that asking costs. */
  get on(): boolean {
    return this.#tracer !== null;
  }

  start(tracer: Tracer): void {
    this.#tracer = tracer;
  }

  stop(): void {
    this.#tracer = null;
  }

  /** What is done for a request from outside, as a part of the trace that its headers name. */
  received<T>(name: string, headers: object, attributes: Attributes, work: () => Promise<T>): Promise<T> {
    if (this.#tracer === null) return work();
    const parent = propagation.extract(ROOT_CONTEXT, headers);
    return context.with(parent, () => this.#traced(name, SpanKind.SERVER, attributes, work));
  }

  /** What is done here. What has its answer at once keeps it. */
  within<T>(name: string, work: () => T | Promise<T>): T | Promise<T> {
    if (this.#tracer === null) return work();
    return this.#traced(name, SpanKind.INTERNAL, {}, async () => work());
  }

  /** What is asked of somebody else. */
  asked<T>(name: string, attributes: Attributes, work: () => Promise<T>): Promise<T> {
    if (this.#tracer === null) return work();
    return this.#traced(name, SpanKind.CLIENT, attributes, work);
  }

  /** What is found out about the work that is being done. */
  found(name: string | null, attributes: Attributes): void {
    if (this.#tracer === null) return;
    const span = trace.getActiveSpan();
    if (name !== null) span?.updateName(name);
    span?.setAttributes(attributes);
  }

  #traced<T>(name: string, kind: SpanKind, attributes: Attributes, work: () => Promise<T>): Promise<T> {
    if (this.#tracer === null) return work();
    return this.#tracer.startActiveSpan(name, { kind, attributes }, async (span) => {
      try {
        return await work();
      } catch (error) {
        // Its message may quote what was asked.
        span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.name : 'thrown' });
        throw error;
      } finally {
        span.end();
      }
    });
  }
}

/** One for the process, as OpenTelemetry has it. */
export const tracing = new Tracing();

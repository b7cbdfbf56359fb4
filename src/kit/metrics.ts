import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** The numbers of one Castellan. Every name starts with `castellan_` and has few label values. */
export class Metrics {
  readonly #registry = new Registry();
  readonly receiptSeconds = new Histogram({
    name: 'castellan_receipt_seconds',
    help: 'From the commit of a change of authority until it was in force everywhere.',
    labelNames: ['enforced'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 3.5],
    registers: [this.#registry],
  });
  readonly operations = new Counter({
    name: 'castellan_operations_total',
    help: 'GraphQL operations by kind and outcome.',
    labelNames: ['kind', 'outcome'],
    registers: [this.#registry],
  });

  constructor() {
    collectDefaultMetrics({ register: this.#registry });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  render(): Promise<string> {
    return this.#registry.metrics();
  }

  /** A value that is read when somebody asks. */
  gauge(name: string, help: string, read: () => number): void {
    const gauge: Gauge = new Gauge({
      name: `castellan_${name}`,
      help,
      registers: [this.#registry],
      collect: () => {
        gauge.set(read());
      },
    });
  }

  /** A count that somebody else keeps, read when asked for. It only ever grows. */
  counter(name: string, help: string, read: () => number): void {
    const counter: Counter = new Counter({
      name: `castellan_${name}`,
      help,
      registers: [this.#registry],
      collect: () => {
        counter.reset();
        counter.inc(read());
      },
    });
  }
}

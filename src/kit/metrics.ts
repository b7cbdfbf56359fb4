import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Durations } from './durations.ts';

type Labels = Readonly<Record<string, string>>;

/** One value of a metric that is told apart by labels. */
export interface Labelled<T> {
  readonly labels: Labels;
  readonly value: T;
}

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

  constructor() {
    collectDefaultMetrics({ register: this.#registry });
    // What begins at 1 has not increased to whoever watches it.
    for (const enforced of ['true', 'false']) this.receiptSeconds.zero({ enforced });
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

  /** Values by label, read when somebody asks. */
  gauges(name: string, help: string, read: () => readonly Labelled<number>[]): void {
    this.#told(name, 'gauge', help, read);
  }

  /** Counts by label that somebody else keeps. Each only ever grows. */
  counters(name: string, help: string, read: () => readonly Labelled<number>[]): void {
    this.#told(name, 'counter', help, read);
  }

  /** Durations by label that somebody else keeps: whoever adds to them often knows the one to add to. */
  durations(name: string, help: string, read: () => readonly Labelled<Durations>[]): void {
    this.#told(name, 'histogram', help, () =>
      read().flatMap(({ labels, value: { upTo, sumSeconds, count } }) => [
        ...upTo.map((each) => ({ part: '_bucket', labels: { le: each.le, ...labels }, value: each.count })),
        { part: '_sum', labels, value: sumSeconds },
        { part: '_count', labels, value: count },
      ]),
    );
  }

  #told(
    name: string,
    type: 'counter' | 'gauge' | 'histogram',
    help: string,
    read: () => readonly (Labelled<number> & { readonly part?: string })[],
  ): void {
    const full = `castellan_${name}`;
    const metric = {
      name: full,
      get: () =>
        Promise.resolve({
          name: full,
          help,
          type,
          values: read().map(({ part = '', ...each }) => ({ metricName: `${full}${part}`, ...each })),
        }),
    };
    // All that the registry asks of a metric. Its own would look every value up by a text made of its labels.
    this.#registry.registerMetric(metric as unknown as Counter);
  }
}

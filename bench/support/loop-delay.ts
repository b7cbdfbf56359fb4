import type { Child } from './child.ts';
import type { Platform } from './platform.ts';
import { OVER_TLS } from './over-tls.ts';

const READ_MS = 10_000;

/** How long the event loop of a Castellan is late, as it tells itself: since it was last read, by whomever. */
export class LoopDelay {
  readonly #url: string;
  readonly #token: string;

  constructor({ url }: Child, { env }: Platform) {
    this.#url = `${url}/metrics`;
    this.#token = env['METRICS_TOKEN'] ?? '';
  }

  async read(): Promise<{ readonly p99Ms: number; readonly maxMs: number }> {
    const headers = { ...OVER_TLS, authorization: `Bearer ${this.#token}` };
    const response = await fetch(this.#url, { headers, signal: AbortSignal.timeout(READ_MS) });
    const text = await response.text();
    const of = (name: string): number => {
      const value = new RegExp(`^nodejs_eventloop_lag_${name}_seconds (\\S+)$`, 'm').exec(text)?.[1];
      if (value === undefined) throw new Error(`there is no ${name} of the event loop in ${text.slice(0, 500)}`);
      return Number(value) * 1_000;
    };
    return { p99Ms: of('p99'), maxMs: of('max') };
  }
}

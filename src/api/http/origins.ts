import type { IncomingHttpHeaders } from 'node:http';

/** The origins whose pages may use a person's cookies and WebSockets here. They are compared as they are written. */
export class Origins {
  readonly #listed: ReadonlySet<string>;

  /** @param listed origins of other sites, such as `https://app.example.com` */
  constructor(listed: readonly string[]) {
    this.#listed = new Set(listed);
  }

  get any(): boolean {
    return this.#listed.size > 0;
  }

  lists(origin: string): boolean {
    return this.#listed.has(origin);
  }

  /** Browsers say where a page came from, and other clients say nothing. A page of this very host is no stranger. */
  allow({ origin, host }: IncomingHttpHeaders): boolean {
    if (origin === undefined || this.#listed.has(origin)) return true;
    return host !== undefined && (origin === `http://${host}` || origin === `https://${host}`);
  }
}

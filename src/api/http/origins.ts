import type { IncomingHttpHeaders } from 'node:http';

/** The origins whose pages may use a person's cookies and WebSockets here. They are compared as they are written. */
export class Origins {
  readonly #listed: ReadonlySet<string>;
  readonly #tlsOnly: boolean;

  /**
   * @param listed origins of other sites, such as `https://app.example.com`
   * @param tlsOnly whether nobody is answered in the clear: then a page of this host that came so is of whoever stands in between
   */
  constructor(listed: readonly string[], { tlsOnly = false } = {}) {
    this.#listed = new Set(listed);
    this.#tlsOnly = tlsOnly;
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
    if (host === undefined) return false;
    return origin === `https://${host}` || (!this.#tlsOnly && origin === `http://${host}`);
  }
}

import type { IncomingHttpHeaders } from 'node:http';

/** What Sec-Fetch-Site says of a page of another origin; `none` is of no page. */
const ELSEWHERE: ReadonlySet<string> = new Set(['same-site', 'cross-site']);

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
  /**
   * As {@link allow}, of a GET: such as a page has a browser send without asking, an image's above all, says nothing of its origin, but the
   * browser says whether it is another one.
   */
  allowGet(headers: IncomingHttpHeaders): boolean {
    if (headers.origin === undefined && ELSEWHERE.has(String(headers['sec-fetch-site']))) return false;
    return this.allow(headers);
  }
}

/** Where a callback may go, and whether that must be a place on the public internet. */
export interface CallbackPlace {
  readonly url: URL;
  /** An origin that is listed as it is may be of a private network; one that only fits a pattern may not. */
  readonly publicOnly: boolean;
}

const WILDCARD = '*.';
const URL_LENGTH_MAX = 2_048;

/** Origins of gateways that may be called back: as they are, or `https://*.example.com` for everything below a domain. */
export class CallbackOrigins {
  readonly #exact: ReadonlySet<string>;
  readonly #patterns: readonly { readonly protocol: string; readonly suffix: string; readonly port: string }[];

  constructor(listed: readonly string[]) {
    this.#exact = new Set(listed.filter((origin) => !origin.includes(WILDCARD)));
    this.#patterns = listed
      .filter((origin) => origin.includes(WILDCARD))
      .map((pattern) => {
        const { protocol, hostname, port } = new URL(pattern.replace(WILDCARD, ''));
        return { protocol, suffix: `.${hostname}`, port };
      });
  }

  /** Null for what is no URL of a listed origin. A URL with a user in it is of none. */
  placeOf(text: string): CallbackPlace | null {
    if (text.length > URL_LENGTH_MAX || !URL.canParse(text)) return null;
    const url = new URL(text);
    if (url.username !== '' || url.password !== '') return null;
    if (this.#exact.has(url.origin)) return { url, publicOnly: false };
    const fits = this.#patterns.some(
      ({ protocol, suffix, port }) =>
        url.protocol === protocol &&
        url.port === port &&
        url.hostname.length > suffix.length &&
        url.hostname.endsWith(suffix),
    );
    return fits ? { url, publicOnly: true } : null;
  }
}

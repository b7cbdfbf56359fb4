import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Refusal, REFUSALS } from '../../domain/refusals.ts';
import { PRIVATE, PROTECTION } from './headers.ts';
import type { TrustedProxies } from './request-origin.ts';

const refusal = new Refusal(
  'FORBIDDEN',
  'This service is reached over TLS only: ask by https:// or wss://. A proxy that ends TLS must be one of TRUSTED_PROXIES, and say X-Forwarded-Proto: https.',
  { reason: 'tls' },
);
/** What is answered to whoever comes in the clear, over HTTP and instead of an upgrade. */
export const IN_THE_CLEAR = Object.freeze({
  status: REFUSALS[refusal.code].status,
  body: JSON.stringify({
    errors: [{ message: refusal.message, extensions: { code: refusal.code, ...refusal.data } }],
  }),
});
// RFC 6797, 7.2: what is sent in the clear says nothing of Strict-Transport-Security.
const { 'strict-transport-security': _overTls, ...protection } = PROTECTION;
const HEADERS: OutgoingHttpHeaders = {
  ...protection,
  'cache-control': PRIVATE,
  connection: 'close',
  'content-length': Buffer.byteLength(IN_THE_CLEAR.body),
  'content-type': 'application/json; charset=utf-8',
};

/** What load balancers ask, and nobody's secret. */
const HEALTH: ReadonlySet<string> = new Set(['/health/live', '/health/ready']);
/** What a chain of proxies says: each of them was asked over TLS. */
const ALL_OVER_TLS = /^\s*(https|wss)(\s*,\s*(https|wss))*\s*$/i;

type Arrived = Pick<IncomingMessage, 'url' | 'headers'> & { readonly socket: Pick<Socket, 'remoteAddress'> };

/**
 * Keeps out what came in the clear, wherever on its way. Over a connection without TLS only a trusted proxy can have been asked
 * over TLS, and must say so; one that says that it was not is believed on any connection. Whoever else is at the other end may say
 * what it likes.
 */
export class TlsOnly {
  readonly #proxies: Pick<TrustedProxies, 'isPeer'>;
  /** Whether every connection is one of TLS. */
  readonly #ended: boolean;
  /** Whether a trusted proxy is at the other end: looked up once for a connection. */
  readonly #byProxy = new WeakMap<object, boolean>();
  #refused = 0;

  constructor({ proxies, ended }: { readonly proxies: Pick<TrustedProxies, 'isPeer'>; readonly ended: boolean }) {
    this.#proxies = proxies;
    this.#ended = ended;
  }

  get refused(): number {
    return this.#refused;
  }

  /** Whether a request or an upgrade must not be looked at. */
  refuses({ socket, headers, url = '' }: Arrived): boolean {
    const said = headers['x-forwarded-proto'];
    if (said !== undefined && this.#isByProxy(socket)) {
      if (said === 'https') return false;
      if (ALL_OVER_TLS.test(String(said))) return false;
    } else if (this.#ended) {
      return false;
    }
    if (HEALTH.has(url)) return false;
    this.#refused += 1;
    return true;
  }

  /** Answers what is refused, before anything of it is read; false for what goes on. */
  answers(request: IncomingMessage, response: ServerResponse): boolean {
    if (!this.refuses(request)) return false;
    response.writeHead(IN_THE_CLEAR.status, HEADERS);
    response.end(IN_THE_CLEAR.body);
    return true;
  }

  #isByProxy(socket: Pick<Socket, 'remoteAddress'>): boolean {
    const known = this.#byProxy.get(socket);
    if (known !== undefined) return known;
    const isProxy = this.#proxies.isPeer(socket.remoteAddress);
    this.#byProxy.set(socket, isProxy);
    return isProxy;
  }
}

import { lookup as lookupAnywhere, type LookupAddress } from 'node:dns';
import { Agent as HttpAgent, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import type { LookupFunction } from 'node:net';
import { isPublicAddress } from '../../kit/networks.ts';
import type { CallbackPlace } from './callback-origins.ts';

/** A gateway that has not answered by then is taken for one that does not. */
const DEADLINE_MS = 3_000;
const CONNECTIONS_MAX = 256;

export type Lookup = typeof lookupAnywhere;

/**
 * POSTs to gateways. Redirects are not followed, answers are not read beyond their status, and where only public places are
 * meant, the address that is connected to is looked at, whatever the name said a moment before.
 */
export class CallbackCalls {
  readonly #http = new HttpAgent({ keepAlive: true, maxSockets: CONNECTIONS_MAX });
  readonly #https = new HttpsAgent({ keepAlive: true, maxSockets: CONNECTIONS_MAX });
  readonly #publicLookup: LookupFunction;

  constructor(lookup: Lookup = lookupAnywhere) {
    this.#publicLookup = publicOnly(lookup);
  }

  /** The status of the answer; null when there was none in time. */
  async post({ url, publicOnly }: CallbackPlace, body: object): Promise<number | null> {
    const text = JSON.stringify(body);
    const isTls = url.protocol === 'https:';
    const { promise, resolve } = Promise.withResolvers<number | null>();
    const request = (isTls ? requestHttps : requestHttp)(
      url,
      {
        method: 'POST',
        agent: isTls ? this.#https : this.#http,
        headers: {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(text),
          'subscription-protocol': 'callback/1.0',
        },
        signal: AbortSignal.timeout(DEADLINE_MS),
        ...(publicOnly && { lookup: this.#publicLookup }),
      },
      (response) => {
        resolve(response.statusCode ?? null);
        response.on('error', () => {}).resume();
      },
    );
    request.on('error', () => resolve(null)).end(text);
    return promise;
  }

  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }
}

function publicOnly(lookup: Lookup): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses: readonly LookupAddress[]) => {
      const [first] = addresses ?? [];
      if (error !== null || first === undefined) return callback(error ?? new Error('there is no address'), '');
      if (!addresses.every(({ address }) => isPublicAddress(address))) {
        return callback(new Error(`${hostname} is no public place`), '');
      }
      if (options.all === true) return callback(null, [...addresses]);
      callback(null, first.address, first.family);
    });
  };
}

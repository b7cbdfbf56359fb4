import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import { createServer as createHttpsServer, type ServerOptions } from 'node:https';
import type { Limits } from '../../kit/limits.ts';
import type { Handshakes } from './handshakes.ts';

const KEEP_ALIVE_MS = 65_000;
/** Of TLS 1.2 only what keeps its secrets when the key leaks (RFC 9325, 4.2), and is authenticated as it is encrypted. */
const CIPHERS = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
].join(':');
const VERSIONS = { minVersion: 'TLSv1.2', ciphers: CIPHERS, honorCipherOrder: true } as const;

/** A certificate, with those between it and its authority, and its key; both PEM. */
export interface CertifiedKey {
  readonly cert: string;
  readonly key: string;
}

/** What TLS is spoken with. */
export interface TlsIdentity {
  readonly current: CertifiedKey;
  /** Calls this with every pair that takes the place of the one before. */
  renewed(follow: (pair: CertifiedKey) => void): void;
}

export interface TlsParts {
  readonly identity: TlsIdentity;
  readonly handshakes: Handshakes;
}

/** A server of Node that holds everybody to the same limits, over TLS or in the clear. */
export function createListener(
  { limits, tls }: { readonly limits: Limits; readonly tls: TlsParts | null },
  handle: RequestListener,
): Server {
  const { handshakeMs, headersMs, requestMs, idleMs } = limits;
  const options = {
    connectionsCheckingInterval: Math.ceil(headersMs / 4),
    headersTimeout: headersMs,
    requestTimeout: requestMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
  };
  const server =
    tls === null
      ? createHttpServer(options, handle)
      : createTlsServer({ ...options, handshakeTimeout: handshakeMs }, tls, handle);
  return server.setTimeout(idleMs);
}

function createTlsServer(options: ServerOptions, tls: TlsParts, handle: RequestListener): Server {
  const server = createHttpsServer({ ...options, ...VERSIONS, ...tls.identity.current }, handle);
  // Those that are open go on with what they began with.
  tls.identity.renewed((pair) => server.setSecureContext({ ...VERSIONS, ...pair }));
  tls.handshakes.countOf(server);
  return server;
}

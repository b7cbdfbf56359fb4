import { hash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { fastify, type FastifyError, type FastifyInstance, type FastifyRequest } from 'fastify';
import { badInput, Refusal } from '../../domain/refusals.ts';
import type { KeyRing } from '../../domain/tokens/key-ring.ts';
import type { Limits } from '../../kit/limits.ts';
import type { Metrics } from '../../kit/metrics.ts';
import type { Secret } from '../../kit/secret.ts';
import { AUTH_MEANS, publishedSdl } from '../graphql/sdl.ts';
import { keepPrivate, refuseEncodings } from './headers.ts';
import { refuse, type RefusingParts } from './refusing.ts';
import { createListener, type TlsParts } from './listener.ts';

const OTHER_TYPE = 'A body of this type is not read here: GraphQL takes JSON, with content-type: application/json.';
const JWKS_MAX_AGE_SECONDS = 60;

export interface ServerParts {
  readonly keyRing: KeyRing;
  readonly metrics: Metrics;
  readonly metricsToken: Secret | null;
  readonly refusing: RefusingParts;
  /** Whether this instance may be sent requests, and what is wrong if not. */
  readonly readiness: () => {
    readonly checks: Readonly<Record<string, boolean>>;
    readonly reasons: Readonly<Record<string, string>>;
  };
  /** Whether it ends soon: then no answer keeps its connection. */
  readonly leaving: () => boolean;
  /** What is wrong with it that need not keep requests away. */
  readonly warnings: () => readonly string[];
  readonly limits: Limits;
  /** What TLS is spoken with; null where it is not spoken here. */
  readonly tls: TlsParts | null;
  /** Answers what is refused before anything is made of it; false for what goes on. */
  readonly refused: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** The subgraph's SDL, and who may see it; to others it is not there. */
  readonly sdl: string;
  readonly showsSdl: (request: FastifyRequest) => Promise<boolean>;
}

/** The HTTP server with everything but GraphQL. */
export function createServer({
  keyRing,
  metrics,
  metricsToken,
  refusing,
  readiness,
  leaving,
  warnings,
  limits,
  tls,
  refused,
  sdl,
  showsSdl,
}: ServerParts): FastifyInstance {
  const server = fastify({
    bodyLimit: limits.bodyBytes,
    forceCloseConnections: 'idle',
    logger: false,
    return503OnClosing: true,
    serverFactory: (handle) =>
      createListener({ limits, tls }, (request, response) => {
        if (!refused(request, response)) handle(request, response);
      }),
  });

  // Before any handler, since some write past Fastify.
  server.server.prependListener('request', (_request, response) => {
    if (leaving()) response.setHeader('connection', 'close');
  });
  // What is no HTTP, is never complete or has too many headers comes to no handler; Fastify answers it, and hangs up.
  server.server.prependListener('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ECONNRESET') return;
    refusing.attempts.note('BAD_USER_INPUT', 'http', socket.remoteAddress ?? null, null);
  });
  keepPrivate(server);
  refuseEncodings(server);

  server.setErrorHandler((error: FastifyError | Refusal, _request, reply) => {
    if (!('statusCode' in error)) return refuse(reply, error, refusing);
    const status = error.statusCode ?? 500;
    if (status >= 500) return refuse(reply, error, refusing);
    const message = error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE' ? OTHER_TYPE : error.message;
    return refuse(reply, new Refusal('BAD_USER_INPUT', message), refusing, { status });
  });
  server.setNotFoundHandler((_request, reply) =>
    refuse(reply, new Refusal('NOT_FOUND', 'There is nothing here. GraphQL is at /graphql.'), refusing),
  );

  server.get('/health/live', () => ({ status: 'ok' }));

  server.get('/health/ready', (_request, reply) => {
    const { checks, reasons } = readiness();
    const ready = Object.values(checks).every(Boolean);
    const warned = warnings();
    return reply.code(ready ? 200 : 503).send({
      status: ready ? 'ok' : 'unavailable',
      checks,
      ...(!ready && { reasons }),
      ...(warned.length > 0 && { warnings: warned }),
    });
  });

  server.get('/.well-known/jwks.json', async (_request, reply) => {
    // Whoever kept an empty set would refuse everybody for as long.
    await keyRing.ready();
    return reply.header('cache-control', `public, max-age=${JWKS_MAX_AGE_SECONDS}`).send(keyRing.jwks());
  });

  server.get('/metrics', async (request, reply) => {
    if (
      metricsToken !== null &&
      !isSame(request.headers.authorization ?? '', `Bearer ${await metricsToken.renewed()}`)
    ) {
      return refuse(reply, new Refusal('UNAUTHENTICATED', 'Metrics need METRICS_TOKEN as a bearer token.'), refusing);
    }
    return reply.type(metrics.contentType).send(await metrics.render());
  });

  server.get('/sdl', async (request, reply) => {
    const { auth } = request.query as Readonly<Record<string, unknown>>;
    if (!(await showsSdl(request))) return reply.callNotFound();
    const published = publishedSdl(sdl, auth);
    if (published !== null) return reply.type('text/plain; charset=utf-8').send(published);
    return refuse(reply, badInput('auth', `auth can be ${AUTH_MEANS}.`), refusing);
  });

  return server;
}

/** Takes as long for whatever differs. */
function isSame(given: string, expected: string): boolean {
  const [one, other] = [given, expected].map((text) => hash('sha256', text, 'buffer'));
  return one !== undefined && other !== undefined && timingSafeEqual(one, other);
}

import type { AddressInfo } from 'node:net';
import { createApollo } from '../api/graphql/apollo.ts';
import type { Services } from '../api/graphql/services.ts';
import { readSchemaText } from '../api/graphql/sdl.ts';
import { addCors } from '../api/http/cors.ts';
import { EventStreams } from '../api/http/event-streams.ts';
import { Explorer } from '../api/http/explorer.ts';
import { observe } from '../api/http/gauges.ts';
import { observeOperations } from '../api/http/operation-gauges.ts';
import { addGraphqlRoute } from '../api/http/graphql-route.ts';
import { KnownQueries } from '../api/http/known-queries.ts';
import { addOauthRoutes } from '../api/http/oauth.ts';
import { connectionsMax, OpenConnections } from '../api/http/open-connections.ts';
import { CallbackCalls } from '../api/http/callback-calls.ts';
import { CallbackOrigins } from '../api/http/callback-origins.ts';
import { Callbacks } from '../api/http/callbacks.ts';
import { byGateway } from '../api/http/gateways.ts';
import { Origins } from '../api/http/origins.ts';
import { Handshakes } from '../api/http/handshakes.ts';
import { createServer } from '../api/http/server.ts';
import { shedEarly } from '../api/http/shedding.ts';
import { TlsOnly } from '../api/http/tls-only.ts';
import { turnedAway } from '../api/http/turned-away.ts';
import { serveSockets } from '../api/ws/sockets.ts';
import type { AuthorityParts } from '../app/authority.ts';
import type { Asking } from '../app/documents.ts';
import type { Foundation } from '../app/foundation.ts';
import type { TlsCertificate } from '../app/tls.ts';
import { ConfigError } from '../config.ts';
import { VERSION } from '../app/version.ts';
import { openFilesMax } from '../kit/open-files.ts';

/** What an operating system says of an address to listen on that is not there. */
const NO_ADDRESS_OF_OURS: ReadonlySet<string> = new Set([
  'ENOTFOUND',
  'EAI_AGAIN',
  'EADDRNOTAVAIL',
  'EAFNOSUPPORT',
  'EINVAL',
]);

/** Opens HTTP, WebSocket and server-sent events, and listens. */
export async function openDoors(
  { config, metrics, logger, cleanup }: Foundation,
  { keyRing }: Pick<AuthorityParts, 'keyRing'>,
  services: Services,
  { schema, documents }: Asking,
  tls: TlsCertificate | null,
) {
  const { health, policyFiles, proxies } = services;
  const filesMax = openFilesMax();
  const open = new OpenConnections(config.limits.sockets, filesMax);
  const tlsOnly = config.tlsOnly ? new TlsOnly({ proxies, ended: tls !== null }) : null;
  const shed = shedEarly(services.loadShedder);
  const { introspection } = config.limits.documents;
  const leaving = { now: false };
  const server = createServer({
    keyRing,
    metrics,
    metricsToken: config.metricsToken,
    refusing: services,
    readiness: () => ({
      checks: { ...health.checks(), ...(leaving.now && { staying: false }) },
      reasons: health.reasons(),
    }),
    leaving: () => leaving.now,
    warnings: () => (policyFiles.usable ? [] : ['policy']),
    limits: config.limits,
    tls: tls === null ? null : { identity: tls, handshakes: new Handshakes(open, proxies) },
    refused:
      tlsOnly === null ? shed : (request, response) => tlsOnly.answers(request, response) || shed(request, response),
    sdl: readSchemaText(),
    showsSdl: (request) =>
      byGateway(request, services).then(
        (isTrusted) => isTrusted || introspection,
        (error: unknown) => {
          throw turnedAway(error, request, services);
        },
      ),
  });
  const apollo = createApollo({
    schema,
    documents,
    httpServer: server.server,
    introspection,
    logger,
  });
  await apollo.start();
  const known = new KnownQueries({ schema, documents, logger });
  const origins = new Origins(config.allowedOrigins, { tlsOnly: config.tlsOnly });
  addCors(server, origins);
  addOauthRoutes(server, { services, issuing: config });
  const streams = new EventStreams({ schema, documents, services, origins, open });
  const callbacks = new Callbacks({
    schema,
    documents,
    services,
    origins: new CallbackOrigins(config.callbackOrigins),
    calls: new CallbackCalls(),
  });
  const explorer = config.explorer ? new Explorer() : null;
  explorer?.addTo(server);
  addGraphqlRoute(server, { explorer, apollo, services, documents, known, streams, callbacks, origins });
  const sockets = serveSockets({ httpServer: server.server, schema, documents, services, origins, open, tlsOnly });
  observeOperations(metrics, documents);
  observe(metrics, services, {
    sockets: () => sockets.count,
    streams: () => streams.count,
    callbacks: () => callbacks.count,
  });
  metrics.gauges('work_failing_seconds', 'For how long what is done in the background has failed, by what it is.', () =>
    cleanup.failing.map(({ what: work, seconds: value }) => ({ labels: { work }, value })),
  );
  metrics.gauges('build_info', '1, by version.', () => [{ labels: { version: VERSION }, value: 1 }]);
  metrics.counter('in_the_clear_refused_total', 'Refused for coming without TLS.', () => tlsOnly?.refused ?? 0);
  metrics.gauges('tls_certificate_seconds_left', 'Until the certificate ends that TLS is spoken with here.', () =>
    tls === null ? [] : [{ labels: {}, value: tls.secondsLeft }],
  );
  if (tls !== null) cleanup.start('the look for a renewed certificate', tls.rounds);

  // Where files run out all the same, connections are dropped, and nothing ends by it.
  if (filesMax !== Infinity) server.server.maxConnections = Math.floor(connectionsMax(filesMax));
  await server.listen({ host: config.host, port: config.port }).catch((error: unknown) => {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!NO_ADDRESS_OF_OURS.has(code)) throw error;
    throw new ConfigError([{ variable: 'HOST', message: `must be an address of this machine, and is none (${code})` }]);
  });
  server.server.on('error', (error) => logger.error({ err: error }, 'a connection could not be taken'));
  cleanup.add('the HTTP server', () => server.close());
  cleanup.add('Apollo Server', () => apollo.stop());
  cleanup.add('the callbacks', () => callbacks.close());
  cleanup.add('the event streams', () => streams.close());
  cleanup.add('the sockets', () => sockets.close());
  const { port } = server.server.address() as AddressInfo; // it listens on TCP
  const leave = (): void => {
    leaving.now = true;
  };
  const scheme = tls === null ? 'http' : 'https';
  return {
    documents,
    leave,
    url: `${scheme}://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`,
  };
}

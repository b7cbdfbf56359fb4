import { type ApolloServer, HeaderMap } from '@apollo/server';
import type { OutgoingHttpHeaders } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { REFUSALS, Refusal } from '../../domain/refusals.ts';
import type { OperationContext, Services } from '../graphql/context.ts';
import { toPublicError } from '../graphql/errors.ts';
import type { Metrics } from '../../kit/metrics.ts';
import type { CallbackStream } from './callback-stream.ts';
import type { Callbacks } from './callbacks.ts';
import type { EventStreams } from './event-streams.ts';
import { contextNow, contextOf } from './identity.ts';
import type { KnownQueries } from './known-queries.ts';
import type { Origins } from './origins.ts';

const PRIVATE = 'private, no-store';

export interface GraphqlRouteParts {
  readonly apollo: ApolloServer<OperationContext>;
  readonly services: Services;
  readonly known: KnownQueries;
  readonly streams: EventStreams;
  readonly callbacks: Callbacks;
  readonly origins: Origins;
  readonly metrics: Metrics;
}

export function addGraphqlRoute(
  server: FastifyInstance,
  { apollo, services, known, streams, callbacks, origins, metrics }: GraphqlRouteParts,
): void {
  const answered = metrics.operations.labels({ kind: 'query', outcome: 'ok' });
  const failed = metrics.operations.labels({ kind: 'query', outcome: 'errors' });
  server.route({
    method: ['GET', 'POST'],
    url: '/graphql',
    handler: async (request, reply) => {
      let context: OperationContext;
      let callback: CallbackStream | null = null;
      const isStream = streams.wantedBy(request);
      try {
        if (isStream) streams.admit(request);
        if (callbacks.wantedBy(request)) callback = await callbacks.admit(request);
        context = contextNow(request, services) ?? (await contextOf(request, services, origins));
        if (callback !== null) return await callbacks.serve(request, reply, context, callback);
      } catch (error) {
        reply.header('cache-control', PRIVATE);
        return refuse(reply, error, services);
      }
      if (isStream) return streams.serve(request, reply, context);
      const query = known.find(request);
      if (query !== null) {
        const body = await known.answer(query, context);
        if (body !== null) {
          (body.startsWith('{"data":') ? answered : failed).inc();
          return send(reply, 200, query.headers, body);
        }
      }
      return answer(apollo, known, request, reply, context);
    },
  });
}

async function answer(
  apollo: ApolloServer<OperationContext>,
  known: KnownQueries,
  request: FastifyRequest,
  reply: FastifyReply,
  context: OperationContext,
): Promise<FastifyReply> {
  const { method, headers, url, body } = request;
  const question = url.indexOf('?');
  const map = new HeaderMap();
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) map.set(name, typeof value === 'string' ? value : value.join(', '));
  }
  const response = await apollo.executeHTTPGraphQLRequest({
    httpGraphQLRequest: { method, headers: map, search: question < 0 ? '' : url.slice(question), body },
    context: () => Promise.resolve(context),
  });
  if (response.body.kind !== 'complete') throw new Error('incremental delivery is not enabled');
  const status = response.status ?? 200;
  // Apollo Server writes errors first.
  if (status === 200 && response.body.string.startsWith('{"data":')) known.learn(request, response.headers);
  return send(reply, status, response.headers, response.body.string, context.cookies?.answer);
}

/** Past Fastify, which would look at every header again. */
function send(
  reply: FastifyReply,
  status: number,
  headers: ReadonlyMap<string, string>,
  text: string,
  cookies: readonly string[] = [],
): FastifyReply {
  const all: OutgoingHttpHeaders = {};
  for (const [name, value] of headers) all[name] = value;
  if (cookies.length > 0) all['set-cookie'] = [...cookies];
  all['cache-control'] = PRIVATE;
  all['content-length'] = Buffer.byteLength(text);
  reply.hijack();
  reply.raw.writeHead(status, all);
  reply.raw.end(text);
  return reply;
}

/**
 * Answers a request that is refused as a whole, with the status and headers that HTTP has for it.
 * @param status where HTTP has a more exact one than the code of the refusal
 */
export function refuse(
  reply: FastifyReply,
  error: unknown,
  { logger }: Pick<Services, 'logger'>,
  status = error instanceof Refusal ? REFUSALS[error.code].status : 500,
): FastifyReply {
  const publicError = toPublicError(error, logger);
  if (error instanceof Refusal) {
    const { retryAfterSeconds } = error.data;
    if (retryAfterSeconds !== undefined) reply.header('retry-after', String(retryAfterSeconds));
    if (REFUSALS[error.code].status === 401) reply.header('www-authenticate', 'Bearer');
  }
  return reply
    .code(status)
    .type('application/json; charset=utf-8')
    .send({ errors: [publicError] });
}

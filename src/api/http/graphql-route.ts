import { type ApolloServer, HeaderMap } from '@apollo/server';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { parsePosition } from '../../domain/authority/position.ts';
import type { Principal } from '../../domain/principals/principal.ts';
import { REFUSALS, Refusal } from '../../domain/refusals.ts';
import { OperationContext, type Services } from '../graphql/context.ts';
import { toPublicError } from '../graphql/errors.ts';
import type { Origin } from '../../domain/authentication/authentication.ts';
import type { Metrics } from '../../kit/metrics.ts';
import { credentialOf } from './credentials.ts';
import type { KnownQueries } from './known-queries.ts';

/** A request that brings the position of a write it must see waits this long for it. */
const MIN_POSITION_WAIT_MS = 300;

const USER_AGENT_LENGTH_MAX = 300;

const PRIVATE = 'private, no-store';

export interface GraphqlRouteParts {
  readonly apollo: ApolloServer<OperationContext>;
  readonly services: Services;
  readonly known: KnownQueries;
  readonly metrics: Metrics;
}

export function addGraphqlRoute(
  server: FastifyInstance,
  { apollo, services, known, metrics }: GraphqlRouteParts,
): void {
  const answered = metrics.operations.labels({ kind: 'query', outcome: 'ok' });
  const failed = metrics.operations.labels({ kind: 'query', outcome: 'errors' });
  server.route({
    method: ['GET', 'POST'],
    url: '/graphql',
    handler: async (request, reply) => {
      let context: OperationContext;
      try {
        context = contextNow(request, services) ?? (await contextOf(request, services));
      } catch (error) {
        reply.header('cache-control', PRIVATE);
        return refuse(reply, error, services);
      }
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

/** Everything about a warm credential is known here, and there is nothing to wait for; null for all else. */
function contextNow(request: FastifyRequest, services: Services): OperationContext | null {
  const { headers } = request;
  if (headers['x-castellan-min-position'] !== undefined) return null;
  const credential = credentialOf(headers);
  if (credential.kind !== 'accessToken') return null;
  const by = services.authentication.identifyWarm(credential.token);
  return by === null ? null : contextFor(by, request, services);
}

async function contextOf(request: FastifyRequest, services: Services): Promise<OperationContext> {
  const { headers } = request;
  const minPosition = headers['x-castellan-min-position'];
  if (typeof minPosition === 'string') {
    await services.tail.awaitApplied(parsePosition(minPosition, 'x-castellan-min-position'), MIN_POSITION_WAIT_MS);
  }
  const by = await services.authentication.identify(credentialOf(headers));
  return contextFor(by, request, services);
}

function contextFor(by: Principal, request: FastifyRequest, services: Services): OperationContext {
  if (by.kind === 'user') services.activity.touch(by.credential.sessionId, 'http');
  return new OperationContext(services, by, originOf(request));
}

function originOf({ headers, ip }: FastifyRequest): Origin {
  return { userAgent: headers['user-agent']?.slice(0, USER_AGENT_LENGTH_MAX) ?? null, address: ip };
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
  return send(reply, status, response.headers, response.body.string);
}

/** Past Fastify, which would look at every header again. */
function send(reply: FastifyReply, status: number, headers: ReadonlyMap<string, string>, text: string): FastifyReply {
  const all: Record<string, string | number> = {};
  for (const [name, value] of headers) all[name] = value;
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

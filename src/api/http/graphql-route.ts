import { type ApolloServer, HeaderMap } from '@apollo/server';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { parsePosition } from '../../domain/authority/position.ts';
import { REFUSALS, Refusal } from '../../domain/refusals.ts';
import { OperationContext, type Services } from '../graphql/context.ts';
import { toPublicError } from '../graphql/errors.ts';
import { credentialOf } from './credentials.ts';

/** A request that brings the position of a write it must see waits this long for it. */
const MIN_POSITION_WAIT_MS = 300;

const USER_AGENT_LENGTH_MAX = 300;

export function addGraphqlRoute(
  server: FastifyInstance,
  apollo: ApolloServer<OperationContext>,
  services: Services,
): void {
  server.route({
    method: ['GET', 'POST'],
    url: '/graphql',
    handler: async (request, reply) => {
      reply.header('cache-control', 'private, no-store');
      let context: OperationContext;
      try {
        context = await contextOf(request, services);
      } catch (error) {
        return refuse(reply, error, services);
      }
      return answer(apollo, request, reply, context);
    },
  });
}

async function contextOf(request: FastifyRequest, services: Services): Promise<OperationContext> {
  const { headers } = request;
  const minPosition = headers['x-castellan-min-position'];
  if (typeof minPosition === 'string') {
    await services.tail.awaitApplied(parsePosition(minPosition, 'x-castellan-min-position'), MIN_POSITION_WAIT_MS);
  }
  const by = await services.authentication.identify(credentialOf(headers));
  const userAgent = headers['user-agent']?.slice(0, USER_AGENT_LENGTH_MAX) ?? null;
  return new OperationContext(services, by, { userAgent, address: request.ip });
}

async function answer(
  apollo: ApolloServer<OperationContext>,
  { method, headers, url, body }: FastifyRequest,
  reply: FastifyReply,
  context: OperationContext,
): Promise<FastifyReply> {
  const question = url.indexOf('?');
  const map = new HeaderMap();
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) map.set(name, typeof value === 'string' ? value : value.join(', '));
  }
  const response = await apollo.executeHTTPGraphQLRequest({
    httpGraphQLRequest: { method, headers: map, search: question < 0 ? '' : url.slice(question), body },
    context: () => Promise.resolve(context),
  });
  // Ours comes first: answers are private whatever a cache hint says.
  for (const [name, value] of response.headers) if (name !== 'cache-control') reply.header(name, value);
  reply.code(response.status ?? 200);
  if (response.body.kind === 'complete') return reply.send(response.body.string);
  throw new Error('incremental delivery is not enabled');
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

import { type ApolloServer, HeaderMap } from '@apollo/server';
import type { OutgoingHttpHeaders } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Refusal } from '../../domain/refusals.ts';
import { admitted } from '../graphql/admission.ts';
import { idOf } from '../graphql/attempts.ts';
import type { AskedOperation, OperationContext } from '../graphql/context.ts';
import type { Services } from '../graphql/services.ts';
import type { Documents } from '../graphql/documents.ts';
import { limitsFor } from '../graphql/limits.ts';
import { demandProven } from '../graphql/places.ts';
import { noteTurnedAway } from '../graphql/signals.ts';
import { asksForCallback } from './callback-request.ts';
import type { CallbackStream } from './callback-stream.ts';
import type { Callbacks } from './callbacks.ts';
import type { EventStreams } from './event-streams.ts';
import type { Explorer } from './explorer.ts';
import { PRIVATE, PROTECTION } from './headers.ts';
import { refuse } from './refusing.ts';
import { whileWaited } from './waiting.ts';
import { contextNow, contextOf, protocolOf } from './identity.ts';
import type { KnownQueries } from './known-queries.ts';
import { limitHeaders } from './limit-headers.ts';
import { tracing } from '../../kit/tracing.ts';
import { requestOf } from './operation-request.ts';
import type { Origins } from './origins.ts';
import { shedding } from './shedding.ts';
import { writeOut } from './written-out.ts';

type Headers = Readonly<Record<string, string>>;

export interface GraphqlRouteParts {
  readonly apollo: ApolloServer<OperationContext>;
  readonly services: Services;
  readonly documents: Documents;
  readonly known: KnownQueries;
  readonly streams: EventStreams;
  readonly callbacks: Callbacks;
  readonly origins: Origins;
  /** Null where a browser sees none. */
  readonly explorer: Explorer | null;
}

export function addGraphqlRoute(
  server: FastifyInstance,
  { apollo, services, documents, known, streams, callbacks, origins, explorer }: GraphqlRouteParts,
): void {
  server.route({
    method: ['GET', 'POST'],
    url: '/graphql',
    onRequest: shedding(services.loadShedder),
    handler: (request, reply) => (tracing.on ? traced(request, reply) : handle(request, reply)),
  });

  function traced(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { method, headers } = request;
    const attributes = { 'http.request.method': method, 'http.route': '/graphql' };
    return tracing.received(`${method} /graphql`, headers, attributes, async () => {
      const answered = await handle(request, reply);
      tracing.found(null, { 'http.response.status_code': reply.raw.statusCode });
      return answered;
    });
  }

  async function handle(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    if (explorer?.wantedBy(request) === true) return explorer.answer(reply);
    let context: OperationContext | null = null;
    let isStream: boolean;
    let limits: Headers = {};
    let callback: CallbackStream | null = null;
    try {
      if (asksForCallback(request)) callback = await callbacks.admit(request);
      context = contextNow(request, services) ?? (await contextOf(request, services, origins));
      const untrusted = writeOut(request, documents, limitsFor(context));
      const asked = admitted(context, askedBy(request));
      const allowance = asked !== null && 'then' in asked ? await asked : asked;
      limits = limitHeaders(allowance);
      if (allowance !== null && allowance.refusal !== null) throw allowance.refusal;
      if (untrusted !== null) throw untrusted;
      if (context.unproven !== null) demandProven(context, documents, requestOf(request));
      if (callback !== null) return await callbacks.serve(request, reply, context, callback);
      callbacks.demandNone(request, context);
      isStream = streams.wantedBy(request, context);
      if (isStream) streams.admit(request, reply, context);
    } catch (error) {
      context?.failed();
      const address = services.proxies.clientOf(request.headers, request.ip);
      noteTurnedAway(error, address, protocolOf(request), services);
      const allowance = services.operationLimits.admitRefused(error, address);
      reply.headers({ 'cache-control': PRIVATE, ...limits, ...limitHeaders(allowance) });
      const refusal = allowance?.refusal ?? error;
      documents.operations.refused(refusal instanceof Refusal ? refusal.code : 'INTERNAL');
      return refuse(reply, refusal, services, { by: context?.by ?? null, address });
    }
    if (isStream) return streams.serve(request, reply, context, limits);
    const query = known.find(request, context);
    if (query !== null) {
      const body = await whileWaited(reply, context, () => known.answer(query, context));
      if (body !== null) {
        if (!body.startsWith('{"data":')) context.failed();
        return send(reply, 200, query.headers, body, limits);
      }
    }
    return answer(request, reply, context, limits);
  }

  async function answer(
    request: FastifyRequest,
    reply: FastifyReply,
    context: OperationContext,
    limits: Headers,
  ): Promise<FastifyReply> {
    const { method, headers, url, body } = request;
    const question = url.indexOf('?');
    const map = new HeaderMap();
    for (const [name, value] of Object.entries(headers)) {
      if (value !== undefined) map.set(name, typeof value === 'string' ? value : value.join(', '));
    }
    const response = await whileWaited(reply, context, () =>
      apollo.executeHTTPGraphQLRequest({
        httpGraphQLRequest: { method, headers: map, search: question < 0 ? '' : url.slice(question), body },
        context: () => Promise.resolve(context),
      }),
    );
    if (response.body.kind !== 'complete') throw new Error('incremental delivery is not enabled');
    const status = response.status ?? 200;
    // Apollo Server writes errors first.
    if (!response.body.string.startsWith('{"data":')) context.failed();
    else if (status === 200) known.learn(request, context, response.headers);
    if (!context.outcome.told) noteNoRequest(context);
    return send(reply, status, response.headers, response.body.string, limits, context.cookies?.answer);
  }
}

/** What the request says of its operation, whether or not it is one. */
function askedBy({ method, query, body }: FastifyRequest): AskedOperation {
  const said = method === 'GET' ? query : body;
  return typeof said === 'object' && said !== null ? said : {};
}

/** Apollo Server found that it is no request of GraphQL, or one that a page of another site could send. */
function noteNoRequest({ by, from, protocol, services }: OperationContext): void {
  services.attempts.note('BAD_USER_INPUT', protocol, from.address, idOf(by));
}

/** Past Fastify, which would look at every header again. */
function send(
  reply: FastifyReply,
  status: number,
  headers: ReadonlyMap<string, string>,
  text: string,
  limits: Headers,
  cookies: readonly string[] = [],
): FastifyReply {
  const all: OutgoingHttpHeaders = { ...PROTECTION, ...limits };
  for (const [name, value] of headers) all[name] = value;
  if (cookies.length > 0) all['set-cookie'] = [...cookies];
  all['cache-control'] = PRIVATE;
  all['content-length'] = Buffer.byteLength(text);
  reply.hijack();
  reply.raw.writeHead(status, all);
  reply.raw.end(text);
  return reply;
}

import type { FastifyReply, FastifyRequest } from 'fastify';
import { type ExecutionResult, type FormattedExecutionResult, type GraphQLSchema } from 'graphql';
import { Refusal } from '../../domain/refusals.ts';
import type { OperationContext } from '../graphql/context.ts';
import type { Services } from '../graphql/services.ts';
import type { Documents } from '../graphql/documents.ts';
import { toPublicError } from '../graphql/errors.ts';
import { begun, delivered } from '../graphql/execution.ts';
import { limitsFor } from '../graphql/limits.ts';
import type { CallbackCalls } from './callback-calls.ts';
import type { CallbackOrigins } from './callback-origins.ts';
import { asksForCallback, callbackRequestOf } from './callback-request.ts';
import { CallbackStream } from './callback-stream.ts';
import { byGateway } from './gateways.ts';
import { requestOf } from './operation-request.ts';
import { PRIVATE } from './headers.ts';

const OPEN_MAX = 10_000;
/** How long we wait, when we go, for gateways to hear of it. */
const FAREWELL_MS = 500;

export interface CallbackParts {
  readonly schema: GraphQLSchema;
  readonly documents: Documents;
  readonly services: Services;
  readonly origins: CallbackOrigins;
  readonly calls: CallbackCalls;
}

/**
 * Subscriptions of gateways that want to be called back, by Apollo's protocol of HTTP callbacks, version 1.0: a `check` before
 * the answer, then one POST for each event, a `check` as a sign of life, and `complete`. Whoever could name any URL could make
 * us ask what only we can reach: so only trusted gateways may, and only for listed origins.
 */
export class Callbacks {
  readonly #parts: CallbackParts;
  readonly #open = new Set<CallbackStream>();
  #closing = false;

  constructor(parts: CallbackParts) {
    this.#parts = parts;
  }

  get count(): number {
    return this.#open.size;
  }

  /**
   * What is to be called back, before anybody is identified but the gateway, by whose limits the document is read; null for all else: queries and
   * mutations are answered as ever, whatever their sender accepts. Refuses as {@link byGateway}, with FORBIDDEN what is not of a listed
   * origin, with BAD_USER_INPUT what is no request of this protocol; and those who come while we go.
   */
  async admit(request: FastifyRequest): Promise<CallbackStream | null> {
    const { origins, calls, services } = this.#parts;
    if (!asksForCallback(request) || !(await byGateway(request, services))) return null;
    if (!this.#subscribes(request, { byGateway: true })) return null;
    const asked = callbackRequestOf(request);
    const place = origins.placeOf(asked.callbackUrl);
    if (place === null) {
      throw new Refusal('FORBIDDEN', 'Nobody is called back there: CALLBACK_ORIGINS lists where.', {
        reason: 'callback_origin',
      });
    }
    if (this.#closing || this.#open.size >= OPEN_MAX) {
      const message = 'This instance takes no more subscriptions. Try again.';
      throw new Refusal('AUTHORITY_UNAVAILABLE', message, { retryAfterSeconds: 1 });
    }
    return new CallbackStream(asked, place, calls, services.clock);
  }

  /** Refuses with FORBIDDEN whoever wants to be called back and is no gateway. */
  demandNone(request: FastifyRequest, { byGateway }: Pick<OperationContext, 'byGateway'>): void {
    if (!asksForCallback(request) || !this.#subscribes(request, { byGateway })) return;
    throw new Refusal('FORBIDDEN', 'Only trusted gateways are called back.', { reason: 'gateway' });
  }

  async serve(
    request: FastifyRequest,
    reply: FastifyReply,
    context: OperationContext,
    stream: CallbackStream,
  ): Promise<FastifyReply> {
    if (!(await stream.confirmed())) {
      const message = 'The gateway did not confirm that it wants to be called back.';
      throw new Refusal('BAD_USER_INPUT', message, { field: 'extensions' });
    }
    const result = await this.#run(request, context);
    if (!(Symbol.asyncIterator in result)) return answer(reply, await delivered(result, context));
    // It goes on by itself; `follow` throws nothing.
    void this.#follow(request, stream, result, context);
    return answer(reply, { data: null });
  }

  /** Tells every gateway that its subscriptions have ended here, so that its clients ask again. */
  async close(): Promise<void> {
    this.#closing = true;
    const { clock } = this.#parts.services;
    const told = Promise.all([...this.#open].map((stream) => stream.leave()));
    const late = Promise.withResolvers<void>();
    const timer = clock.after(FAREWELL_MS, late.resolve);
    await Promise.race([told, late.promise]);
    timer.cancel();
    this.#parts.calls.close();
  }

  #subscribes(request: FastifyRequest, { byGateway }: Pick<OperationContext, 'byGateway'>): boolean {
    const { documents, services } = this.#parts;
    const operation = documents.operation(requestOf(request) ?? {}, limitsFor({ byGateway, services }));
    return 'kind' in operation && operation.kind === 'subscription';
  }

  async #run(
    request: FastifyRequest,
    contextValue: OperationContext,
  ): Promise<ExecutionResult | AsyncGenerator<ExecutionResult, void, void>> {
    const { schema, documents } = this.#parts;
    const asked = requestOf(request);
    const operation = documents.operation(asked ?? {}, limitsFor(contextValue));
    if (!('kind' in operation)) {
      contextValue.asks(documents.operations.unknown);
      return { errors: operation };
    }
    const { operationName = null, variables = null } = asked ?? {};
    contextValue.asks(operation.figure);
    const { document } = operation;
    return begun({ schema, document, operationName, variableValues: variables, contextValue }, contextValue);
  }

  async #follow(
    request: FastifyRequest,
    stream: CallbackStream,
    events: AsyncGenerator<ExecutionResult, void, void>,
    context: OperationContext,
  ): Promise<void> {
    const { services } = this.#parts;
    this.#open.add(stream);
    // What waits for an event must not wait for ever once nobody wants it.
    stream.start(() => void events.return());
    if (this.#closing) void stream.leave();
    try {
      for await (const event of events) {
        const told = async (): Promise<FormattedExecutionResult> => {
          // Trust in the gateway can end as well.
          await byGateway(request, services);
          return delivered(event, context);
        };
        if (!(await stream.next(told))) break;
      }
      await stream.complete();
    } catch (error) {
      await stream.complete([toPublicError(error, services.logger)]);
    } finally {
      this.#open.delete(stream);
    }
  }
}

function answer(reply: FastifyReply, result: FormattedExecutionResult): FastifyReply {
  return reply
    .header('cache-control', PRIVATE)
    .header('subscription-protocol', 'callback/1.0')
    .type('application/json; charset=utf-8')
    .send(result);
}

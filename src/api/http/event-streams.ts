import type { ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { execute, type ExecutionResult, type FormattedExecutionResult, type GraphQLSchema } from 'graphql';
import { Refusal } from '../../domain/refusals.ts';
import type { OperationContext } from '../graphql/context.ts';
import type { Services } from '../graphql/services.ts';
import type { Documents } from '../graphql/documents.ts';
import { toPublicError } from '../graphql/errors.ts';
import { begun, delivered, EXECUTION } from '../graphql/execution.ts';
import { limitsFor } from '../graphql/limits.ts';
import { PRIVATE, PROTECTION } from './headers.ts';
import { whenGone, whileWaited } from './waiting.ts';
import { type OperationRequest, requestOf } from './operation-request.ts';
import type { OpenConnections } from './open-connections.ts';
import type { Origins } from './origins.ts';

const EVENTS = 'text/event-stream';
const JSON_TYPES = /\bapplication\/(graphql-response\+)?json\b/i;
/** So that what stands in between does not take a stream without events for a dead one. */
const COMMENT_MS = 12_000;
/** A client that does not take the end of its stream is cut off after this long. */
const TERMINATE_MS = 500;

/**
 * GraphQL over server-sent events, each operation on a connection of its own ("distinct connections mode" of the protocol):
 * `next` for every result, then `complete`. Who asks is known before, as for every other request.
 */
export class EventStreams {
  readonly #schema: GraphQLSchema;
  readonly #documents: Documents;
  readonly #services: Services;
  readonly #origins: Origins;
  readonly #connections: OpenConnections;
  readonly #open = new Set<ServerResponse>();
  #closing = false;

  constructor(parts: {
    schema: GraphQLSchema;
    documents: Documents;
    services: Services;
    origins: Origins;
    open: OpenConnections;
  }) {
    this.#schema = parts.schema;
    this.#documents = parts.documents;
    this.#services = parts.services;
    this.#origins = parts.origins;
    this.#connections = parts.open;
  }

  get count(): number {
    return this.#open.size;
  }

  /** Who takes JSON as well gets a stream for a subscription only: a query or mutation has one answer. */
  wantedBy(request: FastifyRequest, context: OperationContext): boolean {
    const { accept } = request.headers;
    if (accept === undefined || !accept.includes(EVENTS)) return false;
    return !JSON_TYPES.test(accept) || this.#kindOf(requestOf(request), context) === 'subscription';
  }

  /**
   * Refuses with FORBIDDEN pages of other sites, as for a WebSocket; with BAD_USER_INPUT what is no request, or would change
   * something by a GET; with AUTHORITY_UNAVAILABLE those who come while we go, or while as many are open as can be; and with
   * RATE_LIMITED who has too many open.
   */
  admit(request: FastifyRequest, reply: FastifyReply, context: OperationContext): void {
    if (!this.#origins.allow(request.headers)) {
      throw new Refusal('FORBIDDEN', 'Pages of this origin get no events.', { reason: 'origin' });
    }
    const asked = requestOf(request);
    if (asked === null) throw new Refusal('BAD_USER_INPUT', 'Send one GraphQL request, as application/json or by GET.');
    if (request.method !== 'POST' && this.#kindOf(asked, context) === 'mutation') {
      throw new Refusal('BAD_USER_INPUT', 'A mutation needs a POST.');
    }
    if (this.#closing) {
      throw new Refusal('AUTHORITY_UNAVAILABLE', 'This instance is going away. Try again.', { retryAfterSeconds: 1 });
    }
    const { by, from, byGateway } = context;
    whenGone(reply.raw, this.#connections.any());
    // It opens one for each subscription of all its users.
    if (byGateway) return;
    whenGone(reply.raw, this.#connections.from(from.address));
    if (by.kind === 'user') whenGone(reply.raw, this.#connections.ofUser(by.id));
  }

  /** @param headers to be sent beside those of every stream */
  async serve(
    request: FastifyRequest,
    reply: FastifyReply,
    context: OperationContext,
    headers: Readonly<Record<string, string>>,
  ): Promise<FastifyReply> {
    const result = await whileWaited(reply, context, () => this.#run(requestOf(request), context));
    const { raw } = reply;
    reply.hijack();
    const cookies = context.cookies?.answer ?? [];
    raw.writeHead(200, {
      ...PROTECTION,
      ...headers,
      'content-type': `${EVENTS}; charset=utf-8`,
      'cache-control': PRIVATE,
      // Some proxies would collect the events otherwise.
      'x-accel-buffering': 'no',
      ...(cookies.length > 0 && { 'set-cookie': [...cookies] }),
    });
    if (!(Symbol.asyncIterator in result)) {
      this.#next(raw, await delivered(result, context));
      this.#complete(raw);
      return reply;
    }
    await this.#follow(raw, result, context);
    return reply;
  }

  /** Tells no client that it is complete, so that each asks another instance, and resolves when all are gone. */
  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(
      [...this.#open].map((raw) => {
        const gone = new Promise<void>((resolve) => raw.once('close', resolve));
        raw.end();
        this.#services.clock.after(TERMINATE_MS, () => raw.destroy());
        return gone;
      }),
    );
  }

  #kindOf(asked: OperationRequest | null, context: OperationContext): string | null {
    const operation = this.#documents.operation(asked ?? {}, limitsFor(context));
    return 'kind' in operation ? operation.kind : null;
  }

  async #run(
    asked: OperationRequest | null,
    contextValue: OperationContext,
  ): Promise<ExecutionResult | AsyncGenerator<ExecutionResult, void, void>> {
    const limits = limitsFor(contextValue);
    const operation = this.#documents.operation(asked ?? {}, limits);
    if (!('kind' in operation)) {
      contextValue.asks(this.#documents.operations.unknown);
      return { errors: operation };
    }
    const { document, kind, figure } = operation;
    contextValue.asks(figure);
    const { operationName = null, variables = null } = asked ?? {};
    const args = {
      schema: this.#schema,
      document,
      operationName,
      variableValues: variables,
      contextValue,
      hideSuggestions: !limits.introspection,
      options: EXECUTION,
    };
    if (kind === 'mutation') contextValue.undertaking.goOn();
    return kind === 'subscription' ? begun(args, contextValue) : execute(args);
  }

  async #follow(
    raw: ServerResponse,
    events: AsyncGenerator<ExecutionResult, void, void>,
    context: OperationContext,
  ): Promise<void> {
    const left = (): void => void events.return();
    whenGone(raw, left);
    if (this.#closing) left();
    this.#open.add(raw);
    raw.flushHeaders();
    const timer = setInterval(() => this.#write(raw, ':\n\n'), COMMENT_MS);
    timer.unref();
    try {
      for await (const event of events) this.#next(raw, await delivered(event, context));
    } catch (error) {
      this.#next(raw, { errors: [toPublicError(error, this.#services.logger)] });
    } finally {
      clearInterval(timer);
      this.#open.delete(raw);
    }
    if (this.#closing) raw.end();
    else this.#complete(raw);
  }

  #next(raw: ServerResponse, result: FormattedExecutionResult): void {
    this.#write(raw, `event: next\ndata: ${JSON.stringify(result)}\n\n`);
  }

  #complete(raw: ServerResponse): void {
    this.#write(raw, 'event: complete\ndata:\n\n');
    if (!raw.writableEnded) raw.end();
  }

  /** A client that lets too much pile up unread is cut off. */
  #write(raw: ServerResponse, text: string): void {
    if (raw.destroyed || raw.writableEnded) return;
    if (raw.writableLength > this.#services.limits.sockets.unreadBytes) raw.destroy();
    else raw.write(text);
  }
}

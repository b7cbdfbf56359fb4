import type { IncomingMessage } from 'node:http';
import { execute, getOperationAST, GraphQLError, subscribe, type ExecutionArgs, type GraphQLSchema } from 'graphql';
import type { ServerOptions, SubscribePayload } from 'graphql-ws';
import type { Credential } from '../../domain/authentication/authentication.ts';
import { Refusal } from '../../domain/refusals.ts';
import { OperationContext, type Services } from '../graphql/context.ts';
import type { Documents } from '../graphql/documents.ts';
import { toGraphQLError, toPublicError } from '../graphql/errors.ts';
import { CLOSE, type Connection } from './connection.ts';
import { connectionCredential, operationCredential } from './identity.ts';

const OPERATIONS_PER_SOCKET_MAX = 32;
const INIT_WAIT_MS = 3_000;

export type InitPayload = Record<string, unknown> | undefined;

/** What is kept beside a socket. */
export interface Extra {
  readonly connection: Connection;
  readonly request: IncomingMessage;
  /** What the connection was opened with: for operations that bring no credential of their own. */
  credential: Credential;
  readonly [key: PropertyKey]: unknown;
}

/** What graphql-ws asks us about: who it is, what to run, and how errors look. */
export function protocolOptions(
  schema: GraphQLSchema,
  documents: Documents,
  services: Services,
): ServerOptions<InitPayload, Extra> {
  const identify = (credential: Credential) => services.authentication.identify(credential);
  const originOf = ({ request }: Extra) => ({
    userAgent: request.headers['user-agent']?.slice(0, 300) ?? null,
    address: request.socket.remoteAddress ?? null,
  });

  async function prepare(
    extra: Extra,
    id: string,
    { query, operationName, variables, extensions }: SubscribePayload,
  ): Promise<ExecutionArgs | GraphQLError[]> {
    const by = await identify(operationCredential(extensions) ?? extra.credential);
    if (by.kind === 'user') services.activity.touch(by.credential.sessionId, 'websocket');
    const document = documents.read(query);
    if (isErrors(document)) return document.map((error) => toGraphQLError(error, services.logger));
    const operation = getOperationAST(document, operationName);
    if (operation == null) return [new GraphQLError('There is no such operation.')];
    // Closed while it was identified: nothing more is executed for this client.
    if (extra.connection.closing) return [new GraphQLError('The socket is closing.')];
    extra.connection.started(id, by, operation.operation);
    return {
      schema,
      document,
      operationName: operationName ?? null,
      variableValues: variables ?? {},
      contextValue: new OperationContext(services, by, originOf(extra)),
    };
  }

  return {
    connectionInitWaitTimeout: INIT_WAIT_MS,

    async onConnect({ extra, connectionParams }) {
      try {
        extra.credential = connectionCredential(connectionParams, extra.request.headers);
        const by = await identify(extra.credential);
        extra.connection.opened(by);
        // Asked again now that a revocation would find the connection: one may have come in between.
        await services.standings.recheck(by);
        return true;
      } catch (error) {
        if (!(error instanceof Refusal)) {
          services.logger.error({ err: error }, 'a connection could not be opened');
          // Ours to mend, and no reason to sign in again.
          extra.connection.close(CLOSE.FAULT, 'INTERNAL');
          return false;
        }
        const { code } = error;
        const expired = code === 'TOKEN_EXPIRED' || code === 'AUTHORITY_UNAVAILABLE';
        extra.connection.close(expired ? CLOSE.EXPIRED : CLOSE.REVOKED, code);
        return false;
      }
    },

    async onSubscribe({ extra }, id, payload) {
      const { connection } = extra;
      if (connection.operations >= OPERATIONS_PER_SOCKET_MAX) {
        const tooMany = new Refusal('RATE_LIMITED', 'Too many operations run on this socket.', {
          retryAfterSeconds: 1,
        });
        return [toGraphQLError(tooMany, services.logger)];
      }
      connection.arrived(id);
      const prepared = await prepare(extra, id, payload).catch((error: unknown) => [
        toGraphQLError(error, services.logger),
      ]);
      if (isErrors(prepared)) connection.completed(id);
      return prepared;
    },

    execute,
    subscribe,

    /** Rights may have gone while an event was being resolved. The last event of an ended subscription goes out all the same. */
    async onNext(_context, _id, _payload, { contextValue }, result) {
      const { by, running } = contextValue as OperationContext; // made in onSubscribe
      try {
        if (running !== null && !running.ended) await services.standings.recheck(by);
      } catch (error) {
        return { errors: [toPublicError(error, services.logger)] };
      }
      if (result.errors === undefined) return undefined;
      const errors = result.errors.map((error) => toPublicError(error, services.logger));
      return { data: result.data ?? null, errors };
    },

    onError: (_context, _id, _payload, errors) =>
      errors.map((error) =>
        error.extensions['code'] === undefined ? toPublicError(error, services.logger) : error.toJSON(),
      ),

    onComplete({ extra }, id) {
      extra.connection.completed(id);
    },
  };
}

function isErrors<E extends readonly GraphQLError[]>(value: object | E): value is E {
  return Array.isArray(value);
}

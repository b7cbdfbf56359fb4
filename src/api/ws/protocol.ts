import type { IncomingMessage } from 'node:http';
import { execute, GraphQLError, subscribe, type ExecutionArgs, type GraphQLSchema } from 'graphql';
import type { ServerOptions, SubscribePayload } from 'graphql-ws';
import type { Principal } from '../../domain/principals/principal.ts';
import { Refusal } from '../../domain/refusals.ts';
import { secondsUntil } from '../../kit/clock.ts';
import { OperationContext, type Services } from '../graphql/context.ts';
import { requestOrigin } from '../http/request-origin.ts';
import type { Documents } from '../graphql/documents.ts';
import { toGraphQLError, toPublicError } from '../graphql/errors.ts';
import { delivered, operationOf } from '../graphql/execution.ts';
import { CLOSE, type Connection } from './connection.ts';
import { connectionCredential, operationCredential } from './identity.ts';

const OPERATIONS_PER_SOCKET_MAX = 32;
const INIT_WAIT_MS = 3_000;

export type InitPayload = Record<string, unknown> | undefined;

/** What is kept beside a socket. */
export interface Extra {
  readonly connection: Connection;
  readonly request: IncomingMessage;
  readonly [key: PropertyKey]: unknown;
}

/** What graphql-ws asks us about: who it is, what to run, and how errors look. */
export function protocolOptions(
  schema: GraphQLSchema,
  documents: Documents,
  services: Services,
): ServerOptions<InitPayload, Extra> {
  const { clock, identification, csrfTokens, logger, standings } = services;
  const originOf = ({ request: { headers, socket } }: Extra) =>
    requestOrigin(headers, socket.remoteAddress ?? null, services.proxies);

  /** Who it is. Where too many credentials from there do not hold, that is the answer. */
  async function limited(extra: Extra, identify: () => Promise<Principal>): Promise<Principal> {
    try {
      return await identify();
    } catch (error) {
      throw services.operationLimits.admitRefused(error, originOf(extra).address)?.refusal ?? error;
    }
  }

  async function prepare(
    extra: Extra,
    id: string,
    { query, operationName, variables, extensions }: SubscribePayload,
  ): Promise<ExecutionArgs | readonly GraphQLError[]> {
    const { connection } = extra;
    const by = await limited(extra, async () =>
      identification.identify(operationCredential(extensions) ?? connection.credential),
    );
    if (by.kind === 'user') services.activity.touch(by.credential.sessionId, 'websocket');
    const from = originOf(extra);
    const allowance = services.operationLimits.admit(by, from.address);
    if (allowance !== null && allowance.refusal !== null) throw allowance.refusal;
    const operation = operationOf(documents, { query, operationName }, logger);
    if (isErrors(operation)) return operation;
    // Closed while it was identified: nothing more is executed for this client.
    if (connection.closing) return [new GraphQLError('The socket is closing.')];
    const contextValue = new OperationContext(services, by, from, { connection });
    connection.started(id, operation.kind, contextValue);
    return {
      schema,
      document: operation.document,
      operationName: operationName ?? null,
      variableValues: variables ?? {},
      contextValue,
    };
  }

  return {
    connectionInitWaitTimeout: INIT_WAIT_MS,

    async onConnect({ extra, connectionParams }) {
      const { connection, request } = extra;
      try {
        const { credential, csrfToken } = connectionCredential(connectionParams, request.headers);
        const by = await limited(extra, () => identification.identify(credential));
        if (by.kind === 'user' && csrfToken !== null) csrfTokens.demand(by.credential.sessionId, csrfToken);
        connection.credential = credential;
        connection.opened(by);
        // Asked again now that a revocation would find the connection: one may have come in between.
        await standings.recheck(by);
        return by.kind === 'user' ? { expiresIn: secondsUntil(by.credential.expiresAtMs, clock) } : true;
      } catch (error) {
        if (!(error instanceof Refusal)) {
          logger.error({ err: error }, 'a connection could not be opened');
          // Ours to mend, and no reason to sign in again.
          connection.close(CLOSE.FAULT, 'INTERNAL');
          return false;
        }
        const { code } = error;
        if (code === 'RATE_LIMITED') {
          connection.close(CLOSE.TOO_MANY, code);
          return false;
        }
        const expired = code === 'TOKEN_EXPIRED' || code === 'AUTHORITY_UNAVAILABLE';
        connection.close(expired ? CLOSE.EXPIRED : CLOSE.REVOKED, code);
        return false;
      }
    },

    async onSubscribe({ extra }, id, payload) {
      const { connection } = extra;
      if (connection.operations >= OPERATIONS_PER_SOCKET_MAX) {
        const tooMany = new Refusal('RATE_LIMITED', 'Too many operations run on this socket.', {
          retryAfterSeconds: 1,
        });
        return [toGraphQLError(tooMany, logger)];
      }
      connection.arrived(id);
      const prepared = await prepare(extra, id, payload).catch((error: unknown) => [toGraphQLError(error, logger)]);
      if (isErrors(prepared)) connection.completed(id);
      return prepared;
    },

    execute,
    subscribe,

    onNext: (_context, _id, _payload, { contextValue }, result) =>
      // It was made in onSubscribe.
      delivered(result, contextValue as OperationContext),

    onError: (_context, _id, _payload, errors) =>
      errors.map((error) => (error.extensions['code'] === undefined ? toPublicError(error, logger) : error.toJSON())),

    onComplete({ extra }, id) {
      extra.connection.completed(id);
    },
  };
}

function isErrors<E extends readonly GraphQLError[]>(value: object | E): value is E {
  return Array.isArray(value);
}

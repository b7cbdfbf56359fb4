import type { IncomingHttpHeaders } from 'node:http';
import { execute, GraphQLError, type ExecutionArgs, type ExecutionResult, type GraphQLSchema } from 'graphql';
import type { ServerOptions, SubscribePayload } from 'graphql-ws';
import type { Credential } from '../../domain/authentication/identification.ts';
import { demandSession, type KeyOrigin, type Principal } from '../../domain/principals/principal.ts';
import { Refusal } from '../../domain/refusals.ts';
import { secondsUntil } from '../../kit/clock.ts';
import { Turn } from '../../kit/turn.ts';
import { OperationContext } from '../graphql/context.ts';
import type { Services } from '../graphql/services.ts';
import { noteUse } from '../graphql/uses.ts';
import type { OpenConnections } from '../http/open-connections.ts';
import { isTrusted } from '../http/gateways.ts';
import type { Documents, Operation } from '../graphql/documents.ts';
import { bytesOf } from '../graphql/event-texts.ts';
import { inTime } from '../graphql/deadlines.ts';
import { atItsPlace, demandProven, type Unproven } from '../graphql/places.ts';
import { firstCode, toGraphQLError, toPublicError } from '../graphql/errors.ts';
import { begun, delivered, EXECUTION } from '../graphql/execution.ts';
import { admitted, overloaded } from '../graphql/admission.ts';
import { noteTurnedAway } from '../graphql/signals.ts';
import { limitsFor } from '../graphql/limits.ts';
import { noteRefusedFrame } from './attempts.ts';
import { CLOSE, codeOf, type Connection } from './connection.ts';
import { connectionCredential, connectionGateway, operationCredential } from './identity.ts';

/** So long at a time events go out one after the other: enough for twenty thousand, and less than from one heartbeat to the next. */
const TELLING_MS = 250;

const NO_HEADERS: IncomingHttpHeaders = Object.freeze({});

export type InitPayload = Record<string, unknown> | undefined;

/** What is kept beside a socket. */
export interface Extra {
  readonly connection: Connection;
  /** Those of its upgrade, until it has said who it is. */
  headers: IncomingHttpHeaders;
  /** The address at the other end. */
  readonly peer: string | null;
  /** Of its page; null where there is none. */
  readonly origin: string | null;
  /** Its address need not be counted any more. */
  readonly leaveAddress: () => void;
  readonly [key: PropertyKey]: unknown;
}

/** What graphql-ws asks us about: who it is, what to run, and how errors look. */
export function protocolOptions(
  schema: GraphQLSchema,
  documents: Documents,
  services: Services,
  open: OpenConnections,
): ServerOptions<InitPayload, Extra> {
  const { clock, identification, csrfTokens, logger } = services;
  const limits = services.limits.sockets;
  const telling = new Turn(clock, TELLING_MS);
  const keyOrigin =
    ({ connection, origin }: Extra) =>
    (): KeyOrigin => ({ address: connection.from.address, origin });

  /** Where too many credentials from there do not hold, that is the answer. */
  async function limited<T>({ connection: { from } }: Extra, identify: () => Promise<T>): Promise<T> {
    try {
      return await identify();
    } catch (error) {
      noteTurnedAway(error, from.address, 'websocket', services);
      throw services.operationLimits.admitRefused(error, from.address)?.refusal ?? error;
    }
  }

  /** Who it is, judged by where the socket was opened. */
  function whoIs(
    extra: Extra,
    credential: () => Credential,
  ): Promise<{ readonly by: Principal; readonly unproven: Unproven | null }> {
    return limited(extra, async () =>
      atItsPlace(await identification.identify(credential()), extra.connection.from, services),
    );
  }

  async function prepare(
    extra: Extra,
    id: string,
    payload: SubscribePayload,
    known: (by: Principal) => void,
  ): Promise<ExecutionArgs | readonly GraphQLError[]> {
    const { connection } = extra;
    const own = operationCredential(payload.extensions, keyOrigin(extra));
    const { from } = connection;
    const byGateway = await limited(extra, async () => isTrusted(connection.gateway, services));
    // Last: from here to the start of the operation nothing but its count is waited for.
    const { by, unproven } = await whoIs(extra, () => own ?? connection.credential);
    known(by);
    noteUse(by, 'websocket', services, from.address);
    const contextValue = new OperationContext(services, by, from, {
      protocol: 'websocket',
      connection,
      cookiesElsewhere: own === null && connection.byCookie,
      unproven,
      byGateway,
    });
    const args = await begin(contextValue, connection, id, payload).catch((error: unknown) => {
      contextValue.failed();
      throw error;
    });
    if (isErrors(args)) contextValue.failed();
    return args;
  }

  /** Counts it, and reads what it asks for. What is refused from then on has failed. */
  async function begin(
    contextValue: OperationContext,
    connection: Connection,
    id: string,
    payload: SubscribePayload,
  ): Promise<ExecutionArgs | readonly GraphQLError[]> {
    const { operationName, variables } = payload;
    const documentLimits = limitsFor(contextValue);
    const text = documents.textOf(payload, documentLimits);
    const query = text instanceof Refusal ? payload.query : text;
    const asked = admitted(contextValue, { operationName, query });
    const allowance = asked !== null && 'then' in asked ? await asked : asked;
    if (allowance !== null && allowance.refusal !== null) throw allowance.refusal;
    if (text instanceof Refusal) throw text;
    demandProven(contextValue, documents, { query, operationName, variables });
    const operation = documents.operation({ query, operationName, variables }, documentLimits);
    if (isErrors(operation)) return operation;
    // Closed while it was identified: nothing more is executed for this client.
    if (connection.closing) return [new GraphQLError('The socket is closing.')];
    contextValue.asks(operation.figure);
    if (operation.kind === 'mutation') contextValue.undertaking.goOn();
    connection.started(id, operation.kind, contextValue);
    // As long as it runs, its text is kept once for all who sent the same.
    contextValue.asked = { operationName, query: operation.known.text };
    Object.assign(payload, { query: operation.known.text });
    const args = {
      schema,
      document: operation.document,
      operationName: operationName ?? null,
      variableValues: variables ?? {},
      contextValue,
      hideSuggestions: !documentLimits.introspection,
      options: EXECUTION,
    };
    if (operation.known.plain) contextValue.tellNow = tellerOf(connection, id, operation, args);
    return args;
  }

  /** How it sends an event that is the same for all: the frame that graphql-ws would send. */
  function tellerOf(connection: Connection, id: string, { definition, figure }: Operation, args: ExecutionArgs) {
    const before = bytesOf(`{"id":${connection.names.nameOf(id)},"type":"next","payload":`);
    return (event: object): boolean => {
      if (telling.isOver) return false;
      const text = documents.eventTexts.of(event, definition, args);
      if (text === null || !connection.tell(before, text, '}')) return false;
      figure.events += 1;
      return true;
    };
  }

  /** The context was made in onSubscribe. */
  function untilLate<T>({ contextValue }: ExecutionArgs, work: () => T | Promise<T>): Promise<T | ExecutionResult> {
    return Promise.resolve(inTime(contextValue as OperationContext, work)).catch((error: unknown) => ({
      errors: [new GraphQLError('Not in time.', { originalError: error as Error })],
    }));
  }

  return {
    connectionInitWaitTimeout: limits.initMs,

    async onConnect({ extra, connectionParams }) {
      const { connection, headers, peer } = extra;
      extra.headers = NO_HEADERS;
      try {
        const { credential, csrfToken } = connectionCredential(connectionParams, headers, keyOrigin(extra));
        const gateway = connectionGateway(connectionParams, headers);
        connection.gateway = gateway === null ? null : { text: gateway, address: peer };
        const byGateway = await limited(extra, () => isTrusted(connection.gateway, services));
        if (byGateway) extra.leaveAddress();
        // Opening it does nothing: what must be proven first is asked of each operation.
        const { by } = await whoIs(extra, () => credential);
        if (by.kind === 'user' && csrfToken !== null)
          await limited(extra, () =>
            Promise.resolve(csrfTokens.demand(demandSession(by).credential.sessionId, csrfToken)),
          );
        connection.hold(credential);
        connection.byCookie = csrfToken !== null;
        if (by.kind === 'user' && !byGateway) connection.leaves(open.ofUser(by.id));
        connection.opened(by);
        // Asked again now that a revocation would find the connection: one may have come in between.
        await identification.recheck(by);
        const endsAtMs = by.kind === 'user' ? by.credential.expiresAtMs : Infinity;
        return endsAtMs === Infinity ? true : { expiresIn: secondsUntil(endsAtMs, clock) };
      } catch (error) {
        if (!(error instanceof Refusal)) {
          logger.error({ err: error }, 'a connection could not be opened');
          // Ours to mend, and no reason to sign in again.
          connection.close(CLOSE.FAULT, 'INTERNAL');
          return false;
        }
        const { code } = error;
        noteRefusedFrame(code, connection, services);
        if (code === 'RATE_LIMITED') {
          connection.close(CLOSE.TOO_MANY, code);
          return false;
        }
        connection.close(codeOf(error), code);
        return false;
      }
    },

    async onSubscribe({ extra }, id, payload) {
      const { connection } = extra;
      if (services.loadShedder.refuses()) return [toGraphQLError(overloaded(), logger)];
      if (connection.operations >= limits.operations) {
        const tooMany = new Refusal('RATE_LIMITED', 'Too many operations run on this socket.', {
          retryAfterSeconds: 1,
        });
        noteRefusedFrame(tooMany.code, connection, services);
        return [toGraphQLError(tooMany, logger)];
      }
      connection.arrived(id);
      let by: Principal | null = null;
      const prepared = await prepare(extra, id, payload, (known) => {
        by = known;
      }).catch((error: unknown) => [toGraphQLError(error, logger)]);
      if (isErrors(prepared)) {
        connection.completed(id);
        const code = firstCode(prepared) ?? 'INTERNAL';
        documents.operations.refused(code);
        // What comes while it closes is none.
        if (!connection.closing) noteRefusedFrame(code, connection, services, by);
      }
      return prepared;
    },

    execute: (args) => untilLate(args, () => execute(args)),
    subscribe: (args) => untilLate(args, () => begun(args, args.contextValue as OperationContext)),

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

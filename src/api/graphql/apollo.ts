import { ApolloServer, HeaderMap, type ApolloServerPlugin } from '@apollo/server';
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginLandingPageDisabled,
} from '@apollo/server/plugin/disabled';
import { ApolloServerPluginDrainHttpServer } from '@apollo/server/plugin/drainHttpServer';
import { GraphQLError, Kind, OperationTypeNode, type DocumentNode, type GraphQLSchema } from 'graphql';
import type { Server } from 'node:http';
import { REFUSALS, Refusal } from '../../domain/refusals.ts';
import type { Log } from '../../kit/log.ts';
import type { OperationContext } from './context.ts';
import type { Documents } from './documents.ts';
import { firstCode, toPublicError } from './errors.ts';
import { EXECUTION } from './execution.ts';
import { legacyStatus } from './legacy-status.ts';
import { limitsFor } from './limits.ts';
import { tracesForGateways } from './traces.ts';

/** How graphql-js ends a message; Apollo Server executes without the option that leaves it out. */
const SUGGESTION = / ?Did you mean .+\?$/;

export function createApollo(parts: {
  schema: GraphQLSchema;
  documents: Documents;
  httpServer: Server;
  /** Whether everybody may see the schema, and be told what they may have meant. */
  introspection: boolean;
  logger: Log;
}): ApolloServer<OperationContext> {
  const { schema, documents, httpServer, introspection, logger } = parts;
  return new ApolloServer<OperationContext>({
    schema,
    // Ours decides, as for every other door.
    introspection: true,
    includeStacktraceInErrorResponses: false,
    allowBatchedHttpRequests: false,
    persistedQueries: false,
    stopOnTerminationSignals: false,
    documentStore: null,
    executionOptions: EXECUTION,
    formatError(_formatted, error) {
      const shown = toPublicError(error, logger);
      return introspection ? shown : { ...shown, message: shown.message.replace(SUGGESTION, '') };
    },
    logger: {
      debug: (message) => logger.debug({ source: 'apollo' }, String(message)),
      info: (message) => logger.info({ source: 'apollo' }, String(message)),
      warn: (message) => logger.warn({ source: 'apollo' }, String(message)),
      error: (message) => logger.error({ source: 'apollo' }, String(message)),
    },
    plugins: [
      // Answers are private whatever a hint would say, and the plugin looks at every field.
      ApolloServerPluginCacheControlDisabled(),
      tracesForGateways(),
      ApolloServerPluginLandingPageDisabled(),
      ApolloServerPluginDrainHttpServer({ httpServer }),
      countOperations(documents),
      readDocuments(documents, logger),
      refuseSubscriptions(),
      legacyStatus(),
    ],
  });
}

function countOperations({ operations }: Documents): ApolloServerPlugin<OperationContext> {
  return {
    requestDidStart: () =>
      Promise.resolve({
        willSendResponse: ({ contextValue, response: { body } }) => {
          contextValue.figure ??= operations.unknown;
          contextValue.answered(body.kind === 'single' ? firstCode(body.singleResult.errors) : null);
          return Promise.resolve();
        },
      }),
  };
}

/** What a request asks for is read once, and the same is refused, whatever the door: Apollo Server parses nothing. */
function readDocuments(documents: Documents, logger: Log): ApolloServerPlugin<OperationContext> {
  return {
    requestDidStart() {
      let refused: readonly GraphQLError[] = [];
      return Promise.resolve({
        didResolveSource(requestContext) {
          const { source, request, contextValue } = requestContext;
          const operation = documents.operation({ ...request, query: source }, limitsFor(contextValue));
          if (!('document' in operation)) refused = operation;
          else contextValue.asks(operation.figure);
          if ('document' in operation && operation.kind === 'mutation') contextValue.undertaking.goOn();
          // It is there to be filled from a store, and Apollo Server parses only what is not.
          const filled: { document?: DocumentNode } = requestContext;
          filled.document = 'document' in operation ? operation.document : NOTHING;
          return Promise.resolve();
        },
        responseForOperation() {
          if (refused.length === 0) return Promise.resolve(null);
          const errors = refused.map((error) => toPublicError(error, logger));
          const [first] = refused;
          const code = first?.originalError instanceof Refusal ? first.originalError.code : 'BAD_USER_INPUT';
          const http = { status: REFUSALS[code].status, headers: new HeaderMap() };
          return Promise.resolve({ http, body: { kind: 'single', singleResult: { errors } } });
        },
      });
    },
  };
}

const NOTHING: DocumentNode = { kind: Kind.DOCUMENT, definitions: [] };

/** Apollo Server would run one like a query and fail. */
function refuseSubscriptions(): ApolloServerPlugin<OperationContext> {
  return {
    requestDidStart: () =>
      Promise.resolve({
        didResolveOperation: ({ operation }) => {
          if (operation?.operation !== OperationTypeNode.SUBSCRIPTION) return Promise.resolve();
          const extensions = { http: { status: 400 } };
          const message =
            'Subscriptions run over a WebSocket (graphql-transport-ws), or with Accept: text/event-stream.';
          throw new GraphQLError(message, { extensions });
        },
      }),
  };
}

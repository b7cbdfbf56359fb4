import { ApolloServer, type ApolloServerPlugin } from '@apollo/server';
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginLandingPageDisabled,
} from '@apollo/server/plugin/disabled';
import { ApolloServerPluginDrainHttpServer } from '@apollo/server/plugin/drainHttpServer';
import { GraphQLError, OperationTypeNode, type GraphQLSchema } from 'graphql';
import type { Server } from 'node:http';
import type { Log } from '../../kit/log.ts';
import type { Metrics } from '../../kit/metrics.ts';
import type { OperationContext } from './context.ts';
import { TOKENS_MAX } from './documents.ts';
import { toPublicError } from './errors.ts';
import { legacyStatus } from './legacy-status.ts';
import { tracesFor, type TrustsGateway } from './traces.ts';

export function createApollo(parts: {
  schema: GraphQLSchema;
  httpServer: Server;
  production: boolean;
  metrics: Metrics;
  logger: Log;
  /** Who gets federated traces. */
  trusts: TrustsGateway;
}): ApolloServer<OperationContext> {
  const { schema, httpServer, production, logger } = parts;
  return new ApolloServer<OperationContext>({
    schema,
    introspection: !production,
    hideSchemaDetailsFromClientErrors: production,
    includeStacktraceInErrorResponses: false,
    allowBatchedHttpRequests: false,
    persistedQueries: false,
    stopOnTerminationSignals: false,
    parseOptions: { maxTokens: TOKENS_MAX },
    formatError: (_formatted, error) => toPublicError(error, logger),
    logger: {
      debug: (message) => logger.debug({ source: 'apollo' }, String(message)),
      info: (message) => logger.info({ source: 'apollo' }, String(message)),
      warn: (message) => logger.warn({ source: 'apollo' }, String(message)),
      error: (message) => logger.error({ source: 'apollo' }, String(message)),
    },
    plugins: [
      // Answers are private whatever a hint would say, and the plugin looks at every field.
      ApolloServerPluginCacheControlDisabled(),
      tracesFor(parts.trusts),
      ApolloServerPluginLandingPageDisabled(),
      ApolloServerPluginDrainHttpServer({ httpServer }),
      countOperations(parts.metrics),
      refuseSubscriptions(),
      legacyStatus(),
    ],
  });
}

function countOperations({ operations }: Metrics): ApolloServerPlugin<OperationContext> {
  return {
    requestDidStart: () =>
      Promise.resolve({
        willSendResponse: ({ operation, response }) => {
          const failed = response.body.kind === 'single' && response.body.singleResult.errors !== undefined;
          operations.inc({ kind: operation?.operation ?? 'unknown', outcome: failed ? 'errors' : 'ok' });
          return Promise.resolve();
        },
      }),
  };
}

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

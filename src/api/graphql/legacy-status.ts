import type { ApolloServerPlugin } from '@apollo/server';
import type { OperationContext } from './context.ts';

/** What is wrong with the operation itself. A request that is none keeps its 4xx. */
const OF_THE_OPERATION: ReadonlySet<unknown> = new Set([
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'BAD_USER_INPUT',
]);

/**
 * GraphQL over HTTP: who asks for `application/json` by name expects 200 with whatever was a request, since that media type
 * is older than the rule that a status says something. Others get 400.
 */
export function legacyStatus(): ApolloServerPlugin<OperationContext> {
  return {
    requestDidStart: () =>
      Promise.resolve({
        willSendResponse: ({ request, response }) => {
          const accept = request.http?.headers.get('accept') ?? '';
          const isLegacy = accept.includes('application/json') && !accept.includes('application/graphql-response+json');
          if (isLegacy && response.http.status === 400 && response.body.kind === 'single') {
            const { errors = [] } = response.body.singleResult;
            const ofTheOperation = errors.every(({ extensions }) => OF_THE_OPERATION.has(extensions?.['code']));
            if (ofTheOperation) response.http.status = 200;
          }
          return Promise.resolve();
        },
      }),
  };
}

import type { ApolloServerPlugin } from '@apollo/server';
import { ApolloServerPluginInlineTrace } from '@apollo/server/plugin/inlineTrace';
import type { OperationContext } from './context.ts';

export const TRACE_HEADER = 'apollo-federation-include-trace';

/** Federated traces say how long each field took, which is for gateways and for nobody else. */
export function tracesForGateways(): ApolloServerPlugin<OperationContext> {
  const traces = ApolloServerPluginInlineTrace({ includeErrors: { masked: true } });
  return {
    ...traces,
    async requestDidStart(request) {
      if (request.request.http?.headers.has(TRACE_HEADER) !== true || !request.contextValue.byGateway) return undefined;
      return traces.requestDidStart?.(request);
    },
  };
}

import type { IncomingHttpHeaders } from 'node:http';
import type { ApolloServerPlugin } from '@apollo/server';
import { ApolloServerPluginInlineTrace } from '@apollo/server/plugin/inlineTrace';
import type { OperationContext } from './context.ts';

export const TRACE_HEADER = 'apollo-federation-include-trace';

/** Whether a request comes from a gateway that the operator trusts. */
export type TrustsGateway = (headers: IncomingHttpHeaders) => Promise<boolean>;

/** Federated traces say how long each field took, which is for gateways and for nobody else. */
export function tracesFor(trusts: TrustsGateway): ApolloServerPlugin<OperationContext> {
  const traces = ApolloServerPluginInlineTrace({ includeErrors: { masked: true } });
  return {
    ...traces,
    async requestDidStart(request) {
      const headers = request.request.http?.headers;
      if (headers?.has(TRACE_HEADER) !== true || !(await trusts(Object.fromEntries(headers)))) return undefined;
      return traces.requestDidStart?.(request);
    },
  };
}

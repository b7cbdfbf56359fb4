import { defineConfig } from '@graphql-hive/gateway';

/** What Castellan and other subgraphs must hear of a client's request. */
const FORWARDED = ['authorization', 'x-api-key', 'x-castellan-min-position'];

/** Subscriptions reach Castellan as server-sent events: for those the gateway needs no setting. */
export const gatewayConfig = defineConfig({
  supergraph: process.env['SUPERGRAPH'] ?? './supergraph.graphql',
  propagateHeaders: {
    fromClientToSubgraphs: ({ request }) =>
      Object.fromEntries(
        FORWARDED.flatMap((name) => {
          const value = request.headers.get(name);
          return value === null ? [] : [[name, value]];
        }),
      ),
  },
});

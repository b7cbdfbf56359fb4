import { defineConfig } from '@graphql-hive/gateway';

/** What Castellan and other subgraphs must hear of a client's request. */
const FORWARDED = ['authorization', 'x-api-key', 'x-castellan-min-position'];

export function forwarded({ headers }: { readonly headers: Pick<Headers, 'get'> }): Record<string, string> {
  const all = FORWARDED.map((name) => [name, headers.get(name)] as const);
  return Object.fromEntries(all.flatMap(([name, value]) => (value === null ? [] : [[name, value]])));
}

/** Subscriptions reach Castellan as server-sent events: for those the gateway needs no setting. */
export const gatewayConfig = defineConfig({
  supergraph: process.env['SUPERGRAPH'] ?? './supergraph.graphql',
  propagateHeaders: { fromClientToSubgraphs: ({ request }) => forwarded(request) },
});

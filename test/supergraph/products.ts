import type { AddressInfo } from 'node:net';
import { parse } from 'graphql';
import { createApollo } from '../../src/api/graphql/apollo.ts';
import { Documents } from '../../src/api/graphql/documents.ts';
import { buildSchema } from '../../src/api/graphql/schema.ts';
import { CallbackCalls } from '../../src/api/http/callback-calls.ts';
import { CallbackOrigins } from '../../src/api/http/callback-origins.ts';
import { Callbacks } from '../../src/api/http/callbacks.ts';
import { EventStreams } from '../../src/api/http/event-streams.ts';
import { addGraphqlRoute } from '../../src/api/http/graphql-route.ts';
import { KnownQueries } from '../../src/api/http/known-queries.ts';
import { OpenConnections } from '../../src/api/http/open-connections.ts';
import { Origins } from '../../src/api/http/origins.ts';
import { createServer } from '../../src/api/http/server.ts';
import { shedEarly } from '../../src/api/http/shedding.ts';
import type { App } from '../../src/app.ts';
import type { KeyRing } from '../../src/domain/tokens/key-ring.ts';
import { Metrics } from '../../src/kit/metrics.ts';
import { addGateway } from '../support/gateway-key.ts';

/** The subgraph that Apollo's compatibility tests ask, of the parts that Castellan serves its own with. */

interface Reference {
  readonly id?: string;
  readonly sku?: string;
  readonly package?: string;
  readonly email?: string;
  readonly variation?: { readonly id: string };
  readonly study?: { readonly caseNumber: string };
  readonly totalProductsCreated?: number;
  readonly yearsOfEmployment?: number;
}

const JANE = {
  email: 'support@apollographql.com',
  name: 'Jane Smith',
  totalProductsCreated: 1337,
  yearsOfEmployment: 10,
};
const DEPRECATED = {
  sku: 'apollo-federation-v1',
  package: '@apollo/federation-v1',
  reason: 'Migrate to Federation V2',
  createdBy: JANE,
};
const RESEARCH = [
  { study: { caseNumber: '1234', description: 'Federation Study' }, outcome: null },
  { study: { caseNumber: '1235', description: 'Studio Study' }, outcome: null },
];
const about = { dimensions: { size: 'small', weight: 1, unit: 'kg' }, createdBy: JANE, notes: null };
const PRODUCTS = [
  {
    ...about,
    id: 'apollo-federation',
    sku: 'federation',
    package: '@apollo/federation',
    variation: { id: 'OSS' },
    research: RESEARCH.slice(0, 1),
  },
  {
    ...about,
    id: 'apollo-studio',
    sku: 'studio',
    package: '',
    variation: { id: 'platform' },
    research: RESEARCH.slice(1),
  },
];

const deprecatedBy = (asked: Reference) =>
  DEPRECATED.sku === asked.sku && DEPRECATED.package === asked.package ? DEPRECATED : null;

function productBy({ id, sku, package: name, variation }: Reference) {
  const found = PRODUCTS.find((product) => {
    if (id !== undefined) return product.id === id;
    return product.sku === sku && (product.package === name || product.variation.id === variation?.id);
  });
  return found ?? null;
}

const resolvers = {
  Query: {
    product: (_: unknown, asked: Reference) => productBy(asked),
    deprecatedProduct: (_: unknown, asked: Reference) => deprecatedBy(asked),
  },
  Product: { __resolveReference: async (reference: Reference) => productBy(reference) },
  DeprecatedProduct: { __resolveReference: async (reference: Reference) => deprecatedBy(reference) },
  ProductResearch: {
    __resolveReference: async ({ study: asked }: Reference) =>
      RESEARCH.find(({ study }) => study.caseNumber === asked?.caseNumber) ?? null,
  },
  User: {
    // What the field requires comes along with the reference.
    __resolveReference: async (reference: Reference) =>
      reference.email === JANE.email ? { ...JANE, ...reference } : null,
    averageProductsCreatedPerYear: ({ totalProductsCreated = 0, yearsOfEmployment = 1 }: Reference) =>
      Math.round(totalProductsCreated / yearsOfEmployment),
  },
  Inventory: {
    __resolveReference: async ({ id = '' }: Reference) => ({ id }),
    deprecatedProducts: () => [DEPRECATED],
  },
};

/** @param sdl what the tests bring */
export async function serveProducts(sdl: string, app: App) {
  const { services } = app;
  const { logger } = services;
  const { secret } = await addGateway({ apps: [app] });
  const metrics = new Metrics();
  const schema = buildSchema(parse(sdl), [resolvers]);
  const server = createServer({
    // Nobody asks for keys here.
    keyRing: { jwks: () => ({ keys: [] }) } as unknown as KeyRing,
    metrics,
    metricsToken: null,
    refusing: services,
    readiness: () => ({ checks: {}, reasons: {} }),
    leaving: () => false,
    warnings: () => [],
    limits: services.limits,
    tls: null,
    refused: shedEarly(services.loadShedder),
    sdl,
    showsSdl: () => Promise.resolve(true),
  });
  // Those that test it know nothing of keys, and ask as a gateway does.
  server.addHook('onRequest', async ({ headers }) => void (headers['x-castellan-gateway'] = secret));
  const documents = new Documents(schema);
  const apollo = createApollo({
    schema,
    documents,
    httpServer: server.server,
    introspection: true,
    logger,
  });
  await apollo.start();
  const origins = new Origins([]);
  const parts = { schema, documents, services };
  addGraphqlRoute(server, {
    apollo,
    services,
    documents,
    known: new KnownQueries({ schema, documents, logger }),
    streams: new EventStreams({ ...parts, origins, open: new OpenConnections(services.limits.sockets) }),
    callbacks: new Callbacks({ ...parts, origins: new CallbackOrigins([]), calls: new CallbackCalls() }),
    origins,
    explorer: null,
  });
  await server.listen({ host: '127.0.0.1', port: 0 });
  const { port } = server.server.address() as AddressInfo; // it listens on TCP
  return {
    url: `http://127.0.0.1:${port}/graphql`,
    async close() {
      await apollo.stop();
      await server.close();
    },
  };
}

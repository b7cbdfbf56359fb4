import type { AddressInfo } from 'node:net';
import { ApolloServer } from '@apollo/server';
import {
  ApolloServerPluginInlineTraceDisabled,
  ApolloServerPluginLandingPageDisabled,
} from '@apollo/server/plugin/disabled';
import { startStandaloneServer } from '@apollo/server/standalone';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { parse } from 'graphql';

/** A second subgraph, as somebody else would write it: it knows users by their ids alone. */
export const DOCUMENTS_SDL = `
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key"])

  type Document @key(fields: "id") {
    id: ID!
    title: String!
    owner: User
  }

  type User @key(fields: "id") {
    id: ID!
    documents: [Document!]!
  }

  type Query {
    document(id: ID!): Document
  }
`;

export interface Document {
  readonly id: string;
  readonly title: string;
  readonly ownerId: string;
}

export async function serveDocuments(documents: readonly Document[]) {
  const owner = ({ ownerId }: Document) => ({ __typename: 'User', id: ownerId });
  const find = async ({ id }: { id: string }) => documents.find((document) => document.id === id) ?? null;
  const resolvers = {
    Query: { document: (_: unknown, { id }: { id: string }) => find({ id }) },
    Document: { __resolveReference: find, owner },
    User: {
      __resolveReference: async ({ id }: { id: string }) => ({ id }),
      documents: ({ id }: { id: string }) => documents.filter(({ ownerId }) => ownerId === id),
    },
  };
  const schema = buildSubgraphSchema([{ typeDefs: parse(DOCUMENTS_SDL), resolvers: resolvers as never }]);
  const server = new ApolloServer({
    schema,
    plugins: [ApolloServerPluginInlineTraceDisabled(), ApolloServerPluginLandingPageDisabled()],
  });
  const { url } = await startStandaloneServer(server, { listen: { host: '127.0.0.1', port: 0 } });
  return { url, close: () => server.stop() };
}

export function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new TypeError(`${address} has no port`);
  return address.port;
}

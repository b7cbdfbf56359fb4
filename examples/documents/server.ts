import { ApolloServer } from '@apollo/server';
import {
  ApolloServerPluginInlineTraceDisabled,
  ApolloServerPluginLandingPageDisabled,
} from '@apollo/server/plugin/disabled';
import { startStandaloneServer } from '@apollo/server/standalone';
import { Documents, type Document } from './document.ts';
import { Permissions } from './permissions.ts';
import { createSchema, type Context } from './schema.ts';

export interface DocumentsServer {
  /** Of its GraphQL. */
  readonly url: string;
  close(): Promise<void>;
}

export interface ServeOptions {
  /** What there is in the beginning. */
  readonly documents: readonly Document[];
  /** The URL of Castellan's GraphQL. */
  readonly castellan: string;
  /** Any free one unless given. */
  readonly port?: number;
}

export async function serveDocuments({ documents, castellan, port = 0 }: ServeOptions): Promise<DocumentsServer> {
  const server = new ApolloServer<Context>({
    schema: createSchema(new Documents(documents)),
    plugins: [ApolloServerPluginInlineTraceDisabled(), ApolloServerPluginLandingPageDisabled()],
  });
  const { url } = await startStandaloneServer(server, {
    listen: { host: '127.0.0.1', port },
    context: ({ req }) => Promise.resolve({ permissions: new Permissions(castellan, req.headers) }),
  });
  return { url, close: () => server.stop() };
}

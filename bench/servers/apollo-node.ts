/** Apollo Server on node:http with constant answers. */
import { resolvers, typeDefs } from './me.ts';
import { serveApollo } from './serve-apollo.ts';

await serveApollo({ typeDefs, resolvers });

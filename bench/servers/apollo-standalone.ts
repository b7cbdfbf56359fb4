/** Apollo Server as its documentation starts it. */
import { ApolloServer } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';
import { resolvers, typeDefs } from './me.ts';

const apollo = new ApolloServer({ typeDefs, resolvers, persistedQueries: false });
const { url } = await startStandaloneServer(apollo, { listen: { port: 0, host: '127.0.0.1' } });
process.stdout.write(`${url}\n`);
process.once('SIGTERM', () => process.exit(0));

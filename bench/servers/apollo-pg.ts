/**
 * A bare subgraph over `pg`: the statements that fetch the same rows, prepared, one for the users and one for all of their
 * roles, and nothing else. The same lists and entities as Castellan's, without credentials, rules or cursors that are
 * checked.
 */
import { buildSubgraphSchema } from '@apollo/subgraph';
import DataLoader from 'dataloader';
import { parse } from 'graphql';
import { RawUsers, type RawUser } from '../support/raw-users.ts';
import { serveApollo } from './serve-apollo.ts';

const typeDefs = parse(`
  type User @key(fields: "id") { id: ID! name: String roles: [Role!] }
  type Role @key(fields: "id") { id: ID! name: String }
  type UserConnection { edges: [UserEdge!]! }
  type UserEdge { cursor: String! node: User! }
  type Query { users(first: Int!): UserConnection! }
`);

const { DATABASE_URL = '', WITHIN = '' } = process.env;
const raw = new RawUsers(DATABASE_URL);
// Nothing is kept between operations: only what is asked for in one step is asked for together.
const users = new DataLoader((ids: readonly string[]) => raw.byIds(ids), { cache: false });
const roles = new DataLoader((ids: readonly string[]) => raw.rolesOf(ids), { cache: false });

const schema = buildSubgraphSchema([
  {
    typeDefs,
    resolvers: {
      Query: {
        users: async (_: unknown, { first }: { readonly first: number }) => {
          const found = await raw.page(first, WITHIN === '' ? null : WITHIN);
          return { edges: found.map((node) => ({ cursor: node.id, node })) };
        },
      },
      User: {
        __resolveReference: ({ id }: { readonly id: string }) => users.load(id),
        roles: ({ id }: RawUser) => roles.load(id),
      },
    },
  },
]);

await serveApollo({ schema });

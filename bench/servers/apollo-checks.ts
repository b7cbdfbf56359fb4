/** Apollo Server that takes the same checks and answers each with the same constant: it decides nothing. */
import { serveApollo } from './serve-apollo.ts';

const typeDefs = `
  scalar Attributes
  input CheckInput { action: String! subject: String! id: ID field: String attributes: Attributes }
  type Decision { allowed: Boolean! reason: String! rule: String }
  type Query { viewerCanMany(checks: [CheckInput!]!): [Decision!]! }
`;

const decision = { allowed: true, reason: 'Allowed by the role member.', rule: 'documents.yaml:12' };

await serveApollo({
  typeDefs,
  resolvers: {
    Query: {
      viewerCanMany: (_: unknown, { checks }: { readonly checks: readonly unknown[] }) => checks.map(() => decision),
    },
  },
});

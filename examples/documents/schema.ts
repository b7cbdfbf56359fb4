import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { GraphQLError, parse, type GraphQLSchema } from 'graphql';
import type { Document, Documents } from './document.ts';
import type { Permissions } from './permissions.ts';

export const DOCUMENTS_SDL = readFileSync(join(import.meta.dirname, 'schema.graphql'), 'utf8');

export interface Context {
  readonly permissions: Permissions;
}

interface ById {
  readonly id: string;
}

export function createSchema(documents: Documents): GraphQLSchema {
  const find = async (id: string, { permissions }: Context): Promise<Document | null> => {
    const document = documents.find(id);
    if (document === null) return null;
    return (await permissions.decide('read', document)).allowed ? document : null;
  };

  const resolvers = {
    Query: {
      document: (_: unknown, { id }: ById, context: Context) => find(id, context),
      documents: (_: unknown, _args: unknown, { permissions }: Context) => permissions.readable(documents.all()),
    },
    Mutation: {
      async renameDocument(_: unknown, { id, title }: ById & { readonly title: string }, context: Context) {
        const document = await find(id, context);
        if (document === null) throw refusal('NOT_FOUND', 'There is no such document.');
        const { allowed, reason } = await context.permissions.decide('update', document);
        if (!allowed) throw refusal('FORBIDDEN', reason);
        return documents.rename(id, title);
      },
    },
    Document: {
      // A gateway may ask for any document by its id: the same question is asked here.
      __resolveReference: ({ id }: ById, context: Context) => find(id, context),
      owner: ({ ownerId }: Document) => ({ __typename: 'User', id: ownerId }),
    },
    User: {
      __resolveReference: async ({ id }: ById) => ({ id }),
      documents: ({ id }: ById, _args: unknown, { permissions }: Context) =>
        permissions.readable(documents.ownedBy(id)),
    },
  };
  // The types of the library are wider than what it takes.
  return buildSubgraphSchema([{ typeDefs: parse(DOCUMENTS_SDL), resolvers: resolvers as never }]);
}

function refusal(code: string, message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code } });
}

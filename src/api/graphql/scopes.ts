import { badInput } from '../../domain/refusals.ts';
import { readField } from './fields.ts';
import type { Resolvers } from './generated.ts';

/** What the policy calls the path of a scope, which lies in itself. */
const ATTRIBUTES = { path: 'scope', createdAt: 'createdAt' } as const;

export const scopes: Resolvers = {
  Query: {
    scope: (_, { id, path }, { by, loaders, services }) => {
      if (typeof id === 'string' && typeof path !== 'string') return loaders.scopes.load(id);
      if (typeof path === 'string' && typeof id !== 'string') return services.scopes.findByPath(by, path);
      throw badInput('id', 'Ask for a scope by its id or by its path: exactly one of them.');
    },
    scopes: (_, { orderBy, ...args }, { by, services }) =>
      services.scopes.list(by, {
        ...args,
        ...(orderBy && { orderBy: { field: ATTRIBUTES[orderBy.field], direction: orderBy.direction } }),
      }),
  },

  Mutation: {
    createScope: async (_, { path }, { by, services }) => {
      const { value, position } = await services.scopes.create(by, path);
      return { scope: value, position };
    },

    moveScope: async (_, { id, path }, { by, services }) => {
      const { value, receipt } = await services.scopes.move(by, id, path);
      return { scope: value, receipt, position: receipt.position };
    },

    suspendScope: async (_, { id }, { by, services }) => {
      const { value, receipt } = await services.scopes.suspend(by, id);
      return { scope: value, receipt, position: receipt.position };
    },

    resumeScope: async (_, { id }, { by, services }) => {
      const { value, receipt } = await services.scopes.resume(by, id);
      return { scope: value, receipt, position: receipt.position };
    },

    deleteScope: async (_, { id }, { by, services }) => {
      const { value, receipt } = await services.scopes.delete(by, id);
      return { scope: value, receipt, position: receipt.position };
    },
  },

  Scope: {
    __resolveReference: async ({ id }, { loaders }) => loaders.scopes.load(id),
    name: readField('name'),
    path: (scope, _args, { by, services }) => services.policy.field(by, scope, 'scope'),
    parent: ({ parentId }, _args, { loaders }) => (parentId === null ? null : loaders.scopes.load(parentId)),
    status: readField('status'),
    createdAt: readField('createdAt'),
  },
};

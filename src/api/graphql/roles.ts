import { badInput } from '../../domain/refusals.ts';
import { readField } from './fields.ts';
import type { Resolvers } from './generated.ts';

export const roles: Resolvers = {
  Query: {
    role: (_, { id, name }, { by, roles, loaders }) => {
      if (typeof id === 'string' && typeof name !== 'string') return loaders.roles.load(id);
      if (typeof name === 'string' && typeof id !== 'string') return roles.findByName(by, name);
      throw badInput('id', 'Ask for a role by its id or by its name: exactly one of them.');
    },
    roles: (_, args, { by, roles }) => roles.list(by, args),
  },

  Mutation: {
    grantRole: async (_, { principalId, roleId, scope, expiresAt }, { by, roles }) => {
      const input = { principalId, roleId, scope: scope ?? null, expiresAt: expiresAt ?? null };
      const { value, receipt } = await roles.grant(by, input);
      return { grant: value, receipt, position: receipt.position };
    },

    revokeRole: async (_, { grantId }, { by, roles }) => {
      const { value, receipt } = await roles.revoke(by, grantId);
      return { grant: value, receipt, position: receipt.position };
    },
  },

  Role: {
    __resolveReference: async ({ id }, { loaders }) => loaders.roles.load(id),
    name: readField('name'),
    managed: readField('managed'),
  },

  Grant: {
    role: ({ roleId }, _args, { loaders }) => loaders.roles.load(roleId),
  },
};

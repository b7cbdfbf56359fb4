import { badInput } from '../../domain/refusals.ts';
import { readField } from './fields.ts';
import type { Resolvers } from './generated.ts';

export const roles: Resolvers = {
  Query: {
    role: (_, { id, name }, { by, loaders, services }) => {
      if (typeof id === 'string' && typeof name !== 'string') return loaders.roles.load(id);
      if (typeof name === 'string' && typeof id !== 'string') return services.roles.findByName(by, name);
      throw badInput('id', 'Ask for a role by its id or by its name: exactly one of them.');
    },
    roles: (_, args, { by, services }) => services.roles.list(by, args),
  },

  Mutation: {
    createRole: async (_, { input }, { by, services: { customRoles } }) => {
      const { value, position } = await customRoles.create(by, { ...input, description: input.description ?? null });
      return { role: value, position };
    },

    updateRole: async (_, { id, input }, { by, services: { customRoles } }) => {
      const { value, receipt } = await customRoles.update(by, id, input);
      return { role: value, receipt, position: receipt.position };
    },

    deleteRole: async (_, { id }, { by, services: { customRoles } }) => {
      const { value, receipt } = await customRoles.delete(by, id);
      return { role: value, receipt, position: receipt.position };
    },

    grantRole: async (_, { principalId, roleId, scope, expiresAt }, { by, services: { grants } }) => {
      const input = { principalId, roleId, scope: scope ?? null, expiresAt: expiresAt ?? null };
      const { value, receipt } = await grants.grant(by, input);
      return { grant: value, receipt, position: receipt.position };
    },

    revokeRole: async (_, { grantId }, { by, services: { grants } }) => {
      const { value, receipt } = await grants.revoke(by, grantId);
      return { grant: value, receipt, position: receipt.position };
    },
  },

  Role: {
    __resolveReference: async ({ id }, { loaders }) => loaders.roles.load(id),
    name: readField('name'),
    managed: readField('managed'),
    inherits: async ({ id }, _args, { loaders }) => [...(await loaders.lineages.load(id)).inherits],
    ancestors: async ({ id }, _args, { loaders }) => [...(await loaders.lineages.load(id)).ancestors],
    descendants: async ({ id }, _args, { loaders }) => [...(await loaders.lineages.load(id)).descendants],
  },

  Grant: {
    role: ({ roleId }, _args, { loaders }) => loaders.roles.load(roleId),
  },
};

import { metadataOf } from '../../domain/users/metadata.ts';
import { readField } from './fields.ts';
import type { Resolvers } from './generated.ts';
import { loadHeldRoles } from './loaders.ts';

export const users: Resolvers = {
  Query: {
    me: (_, _args, { by, services }) => services.users.me(by),
    user: (_, { id }, { loaders }) => loaders.users.load(id),
    users: (_, args, { by, services }) => services.users.list(by, args),
  },

  Mutation: {
    createUser: async (_, { input }, { by, services }) => {
      const { value, position } = await services.users.create(by, input);
      return { user: value, position };
    },

    disableUser: async (_, { id }, { by, services }) => {
      const { value, receipt } = await services.users.disable(by, id);
      return { user: value, receipt, position: receipt.position };
    },

    updateUser: async (_, { input }, { by, services }) => {
      const { value, receipt } = await services.userChanges.update(by, input);
      return { user: value, receipt, position: receipt.position };
    },

    enableUser: async (_, { id }, { by, services }) => {
      const { value, receipt } = await services.userChanges.enable(by, id);
      return { user: value, receipt, position: receipt.position };
    },

    deleteUser: async (_, { id }, { by, services }) => {
      const { receipt } = await services.userChanges.delete(by, id);
      return { id, receipt, position: receipt.position };
    },
  },

  User: {
    __resolveReference: async ({ id }, { loaders }) => loaders.users.load(id),
    email: readField('email'),
    name: readField('name'),
    status: readField('status'),
    scope: readField('scope'),
    scopes: (user, _args, { by, services }) => {
      services.policy.field(by, user, 'scope');
      return [...user.scopes];
    },
    suspended: (user, _args, { by, services }) => {
      services.policy.field(by, user, 'status');
      return user.suspended;
    },
    createdAt: readField('createdAt'),
    emailVerified: readField('emailVerified'),
    metadata: (user, _args, { by, services }) => metadataOf(services.policy.field(by, user, 'metadata')),
    grants: async (user, _args, { by, loaders, services }) => {
      services.policy.field(by, user, 'roles');
      return [...(await loaders.grantsOf.load(user.id))];
    },
    permissions: async (user, _args, { by, loaders, services }) => {
      services.policy.field(by, user, 'roles');
      return [...(await loaders.permissionsOf.load(user.id))];
    },
    roles: async (user, _args, { by, loaders, services }) => {
      services.policy.field(by, user, 'roles');
      return loadHeldRoles(loaders, user.id, services.clock);
    },
  },
};

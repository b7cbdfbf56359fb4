import { readField } from './fields.ts';
import type { Resolvers } from './generated.ts';
import { loadHeldRoles, loadPrincipal } from './loaders.ts';

export const serviceAccounts: Resolvers = {
  Query: {
    serviceAccount: (_, { id }, { loaders }) => loaders.serviceAccounts.load(id),
    serviceAccounts: (_, args, { by, services }) => services.serviceAccounts.list(by, args),
  },

  Mutation: {
    createServiceAccount: async (_, { input }, { by, services }) => {
      const { value, position } = await services.serviceAccounts.create(by, input);
      return { serviceAccount: value, position };
    },

    updateServiceAccount: async (_, { input }, { by, services }) => {
      const { value, receipt } = await services.serviceAccounts.update(by, input);
      return { serviceAccount: value, receipt, position: receipt.position };
    },

    disableServiceAccount: async (_, { id }, { by, services }) => {
      const { value, receipt } = await services.serviceAccounts.disable(by, id);
      return { serviceAccount: value, receipt, position: receipt.position };
    },

    enableServiceAccount: async (_, { id }, { by, services }) => {
      const { value, receipt } = await services.serviceAccounts.enable(by, id);
      return { serviceAccount: value, receipt, position: receipt.position };
    },

    deleteServiceAccount: async (_, { id }, { by, services }) => {
      const { receipt } = await services.serviceAccounts.delete(by, id);
      return { id, receipt, position: receipt.position };
    },
  },

  Principal: {
    __resolveType: ({ __typename }) => __typename,
    __resolveReference: ({ id }: { readonly id: string }, { loaders }) => loadPrincipal(loaders, id),
  },

  ServiceAccount: {
    __resolveReference: async ({ id }, { loaders }) => loaders.serviceAccounts.load(id),
    name: readField('name'),
    status: readField('status'),
    scope: readField('scope'),
    scopes: (account, _args, { by, services }) => {
      services.policy.field(by, account, 'scope');
      return [...account.scopes];
    },
    suspended: (account, _args, { by, services }) => {
      services.policy.field(by, account, 'status');
      return account.suspended;
    },
    createdAt: readField('createdAt'),
    grants: async (account, _args, { by, loaders, services }) => {
      services.policy.field(by, account, 'roles');
      return [...(await loaders.grantsOf.load(account.id))];
    },
    roles: async (account, _args, { by, loaders, services }) => {
      services.policy.field(by, account, 'roles');
      return loadHeldRoles(loaders, account.id, services.clock);
    },
  },
};

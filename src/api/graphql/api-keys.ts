import { isSafeToRetire } from '../../domain/api-keys/api-key.ts';
import { readField } from './fields.ts';
import type { Resolvers } from './generated.ts';
import { loadPrincipal } from './loaders.ts';

export const apiKeys: Resolvers = {
  Query: {
    apiKey: (_, { id }, { loaders }) => loaders.apiKeys.load(id),
    apiKeyUsage: async (_, { id, range }, { by, services: { keyUsage } }) => {
      const { operations, buckets, ...totals } = await keyUsage.report(by, id, range);
      return { ...totals, operations: [...operations], buckets: [...buckets] };
    },
    apiKeys: (_, args, { by, services }) => services.apiKeys.list(by, args),
  },

  Mutation: {
    createApiKey: async (_, { input }, { by, services }) => {
      const { value, position } = await services.apiKeys.create(by, input);
      return { ...value, position };
    },

    updateApiKey: async (_, { id, input }, { by, services }) => {
      const { value, receipt } = await services.apiKeys.update(by, id, input);
      return { apiKey: value, receipt, position: receipt.position };
    },

    rotateApiKey: async (_, { id, overlapSeconds }, { by, services }) => {
      const { value, receipt } = await services.apiKeys.rotate(by, id, overlapSeconds);
      return { ...value, receipt, position: receipt.position };
    },

    revokeApiKey: async (_, { id }, { by, services }) => {
      const { value, receipt } = await services.apiKeys.revoke(by, id);
      return { apiKey: value, receipt, position: receipt.position };
    },
  },

  ApiKey: {
    __resolveReference: async ({ id }, { loaders }) => loaders.apiKeys.load(id),
    name: readField('name'),
    createdAt: readField('createdAt'),
    expiresAt: readField('expiresAt'),
    scope: readField('scope'),
    scopes: (key, _args, { by, services }) => {
      services.policy.field(by, key, 'scope');
      return [...key.scopes];
    },
    owner: (key, _args, { by, loaders, services }) => loadPrincipal(loaders, services.policy.field(by, key, 'ownerId')),
    permissions: ({ unrestricted, permissions }) => (unrestricted ? null : [...permissions]),
    addressRanges: ({ addressRanges }) => [...addressRanges],
    allowedOrigins: ({ allowedOrigins }) => [...allowedOrigins],
    versions: async ({ id }, _args, { loaders, services }) => {
      const versions = await loaders.keyVersionsOf.load(id);
      return versions.map((version) => ({
        ...version,
        safeToRetire: isSafeToRetire(version, versions, services.clock.now()),
      }));
    },
  },
};

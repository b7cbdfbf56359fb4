import type { Resolvers } from './generated.ts';

export const signingKeys: Resolvers = {
  Query: {
    signingKeys: async (_, _args, { by, services }) => [...(await services.signingKeys.list(by))],
  },

  Mutation: {
    rotateSigningKey: async (_, _args, { by, services }) => {
      const { value, receipt } = await services.signingKeys.rotate(by);
      return { signingKey: value, receipt, position: receipt.position };
    },

    revokeSigningKey: async (_, { kid }, { by, services }) => {
      const { value, receipt } = await services.signingKeys.revoke(by, kid);
      return { signingKey: value, receipt, position: receipt.position };
    },
  },
};

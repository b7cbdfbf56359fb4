import type { Resolvers } from './generated.ts';

export const accounts: Resolvers = {
  Mutation: {
    signUp: async (_, { input }, { from, services }) => {
      services.signUps.demandOpen();
      services.accountRequests.take(from.address);
      const { position } = await services.signUps.request(input);
      return { position };
    },

    verifyEmail: async (_, { token }, { services }) => {
      const { receipt } = await services.signUps.verify(token);
      return { receipt, position: receipt.position };
    },

    requestPasswordReset: async (_, { email }, { from, services }) => {
      services.accountRequests.take(from.address);
      const { position } = await services.passwordChanges.request(email);
      return { position };
    },

    resetPassword: async (_, { token, newPassword }, { services }) => {
      const { receipt } = await services.passwordChanges.reset(token, newPassword);
      return { receipt, position: receipt.position };
    },

    changePassword: async (_, input, { by, services }) => {
      const { value, receipt } = await services.passwordChanges.change(by, input);
      return { sessions: [...value], receipt, position: receipt.position };
    },

    unlockUser: async (_, { id }, { by, services }) => {
      const { value, receipt } = await services.unlocking.unlock(by, id);
      return { user: value, receipt, position: receipt.position };
    },
  },
};

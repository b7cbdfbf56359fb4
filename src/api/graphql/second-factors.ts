import type { Resolvers } from './generated.ts';
import { demandTokensCanGo, handOn, handOut } from './signed-in.ts';

export const secondFactors: Resolvers = {
  Mutation: {
    verifyMfa: async (_, { input }, context) => {
      const signedIn = await context.authentication.verifyMfa(input, context.from);
      return handOut(context, signedIn);
    },

    beginTotpEnrollment: async (_, _args, { by, services }) => {
      const { value, position } = await services.secondFactors.begin(by);
      return { ...value, position };
    },

    confirmTotpEnrollment: async (_, { code }, context) => {
      demandTokensCanGo(context);
      const { value, receipt } = await context.services.secondFactors.confirm(context.by, code);
      const tokens = await handOn(context, value.tokens);
      return { ...tokens, recoveryCodes: [...value.recoveryCodes], receipt, position: receipt.position };
    },

    stepUp: async (_, { input }, context) => {
      demandTokensCanGo(context);
      const { value, receipt } = await context.services.stepUps.stepUp(context.by, input, context.from);
      return { ...(await handOn(context, value)), receipt, position: receipt.position };
    },

    disableTotp: async (_, { code }, { by, services }) => {
      const { receipt } = await services.secondFactors.disable(by, code);
      return { receipt, position: receipt.position };
    },

    regenerateRecoveryCodes: async (_, { code }, { by, services }) => {
      const { value, receipt } = await services.secondFactors.regenerateRecoveryCodes(by, code);
      return { recoveryCodes: [...value], receipt, position: receipt.position };
    },
  },

  User: {
    mfaEnabled: (user, _args, { by, policy, loaders }) => {
      if (by.id !== user.id) policy.field(by, user, 'status');
      return loaders.mfaEnabled.load(user.id);
    },
  },
};

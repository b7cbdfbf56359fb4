import { badInput } from '../../domain/refusals.ts';
import type { User } from '../../domain/users/user.ts';
import type { OperationContext } from './context.ts';
import type { Resolvers } from './generated.ts';
import { demandTokensCanGo, handOn, handOut } from './signed-in.ts';

export const secondFactors: Resolvers = {
  Mutation: {
    verifyMfa: async (_, { input }, context) => {
      const signedIn = await context.services.authentication.verifyMfa(input, context.from);
      return handOut(context, signedIn);
    },

    beginTotpEnrollment: async (_, { challengeToken }, context) => {
      const { enrollments } = context.services;
      const { value, position } = isChallenge(challengeToken, context)
        ? await enrollments.beginByChallenge(challengeToken)
        : await enrollments.begin(context.by);
      return { ...value, position };
    },

    confirmTotpEnrollment: async (_, { code, challengeToken }, context) => {
      if (isChallenge(challengeToken, context)) {
        const { value, receipt } = await context.services.authentication.enroll({ challengeToken, code }, context.from);
        const { signedIn, recoveryCodes } = value;
        const { __typename: _, ...answer } = await handOut(context, signedIn);
        return { ...answer, recoveryCodes: [...recoveryCodes], receipt, position: receipt.position };
      }
      demandTokensCanGo(context);
      const { value, receipt } = await context.services.enrollments.confirm(context.by, code);
      const tokens = { ...(await handOn(context, value.tokens)), csrfToken: null, deviceToken: null };
      const user = recordOf(context);
      return { ...tokens, user, recoveryCodes: [...value.recoveryCodes], receipt, position: receipt.position };
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
    mfaEnabled: (user, _args, { by, loaders, services }) => {
      if (by.id !== user.id) services.policy.field(by, user, 'status');
      return loaders.mfaEnabled.load(user.id);
    },
  },
};

/** Whether a challenge was shown. Refuses one beside a credential: it would not be clear whose app it is. */
function isChallenge(challengeToken: string | null | undefined, { by }: OperationContext): challengeToken is string {
  if (typeof challengeToken !== 'string') return false;
  if (by.kind === 'anonymous') return true;
  throw badInput('challengeToken', 'Show a session or a challenge, not both.');
}

/** The record of whoever acts in a session. */
function recordOf({ by }: OperationContext): User {
  if (by.kind !== 'user') throw new TypeError('whoever has confirmed an app is a user');
  return by.standing.record as User; // only users have sessions
}

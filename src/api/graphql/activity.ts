import { Refusal } from '../../domain/refusals.ts';
import type { Resolvers } from './generated.ts';

export const activity: Resolvers = {
  Query: {
    userActivity: async (_, { id, range }, { by, services: { userActivity } }) => {
      const { devices, buckets, ...report } = await userActivity.report(by, id, range);
      return { ...report, devices: [...devices], buckets: [...buckets] };
    },

    signIns: (_, { userId, ...args }, { by, services: { userActivity } }) => userActivity.signIns(by, userId, args),
  },

  User: {
    lastSignInAt: (user, _args, { by, loaders, services: { userActivity } }) => {
      if (userActivity.mayRead(by, user)) return loaders.lastSignIns.load(user.id);
      throw new Refusal('FORBIDDEN', 'You may not read the sessions of this user.');
    },
  },
};

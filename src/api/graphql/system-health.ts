import type { Resolvers } from './generated.ts';

export const systemHealth: Resolvers = {
  Query: {
    systemHealth: (_, _args, { by, services }) => services.systemHealth.report(by),
  },
};

import type { Resolvers } from './generated.ts';

export const analytics: Resolvers = {
  Query: {
    permissionAnalytics: (_, { range }, { by, services: { permissionAnalytics } }) =>
      permissionAnalytics.report(by, range),
    sessionAnalytics: (_, { range }, { by, services: { sessionAnalytics } }) => sessionAnalytics.report(by, range),
    authenticationAnalytics: (_, { range }, { by, services: { authenticationAnalytics } }) =>
      authenticationAnalytics.report(by, range),
    activityAnalytics: (_, { range }, { by, services: { activityAnalytics } }) => activityAnalytics.report(by, range),
  },
};

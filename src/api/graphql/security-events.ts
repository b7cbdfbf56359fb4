import { readField } from './fields.ts';
import type { Resolvers } from './generated.ts';

export const securityEvents: Resolvers = {
  Query: {
    securityEvents: (_, args, { by, services }) => services.securityEvents.list(by, args),
  },

  SecurityEvent: {
    at: readField('at'),
    kind: readField('kind'),
    severity: readField('severity'),
    userId: readField('userId'),
    sessionId: readField('sessionId'),
    session: ({ sessionId }, _args, { loaders }) => (sessionId === null ? null : loaders.sessions.load(sessionId)),
    device: ({ deviceKind, browser, os }) => (deviceKind === null ? null : { kind: deviceKind, browser, os }),
    scope: readField('scope'),
    scopes: (event, _args, { by, policy }) => {
      policy.field(by, event, 'scope');
      return [...event.scopes];
    },
  },
};

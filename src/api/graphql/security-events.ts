import type { HeardEvent } from '../../domain/authentication/policy-feeds.ts';
import type { SecurityEvent } from '../../domain/security/security-event.ts';
import type { OperationContext } from './context.ts';
import { demandAll, readField } from './fields.ts';
import type { Resolvers } from './generated.ts';
import { followPolicyFeed, type Heard } from './policy-feeds.ts';

interface Raised extends Heard {
  readonly __typename: 'SecurityEventRaised';
  readonly securityEvent: SecurityEvent;
}

/** All that a rule can name of an event. */
const WHOLE = ['at', 'kind', 'severity', 'userId', 'sessionId', 'scope'] as const;

function readWhole<K extends keyof SecurityEvent>(field: K) {
  return (event: SecurityEvent, _args: unknown, context: OperationContext): SecurityEvent[K] => {
    demandAll(WHOLE, event, context);
    return event[field];
  };
}

export const securityEvents: Resolvers = {
  Query: {
    securityEvents: (_, args, { by, services }) => services.securityEvents.list(by, args),
  },

  Subscription: {
    securityEventRaised: {
      subscribe: (_, { after }, context) => followPolicyFeed(context, 'securityEvents', after, toRaised),
      resolve: (event: Raised) => event,
    },
  },

  SecurityEvent: {
    at: readField('at'),
    kind: readField('kind'),
    severity: readField('severity'),
    userId: readField('userId'),
    sessionId: readField('sessionId'),
    session: ({ sessionId }, _args, { loaders }) => (sessionId === null ? null : loaders.sessions.load(sessionId)),
    subjectId: readWhole('subjectId'),
    count: readWhole('count'),
    action: readWhole('action'),
    address: readWhole('address'),
    device: (event, _args, context) => {
      demandAll(WHOLE, event, context);
      const { deviceKind, browser, os } = event;
      return deviceKind === null ? null : { kind: deviceKind, browser, os };
    },
    scope: readField('scope'),
    scopes: (event, _args, { by, services }) => {
      services.policy.field(by, event, 'scope');
      return [...event.scopes];
    },
  },
};

function toRaised({ subject }: HeardEvent, position: string): Raised {
  const securityEvent = subject as SecurityEvent; // what the events of this feed are about
  return { __typename: 'SecurityEventRaised', securityEvent, position, subject };
}

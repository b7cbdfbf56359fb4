import type { HeardEvent } from '../../domain/authentication/policy-feeds.ts';
import { SIGN_IN_FAILED } from '../../domain/authentication/user-activity.ts';
import { isDeviceKind } from '../../domain/sessions/device.ts';
import { STARTED } from '../../domain/sessions/session-counts.ts';
import type { Device, Resolvers } from './generated.ts';
import { followPolicyFeed, type Heard } from './policy-feeds.ts';

/** The event, before its user and session are read. */
export interface ToldOfSignIn extends Heard {
  readonly __typename: 'SignInSucceeded' | 'SignInFailed';
  readonly userId: string;
  readonly sessionId: string;
  readonly outcome: string;
  readonly device: Device;
  readonly client: string | null;
  readonly at: string;
}

export const authEvents: Resolvers = {
  SignInSucceeded: {
    user: ({ userId }, _args, { loaders }) => loaders.users.load(userId),
    session: ({ sessionId }, _args, { loaders }) => loaders.sessions.load(sessionId),
  },

  SignInFailed: {
    user: ({ userId }, _args, { loaders }) => loaders.users.load(userId),
  },

  Subscription: {
    authEvents: {
      subscribe: (_, { after }, context) => followPolicyFeed(context, 'signIns', after, toTold),
      resolve: (event: ToldOfSignIn) => event,
    },
  },
};

function toTold({ event, subject }: HeardEvent, position: string): ToldOfSignIn | null {
  const { kind, subjectId, userId, reason, details, at } = event;
  const { device, browser = null, os = null, client = null } = details ?? {};
  const from = { device: { kind: isDeviceKind(device) ? device : 'other', browser, os }, client, at };
  const told = { ...from, outcome: reason ?? '', position, subject } as const;
  if (kind === STARTED) return { __typename: 'SignInSucceeded', userId: userId ?? '', sessionId: subjectId, ...told };
  if (kind === SIGN_IN_FAILED) return { __typename: 'SignInFailed', userId: subjectId, sessionId: '', ...told };
  return null;
}

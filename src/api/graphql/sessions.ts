import { formatPosition } from '../../domain/authority/position.ts';
import { badInput } from '../../domain/refusals.ts';
import { secondsUntil, toInstant } from '../../kit/clock.ts';
import type { Resolvers } from './generated.ts';
import { readField } from './fields.ts';
import { handOut, refreshTokenOf } from './signed-in.ts';

export const sessions: Resolvers = {
  Query: {
    session: (_, { id }, { loaders }) => loaders.sessions.load(id),
    sessions: (_, args, { by, services }) => services.sessions.list(by, args),
  },

  Mutation: {
    signIn: async (_, { input }, context) => {
      const deviceToken = input.deviceToken ?? context.cookies?.deviceToken;
      const result = await context.services.authentication.signIn({ ...input, deviceToken }, context.from);
      return result.__typename === 'SignedIn' ? handOut(context, result) : result;
    },

    refreshSession: async (_, { refreshToken }, context) => {
      const signedIn = await context.services.refreshes.refresh(refreshTokenOf(context, refreshToken), context.from);
      return handOut(context, signedIn);
    },

    renewConnection: async (_, { accessToken }, { by, connection, services }) => {
      if (connection === null) {
        throw badInput(
          'accessToken',
          'This renews a WebSocket. Over HTTP, send the fresh token with the next request.',
        );
      }
      const { credential, standing } = await connection.renew(by, accessToken);
      const { epoch, seq } = services.tail.position;
      return {
        expiresAt: toInstant(credential.expiresAtMs),
        expiresIn: secondsUntil(credential.expiresAtMs, services.clock),
        position: formatPosition({ epoch, seq: Math.max(standing.asOf, seq) }),
      };
    },

    signOut: async (_, _args, { by, cookies, services }) => {
      const { value, receipt } = await services.sessions.signOut(by);
      cookies?.clear();
      return { session: value, receipt, position: receipt.position };
    },

    revokeSession: async (_, { id }, { by, services }) => {
      const { value, receipt } = await services.sessions.revoke(by, id);
      return { session: value, receipt, position: receipt.position };
    },

    revokeOtherSessions: async (_, _args, { by, services }) => {
      const { value, receipt } = await services.sessions.revokeOthers(by);
      return { sessions: [...value], receipt, position: receipt.position };
    },

    revokeAllSessions: async (_, { userId }, { by, services }) => {
      const { value, receipt } = await services.sessions.revokeAll(by, userId);
      return { sessions: [...value], receipt, position: receipt.position };
    },

    revokeSessions: async (_, { filter }, { by, services }) => {
      const { value, receipt } = await services.sessions.revokeMatching(by, filter);
      const sessionIds = value.sessions.map(({ id }) => id);
      return { sessionIds, more: value.more, receipt, position: receipt.position };
    },

    renameSession: async (_, { id, label }, { by, services }) => {
      const { value, position } = await services.sessions.rename(by, id, label);
      return { session: value, position };
    },
  },

  Session: {
    device: ({ deviceKind, browser, os }) => ({ kind: deviceKind, browser, os }),
    __resolveReference: async ({ id }, { loaders }) => loaders.sessions.load(id),
    createdAt: readField('createdAt'),
    expiresAt: readField('expiresAt'),
    protocols: ({ protocols }) => [...protocols],
    scope: readField('scope'),
    scopes: (session, _args, { by, services }) => {
      services.policy.field(by, session, 'scope');
      return [...session.scopes];
    },
    user: ({ userId }, _args, { loaders }) => loaders.users.load(userId),
    current: ({ id }, _args, { by }) => by.kind === 'user' && by.credential.sessionId === id,
  },
};

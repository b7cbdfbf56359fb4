import { ELSEWHERE, formatEventPosition, parseEventPosition } from '../../domain/outbox/event-position.ts';
import type { OutboxEvent } from '../../domain/outbox/event.ts';
import type { Policy } from '../../domain/policy/policy.ts';
import type { Principal } from '../../domain/principals/principal.ts';
import { scopePaths } from '../../domain/scopes/scope.ts';
import { isDeviceKind } from '../../domain/sessions/device.ts';
import { EXPIRED, REFRESHED, REVOKED, STARTED } from '../../domain/sessions/session-counts.ts';
import type { Resolvers, SessionExpired, SessionRefreshed, SessionStarted } from './generated.ts';
import { LiveSubscription } from './live-subscription.ts';

/** The event, before its session is read. */
export interface RevokedSession {
  readonly __typename: 'SessionRevoked';
  readonly sessionId: string;
  readonly reason: string;
  readonly at: string;
  readonly position: string;
}

type Told = SessionStarted | SessionRefreshed | RevokedSession | SessionExpired;

export const sessionEvents: Resolvers = {
  SessionRevoked: {
    session: ({ sessionId }, _args, { loaders }) => loaders.sessions.load(sessionId),
  },

  Subscription: {
    sessionEvents: {
      subscribe: (_, { after }, context) => {
        const { eventFeeds } = context.services;
        demandOwnSessions(context.by, context.services.policy);
        return LiveSubscription.open<Told>(context, {
          changed: (by, subscription) => {
            try {
              demandOwnSessions(by, context.services.policy);
            } catch (error) {
              subscription.refuse(error);
            }
          },
          position: () => formatEventPosition(eventFeeds.position),
          open: (subscription) => {
            const from = typeof after === 'string' ? (parseEventPosition(after, 'after') ?? ELSEWHERE) : 'now';
            if (typeof after === 'string') subscription.startAt(after);
            return eventFeeds.open({ userId: context.by.id }, from, {
              begins: (at) => subscription.startAt(formatEventPosition(at)),
              event: (event, at) => {
                const told = toSessionEvent(event, formatEventPosition(at));
                if (told !== null) subscription.push(told);
              },
              resync: (at) => subscription.push({ __typename: 'Resync', position: formatEventPosition(at) }),
            });
          },
        });
      },
      resolve: (event: Told) => event,
    },
  },
};

/** Whoever is signed in is told of their own sessions; an API key only where it may read them. Refuses with FORBIDDEN. */
function demandOwnSessions(by: Principal, policy: Policy): void {
  if (by.kind !== 'user' || by.credential.key === null) return;
  const scope = by.standing.facts.scope ?? null;
  const scopes = scope === null ? [] : scopePaths(scope);
  const session = { __typename: 'Session', id: `sessions of ${by.id}`, userId: by.id, scope, scopes };
  policy.demandOpenly(by, 'read', session);
}

/** Null for what happened to something else. */
function toSessionEvent(
  { kind, subjectId: sessionId, reason, details, at }: OutboxEvent,
  position: string,
): Told | null {
  const event = { sessionId, at, position };
  if (kind === STARTED) {
    const { device, browser = null, os = null, client = null } = details ?? {};
    return {
      __typename: 'SessionStarted',
      ...event,
      device: { kind: isDeviceKind(device) ? device : 'other', browser, os },
      client,
    };
  }
  if (kind === REFRESHED) return { __typename: 'SessionRefreshed', ...event };
  if (kind === REVOKED) return { __typename: 'SessionRevoked', ...event, reason: reason ?? '' };
  if (kind === EXPIRED) return { __typename: 'SessionExpired', ...event, reason: reason ?? '' };
  return null;
}

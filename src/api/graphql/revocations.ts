import { formatPosition } from '../../domain/authority/position.ts';
import { type AuthorityChanged, REVOCATIONS_MAX } from '../../domain/authority/revocation-feed.ts';
import { ELSEWHERE, parseLogPosition } from '../../domain/outbox/event-position.ts';
import type { Resolvers, RevocationEvent } from './generated.ts';
import { LiveSubscription } from './live-subscription.ts';

export const revocations: Resolvers = {
  Subscription: {
    revocations: {
      subscribe: (_, { after }, context) => {
        const { revocations: told } = context.services;
        told.demandListener(context.by);
        return LiveSubscription.open<AuthorityChanged>(context, {
          backlogMax: REVOCATIONS_MAX,
          changed: (by, subscription) => {
            try {
              told.demandListener(by);
            } catch (error) {
              subscription.refuse(error);
            }
          },
          open: (subscription) => {
            const from = typeof after === 'string' ? (parseLogPosition(after, 'after') ?? ELSEWHERE) : 'now';
            if (typeof after === 'string') subscription.startAt(after);
            return told.follow(subscription.by, from, {
              begins: (at) => subscription.startAt(formatPosition(at)),
              changed: (change) => subscription.push(change),
              resync: (at) => subscription.push({ __typename: 'Resync', position: formatPosition(at) }),
            });
          },
        });
      },
      resolve: (event: RevocationEvent) => event,
    },
  },
};

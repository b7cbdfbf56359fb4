import type { HeardEvent, PolicyFeedName } from '../../domain/authentication/policy-feeds.ts';
import { ELSEWHERE, formatEventPosition, parseEventPosition } from '../../domain/outbox/event-position.ts';
import type { OperationContext } from './context.ts';
import { LiveSubscription } from './live-subscription.ts';

/** What is told, with what it is about: who may not read that any more when it is handed out is not told. */
export interface Heard {
  readonly position: string;
  readonly subject: HeardEvent['subject'];
}

/**
 * A subscription to a feed of which everybody is told what they may read.
 *
 * @param toTold null for what the contract has no word for
 */
export function followPolicyFeed<E extends Heard>(
  context: OperationContext,
  feed: PolicyFeedName,
  after: string | null | undefined,
  toTold: (heard: HeardEvent, position: string) => E | null,
): Promise<LiveSubscription<E>> {
  const { policyFeeds, eventFeeds } = context.services;
  policyFeeds.demandSome(context.by, feed);
  return LiveSubscription.open<E>(context, {
    allows: (by, told) => policyFeeds.mayHear(by, told),
    changed: (by, subscription) => {
      try {
        policyFeeds.demandSome(by, feed);
      } catch (error) {
        subscription.refuse(error);
      }
    },
    position: () => formatEventPosition(eventFeeds.position),
    open: (subscription) => {
      const from = typeof after === 'string' ? (parseEventPosition(after, 'after') ?? ELSEWHERE) : 'now';
      if (typeof after === 'string') subscription.startAt(after);
      return policyFeeds.open(() => subscription.by, feed, from, {
        begins: (at) => subscription.startAt(formatEventPosition(at)),
        heard: (heard, at) => {
          const told = toTold(heard, formatEventPosition(at));
          if (told !== null) subscription.push(told);
        },
        resync: (at) => subscription.push({ __typename: 'Resync', position: formatEventPosition(at) }),
      });
    },
  });
}

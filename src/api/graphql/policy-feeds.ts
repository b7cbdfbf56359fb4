import type { HeardEvent, HeardSink, PolicyFeedName } from '../../domain/authentication/policy-feeds.ts';
import type { Position } from '../../domain/authority/position.ts';
import { ELSEWHERE, formatEventPosition, parseEventPosition } from '../../domain/outbox/event-position.ts';
import type { UserPrincipal } from '../../domain/principals/principal.ts';
import type { OperationContext } from './context.ts';
import type { Services } from './services.ts';
import { type LiveSource, LiveSubscription } from './live-subscription.ts';

/** What is told, with what it is about: who may not read that any more when it is handed out is not told. */
export interface Heard {
  readonly position: string;
  readonly subject: HeardEvent['subject'];
}

type ToTold<E> = (heard: HeardEvent, position: string) => E | null;

/** What is told of an event, made once for all who hear of it: they are told the same thing, or nothing. */
const made = new WeakMap<HeardEvent['event'], Heard | null>();

/**
 * A subscription to a feed of which everybody is told what they may read.
 *
 * @param toTold null for what the contract has no word for
 */
export function followPolicyFeed<E extends Heard>(
  context: OperationContext,
  feed: PolicyFeedName,
  after: string | null | undefined,
  toTold: ToTold<E>,
): Promise<LiveSubscription<E>> {
  const { by, services } = context;
  services.policyFeeds.demandSome(by, feed);
  return LiveSubscription.open<E>(context, new FollowedFeed(services, feed, after ?? null, toTold));
}

/** There is one for each subscription, and there are many of those: so it has no functions of its own. */
class FollowedFeed<E extends Heard> implements LiveSource<E>, HeardSink {
  readonly #services: Services;
  readonly #feed: PolicyFeedName;
  readonly #after: string | null;
  readonly #toTold: ToTold<E>;
  #subscription: LiveSubscription<E> | null = null;

  constructor(services: Services, feed: PolicyFeedName, after: string | null, toTold: ToTold<E>) {
    this.#services = services;
    this.#feed = feed;
    this.#after = after;
    this.#toTold = toTold;
  }

  allows(by: UserPrincipal, told: E): boolean {
    return this.#services.policyFeeds.mayHear(by, told);
  }

  changed(by: UserPrincipal, subscription: LiveSubscription<E>): void {
    try {
      this.#services.policyFeeds.demandSome(by, this.#feed);
    } catch (error) {
      subscription.refuse(error);
    }
  }

  position(): string {
    return formatEventPosition(this.#services.eventFeeds.position);
  }

  open(subscription: LiveSubscription<E>): Promise<() => void> {
    this.#subscription = subscription;
    const after = this.#after;
    const from = after === null ? 'now' : (parseEventPosition(after, 'after') ?? ELSEWHERE);
    if (after !== null) subscription.startAt(after);
    return this.#services.policyFeeds.open(() => subscription.by, this.#feed, from, this);
  }

  begins(at: Position): void {
    this.#subscription?.startAt(formatEventPosition(at));
  }

  heard(heard: HeardEvent, at: Position): void {
    const told = toldOf(heard, at, this.#toTold);
    if (told !== null) this.#subscription?.push(told, true);
  }

  resync(at: Position): void {
    this.#subscription?.push({ __typename: 'Resync', position: formatEventPosition(at) });
  }
}

/** Each kind of event stands in one feed, which has one word for it. */
function toldOf<E extends Heard>(heard: HeardEvent, at: Position, toTold: ToTold<E>): E | null {
  const known = made.get(heard.event);
  if (known !== undefined) return known as E | null; // made by this very function of its feed
  const told = toTold(heard, formatEventPosition(at));
  made.set(heard.event, told);
  return told;
}

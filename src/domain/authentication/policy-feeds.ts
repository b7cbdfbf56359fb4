import { KEY_CREATED, KEY_EXPIRED, KEY_REVOKED, KEY_ROTATED, KEY_UPDATED } from '../api-keys/key-ender.ts';
import type { Position } from '../authority/position.ts';
import type { OutboxEvent } from '../outbox/event.ts';
import type { EventFeeds, EventSink } from '../outbox/event-feeds.ts';
import type { Policy } from '../policy/policy.ts';
import type { Principal, SubjectRecord } from '../principals/principal.ts';
import { Refusal } from '../refusals.ts';
import { RAISED } from '../security/security-event.ts';
import { STARTED } from '../sessions/session-counts.ts';
import { SIGN_IN_FAILED } from './user-activity.ts';

/** Each with the kinds of events that stand in it, and the type of what they are about. */
const FEEDS = {
  apiKeys: { type: 'ApiKey', kinds: [KEY_CREATED, KEY_UPDATED, KEY_ROTATED, KEY_REVOKED, KEY_EXPIRED] },
  securityEvents: { type: 'SecurityEvent', kinds: [RAISED] },
  // Whoever may read the sessions of a user may know how they come in.
  signIns: { type: 'Session', kinds: [STARTED, SIGN_IN_FAILED] },
} as const;

export type PolicyFeedName = keyof typeof FEEDS;

/** An event with what it is about, as it was when the event was read. */
export interface HeardEvent {
  readonly event: OutboxEvent;
  readonly subject: SubjectRecord;
}

export interface HeardSink {
  begins(position: Position): void;
  /** In the step in which it is asked whether they may hear of it. */
  heard(heard: HeardEvent, position: Position): void;
  resync(position: Position): void;
}

/** Feeds of what happens to whomever it may: each event is for those who may read what it is about, and nobody else. */
export class PolicyFeeds {
  readonly #feeds: EventFeeds;
  readonly #policy: Policy;

  constructor(parts: { feeds: EventFeeds; policy: Policy }) {
    this.#feeds = parts.feeds;
    this.#policy = parts.policy;
  }

  /** Refuses with FORBIDDEN whoever would never be told of anything. */
  demandSome(by: Principal, feed: PolicyFeedName): void {
    if (by.kind === 'anonymous') throw new Refusal('UNAUTHENTICATED', 'Sign in first.');
    const { type } = FEEDS[feed];
    if (this.#policy.filter(by, 'read', type).kind !== 'none') return;
    throw new Refusal('FORBIDDEN', `No role or permission of yours allows you to read any ${type}.`);
  }

  mayHear(by: Principal, { subject }: Pick<HeardEvent, 'subject'>): boolean {
    return this.#policy.decide(by, 'read', subject).allowed;
  }

  /**
   * Tells `sink` what comes after `after`, or from now on, of what `by` may read at that moment; see {@link EventFeeds.open}. What
   * then waits is to be asked about again.
   */
  open(by: () => Principal, feed: PolicyFeedName, after: Position | 'now', sink: HeardSink): Promise<() => void> {
    this.demandSome(by(), feed);
    return this.#feeds.open(FEEDS[feed], after, new Hearing(this, by, sink));
  }
}

/** Lets through what somebody may hear at that moment. */
class Hearing implements EventSink {
  readonly #feeds: PolicyFeeds;
  readonly #by: () => Principal;
  readonly #sink: HeardSink;

  constructor(feeds: PolicyFeeds, by: () => Principal, sink: HeardSink) {
    this.#feeds = feeds;
    this.#by = by;
    this.#sink = sink;
  }

  begins(at: Position): void {
    this.#sink.begins(at);
  }

  event(event: OutboxEvent, at: Position, subject: SubjectRecord | null): void {
    if (subject !== null && this.#feeds.mayHear(this.#by(), { subject })) this.#sink.heard({ event, subject }, at);
  }

  resync(at: Position): void {
    this.#sink.resync(at);
  }
}

import type { Instant } from '../../kit/clock.ts';

/** What is told of an event of one kind besides what every event has. */
export type EventDetails = Readonly<Record<string, string | null>>;

/** What happened, to whom it belongs, and nothing that only some may know: a subscriber is told all of it. */
export interface NewEvent {
  /** What happened to what: `session.started`, `session.revoked` … */
  readonly kind: string;
  /** The id of what it happened to. */
  readonly subjectId: string;
  /** The user whose feed it stands in; null when it is in nobody's. */
  readonly userId: string | null;
  /** Why, in a word that clients may branch on; null where there is nothing to tell apart. */
  readonly reason: string | null;
  /** What its kind is told with; null where that is nothing. */
  readonly details: EventDetails | null;
  readonly at: Instant;
}

export interface OutboxEvent extends NewEvent {
  /** Its place in the feed: 1, 2, 3 … in one history of the database. */
  readonly seq: number;
}

export interface OutboxWriter {
  /** Tells these when the transaction commits, and not otherwise. What happens to a session is told by itself. */
  append(events: readonly NewEvent[]): Promise<void>;
  /**
   * Numbers events that are committed and have no number, in the order in which they were appended, at most `limit`, and
   * gives them back. Waits for another transaction that does, so that there is one at a time; an event whose transaction
   * commits later gets a higher number.
   */
  number(limit: number): Promise<readonly OutboxEvent[]>;
}

/** Where the outbox stands. */
export interface OutboxHead {
  /** The history its numbers belong to: the same as that of the authority log. */
  readonly epoch: string;
  /** The last number given; 0 before the first. */
  readonly head: number;
  /** The highest number of an event that was cleaned away; 0 before the first. */
  readonly trimmed: number;
}

/** Events after a place, in order, and where the outbox stood in the snapshot they were read from. */
export interface EventPage extends OutboxHead {
  readonly events: readonly OutboxEvent[];
}

export interface OutboxReader {
  /** Whether events are committed that have no number yet. */
  waiting(): Promise<boolean>;
  head(): Promise<OutboxHead>;
  /** Everybody's events after `seq`, in order, at most `limit`. One statement. */
  after(seq: number, limit: number): Promise<EventPage>;
  /** Those in the feed of one user. */
  ofUser(userId: string, seq: number, limit: number): Promise<EventPage>;
  /** Those of these kinds among the `span` events that come after `seq`, whoever's they are. */
  ofKinds(kinds: readonly string[], seq: number, span: number): Promise<EventPage>;
}

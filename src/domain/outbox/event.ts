import type { Instant } from '../../kit/clock.ts';

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

export interface OutboxReader {
  /** Whether events are committed that have no number yet. */
  waiting(): Promise<boolean>;
}

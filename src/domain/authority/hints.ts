/** An instance tells the others how far it has applied the log. Signed, since Redis is not trusted. */
export interface Acknowledgement {
  readonly instanceId: string;
  readonly epoch: string;
  readonly applied: number;
  readonly signature: string;
}

export interface HintListener {
  /** The log may have grown to `seq`. A hint only makes a poll come earlier; nothing is decided by it. */
  hint(seq: number): void;
  /** Not yet verified. */
  acknowledged(acknowledgement: Acknowledgement): void;
  /** Events of the outbox may have their numbers up to `seq`. */
  numbered(seq: number): void;
}

/**
 * News between instances, at most once, in no order, possibly twice, possibly never.
 * test/contract/hints.contract.ts holds every driver to these words.
 */
export interface Hints {
  /** Must deliver what others publish, and may deliver what this instance publishes, until closed. */
  subscribe(listener: Partial<HintListener>): Promise<void>;
  /** Must return at once and must never throw: a lost hint is not an error. */
  publishHint(seq: number): void;
  /** Must return at once and must never throw. */
  publishNumbered(seq: number): void;
  /** Must return at once and must never throw. */
  publishAcknowledgement(acknowledgement: Acknowledgement): void;
  /** Must stop all deliveries. */
  close(): Promise<void>;
}

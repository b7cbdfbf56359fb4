import type { Instant } from '../../kit/clock.ts';
import type { Pages } from '../pages.ts';
import type { AuditRecord } from './entry.ts';

/** Where the chain stood after a batch, and that we say so. */
export interface AuditHead {
  readonly number: number;
  readonly lastSeq: number;
  readonly hash: string;
  readonly at: Instant;
  /** Which key signed it, and how. */
  readonly key: string;
  readonly signature: string;
}

/** Entries that were numbered and chained in one transaction: all of one month. */
export interface AuditBatch extends AuditHead {
  /** `2026-11` */
  readonly month: string;
  readonly firstSeq: number;
  /** The hash of each entry, in order. */
  readonly entries: readonly string[];
}

/** The last batch of months whose entries are not kept any more: what the chain goes on from. */
export interface AuditAnchor extends AuditHead {
  /** The last such month. */
  readonly month: string;
}

export interface AuditReader extends Pages<AuditRecord> {
  /** Whether entries are committed that are not chained yet, or lie where an older version left them. */
  waiting(): Promise<boolean>;
  /** The last batch, or null. */
  head(): Promise<AuditHead | null>;
  /** The last anchor, or null. */
  anchor(): Promise<AuditAnchor | null>;
  /** Batches after this number, in order; at most `limit`. */
  batches(after: number, limit: number): Promise<readonly AuditBatch[]>;
  /** Chained entries with numbers from `from` to `to`, in order, at most `limit`. */
  between(from: number, to: number, limit: number): Promise<readonly AuditRecord[]>;
  /** The number of the first chained entry from then on; null when there is none. */
  firstSince(at: Instant): Promise<number | null>;
  /** How many entries are not chained yet. */
  unchained(): Promise<number>;
}

/** How entries come into the chain and leave it. One transaction at a time does any of this. */
export interface AuditChainWriter {
  /** Waits for the turn, which lasts until the end of the transaction. */
  begin(): Promise<void>;
  /** The last batch, or where the chain goes on from when there is none. */
  last(): Promise<AuditHead | null>;
  /** Entries of one month that are not chained yet, in the order of their ids; at most `limit`. */
  next(limit: number): Promise<readonly AuditRecord[]>;
  /** Adds a batch of just these entries, which get their numbers. */
  add(batch: AuditBatch, entries: readonly AuditRecord[]): Promise<void>;
  /** Moves entries that an older version left elsewhere, the oldest first; how many. */
  gather(limit: number): Promise<number>;
  /** Sees to it that there is a partition for each of these months. Fails where that would have to wait long. */
  prepare(months: readonly string[]): Promise<void>;
  /** The first month before `before` that has entries or batches, and is not anchored; null when there is none. */
  firstBefore(before: string): Promise<string | null>;
  /** The last batch of any month up to this one. */
  lastOf(month: string): Promise<AuditBatch | null>;
  /** Drops the entries of that month, and all batches before and at the anchor. */
  drop(anchor: AuditAnchor): Promise<void>;
  /** Up to which number a sink has taken the log; 0 before anything. */
  taken(sink: string): Promise<number>;
  take(sink: string, seq: number): Promise<void>;
}

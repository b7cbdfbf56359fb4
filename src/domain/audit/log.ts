import type { Instant } from '../../kit/clock.ts';
import type { Pages } from '../pages.ts';
import type { Companion, CompanionCount, CompanionPage } from './cross-check.ts';
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

/**
 * That entries of up to a month are not kept any more: their batches at the beginning of the chain are gone, and it goes on from
 * here. Batches of such months that came later in it are kept without their entries.
 */
export interface AuditAnchor extends AuditHead {
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
  /**
   * Entries with numbers before `first` or after `last`, and such as cannot be chained, since no calendar has their time: at most
   * `limit` of each. Nothing that is written here is one of them, unless it was chained since.
   */
  strays(first: number, last: number, limit: number): Promise<readonly AuditRecord[]>;
  /** The number of the first chained entry from then on; null when there is none. */
  firstSince(at: Instant): Promise<number | null>;
  /** How many entries are not chained yet. */
  unchained(): Promise<number>;
  /**
   * Which of these entries of the last `withinSeconds` are there, each with its place in the chain, or null: a place that another has as
   * well, or that lies before the log begins, is none. By the plain number of each.
   */
  present(ids: readonly string[], withinSeconds: number): Promise<readonly (readonly [string, number | null])[]>;
  /** Of `limit` rows of a companion after this one, those without an entry of their transaction; a hundred at most. Of dropped months nothing is said. */
  unaccompanied(companion: Companion, after: string, limit: number): Promise<CompanionPage>;
  /** How the authority log stands against its head, as far as nothing of it was cleaned away; null where it says nothing. */
  companions(): Promise<CompanionCount | null>;
}

/** How entries come into the chain and leave it. One transaction at a time does any of this. */
export interface AuditChainWriter {
  /** Takes the turn, which lasts until the end of the transaction. Waits for it, or says that it is somebody else's. */
  begin(how: 'wait' | 'try'): Promise<boolean>;
  /** The last batch, or null: then the chain goes on from the anchor. */
  last(): Promise<AuditHead | null>;
  /** Entries of one month that are not chained yet, in the order of their ids; at most `limit`. */
  next(limit: number): Promise<readonly AuditRecord[]>;
  /** Adds a batch of just these entries, which get their numbers. */
  add(batch: AuditBatch, entries: readonly AuditRecord[]): Promise<void>;
  /** Moves entries that an older version left elsewhere, the oldest first; how many. */
  gather(limit: number): Promise<number>;
  /** Sees to it that there is a partition for each of these months. Fails where that would have to wait long. */
  prepare(months: readonly string[]): Promise<void>;
  /** The first month before `before` that has entries, or batches beyond the anchor; null when there is none. */
  firstBefore(before: string): Promise<string | null>;
  /** The last of those batches at the beginning of the chain that are of months up to this one, or null. */
  lastUpTo(month: string): Promise<AuditHead | null>;
  /** The last anchor, or null. */
  anchor(): Promise<AuditAnchor | null>;
  /** Drops the entries of months up to that of the anchor, and the batches up to it, and goes on from there. */
  drop(anchor: AuditAnchor): Promise<void>;
}

import type { Instant } from '../../kit/clock.ts';

/** Words that tell the counts of a metric apart, by name: few names, and few values of each. */
export type Dimensions = Readonly<Record<string, string | boolean | null>>;

/** How often something happened in one quarter of an hour. */
export interface Count {
  readonly metric: string;
  /** Where the quarter begins, which is the same in every time zone there is. */
  readonly start: Instant;
  readonly dimensions: Dimensions;
  readonly count: number;
}

export interface RollupWriter {
  /**
   * Adds the counts to what is there, and says whether it did. Under an id that was added before it adds nothing, and it
   * waits for another transaction that is adding under the same id. Ids are remembered for a day.
   */
  add(flushId: string, counts: readonly Count[]): Promise<boolean>;
  /** Adds the counts to what is there: for whoever counts in the transaction that makes it so. */
  count(counts: readonly Count[]): Promise<void>;
}

export type BucketUnit = 'hour' | 'day' | 'week' | 'month';

export interface RollupQuestion {
  readonly metric: string;
  /** Quarters of an hour, in ms since the epoch: from the first on, and before the last. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly unit: BucketUnit;
  readonly timeZone: string;
  /** The dimension by whose values the counts of a bucket are told apart. */
  readonly by: string;
}

export interface RollupAnswer {
  /** Every combination that was counted in the range, or in the equally long time before it. */
  readonly groups: readonly {
    readonly dimensions: Dimensions;
    readonly count: number;
    readonly before: number;
  }[];
  /**
   * The hours or days of the calendar of the time zone that have a part in the range, in order, with what was counted in
   * that part. Values that were not counted are not there. A missing dimension has the value null.
   */
  readonly buckets: readonly {
    readonly startMs: number;
    readonly counts: readonly { readonly value: string | boolean | null; readonly count: number }[];
  }[];
}

export interface RollupReader {
  /** All of the answer from one snapshot. Refuses a time zone that the database does not know with BAD_USER_INPUT. */
  read(question: RollupQuestion): Promise<RollupAnswer>;
}

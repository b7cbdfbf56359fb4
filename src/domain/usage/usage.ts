import { createHash } from 'node:crypto';
import type { Instant } from '../../kit/clock.ts';

/** `admitted` operations began, `limited` ones did not; of those that began, `failed` ones were answered with errors. */
export type Outcome = 'admitted' | 'limited' | 'failed';

/** What an operation is counted as, in its hour. */
export interface Use extends UsageHour {
  /** Of what was shown: of a credential that is replaced now and then. */
  readonly version: string;
  /** As {@link operationLabel} has it. */
  readonly operation: string;
}

/** The hour of whatever is counted: of an API key. */
export interface UsageHour {
  /** Whose it is: what is counted and limited for one subject lies together. */
  readonly subject: string;
  readonly id: string;
  /** When it begins, in ms since the epoch. */
  readonly hourMs: number;
}

export interface UsageCount {
  readonly version: string;
  readonly operation: string;
  readonly outcome: Outcome;
  readonly count: number;
}

/** Stands for the operations that could not be told apart any more. */
export const OTHER_OPERATIONS = '*';

/** Operations told apart in one hour of one key, with their versions and outcomes. */
export const COUNTS_PER_HOUR_MAX = 300;

const HOUR_MS = 3_600_000;
const NAMED = /^\s*(?:query|mutation|subscription)\s+(\w+)/;
const NAME = /^[_A-Za-z]\w{0,63}$/;

export const hourOf = (epochMs: number): number => Math.floor(epochMs / HOUR_MS) * HOUR_MS;

/** The name that a request gives, or that its text begins with; or what tells a text without one from others. */
export function operationLabel(name: string | null, query: string): string {
  const told = name ?? NAMED.exec(query)?.[1] ?? '';
  if (NAME.test(told)) return told;
  return `sha256:${createHash('sha256').update(query).digest('base64url').slice(0, 16)}`;
}

/** What was counted in an hour by those who keep counts for a while, since they last lost any. */
export interface UsageStock extends UsageHour {
  /** Another one after every loss: counts of different eras add up, and those of one only grow. */
  readonly era: string;
  readonly counts: readonly UsageCount[];
}

/**
 * Counts of uses that are kept for some days, over all instances. test/contract/usage-counts.contract.ts holds every driver to
 * these words.
 *
 * - It must count what is taken in the same step, with whether it was allowed.
 * - It must add a batch once, however often it comes.
 * - It must tell apart no more than {@link COUNTS_PER_HOUR_MAX} counts of an hour, and count the rest as {@link OTHER_OPERATIONS}.
 * - It must name the hours in which something was counted until they are settled.
 * - It must let one claim the turn at a time, and another when the time of it is over.
 * - It must begin another era when it has lost what it counted.
 * - It must answer with null when it cannot answer in time, and must never throw.
 */
export interface UsageCounts {
  /** Adds counts that were made elsewhere. Batches of one sender come in the order of their numbers, each until it was answered. */
  add(
    hour: UsageHour,
    batch: { readonly from: string; readonly number: number },
    counts: readonly UsageCount[],
  ): Promise<true | null>;
  /** Whether it is this caller's turn, which then is nobody else's for so long. */
  claim(ms: number): Promise<boolean | null>;
  hours(): Promise<readonly UsageHour[] | null>;
  /** In the order of the hours; null for those that have no counts, or are not answered in time. */
  read(hours: readonly UsageHour[]): Promise<readonly (UsageStock | null)[]>;
  /** Names these no longer, unless something is counted in them again. */
  settle(hours: readonly UsageHour[]): Promise<void>;
}

/** What is written of an hour for good. */
export interface UsageWriter {
  /** Sets the counts of these stocks. What is there and larger stays: it was read later. One statement. */
  put(stocks: readonly UsageStock[]): Promise<void>;
  /** Removes counts of hours before then; how many. */
  forget(before: Instant, limit: number): Promise<number>;
}

export interface UsageOfHour extends UsageCount {
  readonly hour: Instant;
}

export interface UsageQuestion {
  readonly id: string;
  /** Whole hours, in ms since the epoch: from the first on, and before the last. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly unit: 'hour' | 'day' | 'week' | 'month';
  readonly timeZone: string;
  /** Versions, operations and outcomes that are told apart, at most. */
  readonly operationsMax: number;
}

export interface UsageAnswer {
  /** The most frequent first. */
  readonly operations: readonly UsageCount[];
  /**
   * The hours or days of the calendar of the time zone that have a part in the range, in order, with the uses of the hours that
   * begin in that part.
   */
  readonly buckets: readonly {
    readonly startMs: number;
    readonly counts: Readonly<Partial<Record<Outcome, number>>>;
  }[];
}

export interface UsageReader {
  /** Summed over all eras. All of the answer from one snapshot. Refuses a time zone that the database does not know. */
  report(question: UsageQuestion): Promise<UsageAnswer>;
  /** What was counted for it in the hours that begin in this range, over all eras, in order of the hours. One statement. */
  read(id: string, fromMs: number, toMs: number): Promise<readonly UsageOfHour[]>;
}

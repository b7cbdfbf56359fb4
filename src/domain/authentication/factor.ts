import type { Instant } from '../../kit/clock.ts';
import type { Guesses } from './guesses.ts';

/** An authenticator app of a user. It counts as a second factor once a code of it has confirmed it. */
export interface TotpFactor extends Guesses {
  readonly userId: string;
  /** Sealed for this user. */
  readonly sealedSecret: string;
  readonly createdAt: Instant;
  readonly confirmedAt: Instant | null;
  /** The latest step of which a code was accepted: no other of it or before it is. */
  readonly lastStep: number | null;
}

export interface FactorReader {
  /** The user's factor, confirmed or not, or null. */
  find(userId: string): Promise<TotpFactor | null>;
  /** Those of the users who have a confirmed factor. One statement. */
  confirmedAmong(userIds: readonly string[]): Promise<readonly string[]>;
  /** Users with a factor after this id, in the order of their ids; at most `limit`. */
  userIdsAfter(userId: string, limit: number): Promise<readonly string[]>;
}

/** Inside a transaction `find` locks the row it returns. */
export interface FactorWriter extends FactorReader {
  /** Adds a factor without failures, in place of one that was not confirmed; false where one is confirmed. */
  begin(userId: string, sealedSecret: string, at: Instant): Promise<boolean>;
  confirm(userId: string, at: Instant): Promise<void>;
  /** Notes a step as used and forgets all failures: of N callers with one step, or an earlier one, at most one gets true. */
  useStep(userId: string, step: number): Promise<boolean>;
  saveGuesses(userId: string, guesses: Guesses): Promise<void>;
  reseal(userId: string, sealedSecret: string): Promise<void>;
  /** Removes the factor with all recovery codes. */
  remove(userId: string): Promise<void>;
  /** What is kept of the user's unused recovery codes. */
  recoveryCodes(userId: string): Promise<readonly string[]>;
  /** Puts these in place of all that there were. */
  replaceRecoveryCodes(userId: string, sealed: readonly string[]): Promise<void>;
  /** Takes one away: of N callers at most one gets true. */
  useRecoveryCode(userId: string, sealed: string): Promise<boolean>;
}

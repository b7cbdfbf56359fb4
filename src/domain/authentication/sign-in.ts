import type { Clock, Instant } from '../../kit/clock.ts';
import { toInstant } from '../../kit/clock.ts';
import { newId } from '../../kit/ids.ts';
import type { BucketUnit } from '../analytics/rollup-store.ts';
import type { PageKey } from '../pages.ts';
import { readClient, readDevice, type Device } from '../sessions/device.ts';
import type { Session } from '../sessions/session.ts';
import type { Transaction } from '../store.ts';
import type { Origin } from './origin.ts';

export type SignInOutcome = 'succeeded' | 'wrong_password' | 'wrong_code';

/** That somebody signed in, or tried to with a password or a code that was looked at and was wrong. */
export interface SignIn extends Device {
  readonly id: string;
  /** Null where nobody has the address: it is written so that it costs the same, and is removed soon. */
  readonly userId: string | null;
  readonly at: Instant;
  readonly outcome: SignInOutcome;
  /** How the session began that it started, and its id; null where none did. */
  readonly aal: Session['aal'] | null;
  readonly sessionId: string | null;
  readonly client: string | null;
  readonly address: string | null;
}

/** A device as its user agent tells it, by which a user has signed in. */
export interface SeenDevice extends Device {
  readonly firstSeenAt: Instant;
  readonly lastSeenAt: Instant;
  readonly signIns: number;
}

export type ActivityWord = 'signed_in' | 'failed' | 'refreshed';

export interface ActivityCount {
  readonly userId: string;
  /** Where the quarter begins. */
  readonly start: Instant;
  readonly what: ActivityWord;
  readonly count: number;
}

export interface ActivityQuestion {
  readonly userId: string;
  /** Quarters of an hour, in ms since the epoch: from the first on, and before the last. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly unit: BucketUnit;
  readonly timeZone: string;
}

export interface SignInReader {
  /** Sign-ins of the user, the newest first, behind `after`; at most `limit`. One statement. */
  page(userId: string, after: PageKey | null, limit: number): Promise<readonly SignIn[]>;
  /** The devices that the user has signed in by within that time, the one that was used last first; at most `limit`. */
  devices(userId: string, from: Instant, to: Instant, limit: number): Promise<readonly SeenDevice[]>;
  /** When each of these users last signed in, without those who never did. One statement. */
  lastOf(userIds: readonly string[]): Promise<ReadonlyMap<string, Instant>>;
  /** What was counted, in the hours or days of a calendar that have a part in the range, in order. */
  activity(
    question: ActivityQuestion,
  ): Promise<readonly { readonly startMs: number; readonly counts: Readonly<Partial<Record<ActivityWord, number>>> }[]>;
  /** How many users were active, and how many of them came back. One statement. */
  activeUsers(question: Omit<ActivityQuestion, 'userId'>): Promise<ActiveUsers>;
}

export interface ActiveUsers {
  /** Users who signed in or went on within the range. */
  readonly active: number;
  /** In the hours, days, weeks or months that have a part in the range, in order. */
  readonly buckets: readonly {
    readonly startMs: number;
    readonly active: number;
    /** Those of them who were active in the one before, and in the first of all. */
    readonly fromPrevious: number;
    readonly fromFirst: number;
  }[];
}

export interface SignInWriter {
  /** Writes it, and tells of one that failed. One statement, whether or not there is such a user. */
  add(signIn: SignIn): Promise<void>;
  /** Adds to what is counted, and notes the last sign-ins. */
  count(counts: readonly ActivityCount[], last: ReadonlyMap<string, Instant>): Promise<void>;
  /** The hours of these in which something of a user has failed already, as `user hour`. */
  failedHours(hours: readonly { readonly userId: string; readonly hour: Instant }[]): Promise<ReadonlySet<string>>;
}

/** What is to be remembered of a sign-in from there. */
export function signInFrom(
  { userAgent, address, client }: Origin,
  parts: Pick<SignIn, 'userId' | 'outcome'> & { readonly session?: Session; readonly clock: Clock },
): SignIn {
  const { userId, outcome, session, clock } = parts;
  return {
    id: newId('signIn'),
    userId,
    at: session?.createdAt ?? toInstant(clock.now()),
    outcome,
    aal: session?.aal ?? null,
    sessionId: session?.id ?? null,
    ...readDevice(userAgent),
    client: readClient(client),
    address,
  };
}

/** Remembers one that failed, as a part of the transaction. */
export function noteFailure(
  tx: Transaction,
  from: Origin,
  parts: { readonly userId: string | null; readonly outcome: SignInOutcome; readonly clock: Clock },
): Promise<void> {
  return tx.signIns.add(signInFrom(from, parts));
}

import type { Instant } from '../../kit/clock.ts';
import { isId } from '../../kit/ids.ts';
import type { Keys } from '../../kit/secret.ts';
import { Refusal } from '../refusals.ts';
import type { Transaction } from '../store.ts';

/** A sign-in whose password was right and that waits for its second factor, or for the user to get one. It is no session, and can become one once. */
export interface Challenge {
  readonly id: string;
  readonly userId: string;
  readonly createdAt: Instant;
  readonly expiresAt: Instant;
  readonly usedAt: Instant | null;
}

export interface ChallengeWriter {
  /** Adds it, and removes those of the same user that expired before it was made. */
  add(challenge: Challenge): Promise<void>;
  /** The challenge, locked, or null. */
  find(id: string): Promise<Challenge | null>;
  /** Marks it as used: of N callers at most one gets true. */
  use(id: string, at: Instant): Promise<boolean>;
  /** Removes all of the user's. */
  removeAllOf(userId: string): Promise<void>;
  removeAllOfMany(userIds: readonly string[]): Promise<void>;
}

const PREFIX = 'mfa';
const SHAPE = /^mfa\.([a-z0-9_]{1,64})\.([a-z0-9_]{1,64})\.([A-Za-z0-9_-]{8})\.([A-Za-z0-9_-]{43})$/;

/**
 * Opaque tokens for challenges: the ids of user and challenge under a MAC. The id is 130 random bits that only the token and
 * its row have, and the key is not in the database, so that the rows are of no use to whoever reads them.
 */
export class ChallengeTokens {
  readonly #keys: Keys;

  constructor(keys: Keys) {
    this.#keys = keys;
  }

  make({ id, userId }: Pick<Challenge, 'id' | 'userId'>): string {
    return [PREFIX, userId, id, this.#keys.sign('challenges', userId, id)].join('.');
  }

  /** Refuses with UNAUTHENTICATED what was never one of ours. */
  parse(token: string): Pick<Challenge, 'id' | 'userId'> {
    const [, userId, id, keyId, mac] = SHAPE.exec(token) ?? [];
    const ours =
      userId !== undefined &&
      id !== undefined &&
      isId('user', userId) &&
      isId('challenge', id) &&
      this.#keys.verify('challenges', `${keyId}.${mac}`, userId, id);
    if (!ours) throw challengeNotValid();
    return { id, userId };
  }
}

/** Refuses one that is not there, used, or expired at that time. It stays locked. */
export async function demandWaiting(
  tx: Transaction,
  { id, userId }: Pick<Challenge, 'id' | 'userId'>,
  now: Instant,
): Promise<void> {
  const challenge = await tx.challenges.find(id);
  const waits = challenge !== null && challenge.userId === userId && challenge.usedAt === null;
  if (!waits || challenge.expiresAt <= now) throw challengeNotValid();
}

/** The one answer for a challenge that is wrong, expired or used, or whose user is shut out. */
export function challengeNotValid(): Refusal {
  return new Refusal('UNAUTHENTICATED', 'This challenge is not valid. Sign in again.');
}

import { type Clock, toInstant } from '../../kit/clock.ts';
import { Refusal } from '../refusals.ts';
import type { Session } from '../sessions/session.ts';
import type { Transaction } from '../store.ts';

export interface SessionLimitSettings {
  /** How many live sessions a user may have. */
  readonly sessionsPerUser: number;
  /** What happens to one more: it ends the oldest, or does not start. */
  readonly sessionsOverLimit: 'end-oldest' | 'refuse';
}

/** What one start ends at most, where the limit has come down. */
const ENDED_AT_ONCE_MAX = 1_000;

/** There are as many sessions as there may be: the oldest must end first, which takes a transaction that changes the user. */
export class LimitReached extends Error {
  override readonly name = 'LimitReached';
}

/** How many sessions a user may have at a time. */
export class SessionLimit {
  readonly #settings: SessionLimitSettings;
  readonly #clock: Clock;

  constructor({ settings, clock }: { settings: SessionLimitSettings; clock: Clock }) {
    this.#settings = settings;
    this.#clock = clock;
  }

  /**
   * Sees that the user may have one session more, in a transaction that shares the user. Otherwise it throws
   * {@link LimitReached}, or refuses with FORBIDDEN, and what was used up by proving who the user is comes back with all else.
   */
  async demandRoom(tx: Transaction, userId: string): Promise<void> {
    const { sessionsPerUser: most, sessionsOverLimit } = this.#settings;
    if ((await tx.sessions.countToStart(userId, this.#now(), most)) < most) return;
    if (sessionsOverLimit === 'end-oldest') throw new LimitReached();
    throw new Refusal('FORBIDDEN', `You have ${most} sessions, and no more may start. End another one first.`, {
      reason: 'session_limit',
    });
  }

  /** Ends the oldest sessions so that one more may start, in a transaction that changes the user. */
  async makeRoom(tx: Transaction, { id, userId }: Pick<Session, 'id' | 'userId'>): Promise<void> {
    const reason = 'session_limit';
    const now = this.#now();
    const keep = this.#settings.sessionsPerUser - 1;
    const oldest = await tx.sessions.oldestOf(userId, now, { keep, limit: ENDED_AT_ONCE_MAX });
    if (oldest.length === 0) return;
    await tx.sessions.revokeMany(oldest, now, reason);
    const entry = { by: userId, sessionId: id, action: 'session.revoke', after: { reason } };
    await tx.audit.appendAll(oldest.map((subjectId) => ({ ...entry, subjectId })));
    await tx.authority.appendAll(oldest.map((target) => ({ target, kind: 'revoked', userId, reason })));
  }

  #now(): string {
    return toInstant(this.#clock.now());
  }
}

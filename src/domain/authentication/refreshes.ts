import { toInstant, type Clock } from '../../kit/clock.ts';
import { newId } from '../../kit/ids.ts';
import type { Authority, Enforced } from '../authority/authority.ts';
import type { Standings } from '../policy/standings.ts';
import { lacksSecondFactor, secondFactorMissing } from '../principals/enrollment.ts';
import { demandSession, SYSTEM } from '../principals/principal.ts';
import { Refusal } from '../refusals.ts';
import { raise } from '../security/raise.ts';
import { ACTIVITY_LOSS_MS } from '../sessions/activity.ts';
import { readDevice } from '../sessions/device.ts';
import type { SessionProfiles } from '../sessions/profiles.ts';
import type { RefreshState, Session } from '../sessions/session.ts';
import type { Store, Transaction } from '../store.ts';
import type { RefreshToken, RefreshTokens } from '../tokens/refresh-tokens.ts';
import { isActive, type User } from '../users/user.ts';
import type { Identification } from './identification.ts';
import type { Origin } from './origin.ts';
import { type Issuing, type SignedIn, signedIn } from './signed-in.ts';
import { Suspected, type Takeovers } from './takeovers.ts';

export interface RefreshSettings {
  readonly sessionProfiles: SessionProfiles;
  /** How long the token just replaced still gets its successor: for replies that were lost. */
  readonly refreshGraceSeconds: number;
}

/** One of ours that is no longer the current one, shown again outside its grace: somebody else has it. */
class Reused extends Error {
  override readonly name = 'Reused';
}

/** Goes on with sessions, and ends them for those who leave. */
export class Refreshes {
  readonly #store: Store;
  readonly #authority: Authority;
  readonly #identification: Identification;
  readonly #standings: Standings;
  readonly #issuing: Issuing;
  readonly #refreshTokens: RefreshTokens;
  readonly #takeovers: Takeovers;
  readonly #settings: RefreshSettings;
  readonly #clock: Clock;

  constructor(
    parts: Issuing & {
      store: Store;
      authority: Authority;
      identification: Identification;
      standings: Standings;
      refreshTokens: RefreshTokens;
      takeovers: Takeovers;
      settings: RefreshSettings;
      clock: Clock;
    },
  ) {
    this.#store = parts.store;
    this.#authority = parts.authority;
    this.#identification = parts.identification;
    this.#standings = parts.standings;
    this.#issuing = parts;
    this.#refreshTokens = parts.refreshTokens;
    this.#takeovers = parts.takeovers;
    this.#settings = parts.settings;
    this.#clock = parts.clock;
  }

  /**
   * Rotates a refresh token. Of many concurrent callers one makes the successor and the others, within grace, get the same
   * one. A token that is older than that was copied: its whole family is revoked. One that comes from another network and device
   * is judged first, and one whose session lacks a second factor is refused; neither is used up by that.
   */
  async refresh(token: string, from: Origin): Promise<SignedIn> {
    const presented = this.#refreshTokens.parse(token);
    const standing = await this.#standings.of(presented.userId);
    try {
      const granted = await this.#authority.commit(SYSTEM, { share: [presented.userId] }, async (tx) => {
        const [position, { user, session, refresh }] = await Promise.all([tx.fence.head(), this.#going(tx, presented)]);
        const isCurrent = refresh.currentHash === presented.hash;
        const lacking = standing !== null && lacksSecondFactor(standing, session);
        const successor = isCurrent ? null : this.#withinGrace(presented, refresh);
        if (!isCurrent && successor === null) throw new Reused();
        const suspicion = this.#takeovers.suspicionOf(session, from);
        const refusal = suspicion === null ? null : await this.#takeovers.note(tx, suspicion);
        // A value: what was suspected stays written.
        if (refusal !== null) return refusal;
        if (lacking) throw secondFactorMissing();
        if (successor !== null) return { refresh: successor, session, user, position };
        const next = this.#refreshTokens.make(user.id, session.id);
        await tx.sessions.rotate({
          sessionId: session.id,
          presentedHash: presented.hash,
          nextHash: next.hash,
          successor: this.#refreshTokens.sealSuccessor(presented, next),
          at: this.#now(),
        });
        await tx.audit.append({ by: user.id, sessionId: session.id, action: 'session.refresh', subjectId: session.id });
        return { refresh: next, session, user, position };
      });
      if (granted instanceof Refusal) throw granted;
      return await signedIn(this.#issuing, granted);
    } catch (error) {
      if (error instanceof Suspected) {
        await this.#takeovers.end(error.suspicion);
        // It has proven itself there meanwhile.
        return this.refresh(token, from);
      }
      if (!(error instanceof Reused)) throw error;
    }
    await this.#endReused(presented, from);
    throw revoked();
  }

  /**
   * The session that this refresh token would go on with. It is not used by that. Refuses one that would be refused, and tells
   * nobody that it was shown.
   */
  async sessionOf(token: string): Promise<Session> {
    const presented = this.#refreshTokens.parse(token);
    const { value } = await this.#store.transaction(async (tx) => {
      const { session, refresh } = await this.#going(tx, presented);
      if (refresh.currentHash === presented.hash || this.#withinGrace(presented, refresh) !== null) return session;
      throw revoked();
    });
    return value;
  }

  /**
   * Ends the session that an access or refresh token of ours stands for, with the receipt, so that none of its tokens is good
   * any more. Refuses what is no token of ours, or of a session that has ended.
   */
  async revokeToken(token: string): Promise<Enforced<void>> {
    if (this.#refreshTokens.isOne(token)) return this.#end(this.#refreshTokens.parse(token));
    const by = await this.#identification.identify({ kind: 'accessToken', token });
    if (by.kind !== 'user') throw notValid();
    return this.#end({ userId: by.id, sessionId: demandSession(by).credential.sessionId });
  }

  /** The session of this token, which goes on, and its user. */
  async #going(
    tx: Transaction,
    { userId, sessionId }: RefreshToken,
  ): Promise<{ readonly user: User; readonly session: Session; readonly refresh: RefreshState }> {
    const [user, found] = await Promise.all([tx.users.find(userId), tx.sessions.findWithRefresh(sessionId)]);
    if (user === null || found === null || found.session.userId !== user.id) throw notValid();
    if (!isActive(user) || found.session.revokedAt !== null) throw revoked();
    if (found.session.expiresAt <= this.#now() || this.#isIdle(found)) throw ended();
    return { user, ...found };
  }

  /** Whether nobody has used the session for too long. What is written lags a little behind, and is believed for as long. */
  #isIdle({ session, refresh }: { readonly session: Session; readonly refresh: RefreshState }): boolean {
    const uses = [session.createdAt, refresh.rotatedAt, session.lastSeenAt].map((at) =>
      at === null ? 0 : Date.parse(at),
    );
    const idleMs = this.#settings.sessionProfiles[session.aal].idleSeconds * 1_000;
    return this.#clock.now() > Math.max(...uses) + idleMs + ACTIVITY_LOSS_MS;
  }

  #withinGrace(
    presented: RefreshToken,
    refresh: { previousHash: string | null; rotatedAt: string | null; successor: string | null },
  ): RefreshToken | null {
    if (refresh.previousHash !== presented.hash || refresh.rotatedAt === null || refresh.successor === null)
      return null;
    const graceEndsMs = Date.parse(refresh.rotatedAt) + this.#settings.refreshGraceSeconds * 1_000;
    if (this.#clock.now() >= graceEndsMs) return null;
    return this.#refreshTokens.openSuccessor(presented, refresh.successor);
  }

  #end(whose: Pick<RefreshToken, 'userId' | 'sessionId'>): Promise<Enforced<void>> {
    return this.#ending(whose, 'signed_out', async (tx) => {
      const { userId: by, sessionId } = whose;
      await tx.audit.append({ by, sessionId, action: 'session.revoke', subjectId: sessionId });
    });
  }

  #endReused({ userId, sessionId }: RefreshToken, { userAgent, address }: Origin): Promise<Enforced<void>> {
    return this.#ending({ userId, sessionId }, 'refresh_reuse', async (tx) => {
      const kind = 'session.refresh_reuse';
      const what = { kind, severity: 'critical', action: 'revoke', address, ...readDevice(userAgent) } as const;
      const event = { id: newId('securityEvent'), at: this.#now(), userId, sessionId, ...what };
      await raise(tx, event, `${kind} ${sessionId}`);
      await tx.audit.append({ by: userId, sessionId, action: kind, subjectId: sessionId });
    });
  }

  #ending(
    { userId, sessionId }: Pick<RefreshToken, 'userId' | 'sessionId'>,
    reason: 'signed_out' | 'refresh_reuse',
    record: (tx: Transaction) => Promise<void>,
  ): Promise<Enforced<void>> {
    return this.#authority.change(SYSTEM, { change: [userId] }, async (tx) => {
      const session = await tx.sessions.find(sessionId);
      if (session === null || session.revokedAt !== null) return;
      await tx.sessions.revoke(sessionId, this.#now(), reason);
      await record(tx);
      await tx.authority.append({ target: sessionId, kind: 'revoked', userId, reason });
    });
  }

  #now(): string {
    return toInstant(this.#clock.now());
  }
}

function notValid(): Refusal {
  return new Refusal('UNAUTHENTICATED', 'This refresh token is not valid. Sign in again.');
}

function revoked(): Refusal {
  return new Refusal('SESSION_REVOKED', 'This session has been revoked. Sign in again.');
}

function ended(): Refusal {
  return new Refusal('TOKEN_EXPIRED', 'This session has ended. Sign in again.');
}

import { toInstant, type Clock } from '../../kit/clock.ts';
import type { Position } from '../authority/position.ts';
import { demandSession, type UserPrincipal } from '../principals/principal.ts';
import { Refusal } from '../refusals.ts';
import { readDevice } from '../sessions/device.ts';
import type { SessionProfiles } from '../sessions/profiles.ts';
import type { Session } from '../sessions/session.ts';
import type { Transaction } from '../store.ts';
import type { AccessTokens } from '../tokens/access-tokens.ts';
import type { RefreshToken, RefreshTokens } from '../tokens/refresh-tokens.ts';
import { isActive } from '../users/user.ts';
import type { MfaMethod } from './code-check.ts';
import type { Origin } from './origin.ts';
import type { Takeovers } from './takeovers.ts';

/** What a session goes on with once it has proven more. */
export interface FreshTokens {
  readonly accessToken: string;
  readonly refreshToken: string;
  /** When the access token ends. */
  readonly expiresAt: string;
  readonly session: Session;
}

/** A session that has proven more, before its access token is signed. */
export interface Proven {
  readonly session: Session;
  readonly refresh: RefreshToken;
  readonly position: Position;
}

/** What sessions have proven since they began. The session stays the same; whatever stood for it before does not. */
export class SessionProofs {
  readonly #accessTokens: AccessTokens;
  readonly #refreshTokens: RefreshTokens;
  readonly #takeovers: Takeovers;
  readonly #settings: { readonly sessionProfiles: SessionProfiles };
  readonly #clock: Clock;

  constructor(parts: {
    accessTokens: AccessTokens;
    refreshTokens: RefreshTokens;
    takeovers: Takeovers;
    settings: { readonly sessionProfiles: SessionProfiles };
    clock: Clock;
  }) {
    this.#accessTokens = parts.accessTokens;
    this.#refreshTokens = parts.refreshTokens;
    this.#takeovers = parts.takeovers;
    this.#settings = parts.settings;
    this.#clock = parts.clock;
  }

  /**
   * Notes what was proven just now, as a part of a change that locks the user. All older refresh tokens of the session are dead
   * at once, without grace: who had a copy of one must not rise with its owner. A level is not lowered by it, and the session lasts
   * no longer than one that begins at its level now.
   *
   * @param from where it was proven: that is where the session is at home from now on; null changes nothing about that
   */
  async note(tx: Transaction, by: UserPrincipal, what: 'password' | MfaMethod, from: Origin | null): Promise<Proven> {
    const { id, credential } = demandSession(by);
    // The head first: the token must not vouch for anything newer than the rows it rests on.
    const [position, user, found] = await Promise.all([
      tx.fence.head(),
      tx.users.find(id),
      tx.sessions.find(credential.sessionId),
    ]);
    if (user === null || !isActive(user) || found === null || found.revokedAt !== null) throw revoked();

    const now = this.#clock.now();
    const aal = what === 'password' ? found.aal : 2;
    const lifeEndsMs = now + this.#settings.sessionProfiles[aal].lifeSeconds * 1_000;
    const session: Session = {
      ...found,
      ...this.#home(found, from),
      aal,
      authenticatedAt: toInstant(now),
      expiresAt: toInstant(Math.min(Date.parse(found.expiresAt), lifeEndsMs)),
    };
    const refresh = this.#refreshTokens.make(user.id, session.id);
    await tx.sessions.prove(session, refresh.hash);
    await tx.audit.append({
      by: user.id,
      sessionId: session.id,
      action: 'session.step_up',
      subjectId: session.id,
      before: { aal: found.aal },
      after: { aal, by: what },
    });
    await tx.authority.append({ target: session.id, kind: 'changed', userId: user.id, reason: 'step_up' });
    return { session, refresh, position };
  }

  /**
   * What proved the second factor is gone: the session is at the level of its password again, with the tokens it has. It ends when
   * it would have.
   */
  async forget(tx: Transaction, by: UserPrincipal): Promise<void> {
    const { id, credential } = demandSession(by);
    await tx.sessions.lower(credential.sessionId);
    await tx.authority.append({ target: credential.sessionId, kind: 'changed', userId: id, reason: 'mfa_changed' });
  }

  /** Another place takes the place of the one before. The same, or one that is not known for sure, does not. */
  #home(session: Session, from: Origin | null): Partial<Session> {
    if (from === null || this.#takeovers.suspicionOf(session, from) === null) return {};
    const { userAgent, address } = from;
    return { userAgent, address, ...readDevice(userAgent) };
  }

  async tokens({ session, refresh, position }: Proven): Promise<FreshTokens> {
    const { accessToken, expiresAtMs } = await this.#accessTokens.issue({
      userId: session.userId,
      sessionId: session.id,
      position,
      authenticatedAtMs: Date.parse(session.authenticatedAt),
      sessionExpiresAtMs: Date.parse(session.expiresAt),
    });
    return { accessToken, refreshToken: refresh.token, expiresAt: toInstant(expiresAtMs), session };
  }
}

function revoked(): Refusal {
  return new Refusal('SESSION_REVOKED', 'This session has been revoked. Sign in again.');
}

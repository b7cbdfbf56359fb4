import type { Clock } from '../../kit/clock.ts';
import { sameEpoch } from '../authority/position.ts';
import type { Tail } from '../authority/tail.ts';
import type { Standings } from '../policy/standings.ts';
import { ANONYMOUS, type Principal, type Standing, type UserPrincipal } from '../principals/principal.ts';
import { isSuperseded } from '../principals/proof.ts';
import { Refusal } from '../refusals.ts';
import type { SessionState, SessionStates } from '../sessions/session-states.ts';
import type { AccessClaims, AccessTokens } from '../tokens/access-tokens.ts';
import type { KeyIdentification, ShownApiKey } from './key-identification.ts';

/** What was shown at the door, unverified. */
export type Credential =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'accessToken';
      readonly token: string;
      /** That a socket was opened with it: then it is not shown again, and what its session proved since makes no end of it. */
      readonly held?: boolean;
    }
  | ShownApiKey;

/** From a credential to who acts. */
export class Identification {
  readonly #tail: Tail;
  readonly #standings: Standings;
  readonly #sessions: SessionStates;
  readonly #accessTokens: AccessTokens;
  readonly #apiKeys: KeyIdentification;
  readonly #clock: Clock;

  constructor(parts: {
    sessions: SessionStates;
    tail: Tail;
    standings: Standings;
    accessTokens: AccessTokens;
    apiKeys: KeyIdentification;
    clock: Clock;
  }) {
    this.#tail = parts.tail;
    this.#standings = parts.standings;
    this.#sessions = parts.sessions;
    this.#accessTokens = parts.accessTokens;
    this.#apiKeys = parts.apiKeys;
    this.#clock = parts.clock;
  }

  /**
   * Who this is, now. A credential that was shown and does not hold is refused, never taken for anonymous. Warm, it costs
   * a hash and a few look-ups; it asks the database only for what this instance has not seen yet.
   */
  async identify(credential: Credential): Promise<Principal> {
    if (credential.kind === 'none') {
      await this.#tail.awaitForce();
      return ANONYMOUS;
    }
    if (credential.kind === 'apiKey')
      return this.#apiKeys.identifyWarm(credential) ?? this.#apiKeys.identify(credential);
    const { token, held } = credential;
    return this.identifyWarm(token, held) ?? this.#identifyCold(token, held);
  }

  /** Who this is, if everything about them is known here and in force; null sends the caller the long way. */
  identifyNow(credential: Credential): UserPrincipal | null {
    if (credential.kind === 'none') return null;
    if (credential.kind === 'apiKey') return this.#apiKeys.identifyWarm(credential);
    return this.identifyWarm(credential.token, credential.held);
  }

  /**
   * The same principal as it is now: under a valid lease, with its credential good and its standing current. Refuses as
   * {@link identify} does. Whoever goes on after a wait asks again.
   */
  async recheck(by: Principal): Promise<Principal> {
    const key = by.kind === 'user' ? by.credential.key : null;
    return by.kind === 'user' && key !== null ? this.#apiKeys.recheck(by, key) : this.#standings.recheck(by);
  }

  /** Whether {@link recheck} would give back this very principal, and read nothing for it. */
  stillHolds(by: UserPrincipal): boolean {
    const { key } = by.credential;
    return key === null ? this.#standings.stillHolds(by) : this.#apiKeys.stillHolds(by, key);
  }

  /** The principal, if everything about it is known here and in force; null sends the caller the long way. */
  identifyWarm(token: string, held = false): UserPrincipal | null {
    const claims = this.#accessTokens.verified(token);
    if (claims === undefined || !this.#tail.inForce() || this.#clock.now() >= claims.expiresAtMs) return null;
    const { tombstones, position } = this.#tail;
    const { userId, sessionId, kid } = claims;
    const label = claims.position.seq;
    if (label < tombstones.horizon || !sameEpoch(claims.position.epoch, position.epoch)) return null;
    if (
      tombstones.revokedSince(sessionId, label) ||
      tombstones.revokedSince(userId, label) ||
      tombstones.revokedSince(kid, label)
    ) {
      return null;
    }
    const standing = this.#standings.warm(userId);
    if (standing === null || !standing.active) return null;
    const session = this.#sessions.warm(sessionId);
    if (session === null || session.ended || session.userId !== userId) return null;
    if (!held && isSuperseded(claims.authenticatedAtMs, session)) return null;
    for (const target of standing.homeIds) if (tombstones.revokedSince(target, label)) return null;
    return principalOf(claims, standing, session, held);
  }

  async #identifyCold(token: string, held = false): Promise<Principal> {
    const verified = await this.#accessTokens.verify(token);
    await this.#tail.awaitForce();
    const { userId, sessionId } = verified;
    const [standing, session] = await Promise.all([this.#standings.of(userId), this.#sessions.of(sessionId, userId)]);
    if (standing === null || session === null || session.userId !== userId) throw revoked();
    const claims = this.#relabelled(token, verified, standing, session);
    return this.#standings.recheck(principalOf(claims, standing, session, held));
  }

  /**
   * Claims whose position this instance can judge: in place of one from before its horizon, or of another history, the older one
   * of what the principal was found in. Whoever had been shut out by then is shut out by that.
   */
  #relabelled(token: string, claims: AccessClaims, standing: Standing, session: SessionState): AccessClaims {
    const { tombstones, position } = this.#tail;
    const known = sameEpoch(claims.position.epoch, position.epoch) && claims.position.seq >= tombstones.horizon;
    if (known) return claims;
    const relabelled = {
      ...claims,
      position: { epoch: session.epoch, seq: Math.min(standing.asOf, session.asOf) },
    };
    this.#accessTokens.relabel(token, relabelled);
    return relabelled;
  }
}

function principalOf(claims: AccessClaims, standing: Standing, session: SessionState, isHeld: boolean): UserPrincipal {
  return {
    kind: 'user',
    id: claims.userId,
    standing,
    session,
    credential: {
      sessionId: claims.sessionId,
      key: null,
      targets: [claims.sessionId, claims.userId, claims.kid],
      epoch: claims.position.epoch,
      label: claims.position.seq,
      expiresAtMs: claims.expiresAtMs,
      provenAtMs: isHeld ? Infinity : claims.authenticatedAtMs,
    },
  };
}

function revoked(): Refusal {
  return new Refusal('SESSION_REVOKED', 'This session has been revoked. Sign in again.');
}

import { toInstant, type Clock } from '../../kit/clock.ts';
import { newId } from '../../kit/ids.ts';
import type { Authority, Enforced } from '../authority/authority.ts';
import { formatPosition, type Position } from '../authority/position.ts';
import type { Standings } from '../policy/standings.ts';
import { lacksSecondFactor, secondFactorMissing } from '../principals/enrollment.ts';
import { demandSession, SYSTEM } from '../principals/principal.ts';
import { Refusal } from '../refusals.ts';
import { raise } from '../security/raise.ts';
import { ACTIVITY_LOSS_MS } from '../sessions/activity.ts';
import { readClient, readDevice } from '../sessions/device.ts';
import type { SessionProfiles } from '../sessions/profiles.ts';
import type { RefreshState, Session } from '../sessions/session.ts';
import type { SessionStates } from '../sessions/session-states.ts';
import type { Store, Transaction } from '../store.ts';
import type { AccessTokens } from '../tokens/access-tokens.ts';
import type { RefreshToken, RefreshTokens } from '../tokens/refresh-tokens.ts';
import { isActive, type User, type UserWithPassword } from '../users/user.ts';
import type { Notices } from '../users/notices.ts';
import { hashPassword, isOutdated, type PasswordStrength, verifyPassword } from '../users/passwords.ts';
import { challengeNotValid } from './challenges.ts';
import type { Identification } from './identification.ts';
import type { Origin } from './origin.ts';
import type { DeviceTokens } from './device-tokens.ts';
import type { Enrollments } from './enrollments.ts';
import type { MfaRequired, SecondFactors } from './second-factors.ts';
import { LimitReached, SessionLimit, type SessionLimitSettings } from './session-limit.ts';
import { noteFailure, signInFrom } from './sign-in.ts';
import type { SignInSignals } from './sign-in-signals.ts';
import { Suspected, type Takeovers } from './takeovers.ts';
import { type SignInGuard, wrongCredentials } from './sign-in-guard.ts';

export interface SignedIn {
  readonly __typename: 'SignedIn';
  readonly accessToken: string;
  readonly refreshToken: string;
  /** For the next sign-in from this device; null when the session only goes on. */
  readonly deviceToken: string | null;
  /** When the access token ends. */
  readonly expiresAt: string;
  readonly session: Session;
  readonly user: User;
  readonly position: string;
}

export interface SessionSettings extends SessionLimitSettings {
  readonly sessionProfiles: SessionProfiles;
  /** How long the token just replaced still gets its successor: for replies that were lost. */
  readonly refreshGraceSeconds: number;
  readonly passwordStrength: PasswordStrength;
}

/** Who starts a session, and whether the transaction has the user to itself. */
interface Start {
  readonly user: User;
  readonly from: Origin;
  readonly position: Position;
  readonly aal: Session['aal'];
  readonly alone: boolean;
}

interface Granted {
  readonly refresh: RefreshToken;
  readonly session: Session;
  readonly user: User;
  readonly position: Position;
  readonly deviceToken?: string;
}

/** One of ours that is no longer the current one, shown again outside its grace: somebody else has it. */
class Reused extends Error {
  override readonly name = 'Reused';
}

/** Starts sessions, goes on with them, and ends them for those who leave. */
export class Authentication {
  readonly #store: Store;
  readonly #authority: Authority;
  readonly #identification: Identification;
  readonly #standings: Standings;
  readonly #sessionStates: SessionStates;
  readonly #accessTokens: AccessTokens;
  readonly #refreshTokens: RefreshTokens;
  readonly #secondFactors: SecondFactors;
  readonly #enrollments: Enrollments;
  readonly #limit: SessionLimit;
  readonly #guard: SignInGuard;
  readonly #deviceTokens: DeviceTokens;
  readonly #notices: Notices;
  readonly #takeovers: Takeovers;
  readonly #signals: SignInSignals;
  readonly #settings: SessionSettings;
  readonly #clock: Clock;

  constructor(parts: {
    store: Store;
    authority: Authority;
    identification: Identification;
    standings: Standings;
    sessionStates: SessionStates;
    accessTokens: AccessTokens;
    refreshTokens: RefreshTokens;
    secondFactors: SecondFactors;
    enrollments: Enrollments;
    guard: SignInGuard;
    deviceTokens: DeviceTokens;
    notices: Notices;
    takeovers: Takeovers;
    signals: SignInSignals;
    settings: SessionSettings;
    clock: Clock;
  }) {
    this.#store = parts.store;
    this.#authority = parts.authority;
    this.#identification = parts.identification;
    this.#standings = parts.standings;
    this.#sessionStates = parts.sessionStates;
    this.#accessTokens = parts.accessTokens;
    this.#refreshTokens = parts.refreshTokens;
    this.#secondFactors = parts.secondFactors;
    this.#enrollments = parts.enrollments;
    this.#limit = new SessionLimit(parts);
    this.#guard = parts.guard;
    this.#deviceTokens = parts.deviceTokens;
    this.#notices = parts.notices;
    this.#takeovers = parts.takeovers;
    this.#signals = parts.signals;
    this.#settings = parts.settings;
    this.#clock = parts.clock;
  }

  /**
   * Starts a session, or says what is missing for one: who has a second factor, or must have one, is not signed in by the password. An unknown
   * address, a disabled user and a wrong password get the same answer in the same time. Wrong passwords are counted apart where
   * a device token of an earlier sign-in is shown.
   */
  async signIn(
    input: { email: string; password: string; deviceToken?: string | null | undefined },
    from: Origin,
  ): Promise<SignedIn | (MfaRequired & { readonly position: string })> {
    const found = await this.#store.users.findByEmail(input.email.trim());
    const attempt = { email: input.email, found, deviceToken: input.deviceToken ?? null, address: from.address };
    const failed = { email: input.email, userId: found?.user.id ?? null, address: from.address };
    const { passwordStrength } = this.#settings;
    const isRight = async () => {
      const right = await verifyPassword(input.password, found?.passwordHash ?? null, passwordStrength);
      if (right) return true;
      this.#signals.wrongPassword(failed, input.password);
      await this.#noteWrongPassword(failed.userId, from);
      return false;
    };
    const signedIn = this.#guard.signIn(attempt, isRight, async (cleared) => {
      // Nobody has the password of nobody.
      if (found === null) throw wrongCredentials();
      const again = await this.#rehashed(found, input.password);
      // What changes after this is for the doors: they ask it of every session.
      const mfaRequired = (await this.#standings.of(found.user.id))?.mfaRequired === true;
      const { value, position } = await this.#starting(found.user.id, async (tx, alone) => {
        // The head first: the token must not vouch for anything newer than the rows it rests on.
        const position = await tx.fence.head();
        const now = await tx.users.findByEmail(input.email.trim());
        const user = now?.user ?? null;
        // Address and password may have been changed while the password was checked. That its hash was made anew is no change.
        const isSame = user?.id === found.user.id && now?.passwordChangedAt === found.passwordChangedAt;
        if (user === null || !isActive(user) || !isSame) throw wrongCredentials();
        await cleared(tx);
        if (!user.emailVerified) return notVerified();
        if (again !== null) await tx.users.replaceHash(user.id, again.from, again.to);
        const challenge = await this.#secondFactors.challenge(tx, user, mfaRequired);
        const isKnown = this.#deviceTokens.deviceOf(attempt.deviceToken, found) !== null;
        return (
          challenge ?? this.#start(tx, { user, from, position, aal: 1, alone }, isKnown ? attempt.deviceToken : null)
        );
      });
      if (value instanceof Refusal) throw value;
      return '__typename' in value ? { ...value, position } : this.#signedIn(value);
    });
    try {
      return await signedIn;
    } catch (error) {
      this.#signals.refused(error, failed);
      throw error;
    }
  }

  /** Whoever has the address, and if nobody does: both cost the same. */
  async #noteWrongPassword(userId: string | null, from: Origin): Promise<void> {
    const failure = { userId, outcome: 'wrong_password', clock: this.#clock } as const;
    await this.#store.transaction((tx) => noteFailure(tx, from, failure));
  }

  /** The hash anew, if it was made with another strength than passwords have now. */
  async #rehashed(
    { passwordHash }: UserWithPassword,
    password: string,
  ): Promise<{ readonly from: string; readonly to: string } | null> {
    const { passwordStrength } = this.#settings;
    if (passwordHash === null || !isOutdated(passwordHash, passwordStrength)) return null;
    return { from: passwordHash, to: await hashPassword(password, passwordStrength) };
  }

  /**
   * Starts the session of a sign-in that waited for its second factor. A challenge that is wrong, expired, used or of a user
   * who is shut out gets one answer; a wrong code has its own, and is counted.
   */
  async verifyMfa(input: { challengeToken: string; code: string }, from: Origin): Promise<SignedIn> {
    const shown = this.#secondFactors.parse(input.challengeToken);
    const { value } = await this.#starting(shown.userId, async (tx, alone) => {
      const position = await tx.fence.head();
      const user = await tx.users.find(shown.userId);
      if (user === null || !isActive(user)) throw challengeNotValid();
      const refusal = await this.#secondFactors.answer(tx, shown, input.code);
      if (refusal === null) return this.#start(tx, { user, from, position, aal: 2, alone });
      await this.#noteWrongCode(tx, user.id, from, refusal);
      return refusal;
    });
    if (value instanceof Refusal) throw value;
    return this.#signedIn(value);
  }

  /**
   * Confirms the authenticator app that a sign-in needed first, and starts its session. A challenge is refused as {@link verifyMfa}
   * refuses it; a wrong code has its own answer, and is counted.
   */
  async enroll(
    { challengeToken, code }: { challengeToken: string; code: string },
    from: Origin,
  ): Promise<Enforced<{ readonly signedIn: SignedIn; readonly recoveryCodes: readonly string[] }>> {
    const userId = this.#enrollments.userIdOf(challengeToken);
    const { value, receipt } = await this.#authority.change(SYSTEM, { change: [userId] }, async (tx) => {
      const position = await tx.fence.head();
      const confirmed = await this.#enrollments.confirmByChallenge(tx, challengeToken, code);
      if (confirmed instanceof Refusal) {
        await this.#noteWrongCode(tx, userId, from, confirmed);
        return confirmed;
      }
      const { user, recoveryCodes } = confirmed;
      return { recoveryCodes, granted: await this.#start(tx, { user, from, position, aal: 2, alone: true }) };
    });
    if (value instanceof Refusal) throw value;
    const { granted, recoveryCodes } = value;
    return { value: { signedIn: await this.#signedIn(granted), recoveryCodes }, receipt };
  }

  /** One that was not looked at tells nothing. */
  async #noteWrongCode(tx: Transaction, userId: string, from: Origin, { code }: Refusal): Promise<void> {
    if (code !== 'UNAUTHENTICATED') return;
    this.#signals.wrongCode(userId, from.address);
    await noteFailure(tx, from, { userId, outcome: 'wrong_code', clock: this.#clock });
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
        const position = await tx.fence.head();
        const user = await tx.users.find(presented.userId);
        const found = await tx.sessions.findWithRefresh(presented.sessionId);
        if (user === null || found === null || found.session.userId !== user.id) throw notValid();
        if (!isActive(user) || found.session.revokedAt !== null) throw revoked();
        if (found.session.expiresAt <= this.#now() || this.#isIdle(found)) throw ended();

        const { session, refresh } = found;
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
      return await this.#signedIn(granted);
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
  async sessionOfRefreshToken(token: string): Promise<Session> {
    const presented = this.#refreshTokens.parse(token);
    const { value } = await this.#store.transaction(async (tx) => {
      const user = await tx.users.find(presented.userId);
      const found = await tx.sessions.findWithRefresh(presented.sessionId);
      if (user === null || found === null || found.session.userId !== user.id) throw notValid();
      if (!isActive(user) || found.session.revokedAt !== null) throw revoked();
      if (found.session.expiresAt <= this.#now() || this.#isIdle(found)) throw ended();
      const { session, refresh } = found;
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

  /**
   * Does `work`, which may start a session, beside all others who do nothing but use the user. Where the oldest session must
   * end first it is done again with the user to itself: nothing that session was asked for is then left half done, and the
   * answer comes when its end is in force.
   */
  async #starting<T>(
    userId: string,
    work: (tx: Transaction, alone: boolean) => Promise<T>,
  ): Promise<{ readonly value: T; readonly position: string }> {
    try {
      return await this.#authority.write(SYSTEM, { share: [userId] }, (tx) => work(tx, false));
    } catch (error) {
      if (!(error instanceof LimitReached)) throw error;
    }
    const { value, receipt } = await this.#authority.change(SYSTEM, { change: [userId] }, (tx) => work(tx, true));
    return { value, position: receipt.position };
  }

  async #start(
    tx: Transaction,
    { user, from, position, aal, alone }: Start,
    deviceToken?: string | null,
  ): Promise<Granted> {
    // Whoever shows the token of a device has been here with it.
    const isNew = typeof deviceToken !== 'string' && (await tx.sessions.isNewDevice(user.id, from.userAgent));
    if (isNew) await this.#notices.newDevice(tx, user, from);
    const session = this.#newSession(user, from, aal);
    await (alone ? this.#limit.makeRoom(tx, session) : this.#limit.demandRoom(tx, user.id));
    const refresh = this.#refreshTokens.make(user.id, session.id);
    await tx.sessions.add(session, refresh.hash);
    await tx.signIns.add(signInFrom(from, { userId: user.id, outcome: 'succeeded', session, clock: this.#clock }));
    const entry = { by: user.id, sessionId: session.id, subjectId: session.id };
    await tx.audit.append({ ...entry, action: 'session.start', after: { aal } });
    return { refresh, session, user, position, deviceToken: deviceToken ?? this.#deviceTokens.make(user.id) };
  }

  #newSession({ id: userId, scope, scopes }: User, from: Origin, aal: Session['aal']): Session {
    const { userAgent, address, client } = from;
    const now = this.#clock.now();
    return {
      __typename: 'Session',
      id: newId('session'),
      userId,
      createdAt: toInstant(now),
      aal,
      authenticatedAt: toInstant(now),
      expiresAt: toInstant(now + this.#settings.sessionProfiles[aal].lifeSeconds * 1_000),
      revokedAt: null,
      revokedReason: null,
      userAgent,
      address,
      ...readDevice(userAgent),
      client: readClient(client),
      label: null,
      lastSeenAt: null,
      protocols: [],
      scope,
      scopes,
    };
  }

  async #signedIn({ refresh, session, user, position, deviceToken }: Granted): Promise<SignedIn> {
    // Read before the session was: whatever happens to it after that has a newer position.
    await this.#sessionStates.put(session, { epoch: position.epoch, asOf: position.seq });
    const { accessToken, expiresAtMs } = await this.#accessTokens.issue({
      userId: user.id,
      sessionId: session.id,
      position,
      sessionExpiresAtMs: Date.parse(session.expiresAt),
    });
    return {
      __typename: 'SignedIn',
      accessToken,
      refreshToken: refresh.token,
      deviceToken: deviceToken ?? null,
      expiresAt: toInstant(expiresAtMs),
      session,
      user,
      position: formatPosition(position),
    };
  }

  #now(): string {
    return toInstant(this.#clock.now());
  }
}

/** Only whoever knows the password comes to this. */
function notVerified(): Refusal {
  return new Refusal(
    'FORBIDDEN',
    'Follow the link in the mail that was sent to you first, or sign up again for another.',
    {
      reason: 'email_not_verified',
    },
  );
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

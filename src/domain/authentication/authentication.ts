import { toInstant, type Clock } from '../../kit/clock.ts';
import { newId } from '../../kit/ids.ts';
import type { Authority, Enforced } from '../authority/authority.ts';
import type { Position } from '../authority/position.ts';
import type { Standings } from '../policy/standings.ts';
import { SYSTEM } from '../principals/principal.ts';
import { Refusal } from '../refusals.ts';
import { readClient, readDevice } from '../sessions/device.ts';
import type { SessionProfiles } from '../sessions/profiles.ts';
import type { Session } from '../sessions/session.ts';
import type { Store, Transaction } from '../store.ts';
import type { RefreshTokens } from '../tokens/refresh-tokens.ts';
import { isActive, type User, type UserWithPassword } from '../users/user.ts';
import type { Notices } from '../users/notices.ts';
import { hashPassword, isGood, isOutdated, type PasswordStrength } from '../users/passwords.ts';
import { challengeNotValid } from './challenges.ts';
import type { Origin } from './origin.ts';
import type { DeviceTokens } from './device-tokens.ts';
import type { Enrollments } from './enrollments.ts';
import type { MfaRequired, SecondFactors } from './second-factors.ts';
import { LimitReached, SessionLimit, type SessionLimitSettings } from './session-limit.ts';
import { noteFailure, signInFrom } from './sign-in.ts';
import type { SignInSignals } from './sign-in-signals.ts';
import { type Granted, type Issuing, type SignedIn, signedIn } from './signed-in.ts';
import { type SignInGuard, wrongCredentials } from './sign-in-guard.ts';

export interface SessionSettings extends SessionLimitSettings {
  readonly sessionProfiles: SessionProfiles;
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

/** Starts sessions. */
export class Authentication {
  readonly #store: Store;
  readonly #authority: Authority;
  readonly #standings: Standings;
  readonly #issuing: Issuing;
  readonly #refreshTokens: RefreshTokens;
  readonly #secondFactors: SecondFactors;
  readonly #enrollments: Enrollments;
  readonly #limit: SessionLimit;
  readonly #guard: SignInGuard;
  readonly #deviceTokens: DeviceTokens;
  readonly #notices: Notices;
  readonly #signals: SignInSignals;
  readonly #settings: SessionSettings;
  readonly #clock: Clock;

  constructor(
    parts: Issuing & {
      store: Store;
      authority: Authority;
      standings: Standings;
      refreshTokens: RefreshTokens;
      secondFactors: SecondFactors;
      enrollments: Enrollments;
      guard: SignInGuard;
      deviceTokens: DeviceTokens;
      notices: Notices;
      signals: SignInSignals;
      settings: SessionSettings;
      clock: Clock;
    },
  ) {
    this.#store = parts.store;
    this.#authority = parts.authority;
    this.#standings = parts.standings;
    this.#issuing = parts;
    this.#refreshTokens = parts.refreshTokens;
    this.#secondFactors = parts.secondFactors;
    this.#enrollments = parts.enrollments;
    this.#limit = new SessionLimit(parts);
    this.#guard = parts.guard;
    this.#deviceTokens = parts.deviceTokens;
    this.#notices = parts.notices;
    this.#signals = parts.signals;
    this.#settings = parts.settings;
    this.#clock = parts.clock;
  }

  /**
   * Starts a session, or says what is missing for one: who has a second factor, or must have one, is not signed in by the password. An unknown
   * address, a disabled user, an initial password that has ended and a wrong one get the same answer in the same time. Wrong passwords are counted apart where
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
      if (await isGood(input.password, found?.password ?? null, { passwordStrength, clock: this.#clock })) return true;
      this.#signals.wrongPassword(failed, input.password);
      await this.#noteWrongPassword(failed.userId, from);
      return false;
    };
    const attempted = this.#guard.signIn(attempt, isRight, async (cleared) => {
      // Nobody has the password of nobody.
      if (found === null) throw wrongCredentials();
      const again = await this.#rehashed(found, input.password);
      // What changes after this is for the doors: they ask it of every session.
      const mfaRequired = (await this.#standings.of(found.user.id))?.mfaRequired === true;
      const { value, position } = await this.#starting(found.user.id, async (tx, alone) => {
        // The head first: the token must not vouch for anything newer than the rows it rests on.
        const [position, now] = await Promise.all([tx.fence.head(), tx.users.findByEmail(input.email.trim())]);
        const user = now?.user ?? null;
        // Address and password may have been changed while the password was checked. That its hash was made anew is no change.
        const isSame = user?.id === found.user.id && now?.password?.changedAt === found.password?.changedAt;
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
      return '__typename' in value ? { ...value, position } : signedIn(this.#issuing, value);
    });
    try {
      return await attempted;
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
    { password: stored }: UserWithPassword,
    password: string,
  ): Promise<{ readonly from: string; readonly to: string } | null> {
    const { passwordStrength } = this.#settings;
    if (stored === null || !isOutdated(stored.hash, passwordStrength)) return null;
    return { from: stored.hash, to: await hashPassword(password, passwordStrength) };
  }

  /**
   * Starts the session of a sign-in that waited for its second factor. A challenge that is wrong, expired, used or of a user
   * who is shut out gets one answer; a wrong code has its own, and is counted.
   */
  async verifyMfa(input: { challengeToken: string; code: string }, from: Origin): Promise<SignedIn> {
    const shown = this.#secondFactors.parse(input.challengeToken);
    const { value } = await this.#starting(shown.userId, async (tx, alone) => {
      const [position, user] = await Promise.all([tx.fence.head(), tx.users.find(shown.userId)]);
      if (user === null || !isActive(user)) throw challengeNotValid();
      const refusal = await this.#secondFactors.answer(tx, shown, input.code);
      if (refusal === null) return this.#start(tx, { user, from, position, aal: 2, alone });
      await this.#noteWrongCode(tx, user.id, from, refusal);
      return refusal;
    });
    if (value instanceof Refusal) throw this.#told(shown.userId, value);
    return signedIn(this.#issuing, value);
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
    if (value instanceof Refusal) throw this.#told(userId, value);
    const { granted, recoveryCodes } = value;
    return { value: { signedIn: await signedIn(this.#issuing, granted), recoveryCodes }, receipt };
  }

  /** Once it is committed: a transaction that was tried again has told nothing twice. */
  #told(userId: string, refusal: Refusal): Refusal {
    this.#signals.refusedCode(userId, refusal);
    return refusal;
  }

  /** One that was not looked at is no sign-in that failed. */
  async #noteWrongCode(tx: Transaction, userId: string, from: Origin, { code }: Refusal): Promise<void> {
    if (code !== 'UNAUTHENTICATED') return;
    await noteFailure(tx, from, { userId, outcome: 'wrong_code', clock: this.#clock });
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
    const session = this.#newSession(user, from, aal);
    const [isNew] = await Promise.all([
      // Whoever shows the token of a device has been here with it.
      typeof deviceToken !== 'string' && tx.sessions.isNewDevice(user.id, from.userAgent),
      alone ? this.#limit.makeRoom(tx, session) : this.#limit.demandRoom(tx, user.id),
    ]);
    if (isNew) await this.#notices.newDevice(tx, user, from);
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

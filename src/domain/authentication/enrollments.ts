import { toInstant, type Clock } from '../../kit/clock.ts';
import type { Keys } from '../../kit/secret.ts';
import type { Authority, Enforced, Written } from '../authority/authority.ts';
import { demandSession, type Principal, sessionIdOf, SYSTEM, type UserPrincipal } from '../principals/principal.ts';
import { demandProof, RECENT } from '../principals/proof.ts';
import { Refusal } from '../refusals.ts';
import type { SessionAuthor, Sessions } from '../sessions/sessions.ts';
import type { Transaction } from '../store.ts';
import type { Notices } from '../users/notices.ts';
import { isActive, type User } from '../users/user.ts';
import { type Challenge, challengeNotValid, ChallengeTokens, demandWaiting } from './challenges.ts';
import { CodeCheck, type CodeSettings } from './code-check.ts';
import { RecoveryCodes } from './recovery-codes.ts';
import type { FreshTokens, SessionProofs } from './session-proofs.ts';
import type { SignInSignals } from './sign-in-signals.ts';
import { newTotpSecret, totpUri } from './totp.ts';

export interface Enrollment {
  /** In base32. */
  readonly secret: string;
  readonly uri: string;
}

export interface Confirmed {
  readonly recoveryCodes: readonly string[];
  readonly tokens: FreshTokens;
}

/** How an authenticator app becomes a second factor: in a session, or by the challenge of a sign-in that needs one first. */
export class Enrollments {
  readonly #authority: Authority;
  readonly #sessions: Sessions;
  readonly #proofs: SessionProofs;
  readonly #keys: Keys;
  readonly #challengeTokens: ChallengeTokens;
  readonly #recoveryCodes: RecoveryCodes;
  readonly #codes: CodeCheck;
  readonly #notices: Notices;
  readonly #signals: Pick<SignInSignals, 'refusedCode'>;
  readonly #settings: { readonly issuer: string };
  readonly #clock: Clock;

  constructor(parts: {
    authority: Authority;
    sessions: Sessions;
    proofs: SessionProofs;
    keys: Keys;
    notices: Notices;
    signals: Pick<SignInSignals, 'refusedCode'>;
    settings: CodeSettings & { readonly issuer: string };
    clock: Clock;
  }) {
    const { keys, settings, clock } = parts;
    this.#authority = parts.authority;
    this.#sessions = parts.sessions;
    this.#proofs = parts.proofs;
    this.#keys = keys;
    this.#challengeTokens = new ChallengeTokens(keys);
    this.#recoveryCodes = new RecoveryCodes(keys);
    this.#codes = new CodeCheck({ keys, recoveryCodes: this.#recoveryCodes, settings, clock });
    this.#notices = parts.notices;
    this.#signals = parts.signals;
    this.#settings = settings;
    this.#clock = clock;
  }

  /**
   * Makes a secret for an app, in place of one that was not confirmed; it counts once a code confirms it. Refuses with
   * CONFLICT when there is one that counts, and with MFA_REQUIRED a session that has proven nothing for a quarter of an hour.
   */
  async begin(by: Principal): Promise<Written<Enrollment>> {
    const { id } = demandSession(by);
    const { value: secret, position } = await this.#authority.write(by, { change: [id] }, (tx, actor) => {
      demandProof(actor, RECENT, this.#clock);
      return this.#begin(tx, id, sessionIdOf(actor));
    });
    return { value: this.#shown(secret, recordOf(demandSession(by))), position };
  }

  /** As {@link begin}, for whoever a sign-in gave this challenge. Refuses with UNAUTHENTICATED one that does not hold. */
  async beginByChallenge(challengeToken: string): Promise<Written<Enrollment>> {
    const shown = this.#challengeTokens.parse(challengeToken);
    const { value, position } = await this.#authority.write(SYSTEM, { change: [shown.userId] }, async (tx) => {
      const user = await this.#userOf(tx, shown);
      return this.#shown(await this.#begin(tx, user.id, null), user);
    });
    return { value, position };
  }

  /**
   * Takes the app as a second factor from now on, ends all other sessions, and gives the recovery codes: they are shown once. The
   * session has proven a second factor by that, and goes on with other tokens.
   */
  async confirm(by: Principal, code: string): Promise<Enforced<Confirmed>> {
    const { id } = demandSession(by);
    const { value, receipt } = await this.#authority.change(by, { change: [id] }, async (tx, actor) => {
      const user = demandSession(actor);
      demandProof(actor, RECENT, this.#clock);
      const author = { by: id, sessionId: user.credential.sessionId };
      const refusal = await this.#check(tx, author, code);
      // A value: what was counted is committed.
      if (refusal !== null) return refusal;
      const recoveryCodes = await this.#confirm(tx, recordOf(user), author);
      return { recoveryCodes, proven: await this.#proofs.note(tx, user, 'totp', null) };
    });
    if (value instanceof Refusal) {
      this.#signals.refusedCode(id, value);
      throw value;
    }
    const { recoveryCodes, proven } = value;
    return { value: { recoveryCodes, tokens: await this.#proofs.tokens(proven) }, receipt };
  }

  /** The user that this challenge may become a session of. Refuses with UNAUTHENTICATED one that was never ours. */
  userIdOf(challengeToken: string): string {
    return this.#challengeTokens.parse(challengeToken).userId;
  }

  /**
   * As {@link confirm}, as a part of the sign-in that waited for it: ends all sessions there are and uses the challenge up. The
   * caller has the user to itself, and starts the session. A refusal is an answer and not thrown, so that what was counted is
   * committed.
   */
  async confirmByChallenge(
    tx: Transaction,
    challengeToken: string,
    code: string,
  ): Promise<{ readonly user: User; readonly recoveryCodes: readonly string[] } | Refusal> {
    const shown = this.#challengeTokens.parse(challengeToken);
    const user = await this.#userOf(tx, shown);
    const author = { by: user.id, sessionId: null };
    const refusal = await this.#check(tx, author, code);
    if (refusal !== null) return refusal;
    if (!(await tx.challenges.use(shown.id, this.#now()))) throw challengeNotValid();
    return { user, recoveryCodes: await this.#confirm(tx, user, author) };
  }

  async #userOf(tx: Transaction, shown: Pick<Challenge, 'id' | 'userId'>): Promise<User> {
    const user = await tx.users.find(shown.userId);
    if (user === null || !isActive(user)) throw challengeNotValid();
    await demandWaiting(tx, shown, this.#now());
    return user;
  }

  async #begin(tx: Transaction, userId: string, sessionId: string | null): Promise<string> {
    const secret = newTotpSecret();
    const begun = await tx.factors.begin(userId, this.#keys.seal('totp-secrets', secret, userId), this.#now());
    if (!begun) throw new Refusal('CONFLICT', 'You have an authenticator app. Disable it first.');
    await tx.audit.append({ by: userId, sessionId, action: 'totp.begin', subjectId: userId });
    return secret;
  }

  async #check(tx: Transaction, author: SessionAuthor, code: string): Promise<Refusal | null> {
    const factor = await tx.factors.find(author.by);
    if (factor === null) throw new Refusal('CONFLICT', 'Begin an enrollment first.');
    if (factor.confirmedAt !== null) throw new Refusal('CONFLICT', 'Your authenticator app is confirmed already.');
    return this.#codes.checkTotp(tx, factor, code, author);
  }

  async #confirm(tx: Transaction, user: User, author: SessionAuthor): Promise<readonly string[]> {
    await tx.factors.confirm(user.id, this.#now());
    await tx.audit.append({ ...author, action: 'totp.confirm', subjectId: user.id });
    await this.#notices.secondFactorAdded(tx, user);
    await this.#sessions.endOthers(tx, author, 'mfa_changed');
    const { codes, sealed } = this.#recoveryCodes.make(user.id);
    await tx.factors.replaceRecoveryCodes(user.id, sealed);
    return codes;
  }

  /** A colon would end the issuer's name early, so it is the host without a port. */
  #shown(secret: string, { email }: User): Enrollment {
    return { secret, uri: totpUri(secret, email, new URL(this.#settings.issuer).hostname) };
  }

  #now(): string {
    return toInstant(this.#clock.now());
  }
}

function recordOf({ standing }: UserPrincipal): User {
  return standing.record as User; // the record of a user principal is a User
}

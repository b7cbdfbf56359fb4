import { toInstant, type Clock } from '../../kit/clock.ts';
import { newId } from '../../kit/ids.ts';
import type { Keys } from '../../kit/secret.ts';
import type { Authority, Enforced } from '../authority/authority.ts';
import { demandSession, sessionIdOf, type Principal, type UserPrincipal } from '../principals/principal.ts';
import { Refusal } from '../refusals.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { Store, Transaction } from '../store.ts';
import type { Notices } from '../users/notices.ts';
import type { User } from '../users/user.ts';
import { challengeNotValid, ChallengeTokens, type Challenge, demandWaiting } from './challenges.ts';
import { CodeCheck, type CodeSettings, methodOf, type MfaMethod } from './code-check.ts';
import type { TotpFactor } from './factor.ts';
import type { Origin } from './origin.ts';
import { RecoveryCodes } from './recovery-codes.ts';
import type { Proven, SessionProofs } from './session-proofs.ts';
import type { SignInSignals } from './sign-in-signals.ts';

/** The password was right, and a code is missing. */
export interface MfaRequired {
  readonly __typename: 'MfaRequired';
  readonly challengeToken: string;
  /** `enrollTotp` alone: there is no second factor yet, and a role of the user asks for one. */
  readonly methods: (MfaMethod | 'enrollTotp')[];
  readonly expiresAt: string;
}

/** NIST SP 800-63B-4 3.1.3.2: at most ten minutes. */
const CHALLENGE_SECONDS = 600;

/** Authenticator apps and recovery codes: their life, and what a sign-in waits for. */
export class SecondFactors {
  readonly #store: Store;
  readonly #authority: Authority;
  readonly #sessions: Sessions;
  readonly #proofs: SessionProofs;
  readonly #challengeTokens: ChallengeTokens;
  readonly #recoveryCodes: RecoveryCodes;
  readonly #codes: CodeCheck;
  readonly #notices: Notices;
  readonly #signals: Pick<SignInSignals, 'refusedCode'>;
  readonly #clock: Clock;

  constructor(parts: {
    store: Store;
    authority: Authority;
    sessions: Sessions;
    proofs: SessionProofs;
    keys: Keys;
    notices: Notices;
    signals: Pick<SignInSignals, 'refusedCode'>;
    settings: CodeSettings;
    clock: Clock;
  }) {
    const { keys, settings, clock } = parts;
    this.#store = parts.store;
    this.#authority = parts.authority;
    this.#sessions = parts.sessions;
    this.#proofs = parts.proofs;
    this.#challengeTokens = new ChallengeTokens(keys);
    this.#recoveryCodes = new RecoveryCodes(keys);
    this.#codes = new CodeCheck({ keys, recoveryCodes: this.#recoveryCodes, settings, clock });
    this.#notices = parts.notices;
    this.#signals = parts.signals;
    this.#clock = clock;
  }

  /** Whether each of these users signs in with a second factor. One statement. */
  async enabledAmong(userIds: readonly string[]): Promise<readonly boolean[]> {
    const enabled = new Set(await this.#store.factors.confirmedAmong(userIds));
    return userIds.map((id) => enabled.has(id));
  }

  /** Proves the second factor again, in the session that `by` acts in. Takes a code of the app or a recovery code. */
  proveBy(by: Principal, code: string, from: Origin): Promise<Enforced<Proven>> {
    return this.#change(by, async (tx, actor) => {
      const factor = await confirmedFactor(tx, actor.id);
      const refusal = await this.#codes.check(tx, factor, code, authorOf(actor));
      return refusal ?? this.#proofs.note(tx, actor, methodOf(code), from);
    });
  }

  /**
   * Goes back to the password alone, and ends all other sessions; the one that goes on is at level 1 again. Takes a code of the app
   * or a recovery code. Refuses with FORBIDDEN those of whom a role asks for a second factor.
   */
  disable(by: Principal, code: string): Promise<Enforced<null>> {
    return this.#change(by, async (tx, actor) => {
      if (actor.standing.mfaRequired) throw needed();
      const factor = await confirmedFactor(tx, actor.id);
      const refusal = await this.#codes.check(tx, factor, code, authorOf(actor));
      if (refusal !== null) return refusal;

      await tx.factors.remove(actor.id);
      await tx.challenges.removeAllOf(actor.id);
      await tx.audit.append({ ...authorOf(actor), action: 'totp.disable', subjectId: actor.id });
      await this.#notices.secondFactorRemoved(tx, recordOf(actor));
      await this.#sessions.endOthers(tx, authorOf(actor), 'mfa_changed');
      await this.#proofs.forget(tx, actor);
      return null;
    });
  }

  /** New recovery codes; no older one is good any more. Takes a code of the app. */
  regenerateRecoveryCodes(by: Principal, code: string): Promise<Enforced<readonly string[]>> {
    return this.#change(by, async (tx, actor) => {
      const factor = await confirmedFactor(tx, actor.id);
      const refusal = await this.#codes.checkTotp(tx, factor, code, authorOf(actor));
      if (refusal !== null) return refusal;

      await tx.audit.append({ ...authorOf(actor), action: 'recovery_code.regenerate', subjectId: actor.id });
      return this.#newRecoveryCodes(tx, actor.id);
    });
  }

  /**
   * What a sign-in with the right password waits for, or null when the user has no second factor and need not have one. The
   * caller shares the user.
   *
   * @param required whether a role of the user asks for a second factor
   */
  async challenge(tx: Transaction, { id: userId }: User, required: boolean): Promise<MfaRequired | null> {
    const factor = await tx.factors.find(userId);
    const isEnrolled = factor !== null && factor.confirmedAt !== null;
    if (!isEnrolled && !required) return null;
    const now = this.#clock.now();
    const challenge: Challenge = {
      id: newId('challenge'),
      userId,
      createdAt: toInstant(now),
      expiresAt: toInstant(now + CHALLENGE_SECONDS * 1_000),
      usedAt: null,
    };
    await tx.challenges.add(challenge);
    await tx.audit.append({ by: userId, sessionId: null, action: 'mfa.require', subjectId: userId });
    return {
      __typename: 'MfaRequired',
      challengeToken: this.#challengeTokens.make(challenge),
      methods: isEnrolled ? await this.#methodsOf(tx, userId) : ['enrollTotp'],
      expiresAt: challenge.expiresAt,
    };
  }

  async #methodsOf(tx: Transaction, userId: string): Promise<MfaMethod[]> {
    const unused = await tx.factors.recoveryCodes(userId);
    return unused.length > 0 ? ['totp', 'recoveryCode'] : ['totp'];
  }

  /** The challenge that a token stands for. Refuses with UNAUTHENTICATED what was never one of ours. */
  parse(challengeToken: string): Pick<Challenge, 'id' | 'userId'> {
    return this.#challengeTokens.parse(challengeToken);
  }

  /**
   * Uses the challenge up with a right code: null. A refusal is an answer and not thrown, so that what was counted is
   * committed. The caller shares the user, and has seen that it may act.
   */
  async answer(
    tx: Transaction,
    { id, userId }: Pick<Challenge, 'id' | 'userId'>,
    code: string,
  ): Promise<Refusal | null> {
    await demandWaiting(tx, { id, userId }, this.#now());
    const factor = await tx.factors.find(userId);
    if (factor === null || factor.confirmedAt === null) throw challengeNotValid();

    const refusal = await this.#codes.check(tx, factor, code, { by: userId, sessionId: null });
    if (refusal === null && !(await tx.challenges.use(id, this.#now()))) throw challengeNotValid();
    return refusal;
  }

  async #change<T>(
    by: Principal,
    work: (tx: Transaction, actor: UserPrincipal) => Promise<T | Refusal>,
  ): Promise<Enforced<T>> {
    const { id } = demandSession(by);
    const { value, receipt } = await this.#authority.change(by, { change: [id] }, (tx, actor) =>
      work(tx, demandSession(actor)),
    );
    if (value instanceof Refusal) {
      this.#signals.refusedCode(id, value);
      throw value;
    }
    return { value, receipt };
  }

  async #newRecoveryCodes(tx: Transaction, userId: string): Promise<readonly string[]> {
    const { codes, sealed } = this.#recoveryCodes.make(userId);
    await tx.factors.replaceRecoveryCodes(userId, sealed);
    return codes;
  }

  #now(): string {
    return toInstant(this.#clock.now());
  }
}

function needed(): Refusal {
  const message = 'A role of yours takes a second factor, and this is the only one you have.';
  return new Refusal('FORBIDDEN', message, { reason: 'second_factor_required' });
}

async function confirmedFactor(tx: Transaction, userId: string): Promise<TotpFactor> {
  const factor = await tx.factors.find(userId);
  if (factor !== null && factor.confirmedAt !== null) return factor;
  throw new Refusal('CONFLICT', 'You have no authenticator app.');
}

function recordOf({ standing }: UserPrincipal): User {
  return standing.record as User; // the record of a user principal is a User
}

function authorOf(actor: Principal): { readonly by: string; readonly sessionId: string | null } {
  return { by: actor.id, sessionId: sessionIdOf(actor) };
}

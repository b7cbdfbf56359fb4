import { toInstant, type Clock } from '../../kit/clock.ts';
import { newId } from '../../kit/ids.ts';
import type { Keys } from '../../kit/secret.ts';
import type { Authority, Enforced, Written } from '../authority/authority.ts';
import { demandSession, sessionIdOf, type Principal, type UserPrincipal } from '../principals/principal.ts';
import { demandProof, type Proof } from '../principals/proof.ts';
import { Refusal } from '../refusals.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { Store, Transaction } from '../store.ts';
import type { Notices } from '../users/notices.ts';
import type { User } from '../users/user.ts';
import { challengeNotValid, ChallengeTokens, type Challenge } from './challenges.ts';
import { CodeCheck, methodOf, type MfaMethod } from './code-check.ts';
import type { TotpFactor } from './factor.ts';
import type { Origin } from './origin.ts';
import { RecoveryCodes } from './recovery-codes.ts';
import type { FreshTokens, Proven, SessionProofs } from './session-proofs.ts';
import { newTotpSecret, totpUri } from './totp.ts';

/** The password was right, and a code is missing. */
export interface MfaRequired {
  readonly __typename: 'MfaRequired';
  readonly challengeToken: string;
  readonly methods: MfaMethod[];
  readonly expiresAt: string;
}

export interface Enrollment {
  /** In base32. */
  readonly secret: string;
  readonly uri: string;
}

export interface Confirmed {
  readonly recoveryCodes: readonly string[];
  readonly tokens: FreshTokens;
}

/** Whoever has a stolen token must not make it theirs for good. */
const TO_ENROLL: Proof = { level: 1, withinSeconds: 900 };

/** NIST SP 800-63B-4 3.1.3.2: at most ten minutes. */
const CHALLENGE_SECONDS = 600;

/** Authenticator apps and recovery codes: their life, and what a sign-in waits for. */
export class SecondFactors {
  readonly #store: Store;
  readonly #authority: Authority;
  readonly #sessions: Sessions;
  readonly #proofs: SessionProofs;
  readonly #keys: Keys;
  readonly #challengeTokens: ChallengeTokens;
  readonly #recoveryCodes: RecoveryCodes;
  readonly #codes: CodeCheck;
  readonly #notices: Notices;
  readonly #settings: { readonly issuer: string };
  readonly #clock: Clock;

  constructor(parts: {
    store: Store;
    authority: Authority;
    sessions: Sessions;
    proofs: SessionProofs;
    keys: Keys;
    notices: Notices;
    settings: { readonly issuer: string };
    clock: Clock;
  }) {
    const { keys, clock } = parts;
    this.#store = parts.store;
    this.#authority = parts.authority;
    this.#sessions = parts.sessions;
    this.#proofs = parts.proofs;
    this.#keys = keys;
    this.#challengeTokens = new ChallengeTokens(keys);
    this.#recoveryCodes = new RecoveryCodes(keys);
    this.#codes = new CodeCheck({ keys, recoveryCodes: this.#recoveryCodes, clock });
    this.#notices = parts.notices;
    this.#settings = parts.settings;
    this.#clock = clock;
  }

  /** Whether each of these users signs in with a second factor. One statement. */
  async enabledAmong(userIds: readonly string[]): Promise<readonly boolean[]> {
    const enabled = new Set(await this.#store.factors.confirmedAmong(userIds));
    return userIds.map((id) => enabled.has(id));
  }

  /**
   * Makes a secret for an app, in place of one that was not confirmed; it counts once a code confirms it. Refuses with
   * CONFLICT when there is one that counts, and with MFA_REQUIRED a session that has proven nothing for a quarter of an hour.
   */
  async begin(by: Principal): Promise<Written<Enrollment>> {
    const { id } = demandSession(by);
    const secret = newTotpSecret();
    const { position } = await this.#authority.write(by, { change: [id] }, async (tx, actor) => {
      demandProof(actor, TO_ENROLL, this.#clock);
      const begun = await tx.factors.begin(id, this.#keys.seal('totp-secrets', secret, id), this.#now());
      if (!begun) throw new Refusal('CONFLICT', 'You have an authenticator app. Disable it first.');
      await tx.audit.append({ ...authorOf(actor), action: 'totp.begin', subjectId: id });
    });
    const { email } = recordOf(demandSession(by));
    // A colon would end the issuer's name early, so it is the host without a port.
    const uri = totpUri(secret, email, new URL(this.#settings.issuer).hostname);
    return { value: { secret, uri }, position };
  }

  /**
   * Takes the app as a second factor from now on, ends all other sessions, and gives the recovery codes: they are shown once. The
   * session has proven a second factor by that, and goes on with other tokens.
   */
  async confirm(by: Principal, code: string): Promise<Enforced<Confirmed>> {
    const { value, receipt } = await this.#change(by, async (tx, actor) => {
      demandProof(actor, TO_ENROLL, this.#clock);
      const factor = await tx.factors.find(actor.id);
      if (factor === null) throw new Refusal('CONFLICT', 'Begin an enrollment first.');
      if (factor.confirmedAt !== null) throw new Refusal('CONFLICT', 'Your authenticator app is confirmed already.');
      const refusal = await this.#codes.checkTotp(tx, factor, code, authorOf(actor));
      if (refusal !== null) return refusal;

      await tx.factors.confirm(actor.id, this.#now());
      await tx.audit.append({ ...authorOf(actor), action: 'totp.confirm', subjectId: actor.id });
      await this.#notices.secondFactorAdded(tx, recordOf(actor));
      await this.#sessions.endOthers(tx, actor, 'mfa_changed');
      const proven = await this.#proofs.note(tx, actor, 'totp', null);
      return { proven, recoveryCodes: await this.#newRecoveryCodes(tx, actor.id) };
    });
    const { proven, recoveryCodes } = value;
    return { value: { recoveryCodes, tokens: await this.#proofs.tokens(proven) }, receipt };
  }

  /** Proves the second factor again, in the session that `by` acts in. Takes a code of the app or a recovery code. */
  proveBy(by: Principal, code: string, from: Origin): Promise<Enforced<Proven>> {
    return this.#change(by, async (tx, actor) => {
      const factor = await confirmedFactor(tx, actor.id);
      const refusal = await this.#codes.check(tx, factor, code, authorOf(actor));
      return refusal ?? this.#proofs.note(tx, actor, methodOf(code), from);
    });
  }

  /** Goes back to the password alone, and ends all other sessions. Takes a code of the app or a recovery code. */
  disable(by: Principal, code: string): Promise<Enforced<null>> {
    return this.#change(by, async (tx, actor) => {
      const factor = await confirmedFactor(tx, actor.id);
      const refusal = await this.#codes.check(tx, factor, code, authorOf(actor));
      if (refusal !== null) return refusal;

      await tx.factors.remove(actor.id);
      await tx.challenges.removeAllOf(actor.id);
      await tx.audit.append({ ...authorOf(actor), action: 'totp.disable', subjectId: actor.id });
      await this.#notices.secondFactorRemoved(tx, recordOf(actor));
      await this.#sessions.endOthers(tx, actor, 'mfa_changed');
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

  /** What a sign-in with the right password waits for, or null when the user has no second factor. The caller shares the user. */
  async challenge(tx: Transaction, { id: userId }: User): Promise<MfaRequired | null> {
    const factor = await tx.factors.find(userId);
    if (factor === null || factor.confirmedAt === null) return null;
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
    const unused = await tx.factors.recoveryCodes(userId);
    return {
      __typename: 'MfaRequired',
      challengeToken: this.#challengeTokens.make(challenge),
      methods: unused.length > 0 ? ['totp', 'recoveryCode'] : ['totp'],
      expiresAt: challenge.expiresAt,
    };
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
    const challenge = await tx.challenges.find(id);
    const waits = challenge !== null && challenge.userId === userId && challenge.usedAt === null;
    if (!waits || challenge.expiresAt <= this.#now()) throw challengeNotValid();
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
    if (value instanceof Refusal) throw value;
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

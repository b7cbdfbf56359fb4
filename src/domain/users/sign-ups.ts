import { toInstant, type Clock } from '../../kit/clock.ts';
import type { Authority, Enforced, Written } from '../authority/authority.ts';
import { parseName } from '../names.ts';
import { SYSTEM } from '../principals/principal.ts';
import { Refusal } from '../refusals.ts';
import type { Transaction } from '../store.ts';
import { accountTokenNotValid, type AccountTokens } from './account-tokens.ts';
import type { ErrandKinds, Errands } from './errands.ts';
import type { NewPasswords } from './new-passwords.ts';
import type { Notices } from './notices.ts';
import { hashPassword, type PasswordStrength } from './passwords.ts';
import { parseEmail, type User } from './user.ts';
import type { Users } from './users.ts';

export interface SignUpSettings {
  readonly signUp: 'open' | 'closed';
  readonly passwordStrength: PasswordStrength;
}

const DAY_MS = 86_400_000;
/** Mails of one kind to one user within an hour, or as long as their tokens are good: nobody's mailbox is filled by others. */
export const MAILS_MAX = 3;

/**
 * Signing up, and showing that an address is one's own. Whoever signs up learns nothing about who has an account: the answer
 * is given before anything is looked for, and the rest is done by an errand.
 */
export class SignUps {
  readonly #users: Users;
  readonly #authority: Authority;
  readonly #errands: Errands;
  readonly #notices: Notices;
  readonly #tokens: AccountTokens;
  readonly #newPasswords: NewPasswords;
  readonly #settings: SignUpSettings;
  readonly #clock: Clock;

  constructor(parts: {
    users: Users;
    authority: Authority;
    errands: Errands;
    notices: Notices;
    tokens: AccountTokens;
    newPasswords: NewPasswords;
    settings: SignUpSettings;
    clock: Clock;
  }) {
    this.#users = parts.users;
    this.#authority = parts.authority;
    this.#errands = parts.errands;
    this.#notices = parts.notices;
    this.#tokens = parts.tokens;
    this.#newPasswords = parts.newPasswords;
    this.#settings = parts.settings;
    this.#clock = parts.clock;
  }

  /** Refuses with FORBIDDEN where nobody may sign up. */
  demandOpen(): void {
    if (this.#settings.signUp === 'open') return;
    throw new Refusal('FORBIDDEN', 'Nobody can sign up here. Ask an administrator for an account.', {
      reason: 'sign_up_closed',
    });
  }

  /** Takes the wish to sign up. The mail that follows says whether there was an account already. */
  async request(input: { email: string; name: string; password: string }): Promise<Written<void>> {
    this.demandOpen();
    const [email, name] = [parseEmail(input.email), parseName(input.name)];
    await this.#newPasswords.check(input.password, { email, name });
    const passwordHash = await hashPassword(input.password, this.#settings.passwordStrength);
    return this.#authority.write(SYSTEM, {}, (tx) => this.#errands.add(tx, 'signUp', { email, name, passwordHash }));
  }

  /** The errand that {@link request} left. */
  async carryOut(wish: ErrandKinds['signUp'], errandId: string): Promise<void> {
    try {
      await this.#carryOut(wish, errandId);
    } catch (error) {
      if (!(error instanceof Refusal) || error.code !== 'CONFLICT') throw error;
      // Another one with the same address was first: the account is there now.
      await this.#carryOut(wish, errandId);
    }
  }

  async #carryOut({ email, name, passwordHash }: ErrandKinds['signUp'], errandId: string): Promise<void> {
    await this.#authority.write(SYSTEM, {}, async (tx) => {
      if (!(await tx.errands.finish(errandId))) return;
      const found = await tx.users.findByEmail(email);
      const user = found?.user ?? (await this.#users.register(tx, { email, name }, passwordHash));
      if (user.status !== 'active') return;
      const kind = user.emailVerified ? 'notice' : 'verification';
      const now = this.#clock.now();
      if ((await tx.accountTokens.count(user.id, kind, toInstant(now))) >= MAILS_MAX) return;

      const { token, hash } = this.#tokens.make(user.id, kind);
      await tx.accountTokens.add({
        hash,
        userId: user.id,
        kind,
        createdAt: toInstant(now),
        expiresAt: toInstant(now + DAY_MS),
        ...(kind === 'verification' ? { passwordHash, name } : { passwordHash: null, name: null }),
      });
      if (kind === 'notice') await this.#notices.addressKnown(tx, user);
      else await this.#notices.verification(tx, user, token);
    });
  }

  /**
   * Takes the address for shown to be theirs. Name and password are those of the sign-up whose mail was followed: whoever signed
   * up with somebody else's address must not know the password of the account.
   */
  verify(token: string): Promise<Enforced<void>> {
    const { userId, hash } = this.#tokens.parse(token, 'verification');
    return this.#authority.change(SYSTEM, { change: [userId] }, async (tx) => {
      const used = await tx.accountTokens.use(hash, 'verification', this.#now());
      const user = await tx.users.find(userId);
      if (used === null || used.userId !== userId || user === null || user.status !== 'active' || user.emailVerified)
        throw accountTokenNotValid();
      await this.#confirm(tx, { ...user, name: used.name ?? user.name }, used.passwordHash);
    });
  }

  async #confirm(tx: Transaction, user: User, passwordHash: string | null): Promise<void> {
    await tx.users.save({ ...user, emailVerified: true });
    if (passwordHash !== null) {
      await tx.users.setPassword(user.id, { hash: passwordHash, isInitial: false }, this.#now());
    }
    await tx.accountTokens.removeAllOf(user.id);
    await tx.audit.append({ by: user.id, sessionId: null, action: 'user.verify_email', subjectId: user.id });
    await tx.authority.append({ target: user.id, kind: 'changed', userId: user.id, reason: 'email_verified' });
  }

  #now(): string {
    return toInstant(this.#clock.now());
  }
}

import { toInstant, type Clock } from '../../kit/clock.ts';
import type { Authority, Enforced, Written } from '../authority/authority.ts';
import { demandSession, sessionIdOf, SYSTEM, type Principal } from '../principals/principal.ts';
import { badInput, Refusal } from '../refusals.ts';
import type { Session } from '../sessions/session.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { Store, Transaction } from '../store.ts';
import { accountTokenNotValid, type AccountTokens } from '../users/account-tokens.ts';
import type { ErrandKinds, Errands } from '../users/errands.ts';
import type { NewPasswords } from '../users/new-passwords.ts';
import type { Notices } from '../users/notices.ts';
import { hashPassword, hasEnded, isGood, passwordEnded, type PasswordStrength } from '../users/passwords.ts';
import { MAILS_MAX } from '../users/sign-ups.ts';
import { isActive, type User } from '../users/user.ts';
import type { SignInGuard } from './sign-in-guard.ts';

const HOUR_MS = 3_600_000;

interface PasswordSettings {
  readonly passwordStrength: PasswordStrength;
}

/** New passwords: for whoever knows the old one, and for whoever reads the mails of the account. */
export class PasswordChanges {
  readonly #store: Store;
  readonly #authority: Authority;
  readonly #sessions: Sessions;
  readonly #guard: SignInGuard;
  readonly #errands: Errands;
  readonly #notices: Notices;
  readonly #tokens: AccountTokens;
  readonly #newPasswords: NewPasswords;
  readonly #settings: PasswordSettings;
  readonly #clock: Clock;

  constructor(parts: {
    store: Store;
    authority: Authority;
    sessions: Sessions;
    guard: SignInGuard;
    errands: Errands;
    notices: Notices;
    tokens: AccountTokens;
    newPasswords: NewPasswords;
    settings: PasswordSettings;
    clock: Clock;
  }) {
    this.#store = parts.store;
    this.#authority = parts.authority;
    this.#sessions = parts.sessions;
    this.#guard = parts.guard;
    this.#errands = parts.errands;
    this.#notices = parts.notices;
    this.#tokens = parts.tokens;
    this.#newPasswords = parts.newPasswords;
    this.#settings = parts.settings;
    this.#clock = parts.clock;
  }

  /** Takes a new password from who acts, and ends all their other sessions. Wrong current passwords are counted. */
  async change(
    by: Principal,
    input: { readonly currentPassword: string; readonly newPassword: string },
  ): Promise<Enforced<readonly Session[]>> {
    const { standing } = demandSession(by);
    const { passwordStrength } = this.#settings;
    const owner = standing.record as User; // the record of a user principal is a User
    await this.#newPasswords.check(input.newPassword, owner, 'newPassword');
    const current = await this.#store.users.password(by.id);
    const isRight = () => isGood(input.currentPassword, current, { passwordStrength, clock: this.#clock });
    const wrong = () => (hasEnded(current, this.#clock) ? passwordEnded('currentPassword') : wrongCurrent());
    return this.#guard.again(by.id, wrong, isRight, async (cleared) => {
      const passwordHash = await hashPassword(input.newPassword, passwordStrength);
      return this.#authority.change(by, { change: [by.id] }, async (tx, actor) => {
        const user = await tx.users.find(by.id);
        // Another change came first: then the current password is not what it was.
        if (user === null || (await tx.users.password(by.id))?.hash !== current?.hash) throw wrongCurrent();
        await cleared(tx);
        await this.#set(tx, user, passwordHash);
        await tx.audit.append({
          by: actor.id,
          sessionId: sessionIdOf(actor),
          action: 'user.change_password',
          subjectId: user.id,
        });
        return this.#sessions.endOthers(tx, { by: actor.id, sessionId: sessionIdOf(actor) }, 'password_changed');
      });
    });
  }

  /** Asks for a mail with which the password can be reset. The answer is given before anything is looked for. */
  async request(email: string): Promise<Written<void>> {
    if (!this.#notices.mailOn) {
      throw new Refusal('FORBIDDEN', 'No mail is sent from here. Ask an administrator.', { reason: 'mail_off' });
    }
    return this.#authority.write(SYSTEM, {}, (tx) => this.#errands.add(tx, 'passwordReset', { email: email.trim() }));
  }

  /** The errand that {@link request} left. */
  async carryOut({ email }: ErrandKinds['passwordReset'], errandId: string): Promise<void> {
    await this.#authority.write(SYSTEM, {}, async (tx) => {
      if (!(await tx.errands.finish(errandId))) return;
      const user = (await tx.users.findByEmail(email))?.user;
      if (user === undefined || !isActive(user)) return;
      const now = this.#clock.now();
      if ((await tx.accountTokens.count(user.id, 'reset', toInstant(now))) >= MAILS_MAX) return;

      const { token, hash } = this.#tokens.make(user.id, 'reset');
      await tx.accountTokens.add({
        hash,
        userId: user.id,
        kind: 'reset',
        createdAt: toInstant(now),
        expiresAt: toInstant(now + HOUR_MS),
        passwordHash: null,
        name: null,
      });
      await this.#notices.passwordReset(tx, user, token);
    });
  }

  /**
   * Takes a new password from whoever has the mail, ends all sessions and unlocks the account. The address is shown to be theirs
   * by that as well. A second factor stays.
   */
  async reset(token: string, newPassword: string): Promise<Enforced<void>> {
    const { userId, hash } = this.#tokens.parse(token, 'reset');
    const known = await this.#store.users.find(userId);
    if (known === null) throw accountTokenNotValid();
    await this.#newPasswords.check(newPassword, known, 'newPassword');
    const passwordHash = await hashPassword(newPassword, this.#settings.passwordStrength);
    return this.#authority.change(SYSTEM, { change: [userId] }, async (tx) => {
      const used = await tx.accountTokens.use(hash, 'reset', this.#now());
      const user = await tx.users.find(userId);
      if (used === null || used.userId !== userId || user === null || !isActive(user)) throw accountTokenNotValid();
      if (!user.emailVerified) await tx.users.save({ ...user, emailVerified: true });
      await this.#guard.unlock(tx, user);
      await this.#set(tx, user, passwordHash);
      await tx.sessions.revokeAllOf(userId, this.#now(), 'password_reset');
      await tx.audit.append({ by: userId, sessionId: null, action: 'user.reset_password', subjectId: userId });
      await tx.authority.append({ target: userId, kind: 'revoked', userId, reason: 'password_reset' });
    });
  }

  /** Nothing that rested on the old password is good any more. */
  async #set(tx: Transaction, user: User, passwordHash: string): Promise<void> {
    await tx.users.setPassword(user.id, { hash: passwordHash, isInitial: false }, this.#now());
    await tx.challenges.removeAllOf(user.id);
    await tx.accountTokens.removeAllOf(user.id);
    await this.#notices.passwordChanged(tx, user);
  }

  #now(): string {
    return toInstant(this.#clock.now());
  }
}

function wrongCurrent(): Refusal {
  return badInput('currentPassword', 'This is not your password.');
}

import { type Clock, toInstant } from '../../kit/clock.ts';
import { newId } from '../../kit/ids.ts';
import type { Authority, Enforced } from '../authority/authority.ts';
import { ADMINISTRATOR } from '../policy/administrators.ts';
import { SYSTEM } from '../principals/principal.ts';
import { notFound, Refusal } from '../refusals.ts';
import type { Role } from '../roles/role.ts';
import { HOMELESS } from '../scopes/home.ts';
import type { Store, Transaction } from '../store.ts';
import type { NewPasswords } from '../users/new-passwords.ts';
import type { Notices } from '../users/notices.ts';
import { hashPassword, type PasswordStrength } from '../users/passwords.ts';
import { isActive, type User } from '../users/user.ts';
import type { SignInGuard } from './sign-in-guard.ts';

export interface Recovered {
  readonly user: User;
  /** How many sessions ended by it. */
  readonly sessionsEnded: number;
  readonly factorRemoved: boolean;
  /** Whether the role was given again, since nobody who may act held it everywhere and without end. */
  readonly roleGiven: boolean;
}

/** Letting an administrator in again who lost what they sign in with: for whoever has the machine, and so the database. */
export class AdministratorRecovery {
  readonly #store: Store;
  readonly #authority: Authority;
  readonly #guard: SignInGuard;
  readonly #notices: Notices;
  readonly #newPasswords: NewPasswords;
  readonly #settings: { readonly passwordStrength: PasswordStrength };
  readonly #clock: Clock;

  constructor(parts: {
    store: Store;
    authority: Authority;
    guard: SignInGuard;
    notices: Notices;
    newPasswords: NewPasswords;
    settings: { readonly passwordStrength: PasswordStrength };
    clock: Clock;
  }) {
    this.#store = parts.store;
    this.#authority = parts.authority;
    this.#guard = parts.guard;
    this.#notices = parts.notices;
    this.#newPasswords = parts.newPasswords;
    this.#settings = parts.settings;
    this.#clock = parts.clock;
  }

  /**
   * Sets an initial password, takes the second factor and all locks away, and ends all sessions. Where nobody is administrator any
   * more, whoever has the address becomes it, also if they were shut out. Refuses with NOT_FOUND an address that nobody has,
   * and with CONFLICT one who is no administrator, or shut out, while somebody else is there to decide about that.
   */
  async recover(email: string, password: string): Promise<Enforced<Recovered>> {
    const known = (await this.#store.users.findByEmail(email))?.user;
    if (known === undefined) throw notFound('user', email);
    await this.#newPasswords.check(password, known);
    const passwordHash = await hashPassword(password, this.#settings.passwordStrength);
    return this.#authority.change(SYSTEM, { change: [known.id] }, async (tx) => {
      const user = await tx.users.find(known.id);
      if (user === null) throw notFound('user', email);
      const role = await tx.roles.findByName(ADMINISTRATOR);
      if (role === null) throw new Refusal('CONFLICT', `There is no role ${ADMINISTRATOR} yet. Start Castellan once.`);
      const isHeld = await tx.grants.isHeld(role.id);
      if (isHeld) demandAdministrator(user);

      const at = toInstant(this.#clock.now());
      await this.#guard.unlock(tx, user);
      const factorRemoved = (await tx.factors.find(user.id)) !== null;
      await tx.factors.remove(user.id);
      await tx.challenges.removeAllOf(user.id);
      await tx.accountTokens.removeAllOf(user.id);
      await tx.users.setPassword(user.id, { hash: passwordHash, isInitial: true }, at);
      const active: User = { ...user, status: 'active', emailVerified: true, ...(user.suspended && HOMELESS) };
      await tx.users.save(active);
      if (!isHeld) await this.#give(tx, role, user.id, at);
      const sessionsEnded = (await tx.sessions.revokeAllOf(user.id, at, 'recovered')).length;
      await this.#notices.passwordChanged(tx, user);
      if (factorRemoved) await this.#notices.secondFactorRemoved(tx, user);

      const done = { sessionsEnded, factorRemoved, roleGiven: !isHeld };
      const before = { status: user.status, scope: user.scope };
      const after = { status: active.status, scope: active.scope, ...done };
      await tx.audit.append({
        by: SYSTEM.id,
        sessionId: null,
        action: 'administrator.recover',
        subjectId: user.id,
        before,
        after,
      });
      await tx.authority.append({ target: user.id, kind: 'revoked', userId: user.id, reason: 'recovered' });
      return { user: active, ...done };
    });
  }

  /** Everywhere and without end, in place of one that has an end. */
  async #give(tx: Transaction, { id: roleId }: Role, principalId: string, at: string): Promise<void> {
    for (const { grant } of await tx.grants.ofPrincipals([principalId])) {
      if (grant.roleId === roleId && grant.scope === null) await tx.grants.revoke(grant.id, at);
    }
    await tx.grants.add({
      __typename: 'Grant',
      id: newId('grant'),
      principalId,
      roleId,
      scope: null,
      expiresAt: null,
      grantedBy: SYSTEM.id,
      createdAt: at,
      revokedAt: null,
    });
  }
}

/** Who is shut out was shut out by somebody; and whoever is no administrator does not become one behind the others' backs. */
function demandAdministrator(user: User): void {
  if (!user.roles.includes(ADMINISTRATOR)) {
    throw new Refusal('CONFLICT', 'This user is no administrator, and there is somebody who is: ask them.');
  }
  if (!isActive(user)) {
    throw new Refusal('CONFLICT', 'This administrator is shut out, and there is another: ask them.');
  }
}

import { toInstant, type Clock } from '../../kit/clock.ts';
import type { Authority, Enforced } from '../authority/authority.ts';
import { parseName } from '../names.ts';
import { ADMINISTRATOR, demandAdministrator } from '../policy/administrators.ts';
import type { Policy } from '../policy/policy.ts';
import type { Principal } from '../principals/principal.ts';
import { demandProof, RECENT } from '../principals/proof.ts';
import { record } from '../principals/recording.ts';
import { badInput, notFound, Refusal } from '../refusals.ts';
import { parseMetadata } from './metadata.ts';
import type { Notices } from './notices.ts';
import { parseEmail, type User } from './user.ts';

/** What is set; what is absent or null stays. */
export interface UserUpdate {
  readonly id: string;
  readonly name?: string | null | undefined;
  readonly email?: string | null | undefined;
  readonly metadata?: unknown;
}

type Settable = 'name' | 'email' | 'metadata';

/** What happens to users after they were created, beside being disabled. */
export class UserChanges {
  readonly #authority: Authority;
  readonly #policy: Policy;
  readonly #notices: Notices;
  readonly #clock: Clock;

  constructor(parts: { authority: Authority; policy: Policy; notices: Notices; clock: Clock }) {
    this.#authority = parts.authority;
    this.#policy = parts.policy;
    this.#notices = parts.notices;
    this.#clock = parts.clock;
  }

  /**
   * Sets what is given and differs; each field is a right of its own. An address set so is taken to be the user's. Refuses with
   * CONFLICT one that another user holds, and another address with MFA_REQUIRED in a session that has proven nothing for a quarter
   * of an hour, or with FORBIDDEN by an API key.
   */
  async update(by: Principal, { id, ...given }: UserUpdate): Promise<Enforced<User>> {
    const wanted: Partial<Pick<User, Settable>> = {
      ...(typeof given.name === 'string' && { name: parseName(given.name) }),
      ...(typeof given.email === 'string' && { email: parseEmail(given.email) }),
      ...(given.metadata !== undefined && given.metadata !== null && { metadata: parseMetadata(given.metadata) }),
    };
    const fields = Object.keys(wanted) as Settable[]; // the keys of what was just made
    if (fields.length === 0) throw badInput('input', 'There is nothing to set. Give a name, an address or metadata.');

    return this.#authority.change(by, { change: [id] }, async (tx, actor) => {
      const user = await tx.users.find(id);
      if (user === null) throw notFound('user', id);
      this.#policy.demand(actor, 'update', user);
      for (const field of fields) this.#demandField(actor, user, field);
      const changed = fields.filter((field) => wanted[field] !== user[field]);
      if (changed.length === 0) return user;
      // Mails to reset the password go there.
      if (changed.includes('email')) demandProof(actor, RECENT, this.#clock);

      const updated: User = { ...user, ...wanted, ...(changed.includes('email') && { emailVerified: true }) };
      await tx.users.save(updated);
      if (changed.includes('email')) {
        // What was mailed to the address before may be in the hands of those for whom it was given up.
        await tx.accountTokens.removeAllOf(id);
        await this.#notices.addressChanged(tx, user);
      }
      // Which fields, and never what is in them.
      await record(tx, actor, 'user.update', { subjectId: id, after: { fields: changed } });
      await tx.authority.append({ target: id, kind: 'changed', userId: id, reason: 'user_updated' });
      return updated;
    });
  }

  /**
   * Lets a disabled user in again: to sign in anew, since nothing that was revoked comes back, nor a mail of before. Changes nothing
   * about another.
   */
  enable(by: Principal, id: string): Promise<Enforced<User>> {
    return this.#authority.change(by, { change: [id] }, async (tx, actor) => {
      const user = await tx.users.find(id);
      if (user === null) throw notFound('user', id);
      this.#policy.demand(actor, 'enable', user);
      if (user.status === 'active') return user;

      const enabled: User = { ...user, status: 'active' };
      await tx.users.save(enabled);
      await tx.accountTokens.removeAllOf(id);
      const states = { before: { status: user.status }, after: { status: enabled.status } };
      await record(tx, actor, 'user.enable', { subjectId: id, ...states });
      await tx.authority.append({ target: id, kind: 'changed', userId: id, reason: 'user_enabled' });
      return enabled;
    });
  }

  /**
   * Erases a user: what is left is the id, which is never used again, and what was recorded under it. The address is free, and
   * whoever takes it inherits nothing. Refuses with CONFLICT to delete the last administrator.
   *
   * @returns the user as it was
   */
  delete(by: Principal, id: string): Promise<Enforced<User>> {
    return this.#authority.change(by, { change: [id] }, async (tx, actor) => {
      const user = await tx.users.find(id);
      if (user === null) throw notFound('user', id);
      this.#policy.demand(actor, 'delete', user);

      const at = toInstant(this.#clock.now());
      await tx.sessions.revokeAllOf(id, at, 'user_deleted');
      await tx.users.erase(id, at);
      if (user.roles.includes(ADMINISTRATOR)) await demandAdministrator(tx);
      await record(tx, actor, 'user.delete', {
        subjectId: id,
        before: { status: user.status, scope: user.scope, roles: user.roles },
      });
      await tx.authority.append({ target: id, kind: 'revoked', userId: id, reason: 'user_deleted' });
      return user;
    });
  }

  #demandField(actor: Principal, user: User, field: Settable): void {
    const { allowed, reason, rule } = this.#policy.decide(actor, 'update', user, field);
    if (allowed) return;
    throw new Refusal('FORBIDDEN', reason, { id: user.id, field, ...(rule !== null && { rule }) });
  }
}

import type { Authority, Enforced } from '../authority/authority.ts';
import type { Policy } from '../policy/policy.ts';
import { sessionIdOf, type Principal } from '../principals/principal.ts';
import { notFound } from '../refusals.ts';
import type { User } from '../users/user.ts';
import type { SignInGuard } from './sign-in-guard.ts';

/** Letting those in again who were kept waiting, or locked, by wrong passwords and codes. */
export class Unlocking {
  readonly #authority: Authority;
  readonly #policy: Policy;
  readonly #guard: SignInGuard;

  constructor(parts: { authority: Authority; policy: Policy; guard: SignInGuard }) {
    this.#authority = parts.authority;
    this.#policy = parts.policy;
    this.#guard = parts.guard;
  }

  /** Forgets the wrong passwords and the wrong codes of a user. Takes nothing away, and changes nothing that a policy can see. */
  unlock(by: Principal, id: string): Promise<Enforced<User>> {
    return this.#authority.change(by, { change: [id] }, async (tx, actor) => {
      const user = await tx.users.find(id);
      if (user === null) throw notFound('user', id);
      this.#policy.demand(actor, 'unlock', user);
      await this.#guard.unlock(tx, user);
      await tx.factors.saveGuesses(id, { failures: 0, retryAt: null });
      await tx.audit.append({ by: actor.id, sessionId: sessionIdOf(actor), action: 'user.unlock', subjectId: id });
      return user;
    });
  }
}

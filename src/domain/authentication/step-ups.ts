import type { Clock } from '../../kit/clock.ts';
import type { Authority, Enforced } from '../authority/authority.ts';
import { type Principal, type UserPrincipal } from '../principals/principal.ts';
import { badInput, Refusal } from '../refusals.ts';
import type { Store } from '../store.ts';
import { hasEnded, isGood, passwordEnded, type PasswordStrength } from '../users/passwords.ts';
import type { Origin } from './origin.ts';
import type { SecondFactors } from './second-factors.ts';
import type { FreshTokens, SessionProofs } from './session-proofs.ts';
import type { SignInGuard } from './sign-in-guard.ts';

/** What proves again who acts: one of these. */
export interface StepUpInput {
  readonly password?: string | null | undefined;
  readonly code?: string | null | undefined;
}

/** Sessions prove again, or better, who acts in them. */
export class StepUps {
  readonly #store: Store;
  readonly #authority: Authority;
  readonly #guard: SignInGuard;
  readonly #secondFactors: SecondFactors;
  readonly #proofs: SessionProofs;
  readonly #settings: { readonly passwordStrength: PasswordStrength };
  readonly #clock: Clock;

  constructor(parts: {
    store: Store;
    authority: Authority;
    guard: SignInGuard;
    secondFactors: SecondFactors;
    proofs: SessionProofs;
    settings: { readonly passwordStrength: PasswordStrength };
    clock: Clock;
  }) {
    this.#store = parts.store;
    this.#authority = parts.authority;
    this.#guard = parts.guard;
    this.#secondFactors = parts.secondFactors;
    this.#proofs = parts.proofs;
    this.#settings = parts.settings;
    this.#clock = parts.clock;
  }

  /**
   * Proves who acts, in the session they act in: by the password, or by a code for whoever has a second factor. Wrong ones are
   * counted as everywhere. Every instance and socket goes by it when the receipt says so, and every older refresh token of the
   * session is dead. Where it was used from another network and device, it is at home there from now on.
   */
  async stepUp(by: Principal, { password, code }: StepUpInput, from: Origin): Promise<Enforced<FreshTokens>> {
    if (by.kind !== 'user') throw new Refusal('UNAUTHENTICATED', 'Sign in first.');
    if (by.session === null) {
      throw new Refusal('FORBIDDEN', 'Nobody is signed in who could prove more.', { reason: 'no_session' });
    }
    if (typeof code === 'string') {
      if (typeof password === 'string') throw badInput('password', 'Show a password or a code, not both.');
      return this.#byCode(by, code, from);
    }
    if (typeof password === 'string') return this.#byPassword(by, password, from);
    throw badInput('code', 'Show a code of your second factor, or your password if you have none.');
  }

  async #byCode(by: UserPrincipal, code: string, from: Origin): Promise<Enforced<FreshTokens>> {
    const { value, receipt } = await this.#secondFactors.proveBy(by, code, from);
    return { value: await this.#proofs.tokens(value), receipt };
  }

  async #byPassword(by: UserPrincipal, password: string, from: Origin): Promise<Enforced<FreshTokens>> {
    // Before it is checked: for whoever has a second factor there is nothing to find out here.
    const [hasFactor] = await this.#secondFactors.enabledAmong([by.id]);
    if (hasFactor === true) throw codeNeeded();
    const current = await this.#store.users.password(by.id);
    const { passwordStrength } = this.#settings;
    const isRight = () => isGood(password, current, { passwordStrength, clock: this.#clock });
    const wrong = () => (hasEnded(current, this.#clock) ? passwordEnded('password') : wrongPassword());
    return this.#guard.again(by.id, wrong, isRight, async (cleared) => {
      const { value, receipt } = await this.#authority.change(by, { change: [by.id] }, async (tx, actor) => {
        if (actor.kind !== 'user') throw new TypeError('whoever steps up is a user');
        // Another change came first: then the password is not what it was, or no longer enough.
        if ((await tx.users.password(by.id))?.hash !== current?.hash) throw wrongPassword();
        const factor = await tx.factors.find(by.id);
        if (factor !== null && factor.confirmedAt !== null) throw codeNeeded();
        await cleared(tx);
        return this.#proofs.note(tx, actor, 'password', from);
      });
      return { value: await this.#proofs.tokens(value), receipt };
    });
  }
}

function wrongPassword(): Refusal {
  return badInput('password', 'This is not your password.');
}

function codeNeeded(): Refusal {
  return badInput('code', 'You have an authenticator app: show a code of it, or a recovery code.');
}

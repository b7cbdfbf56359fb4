import type { Keys } from '../../kit/secret.ts';
import { networkOf } from '../../kit/networks.ts';
import type { Refusal } from '../refusals.ts';
import type { Detectors } from '../security/detectors.ts';
import { addressNow, noteUnchecked, type SignInGuard } from './sign-in-guard.ts';

/** A sign-in that failed: by the address that was typed, and who has it, if anybody does. */
export interface FailedSignIn {
  readonly email: string;
  readonly userId: string | null;
  readonly address: string | null;
}

/** Tells the detectors of sign-ins that failed. Nobody waits for it, and it does not tell whether anybody has an address. */
export class SignInSignals {
  readonly #detectors: Detectors;
  readonly #guard: SignInGuard;
  readonly #keys: Keys;

  constructor(parts: { detectors: Detectors; guard: SignInGuard; keys: Keys }) {
    this.#detectors = parts.detectors;
    this.#guard = parts.guard;
    this.#keys = parts.keys;
  }

  wrongPassword({ email, userId, address }: FailedSignIn, password: string): void {
    const account = this.#guard.accountKey(email);
    // Of somebody's account, codes and passwords that are shown again in a session add up with these.
    this.#detectors.note({ kind: 'sign_in.failures', subject: userId ?? account, userId, address });
    this.#detectors.note({ kind: 'sign_in.spraying', subject: this.#bucketOf(password), member: account, address });
    if (address === null) return;
    this.#detectors.note({ kind: 'sign_in.stuffing', subject: networkOf(address), member: account, address });
  }

  /** At sign-in or in a session: it was wrong, or was not even looked at. */
  refusedCode(userId: string, refusal: Refusal): void {
    const whose = { subject: userId, userId, address: addressNow() };
    if (refusal.code === 'UNAUTHENTICATED') this.#detectors.note({ kind: 'sign_in.failures', ...whose });
    else noteUnchecked(this.#detectors, refusal, whose);
  }

  /** It was not even looked at. */
  refused(error: unknown, { email, userId, address }: FailedSignIn): void {
    noteUnchecked(this.#detectors, error, { subject: userId ?? this.#guard.accountKey(email), userId, address });
  }

  /**
   * What equal passwords have in common: twenty bits of a keyed hash. A million passwords share each, so that nobody finds one by it;
   * and a few thousand wrong ones in an hour meet by chance too seldom to count.
   */
  #bucketOf(password: string): string {
    const [, signature = ''] = this.#keys.sign('password-guesses', 'sprayed', password).split('.');
    return String(Buffer.from(signature, 'base64url').readUIntBE(0, 3) >> 4);
  }
}

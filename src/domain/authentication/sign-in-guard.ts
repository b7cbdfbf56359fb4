import { toInstant, type Clock } from '../../kit/clock.ts';
import type { Keys } from '../../kit/secret.ts';
import { Turns } from '../../kit/turns.ts';
import { Undertaking } from '../../kit/undertaking.ts';
import { Refusal } from '../refusals.ts';
import type { Store, Transaction } from '../store.ts';
import type { Detectors, Signal } from '../security/detectors.ts';
import { foldEmail, type UserWithPassword } from '../users/user.ts';
import { AddressLimit } from './address-limit.ts';
import type { DeviceTokens } from './device-tokens.ts';
import { afterFailure, notNow } from './guesses.ts';

export interface GuardSettings {
  /** Wrong passwords from one network within a quarter of an hour, on one instance. */
  readonly wrongPasswordsPerAddress: number;
}

/** A password that somebody tries. */
interface Attempt {
  readonly email: string;
  readonly found: UserWithPassword | null;
  readonly deviceToken: string | null;
  readonly address: string | null;
}

/** What goes on once the password was right: `cleared` is to be called in its transaction. */
type GoOn<T> = (cleared: (tx: Transaction) => Promise<void>) => Promise<T>;

const LOCKED = 'Too many passwords were wrong. Reset the password, or ask an administrator to unlock the account.';
const WAITING_MAX = 100;

/**
 * Stands before every check of a password. A guess is counted before it is checked and the count is cleared when it was right,
 * so that of any number at once, on any number of instances, no more are checked than may be. It counts by the address as it was
 * typed, whether anybody has it or not, and by the device where a token shows one.
 */
export class SignInGuard {
  readonly #store: Store;
  readonly #keys: Keys;
  readonly #deviceTokens: DeviceTokens;
  readonly #addresses: AddressLimit;
  readonly #detectors: Pick<Detectors, 'note'>;
  readonly #clock: Clock;
  readonly #turns = new Turns();

  constructor(parts: {
    store: Store;
    keys: Keys;
    deviceTokens: DeviceTokens;
    detectors: Pick<Detectors, 'note'>;
    settings: GuardSettings;
    clock: Clock;
  }) {
    this.#store = parts.store;
    this.#keys = parts.keys;
    this.#deviceTokens = parts.deviceTokens;
    this.#addresses = new AddressLimit(parts.settings.wrongPasswordsPerAddress, parts.clock);
    this.#detectors = parts.detectors;
    this.#clock = parts.clock;
  }

  /**
   * Does `goOn` if `isRight`. Refuses with UNAUTHENTICATED a wrong password; with RATE_LIMITED, unchecked, one that comes too
   * early after others, and with ACCOUNT_LOCKED one after a hundred in a row: alike for addresses that nobody has.
   */
  async signIn<T>(attempt: Attempt, isRight: () => Promise<boolean>, goOn: GoOn<T>): Promise<T> {
    const deviceId = this.#deviceTokens.deviceOf(attempt.deviceToken, attempt.found);
    if (deviceId !== null) return this.#checked(this.#key('device', deviceId), wrongCredentials, isRight, goOn);

    this.#addresses.take(attempt.address);
    const value = await this.#checked(this.accountKey(attempt.email), wrongCredentials, isRight, goOn);
    this.#addresses.giveBack(attempt.address);
    return value;
  }

  /** The same for a user who shows the password again inside a session: counted apart, and refused with `wrong`. */
  async again<T>(userId: string, wrong: () => Refusal, isRight: () => Promise<boolean>, goOn: GoOn<T>): Promise<T> {
    const isNoted = async (): Promise<boolean> => {
      if (await isRight()) return true;
      this.#detectors.note({ kind: 'sign_in.failures', subject: userId, userId, address: addressNow() });
      return false;
    };
    try {
      return await this.#checked(this.#key('session', userId), wrong, isNoted, goOn);
    } catch (error) {
      noteUnchecked(this.#detectors, error, { subject: userId, userId, address: addressNow() });
      throw error;
    }
  }

  /** Forgets the wrong passwords of an account, as a part of the transaction. */
  async unlock(tx: Transaction, { id, email }: { readonly id: string; readonly email: string }): Promise<void> {
    await tx.passwordGuesses.clear(this.accountKey(email));
    await tx.passwordGuesses.clear(this.#key('session', id));
  }

  /** One text for all ways to write the address of an account, whether or not anybody has it; it tells nobody which. */
  accountKey(email: string): string {
    return this.#key('account', foldEmail(email.trim()));
  }

  async #checked<T>(key: string, wrong: () => Refusal, isRight: () => Promise<boolean>, goOn: GoOn<T>): Promise<T> {
    if (this.#turns.waiting(key) >= WAITING_MAX) {
      throw new Refusal('RATE_LIMITED', 'Too many try this at once. Try again in a second.', { retryAfterSeconds: 1 });
    }
    // One after the other, or many who know the password and come at once would be taken for somebody who guesses.
    return this.#turns.take(key, async () => {
      await this.#count(key);
      if (!(await isRight())) throw wrong();
      try {
        return await goOn((tx) => tx.passwordGuesses.clear(key));
      } catch (error) {
        // What came after a right password went wrong, and the count's end was rolled back with it.
        if (!(error instanceof Refusal) || error.code !== 'UNAUTHENTICATED') await this.#forget(key);
        throw error;
      }
    });
  }

  async #forget(key: string): Promise<void> {
    await this.#store
      .transaction(({ passwordGuesses }) => passwordGuesses.clear(key))
      .catch(() => {
        // It counts as one more guess, which is the safe side of an outage.
      });
  }

  async #count(key: string): Promise<void> {
    const now = toInstant(this.#clock.now());
    const { value } = await this.#store.transaction(async ({ passwordGuesses }) => {
      const guesses = await passwordGuesses.lock(key, now);
      const refusal = notNow(guesses, this.#clock, LOCKED);
      if (refusal === null) await passwordGuesses.save(key, afterFailure(guesses, this.#clock));
      return refusal;
    });
    if (value !== null) throw value;
  }

  #key(kind: 'account' | 'device' | 'session', what: string): string {
    return this.#keys.sign('password-guesses', kind, what);
  }
}

/** Tells of a password or code that was not even looked at; whatever else went wrong is nothing of the kind. */
export function noteUnchecked(
  detectors: Pick<Detectors, 'note'>,
  error: unknown,
  whose: Pick<Signal, 'subject' | 'userId' | 'address'>,
): void {
  if (!(error instanceof Refusal)) return;
  if (error.code === 'RATE_LIMITED') detectors.note({ kind: 'sign_in.blocked', ...whose });
  if (error.code === 'ACCOUNT_LOCKED') detectors.note({ kind: 'account.locked', ...whose });
}

/** From where whoever asks does, as far as that is known. */
export function addressNow(): string | null {
  return Undertaking.current()?.circumstances?.address ?? null;
}

/** The one answer for a wrong password, an unknown address and a user who is shut out. */
export function wrongCredentials(): Refusal {
  return new Refusal('UNAUTHENTICATED', 'The address or the password is wrong.');
}

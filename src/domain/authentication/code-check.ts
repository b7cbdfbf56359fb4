import type { Clock } from '../../kit/clock.ts';
import type { Keys } from '../../kit/secret.ts';
import { badInput, Refusal } from '../refusals.ts';
import type { Transaction } from '../store.ts';
import type { TotpFactor } from './factor.ts';
import { afterFailure, notNow } from './guesses.ts';
import type { RecoveryCodes } from './recovery-codes.ts';
import { matchingStep, type TotpSkew } from './totp.ts';

/** Which kind of code proves the second factor. */
export type MfaMethod = 'totp' | 'recoveryCode';

export interface CodeSettings {
  readonly totpSkew: TotpSkew;
}

/** Whose code it is, for the record. */
interface Author {
  readonly by: string;
  readonly sessionId: string | null;
}

const TOTP_CODE = /^\d{6}$/;

const digitsOf = (code: string): string => code.replaceAll(/\s/g, '');

/** What a code claims to be. */
export const methodOf = (code: string): MfaMethod => (TOTP_CODE.test(digitsOf(code)) ? 'totp' : 'recoveryCode');

/** Checks codes and counts the wrong ones, under the lock of the factor: of concurrent callers each sees what the one before it did. */
export class CodeCheck {
  readonly #keys: Keys;
  readonly #recoveryCodes: RecoveryCodes;
  readonly #settings: CodeSettings;
  readonly #clock: Clock;

  constructor(parts: { keys: Keys; recoveryCodes: RecoveryCodes; settings: CodeSettings; clock: Clock }) {
    this.#keys = parts.keys;
    this.#recoveryCodes = parts.recoveryCodes;
    this.#settings = parts.settings;
    this.#clock = parts.clock;
  }

  /**
   * Six digits are the app's, anything else is a recovery code. Null when it is right, and used up by that. A refusal is an
   * answer and not thrown, so that the transaction commits what it counted.
   */
  check(tx: Transaction, factor: TotpFactor, code: string, author: Author): Promise<Refusal | null> {
    if (methodOf(code) === 'totp') return this.checkTotp(tx, factor, code, author);
    return this.#checkRecoveryCode(tx, factor, code, author);
  }

  /** As {@link check}, of the app's codes alone: refuses others with BAD_USER_INPUT. */
  checkTotp(tx: Transaction, factor: TotpFactor, code: string, author: Author): Promise<Refusal | null> {
    if (methodOf(code) !== 'totp') throw badInput('code', 'This takes the six digits that your app shows.');
    return this.#checkTotp(tx, factor, digitsOf(code), author);
  }

  async #checkTotp(tx: Transaction, factor: TotpFactor, code: string, author: Author): Promise<Refusal | null> {
    const { userId, sealedSecret, lastStep } = factor;
    // Whoever must wait is not checked, so that the answer tells nothing about the code.
    const refusal = notNow(factor, this.#clock);
    if (refusal !== null) return refusal;

    const secret = this.#keys.open('totp-secrets', sealedSecret, userId);
    if (secret === null) throw new Error(`the TOTP secret of ${userId} was sealed under a secret that is not listed`);
    const step = matchingStep(secret, code, { epochMs: this.#clock.now(), lastStep, skew: this.#settings.totpSkew });
    if (step !== null && (await tx.factors.useStep(userId, step))) {
      await tx.audit.append({ ...author, action: 'totp.use', subjectId: userId });
      return null;
    }
    const guesses = afterFailure(factor, this.#clock);
    await tx.factors.saveGuesses(userId, guesses);
    const after = { failures: guesses.failures };
    await tx.audit.append({ ...author, action: 'totp.refuse', subjectId: userId, after });
    return wrongCode();
  }

  /** Without a limit: what cannot be guessed need not be counted, and nobody must be able to shut out who has lost the phone. */
  async #checkRecoveryCode(
    tx: Transaction,
    { userId }: TotpFactor,
    code: string,
    author: Author,
  ): Promise<Refusal | null> {
    const unused = await tx.factors.recoveryCodes(userId);
    const found = this.#recoveryCodes.match(userId, code, unused);
    if (found === null || !(await tx.factors.useRecoveryCode(userId, found))) {
      await tx.audit.append({ ...author, action: 'recovery_code.refuse', subjectId: userId });
      return wrongCode();
    }
    await tx.factors.saveGuesses(userId, { failures: 0, retryAt: null });
    const after = { unused: unused.length - 1 };
    await tx.audit.append({ ...author, action: 'recovery_code.use', subjectId: userId, after });
    return null;
  }
}

function wrongCode(): Refusal {
  return new Refusal('UNAUTHENTICATED', 'This code is wrong, or was used before.');
}

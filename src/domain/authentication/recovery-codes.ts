import { hash, timingSafeEqual } from 'node:crypto';
import { randomSymbols } from '../../kit/ids.ts';
import type { Keys } from '../../kit/secret.ts';

const CODES = 10;
/**
 * With five bits in each symbol: far beyond the 64 bits from which on NIST SP 800-63B-4 3.1.2.2 asks for no limit on guesses, and
 * beyond the 112 from which on ASVS 5.0 (6.5.2) lets a plain hash be kept.
 */
const SYMBOLS = 28;
const GROUP = /.{7}(?=.)/g;

/**
 * Codes for whoever has lost the phone: each is good once. Only their hashes are stored, sealed under a key that the database
 * does not have, so that they go along when that key is replaced.
 */
export class RecoveryCodes {
  readonly #keys: Keys;

  constructor(keys: Keys) {
    this.#keys = keys;
  }

  /** Fresh codes as they are shown, and what is kept of each. */
  make(userId: string): { readonly codes: readonly string[]; readonly sealed: readonly string[] } {
    const symbols = Array.from({ length: CODES }, () => randomSymbols(SYMBOLS));
    return {
      codes: symbols.map((each) => each.replaceAll(GROUP, '$&-')),
      sealed: symbols.map((each) => this.#keys.seal('recovery-codes', hashOf(each), userId)),
    };
  }

  /** The one among `sealed` that the code stands for, however it was typed; null when there is none. */
  match(userId: string, code: string, sealed: readonly string[]): string | null {
    const given = Buffer.from(hashOf(symbolsOf(code)));
    let found: string | null = null;
    for (const each of sealed) {
      const kept = Buffer.from(this.#keys.open('recovery-codes', each, userId) ?? '');
      if (kept.length === given.length && timingSafeEqual(kept, given)) found = each;
    }
    return found;
  }
}

/** Without groups and capitals, and with the letters that look like digits taken for those. */
function symbolsOf(code: string): string {
  return code.toLowerCase().replaceAll(/[\s-]/g, '').replaceAll('o', '0').replaceAll(/[il]/g, '1');
}

function hashOf(symbols: string): string {
  return hash('sha256', symbols, 'base64url');
}

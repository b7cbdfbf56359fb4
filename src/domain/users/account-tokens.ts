import { hash, randomBytes } from 'node:crypto';
import type { Instant } from '../../kit/clock.ts';
import { isId } from '../../kit/ids.ts';
import type { Keys } from '../../kit/secret.ts';
import { Refusal } from '../refusals.ts';

/** What a token that went out by mail is good for. A `notice` never goes out: it only counts mails. */
export type AccountTokenKind = 'verification' | 'reset' | 'notice';

/** The stored side of a token: its hash, never the token. */
export interface AccountToken {
  readonly hash: string;
  readonly userId: string;
  readonly kind: AccountTokenKind;
  readonly createdAt: Instant;
  readonly expiresAt: Instant;
  /** What a sign-up chose, for whoever follows the mail of that sign-up. */
  readonly passwordHash: string | null;
  readonly name: string | null;
}

export interface AccountTokenWriter {
  add(token: AccountToken): Promise<void>;
  /** Takes the token away and returns it, if it is of that kind and has not expired: of N callers at most one gets it. */
  use(hash: string, kind: AccountTokenKind, at: Instant): Promise<AccountToken | null>;
  /** How many of the user's tokens of that kind have not expired; nobody else counts them until the transaction has ended. */
  count(userId: string, kind: AccountTokenKind, at: Instant): Promise<number>;
  removeAllOf(userId: string): Promise<void>;
}

const PREFIXES = { verification: 'ev', reset: 'pr', notice: 'no' } as const;
const SHAPE = /^(ev|pr)\.([a-z0-9_]{1,64})\.([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{8})\.([A-Za-z0-9_-]{43})$/;

/**
 * Opaque tokens for mails: 256 random bits with the id of the user, under a MAC over those and what the token is for. The MAC
 * keeps guesses, and tokens of another kind, away from the database.
 */
export class AccountTokens {
  readonly #keys: Keys;

  constructor(keys: Keys) {
    this.#keys = keys;
  }

  make(userId: string, kind: AccountTokenKind): { readonly token: string; readonly hash: string } {
    const secret = randomBytes(32).toString('base64url');
    const token = [PREFIXES[kind], userId, secret, this.#keys.sign('account-tokens', kind, userId, secret)].join('.');
    return { token, hash: hash('sha256', token, 'base64url') };
  }

  /** Refuses with UNAUTHENTICATED what was never a token of ours of this kind. */
  parse(token: string, kind: AccountTokenKind): { readonly userId: string; readonly hash: string } {
    const [, prefix, userId, secret, keyId, mac] = SHAPE.exec(token) ?? [];
    const ours =
      prefix === PREFIXES[kind] &&
      userId !== undefined &&
      secret !== undefined &&
      isId('user', userId) &&
      this.#keys.verify('account-tokens', `${keyId}.${mac}`, kind, userId, secret);
    if (!ours) throw accountTokenNotValid();
    return { userId, hash: hash('sha256', token, 'base64url') };
  }
}

/** The one answer for a token that is wrong, expired or used, or whose user is shut out. */
export function accountTokenNotValid(): Refusal {
  return new Refusal('UNAUTHENTICATED', 'This token is not valid any more. Ask for a new mail.');
}

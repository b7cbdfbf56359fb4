import { hash, randomBytes } from 'node:crypto';
import { isId } from '../../kit/ids.ts';
import { openWithToken, sealWithToken, type Keys } from '../../kit/secret.ts';
import { Refusal } from '../refusals.ts';

/** A refresh token taken apart. Only the hash is ever stored. */
export interface RefreshToken {
  readonly token: string;
  readonly hash: string;
  readonly userId: string;
  readonly sessionId: string;
}

const PREFIX = 'rt';
const SHAPE =
  /^rt\.([a-z0-9_]{1,64})\.([a-z0-9_]{1,64})\.([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{8})\.([A-Za-z0-9_-]{43})$/;

/**
 * Opaque refresh tokens: 256 random bits, with the ids of user and session, under a MAC. The ids tell where to look
 * without a search; the MAC keeps guesses away from the database; a token with a true MAC that is not the current
 * one was ours once, and showing it again is reuse.
 */
export class RefreshTokens {
  readonly #keys: Keys;

  constructor(keys: Keys) {
    this.#keys = keys;
  }

  make(userId: string, sessionId: string): RefreshToken {
    const secret = randomBytes(32).toString('base64url');
    const token = [
      PREFIX,
      userId,
      sessionId,
      secret,
      this.#keys.sign('refresh-tokens', userId, sessionId, secret),
    ].join('.');
    return { token, hash: hashOf(token), userId, sessionId };
  }

  /** Whether it has the form of a refresh token; says nothing about whether it is one of ours. */
  isOne(token: string): boolean {
    return SHAPE.test(token);
  }

  /** Refuses with UNAUTHENTICATED what was never one of ours. */
  parse(token: string): RefreshToken {
    const [, userId, sessionId, secret, keyId, mac] = SHAPE.exec(token) ?? [];
    const ours =
      userId !== undefined &&
      sessionId !== undefined &&
      secret !== undefined &&
      isId('user', userId) &&
      isId('session', sessionId) &&
      this.#keys.verify('refresh-tokens', `${keyId}.${mac}`, userId, sessionId, secret);
    if (!ours) throw new Refusal('UNAUTHENTICATED', 'This refresh token is not valid. Sign in again.');
    return { token, hash: hashOf(token), userId, sessionId };
  }

  /** Seals the successor for whoever shows `presented` again within grace: the database alone cannot open it. */
  sealSuccessor(presented: RefreshToken, successor: RefreshToken): string {
    return sealWithToken(presented.token, successor.token, presented.sessionId);
  }

  /** The successor that {@link sealSuccessor} kept, or null for another token. */
  openSuccessor(presented: RefreshToken, sealed: string): RefreshToken | null {
    const token = openWithToken(presented.token, sealed, presented.sessionId);
    return token === null ? null : this.parse(token);
  }
}

function hashOf(token: string): string {
  return hash('sha256', token, 'base64url');
}

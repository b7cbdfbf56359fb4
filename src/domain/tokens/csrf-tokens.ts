import type { Keys } from '../../kit/secret.ts';
import { Refusal } from '../refusals.ts';

const SHAPE = /^[A-Za-z0-9_-]{8}\.[A-Za-z0-9_-]{43}$/;

/**
 * Tell a page that was handed one from a page of another site whose requests merely carry the same cookies. Each is bound to
 * one session and good for nothing without that session's cookies.
 */
export class CsrfTokens {
  readonly #keys: Keys;

  constructor(keys: Keys) {
    this.#keys = keys;
  }

  /** The same one for a session every time, until KEY_ENCRYPTION_KEY changes; then the old one stays good while its key is listed. */
  make(sessionId: string): string {
    return this.#keys.sign('csrf-tokens', sessionId);
  }

  /** Whether it was made for this session. */
  holds(sessionId: string, token: unknown): boolean {
    return typeof token === 'string' && SHAPE.test(token) && this.#keys.verify('csrf-tokens', token, sessionId);
  }

  /** Refuses with FORBIDDEN, for the reason `csrf`, what does not hold. */
  demand(sessionId: string, token: unknown): void {
    if (!this.holds(sessionId, token)) throw noCsrfToken();
  }
}

export function noCsrfToken(): Refusal {
  const message = 'Send the csrfToken of this session with its cookies, as X-CSRF-Token.';
  return new Refusal('FORBIDDEN', message, { reason: 'csrf' });
}

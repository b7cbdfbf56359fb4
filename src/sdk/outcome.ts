/** Why a connection is over, which decides what comes next. */
export type Outcome =
  /** Nobody's fault: connect again after a while. */
  | { readonly kind: 'lost' }
  /** The access token has run out: refresh it, then connect again. */
  | { readonly kind: 'expired' }
  /** Access has ended, and connecting again would only be refused. */
  | { readonly kind: 'ended'; readonly code: string; readonly reason: string };

export const LOST: Outcome = { kind: 'lost' };

const CLOSED_REVOKED = 4401;
const CLOSED_EXPIRED = 4403;

/** Castellan cannot answer now; it says nothing about the one who asks. */
const TEMPORARY: ReadonlySet<string> = new Set(['AUTHORITY_UNAVAILABLE', 'RATE_LIMITED', 'INTERNAL']);

/** What `AccessEnded` or the `extensions.code` of an error means. */
export function outcomeOfCode(code: unknown, reason: unknown): Outcome {
  if (typeof code !== 'string' || TEMPORARY.has(code)) return LOST;
  if (code === 'TOKEN_EXPIRED') return { kind: 'expired' };
  return { kind: 'ended', code, reason: typeof reason === 'string' ? reason : '' };
}

/** What a close frame means. Castellan puts the error code into its reason. */
export function outcomeOfClose(close: unknown): Outcome {
  const { code, reason } = Object(close) as { readonly code?: unknown; readonly reason?: unknown };
  if (code === CLOSED_REVOKED) {
    const named = typeof reason === 'string' && reason !== '' ? reason : 'SESSION_REVOKED';
    return { kind: 'ended', code: named, reason: 'Access has ended. Sign in again.' };
  }
  // Also the code of an instance that cannot confirm anything right now, which a fresh token would not change.
  if (code === CLOSED_EXPIRED && reason !== 'AUTHORITY_UNAVAILABLE') return { kind: 'expired' };
  return LOST;
}

/** What it means that the page's own `accessToken` or `refresh` failed: only these two codes say that it is final. */
export function outcomeOfFailure(error: unknown): Outcome {
  const { code, message } = Object(error) as { readonly code?: unknown; readonly message?: unknown };
  return code === 'SESSION_REVOKED' || code === 'UNAUTHENTICATED' ? outcomeOfCode(code, message) : LOST;
}

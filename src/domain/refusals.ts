/**
 * Every way Castellan says no. The codes are public and stable: clients branch on them. `status` is the
 * HTTP status that a door answers with when the whole request is refused.
 */
export const REFUSALS = {
  UNAUTHENTICATED: { status: 401 },
  SESSION_REVOKED: { status: 401 },
  TOKEN_EXPIRED: { status: 401 },
  MFA_REQUIRED: { status: 401 },
  FORBIDDEN: { status: 403 },
  NOT_FOUND: { status: 404 },
  BAD_USER_INPUT: { status: 400 },
  CONFLICT: { status: 409 },
  ACCOUNT_LOCKED: { status: 423 },
  RATE_LIMITED: { status: 429 },
  AUTHORITY_UNAVAILABLE: { status: 503 },
} as const;

export type RefusalCode = keyof typeof REFUSALS;

/** What a refusal may carry to its reader. Never a secret, never what the reader may not see. */
export interface RefusalData {
  readonly field?: string;
  readonly id?: string;
  readonly reason?: string;
  readonly rule?: string;
  readonly retryAfterSeconds?: number;
  /** What a session must have proven, and how recently. */
  readonly level?: number;
  readonly withinSeconds?: number;
  /** Everything that is wrong with policy files, each with its place. */
  readonly problems?: readonly object[];
  /** The version of the policy in force. */
  readonly version?: string;
  /** Which limit a request exceeds, what that allows, and what was counted. */
  readonly limit?: string;
  readonly max?: number;
  readonly value?: number;
}

/** An expected no. Its message is public. Anything else that is thrown is a fault, and is masked at the door. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: RefusalCode;
  readonly data: RefusalData;

  constructor(code: RefusalCode, message: string, data: RefusalData = {}) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

/**
 * The one answer for what does not exist and for what one may not know to exist. Both must read the
 * same, or asking would tell which ids are taken.
 */
export function notFound(what: string, id: string): Refusal {
  return new Refusal('NOT_FOUND', `There is no such ${what}.`, { id });
}

export function badInput(field: string, message: string): Refusal {
  return new Refusal('BAD_USER_INPUT', message, { field });
}

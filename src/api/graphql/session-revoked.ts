import type { LogEntry } from '../../domain/authority/log.ts';
import { formatPosition } from '../../domain/authority/position.ts';
import { isId } from '../../kit/ids.ts';

/** The event, before its session is read. */
export interface SessionRevoked {
  readonly __typename: 'SessionRevoked';
  readonly sessionId: string;
  readonly reason: string;
  readonly at: string;
  readonly position: string;
}

/** The end of all sessions of a disabled user stands in the log as one entry about the user, and reaches them as their own end. */
export function isSessionEnd({ target, kind }: LogEntry): boolean {
  return kind === 'revoked' && isId('session', target);
}

export function toSessionRevoked({ target, reason, at, seq }: LogEntry, epoch: string): SessionRevoked {
  return {
    __typename: 'SessionRevoked',
    sessionId: target,
    reason,
    at,
    position: formatPosition({ epoch, seq }),
  };
}

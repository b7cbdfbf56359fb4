import type { Clock } from '../../kit/clock.ts';
import { Refusal } from '../refusals.ts';
import type { SessionState } from '../sessions/session-states.ts';
import type { Principal } from './principal.ts';

/** How well, and how recently, a session must have proven who acts in it. */
export interface Proof {
  readonly level: SessionState['aal'];
  /** Null where it does not matter when. */
  readonly withinSeconds: number | null;
}

/**
 * For what decides who can sign in, whatever a policy says: whoever has a stolen token must not make the account theirs for good.
 */
export const RECENT: Proof = { level: 1, withinSeconds: 900 };

/** Whether what this principal has proven falls short. Castellan itself proves nothing; whoever has no session cannot. */
export function lacksProof(by: Principal, { level, withinSeconds }: Proof, clock: Clock): boolean {
  if (by.kind === 'system') return false;
  if (by.kind !== 'user' || by.session === null) return true;
  const { aal, authenticatedAtMs } = by.session;
  return aal < level || (withinSeconds !== null && clock.now() - authenticatedAtMs > withinSeconds * 1_000);
}

/** Whether a session has proven who acts in it since that time, and was given other tokens for that. */
export function isSuperseded(provenAtMs: number, session: Pick<SessionState, 'authenticatedAtMs'>): boolean {
  return provenAtMs < session.authenticatedAtMs;
}

export function superseded(): Refusal {
  return new Refusal(
    'TOKEN_EXPIRED',
    'The session has proven more since then. Go on with the tokens it was given for that.',
  );
}

/** Refuses with MFA_REQUIRED a session that must prove more, and with FORBIDDEN a credential that stands for no session. */
export function demandProof(by: Principal, proof: Proof, clock: Clock): void {
  if (!lacksProof(by, proof, clock)) return;
  if (by.kind !== 'user' || by.session === null) {
    throw new Refusal('FORBIDDEN', 'This takes a session, in which somebody can prove who they are.', {
      reason: 'no_session',
    });
  }
  const { level, withinSeconds } = proof;
  const what = level === 2 ? 'a second factor' : 'who you are';
  const when = withinSeconds === null ? '' : ` within the last ${withinSeconds} seconds`;
  throw new Refusal('MFA_REQUIRED', `This takes a session that has proven ${what}${when}. Call stepUp and try again.`, {
    reason: 'step_up',
    level,
    ...(withinSeconds !== null && { withinSeconds }),
  });
}

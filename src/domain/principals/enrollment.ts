import { Refusal } from '../refusals.ts';
import type { SessionState } from '../sessions/session-states.ts';
import type { Principal, Standing } from './principal.ts';

/** Whether a session lacks the second factor that a role of its user asks for. */
export function lacksSecondFactor(
  { mfaRequired }: Pick<Standing, 'mfaRequired'>,
  { aal }: Pick<SessionState, 'aal'>,
): boolean {
  return mfaRequired && aal < 2;
}

/** Whether this principal may do nothing but get a second factor, or leave. A credential that stands for no session need not. */
export function mustEnroll(by: Principal): boolean {
  return by.kind === 'user' && by.session !== null && lacksSecondFactor(by.standing, by.session);
}

export function secondFactorMissing(): Refusal {
  const message =
    'A role of yours takes a second factor. Add an authenticator app with beginTotpEnrollment, or sign in again to do so.';
  return new Refusal('MFA_REQUIRED', message, { reason: 'enrollment', level: 2 });
}

import { TrustedProxies } from '../api/http/request-origin.ts';
import type { AuthorityParts } from '../app/authority.ts';
import type { Foundation } from '../app/foundation.ts';
import { Authentication } from '../domain/authentication/authentication.ts';
import { DeviceTokens } from '../domain/authentication/device-tokens.ts';
import { Enrollments } from '../domain/authentication/enrollments.ts';
import { Refreshes } from '../domain/authentication/refreshes.ts';
import { SecondFactors } from '../domain/authentication/second-factors.ts';
import { SessionProofs } from '../domain/authentication/session-proofs.ts';
import { SignInGuard } from '../domain/authentication/sign-in-guard.ts';
import { SignInSignals } from '../domain/authentication/sign-in-signals.ts';
import { StepUps } from '../domain/authentication/step-ups.ts';
import { SuccessorEraser } from '../domain/authentication/successor-eraser.ts';
import { Takeovers } from '../domain/authentication/takeovers.ts';
import { Attempts } from '../domain/security/attempts.ts';
import { Detectors } from '../domain/security/detectors.ts';
import { Travels } from '../domain/security/travels.ts';
import type { Sessions } from '../domain/sessions/sessions.ts';
import { RefreshTokens } from '../domain/tokens/refresh-tokens.ts';
import type { Notices } from '../domain/users/notices.ts';

/** How somebody comes in and goes on, and what is made of those who should not. */
export function startSigningIn(
  { config, store, keys, locate, clock, logger, metrics, cleanup }: Foundation,
  { authority, standings, sessionStates, accessTokens, identification }: AuthorityParts,
  { sessions, notices }: { readonly sessions: Sessions; readonly notices: Notices },
) {
  const proxies = new TrustedProxies(config.trustedProxies);
  const isProxy = (address: string): boolean => proxies.has(address);
  const detectors = new Detectors({ store, thresholds: config.securityThresholds, clock, logger });
  cleanup.start('the detectors', detectors.rounds);
  const attempts = new Attempts({ clock, logger });
  cleanup.start('what was attempted', attempts.rounds);
  metrics.counter('attempts_folded_total', 'Attempts that are logged as one with others.', () => attempts.folded);
  const travels = new Travels({ store, locate, isProxy, thresholds: config.securityThresholds, clock, logger });
  cleanup.start('where users were', travels.rounds);

  const settings = config;
  const refreshTokens = new RefreshTokens(keys);
  const deviceTokens = new DeviceTokens(keys, clock);
  const takeovers = new Takeovers({ authority, settings, isProxy, clock, logger });
  const proofs = new SessionProofs({ accessTokens, refreshTokens, takeovers, settings, clock });
  const guard = new SignInGuard({ store, keys, deviceTokens, detectors, settings, clock });
  const signals = new SignInSignals({ detectors, guard, keys });
  const factors = { authority, sessions, proofs, keys, notices, signals, settings, clock };
  const secondFactors = new SecondFactors({ ...factors, store });
  const enrollments = new Enrollments(factors);
  const continuing = { store, authority, standings, sessionStates, accessTokens, refreshTokens, settings, clock };
  const refreshes = new Refreshes({ ...continuing, identification, takeovers });
  const authentication = new Authentication({
    ...continuing,
    secondFactors,
    enrollments,
    guard,
    deviceTokens,
    notices,
    signals,
  });
  const eraser = new SuccessorEraser({ store, settings, clock, logger });
  cleanup.start('the eraser of successors', eraser.rounds);
  return {
    guard,
    services: {
      proxies,
      detectors,
      attempts,
      travels,
      refreshTokens,
      takeovers,
      secondFactors,
      enrollments,
      refreshes,
      authentication,
      stepUps: new StepUps({ store, authority, guard, secondFactors, proofs, settings, clock }),
    },
  };
}

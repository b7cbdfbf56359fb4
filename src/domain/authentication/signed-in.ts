import { toInstant } from '../../kit/clock.ts';
import { formatPosition, type Position } from '../authority/position.ts';
import type { Session } from '../sessions/session.ts';
import type { SessionStates } from '../sessions/session-states.ts';
import type { AccessTokens } from '../tokens/access-tokens.ts';
import type { RefreshToken } from '../tokens/refresh-tokens.ts';
import type { User } from '../users/user.ts';

export interface SignedIn {
  readonly __typename: 'SignedIn';
  readonly accessToken: string;
  readonly refreshToken: string;
  /** For the next sign-in from this device; null when the session only goes on. */
  readonly deviceToken: string | null;
  /** When the access token ends. */
  readonly expiresAt: string;
  readonly session: Session;
  readonly user: User;
  readonly position: string;
}

/** A session that begins or goes on, before its access token is signed. */
export interface Granted {
  readonly refresh: RefreshToken;
  readonly session: Session;
  readonly user: User;
  readonly position: Position;
  readonly deviceToken?: string;
}

/** What it takes to hand out tokens of a session. */
export interface Issuing {
  readonly sessionStates: SessionStates;
  readonly accessTokens: AccessTokens;
}

/** What its client goes on with. */
export async function signedIn(
  { sessionStates, accessTokens }: Issuing,
  { refresh, session, user, position, deviceToken }: Granted,
): Promise<SignedIn> {
  // Read before the session was: whatever happens to it after that has a newer position.
  await sessionStates.put(session, { epoch: position.epoch, asOf: position.seq });
  const { accessToken, expiresAtMs } = await accessTokens.issue({
    userId: user.id,
    sessionId: session.id,
    position,
    authenticatedAtMs: Date.parse(session.authenticatedAt),
    sessionExpiresAtMs: Date.parse(session.expiresAt),
  });
  return {
    __typename: 'SignedIn',
    accessToken,
    refreshToken: refresh.token,
    deviceToken: deviceToken ?? null,
    expiresAt: toInstant(expiresAtMs),
    session,
    user,
    position: formatPosition(position),
  };
}

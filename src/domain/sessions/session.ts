import type { Instant } from '../../kit/clock.ts';
import type { Device } from './device.ts';

/** One signed-in device: a family of refresh tokens. */
export interface Session extends Device {
  readonly __typename: 'Session';
  readonly id: string;
  readonly userId: string;
  readonly createdAt: Instant;
  /** What it has proven: 1 the password alone, 2 a second factor (NIST SP 800-63B-4). A refresh changes neither this nor when. */
  readonly aal: 1 | 2;
  /** When its user last proved who they are. */
  readonly authenticatedAt: Instant;
  /** The end of its life however much it is used. */
  readonly expiresAt: Instant;
  readonly revokedAt: Instant | null;
  /**
   * Why it ended: `signed_out`, `revoked`, `user_disabled`, `user_deleted`, `refresh_reuse`, `mfa_changed`, `password_changed`,
   * `password_reset`, `session_limit`, `takeover`, `recovered`.
   */
  readonly revokedReason: string | null;
  /** Where it is at home, with its device: where it started, or proved itself later from another network and device. */
  readonly userAgent: string | null;
  readonly address: string | null;
  /** What the program that signed in calls itself, and what its user calls the session. */
  readonly client: string | null;
  readonly label: string | null;
  /** When an operation last used it, as far as that is written: a few seconds behind. Null before the first. */
  readonly lastSeenAt: Instant | null;
  /** How it was used so far: `http`, `websocket`, `sse`. */
  readonly protocols: readonly string[];
  /** The home scope of its user, and all paths from the root down to it: who may manage a user may manage the sessions. */
  readonly scope: string | null;
  readonly scopes: readonly string[];
}

/** The stored side of a refresh token: hashes and a sealed successor, never a token. */
export interface RefreshState {
  readonly currentHash: string;
  readonly previousHash: string | null;
  readonly rotatedAt: Instant | null;
  /** The current token, sealed under a key that only the holder of the previous one can derive; null once grace ended. */
  readonly successor: string | null;
}

export interface Rotation {
  readonly sessionId: string;
  readonly presentedHash: string;
  readonly nextHash: string;
  /** The next token, sealed for whoever shows the presented one again within grace. */
  readonly successor: string;
  readonly at: Instant;
}

export interface SessionReader {
  find(id: string): Promise<Session | null>;
  /** The sessions with these ids, in any order, without the missing ones. One statement. */
  findMany(ids: readonly string[]): Promise<readonly Session[]>;
}

/** Inside a transaction `find` locks the row it returns. */
export interface SessionWriter extends SessionReader {
  add(session: Session, refreshHash: string): Promise<void>;
  /** Replaces the refresh token in one statement, if the presented one is still current: of N callers at most one gets true. */
  rotate(rotation: Rotation): Promise<boolean>;
  /** The session with the stored side of its refresh token, locked, or null. */
  findWithRefresh(id: string): Promise<{ readonly session: Session; readonly refresh: RefreshState } | null>;
  /** Whether the user has had sessions, and none with this user agent, whatever the versions in it; false where it is not known. */
  isNewDevice(userId: string, userAgent: string | null): Promise<boolean>;
  /**
   * Notes level, last proof, end and place of the session as they are now. The hash is that of its one refresh token from now on: none
   * that there was before is known any more, or has a successor.
   */
  prove(session: Session, refreshHash: string): Promise<void>;
  /** Brings the session back to level 1. */
  lower(id: string): Promise<void>;
  revoke(id: string, at: Instant, reason: string): Promise<void>;
  /** Revokes those of these that are not revoked. One statement. */
  revokeMany(ids: readonly string[], at: Instant, reason: string): Promise<void>;
  rename(id: string, label: string): Promise<void>;
  /**
   * How many sessions of the user are live at `at`; `most` stands for that many or more. Of all transactions that ask it about
   * one user, the others wait until this one has ended: what it adds is then counted. A user whom the fence locks in this
   * transaction must be locked before.
   */
  countToStart(userId: string, at: Instant, most: number): Promise<number>;
  /** The ids of the user's sessions that are live at `at`, without the newest `keep`: at most `limit`, the oldest first. */
  oldestOf(
    userId: string,
    at: Instant,
    { keep, limit }: { readonly keep: number; readonly limit: number },
  ): Promise<readonly string[]>;
  /** The sessions of the user that are neither revoked nor at their end, oldest first, locked. */
  liveOf(userId: string): Promise<readonly Session[]>;
  /** Revokes every live session of the user; the ids of those. */
  revokeAllOf(userId: string, at: Instant, reason: string): Promise<readonly string[]>;
  /** Ends every live session of these users. One statement. */
  revokeAllOfMany(userIds: readonly string[], at: Instant, reason: string): Promise<void>;
  /** Erases sealed successors whose grace ended before `before`; how many. */
  eraseSuccessors(before: Instant): Promise<number>;
}

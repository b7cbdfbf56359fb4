import type { Session } from './session.ts';

/** How long a session lasts. */
export interface SessionProfile {
  /** However much it is used. */
  readonly lifeSeconds: number;
  /** Without being used. */
  readonly idleSeconds: number;
}

/** By how it was authenticated. Nothing authenticates at the third level yet; its profile is what others may be held to. */
export type SessionProfiles = Readonly<Record<Session['aal'] | 3, SessionProfile>>;

import type { Session } from './session.ts';

/** How long a session lasts. */
export interface SessionProfile {
  /** However much it is used. */
  readonly lifeSeconds: number;
  /** Without being used. */
  readonly idleSeconds: number;
}

/** By how it was authenticated. */
export type SessionProfiles = Readonly<Record<Session['aal'], SessionProfile>>;

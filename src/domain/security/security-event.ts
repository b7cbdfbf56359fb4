import type { Instant } from '../../kit/clock.ts';
import { THRESHOLD_KINDS } from '../../kit/thresholds.ts';
import type { DeviceKind } from '../sessions/device.ts';

/**
 * Those that are not counted: `session.takeover_suspected`: a session was used from another network and another device at once.
 * `session.refresh_reuse`: an old refresh token was shown.
 */
const FOUND = [
  'session.takeover_suspected',
  'session.refresh_reuse',
  'signing_key.rotated',
  'signing_key.revoked',
  'policy.changed',
  'api_key.new_network',
] as const;

export const SECURITY_EVENT_KINDS = [...FOUND, ...THRESHOLD_KINDS] as const;

export type SecurityEventKind = (typeof SECURITY_EVENT_KINDS)[number];

/** The event that tells of one. */
export const RAISED = 'security_event.raised';

/** `info` is what was done by somebody who may; `warning` may have a harmless reason; `critical` has none. */
export type Severity = 'info' | 'warning' | 'critical';

/** What somebody should look at, kept with what was done about it. */
export interface SecurityEvent {
  readonly __typename: 'SecurityEvent';
  readonly id: string;
  readonly at: Instant;
  readonly kind: SecurityEventKind;
  readonly severity: Severity;
  /** Null where it is about nobody, or about nobody in particular. */
  readonly userId: string | null;
  readonly sessionId: string | null;
  /** What else it is about: an API key, a signing key, a version of the policy. */
  readonly subjectId: string | null;
  /** How much of it added up to the event; null where one was enough. */
  readonly count: number | null;
  /** What was done: `report`, `step-up` or `revoke`. */
  readonly action: string | null;
  /** Where it came from, and with what; gone with its user. */
  readonly address: string | null;
  readonly deviceKind: DeviceKind | null;
  readonly browser: string | null;
  readonly os: string | null;
  /** The home scope of its user, and all paths from the root down to it. */
  readonly scope: string | null;
  readonly scopes: readonly string[];
}

type Optional = 'sessionId' | 'subjectId' | 'count' | 'action' | 'address' | 'deviceKind' | 'browser' | 'os';

/** What is not named is null. */
export type NewSecurityEvent = Pick<SecurityEvent, 'id' | 'at' | 'kind' | 'severity' | 'userId'> &
  Partial<Pick<SecurityEvent, Optional>>;
export interface SecurityEventReader {
  /** Those with these ids, in any order, without the missing ones. One statement. */
  findMany(ids: readonly string[]): Promise<readonly SecurityEvent[]>;
}

export interface SecurityEventWriter {
  /**
   * Writes it unless there is one with the same `once` already, written by whichever instance; whether it did.
   *
   * @param once what of two events is one and the same
   */
  add(event: NewSecurityEvent, once: string): Promise<boolean>;
}

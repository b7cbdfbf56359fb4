import type { Place, Target } from './row.ts';
import { type Readable, READERS } from './reading.ts';

/** Fields of an entity, and who reads them, by whose the record is. */
export interface EntityRow {
  readonly type: Exclude<Readable, 'SecurityEvent' | 'AuditEntry'>;
  /** What names the record. */
  readonly key: keyof Target;
  /** The root field that gives it by its id. */
  readonly ordinary: string;
  readonly fields: string;
  /** Who reads these fields; those who read the record, and not these, are refused with FORBIDDEN. */
  readonly readers: Readonly<Partial<Record<Place, string>>>;
}

const of = (
  type: EntityRow['type'],
  key: keyof Target,
  ordinary: string,
  fields: string,
  readers: EntityRow['readers'] = READERS[type],
): EntityRow => ({ type, key, ordinary, fields, readers });

export const ENTITIES: readonly EntityRow[] = [
  of(
    'User',
    'user',
    'user',
    'id email name status scope scopes suspended roles{id} grants{id} createdAt emailVerified metadata',
  ),
  of('User', 'user', 'user', 'mfaEnabled permissions{action}', {
    ...READERS.User,
  }),
  // For those who may read the sessions of the user: a service account may not.
  of('User', 'user', 'user', 'lastSignInAt', {
    ...READERS.User,
    other: 'support auditor administrator keeper reader',
  }),
  of(
    'Session',
    'session',
    'session',
    'id user{id} createdAt aal authenticatedAt expiresAt revokedAt revokedReason userAgent address',
  ),
  of('Session', 'session', 'session', 'device{kind} label client lastSeenAt protocols scope scopes current'),
  of(
    'ServiceAccount',
    'service',
    'serviceAccount',
    'id name status scope scopes suspended roles{id} grants{id} createdAt',
  ),
  of(
    'ApiKey',
    'key',
    'apiKey',
    'id name owner{id} prefix lastFour permissions addressRanges allowedOrigins readOnly createdAt',
  ),
  of('ApiKey', 'key', 'apiKey', 'createdBy expiresAt revokedAt revokedReason lastUsedAt versions{number} scope scopes'),
  of('Scope', 'scope', 'scope', 'id name path parent{id} status createdAt'),
  of('Role', 'role', 'role', 'id name description managed inherits{id} ancestors{id} descendants{id}'),
];

import type { AuditRecord } from './entry.ts';

/** The version of the Open Cybersecurity Schema Framework whose class API Activity this is. */
const VERSION = '1.5.0';
const [APPLICATION_ACTIVITY, API_ACTIVITY] = [6, 6003];
const [INFORMATIONAL, MEDIUM] = [1, 3];
const [SUCCESS, FAILURE] = [1, 2];
const ACTIVITIES = { create: 1, read: 2, update: 3, delete: 4, other: 99 } as const;
/** How the schema calls them. What is another is called as we do. */
const NAMES: Readonly<Partial<Record<string, string>>> = {
  create: 'Create',
  read: 'Read',
  update: 'Update',
  delete: 'Delete',
};

/** Kinds of users that OCSF 1.5 has. Others are called as we do. */
const USERS: Readonly<Partial<Record<string, { readonly type_id: number; readonly type: string }>>> = {
  user: { type_id: 1, type: 'User' },
  system: { type_id: 3, type: 'System' },
};

/** Which of the activities of OCSF a verb is. What begins is created, and what ends is an update of what it was. */
const VERBS: Readonly<Record<string, keyof typeof ACTIVITIES>> = {
  create: 'create',
  sign_up: 'create',
  start: 'create',
  grant: 'create',
  delete: 'delete',
  update: 'update',
  rename: 'update',
  move: 'update',
  disable: 'update',
  enable: 'update',
  suspend: 'update',
  resume: 'update',
  revoke: 'update',
  rotate: 'update',
  apply: 'update',
  rollback: 'update',
};

/** The entry as an event of the class API Activity (6003). */
export function toOcsf(entry: AuditRecord): object {
  const { action, outcome, code, principalId, principalKind, sessionId, apiKeyId, subjectId, subjectType } = entry;
  const activity = VERBS[action.slice(action.indexOf('.') + 1)] ?? 'other';
  const activityId = ACTIVITIES[activity];
  return {
    category_uid: APPLICATION_ACTIVITY,
    class_uid: API_ACTIVITY,
    activity_id: activityId,
    activity_name: NAMES[activity] ?? action,
    type_uid: API_ACTIVITY * 100 + activityId,
    severity_id: outcome === 'denied' ? MEDIUM : INFORMATIONAL,
    time: Date.parse(entry.at),
    status_id: outcome === 'denied' ? FAILURE : SUCCESS,
    ...(code !== null && { status_code: code }),
    metadata: {
      version: VERSION,
      product: { name: 'Castellan', vendor_name: 'Castellan' },
      uid: entry.id,
      ...(entry.seq !== null && { sequence: entry.seq }),
      log_name: 'audit',
    },
    actor: {
      user: {
        uid: principalId,
        ...(USERS[principalKind] ?? { type_id: ACTIVITIES.other, type: principalKind }),
        ...(apiKeyId !== null && { credential_uid: apiKeyId }),
      },
      ...(sessionId !== null && { session: { uid: sessionId } }),
    },
    api: {
      operation: action,
      service: { name: 'castellan' },
      ...(entry.operation !== null && { request: { uid: entry.operation } }),
    },
    src_endpoint: entry.address === null ? { name: entry.protocol ?? 'unknown' } : { ip: entry.address },
    ...(subjectId !== null && { resources: [{ uid: subjectId, type: subjectType ?? 'unknown' }] }),
    unmapped: {
      protocol: entry.protocol,
      before: entry.before,
      after: entry.after,
      policy_version: entry.policyVersion,
      position: entry.position,
    },
  };
}

import { newId, ID_PREFIXES, type IdKind } from '../../src/kit/ids.ts';
import type { ApiKey } from '../../src/domain/api-keys/api-key.ts';
import type { Grant, Role } from '../../src/domain/roles/role.ts';
import type { AuditRecord } from '../../src/domain/audit/entry.ts';
import type { SecurityEvent } from '../../src/domain/security/security-event.ts';
import type { Session } from '../../src/domain/sessions/session.ts';
import { parentPath, type Scope, scopePaths } from '../../src/domain/scopes/scope.ts';
import type { ServiceAccount } from '../../src/domain/service-accounts/service-account.ts';
import type { User } from '../../src/domain/users/user.ts';

/** A while ago. */
export const INSTANT = '2024-02-29T12:34:56.789Z';
export const LATER = '2099-12-31T23:59:59.999Z';

/** A fresh id with this prefix, whether or not the project knows it. */
export function anId(prefix: string): string {
  const kind = Object.keys(ID_PREFIXES).find((name): name is IdKind => ID_PREFIXES[name as IdKind] === `${prefix}_`);
  return kind === undefined ? newId('user').replace('user', prefix) : newId(kind);
}

export function aUser(values: Partial<User> = {}): User {
  const id = anId('user');
  const scope = values.scope ?? null;
  return {
    __typename: 'User',
    id,
    email: `${id}@example.com`,
    name: 'Alice',
    status: 'active',
    roles: [],
    suspended: false,
    createdAt: INSTANT,
    emailVerified: true,
    metadata: '{}',
    ...values,
    scope,
    scopes: scopePaths(scope),
  };
}

export function aServiceAccount(values: Partial<ServiceAccount> = {}): ServiceAccount {
  const scope = values.scope ?? null;
  return {
    __typename: 'ServiceAccount',
    id: anId('svc'),
    name: 'Gateway',
    status: 'active',
    roles: [],
    suspended: false,
    createdAt: INSTANT,
    ...values,
    scope,
    scopes: scopePaths(scope),
  };
}

export function anApiKey(values: Partial<ApiKey> & Pick<ApiKey, 'ownerId'>): ApiKey {
  const id = anId('key');
  return {
    __typename: 'ApiKey',
    id,
    name: 'Deployment',
    prefix: `ck_dev_${id.slice(4)}`,
    lastFour: 'wxyz',
    unrestricted: true,
    permissions: [],
    addressRanges: [],
    allowedOrigins: [],
    readOnly: false,
    createdAt: INSTANT,
    createdBy: values.ownerId,
    expiresAt: null,
    revokedAt: null,
    revokedReason: null,
    lastUsedAt: null,
    scope: null,
    scopes: [],
    ...values,
  };
}

/** Without its parent's id, which depends on what is there. */
export function aScope(path: string, values: Partial<Scope> = {}): Scope {
  return {
    __typename: 'Scope',
    id: anId('scope'),
    name: path.slice((parentPath(path)?.length ?? -1) + 1),
    scope: path,
    scopes: scopePaths(path),
    parentId: null,
    status: 'active',
    createdAt: INSTANT,
    ...values,
  };
}

export function aRole(values: Partial<Role> = {}): Role {
  return { __typename: 'Role', id: anId('role'), name: anId('name'), description: null, managed: true, ...values };
}

export function aGrant(values: Partial<Grant> & Pick<Grant, 'principalId' | 'roleId'>): Grant {
  return {
    __typename: 'Grant',
    id: anId('grant'),
    scope: null,
    expiresAt: null,
    grantedBy: 'system',
    createdAt: INSTANT,
    revokedAt: null,
    ...values,
  };
}

export function anAuditEntry(values: Partial<AuditRecord> = {}): AuditRecord {
  return {
    __typename: 'AuditEntry',
    id: 'audit_1',
    seq: null,
    at: INSTANT,
    principalId: 'system',
    principalKind: 'system',
    sessionId: null,
    apiKeyId: null,
    address: null,
    protocol: 'background',
    operation: null,
    action: 'user.create',
    subjectType: 'User',
    subjectId: null,
    outcome: 'done',
    code: null,
    before: null,
    after: null,
    policyVersion: null,
    position: null,
    scope: null,
    scopes: [],
    ...values,
  };
}

export function aSecurityEvent(values: Partial<SecurityEvent> = {}): SecurityEvent {
  return {
    __typename: 'SecurityEvent',
    id: anId('sec'),
    at: INSTANT,
    kind: 'session.takeover_suspected',
    severity: 'warning',
    userId: null,
    sessionId: null,
    subjectId: null,
    count: null,
    action: 'report',
    address: null,
    deviceKind: null,
    browser: null,
    os: null,
    scope: null,
    scopes: [],
    ...values,
  };
}

export function aSession(values: Partial<Session> = {}): Session {
  return {
    __typename: 'Session',
    id: anId('sess'),
    userId: '',
    createdAt: INSTANT,
    aal: 1,
    authenticatedAt: INSTANT,
    expiresAt: LATER,
    revokedAt: null,
    revokedReason: null,
    userAgent: null,
    address: null,
    deviceKind: 'other',
    browser: null,
    os: null,
    client: null,
    label: null,
    lastSeenAt: null,
    protocols: [],
    scope: null,
    scopes: [],
    ...values,
  };
}

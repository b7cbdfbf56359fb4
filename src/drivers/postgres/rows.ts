import { defineEntity, p } from '@mikro-orm/postgresql';
import { COUNT_ROWS } from './count-rows.ts';
import { LOG_ROWS } from './log-rows.ts';

/**
 * The tables as MikroORM knows them. They are mapped to the domain's records in the store files and go no further.
 * A test holds them equal to what the migrations make.
 */

const instant = () => p.datetime(3);

export const ScopeRow = defineEntity({
  name: 'ScopeRow',
  tableName: 'scopes',
  properties: {
    id: p.text().primary(),
    parent: () => p.manyToOne(ScopeRow).mapToPk().nullable().deleteRule('restrict').index(),
    name: p.text(),
    path: p.text(),
    /** The paths from the root down to this one, and the ids of the same scopes. */
    paths: p.array(),
    lineage: p.array(),
    status: p.text(),
    createdAt: instant(),
    /** Kept, so that ids are never used again and grants of before are still explained. */
    deletedAt: instant().nullable(),
  },
});

/** Who may hold grants: users, and the service accounts among them. */
export const UserRow = defineEntity({
  name: 'UserRow',
  tableName: 'users',
  properties: {
    id: p.text().primary(),
    /** `user` or `service`. */
    kind: p.text().default('user'),
    /** Null for service accounts, and for whoever was deleted. */
    email: p.text().nullable(),
    /** The address as it is compared: folded in case and composition. */
    emailFolded: p.text().nullable().unique(),
    name: p.text(),
    status: p.text(),
    scope: () => p.manyToOne(ScopeRow).mapToPk().nullable().deleteRule('restrict').index(),
    createdAt: instant(),
    emailVerified: p.boolean().default(true),
    /** As JSON in one form. */
    metadata: p.text().default('{}'),
    /** Name and address, folded: what a search looks through. */
    search: p.text().default(''),
    /** The row stays, so that the id is never used again. */
    deletedAt: instant().nullable(),
  },
  indexes: [{ properties: ['createdAt', 'id'], name: 'users_created_at_index' }],
});

/** Apart from the user, so that no read of a user can carry a hash. */
export const PasswordRow = defineEntity({
  name: 'PasswordRow',
  tableName: 'passwords',
  properties: {
    user: () => p.manyToOne(UserRow).mapToPk().primary(),
    hash: p.text(),
    changedAt: instant(),
    /** Where that is when it was changed, its user has not chosen it. */
    initialAt: instant().nullable(),
  },
});

export const RoleRow = defineEntity({
  name: 'RoleRow',
  tableName: 'roles',
  properties: {
    id: p.text().primary(),
    name: p.text(),
    description: p.text().nullable(),
    managed: p.boolean(),
    deletedAt: instant().nullable(),
  },
});

/** What a custom role is made of. */
export const RoleInheritsRow = defineEntity({
  name: 'RoleInheritsRow',
  tableName: 'role_inherits',
  properties: {
    role: () => p.manyToOne(RoleRow).mapToPk().primary().deleteRule('restrict'),
    parent: () => p.manyToOne(RoleRow).mapToPk().primary().deleteRule('restrict').index(),
  },
});

/** Everything a role amounts to by that, itself included. */
export const RoleClosureRow = defineEntity({
  name: 'RoleClosureRow',
  tableName: 'role_closure',
  properties: {
    role: () => p.manyToOne(RoleRow).mapToPk().primary().deleteRule('restrict'),
    held: () => p.manyToOne(RoleRow).mapToPk().primary().deleteRule('restrict').index(),
  },
});

export const GrantRow = defineEntity({
  name: 'GrantRow',
  tableName: 'grants',
  properties: {
    id: p.text().primary(),
    principal: () => p.manyToOne(UserRow).mapToPk().index(),
    role: () => p.manyToOne(RoleRow).mapToPk().index(),
    /** Null is everywhere: a scope that is gone must not turn into that. */
    scope: () => p.manyToOne(ScopeRow).mapToPk().nullable().deleteRule('restrict').index(),
    expiresAt: instant().nullable(),
    grantedBy: p.text(),
    createdAt: instant(),
    /** Kept, so that revoking again finds what it is about. An index of its own holds the others unique. */
    revokedAt: instant().nullable(),
  },
});

export const SessionRow = defineEntity({
  name: 'SessionRow',
  tableName: 'sessions',
  properties: {
    id: p.text().primary(),
    user: () => p.manyToOne(UserRow).mapToPk().index(),
    createdAt: instant(),
    expiresAt: instant(),
    revokedAt: instant().nullable(),
    revokedReason: p.text().nullable(),
    userAgent: p.text().nullable(),
    address: p.text().nullable(),
    refreshHash: p.text(),
    previousHash: p.text().nullable(),
    rotatedAt: instant().nullable(),
    /** The current refresh token, sealed for the holder of the previous one; erased when grace ends. */
    successor: p.text().nullable(),
    // Defaults for instances of before, which know of none of these.
    aal: p.smallint().default(1),
    authenticatedAt: instant().defaultRaw('now()'),
    deviceKind: p.text().default('other'),
    browser: p.text().nullable(),
    os: p.text().nullable(),
    label: p.text().nullable(),
    client: p.text().nullable(),
    /** The address in a form that has an order. */
    addressKey: p.text().nullable(),
    /** When and why it ended, however it did; written by a trigger for one that is revoked. */
    endedAt: instant().nullable(),
    endedReason: p.text().nullable(),
  },
  indexes: [
    { properties: ['createdAt', 'id'], name: 'sessions_created_at_index' },
    { properties: ['expiresAt', 'id'], name: 'sessions_expires_at_index' },
  ],
});

export const TotpFactorRow = defineEntity({
  name: 'TotpFactorRow',
  tableName: 'totp_factors',
  properties: {
    user: () => p.manyToOne(UserRow).mapToPk().primary(),
    sealedSecret: p.text(),
    createdAt: instant(),
    confirmedAt: instant().nullable(),
    lastStep: p.bigint().nullable(),
    /** Wrong codes in a row, and when the next may be tried. */
    failures: p.integer().default(0),
    retryAt: instant().nullable(),
  },
});

/** Unused ones alone. */
export const RecoveryCodeRow = defineEntity({
  name: 'RecoveryCodeRow',
  tableName: 'recovery_codes',
  properties: {
    user: () => p.manyToOne(UserRow).mapToPk().primary(),
    sealedHash: p.text().primary(),
  },
});

/** Sign-ins that wait for their second factor. */
export const ChallengeRow = defineEntity({
  name: 'ChallengeRow',
  tableName: 'challenges',
  properties: {
    id: p.text().primary(),
    user: () => p.manyToOne(UserRow).mapToPk().index(),
    createdAt: instant(),
    expiresAt: instant(),
    usedAt: instant().nullable(),
  },
  indexes: [{ properties: ['expiresAt'], name: 'challenges_expires_at_index' }],
});

/** When each session was last used; written behind, and tied to sessions by nothing but the id. */
export const SessionActivityRow = defineEntity({
  name: 'SessionActivityRow',
  tableName: 'session_activity',
  properties: {
    sessionId: p.text().primary(),
    lastSeenAt: instant(),
    protocols: p.array(),
  },
});

/** What went out by mail, good once. */
export const AccountTokenRow = defineEntity({
  name: 'AccountTokenRow',
  tableName: 'account_tokens',
  properties: {
    hash: p.text().primary(),
    user: () => p.manyToOne(UserRow).mapToPk().index(),
    kind: p.text(),
    createdAt: instant(),
    expiresAt: instant().index(),
    passwordHash: p.text().nullable(),
    name: p.text().nullable(),
  },
});

/** What is done after the commit that asked for it. */
export const ErrandRow = defineEntity({
  name: 'ErrandRow',
  tableName: 'errands',
  properties: {
    id: p.text().primary(),
    kind: p.text(),
    /** Whom it concerns, if that is known; no reference, since it may outlive nobody. */
    userId: p.text().nullable().index(),
    sealed: p.text(),
    createdAt: instant(),
    dueAt: instant().index(),
    attempts: p.integer().default(0),
  },
});

/** Wrong passwords in a row, by a keyed hash of what they were tried on. */
export const PasswordGuessRow = defineEntity({
  name: 'PasswordGuessRow',
  tableName: 'password_guesses',
  properties: {
    key: p.text().primary(),
    failures: p.integer().default(0),
    retryAt: instant().nullable(),
    at: instant().index(),
  },
});

export const SigningKeyRow = defineEntity({
  name: 'SigningKeyRow',
  tableName: 'signing_keys',
  properties: {
    kid: p.text().primary(),
    publicJwk: p.json<Record<string, string>>(),
    sealedPrivateJwk: p.text(),
    createdAt: instant(),
    signsFrom: instant(),
    revokedAt: instant().nullable(),
  },
});

export const ApiKeyRow = defineEntity({
  name: 'ApiKeyRow',
  tableName: 'api_keys',
  properties: {
    id: p.text().primary(),
    owner: () => p.manyToOne(UserRow).mapToPk().index(),
    environment: p.text(),
    name: p.text(),
    /** Null is everything that the owner may. */
    permissions: p.array().nullable(),
    addressRanges: p.array(),
    allowedOrigins: p.array(),
    readOnly: p.boolean(),
    createdAt: instant(),
    createdBy: p.text(),
    expiresAt: instant().nullable(),
    revokedAt: instant().nullable(),
    revokedReason: p.text().nullable(),
  },
  indexes: [
    { properties: ['createdAt', 'id'], name: 'api_keys_created_at_index' },
    { properties: ['expiresAt', 'id'], name: 'api_keys_expires_at_index' },
  ],
});

/** The secrets of a key: one, and for a while the one that it replaces. */
export const ApiKeyVersionRow = defineEntity({
  name: 'ApiKeyVersionRow',
  tableName: 'api_key_versions',
  properties: {
    key: () => p.manyToOne(ApiKeyRow).mapToPk().primary().deleteRule('cascade'),
    number: p.smallint().primary(),
    /** The hash of the secret, sealed. */
    sealedHash: p.text(),
    lastFour: p.text(),
    createdAt: instant(),
    validUntil: instant().nullable(),
  },
});

/** When each version was last used; written behind, and tied to keys by nothing but the id. */
export const ApiKeyUseRow = defineEntity({
  name: 'ApiKeyUseRow',
  tableName: 'api_key_uses',
  properties: {
    keyId: p.text().primary(),
    version: p.smallint().primary(),
    lastUsedAt: instant(),
  },
});

export const PolicyBundleRow = defineEntity({
  name: 'PolicyBundleRow',
  tableName: 'policy_bundles',
  properties: {
    version: p.text().primary(),
    files: p.json<{ path: string; text: string }[]>(),
    putBy: p.text(),
    putAt: instant().defaultRaw('now()'),
  },
});

/** One row: the policy in force. */
export const PolicyHeadRow = defineEntity({
  name: 'PolicyHeadRow',
  tableName: 'policy_head',
  properties: {
    id: p.smallint().primary().autoincrement(false),
    version: p.text().nullable(),
  },
});

export const ROWS = [
  ...COUNT_ROWS,
  ...LOG_ROWS,
  ScopeRow,
  UserRow,
  PasswordRow,
  RoleRow,
  RoleInheritsRow,
  RoleClosureRow,
  GrantRow,
  SessionRow,
  SessionActivityRow,
  TotpFactorRow,
  RecoveryCodeRow,
  ChallengeRow,
  AccountTokenRow,
  ErrandRow,
  PasswordGuessRow,
  SigningKeyRow,
  ApiKeyRow,
  ApiKeyVersionRow,
  ApiKeyUseRow,
  PolicyBundleRow,
  PolicyHeadRow,
];

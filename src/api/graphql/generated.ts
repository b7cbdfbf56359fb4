import type { GraphQLResolveInfo, GraphQLScalarType, GraphQLScalarTypeConfig } from 'graphql';
import type { User as UserRecord } from '../../domain/users/user.ts';
import type { ServiceAccount as ServiceAccountRecord } from '../../domain/service-accounts/service-account.ts';
import type { ApiKey as ApiKeyRecord } from '../../domain/api-keys/api-key.ts';
import type { Scope as ScopeRecord } from '../../domain/scopes/scope.ts';
import type { Role as RoleRecord, Grant as GrantRecord } from '../../domain/roles/role.ts';
import type { Permission as PermissionRecord, PermissionSource as PermissionSourceRecord } from '../../domain/roles/effective-permissions.ts';
import type { PolicyInForce as PolicyRecord } from '../../domain/policy/policies.ts';
import type { PolicyChange as PolicyChangeRecord } from '../../domain/policy/diff.ts';
import type { PermissionReport as PermissionAnalyticsRecord } from '../../domain/analytics/permission-analytics.ts';
import type { SessionReport as SessionAnalyticsRecord } from '../../domain/sessions/session-analytics.ts';
import type { SystemReport as SystemHealthRecord, InstanceHealth as InstanceHealthRecord } from '../../domain/health/system-health.ts';
import type { AuthenticationReport as AuthenticationAnalyticsRecord } from '../../domain/analytics/authentication-analytics.ts';
import type { ActivityAnalyticsReport as ActivityAnalyticsRecord } from '../../domain/authentication/activity-analytics.ts';
import type { SigningKeyRecord as SigningKeyRecord } from '../../domain/tokens/signing-keys.ts';
import type { Session as SessionRecord } from '../../domain/sessions/session.ts';
import type { SecurityEvent as SecurityEventRecord } from '../../domain/security/security-event.ts';
import type { AuditRecord as AuditRecord } from '../../domain/audit/entry.ts';
import type { RevokedSession as RevokedSession } from './session-events.ts';
import type { OperationContext } from './context.ts';
export type Maybe<T> = T | null;
export type InputMaybe<T> = Maybe<T>;
export type Omit<T, K extends keyof T> = Pick<T, Exclude<keyof T, K>>;
export type RequireFields<T, K extends keyof T> = Omit<T, K> & { [P in K]-?: NonNullable<T[P]> };
/** All built-in and custom scalars, mapped to their actual values */
export type Scalars = {
  ID: { input: string; output: string; }
  String: { input: string; output: string; }
  Boolean: { input: boolean; output: boolean; }
  Int: { input: number; output: number; }
  Float: { input: number; output: number; }
  /** An instant as ISO 8601 in UTC with milliseconds. */
  DateTime: { input: string; output: string; }
  PackedRules: { input: unknown; output: unknown; }
  /** The attributes of a record of another subgraph, by name, as its subject declares them. */
  Attributes: { input: Readonly<Record<string, unknown>>; output: Readonly<Record<string, unknown>>; }
  /** A value of an attribute: text, number, boolean, null, or a list of them. */
  AttributeValue: { input: unknown; output: unknown; }
  /** An object of up to 4 KiB as JSON: texts, numbers, true and false under names of letters, digits and _. */
  Metadata: { input: unknown; output: unknown; }
  _FieldSet: { input: string; output: string; }
};

/** Proof that a change is in force. */
export type Receipt = {
  __typename?: 'Receipt';
  /**
   * Whether no instance can still decide as if the change had not been made. False means committed but not confirmed in
   * time: call again to get the confirmation.
   */
  enforced: Scalars['Boolean']['output'];
  /** The position of the change in the authority log. */
  position: Scalars['String']['output'];
  /** How many instances were running when the change was committed. */
  instances: Scalars['Int']['output'];
  /** How many of them acknowledged it. When fewer, the others' leases have run out. */
  acknowledged: Scalars['Int']['output'];
  /** Milliseconds from the commit until this was known. */
  waitedMs: Scalars['Float']['output'];
};

/** The subscription has ended because the right to it has. It is the last event. */
export type AccessEnded = {
  __typename?: 'AccessEnded';
  /** The code that any further request with the same credential is refused with. */
  code: Scalars['String']['output'];
  reason: Scalars['String']['output'];
  position: Scalars['String']['output'];
};

/**
 * Something is not told: it is not kept any more, was never in this feed, or you read too slowly. Read the current state. What
 * comes after `position` is told next, or, where the subscription completes, when you subscribe again with it as `after`.
 */
export type Resync = {
  __typename?: 'Resync';
  position: Scalars['String']['output'];
};

export type PageInfo = {
  __typename?: 'PageInfo';
  hasNextPage: Scalars['Boolean']['output'];
  hasPreviousPage: Scalars['Boolean']['output'];
  startCursor?: Maybe<Scalars['String']['output']>;
  /** What to send as `after` for the next page of the same list in the same order. */
  endCursor?: Maybe<Scalars['String']['output']>;
};

export type OrderDirection =
  | 'ascending'
  | 'descending';

export type Query = {
  __typename?: 'Query';
  /**
   * How often a user came in, failed to, and went on, by hours or days. For whoever may read the sessions of the user; otherwise
   * NOT_FOUND.
   */
  userActivity: UserActivity;
  /** How a user came in and who tried to, the newest first, of the last 90 days: a page of 1 to 100. Under the same condition. */
  signIns: SignInConnection;
  /** What was decided about users in all scopes. For whoever may read Analytics everywhere. */
  permissionAnalytics: PermissionAnalytics;
  /** What happened to the sessions of all users. For whoever may read Analytics everywhere. */
  sessionAnalytics: SessionAnalytics;
  /** How those came in who did, and did not who tried to. For whoever may read Analytics everywhere. */
  authenticationAnalytics: AuthenticationAnalytics;
  /** How many users are active and come back, and what is asked for. For whoever may read Analytics everywhere. */
  activityAnalytics: ActivityAnalytics;
  /** Null when there is no such key, or none that you may read. */
  apiKey?: Maybe<ApiKey>;
  /** The keys you may read, a page of 1 to 100. Narrowed or ordered by a field, only those of which you may read that field. */
  apiKeys: ApiKeyConnection;
  /** How often a key was used and for what, in whole hours of UTC. For whoever may read the key; otherwise NOT_FOUND. */
  apiKeyUsage: ApiKeyUsage;
  /** The audit entries you may read, the newest first: a page of 1 to 100. */
  auditLog: AuditLogConnection;
  /** May you do this? About a subject you may not read, the answer is the same as about one that does not exist. */
  viewerCan: Decision;
  /** Several questions at once, answered in their order; at most 1000. */
  viewerCanMany: Array<Decision>;
  viewerAbility: AbilityRules;
  /** The policy in force. */
  policy: Policy;
  /**
   * Why a principal may or may not do something. About a principal or subject you may not read: NOT_FOUND; about another principal
   * whose roles you may not read: FORBIDDEN.
   */
  explain: Explanation;
  /** Who would gain and lose what if these files were the policy. Changes nothing. */
  previewPolicy: PolicyDiff;
  /** By id or by name. Null when there is no such role, or none that you may read. */
  role?: Maybe<Role>;
  /** The roles you may read, a page of 1 to 100. Narrowed or ordered by a field, only those of which you may read that field. */
  roles: RoleConnection;
  /** By id or by path. Null when there is no such scope, or none that you may read. */
  scope?: Maybe<Scope>;
  /** The scopes you may read, a page of 1 to 100. Narrowed or ordered by a field, only those of which you may read that field. */
  scopes: ScopeConnection;
  /** The security events you may read, the newest first: a page of 1 to 100. */
  securityEvents: SecurityEventConnection;
  /** Null when there is no such service account, or none that you may read. */
  serviceAccount?: Maybe<ServiceAccount>;
  /**
   * The service accounts you may read, a page of 1 to 100. Narrowed or ordered by a field, only those of which you may read that
   * field.
   */
  serviceAccounts: ServiceAccountConnection;
  /** Null when there is no such session, or none that you may read. */
  session?: Maybe<Session>;
  /** The sessions you may read, a page of 1 to 100. Narrowed or ordered by a field, only those of which you may read that field. */
  sessions: SessionConnection;
  /** All of them, the one that signs last first. */
  signingKeys: Array<SigningKey>;
  /** How Castellan is. For whoever may read SystemHealth everywhere. */
  systemHealth: SystemHealth;
  /** Who acts; null when nobody is signed in. */
  me?: Maybe<User>;
  /** Null when there is no such user, or none that you may read. */
  user?: Maybe<User>;
  /**
   * The users you may read, a page of 1 to 100. Narrowed or ordered by a field, only those of whom you may read that field.
   * Without an order they come in one that means nothing and stays the same.
   */
  users: UserConnection;
};


export type QueryUserActivityArgs = {
  id: Scalars['ID']['input'];
  range: AnalyticsRange;
};


export type QuerySignInsArgs = {
  userId: Scalars['ID']['input'];
  first: Scalars['Int']['input'];
  after?: InputMaybe<Scalars['String']['input']>;
};


export type QueryPermissionAnalyticsArgs = {
  range: AnalyticsRange;
};


export type QuerySessionAnalyticsArgs = {
  range: AnalyticsRange;
};


export type QueryAuthenticationAnalyticsArgs = {
  range: AnalyticsRange;
};


export type QueryActivityAnalyticsArgs = {
  range: AnalyticsRange;
};


export type QueryApiKeyArgs = {
  id: Scalars['ID']['input'];
};


export type QueryApiKeysArgs = {
  first: Scalars['Int']['input'];
  after?: InputMaybe<Scalars['String']['input']>;
  filter?: InputMaybe<ApiKeyFilter>;
  orderBy?: InputMaybe<ApiKeyOrder>;
};


export type QueryApiKeyUsageArgs = {
  id: Scalars['ID']['input'];
  range: AnalyticsRange;
};


export type QueryAuditLogArgs = {
  first: Scalars['Int']['input'];
  after?: InputMaybe<Scalars['String']['input']>;
  filter?: InputMaybe<AuditLogFilter>;
};


export type QueryViewerCanArgs = {
  action: Scalars['String']['input'];
  subject: Scalars['String']['input'];
  id?: InputMaybe<Scalars['ID']['input']>;
  field?: InputMaybe<Scalars['String']['input']>;
};


export type QueryViewerCanManyArgs = {
  checks: Array<CheckInput>;
};


export type QueryExplainArgs = {
  principalId: Scalars['ID']['input'];
  action: Scalars['String']['input'];
  subject: Scalars['String']['input'];
  id?: InputMaybe<Scalars['ID']['input']>;
  field?: InputMaybe<Scalars['String']['input']>;
};


export type QueryPreviewPolicyArgs = {
  files: Array<PolicyFileInput>;
};


export type QueryRoleArgs = {
  id?: InputMaybe<Scalars['ID']['input']>;
  name?: InputMaybe<Scalars['String']['input']>;
};


export type QueryRolesArgs = {
  first: Scalars['Int']['input'];
  after?: InputMaybe<Scalars['String']['input']>;
  filter?: InputMaybe<RoleFilter>;
  orderBy?: InputMaybe<RoleOrder>;
};


export type QueryScopeArgs = {
  id?: InputMaybe<Scalars['ID']['input']>;
  path?: InputMaybe<Scalars['String']['input']>;
};


export type QueryScopesArgs = {
  first: Scalars['Int']['input'];
  after?: InputMaybe<Scalars['String']['input']>;
  filter?: InputMaybe<ScopeFilter>;
  orderBy?: InputMaybe<ScopeOrder>;
};


export type QuerySecurityEventsArgs = {
  first: Scalars['Int']['input'];
  after?: InputMaybe<Scalars['String']['input']>;
  filter?: InputMaybe<SecurityEventFilter>;
};


export type QueryServiceAccountArgs = {
  id: Scalars['ID']['input'];
};


export type QueryServiceAccountsArgs = {
  first: Scalars['Int']['input'];
  after?: InputMaybe<Scalars['String']['input']>;
  filter?: InputMaybe<ServiceAccountFilter>;
  orderBy?: InputMaybe<ServiceAccountOrder>;
};


export type QuerySessionArgs = {
  id: Scalars['ID']['input'];
};


export type QuerySessionsArgs = {
  first: Scalars['Int']['input'];
  after?: InputMaybe<Scalars['String']['input']>;
  filter?: InputMaybe<SessionFilter>;
  orderBy?: InputMaybe<SessionOrder>;
};


export type QueryUserArgs = {
  id: Scalars['ID']['input'];
};


export type QueryUsersArgs = {
  first: Scalars['Int']['input'];
  after?: InputMaybe<Scalars['String']['input']>;
  filter?: InputMaybe<UserFilter>;
  orderBy?: InputMaybe<UserOrder>;
};

export type Mutation = {
  __typename?: 'Mutation';
  /**
   * Where sign-up is open: a mail follows, whose token `verifyEmail` takes. The answer is the same when somebody has the address
   * already, and the mail says so.
   */
  signUp: SignUpPayload;
  /** Takes the token of a mail about a sign-up, once: its user can sign in from now on. */
  verifyEmail: VerifyEmailPayload;
  /** A mail follows if somebody has the address; the answer is the same if nobody does. */
  requestPasswordReset: RequestPasswordResetPayload;
  /** Takes the token of a mail about a password, once. Ends all sessions, and unlocks the account. */
  resetPassword: ResetPasswordPayload;
  /** Ends all your sessions but the one you act in. Wrong current passwords are counted, and have to be waited for. */
  changePassword: ChangePasswordPayload;
  /** Forgets the wrong passwords and codes of a user who has to wait for them, or is locked. */
  unlockUser: UnlockUserPayload;
  /** For yourself or for a service account. An API key makes keys for service accounts alone, and none with more than it has. */
  createApiKey: CreateApiKeyPayload;
  updateApiKey: UpdateApiKeyPayload;
  /** Gives it another secret. The current one is good for so long yet, at most 30 days. */
  rotateApiKey: RotateApiKeyPayload;
  /** Ends it: nothing that shows it is honoured any more. */
  revokeApiKey: RevokeApiKeyPayload;
  /**
   * Gives each of these roles that `grantRole` would give, up to 1000, in their order: a result for each, and one receipt for all.
   * Nobody gives what they lack.
   */
  grantRoles: GrantRolesPayload;
  /** Takes each of these away that `revokeRole` would take away, up to 1000, in their order: a result for each, and one receipt. */
  revokeRoles: RevokeRolesPayload;
  /** Shuts each of these out that `disableUser` would shut out, up to 1000, in their order: a result for each, and one receipt. */
  disableUsers: DisableUsersPayload;
  /**
   * Creates users, up to 1000, without passwords: each gets a mail to choose one, as for a password that was forgotten. They hold
   * `member`, where the policy has it, and the roles that are named. A result for each, in their order.
   */
  importUsers: ImportUsersPayload;
  /**
   * Puts these files in force in place of the expected version, once they have no problem and answer these decision tables as
   * they say. CONFLICT, with the version in force, when it is another one. Files that are in force already change nothing, and
   * are waited for.
   */
  applyPolicy: ApplyPolicyPayload;
  /** Does the same with the policy files and decision tables of the instance that answers, whatever is in force. */
  reloadPolicy: ApplyPolicyPayload;
  /** Puts a version in force again that was before. */
  rollbackPolicy: ApplyPolicyPayload;
  /** Makes a custom role of others. Nobody puts into a role what they lack. */
  createRole: CreateRolePayload;
  /** Changes a custom role for everybody who holds it. CONFLICT for a managed one, which is changed in its files. */
  updateRole: UpdateRolePayload;
  /** Takes a custom role away, with every grant of it. CONFLICT while others are made of it. */
  deleteRole: DeleteRolePayload;
  /** Gives a role, everywhere or at a scope (its path or id) and below. Nobody gives what they lack. */
  grantRole: GrantRolePayload;
  /** Takes a granted role away. CONFLICT when nobody would be administrator any more. */
  revokeRole: RevokeRolePayload;
  /** The scope above must be there. CONFLICT when the path is taken. */
  createScope: CreateScopePayload;
  /** Gives it another path, and everything below one that begins so. Grants and homes go along. */
  moveScope: MoveScopePayload;
  /**
   * Shuts out everybody whose home is there or below, and takes back what is allowed by what is granted there, until it is resumed;
   * what that denies stays denied. CONFLICT when nobody would be administrator any more.
   */
  suspendScope: SuspendScopePayload;
  /** Lets them in again. Access tokens of before stay refused; refreshing the session gives new ones. */
  resumeScope: ResumeScopePayload;
  /**
   * Removes an empty scope and revokes what is granted there. CONFLICT while users have their home in it or scopes are below;
   * FORBIDDEN where that denies somebody what you may not do.
   */
  deleteScope: DeleteScopePayload;
  /**
   * Finishes a sign-in, and starts its session. From the fifth wrong code of the app in a row each takes longer to wait for
   * (RATE_LIMITED); after a hundred only a recovery code helps (ACCOUNT_LOCKED).
   */
  verifyMfa: SignedIn;
  /**
   * Proves again who you are, in the session you act in: what MFA_REQUIRED asks for. With a code it is at level 2 from then on. It
   * goes on with other tokens, and older ones are refused; sockets that are open go on.
   * Wrong codes and passwords are counted as when you sign in.
   */
  stepUp: StepUpPayload;
  /**
   * Makes a secret for your authenticator app. It counts once a code confirms it; CONFLICT while you have one that does. The
   * session must have proven who you are within a quarter of an hour, or MFA_REQUIRED asks for `stepUp`. With a `challengeToken`, for
   * whoever is not signed in and whose sign-in needs an app first.
   */
  beginTotpEnrollment: BeginTotpEnrollmentPayload;
  /**
   * Signing in takes a second factor from now on. Ends all your sessions but the one you act in, which goes on with other tokens;
   * asks for a recent proof as `beginTotpEnrollment` does. With a `challengeToken` it finishes the sign-in, and starts its session.
   */
  confirmTotpEnrollment: ConfirmTotpEnrollmentPayload;
  /**
   * Signing in takes the password alone again. `code` is the app's or a recovery code. Ends all your sessions but the one you act in,
   * which is at level 1 again. FORBIDDEN while a role of yours asks for a second factor.
   */
  disableTotp: DisableTotpPayload;
  /** Ends all older ones. `code` is the app's. */
  regenerateRecoveryCodes: RegenerateRecoveryCodesPayload;
  /** It holds no role and has no key yet. */
  createServiceAccount: CreateServiceAccountPayload;
  /** Sets what is given. Each field is a right of its own. */
  updateServiceAccount: UpdateServiceAccountPayload;
  /** Shuts it out: none of its keys and sockets is honoured until it is enabled again. */
  disableServiceAccount: DisableServiceAccountPayload;
  /** Lets it in again, with the keys that it had. */
  enableServiceAccount: EnableServiceAccountPayload;
  /** Erases it: roles are taken away and every key ends. The id is never used again. */
  deleteServiceAccount: DeleteServiceAccountPayload;
  /**
   * MfaRequired for a user with a second factor: then `verifyMfa` starts the session. Over HTTP with the header
   * `X-Castellan-Cookies: 1`, the tokens go into cookies.
   */
  signIn: SignInResult;
  /**
   * Replaces the refresh token. Showing an old one again revokes the session: somebody has a copy. Without an argument, with
   * the header `X-Castellan-Cookies: 1`, it is the one in the cookie.
   */
  refreshSession: SignedIn;
  /**
   * Over a WebSocket: it and your subscriptions on it go on with this fresh access token of the same session. Any other
   * token is refused and changes nothing.
   */
  renewConnection: RenewConnectionPayload;
  /** Ends the session you act in. */
  signOut: SignOutPayload;
  revokeSession: RevokeSessionPayload;
  /** Ends all your sessions but the one you act in. */
  revokeOtherSessions: RevokeSessionsPayload;
  /** Ends all sessions of a user, the one you act in included if it is theirs. */
  revokeAllSessions: RevokeSessionsPayload;
  /**
   * Ends the live sessions that match and that you may read, at most 1,000 at a time, the oldest first. The one you act in is
   * among them if it matches. Nothing ends, with FORBIDDEN, if you may read one of them and not revoke it. The filter must
   * narrow them by something but `live`.
   */
  revokeSessions: RevokeMatchingSessionsPayload;
  /** Gives a session a name of 1 to 100 characters, to know it by. */
  renameSession: RenameSessionPayload;
  /** Publishes a new key, which signs a few minutes later. While one waits for that, it is the answer, and nothing changes. */
  rotateSigningKey: RotateSigningKeyPayload;
  /**
   * Ends a key at once: no token that it signed is accepted by any instance. One that signs is replaced. Sessions go on with the
   * next refresh. Those who verify tokens by themselves see it when they read the key set again.
   */
  revokeSigningKey: RevokeSigningKeyPayload;
  /** The new user holds the role `member`, where the policy has it. */
  createUser: CreateUserPayload;
  /** Shuts a user out: no session, token or socket of theirs is honoured any more. */
  disableUser: DisableUserPayload;
  /**
   * Sets what is given. Each field is a right of its own. An address set so counts as verified, and takes a session that began or stepped
   * up within the last 15 minutes.
   */
  updateUser: UpdateUserPayload;
  /** Lets a disabled user sign in again. No session of before comes back. */
  enableUser: EnableUserPayload;
  /**
   * Erases a user: address, name, password, metadata and second factors are gone, roles are taken away and every session ends. The
   * id is never used again; the address may be, and inherits nothing.
   */
  deleteUser: DeleteUserPayload;
};


export type MutationSignUpArgs = {
  input: SignUpInput;
};


export type MutationVerifyEmailArgs = {
  token: Scalars['String']['input'];
};


export type MutationRequestPasswordResetArgs = {
  email: Scalars['String']['input'];
};


export type MutationResetPasswordArgs = {
  token: Scalars['String']['input'];
  newPassword: Scalars['String']['input'];
};


export type MutationChangePasswordArgs = {
  currentPassword: Scalars['String']['input'];
  newPassword: Scalars['String']['input'];
};


export type MutationUnlockUserArgs = {
  id: Scalars['ID']['input'];
};


export type MutationCreateApiKeyArgs = {
  input: CreateApiKeyInput;
};


export type MutationUpdateApiKeyArgs = {
  id: Scalars['ID']['input'];
  input: UpdateApiKeyInput;
};


export type MutationRotateApiKeyArgs = {
  id: Scalars['ID']['input'];
  overlapSeconds: Scalars['Int']['input'];
};


export type MutationRevokeApiKeyArgs = {
  id: Scalars['ID']['input'];
};


export type MutationGrantRolesArgs = {
  grants: Array<GrantRoleInput>;
};


export type MutationRevokeRolesArgs = {
  grantIds: Array<Scalars['ID']['input']>;
};


export type MutationDisableUsersArgs = {
  ids: Array<Scalars['ID']['input']>;
};


export type MutationImportUsersArgs = {
  users: Array<ImportUserInput>;
};


export type MutationApplyPolicyArgs = {
  files: Array<PolicyFileInput>;
  cases?: InputMaybe<Array<PolicyFileInput>>;
  expectedVersion: Scalars['String']['input'];
};


export type MutationRollbackPolicyArgs = {
  version: Scalars['String']['input'];
  expectedVersion: Scalars['String']['input'];
};


export type MutationCreateRoleArgs = {
  input: CreateRoleInput;
};


export type MutationUpdateRoleArgs = {
  id: Scalars['ID']['input'];
  input: UpdateRoleInput;
};


export type MutationDeleteRoleArgs = {
  id: Scalars['ID']['input'];
};


export type MutationGrantRoleArgs = {
  principalId: Scalars['ID']['input'];
  roleId: Scalars['ID']['input'];
  scope?: InputMaybe<Scalars['String']['input']>;
  expiresAt?: InputMaybe<Scalars['DateTime']['input']>;
};


export type MutationRevokeRoleArgs = {
  grantId: Scalars['ID']['input'];
};


export type MutationCreateScopeArgs = {
  path: Scalars['String']['input'];
};


export type MutationMoveScopeArgs = {
  id: Scalars['ID']['input'];
  path: Scalars['String']['input'];
};


export type MutationSuspendScopeArgs = {
  id: Scalars['ID']['input'];
};


export type MutationResumeScopeArgs = {
  id: Scalars['ID']['input'];
};


export type MutationDeleteScopeArgs = {
  id: Scalars['ID']['input'];
};


export type MutationVerifyMfaArgs = {
  input: VerifyMfaInput;
};


export type MutationStepUpArgs = {
  input: StepUpInput;
};


export type MutationBeginTotpEnrollmentArgs = {
  challengeToken?: InputMaybe<Scalars['String']['input']>;
};


export type MutationConfirmTotpEnrollmentArgs = {
  code: Scalars['String']['input'];
  challengeToken?: InputMaybe<Scalars['String']['input']>;
};


export type MutationDisableTotpArgs = {
  code: Scalars['String']['input'];
};


export type MutationRegenerateRecoveryCodesArgs = {
  code: Scalars['String']['input'];
};


export type MutationCreateServiceAccountArgs = {
  input: CreateServiceAccountInput;
};


export type MutationUpdateServiceAccountArgs = {
  input: UpdateServiceAccountInput;
};


export type MutationDisableServiceAccountArgs = {
  id: Scalars['ID']['input'];
};


export type MutationEnableServiceAccountArgs = {
  id: Scalars['ID']['input'];
};


export type MutationDeleteServiceAccountArgs = {
  id: Scalars['ID']['input'];
};


export type MutationSignInArgs = {
  input: SignInInput;
};


export type MutationRefreshSessionArgs = {
  refreshToken?: InputMaybe<Scalars['String']['input']>;
};


export type MutationRenewConnectionArgs = {
  accessToken: Scalars['String']['input'];
};


export type MutationRevokeSessionArgs = {
  id: Scalars['ID']['input'];
};


export type MutationRevokeAllSessionsArgs = {
  userId: Scalars['ID']['input'];
};


export type MutationRevokeSessionsArgs = {
  filter: SessionFilter;
};


export type MutationRenameSessionArgs = {
  id: Scalars['ID']['input'];
  label: Scalars['String']['input'];
};


export type MutationRevokeSigningKeyArgs = {
  kid: Scalars['ID']['input'];
};


export type MutationCreateUserArgs = {
  input: CreateUserInput;
};


export type MutationDisableUserArgs = {
  id: Scalars['ID']['input'];
};


export type MutationUpdateUserArgs = {
  input: UpdateUserInput;
};


export type MutationEnableUserArgs = {
  id: Scalars['ID']['input'];
};


export type MutationDeleteUserArgs = {
  id: Scalars['ID']['input'];
};

export type Subscription = {
  __typename?: 'Subscription';
  /**
   * How users come in, and fail to, of whom you may read the sessions: each event once and in order, and after a position as
   * `sessionEvents` does. FORBIDDEN when you may read none.
   */
  authEvents: AuthEvent;
  /**
   * What happens to the API keys you may read, your own and others': each event once and in order, and after a position as
   * `sessionEvents` does. FORBIDDEN when you may read none.
   */
  apiKeyEvents: ApiKeyEvent;
  /**
   * For whoever may read the policy. Several changes may come as one, with the version in force; after the right ends, AccessEnded.
   * `after` is a position of the authority log, as `policyChanged` and receipts have it.
   */
  policyChanged: PolicyEvent;
  /**
   * Your rules, whenever others hold. After a position of the authority log, as `viewerAbility` has it, whatever you missed comes as
   * one event, and nothing where nothing changed. Where that cannot be told, Resync comes first; the rules follow all the same.
   */
  permissionsChanged: PermissionsEvent;
  /**
   * All that is revoked or changed, each once and in order, as soon as the instance that tells it has it in force. `after` goes on
   * from a position of the authority log, such as that of an event or a receipt, at most seven days later. For service accounts with
   * the permission `revocation:read` everywhere: FORBIDDEN otherwise.
   */
  revocations: RevocationEvent;
  /**
   * The security events you may read, as they are raised: each once and in order, and after a position as `sessionEvents` does. FORBIDDEN
   * when you may read none.
   */
  securityEventRaised: SecurityEventFeed;
  /**
   * What happens to your sessions, each event once and in order. `after` goes on from the position of an event, at most seven
   * days later. The end of your own session arrives as AccessEnded, whose position is that of the last event you were told of.
   * An API key is told where it may read the sessions of its user: FORBIDDEN otherwise.
   */
  sessionEvents: SessionEvent;
};


export type SubscriptionAuthEventsArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
};


export type SubscriptionApiKeyEventsArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
};


export type SubscriptionPolicyChangedArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
};


export type SubscriptionPermissionsChangedArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
};


export type SubscriptionRevocationsArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
};


export type SubscriptionSecurityEventRaisedArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
};


export type SubscriptionSessionEventsArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
};

export type SignUpInput = {
  email: Scalars['String']['input'];
  name: Scalars['String']['input'];
  /** At least 15 characters, and not easy to guess. */
  password: Scalars['String']['input'];
};

export type SignUpPayload = {
  __typename?: 'SignUpPayload';
  position: Scalars['String']['output'];
};

export type VerifyEmailPayload = {
  __typename?: 'VerifyEmailPayload';
  receipt: Receipt;
  position: Scalars['String']['output'];
};

export type RequestPasswordResetPayload = {
  __typename?: 'RequestPasswordResetPayload';
  position: Scalars['String']['output'];
};

export type ResetPasswordPayload = {
  __typename?: 'ResetPasswordPayload';
  receipt: Receipt;
  position: Scalars['String']['output'];
};

export type ChangePasswordPayload = {
  __typename?: 'ChangePasswordPayload';
  /** Your other sessions, which have ended. */
  sessions: Array<Session>;
  receipt: Receipt;
  position: Scalars['String']['output'];
};

export type UnlockUserPayload = {
  __typename?: 'UnlockUserPayload';
  user: User;
  receipt: Receipt;
  position: Scalars['String']['output'];
};

/** A field you may not read is null, with a FORBIDDEN error at its path. */
export type User = Principal & {
  __typename?: 'User';
  /** Half a second behind. For whoever may read the sessions of the user. */
  lastSignInAt?: Maybe<Scalars['DateTime']['output']>;
  /**
   * What the user may do and why, by the grants that count now: not those that have ended, and not those in a suspended scope.
   * Whoever may read the roles of a user may read this.
   */
  permissions?: Maybe<Array<Permission>>;
  /** Whether signing in takes a second factor. For the user itself and for whoever may read its status. */
  mfaEnabled?: Maybe<Scalars['Boolean']['output']>;
  id: Scalars['ID']['output'];
  email?: Maybe<Scalars['String']['output']>;
  name?: Maybe<Scalars['String']['output']>;
  status?: Maybe<UserStatus>;
  /** The path of the home scope. */
  scope?: Maybe<Scalars['String']['output']>;
  /** The paths of the home scope and all above it, from the root: what rules bound to a scope go by. */
  scopes?: Maybe<Array<Scalars['String']['output']>>;
  /** Whether the home scope or one above it is suspended: then the user is shut out. */
  suspended?: Maybe<Scalars['Boolean']['output']>;
  /** Roles granted to this user, without what they inherit. */
  roles?: Maybe<Array<Role>>;
  grants?: Maybe<Array<Grant>>;
  createdAt?: Maybe<Scalars['DateTime']['output']>;
  /** Whether the address was shown to be theirs, or set by somebody with the right to. Nobody signs in without that. */
  emailVerified?: Maybe<Scalars['Boolean']['output']>;
  /** What is kept about the user: names and single values. */
  metadata?: Maybe<Scalars['Metadata']['output']>;
};

/** Counts are whole numbers. Those of more than 400 days ago are gone. */
export type UserActivity = {
  __typename?: 'UserActivity';
  signIns: Scalars['Float']['output'];
  /** Passwords and codes that were looked at and were wrong. */
  failedSignIns: Scalars['Float']['output'];
  refreshes: Scalars['Float']['output'];
  /** Whenever it was. */
  lastSignInAt?: Maybe<Scalars['DateTime']['output']>;
  /** By what the user signed in within the range, and within the last 90 days: what was used last first, at most 100. */
  devices: Array<SeenDevice>;
  /** All that have a part in the range, in their order. What lies outside of it is not counted in them. */
  buckets: Array<UserActivityBucket>;
  /** What happened before that is in the answer, on whichever instance. */
  completeUntil: Scalars['DateTime']['output'];
};

export type UserActivityBucket = {
  __typename?: 'UserActivityBucket';
  /** Where the hour or day begins, which may be before the range does. */
  start: Scalars['DateTime']['output'];
  signIns: Scalars['Float']['output'];
  failedSignIns: Scalars['Float']['output'];
  refreshes: Scalars['Float']['output'];
};

/** A device as its user agent tells it: anybody can say anything. */
export type SeenDevice = {
  __typename?: 'SeenDevice';
  /** desktop, mobile, tablet, tv, bot or other. */
  deviceKind: Scalars['String']['output'];
  browser?: Maybe<Scalars['String']['output']>;
  os?: Maybe<Scalars['String']['output']>;
  firstSeenAt: Scalars['DateTime']['output'];
  lastSeenAt: Scalars['DateTime']['output'];
  signIns: Scalars['Int']['output'];
};

/** A sign-in, or a password or code that was looked at and was wrong. */
export type SignIn = {
  __typename?: 'SignIn';
  id: Scalars['ID']['output'];
  at: Scalars['DateTime']['output'];
  /** succeeded, wrong_password or wrong_code. */
  outcome: Scalars['String']['output'];
  /** How its session began: 1 with the password alone, 2 with a second factor; null where none did. */
  aal?: Maybe<Scalars['Int']['output']>;
  sessionId?: Maybe<Scalars['ID']['output']>;
  deviceKind: Scalars['String']['output'];
  browser?: Maybe<Scalars['String']['output']>;
  os?: Maybe<Scalars['String']['output']>;
  /** What the program calls itself. */
  client?: Maybe<Scalars['String']['output']>;
  address?: Maybe<Scalars['String']['output']>;
};

export type SignInConnection = {
  __typename?: 'SignInConnection';
  edges: Array<SignInEdge>;
  pageInfo: PageInfo;
};

export type SignInEdge = {
  __typename?: 'SignInEdge';
  cursor: Scalars['String']['output'];
  node: SignIn;
};

/** Somebody signed in. */
export type SignInSucceeded = {
  __typename?: 'SignInSucceeded';
  userId: Scalars['ID']['output'];
  /** Null when you may not read them. */
  user?: Maybe<User>;
  sessionId: Scalars['ID']['output'];
  /** Null when you may not read it, or it is gone. */
  session?: Maybe<Session>;
  device: Device;
  /** What the program calls itself. */
  client?: Maybe<Scalars['String']['output']>;
  at: Scalars['DateTime']['output'];
  /** Send it as `after` to go on from here. */
  position: Scalars['String']['output'];
};

/** Somebody showed a password or a code that was looked at and was wrong. Of whom nobody is, nobody is told. */
export type SignInFailed = {
  __typename?: 'SignInFailed';
  userId: Scalars['ID']['output'];
  user?: Maybe<User>;
  /** wrong_password or wrong_code. */
  outcome: Scalars['String']['output'];
  device: Device;
  client?: Maybe<Scalars['String']['output']>;
  at: Scalars['DateTime']['output'];
  position: Scalars['String']['output'];
};

export type AuthEvent = SignInSucceeded | SignInFailed | Resync | AccessEnded;

export type AnalyticsBucket =
  | 'hour'
  | 'day'
  /** From Monday on. */
  | 'week'
  | 'month';

/** From one instant on and before another. It is widened to whole quarters of an hour in UTC. */
export type AnalyticsRange = {
  from: Scalars['DateTime']['input'];
  to: Scalars['DateTime']['input'];
  /** What counts are summed by; at most 1000 of them, and 1000 days. */
  bucket: AnalyticsBucket;
  /** Whose calendar says where they begin: a name such as Europe/Berlin. */
  timeZone: Scalars['String']['input'];
};

/** Counts are whole numbers. */
export type PermissionAnalytics = {
  __typename?: 'PermissionAnalytics';
  /** The most frequent first. */
  decisions: Array<DecisionCount>;
  /** All that have a part in the range, in their order. What lies outside of it is not counted in them. */
  buckets: Array<DecisionBucket>;
  /** Decisions made where an instance could not tell any more of them apart. They are in none of the other counts. */
  overflow: Scalars['Float']['output'];
  /** File and line of each rule of the policy in force that decided nothing in the range. */
  rulesWithoutDecision: Array<Scalars['String']['output']>;
  /** Where more was denied than in the equally long time before the range: the largest rise first, at most 100. */
  risingDenials: Array<RisingDenial>;
  /**
   * What the instance that answers counted before that is in the answer. Each instance writes its counts every 5 seconds, so
   * that those of the others may be missing for as long.
   */
  completeUntil: Scalars['DateTime']['output'];
};

export type DecisionCount = {
  __typename?: 'DecisionCount';
  /** Null for a word that the policy did not know, here and in subject. */
  action?: Maybe<Scalars['String']['output']>;
  subject?: Maybe<Scalars['String']['output']>;
  allowed: Scalars['Boolean']['output'];
  /** File and line of the deciding rule, in the policy of that time; null when no rule applied. */
  rule?: Maybe<Scalars['String']['output']>;
  count: Scalars['Float']['output'];
};

export type DecisionBucket = {
  __typename?: 'DecisionBucket';
  /** Where the hour or day begins, which may be before the range does. */
  start: Scalars['DateTime']['output'];
  allowed: Scalars['Float']['output'];
  denied: Scalars['Float']['output'];
};

export type RisingDenial = {
  __typename?: 'RisingDenial';
  action?: Maybe<Scalars['String']['output']>;
  subject?: Maybe<Scalars['String']['output']>;
  rule?: Maybe<Scalars['String']['output']>;
  before: Scalars['Float']['output'];
  now: Scalars['Float']['output'];
};

/** Counts are whole numbers. A session that ends by itself is counted within a minute, in the quarter of an hour in which it ended. */
export type SessionAnalytics = {
  __typename?: 'SessionAnalytics';
  /** How many were live at the end of the range, or are now if that is to come. */
  active: Scalars['Float']['output'];
  /** How many were live at once, at most. */
  peak: Scalars['Float']['output'];
  started: Scalars['Float']['output'];
  refreshed: Scalars['Float']['output'];
  ended: Scalars['Float']['output'];
  /** Times that a refresh token was shown again which had been replaced. */
  reuseDetections: Scalars['Float']['output'];
  /** The most frequent first, here and below. */
  endedByReason: Array<SessionEndCount>;
  /** Of those that started: desktop, mobile, tablet, tv, bot, other, unknown. */
  byDevice: Array<SessionDeviceCount>;
  /** Of those that ended, how they were used: http, websocket, sse. One that was used in several ways counts in each; uses in its last seconds may be missing. */
  byProtocol: Array<SessionProtocolCount>;
  /** How long those lasted that ended; null when there is none. */
  lengths?: Maybe<SessionLengths>;
  /** All that have a part in the range, in their order. What lies outside of it is not counted in them. */
  buckets: Array<SessionBucket>;
  /** What happened before that is in the answer, on whichever instance. */
  completeUntil: Scalars['DateTime']['output'];
};

export type SessionEndCount = {
  __typename?: 'SessionEndCount';
  /** As revokedReason of a session, and expired and idle for those that ended by themselves. */
  reason: Scalars['String']['output'];
  count: Scalars['Float']['output'];
};

export type SessionDeviceCount = {
  __typename?: 'SessionDeviceCount';
  device: Scalars['String']['output'];
  count: Scalars['Float']['output'];
};

export type SessionProtocolCount = {
  __typename?: 'SessionProtocolCount';
  protocol: Scalars['String']['output'];
  count: Scalars['Float']['output'];
};

/** Within 5 % of what was measured. */
export type SessionLengths = {
  __typename?: 'SessionLengths';
  /** Half of the sessions did not last longer. */
  p50Seconds: Scalars['Float']['output'];
  /** 19 of 20 did not. */
  p95Seconds: Scalars['Float']['output'];
};

export type SessionBucket = {
  __typename?: 'SessionBucket';
  /** Where the hour or day begins, which may be before the range does. */
  start: Scalars['DateTime']['output'];
  /** How many were live at its end. */
  active: Scalars['Float']['output'];
  /** How many were live at once, at most. */
  peak: Scalars['Float']['output'];
  started: Scalars['Float']['output'];
  refreshed: Scalars['Float']['output'];
  ended: Scalars['Float']['output'];
};

/** Counts are whole numbers. */
export type AuthenticationAnalytics = {
  __typename?: 'AuthenticationAnalytics';
  succeeded: Scalars['Float']['output'];
  /** All that were refused. What waits for a second factor is neither. */
  failed: Scalars['Float']['output'];
  /** The most frequent first. */
  counts: Array<AuthenticationCount>;
  /** All that have a part in the range, in their order. What lies outside of it is not counted in them. */
  buckets: Array<AuthenticationBucket>;
  /**
   * What the instance that answers counted before that is in the answer. Each instance writes its counts every 5 seconds, so
   * that those of the others may be missing for as long.
   */
  completeUntil: Scalars['DateTime']['output'];
};

export type AuthenticationCount = {
  __typename?: 'AuthenticationCount';
  /**
   * sign_in, second_factor, refresh, step_up, sign_out, sign_up, password_change or password_reset; credential is a token or key that
   * was shown with another operation, and is counted only where it did not hold.
   */
  kind: Scalars['String']['output'];
  /** succeeded, mfa_required where a second factor is asked for, or the code that it was refused with, in small letters. */
  outcome: Scalars['String']['output'];
  /** http, websocket or sse. */
  protocol: Scalars['String']['output'];
  count: Scalars['Float']['output'];
};

export type AuthenticationBucket = {
  __typename?: 'AuthenticationBucket';
  /** Where it begins, which may be before the range does. */
  start: Scalars['DateTime']['output'];
  succeeded: Scalars['Float']['output'];
  failed: Scalars['Float']['output'];
  outcomes: Array<AuthenticationOutcome>;
};

export type AuthenticationOutcome = {
  __typename?: 'AuthenticationOutcome';
  outcome: Scalars['String']['output'];
  count: Scalars['Float']['output'];
};

/** Counts are whole numbers. A user is active who signs in or refreshes a session, which pages do every few minutes. */
export type ActivityAnalytics = {
  __typename?: 'ActivityAnalytics';
  /** Users who were active in the range at all. */
  active: Scalars['Float']['output'];
  /** All that have a part in the range, in their order. What lies outside of it is not counted in them. */
  buckets: Array<ActivityBucket>;
  /** By what they ask for: the most frequent first. */
  operations: Array<OperationCount>;
  /** What the instance that answers counted before that is in the answer; operations of others may be missing for 5 seconds. */
  completeUntil: Scalars['DateTime']['output'];
};

export type ActivityBucket = {
  __typename?: 'ActivityBucket';
  /** Where it begins, which may be before the range does. */
  start: Scalars['DateTime']['output'];
  active: Scalars['Float']['output'];
  /** Those of them who were active in the one before as well. */
  fromPrevious: Scalars['Float']['output'];
  /** Those of them who were active in the first of the range. */
  fromFirst: Scalars['Float']['output'];
};

export type OperationCount = {
  __typename?: 'OperationCount';
  /** query, mutation, subscription, or unknown for what was none. */
  kind: Scalars['String']['output'];
  /** The root field, or several. */
  field: Scalars['String']['output'];
  succeeded: Scalars['Float']['output'];
  failed: Scalars['Float']['output'];
};

/** A long-lived secret of a program, which acts as its owner with it: `X-API-Key: ck_…`. The secret is shown once. */
export type ApiKey = Principal & {
  __typename?: 'ApiKey';
  id: Scalars['ID']['output'];
  name?: Maybe<Scalars['String']['output']>;
  /** The user or service account it acts as; null when you may not read that. */
  owner?: Maybe<Principal>;
  /** The part of it that is no secret, and the last four characters of its current secret. */
  prefix: Scalars['String']['output'];
  lastFour: Scalars['String']['output'];
  /**
   * What of its owner's rights it has, each written `user:disable`; null is all of them. Whatever is written here, it may never do
   * more than its owner may at that moment.
   */
  permissions?: Maybe<Array<Scalars['String']['output']>>;
  /** The ranges of addresses it is good from; none is from everywhere. */
  addressRanges: Array<Scalars['String']['output']>;
  /** The origins of pages it is good in; none is in all, and outside of pages. */
  allowedOrigins: Array<Scalars['String']['output']>;
  /** Whether it can change nothing. */
  readOnly: Scalars['Boolean']['output'];
  createdAt?: Maybe<Scalars['DateTime']['output']>;
  /** The id of who made it. */
  createdBy: Scalars['ID']['output'];
  expiresAt?: Maybe<Scalars['DateTime']['output']>;
  revokedAt?: Maybe<Scalars['DateTime']['output']>;
  /** Why it ended: revoked, owner_deleted. */
  revokedReason?: Maybe<Scalars['String']['output']>;
  /** A few seconds behind. Null before the first use. */
  lastUsedAt?: Maybe<Scalars['DateTime']['output']>;
  /** Its secrets, the newest first. While one replaces another, both are good. */
  versions: Array<ApiKeyVersion>;
  /** The path of its owner's home scope, and the paths of that and all above it: what rules bound to a scope go by. */
  scope?: Maybe<Scalars['String']['output']>;
  scopes?: Maybe<Array<Scalars['String']['output']>>;
};

/** One secret of a key. */
export type ApiKeyVersion = {
  __typename?: 'ApiKeyVersion';
  number: Scalars['Int']['output'];
  lastFour: Scalars['String']['output'];
  createdAt: Scalars['DateTime']['output'];
  /** Until when it is good; null for the newest, which is good as long as the key. */
  validUntil?: Maybe<Scalars['DateTime']['output']>;
  /** A few seconds behind. Null before the first use. */
  lastUsedAt?: Maybe<Scalars['DateTime']['output']>;
  /** Whether it has been replaced, the newest is in use, and nobody has used this one for an hour. */
  safeToRetire: Scalars['Boolean']['output'];
};

/**
 * Counts are whole numbers. Those of more than 400 days ago are gone; the last second may be missing, and a minute while Redis does
 * not answer.
 */
export type ApiKeyUsage = {
  __typename?: 'ApiKeyUsage';
  /** Operations that began, */
  admitted: Scalars['Float']['output'];
  /** those that did not, since there were too many, */
  limited: Scalars['Float']['output'];
  /** and those of the ones that began which were answered with errors. */
  failed: Scalars['Float']['output'];
  /** What was asked for, the most frequent first, at most 200. */
  operations: Array<ApiKeyOperationCount>;
  /** All that have a part in the range, in their order. What lies outside of it is not counted in them. */
  buckets: Array<ApiKeyUsageBucket>;
};

export type ApiKeyOperationCount = {
  __typename?: 'ApiKeyOperationCount';
  /** The number of the secret that was shown. */
  version: Scalars['Int']['output'];
  /** The name of the operation; the beginning of a hash of its text where it has none; * for those that were too many to tell apart. */
  operation: Scalars['String']['output'];
  /** admitted, limited or failed. One that failed is counted as admitted as well. */
  outcome: Scalars['String']['output'];
  count: Scalars['Float']['output'];
};

export type ApiKeyUsageBucket = {
  __typename?: 'ApiKeyUsageBucket';
  /** Where the hour or day begins, which may be before the range does. */
  start: Scalars['DateTime']['output'];
  admitted: Scalars['Float']['output'];
  limited: Scalars['Float']['output'];
  failed: Scalars['Float']['output'];
};

/** All of it must hold. */
export type ApiKeyFilter = {
  ownerId?: InputMaybe<Scalars['ID']['input']>;
  /** Whether they are neither revoked nor at their end. */
  live?: InputMaybe<Scalars['Boolean']['input']>;
  /** Nobody has used them since, or ever. */
  unusedSince?: InputMaybe<Scalars['DateTime']['input']>;
  expiresBefore?: InputMaybe<Scalars['DateTime']['input']>;
  /** A key that was found somewhere, or the part of one that is no secret: whose is it? */
  prefix?: InputMaybe<Scalars['String']['input']>;
};

export type ApiKeyOrder = {
  field: ApiKeyOrderField;
  direction: OrderDirection;
};

export type ApiKeyOrderField =
  | 'createdAt'
  | 'name';

export type ApiKeyConnection = {
  __typename?: 'ApiKeyConnection';
  edges: Array<ApiKeyEdge>;
  pageInfo: PageInfo;
};

export type ApiKeyEdge = {
  __typename?: 'ApiKeyEdge';
  cursor: Scalars['String']['output'];
  node: ApiKey;
};

export type CreateApiKeyInput = {
  name: Scalars['String']['input'];
  /** Whose key it is to be. Without it, it is yours. */
  serviceAccountId?: InputMaybe<Scalars['ID']['input']>;
  /** Each written `user:disable`. Without any it has all that its owner may. */
  permissions?: InputMaybe<Array<Scalars['String']['input']>>;
  /** Addresses or ranges of them, such as 10.0.0.0/8 or 2001:db8::/32. */
  addressRanges?: InputMaybe<Array<Scalars['String']['input']>>;
  /** Such as https://app.example.com. */
  allowedOrigins?: InputMaybe<Array<Scalars['String']['input']>>;
  readOnly?: InputMaybe<Scalars['Boolean']['input']>;
  expiresAt?: InputMaybe<Scalars['DateTime']['input']>;
};

/** What is absent stays. Null lifts a limit: of permissions, that is all that its owner may. */
export type UpdateApiKeyInput = {
  name?: InputMaybe<Scalars['String']['input']>;
  permissions?: InputMaybe<Array<Scalars['String']['input']>>;
  addressRanges?: InputMaybe<Array<Scalars['String']['input']>>;
  allowedOrigins?: InputMaybe<Array<Scalars['String']['input']>>;
  readOnly?: InputMaybe<Scalars['Boolean']['input']>;
  expiresAt?: InputMaybe<Scalars['DateTime']['input']>;
};

export type CreateApiKeyPayload = {
  __typename?: 'CreateApiKeyPayload';
  apiKey: ApiKey;
  /** The key itself. It is shown here and never again. */
  secret: Scalars['String']['output'];
  position: Scalars['String']['output'];
};

export type UpdateApiKeyPayload = {
  __typename?: 'UpdateApiKeyPayload';
  apiKey: ApiKey;
  receipt: Receipt;
  position: Scalars['String']['output'];
};

export type RotateApiKeyPayload = {
  __typename?: 'RotateApiKeyPayload';
  apiKey: ApiKey;
  /** The key itself, anew. It is shown here and never again. */
  secret: Scalars['String']['output'];
  receipt: Receipt;
  position: Scalars['String']['output'];
};

export type RevokeApiKeyPayload = {
  __typename?: 'RevokeApiKeyPayload';
  apiKey: ApiKey;
  receipt: Receipt;
  position: Scalars['String']['output'];
};

/** An API key has been made. */
export type ApiKeyCreated = {
  __typename?: 'ApiKeyCreated';
  apiKeyId: Scalars['ID']['output'];
  /** As it was when this was read. */
  apiKey: ApiKey;
  at: Scalars['DateTime']['output'];
  /** Send it as `after` to go on from here. */
  position: Scalars['String']['output'];
};

/** The name or the limits of an API key have been changed. */
export type ApiKeyUpdated = {
  __typename?: 'ApiKeyUpdated';
  apiKeyId: Scalars['ID']['output'];
  apiKey: ApiKey;
  at: Scalars['DateTime']['output'];
  position: Scalars['String']['output'];
};

/** An API key has another secret. */
export type ApiKeyRotated = {
  __typename?: 'ApiKeyRotated';
  apiKeyId: Scalars['ID']['output'];
  apiKey: ApiKey;
  at: Scalars['DateTime']['output'];
  position: Scalars['String']['output'];
};

/** An API key has been revoked. */
export type ApiKeyRevoked = {
  __typename?: 'ApiKeyRevoked';
  apiKeyId: Scalars['ID']['output'];
  apiKey: ApiKey;
  /** Why: as `revokedReason` of the key. */
  reason: Scalars['String']['output'];
  at: Scalars['DateTime']['output'];
  position: Scalars['String']['output'];
};

/** An API key has ended by itself. It is told within a minute of that. */
export type ApiKeyExpired = {
  __typename?: 'ApiKeyExpired';
  apiKeyId: Scalars['ID']['output'];
  apiKey: ApiKey;
  at: Scalars['DateTime']['output'];
  position: Scalars['String']['output'];
};

export type ApiKeyEvent = ApiKeyCreated | ApiKeyUpdated | ApiKeyRotated | ApiKeyRevoked | ApiKeyExpired | Resync | AccessEnded;

/** What was done, or denied: by whom, from where, how, and by what it was decided. No entry says what a secret, an address or a text is. */
export type AuditEntry = {
  __typename?: 'AuditEntry';
  id: Scalars['ID']['output'];
  /** Its place in the chain; null for a moment, until it has one. */
  seq?: Maybe<Scalars['Float']['output']>;
  at: Scalars['DateTime']['output'];
  /** Who acted. */
  principalId: Scalars['ID']['output'];
  /** user, service, anonymous or system. */
  principalKind: Scalars['String']['output'];
  sessionId?: Maybe<Scalars['ID']['output']>;
  /** The API key that acted, where one did. */
  apiKeyId?: Maybe<Scalars['ID']['output']>;
  /** Where it was asked from. */
  address?: Maybe<Scalars['String']['output']>;
  /** http, websocket, sse, cli or background; null for entries of an older version. */
  protocol?: Maybe<Scalars['String']['output']>;
  /** What the operation is called, or what tells it from others without a name. */
  operation?: Maybe<Scalars['String']['output']>;
  /** Such as user.disable. */
  action: Scalars['String']['output'];
  subjectType?: Maybe<Scalars['String']['output']>;
  /** What it was about; null where that has no id, and for several denials that are told as one. */
  subjectId?: Maybe<Scalars['ID']['output']>;
  outcome: AuditOutcome;
  /** Why it was denied. */
  code?: Maybe<Scalars['String']['output']>;
  /** How it was and how it is since, as far as it was changed. */
  before?: Maybe<Scalars['Metadata']['output']>;
  after?: Maybe<Scalars['Metadata']['output']>;
  /** By which policy it was decided, and up to where in the authority log. */
  policyVersion?: Maybe<Scalars['String']['output']>;
  position?: Maybe<Scalars['String']['output']>;
  /** The path of the home scope of the user or service account it is about. */
  scope?: Maybe<Scalars['String']['output']>;
};

export type AuditOutcome =
  | 'done'
  | 'denied';

export type AuditLogConnection = {
  __typename?: 'AuditLogConnection';
  edges: Array<AuditLogEdge>;
  pageInfo: PageInfo;
};

export type AuditLogEdge = {
  __typename?: 'AuditLogEdge';
  cursor: Scalars['String']['output'];
  node: AuditEntry;
};

/** All of it must hold. */
export type AuditLogFilter = {
  principalId?: InputMaybe<Scalars['ID']['input']>;
  apiKeyId?: InputMaybe<Scalars['ID']['input']>;
  sessionId?: InputMaybe<Scalars['ID']['input']>;
  subjectId?: InputMaybe<Scalars['ID']['input']>;
  subjectType?: InputMaybe<Scalars['String']['input']>;
  action?: InputMaybe<Scalars['String']['input']>;
  outcome?: InputMaybe<AuditOutcome>;
  /** From then on. */
  from?: InputMaybe<Scalars['DateTime']['input']>;
  /** Before then. */
  until?: InputMaybe<Scalars['DateTime']['input']>;
};

export type GrantRoleInput = {
  principalId: Scalars['ID']['input'];
  roleId: Scalars['ID']['input'];
  /** The path or the id of a scope; without one the role holds everywhere. */
  scope?: InputMaybe<Scalars['String']['input']>;
  expiresAt?: InputMaybe<Scalars['DateTime']['input']>;
};

export type ImportUserInput = {
  email: Scalars['String']['input'];
  /** Without one it is what stands before the @. */
  name?: InputMaybe<Scalars['String']['input']>;
  /** The path or the id of the home scope. */
  scope?: InputMaybe<Scalars['String']['input']>;
  /** Names of roles that hold in the home scope, or everywhere for a user without one. */
  roles?: InputMaybe<Array<Scalars['String']['input']>>;
  metadata?: InputMaybe<Scalars['Metadata']['input']>;
};

/** Why one of many was not done: as it would be refused alone. */
export type ItemRefusal = {
  __typename?: 'ItemRefusal';
  /** One of the codes of errors. */
  code: Scalars['String']['output'];
  message: Scalars['String']['output'];
  /** What is wrong with a BAD_USER_INPUT, or in conflict. */
  field?: Maybe<Scalars['String']['output']>;
  reason?: Maybe<Scalars['String']['output']>;
  /** File and line of the deciding rule. */
  rule?: Maybe<Scalars['String']['output']>;
};

/** One of the two is null. */
export type GrantResult = {
  __typename?: 'GrantResult';
  grant?: Maybe<Grant>;
  refusal?: Maybe<ItemRefusal>;
};

/** One of the two is null. */
export type UserResult = {
  __typename?: 'UserResult';
  user?: Maybe<User>;
  refusal?: Maybe<ItemRefusal>;
};

export type GrantRolesPayload = {
  __typename?: 'GrantRolesPayload';
  results: Array<GrantResult>;
  receipt: Receipt;
  position: Scalars['String']['output'];
};

export type RevokeRolesPayload = {
  __typename?: 'RevokeRolesPayload';
  results: Array<GrantResult>;
  receipt: Receipt;
  position: Scalars['String']['output'];
};

export type DisableUsersPayload = {
  __typename?: 'DisableUsersPayload';
  results: Array<UserResult>;
  receipt: Receipt;
  position: Scalars['String']['output'];
};

export type ImportUsersPayload = {
  __typename?: 'ImportUsersPayload';
  results: Array<UserResult>;
  receipt: Receipt;
  position: Scalars['String']['output'];
};

/** An action on a subject type that rules allow or deny somebody, and where that comes from. A deny wins over every allow. */
export type Permission = {
  __typename?: 'Permission';
  action: Scalars['String']['output'];
  subject: Scalars['String']['output'];
  /** allow or deny. */
  effect: Scalars['String']['output'];
  /** The only fields it speaks of; null for the whole record. */
  fields?: Maybe<Array<Scalars['String']['output']>>;
  /** What must hold of a record, as it is written: all of it. The scope of a grant stands with its source. */
  conditions: Array<PermissionCondition>;
  reason?: Maybe<Scalars['String']['output']>;
  /** File and line. */
  rule: Scalars['String']['output'];
  /** Every grant that brings it, oldest first. */
  sources: Array<PermissionSource>;
};

export type PermissionCondition = {
  __typename?: 'PermissionCondition';
  attribute: Scalars['String']['output'];
  operator: Scalars['String']['output'];
  /** What stands for whoever acts is there as it is written: `${principal.id}`. */
  expected?: Maybe<Scalars['AttributeValue']['output']>;
};

export type PermissionSource = {
  __typename?: 'PermissionSource';
  /** By whom, when, and until when. */
  grant: Grant;
  /** Names of roles, from the one that was granted, by the shortest way, to the one in which the rule stands. */
  path: Array<Scalars['String']['output']>;
  /** The path of the scope in which, and below which, it holds by this grant; null is everywhere. */
  scope?: Maybe<Scalars['String']['output']>;
};

/** The answer to "may X do Y on Z?", with what decided it. */
export type Decision = {
  __typename?: 'Decision';
  allowed: Scalars['Boolean']['output'];
  reason: Scalars['String']['output'];
  /** File and line of the deciding rule; null when no rule applies. */
  rule?: Maybe<Scalars['String']['output']>;
  policyVersion: Scalars['String']['output'];
  /**
   * What your session must prove before you do what you may: until then it is refused with MFA_REQUIRED, and `stepUp` is what
   * helps. Null when nothing is missing.
   */
  stepUp?: Maybe<RequiredProof>;
  position: Scalars['String']['output'];
};

/** How well, and how recently, a session must have proven who acts in it. */
export type RequiredProof = {
  __typename?: 'RequiredProof';
  /** 1 is the password, 2 a second factor. */
  level: Scalars['Int']['output'];
  /** Null where it does not matter when. */
  withinSeconds?: Maybe<Scalars['Int']['output']>;
};

/** Your rules for a CASL ability of your own. */
export type AbilityRules = {
  __typename?: 'AbilityRules';
  /** Packed CASL rules: `createMongoAbility(unpackRules(rules), { detectSubjectType: (object) => object.__typename })`. */
  rules: Scalars['PackedRules']['output'];
  policyVersion: Scalars['String']['output'];
  position: Scalars['String']['output'];
};

export type CheckInput = {
  action: Scalars['String']['input'];
  subject: Scalars['String']['input'];
  id?: InputMaybe<Scalars['ID']['input']>;
  field?: InputMaybe<Scalars['String']['input']>;
  /**
   * For subjects that other subgraphs own: what their record is, as it is not kept here. For users, roles and sessions it is
   * read here and attributes are refused.
   */
  attributes?: InputMaybe<Scalars['Attributes']['input']>;
};

export type Policy = {
  __typename?: 'Policy';
  /** The hash of its normalised rules. */
  version: Scalars['String']['output'];
  roles: Array<Scalars['String']['output']>;
  subjects: Array<Scalars['String']['output']>;
  files: Array<PolicyFile>;
  /** The versions that were ever in force, the last hundred at most: the one that was put in force last comes first. */
  history: Array<PolicyVersion>;
};

export type PolicyVersion = {
  __typename?: 'PolicyVersion';
  version: Scalars['String']['output'];
  /** When it was last put in force. */
  appliedAt: Scalars['DateTime']['output'];
  /** The id of who did: a user, or system for the files of an instance. */
  appliedBy: Scalars['ID']['output'];
  inForce: Scalars['Boolean']['output'];
};

export type ApplyPolicyPayload = {
  __typename?: 'ApplyPolicyPayload';
  /** The version in force. */
  version: Scalars['String']['output'];
  receipt: Receipt;
  position: Scalars['String']['output'];
};

export type PolicyFile = {
  __typename?: 'PolicyFile';
  path: Scalars['String']['output'];
  text: Scalars['String']['output'];
};

export type PolicyFileInput = {
  path: Scalars['String']['input'];
  text: Scalars['String']['input'];
};

export type Explanation = {
  __typename?: 'Explanation';
  allowed: Scalars['Boolean']['output'];
  reason: Scalars['String']['output'];
  policyVersion: Scalars['String']['output'];
  /** The rule that decided; null when none applies. */
  rule?: Maybe<ExplainedRule>;
  /** Where nothing allowed it: the rule that came nearest. */
  nearestMiss?: Maybe<ExplainedRule>;
  /** For a denial: what would have to be different, and no more. Null when it is allowed or no role could allow it. */
  needs?: Maybe<Array<Need>>;
  /** Where not even a near miss is held: the roles that could allow it. */
  roles: Array<Scalars['String']['output']>;
};

export type ExplainedRule = {
  __typename?: 'ExplainedRule';
  /** File and line. */
  rule: Scalars['String']['output'];
  file: Scalars['String']['output'];
  line: Scalars['Int']['output'];
  /** allow or deny. */
  effect: Scalars['String']['output'];
  /** The role the rule stands in. */
  role: Scalars['String']['output'];
  /** From a role that was granted down to that one. */
  inheritance: Array<Scalars['String']['output']>;
  reason?: Maybe<Scalars['String']['output']>;
  matches: Scalars['Boolean']['output'];
  conditions: Array<ExplainedCondition>;
};

export type ExplainedCondition = {
  __typename?: 'ExplainedCondition';
  /** An attribute; `scopes` for the scope of the grant, `field` for the fields of the rule. */
  attribute: Scalars['String']['output'];
  operator: Scalars['String']['output'];
  expected?: Maybe<Scalars['AttributeValue']['output']>;
  actual?: Maybe<Scalars['AttributeValue']['output']>;
  holds: Scalars['Boolean']['output'];
  note?: Maybe<Scalars['String']['output']>;
};

export type Need = {
  __typename?: 'Need';
  /** attribute, absent, grant, principal, field or deny. */
  kind: Scalars['String']['output'];
  /** In words. */
  text: Scalars['String']['output'];
  attribute?: Maybe<Scalars['String']['output']>;
  value?: Maybe<Scalars['AttributeValue']['output']>;
  role?: Maybe<Scalars['String']['output']>;
  scope?: Maybe<Scalars['String']['output']>;
  rule?: Maybe<Scalars['String']['output']>;
};

export type PolicyDiff = {
  __typename?: 'PolicyDiff';
  before: Scalars['String']['output'];
  after: Scalars['String']['output'];
  changes: Array<PolicyChange>;
  /** Everybody who gains or loses something. */
  affected: Array<AffectedPrincipal>;
  /** The roles whose holders must have a second factor now, or need none any more. */
  mfa: Array<MfaChange>;
  /** The actions that take another step-up than before, whoever may do them. */
  stepUps: Array<StepUpChange>;
};

export type StepUpChange = {
  __typename?: 'StepUpChange';
  subject: Scalars['String']['output'];
  action: Scalars['String']['output'];
  /** What a session had to prove for it, and what it must prove then; null is nothing. */
  before?: Maybe<RequiredProof>;
  after?: Maybe<RequiredProof>;
};

export type MfaChange = {
  __typename?: 'MfaChange';
  role: Scalars['String']['output'];
  /** Whether they must from then on. */
  required: Scalars['Boolean']['output'];
  /** Those of its holders for whom that is another answer than before. */
  users: Array<Scalars['ID']['output']>;
};

export type AffectedPrincipal = {
  __typename?: 'AffectedPrincipal';
  id: Scalars['ID']['output'];
  /** Names of the roles held, with `at acme` where one holds in a scope only. */
  roles: Array<Scalars['String']['output']>;
  /** Live sessions; null where you may not read them. */
  liveSessions?: Maybe<Scalars['Int']['output']>;
};

/** One thing that is gained or lost: by each of these principals on each of these records, but for the exceptions; and by each of the pairs. */
export type PolicyChange = {
  __typename?: 'PolicyChange';
  /** gains or loses. */
  effect: Scalars['String']['output'];
  subject: Scalars['String']['output'];
  action: Scalars['String']['output'];
  /** The fields; empty when it is the action on the record as a whole. */
  fields: Array<Scalars['String']['output']>;
  principals: Array<Scalars['ID']['output']>;
  records: Array<Scalars['ID']['output']>;
  except: Array<PolicyPair>;
  pairs: Array<PolicyPair>;
};

export type PolicyPair = {
  __typename?: 'PolicyPair';
  principal: Scalars['ID']['output'];
  record: Scalars['ID']['output'];
};

/** Your rules have changed: these are all that hold now. */
export type PermissionsChanged = {
  __typename?: 'PermissionsChanged';
  rules: Scalars['PackedRules']['output'];
  policyVersion: Scalars['String']['output'];
  position: Scalars['String']['output'];
};

export type PermissionsEvent = PermissionsChanged | Resync | AccessEnded;

/** Another policy is in force. */
export type PolicyChanged = {
  __typename?: 'PolicyChanged';
  version: Scalars['String']['output'];
  position: Scalars['String']['output'];
};

export type PolicyEvent = PolicyChanged | Resync | AccessEnded;

/**
 * Something took authority away, or changed it. `revoked`: whatever stands for the target from before `position` is good no longer;
 * of a signing key, all it ever signed. `changed`: what was worked out from the target from before `position` may be different now.
 */
export type AuthorityChanged = {
  __typename?: 'AuthorityChanged';
  /** Session, User, ServiceAccount, ApiKey, Role, Scope, SigningKey or Policy. */
  targetType: Scalars['String']['output'];
  targetId: Scalars['ID']['output'];
  /** revoked or changed. */
  kind: Scalars['String']['output'];
  at: Scalars['DateTime']['output'];
  /** Send it as `after` to go on from here. */
  position: Scalars['String']['output'];
};

export type RevocationEvent = AuthorityChanged | Resync | AccessEnded;

/** A named bundle of rules. */
export type Role = {
  __typename?: 'Role';
  id: Scalars['ID']['output'];
  name?: Maybe<Scalars['String']['output']>;
  description?: Maybe<Scalars['String']['output']>;
  /** Whether the role comes from policy files and is changed there. A custom role is made of others, and has no rules of its own. */
  managed?: Maybe<Scalars['Boolean']['output']>;
  /** What it inherits from directly, of what you may read. */
  inherits: Array<Role>;
  /** What it inherits from at any remove, nearest first. */
  ancestors: Array<Role>;
  /** What inherits from it at any remove, nearest first. */
  descendants: Array<Role>;
};

/** That a principal holds a role: at a scope, until when, given by whom. */
export type Grant = {
  __typename?: 'Grant';
  id: Scalars['ID']['output'];
  /** Null when you may not read it. */
  role?: Maybe<Role>;
  /** The path of the scope it holds in, and below; null is everywhere. */
  scope?: Maybe<Scalars['String']['output']>;
  expiresAt?: Maybe<Scalars['DateTime']['output']>;
  grantedBy: Scalars['ID']['output'];
  createdAt: Scalars['DateTime']['output'];
};

export type RoleFilter = {
  managed?: InputMaybe<Scalars['Boolean']['input']>;
};

export type RoleOrder = {
  field: RoleOrderField;
  direction: OrderDirection;
};

export type RoleOrderField =
  | 'name';

export type RoleConnection = {
  __typename?: 'RoleConnection';
  edges: Array<RoleEdge>;
  pageInfo: PageInfo;
};

export type RoleEdge = {
  __typename?: 'RoleEdge';
  cursor: Scalars['String']['output'];
  node: Role;
};

export type CreateRoleInput = {
  /** Small letters, digits, - and _; no other role has it. */
  name: Scalars['String']['input'];
  description?: InputMaybe<Scalars['String']['input']>;
  /** The ids of the roles it is made of, managed ones or custom: 1 to 50. */
  inherits: Array<Scalars['ID']['input']>;
};

/** What is absent stays as it is. */
export type UpdateRoleInput = {
  name?: InputMaybe<Scalars['String']['input']>;
  description?: InputMaybe<Scalars['String']['input']>;
  inherits?: InputMaybe<Array<Scalars['ID']['input']>>;
};

export type CreateRolePayload = {
  __typename?: 'CreateRolePayload';
  role: Role;
  position: Scalars['String']['output'];
};

export type UpdateRolePayload = {
  __typename?: 'UpdateRolePayload';
  role: Role;
  receipt: Receipt;
  position: Scalars['String']['output'];
};

export type DeleteRolePayload = {
  __typename?: 'DeleteRolePayload';
  /** As it was. */
  role: Role;
  receipt: Receipt;
  position: Scalars['String']['output'];
};

export type GrantRolePayload = {
  __typename?: 'GrantRolePayload';
  grant: Grant;
  receipt: Receipt;
  position: Scalars['String']['output'];
};

export type RevokeRolePayload = {
  __typename?: 'RevokeRolePayload';
  grant: Grant;
  receipt: Receipt;
  position: Scalars['String']['output'];
};

/** A node of the tree that users and grants lie in. A grant at a scope holds there and below. The id stays when it moves. */
export type Scope = {
  __typename?: 'Scope';
  id: Scalars['ID']['output'];
  /** The last name of the path. */
  name?: Maybe<Scalars['String']['output']>;
  /** From the root: `acme/platform/api`. */
  path?: Maybe<Scalars['String']['output']>;
  /** The scope above; null at the root, or when you may not read it. */
  parent?: Maybe<Scope>;
  /** Whether it was suspended itself. What is below a suspended scope is so as well. */
  status?: Maybe<ScopeStatus>;
  createdAt?: Maybe<Scalars['DateTime']['output']>;
};

export type ScopeStatus =
  | 'active'
  | 'suspended';

/** All of it must hold. */
export type ScopeFilter = {
  /** The path of a scope: they are there or below. */
  within?: InputMaybe<Scalars['String']['input']>;
  status?: InputMaybe<ScopeStatus>;
};

export type ScopeOrder = {
  field: ScopeOrderField;
  direction: OrderDirection;
};

export type ScopeOrderField =
  | 'path'
  | 'createdAt';

export type ScopeConnection = {
  __typename?: 'ScopeConnection';
  edges: Array<ScopeEdge>;
  pageInfo: PageInfo;
};

export type ScopeEdge = {
  __typename?: 'ScopeEdge';
  cursor: Scalars['String']['output'];
  node: Scope;
};

export type CreateScopePayload = {
  __typename?: 'CreateScopePayload';
  scope: Scope;
  position: Scalars['String']['output'];
};

export type MoveScopePayload = {
  __typename?: 'MoveScopePayload';
  scope: Scope;
  receipt: Receipt;
  position: Scalars['String']['output'];
};

export type SuspendScopePayload = {
  __typename?: 'SuspendScopePayload';
  scope: Scope;
  receipt: Receipt;
  position: Scalars['String']['output'];
};

export type ResumeScopePayload = {
  __typename?: 'ResumeScopePayload';
  scope: Scope;
  receipt: Receipt;
  position: Scalars['String']['output'];
};

export type DeleteScopePayload = {
  __typename?: 'DeleteScopePayload';
  /** As it was. */
  scope: Scope;
  receipt: Receipt;
  position: Scalars['String']['output'];
};

export type MfaMethod =
  /** Six digits of an authenticator app. */
  | 'totp'
  /** One of the codes that were shown when the app was confirmed; each is good once. */
  | 'recoveryCode'
  /**
   * There is no app yet, and a role of yours asks for one: `beginTotpEnrollment` and `confirmTotpEnrollment` with the challenge token
   * add one and start the session.
   */
  | 'enrollTotp';

/** The password was right, and there is no session yet. */
export type MfaRequired = {
  __typename?: 'MfaRequired';
  /** Good for `verifyMfa`, or where `methods` says so for adding an app, and nothing else, once. Keep it secret. */
  challengeToken: Scalars['String']['output'];
  methods: Array<MfaMethod>;
  /** When the challenge ends. */
  expiresAt: Scalars['DateTime']['output'];
  position: Scalars['String']['output'];
};

export type VerifyMfaInput = {
  challengeToken: Scalars['String']['input'];
  /** Six digits are the app's; anything else is a recovery code. */
  code: Scalars['String']['input'];
};

export type BeginTotpEnrollmentPayload = {
  __typename?: 'BeginTotpEnrollmentPayload';
  /** In base32, for whoever types it. */
  secret: Scalars['String']['output'];
  /** For a QR code: otpauth://totp/… */
  uri: Scalars['String']['output'];
  position: Scalars['String']['output'];
};

export type ConfirmTotpEnrollmentPayload = {
  __typename?: 'ConfirmTotpEnrollmentPayload';
  /** Shown here and never again. */
  recoveryCodes: Array<Scalars['String']['output']>;
  /** In place of the one you asked with. Null when cookies keep it. */
  accessToken?: Maybe<Scalars['String']['output']>;
  /** In place of all older ones of the session, which are dead. Null when cookies keep it. */
  refreshToken?: Maybe<Scalars['String']['output']>;
  /** When the access token ends. */
  expiresAt: Scalars['DateTime']['output'];
  /** The session you act in, or that the challenge has become, at level 2. */
  session: Session;
  user: User;
  /** As `signIn` gives it, where a challenge became a session; null otherwise. */
  csrfToken?: Maybe<Scalars['String']['output']>;
  /** As `signIn` gives it, where a challenge became a session; null otherwise. */
  deviceToken?: Maybe<Scalars['String']['output']>;
  receipt: Receipt;
  position: Scalars['String']['output'];
};

/** One of both. */
export type StepUpInput = {
  /** For whoever has no second factor: that somebody who knows it is there now. */
  password?: InputMaybe<Scalars['String']['input']>;
  /** Six digits are the app's; anything else is a recovery code. */
  code?: InputMaybe<Scalars['String']['input']>;
};

export type StepUpPayload = {
  __typename?: 'StepUpPayload';
  /** In place of the one you asked with. Null when cookies keep it. */
  accessToken?: Maybe<Scalars['String']['output']>;
  /** In place of all older ones of the session, which are dead. Null when cookies keep it. */
  refreshToken?: Maybe<Scalars['String']['output']>;
  /** When the access token ends. */
  expiresAt: Scalars['DateTime']['output'];
  /** The session you act in. */
  session: Session;
  receipt: Receipt;
  position: Scalars['String']['output'];
};

export type DisableTotpPayload = {
  __typename?: 'DisableTotpPayload';
  receipt: Receipt;
  position: Scalars['String']['output'];
};

export type RegenerateRecoveryCodesPayload = {
  __typename?: 'RegenerateRecoveryCodesPayload';
  /** Shown here and never again. */
  recoveryCodes: Array<Scalars['String']['output']>;
  receipt: Receipt;
  position: Scalars['String']['output'];
};

/** What somebody should look at, with what was done about it. */
export type SecurityEvent = {
  __typename?: 'SecurityEvent';
  id: Scalars['ID']['output'];
  at: Scalars['DateTime']['output'];
  /**
   * session.takeover_suspected: a session was used from another network and another device than those it is bound to.
   * session.refresh_reuse: an old refresh token was shown, so somebody has a copy.
   * sign_in.failures, sign_in.blocked: many wrong passwords or codes for one account, or tries that came too early to be looked at.
   * account.locked: an account takes no password, or no code of its app, any more.
   * sign_in.stuffing: one network failed to sign in to many accounts. sign_in.spraying: one wrong password was tried on many.
   * credential.guessed, credential.replayed: many credentials from one network that never held, or were revoked.
   * grant.denied: somebody keeps trying to give rights that they may not give. read.denied: or to read what they may not.
   * origin.refused, csrf.refused: pages of strangers use cookies, or try to.
   * api_key.new_network: an API key was used from a network that it had not been used from.
   * session.impossible_travel: a user is in two places faster than anybody travels; the count is how many kilometres.
   * signing_key.rotated, signing_key.revoked, policy.changed: somebody who may has done so.
   */
  kind: Scalars['String']['output'];
  severity: SecuritySeverity;
  /** Null where it is about nobody, or nobody in particular. */
  userId?: Maybe<Scalars['ID']['output']>;
  sessionId?: Maybe<Scalars['ID']['output']>;
  /** What else it is about: an API key, a signing key, a version of the policy. */
  subjectId?: Maybe<Scalars['ID']['output']>;
  /** How much of it added up to the event; null where one was enough. */
  count?: Maybe<Scalars['Float']['output']>;
  /** Null when you may not read it, or it is not there any more. */
  session?: Maybe<Session>;
  /** What was done: report, step-up or revoke. */
  action?: Maybe<Scalars['String']['output']>;
  /** Where it came from. */
  address?: Maybe<Scalars['String']['output']>;
  /** What it came with, as its user agent says. */
  device?: Maybe<Device>;
  /** The path of its user's home scope, and the paths of that and all above it. */
  scope?: Maybe<Scalars['String']['output']>;
  scopes: Array<Scalars['String']['output']>;
};

export type SecuritySeverity =
  /** Done by somebody who may. */
  | 'info'
  /** There may be a harmless reason. */
  | 'warning'
  | 'critical';

export type SecurityEventConnection = {
  __typename?: 'SecurityEventConnection';
  edges: Array<SecurityEventEdge>;
  pageInfo: PageInfo;
};

export type SecurityEventEdge = {
  __typename?: 'SecurityEventEdge';
  cursor: Scalars['String']['output'];
  node: SecurityEvent;
};

/** All of it must hold. */
export type SecurityEventFilter = {
  kind?: InputMaybe<Scalars['String']['input']>;
  severity?: InputMaybe<SecuritySeverity>;
  userId?: InputMaybe<Scalars['ID']['input']>;
  sessionId?: InputMaybe<Scalars['ID']['input']>;
  /** From then on. */
  since?: InputMaybe<Scalars['DateTime']['input']>;
};

/** Something happened that somebody should look at. */
export type SecurityEventRaised = {
  __typename?: 'SecurityEventRaised';
  securityEvent: SecurityEvent;
  position: Scalars['String']['output'];
};

export type SecurityEventFeed = SecurityEventRaised | Resync | AccessEnded;

/** Who may act: a user, a service account, or an API key of one of them. */
export type Principal = {
  id: Scalars['ID']['output'];
};

/** Acts for a program, with an API key. It has no password and no sessions, and holds roles as a user does. */
export type ServiceAccount = Principal & {
  __typename?: 'ServiceAccount';
  id: Scalars['ID']['output'];
  name?: Maybe<Scalars['String']['output']>;
  status?: Maybe<ServiceAccountStatus>;
  /** The path of the home scope. */
  scope?: Maybe<Scalars['String']['output']>;
  /** The paths of the home scope and all above it, from the root: what rules bound to a scope go by. */
  scopes?: Maybe<Array<Scalars['String']['output']>>;
  /** Whether the home scope or one above it is suspended: then it is shut out. */
  suspended?: Maybe<Scalars['Boolean']['output']>;
  /** Roles granted to it, without what they inherit. */
  roles?: Maybe<Array<Role>>;
  grants?: Maybe<Array<Grant>>;
  createdAt?: Maybe<Scalars['DateTime']['output']>;
};

export type ServiceAccountStatus =
  | 'active'
  | 'disabled';

/** All of it must hold. */
export type ServiceAccountFilter = {
  status?: InputMaybe<ServiceAccountStatus>;
  /** The path of a scope: their home is there or below. */
  within?: InputMaybe<Scalars['String']['input']>;
};

export type ServiceAccountOrder = {
  field: ServiceAccountOrderField;
  direction: OrderDirection;
};

export type ServiceAccountOrderField =
  | 'createdAt'
  | 'name';

export type ServiceAccountConnection = {
  __typename?: 'ServiceAccountConnection';
  edges: Array<ServiceAccountEdge>;
  pageInfo: PageInfo;
};

export type ServiceAccountEdge = {
  __typename?: 'ServiceAccountEdge';
  cursor: Scalars['String']['output'];
  node: ServiceAccount;
};

export type CreateServiceAccountInput = {
  name: Scalars['String']['input'];
  /** The path or the id of the home scope. */
  scope?: InputMaybe<Scalars['String']['input']>;
};

export type CreateServiceAccountPayload = {
  __typename?: 'CreateServiceAccountPayload';
  serviceAccount: ServiceAccount;
  position: Scalars['String']['output'];
};

/** What is absent or null stays. */
export type UpdateServiceAccountInput = {
  id: Scalars['ID']['input'];
  name?: InputMaybe<Scalars['String']['input']>;
};

export type UpdateServiceAccountPayload = {
  __typename?: 'UpdateServiceAccountPayload';
  serviceAccount: ServiceAccount;
  receipt: Receipt;
  position: Scalars['String']['output'];
};

export type DisableServiceAccountPayload = {
  __typename?: 'DisableServiceAccountPayload';
  serviceAccount: ServiceAccount;
  receipt: Receipt;
  position: Scalars['String']['output'];
};

export type EnableServiceAccountPayload = {
  __typename?: 'EnableServiceAccountPayload';
  serviceAccount: ServiceAccount;
  receipt: Receipt;
  position: Scalars['String']['output'];
};

export type DeleteServiceAccountPayload = {
  __typename?: 'DeleteServiceAccountPayload';
  id: Scalars['ID']['output'];
  receipt: Receipt;
  position: Scalars['String']['output'];
};

/** One signed-in device. */
export type Session = {
  __typename?: 'Session';
  id: Scalars['ID']['output'];
  user?: Maybe<User>;
  createdAt?: Maybe<Scalars['DateTime']['output']>;
  /** What it has proven: 1 the password alone, 2 a second factor. */
  aal: Scalars['Int']['output'];
  /** When its user last proved who they are. */
  authenticatedAt: Scalars['DateTime']['output'];
  /** The end of its life however much it is used. */
  expiresAt?: Maybe<Scalars['DateTime']['output']>;
  revokedAt?: Maybe<Scalars['DateTime']['output']>;
  /** Why it ended: signed_out, revoked, user_disabled, user_deleted, refresh_reuse, mfa_changed, password_changed, password_reset, session_limit, takeover, recovered. */
  revokedReason?: Maybe<Scalars['String']['output']>;
  /** What it was started with, or has proven itself with since in another place; so are address and device. */
  userAgent?: Maybe<Scalars['String']['output']>;
  address?: Maybe<Scalars['String']['output']>;
  /** What the user agent says it runs on. */
  device: Device;
  /** What its user calls it; see `renameSession`. */
  label?: Maybe<Scalars['String']['output']>;
  /** What the program that signed in calls itself: the header `apollographql-client-name`. */
  client?: Maybe<Scalars['String']['output']>;
  /** When an operation last used it; a few seconds behind. Null before the first. */
  lastSeenAt?: Maybe<Scalars['DateTime']['output']>;
  /** How it was used so far: http, websocket, sse. */
  protocols: Array<Scalars['String']['output']>;
  /** The path of its user's home scope, and the paths of that and all above it: what rules bound to a scope go by. */
  scope?: Maybe<Scalars['String']['output']>;
  scopes?: Maybe<Array<Scalars['String']['output']>>;
  /** Whether this is the session you act in. */
  current: Scalars['Boolean']['output'];
};

/** What a user agent says of itself; anybody can say anything. */
export type Device = {
  __typename?: 'Device';
  kind: DeviceKind;
  /** The family of the browser, without its version. */
  browser?: Maybe<Scalars['String']['output']>;
  os?: Maybe<Scalars['String']['output']>;
};

export type DeviceKind =
  | 'desktop'
  | 'mobile'
  | 'tablet'
  | 'tv'
  | 'bot'
  /** It does not say. */
  | 'other';

/** All of it must hold. */
export type SessionFilter = {
  userId?: InputMaybe<Scalars['ID']['input']>;
  /** Whether they are neither revoked nor at their end. */
  live?: InputMaybe<Scalars['Boolean']['input']>;
  device?: InputMaybe<DeviceKind>;
  /** The family, as `device` of the session has it. */
  browser?: InputMaybe<Scalars['String']['input']>;
  /** The name, as `client` of the session has it. */
  client?: InputMaybe<Scalars['String']['input']>;
  startedBefore?: InputMaybe<Scalars['DateTime']['input']>;
  /** Where they started: a range of addresses such as 10.0.0.0/8 or 2001:db8::/32, or a single address. */
  addressRange?: InputMaybe<Scalars['String']['input']>;
};

export type SessionOrder = {
  field: SessionOrderField;
  direction: OrderDirection;
};

export type SessionOrderField =
  | 'createdAt'
  | 'expiresAt';

export type SessionConnection = {
  __typename?: 'SessionConnection';
  edges: Array<SessionEdge>;
  pageInfo: PageInfo;
};

export type SessionEdge = {
  __typename?: 'SessionEdge';
  cursor: Scalars['String']['output'];
  node: Session;
};

export type SignInInput = {
  email: Scalars['String']['input'];
  password: Scalars['String']['input'];
  /** The one from the last sign-in on this device, if there was one. */
  deviceToken?: InputMaybe<Scalars['String']['input']>;
};

export type SignedIn = {
  __typename?: 'SignedIn';
  /** Send it as `Authorization: Bearer …`. Null when cookies keep it. */
  accessToken?: Maybe<Scalars['String']['output']>;
  /** Keep it secret; each one is good for one refresh. Null when cookies keep it. */
  refreshToken?: Maybe<Scalars['String']['output']>;
  /** Send it as `X-CSRF-Token` with every POST while cookies keep the tokens; it stays the same for the session. Null otherwise. */
  csrfToken?: Maybe<Scalars['String']['output']>;
  /**
   * Keep it on the device and send it with the next `signIn`: whoever guesses passwords elsewhere does not keep you out then. It is
   * no credential. Null after a refresh, and when a cookie keeps it.
   */
  deviceToken?: Maybe<Scalars['String']['output']>;
  /** When the access token ends. */
  expiresAt: Scalars['DateTime']['output'];
  session: Session;
  user: User;
  position: Scalars['String']['output'];
};

export type SignInResult = SignedIn | MfaRequired;

export type RevokeSessionPayload = {
  __typename?: 'RevokeSessionPayload';
  session: Session;
  receipt: Receipt;
  position: Scalars['String']['output'];
};

export type RevokeSessionsPayload = {
  __typename?: 'RevokeSessionsPayload';
  /** Those that were live. */
  sessions: Array<Session>;
  receipt: Receipt;
  position: Scalars['String']['output'];
};

export type RevokeMatchingSessionsPayload = {
  __typename?: 'RevokeMatchingSessionsPayload';
  /** The ids of those that were live. */
  sessionIds: Array<Scalars['ID']['output']>;
  /** Whether there were more than are ended at once. Then ask again. */
  more: Scalars['Boolean']['output'];
  receipt: Receipt;
  position: Scalars['String']['output'];
};

export type RenameSessionPayload = {
  __typename?: 'RenameSessionPayload';
  session: Session;
  position: Scalars['String']['output'];
};

export type SignOutPayload = {
  __typename?: 'SignOutPayload';
  session: Session;
  receipt: Receipt;
  position: Scalars['String']['output'];
};

export type RenewConnectionPayload = {
  __typename?: 'RenewConnectionPayload';
  /** When the fresh access token ends. */
  expiresAt: Scalars['DateTime']['output'];
  /** Whole seconds until then, for those whose clock may be wrong. */
  expiresIn: Scalars['Int']['output'];
  position: Scalars['String']['output'];
};

/** You have signed in. */
export type SessionStarted = {
  __typename?: 'SessionStarted';
  sessionId: Scalars['ID']['output'];
  /** What the session was started with. */
  device: Device;
  /** What the program that signed in calls itself. */
  client?: Maybe<Scalars['String']['output']>;
  at: Scalars['DateTime']['output'];
  /** Send it as `after` to go on from here. */
  position: Scalars['String']['output'];
};

/** The tokens of one of your sessions have been replaced. */
export type SessionRefreshed = {
  __typename?: 'SessionRefreshed';
  sessionId: Scalars['ID']['output'];
  at: Scalars['DateTime']['output'];
  position: Scalars['String']['output'];
};

/** One of your sessions has been revoked. */
export type SessionRevoked = {
  __typename?: 'SessionRevoked';
  sessionId: Scalars['ID']['output'];
  /** Null when you may not read it. */
  session?: Maybe<Session>;
  /** Why: as `revokedReason` of the session. */
  reason: Scalars['String']['output'];
  at: Scalars['DateTime']['output'];
  position: Scalars['String']['output'];
};

/** One of your sessions has ended by itself. */
export type SessionExpired = {
  __typename?: 'SessionExpired';
  sessionId: Scalars['ID']['output'];
  /** Why: expired, idle, or removed where it was noticed only when the session was cleaned away. */
  reason: Scalars['String']['output'];
  at: Scalars['DateTime']['output'];
  position: Scalars['String']['output'];
};

export type SessionEvent = SessionStarted | SessionRefreshed | SessionRevoked | SessionExpired | Resync | AccessEnded;

/** A key that signs access tokens. `/.well-known/jwks.json` has the public halves of those whose tokens are accepted. */
export type SigningKey = {
  __typename?: 'SigningKey';
  /** The `kid` of its tokens. */
  id: Scalars['ID']['output'];
  state: SigningKeyState;
  createdAt: Scalars['DateTime']['output'];
  signsFrom: Scalars['DateTime']['output'];
  /** When the last token it signed has ended; null until a successor is known. */
  verifiesUntil?: Maybe<Scalars['DateTime']['output']>;
  revokedAt?: Maybe<Scalars['DateTime']['output']>;
};

export type SigningKeyState =
  /** Known to those who verify, and does not sign yet. */
  | 'published'
  | 'signing'
  /** Signs no more; what it signed is good until it ends. */
  | 'retired'
  | 'revoked';

export type RotateSigningKeyPayload = {
  __typename?: 'RotateSigningKeyPayload';
  signingKey: SigningKey;
  receipt: Receipt;
  position: Scalars['String']['output'];
};

export type RevokeSigningKeyPayload = {
  __typename?: 'RevokeSigningKeyPayload';
  signingKey: SigningKey;
  receipt: Receipt;
  position: Scalars['String']['output'];
};

/** All instances, as each last said, and what they share. */
export type SystemHealth = {
  __typename?: 'SystemHealth';
  status: SystemStatus;
  /** Empty where everything is as it should be. */
  problems: Array<HealthProblem>;
  at: Scalars['DateTime']['output'];
  /** Of the last change of authority. */
  position: Scalars['String']['output'];
  /** The policy in force. */
  policyVersion?: Maybe<Scalars['String']['output']>;
  /** Migrations that the database lacks for the instance that answers. */
  missingMigrations: Array<Scalars['String']['output']>;
  backlog: Backlog;
  /** Those that have been silent for longest first. */
  instances: Array<InstanceHealth>;
};

export type SystemStatus =
  | 'ok'
  /** Something is not as it should be, and is named in problems. What is promised holds all the same. */
  | 'degraded';

export type HealthProblem = {
  __typename?: 'HealthProblem';
  /**
   * Of all: migrations, events and errands (which have waited for more than a minute), set_aside (security events that the webhook
   * refuses while it takes others). Of one instance: silent (it has not said
   * how it is), authority (no lease), pool (no free connection to PostgreSQL), policy (the one in force cannot be loaded), policy_files,
   * policy_version (it decides by another one), redis, and clock (it is more than 5 seconds from that of the database).
   */
  name: Scalars['String']['output'];
  /** The instance that it is about; null for what all share. */
  instanceId?: Maybe<Scalars['ID']['output']>;
};

/** What waits to be done by whichever instance comes first. Counted up to 10,000. */
export type Backlog = {
  __typename?: 'Backlog';
  /** Events without a number, and for how long the first of them has waited. */
  events: Scalars['Int']['output'];
  eventsSeconds: Scalars['Float']['output'];
  /** Mails and sign-ups that are not done, those that failed and are tried again among them, and for how long the first has waited. */
  errands: Scalars['Int']['output'];
  errandsSeconds: Scalars['Float']['output'];
};

export type InstanceStatus =
  | 'active'
  /** It has been silent, gets no further lease, and is removed when its last one must have run out. */
  | 'marked';

/** One that is running, or died a few seconds ago. What it says of itself is null until it has said it. */
export type InstanceHealth = {
  __typename?: 'InstanceHealth';
  id: Scalars['ID']['output'];
  /** Whether it is the one that answers. */
  current: Scalars['Boolean']['output'];
  state: InstanceStatus;
  /** Its last heartbeat, by the clock of the database. */
  lastSeenAt: Scalars['DateTime']['output'];
  /** Up to where it has applied the authority log, and how many entries that is behind. Both may be half a second old. */
  position: Scalars['String']['output'];
  lag: Scalars['Float']['output'];
  /** When it said what follows: every 5 seconds. */
  reportedAt?: Maybe<Scalars['DateTime']['output']>;
  version?: Maybe<Scalars['String']['output']>;
  startedAt?: Maybe<Scalars['DateTime']['output']>;
  /** What keeps requests away from it: authority, pool, policy, migrations. */
  notReady: Array<Scalars['String']['output']>;
  /** For how long it may decide without asking the database. */
  leaseMarginSeconds?: Maybe<Scalars['Float']['output']>;
  pool?: Maybe<ConnectionPool>;
  redis?: Maybe<RedisStatus>;
  policyVersion?: Maybe<Scalars['String']['output']>;
  policyFilesUsable?: Maybe<Scalars['Boolean']['output']>;
  /** For how long events have been waiting for their numbers, as far as it knew. */
  outboxLagSeconds?: Maybe<Scalars['Float']['output']>;
};

export type ConnectionPool = {
  __typename?: 'ConnectionPool';
  connections: Scalars['Int']['output'];
  idle: Scalars['Int']['output'];
  /** Who waits for a connection. */
  waiting: Scalars['Int']['output'];
  max: Scalars['Int']['output'];
};

export type RedisStatus =
  | 'answers'
  | 'silent'
  /** It has a stand-in of its own, which serves one instance. */
  | 'none';

export type UserStatus =
  | 'active'
  | 'disabled';

/** All of it must hold. */
export type UserFilter = {
  /** The whole address, in any case. */
  email?: InputMaybe<Scalars['String']['input']>;
  status?: InputMaybe<UserStatus>;
  /** The name of a role they were granted, at whatever scope. */
  role?: InputMaybe<Scalars['String']['input']>;
  /** The path of a scope: their home is there or below. */
  within?: InputMaybe<Scalars['String']['input']>;
  /** A part of the name or the address, in any case. Finds only those of whom you may read both. */
  search?: InputMaybe<Scalars['String']['input']>;
};

export type UserOrder = {
  field: UserOrderField;
  direction: OrderDirection;
};

export type UserOrderField =
  | 'createdAt'
  | 'name'
  | 'email';

export type UserConnection = {
  __typename?: 'UserConnection';
  edges: Array<UserEdge>;
  pageInfo: PageInfo;
};

export type UserEdge = {
  __typename?: 'UserEdge';
  cursor: Scalars['String']['output'];
  node: User;
};

export type CreateUserInput = {
  email: Scalars['String']['input'];
  name: Scalars['String']['input'];
  /**
   * At least 15 characters. It is an initial one, good for 24 hours: until then its user is to change it. Without one the user cannot
   * sign in yet.
   */
  password?: InputMaybe<Scalars['String']['input']>;
  /** The path or the id of the home scope. */
  scope?: InputMaybe<Scalars['String']['input']>;
};

export type CreateUserPayload = {
  __typename?: 'CreateUserPayload';
  user: User;
  position: Scalars['String']['output'];
};

/** What is absent or null stays. */
export type UpdateUserInput = {
  id: Scalars['ID']['input'];
  name?: InputMaybe<Scalars['String']['input']>;
  email?: InputMaybe<Scalars['String']['input']>;
  /** In place of all that there was. */
  metadata?: InputMaybe<Scalars['Metadata']['input']>;
};

export type UpdateUserPayload = {
  __typename?: 'UpdateUserPayload';
  user: User;
  receipt: Receipt;
  position: Scalars['String']['output'];
};

export type EnableUserPayload = {
  __typename?: 'EnableUserPayload';
  user: User;
  receipt: Receipt;
  position: Scalars['String']['output'];
};

export type DeleteUserPayload = {
  __typename?: 'DeleteUserPayload';
  id: Scalars['ID']['output'];
  receipt: Receipt;
  position: Scalars['String']['output'];
};

export type DisableUserPayload = {
  __typename?: 'DisableUserPayload';
  user: User;
  receipt: Receipt;
  position: Scalars['String']['output'];
};



export type ResolverTypeWrapper<T> = Promise<T> | T;

export type ReferenceResolver<TResult, TReference, TContext> = (
      reference: TReference,
      context: TContext,
      info: GraphQLResolveInfo
    ) => Promise<TResult> | TResult;

      type ScalarCheck<T, S> = S extends true ? T : NullableCheck<T, S>;
      type NullableCheck<T, S> = Maybe<T> extends T ? Maybe<ListCheck<NonNullable<T>, S>> : ListCheck<T, S>;
      type ListCheck<T, S> = T extends (infer U)[] ? NullableCheck<U, S>[] : GraphQLRecursivePick<T, S>;
      export type GraphQLRecursivePick<T, S> = { [K in keyof T & keyof S]: ScalarCheck<T[K], S[K]> };
    

export type ResolverWithResolve<TResult, TParent, TContext, TArgs> = {
  resolve: ResolverFn<TResult, TParent, TContext, TArgs>;
};
export type Resolver<TResult, TParent = Record<PropertyKey, never>, TContext = Record<PropertyKey, never>, TArgs = Record<PropertyKey, never>> = ResolverFn<TResult, TParent, TContext, TArgs> | ResolverWithResolve<TResult, TParent, TContext, TArgs>;

export type ResolverFn<TResult, TParent, TContext, TArgs> = (
  parent: TParent,
  args: TArgs,
  context: TContext,
  info: GraphQLResolveInfo
) => Promise<TResult> | TResult;

export type SubscriptionSubscribeFn<TResult, TParent, TContext, TArgs> = (
  parent: TParent,
  args: TArgs,
  context: TContext,
  info: GraphQLResolveInfo
) => AsyncIterable<TResult> | Promise<AsyncIterable<TResult>>;

export type SubscriptionResolveFn<TResult, TParent, TContext, TArgs> = (
  parent: TParent,
  args: TArgs,
  context: TContext,
  info: GraphQLResolveInfo
) => TResult | Promise<TResult>;

export interface SubscriptionSubscriberObject<TResult, TKey extends string, TParent, TContext, TArgs> {
  subscribe: SubscriptionSubscribeFn<{ [key in TKey]: TResult }, TParent, TContext, TArgs>;
  resolve?: SubscriptionResolveFn<TResult, { [key in TKey]: TResult }, TContext, TArgs>;
}

export interface SubscriptionResolverObject<TResult, TParent, TContext, TArgs> {
  subscribe: SubscriptionSubscribeFn<any, TParent, TContext, TArgs>;
  resolve: SubscriptionResolveFn<TResult, any, TContext, TArgs>;
}

export type SubscriptionObject<TResult, TKey extends string, TParent, TContext, TArgs> =
  | SubscriptionSubscriberObject<TResult, TKey, TParent, TContext, TArgs>
  | SubscriptionResolverObject<TResult, TParent, TContext, TArgs>;

export type SubscriptionResolver<TResult, TKey extends string, TParent = Record<PropertyKey, never>, TContext = Record<PropertyKey, never>, TArgs = Record<PropertyKey, never>> =
  | ((...args: any[]) => SubscriptionObject<TResult, TKey, TParent, TContext, TArgs>)
  | SubscriptionObject<TResult, TKey, TParent, TContext, TArgs>;

export type TypeResolveFn<TTypes, TParent = Record<PropertyKey, never>, TContext = Record<PropertyKey, never>> = (
  parent: TParent,
  context: TContext,
  info: GraphQLResolveInfo
) => Maybe<TTypes> | Promise<Maybe<TTypes>>;

export type IsTypeOfResolverFn<T = Record<PropertyKey, never>, TContext = Record<PropertyKey, never>> = (obj: T, context: TContext, info: GraphQLResolveInfo) => boolean | Promise<boolean>;

export type NextResolverFn<T> = () => Promise<T>;

export type DirectiveResolverFn<TResult = Record<PropertyKey, never>, TParent = Record<PropertyKey, never>, TContext = Record<PropertyKey, never>, TArgs = Record<PropertyKey, never>> = (
  next: NextResolverFn<TResult>,
  parent: TParent,
  args: TArgs,
  context: TContext,
  info: GraphQLResolveInfo
) => TResult | Promise<TResult>;

/** Mapping of federation types */
export type FederationTypes = {
  User: User;
  ApiKey: ApiKey;
  Role: Role;
  Scope: Scope;
  Principal: Principal;
  ServiceAccount: ServiceAccount;
  Session: Session;
};

/** Mapping of federation reference types */
export type FederationReferenceTypes = {
  User:
    ( { __typename: 'User' }
    & GraphQLRecursivePick<FederationTypes['User'], {"id":true}> );
  ApiKey:
    ( { __typename: 'ApiKey' }
    & GraphQLRecursivePick<FederationTypes['ApiKey'], {"id":true}> );
  Role:
    ( { __typename: 'Role' }
    & GraphQLRecursivePick<FederationTypes['Role'], {"id":true}> );
  Scope:
    ( { __typename: 'Scope' }
    & GraphQLRecursivePick<FederationTypes['Scope'], {"id":true}> );
  Principal:
    ( { __typename: 'Principal' }
    & GraphQLRecursivePick<FederationTypes['Principal'], {"id":true}> );
  ServiceAccount:
    ( { __typename: 'ServiceAccount' }
    & GraphQLRecursivePick<FederationTypes['ServiceAccount'], {"id":true}> );
  Session:
    ( { __typename: 'Session' }
    & GraphQLRecursivePick<FederationTypes['Session'], {"id":true}> );
};

/** Mapping of union types */
export type ResolversUnionTypes<_RefType extends Record<string, unknown>> = {
  AuthEvent:
    | ( Omit<SignInSucceeded, 'user' | 'session'> & { user?: Maybe<_RefType['User']>, session?: Maybe<_RefType['Session']> } )
    | ( Omit<SignInFailed, 'user'> & { user?: Maybe<_RefType['User']> } )
    | ( Resync )
    | ( AccessEnded )
  ;
  ApiKeyEvent:
    | ( Omit<ApiKeyCreated, 'apiKey'> & { apiKey: _RefType['ApiKey'] } )
    | ( Omit<ApiKeyUpdated, 'apiKey'> & { apiKey: _RefType['ApiKey'] } )
    | ( Omit<ApiKeyRotated, 'apiKey'> & { apiKey: _RefType['ApiKey'] } )
    | ( Omit<ApiKeyRevoked, 'apiKey'> & { apiKey: _RefType['ApiKey'] } )
    | ( Omit<ApiKeyExpired, 'apiKey'> & { apiKey: _RefType['ApiKey'] } )
    | ( Resync )
    | ( AccessEnded )
  ;
  PermissionsEvent:
    | ( PermissionsChanged )
    | ( Resync )
    | ( AccessEnded )
  ;
  PolicyEvent:
    | ( PolicyChanged )
    | ( Resync )
    | ( AccessEnded )
  ;
  RevocationEvent:
    | ( AuthorityChanged )
    | ( Resync )
    | ( AccessEnded )
  ;
  SecurityEventFeed:
    | ( Omit<SecurityEventRaised, 'securityEvent'> & { securityEvent: _RefType['SecurityEvent'] } )
    | ( Resync )
    | ( AccessEnded )
  ;
  SignInResult:
    | ( Omit<SignedIn, 'session' | 'user'> & { session: _RefType['Session'], user: _RefType['User'] } )
    | ( MfaRequired )
  ;
  SessionEvent:
    | ( SessionStarted )
    | ( SessionRefreshed )
    | ( RevokedSession )
    | ( SessionExpired )
    | ( Resync )
    | ( AccessEnded )
  ;
};

/** Mapping of interface types */
export type ResolversInterfaceTypes<_RefType extends Record<string, unknown>> = {
  Principal:
    | ( UserRecord )
    | ( ApiKeyRecord )
    | ( ServiceAccountRecord )
  ;
};

/** Mapping between all available schema types and the resolvers types */
export type ResolversTypes = {
  DateTime: ResolverTypeWrapper<Scalars['DateTime']['output']>;
  Receipt: ResolverTypeWrapper<Receipt>;
  Boolean: ResolverTypeWrapper<Scalars['Boolean']['output']>;
  String: ResolverTypeWrapper<Scalars['String']['output']>;
  Int: ResolverTypeWrapper<Scalars['Int']['output']>;
  Float: ResolverTypeWrapper<Scalars['Float']['output']>;
  AccessEnded: ResolverTypeWrapper<AccessEnded>;
  Resync: ResolverTypeWrapper<Resync>;
  PageInfo: ResolverTypeWrapper<PageInfo>;
  OrderDirection: OrderDirection;
  Query: ResolverTypeWrapper<Record<PropertyKey, never>>;
  ID: ResolverTypeWrapper<Scalars['ID']['output']>;
  Mutation: ResolverTypeWrapper<Record<PropertyKey, never>>;
  Subscription: ResolverTypeWrapper<Record<PropertyKey, never>>;
  SignUpInput: SignUpInput;
  SignUpPayload: ResolverTypeWrapper<SignUpPayload>;
  VerifyEmailPayload: ResolverTypeWrapper<VerifyEmailPayload>;
  RequestPasswordResetPayload: ResolverTypeWrapper<RequestPasswordResetPayload>;
  ResetPasswordPayload: ResolverTypeWrapper<ResetPasswordPayload>;
  ChangePasswordPayload: ResolverTypeWrapper<Omit<ChangePasswordPayload, 'sessions'> & { sessions: Array<ResolversTypes['Session']> }>;
  UnlockUserPayload: ResolverTypeWrapper<Omit<UnlockUserPayload, 'user'> & { user: ResolversTypes['User'] }>;
  User: ResolverTypeWrapper<UserRecord>;
  UserActivity: ResolverTypeWrapper<UserActivity>;
  UserActivityBucket: ResolverTypeWrapper<UserActivityBucket>;
  SeenDevice: ResolverTypeWrapper<SeenDevice>;
  SignIn: ResolverTypeWrapper<SignIn>;
  SignInConnection: ResolverTypeWrapper<SignInConnection>;
  SignInEdge: ResolverTypeWrapper<SignInEdge>;
  SignInSucceeded: ResolverTypeWrapper<Omit<SignInSucceeded, 'user' | 'session'> & { user?: Maybe<ResolversTypes['User']>, session?: Maybe<ResolversTypes['Session']> }>;
  SignInFailed: ResolverTypeWrapper<Omit<SignInFailed, 'user'> & { user?: Maybe<ResolversTypes['User']> }>;
  AuthEvent: ResolverTypeWrapper<ResolversUnionTypes<ResolversTypes>['AuthEvent']>;
  AnalyticsBucket: AnalyticsBucket;
  AnalyticsRange: AnalyticsRange;
  PermissionAnalytics: ResolverTypeWrapper<PermissionAnalyticsRecord>;
  DecisionCount: ResolverTypeWrapper<DecisionCount>;
  DecisionBucket: ResolverTypeWrapper<DecisionBucket>;
  RisingDenial: ResolverTypeWrapper<RisingDenial>;
  SessionAnalytics: ResolverTypeWrapper<SessionAnalyticsRecord>;
  SessionEndCount: ResolverTypeWrapper<SessionEndCount>;
  SessionDeviceCount: ResolverTypeWrapper<SessionDeviceCount>;
  SessionProtocolCount: ResolverTypeWrapper<SessionProtocolCount>;
  SessionLengths: ResolverTypeWrapper<SessionLengths>;
  SessionBucket: ResolverTypeWrapper<SessionBucket>;
  AuthenticationAnalytics: ResolverTypeWrapper<AuthenticationAnalyticsRecord>;
  AuthenticationCount: ResolverTypeWrapper<AuthenticationCount>;
  AuthenticationBucket: ResolverTypeWrapper<AuthenticationBucket>;
  AuthenticationOutcome: ResolverTypeWrapper<AuthenticationOutcome>;
  ActivityAnalytics: ResolverTypeWrapper<ActivityAnalyticsRecord>;
  ActivityBucket: ResolverTypeWrapper<ActivityBucket>;
  OperationCount: ResolverTypeWrapper<OperationCount>;
  ApiKey: ResolverTypeWrapper<ApiKeyRecord>;
  ApiKeyVersion: ResolverTypeWrapper<ApiKeyVersion>;
  ApiKeyUsage: ResolverTypeWrapper<ApiKeyUsage>;
  ApiKeyOperationCount: ResolverTypeWrapper<ApiKeyOperationCount>;
  ApiKeyUsageBucket: ResolverTypeWrapper<ApiKeyUsageBucket>;
  ApiKeyFilter: ApiKeyFilter;
  ApiKeyOrder: ApiKeyOrder;
  ApiKeyOrderField: ApiKeyOrderField;
  ApiKeyConnection: ResolverTypeWrapper<Omit<ApiKeyConnection, 'edges'> & { edges: Array<ResolversTypes['ApiKeyEdge']> }>;
  ApiKeyEdge: ResolverTypeWrapper<Omit<ApiKeyEdge, 'node'> & { node: ResolversTypes['ApiKey'] }>;
  CreateApiKeyInput: CreateApiKeyInput;
  UpdateApiKeyInput: UpdateApiKeyInput;
  CreateApiKeyPayload: ResolverTypeWrapper<Omit<CreateApiKeyPayload, 'apiKey'> & { apiKey: ResolversTypes['ApiKey'] }>;
  UpdateApiKeyPayload: ResolverTypeWrapper<Omit<UpdateApiKeyPayload, 'apiKey'> & { apiKey: ResolversTypes['ApiKey'] }>;
  RotateApiKeyPayload: ResolverTypeWrapper<Omit<RotateApiKeyPayload, 'apiKey'> & { apiKey: ResolversTypes['ApiKey'] }>;
  RevokeApiKeyPayload: ResolverTypeWrapper<Omit<RevokeApiKeyPayload, 'apiKey'> & { apiKey: ResolversTypes['ApiKey'] }>;
  ApiKeyCreated: ResolverTypeWrapper<Omit<ApiKeyCreated, 'apiKey'> & { apiKey: ResolversTypes['ApiKey'] }>;
  ApiKeyUpdated: ResolverTypeWrapper<Omit<ApiKeyUpdated, 'apiKey'> & { apiKey: ResolversTypes['ApiKey'] }>;
  ApiKeyRotated: ResolverTypeWrapper<Omit<ApiKeyRotated, 'apiKey'> & { apiKey: ResolversTypes['ApiKey'] }>;
  ApiKeyRevoked: ResolverTypeWrapper<Omit<ApiKeyRevoked, 'apiKey'> & { apiKey: ResolversTypes['ApiKey'] }>;
  ApiKeyExpired: ResolverTypeWrapper<Omit<ApiKeyExpired, 'apiKey'> & { apiKey: ResolversTypes['ApiKey'] }>;
  ApiKeyEvent: ResolverTypeWrapper<ResolversUnionTypes<ResolversTypes>['ApiKeyEvent']>;
  AuditEntry: ResolverTypeWrapper<AuditRecord>;
  AuditOutcome: AuditOutcome;
  AuditLogConnection: ResolverTypeWrapper<Omit<AuditLogConnection, 'edges'> & { edges: Array<ResolversTypes['AuditLogEdge']> }>;
  AuditLogEdge: ResolverTypeWrapper<Omit<AuditLogEdge, 'node'> & { node: ResolversTypes['AuditEntry'] }>;
  AuditLogFilter: AuditLogFilter;
  GrantRoleInput: GrantRoleInput;
  ImportUserInput: ImportUserInput;
  ItemRefusal: ResolverTypeWrapper<ItemRefusal>;
  GrantResult: ResolverTypeWrapper<Omit<GrantResult, 'grant'> & { grant?: Maybe<ResolversTypes['Grant']> }>;
  UserResult: ResolverTypeWrapper<Omit<UserResult, 'user'> & { user?: Maybe<ResolversTypes['User']> }>;
  GrantRolesPayload: ResolverTypeWrapper<Omit<GrantRolesPayload, 'results'> & { results: Array<ResolversTypes['GrantResult']> }>;
  RevokeRolesPayload: ResolverTypeWrapper<Omit<RevokeRolesPayload, 'results'> & { results: Array<ResolversTypes['GrantResult']> }>;
  DisableUsersPayload: ResolverTypeWrapper<Omit<DisableUsersPayload, 'results'> & { results: Array<ResolversTypes['UserResult']> }>;
  ImportUsersPayload: ResolverTypeWrapper<Omit<ImportUsersPayload, 'results'> & { results: Array<ResolversTypes['UserResult']> }>;
  Permission: ResolverTypeWrapper<PermissionRecord>;
  PermissionCondition: ResolverTypeWrapper<PermissionCondition>;
  PermissionSource: ResolverTypeWrapper<PermissionSourceRecord>;
  Decision: ResolverTypeWrapper<Decision>;
  RequiredProof: ResolverTypeWrapper<RequiredProof>;
  AbilityRules: ResolverTypeWrapper<AbilityRules>;
  PackedRules: ResolverTypeWrapper<Scalars['PackedRules']['output']>;
  Attributes: ResolverTypeWrapper<Scalars['Attributes']['output']>;
  AttributeValue: ResolverTypeWrapper<Scalars['AttributeValue']['output']>;
  CheckInput: CheckInput;
  Policy: ResolverTypeWrapper<PolicyRecord>;
  PolicyVersion: ResolverTypeWrapper<PolicyVersion>;
  ApplyPolicyPayload: ResolverTypeWrapper<ApplyPolicyPayload>;
  PolicyFile: ResolverTypeWrapper<PolicyFile>;
  PolicyFileInput: PolicyFileInput;
  Explanation: ResolverTypeWrapper<Explanation>;
  ExplainedRule: ResolverTypeWrapper<ExplainedRule>;
  ExplainedCondition: ResolverTypeWrapper<ExplainedCondition>;
  Need: ResolverTypeWrapper<Need>;
  PolicyDiff: ResolverTypeWrapper<Omit<PolicyDiff, 'changes'> & { changes: Array<ResolversTypes['PolicyChange']> }>;
  StepUpChange: ResolverTypeWrapper<StepUpChange>;
  MfaChange: ResolverTypeWrapper<MfaChange>;
  AffectedPrincipal: ResolverTypeWrapper<AffectedPrincipal>;
  PolicyChange: ResolverTypeWrapper<PolicyChangeRecord>;
  PolicyPair: ResolverTypeWrapper<PolicyPair>;
  PermissionsChanged: ResolverTypeWrapper<PermissionsChanged>;
  PermissionsEvent: ResolverTypeWrapper<ResolversUnionTypes<ResolversTypes>['PermissionsEvent']>;
  PolicyChanged: ResolverTypeWrapper<PolicyChanged>;
  PolicyEvent: ResolverTypeWrapper<ResolversUnionTypes<ResolversTypes>['PolicyEvent']>;
  AuthorityChanged: ResolverTypeWrapper<AuthorityChanged>;
  RevocationEvent: ResolverTypeWrapper<ResolversUnionTypes<ResolversTypes>['RevocationEvent']>;
  Role: ResolverTypeWrapper<RoleRecord>;
  Grant: ResolverTypeWrapper<GrantRecord>;
  RoleFilter: RoleFilter;
  RoleOrder: RoleOrder;
  RoleOrderField: RoleOrderField;
  RoleConnection: ResolverTypeWrapper<Omit<RoleConnection, 'edges'> & { edges: Array<ResolversTypes['RoleEdge']> }>;
  RoleEdge: ResolverTypeWrapper<Omit<RoleEdge, 'node'> & { node: ResolversTypes['Role'] }>;
  CreateRoleInput: CreateRoleInput;
  UpdateRoleInput: UpdateRoleInput;
  CreateRolePayload: ResolverTypeWrapper<Omit<CreateRolePayload, 'role'> & { role: ResolversTypes['Role'] }>;
  UpdateRolePayload: ResolverTypeWrapper<Omit<UpdateRolePayload, 'role'> & { role: ResolversTypes['Role'] }>;
  DeleteRolePayload: ResolverTypeWrapper<Omit<DeleteRolePayload, 'role'> & { role: ResolversTypes['Role'] }>;
  GrantRolePayload: ResolverTypeWrapper<Omit<GrantRolePayload, 'grant'> & { grant: ResolversTypes['Grant'] }>;
  RevokeRolePayload: ResolverTypeWrapper<Omit<RevokeRolePayload, 'grant'> & { grant: ResolversTypes['Grant'] }>;
  Scope: ResolverTypeWrapper<ScopeRecord>;
  ScopeStatus: ScopeStatus;
  ScopeFilter: ScopeFilter;
  ScopeOrder: ScopeOrder;
  ScopeOrderField: ScopeOrderField;
  ScopeConnection: ResolverTypeWrapper<Omit<ScopeConnection, 'edges'> & { edges: Array<ResolversTypes['ScopeEdge']> }>;
  ScopeEdge: ResolverTypeWrapper<Omit<ScopeEdge, 'node'> & { node: ResolversTypes['Scope'] }>;
  CreateScopePayload: ResolverTypeWrapper<Omit<CreateScopePayload, 'scope'> & { scope: ResolversTypes['Scope'] }>;
  MoveScopePayload: ResolverTypeWrapper<Omit<MoveScopePayload, 'scope'> & { scope: ResolversTypes['Scope'] }>;
  SuspendScopePayload: ResolverTypeWrapper<Omit<SuspendScopePayload, 'scope'> & { scope: ResolversTypes['Scope'] }>;
  ResumeScopePayload: ResolverTypeWrapper<Omit<ResumeScopePayload, 'scope'> & { scope: ResolversTypes['Scope'] }>;
  DeleteScopePayload: ResolverTypeWrapper<Omit<DeleteScopePayload, 'scope'> & { scope: ResolversTypes['Scope'] }>;
  MfaMethod: MfaMethod;
  MfaRequired: ResolverTypeWrapper<MfaRequired>;
  VerifyMfaInput: VerifyMfaInput;
  BeginTotpEnrollmentPayload: ResolverTypeWrapper<BeginTotpEnrollmentPayload>;
  ConfirmTotpEnrollmentPayload: ResolverTypeWrapper<Omit<ConfirmTotpEnrollmentPayload, 'session' | 'user'> & { session: ResolversTypes['Session'], user: ResolversTypes['User'] }>;
  StepUpInput: StepUpInput;
  StepUpPayload: ResolverTypeWrapper<Omit<StepUpPayload, 'session'> & { session: ResolversTypes['Session'] }>;
  DisableTotpPayload: ResolverTypeWrapper<DisableTotpPayload>;
  RegenerateRecoveryCodesPayload: ResolverTypeWrapper<RegenerateRecoveryCodesPayload>;
  SecurityEvent: ResolverTypeWrapper<SecurityEventRecord>;
  SecuritySeverity: SecuritySeverity;
  SecurityEventConnection: ResolverTypeWrapper<Omit<SecurityEventConnection, 'edges'> & { edges: Array<ResolversTypes['SecurityEventEdge']> }>;
  SecurityEventEdge: ResolverTypeWrapper<Omit<SecurityEventEdge, 'node'> & { node: ResolversTypes['SecurityEvent'] }>;
  SecurityEventFilter: SecurityEventFilter;
  SecurityEventRaised: ResolverTypeWrapper<Omit<SecurityEventRaised, 'securityEvent'> & { securityEvent: ResolversTypes['SecurityEvent'] }>;
  SecurityEventFeed: ResolverTypeWrapper<ResolversUnionTypes<ResolversTypes>['SecurityEventFeed']>;
  Principal: ResolverTypeWrapper<ResolversInterfaceTypes<ResolversTypes>['Principal']>;
  ServiceAccount: ResolverTypeWrapper<ServiceAccountRecord>;
  ServiceAccountStatus: ServiceAccountStatus;
  ServiceAccountFilter: ServiceAccountFilter;
  ServiceAccountOrder: ServiceAccountOrder;
  ServiceAccountOrderField: ServiceAccountOrderField;
  ServiceAccountConnection: ResolverTypeWrapper<Omit<ServiceAccountConnection, 'edges'> & { edges: Array<ResolversTypes['ServiceAccountEdge']> }>;
  ServiceAccountEdge: ResolverTypeWrapper<Omit<ServiceAccountEdge, 'node'> & { node: ResolversTypes['ServiceAccount'] }>;
  CreateServiceAccountInput: CreateServiceAccountInput;
  CreateServiceAccountPayload: ResolverTypeWrapper<Omit<CreateServiceAccountPayload, 'serviceAccount'> & { serviceAccount: ResolversTypes['ServiceAccount'] }>;
  UpdateServiceAccountInput: UpdateServiceAccountInput;
  UpdateServiceAccountPayload: ResolverTypeWrapper<Omit<UpdateServiceAccountPayload, 'serviceAccount'> & { serviceAccount: ResolversTypes['ServiceAccount'] }>;
  DisableServiceAccountPayload: ResolverTypeWrapper<Omit<DisableServiceAccountPayload, 'serviceAccount'> & { serviceAccount: ResolversTypes['ServiceAccount'] }>;
  EnableServiceAccountPayload: ResolverTypeWrapper<Omit<EnableServiceAccountPayload, 'serviceAccount'> & { serviceAccount: ResolversTypes['ServiceAccount'] }>;
  DeleteServiceAccountPayload: ResolverTypeWrapper<DeleteServiceAccountPayload>;
  Session: ResolverTypeWrapper<SessionRecord>;
  Device: ResolverTypeWrapper<Device>;
  DeviceKind: DeviceKind;
  SessionFilter: SessionFilter;
  SessionOrder: SessionOrder;
  SessionOrderField: SessionOrderField;
  SessionConnection: ResolverTypeWrapper<Omit<SessionConnection, 'edges'> & { edges: Array<ResolversTypes['SessionEdge']> }>;
  SessionEdge: ResolverTypeWrapper<Omit<SessionEdge, 'node'> & { node: ResolversTypes['Session'] }>;
  SignInInput: SignInInput;
  SignedIn: ResolverTypeWrapper<Omit<SignedIn, 'session' | 'user'> & { session: ResolversTypes['Session'], user: ResolversTypes['User'] }>;
  SignInResult: ResolverTypeWrapper<ResolversUnionTypes<ResolversTypes>['SignInResult']>;
  RevokeSessionPayload: ResolverTypeWrapper<Omit<RevokeSessionPayload, 'session'> & { session: ResolversTypes['Session'] }>;
  RevokeSessionsPayload: ResolverTypeWrapper<Omit<RevokeSessionsPayload, 'sessions'> & { sessions: Array<ResolversTypes['Session']> }>;
  RevokeMatchingSessionsPayload: ResolverTypeWrapper<RevokeMatchingSessionsPayload>;
  RenameSessionPayload: ResolverTypeWrapper<Omit<RenameSessionPayload, 'session'> & { session: ResolversTypes['Session'] }>;
  SignOutPayload: ResolverTypeWrapper<Omit<SignOutPayload, 'session'> & { session: ResolversTypes['Session'] }>;
  RenewConnectionPayload: ResolverTypeWrapper<RenewConnectionPayload>;
  SessionStarted: ResolverTypeWrapper<SessionStarted>;
  SessionRefreshed: ResolverTypeWrapper<SessionRefreshed>;
  SessionRevoked: ResolverTypeWrapper<RevokedSession>;
  SessionExpired: ResolverTypeWrapper<SessionExpired>;
  SessionEvent: ResolverTypeWrapper<ResolversUnionTypes<ResolversTypes>['SessionEvent']>;
  SigningKey: ResolverTypeWrapper<SigningKeyRecord>;
  SigningKeyState: SigningKeyState;
  RotateSigningKeyPayload: ResolverTypeWrapper<Omit<RotateSigningKeyPayload, 'signingKey'> & { signingKey: ResolversTypes['SigningKey'] }>;
  RevokeSigningKeyPayload: ResolverTypeWrapper<Omit<RevokeSigningKeyPayload, 'signingKey'> & { signingKey: ResolversTypes['SigningKey'] }>;
  SystemHealth: ResolverTypeWrapper<SystemHealthRecord>;
  SystemStatus: SystemStatus;
  HealthProblem: ResolverTypeWrapper<HealthProblem>;
  Backlog: ResolverTypeWrapper<Backlog>;
  InstanceStatus: InstanceStatus;
  InstanceHealth: ResolverTypeWrapper<InstanceHealthRecord>;
  ConnectionPool: ResolverTypeWrapper<ConnectionPool>;
  RedisStatus: RedisStatus;
  Metadata: ResolverTypeWrapper<Scalars['Metadata']['output']>;
  UserStatus: UserStatus;
  UserFilter: UserFilter;
  UserOrder: UserOrder;
  UserOrderField: UserOrderField;
  UserConnection: ResolverTypeWrapper<Omit<UserConnection, 'edges'> & { edges: Array<ResolversTypes['UserEdge']> }>;
  UserEdge: ResolverTypeWrapper<Omit<UserEdge, 'node'> & { node: ResolversTypes['User'] }>;
  CreateUserInput: CreateUserInput;
  CreateUserPayload: ResolverTypeWrapper<Omit<CreateUserPayload, 'user'> & { user: ResolversTypes['User'] }>;
  UpdateUserInput: UpdateUserInput;
  UpdateUserPayload: ResolverTypeWrapper<Omit<UpdateUserPayload, 'user'> & { user: ResolversTypes['User'] }>;
  EnableUserPayload: ResolverTypeWrapper<Omit<EnableUserPayload, 'user'> & { user: ResolversTypes['User'] }>;
  DeleteUserPayload: ResolverTypeWrapper<DeleteUserPayload>;
  DisableUserPayload: ResolverTypeWrapper<Omit<DisableUserPayload, 'user'> & { user: ResolversTypes['User'] }>;
};

/** Mapping between all available schema types and the resolvers parents */
export type ResolversParentTypes = {
  DateTime: Scalars['DateTime']['output'];
  Receipt: Receipt;
  Boolean: Scalars['Boolean']['output'];
  String: Scalars['String']['output'];
  Int: Scalars['Int']['output'];
  Float: Scalars['Float']['output'];
  AccessEnded: AccessEnded;
  Resync: Resync;
  PageInfo: PageInfo;
  Query: Record<PropertyKey, never>;
  ID: Scalars['ID']['output'];
  Mutation: Record<PropertyKey, never>;
  Subscription: Record<PropertyKey, never>;
  SignUpInput: SignUpInput;
  SignUpPayload: SignUpPayload;
  VerifyEmailPayload: VerifyEmailPayload;
  RequestPasswordResetPayload: RequestPasswordResetPayload;
  ResetPasswordPayload: ResetPasswordPayload;
  ChangePasswordPayload: Omit<ChangePasswordPayload, 'sessions'> & { sessions: Array<ResolversParentTypes['Session']> };
  UnlockUserPayload: Omit<UnlockUserPayload, 'user'> & { user: ResolversParentTypes['User'] };
  User: UserRecord;
  UserActivity: UserActivity;
  UserActivityBucket: UserActivityBucket;
  SeenDevice: SeenDevice;
  SignIn: SignIn;
  SignInConnection: SignInConnection;
  SignInEdge: SignInEdge;
  SignInSucceeded: Omit<SignInSucceeded, 'user' | 'session'> & { user?: Maybe<ResolversParentTypes['User']>, session?: Maybe<ResolversParentTypes['Session']> };
  SignInFailed: Omit<SignInFailed, 'user'> & { user?: Maybe<ResolversParentTypes['User']> };
  AuthEvent: ResolversUnionTypes<ResolversParentTypes>['AuthEvent'];
  AnalyticsRange: AnalyticsRange;
  PermissionAnalytics: PermissionAnalyticsRecord;
  DecisionCount: DecisionCount;
  DecisionBucket: DecisionBucket;
  RisingDenial: RisingDenial;
  SessionAnalytics: SessionAnalyticsRecord;
  SessionEndCount: SessionEndCount;
  SessionDeviceCount: SessionDeviceCount;
  SessionProtocolCount: SessionProtocolCount;
  SessionLengths: SessionLengths;
  SessionBucket: SessionBucket;
  AuthenticationAnalytics: AuthenticationAnalyticsRecord;
  AuthenticationCount: AuthenticationCount;
  AuthenticationBucket: AuthenticationBucket;
  AuthenticationOutcome: AuthenticationOutcome;
  ActivityAnalytics: ActivityAnalyticsRecord;
  ActivityBucket: ActivityBucket;
  OperationCount: OperationCount;
  ApiKey: ApiKeyRecord;
  ApiKeyVersion: ApiKeyVersion;
  ApiKeyUsage: ApiKeyUsage;
  ApiKeyOperationCount: ApiKeyOperationCount;
  ApiKeyUsageBucket: ApiKeyUsageBucket;
  ApiKeyFilter: ApiKeyFilter;
  ApiKeyOrder: ApiKeyOrder;
  ApiKeyConnection: Omit<ApiKeyConnection, 'edges'> & { edges: Array<ResolversParentTypes['ApiKeyEdge']> };
  ApiKeyEdge: Omit<ApiKeyEdge, 'node'> & { node: ResolversParentTypes['ApiKey'] };
  CreateApiKeyInput: CreateApiKeyInput;
  UpdateApiKeyInput: UpdateApiKeyInput;
  CreateApiKeyPayload: Omit<CreateApiKeyPayload, 'apiKey'> & { apiKey: ResolversParentTypes['ApiKey'] };
  UpdateApiKeyPayload: Omit<UpdateApiKeyPayload, 'apiKey'> & { apiKey: ResolversParentTypes['ApiKey'] };
  RotateApiKeyPayload: Omit<RotateApiKeyPayload, 'apiKey'> & { apiKey: ResolversParentTypes['ApiKey'] };
  RevokeApiKeyPayload: Omit<RevokeApiKeyPayload, 'apiKey'> & { apiKey: ResolversParentTypes['ApiKey'] };
  ApiKeyCreated: Omit<ApiKeyCreated, 'apiKey'> & { apiKey: ResolversParentTypes['ApiKey'] };
  ApiKeyUpdated: Omit<ApiKeyUpdated, 'apiKey'> & { apiKey: ResolversParentTypes['ApiKey'] };
  ApiKeyRotated: Omit<ApiKeyRotated, 'apiKey'> & { apiKey: ResolversParentTypes['ApiKey'] };
  ApiKeyRevoked: Omit<ApiKeyRevoked, 'apiKey'> & { apiKey: ResolversParentTypes['ApiKey'] };
  ApiKeyExpired: Omit<ApiKeyExpired, 'apiKey'> & { apiKey: ResolversParentTypes['ApiKey'] };
  ApiKeyEvent: ResolversUnionTypes<ResolversParentTypes>['ApiKeyEvent'];
  AuditEntry: AuditRecord;
  AuditLogConnection: Omit<AuditLogConnection, 'edges'> & { edges: Array<ResolversParentTypes['AuditLogEdge']> };
  AuditLogEdge: Omit<AuditLogEdge, 'node'> & { node: ResolversParentTypes['AuditEntry'] };
  AuditLogFilter: AuditLogFilter;
  GrantRoleInput: GrantRoleInput;
  ImportUserInput: ImportUserInput;
  ItemRefusal: ItemRefusal;
  GrantResult: Omit<GrantResult, 'grant'> & { grant?: Maybe<ResolversParentTypes['Grant']> };
  UserResult: Omit<UserResult, 'user'> & { user?: Maybe<ResolversParentTypes['User']> };
  GrantRolesPayload: Omit<GrantRolesPayload, 'results'> & { results: Array<ResolversParentTypes['GrantResult']> };
  RevokeRolesPayload: Omit<RevokeRolesPayload, 'results'> & { results: Array<ResolversParentTypes['GrantResult']> };
  DisableUsersPayload: Omit<DisableUsersPayload, 'results'> & { results: Array<ResolversParentTypes['UserResult']> };
  ImportUsersPayload: Omit<ImportUsersPayload, 'results'> & { results: Array<ResolversParentTypes['UserResult']> };
  Permission: PermissionRecord;
  PermissionCondition: PermissionCondition;
  PermissionSource: PermissionSourceRecord;
  Decision: Decision;
  RequiredProof: RequiredProof;
  AbilityRules: AbilityRules;
  PackedRules: Scalars['PackedRules']['output'];
  Attributes: Scalars['Attributes']['output'];
  AttributeValue: Scalars['AttributeValue']['output'];
  CheckInput: CheckInput;
  Policy: PolicyRecord;
  PolicyVersion: PolicyVersion;
  ApplyPolicyPayload: ApplyPolicyPayload;
  PolicyFile: PolicyFile;
  PolicyFileInput: PolicyFileInput;
  Explanation: Explanation;
  ExplainedRule: ExplainedRule;
  ExplainedCondition: ExplainedCondition;
  Need: Need;
  PolicyDiff: Omit<PolicyDiff, 'changes'> & { changes: Array<ResolversParentTypes['PolicyChange']> };
  StepUpChange: StepUpChange;
  MfaChange: MfaChange;
  AffectedPrincipal: AffectedPrincipal;
  PolicyChange: PolicyChangeRecord;
  PolicyPair: PolicyPair;
  PermissionsChanged: PermissionsChanged;
  PermissionsEvent: ResolversUnionTypes<ResolversParentTypes>['PermissionsEvent'];
  PolicyChanged: PolicyChanged;
  PolicyEvent: ResolversUnionTypes<ResolversParentTypes>['PolicyEvent'];
  AuthorityChanged: AuthorityChanged;
  RevocationEvent: ResolversUnionTypes<ResolversParentTypes>['RevocationEvent'];
  Role: RoleRecord;
  Grant: GrantRecord;
  RoleFilter: RoleFilter;
  RoleOrder: RoleOrder;
  RoleConnection: Omit<RoleConnection, 'edges'> & { edges: Array<ResolversParentTypes['RoleEdge']> };
  RoleEdge: Omit<RoleEdge, 'node'> & { node: ResolversParentTypes['Role'] };
  CreateRoleInput: CreateRoleInput;
  UpdateRoleInput: UpdateRoleInput;
  CreateRolePayload: Omit<CreateRolePayload, 'role'> & { role: ResolversParentTypes['Role'] };
  UpdateRolePayload: Omit<UpdateRolePayload, 'role'> & { role: ResolversParentTypes['Role'] };
  DeleteRolePayload: Omit<DeleteRolePayload, 'role'> & { role: ResolversParentTypes['Role'] };
  GrantRolePayload: Omit<GrantRolePayload, 'grant'> & { grant: ResolversParentTypes['Grant'] };
  RevokeRolePayload: Omit<RevokeRolePayload, 'grant'> & { grant: ResolversParentTypes['Grant'] };
  Scope: ScopeRecord;
  ScopeFilter: ScopeFilter;
  ScopeOrder: ScopeOrder;
  ScopeConnection: Omit<ScopeConnection, 'edges'> & { edges: Array<ResolversParentTypes['ScopeEdge']> };
  ScopeEdge: Omit<ScopeEdge, 'node'> & { node: ResolversParentTypes['Scope'] };
  CreateScopePayload: Omit<CreateScopePayload, 'scope'> & { scope: ResolversParentTypes['Scope'] };
  MoveScopePayload: Omit<MoveScopePayload, 'scope'> & { scope: ResolversParentTypes['Scope'] };
  SuspendScopePayload: Omit<SuspendScopePayload, 'scope'> & { scope: ResolversParentTypes['Scope'] };
  ResumeScopePayload: Omit<ResumeScopePayload, 'scope'> & { scope: ResolversParentTypes['Scope'] };
  DeleteScopePayload: Omit<DeleteScopePayload, 'scope'> & { scope: ResolversParentTypes['Scope'] };
  MfaRequired: MfaRequired;
  VerifyMfaInput: VerifyMfaInput;
  BeginTotpEnrollmentPayload: BeginTotpEnrollmentPayload;
  ConfirmTotpEnrollmentPayload: Omit<ConfirmTotpEnrollmentPayload, 'session' | 'user'> & { session: ResolversParentTypes['Session'], user: ResolversParentTypes['User'] };
  StepUpInput: StepUpInput;
  StepUpPayload: Omit<StepUpPayload, 'session'> & { session: ResolversParentTypes['Session'] };
  DisableTotpPayload: DisableTotpPayload;
  RegenerateRecoveryCodesPayload: RegenerateRecoveryCodesPayload;
  SecurityEvent: SecurityEventRecord;
  SecurityEventConnection: Omit<SecurityEventConnection, 'edges'> & { edges: Array<ResolversParentTypes['SecurityEventEdge']> };
  SecurityEventEdge: Omit<SecurityEventEdge, 'node'> & { node: ResolversParentTypes['SecurityEvent'] };
  SecurityEventFilter: SecurityEventFilter;
  SecurityEventRaised: Omit<SecurityEventRaised, 'securityEvent'> & { securityEvent: ResolversParentTypes['SecurityEvent'] };
  SecurityEventFeed: ResolversUnionTypes<ResolversParentTypes>['SecurityEventFeed'];
  Principal: ResolversInterfaceTypes<ResolversParentTypes>['Principal'];
  ServiceAccount: ServiceAccountRecord;
  ServiceAccountFilter: ServiceAccountFilter;
  ServiceAccountOrder: ServiceAccountOrder;
  ServiceAccountConnection: Omit<ServiceAccountConnection, 'edges'> & { edges: Array<ResolversParentTypes['ServiceAccountEdge']> };
  ServiceAccountEdge: Omit<ServiceAccountEdge, 'node'> & { node: ResolversParentTypes['ServiceAccount'] };
  CreateServiceAccountInput: CreateServiceAccountInput;
  CreateServiceAccountPayload: Omit<CreateServiceAccountPayload, 'serviceAccount'> & { serviceAccount: ResolversParentTypes['ServiceAccount'] };
  UpdateServiceAccountInput: UpdateServiceAccountInput;
  UpdateServiceAccountPayload: Omit<UpdateServiceAccountPayload, 'serviceAccount'> & { serviceAccount: ResolversParentTypes['ServiceAccount'] };
  DisableServiceAccountPayload: Omit<DisableServiceAccountPayload, 'serviceAccount'> & { serviceAccount: ResolversParentTypes['ServiceAccount'] };
  EnableServiceAccountPayload: Omit<EnableServiceAccountPayload, 'serviceAccount'> & { serviceAccount: ResolversParentTypes['ServiceAccount'] };
  DeleteServiceAccountPayload: DeleteServiceAccountPayload;
  Session: SessionRecord;
  Device: Device;
  SessionFilter: SessionFilter;
  SessionOrder: SessionOrder;
  SessionConnection: Omit<SessionConnection, 'edges'> & { edges: Array<ResolversParentTypes['SessionEdge']> };
  SessionEdge: Omit<SessionEdge, 'node'> & { node: ResolversParentTypes['Session'] };
  SignInInput: SignInInput;
  SignedIn: Omit<SignedIn, 'session' | 'user'> & { session: ResolversParentTypes['Session'], user: ResolversParentTypes['User'] };
  SignInResult: ResolversUnionTypes<ResolversParentTypes>['SignInResult'];
  RevokeSessionPayload: Omit<RevokeSessionPayload, 'session'> & { session: ResolversParentTypes['Session'] };
  RevokeSessionsPayload: Omit<RevokeSessionsPayload, 'sessions'> & { sessions: Array<ResolversParentTypes['Session']> };
  RevokeMatchingSessionsPayload: RevokeMatchingSessionsPayload;
  RenameSessionPayload: Omit<RenameSessionPayload, 'session'> & { session: ResolversParentTypes['Session'] };
  SignOutPayload: Omit<SignOutPayload, 'session'> & { session: ResolversParentTypes['Session'] };
  RenewConnectionPayload: RenewConnectionPayload;
  SessionStarted: SessionStarted;
  SessionRefreshed: SessionRefreshed;
  SessionRevoked: RevokedSession;
  SessionExpired: SessionExpired;
  SessionEvent: ResolversUnionTypes<ResolversParentTypes>['SessionEvent'];
  SigningKey: SigningKeyRecord;
  RotateSigningKeyPayload: Omit<RotateSigningKeyPayload, 'signingKey'> & { signingKey: ResolversParentTypes['SigningKey'] };
  RevokeSigningKeyPayload: Omit<RevokeSigningKeyPayload, 'signingKey'> & { signingKey: ResolversParentTypes['SigningKey'] };
  SystemHealth: SystemHealthRecord;
  HealthProblem: HealthProblem;
  Backlog: Backlog;
  InstanceHealth: InstanceHealthRecord;
  ConnectionPool: ConnectionPool;
  Metadata: Scalars['Metadata']['output'];
  UserFilter: UserFilter;
  UserOrder: UserOrder;
  UserConnection: Omit<UserConnection, 'edges'> & { edges: Array<ResolversParentTypes['UserEdge']> };
  UserEdge: Omit<UserEdge, 'node'> & { node: ResolversParentTypes['User'] };
  CreateUserInput: CreateUserInput;
  CreateUserPayload: Omit<CreateUserPayload, 'user'> & { user: ResolversParentTypes['User'] };
  UpdateUserInput: UpdateUserInput;
  UpdateUserPayload: Omit<UpdateUserPayload, 'user'> & { user: ResolversParentTypes['User'] };
  EnableUserPayload: Omit<EnableUserPayload, 'user'> & { user: ResolversParentTypes['User'] };
  DeleteUserPayload: DeleteUserPayload;
  DisableUserPayload: Omit<DisableUserPayload, 'user'> & { user: ResolversParentTypes['User'] };
};

export interface DateTimeScalarConfig extends GraphQLScalarTypeConfig<ResolversTypes['DateTime'], any> {
  name: 'DateTime';
}

export type ReceiptResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Receipt'] = ResolversParentTypes['Receipt']> = {
  enforced?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  instances?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  acknowledged?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  waitedMs?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
};

export type AccessEndedResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['AccessEnded'] = ResolversParentTypes['AccessEnded']> = {
  code?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  reason?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type ResyncResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Resync'] = ResolversParentTypes['Resync']> = {
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type PageInfoResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['PageInfo'] = ResolversParentTypes['PageInfo']> = {
  hasNextPage?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  hasPreviousPage?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  startCursor?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  endCursor?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
};

export type QueryResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Query'] = ResolversParentTypes['Query']> = {
  userActivity?: Resolver<ResolversTypes['UserActivity'], ParentType, ContextType, RequireFields<QueryUserActivityArgs, 'id' | 'range'>>;
  signIns?: Resolver<ResolversTypes['SignInConnection'], ParentType, ContextType, RequireFields<QuerySignInsArgs, 'userId' | 'first'>>;
  permissionAnalytics?: Resolver<ResolversTypes['PermissionAnalytics'], ParentType, ContextType, RequireFields<QueryPermissionAnalyticsArgs, 'range'>>;
  sessionAnalytics?: Resolver<ResolversTypes['SessionAnalytics'], ParentType, ContextType, RequireFields<QuerySessionAnalyticsArgs, 'range'>>;
  authenticationAnalytics?: Resolver<ResolversTypes['AuthenticationAnalytics'], ParentType, ContextType, RequireFields<QueryAuthenticationAnalyticsArgs, 'range'>>;
  activityAnalytics?: Resolver<ResolversTypes['ActivityAnalytics'], ParentType, ContextType, RequireFields<QueryActivityAnalyticsArgs, 'range'>>;
  apiKey?: Resolver<Maybe<ResolversTypes['ApiKey']>, ParentType, ContextType, RequireFields<QueryApiKeyArgs, 'id'>>;
  apiKeys?: Resolver<ResolversTypes['ApiKeyConnection'], ParentType, ContextType, RequireFields<QueryApiKeysArgs, 'first'>>;
  apiKeyUsage?: Resolver<ResolversTypes['ApiKeyUsage'], ParentType, ContextType, RequireFields<QueryApiKeyUsageArgs, 'id' | 'range'>>;
  auditLog?: Resolver<ResolversTypes['AuditLogConnection'], ParentType, ContextType, RequireFields<QueryAuditLogArgs, 'first'>>;
  viewerCan?: Resolver<ResolversTypes['Decision'], ParentType, ContextType, RequireFields<QueryViewerCanArgs, 'action' | 'subject'>>;
  viewerCanMany?: Resolver<Array<ResolversTypes['Decision']>, ParentType, ContextType, RequireFields<QueryViewerCanManyArgs, 'checks'>>;
  viewerAbility?: Resolver<ResolversTypes['AbilityRules'], ParentType, ContextType>;
  policy?: Resolver<ResolversTypes['Policy'], ParentType, ContextType>;
  explain?: Resolver<ResolversTypes['Explanation'], ParentType, ContextType, RequireFields<QueryExplainArgs, 'principalId' | 'action' | 'subject'>>;
  previewPolicy?: Resolver<ResolversTypes['PolicyDiff'], ParentType, ContextType, RequireFields<QueryPreviewPolicyArgs, 'files'>>;
  role?: Resolver<Maybe<ResolversTypes['Role']>, ParentType, ContextType, Partial<QueryRoleArgs>>;
  roles?: Resolver<ResolversTypes['RoleConnection'], ParentType, ContextType, RequireFields<QueryRolesArgs, 'first'>>;
  scope?: Resolver<Maybe<ResolversTypes['Scope']>, ParentType, ContextType, Partial<QueryScopeArgs>>;
  scopes?: Resolver<ResolversTypes['ScopeConnection'], ParentType, ContextType, RequireFields<QueryScopesArgs, 'first'>>;
  securityEvents?: Resolver<ResolversTypes['SecurityEventConnection'], ParentType, ContextType, RequireFields<QuerySecurityEventsArgs, 'first'>>;
  serviceAccount?: Resolver<Maybe<ResolversTypes['ServiceAccount']>, ParentType, ContextType, RequireFields<QueryServiceAccountArgs, 'id'>>;
  serviceAccounts?: Resolver<ResolversTypes['ServiceAccountConnection'], ParentType, ContextType, RequireFields<QueryServiceAccountsArgs, 'first'>>;
  session?: Resolver<Maybe<ResolversTypes['Session']>, ParentType, ContextType, RequireFields<QuerySessionArgs, 'id'>>;
  sessions?: Resolver<ResolversTypes['SessionConnection'], ParentType, ContextType, RequireFields<QuerySessionsArgs, 'first'>>;
  signingKeys?: Resolver<Array<ResolversTypes['SigningKey']>, ParentType, ContextType>;
  systemHealth?: Resolver<ResolversTypes['SystemHealth'], ParentType, ContextType>;
  me?: Resolver<Maybe<ResolversTypes['User']>, ParentType, ContextType>;
  user?: Resolver<Maybe<ResolversTypes['User']>, ParentType, ContextType, RequireFields<QueryUserArgs, 'id'>>;
  users?: Resolver<ResolversTypes['UserConnection'], ParentType, ContextType, RequireFields<QueryUsersArgs, 'first'>>;
};

export type MutationResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Mutation'] = ResolversParentTypes['Mutation']> = {
  signUp?: Resolver<ResolversTypes['SignUpPayload'], ParentType, ContextType, RequireFields<MutationSignUpArgs, 'input'>>;
  verifyEmail?: Resolver<ResolversTypes['VerifyEmailPayload'], ParentType, ContextType, RequireFields<MutationVerifyEmailArgs, 'token'>>;
  requestPasswordReset?: Resolver<ResolversTypes['RequestPasswordResetPayload'], ParentType, ContextType, RequireFields<MutationRequestPasswordResetArgs, 'email'>>;
  resetPassword?: Resolver<ResolversTypes['ResetPasswordPayload'], ParentType, ContextType, RequireFields<MutationResetPasswordArgs, 'token' | 'newPassword'>>;
  changePassword?: Resolver<ResolversTypes['ChangePasswordPayload'], ParentType, ContextType, RequireFields<MutationChangePasswordArgs, 'currentPassword' | 'newPassword'>>;
  unlockUser?: Resolver<ResolversTypes['UnlockUserPayload'], ParentType, ContextType, RequireFields<MutationUnlockUserArgs, 'id'>>;
  createApiKey?: Resolver<ResolversTypes['CreateApiKeyPayload'], ParentType, ContextType, RequireFields<MutationCreateApiKeyArgs, 'input'>>;
  updateApiKey?: Resolver<ResolversTypes['UpdateApiKeyPayload'], ParentType, ContextType, RequireFields<MutationUpdateApiKeyArgs, 'id' | 'input'>>;
  rotateApiKey?: Resolver<ResolversTypes['RotateApiKeyPayload'], ParentType, ContextType, RequireFields<MutationRotateApiKeyArgs, 'id' | 'overlapSeconds'>>;
  revokeApiKey?: Resolver<ResolversTypes['RevokeApiKeyPayload'], ParentType, ContextType, RequireFields<MutationRevokeApiKeyArgs, 'id'>>;
  grantRoles?: Resolver<ResolversTypes['GrantRolesPayload'], ParentType, ContextType, RequireFields<MutationGrantRolesArgs, 'grants'>>;
  revokeRoles?: Resolver<ResolversTypes['RevokeRolesPayload'], ParentType, ContextType, RequireFields<MutationRevokeRolesArgs, 'grantIds'>>;
  disableUsers?: Resolver<ResolversTypes['DisableUsersPayload'], ParentType, ContextType, RequireFields<MutationDisableUsersArgs, 'ids'>>;
  importUsers?: Resolver<ResolversTypes['ImportUsersPayload'], ParentType, ContextType, RequireFields<MutationImportUsersArgs, 'users'>>;
  applyPolicy?: Resolver<ResolversTypes['ApplyPolicyPayload'], ParentType, ContextType, RequireFields<MutationApplyPolicyArgs, 'files' | 'expectedVersion'>>;
  reloadPolicy?: Resolver<ResolversTypes['ApplyPolicyPayload'], ParentType, ContextType>;
  rollbackPolicy?: Resolver<ResolversTypes['ApplyPolicyPayload'], ParentType, ContextType, RequireFields<MutationRollbackPolicyArgs, 'version' | 'expectedVersion'>>;
  createRole?: Resolver<ResolversTypes['CreateRolePayload'], ParentType, ContextType, RequireFields<MutationCreateRoleArgs, 'input'>>;
  updateRole?: Resolver<ResolversTypes['UpdateRolePayload'], ParentType, ContextType, RequireFields<MutationUpdateRoleArgs, 'id' | 'input'>>;
  deleteRole?: Resolver<ResolversTypes['DeleteRolePayload'], ParentType, ContextType, RequireFields<MutationDeleteRoleArgs, 'id'>>;
  grantRole?: Resolver<ResolversTypes['GrantRolePayload'], ParentType, ContextType, RequireFields<MutationGrantRoleArgs, 'principalId' | 'roleId'>>;
  revokeRole?: Resolver<ResolversTypes['RevokeRolePayload'], ParentType, ContextType, RequireFields<MutationRevokeRoleArgs, 'grantId'>>;
  createScope?: Resolver<ResolversTypes['CreateScopePayload'], ParentType, ContextType, RequireFields<MutationCreateScopeArgs, 'path'>>;
  moveScope?: Resolver<ResolversTypes['MoveScopePayload'], ParentType, ContextType, RequireFields<MutationMoveScopeArgs, 'id' | 'path'>>;
  suspendScope?: Resolver<ResolversTypes['SuspendScopePayload'], ParentType, ContextType, RequireFields<MutationSuspendScopeArgs, 'id'>>;
  resumeScope?: Resolver<ResolversTypes['ResumeScopePayload'], ParentType, ContextType, RequireFields<MutationResumeScopeArgs, 'id'>>;
  deleteScope?: Resolver<ResolversTypes['DeleteScopePayload'], ParentType, ContextType, RequireFields<MutationDeleteScopeArgs, 'id'>>;
  verifyMfa?: Resolver<ResolversTypes['SignedIn'], ParentType, ContextType, RequireFields<MutationVerifyMfaArgs, 'input'>>;
  stepUp?: Resolver<ResolversTypes['StepUpPayload'], ParentType, ContextType, RequireFields<MutationStepUpArgs, 'input'>>;
  beginTotpEnrollment?: Resolver<ResolversTypes['BeginTotpEnrollmentPayload'], ParentType, ContextType, Partial<MutationBeginTotpEnrollmentArgs>>;
  confirmTotpEnrollment?: Resolver<ResolversTypes['ConfirmTotpEnrollmentPayload'], ParentType, ContextType, RequireFields<MutationConfirmTotpEnrollmentArgs, 'code'>>;
  disableTotp?: Resolver<ResolversTypes['DisableTotpPayload'], ParentType, ContextType, RequireFields<MutationDisableTotpArgs, 'code'>>;
  regenerateRecoveryCodes?: Resolver<ResolversTypes['RegenerateRecoveryCodesPayload'], ParentType, ContextType, RequireFields<MutationRegenerateRecoveryCodesArgs, 'code'>>;
  createServiceAccount?: Resolver<ResolversTypes['CreateServiceAccountPayload'], ParentType, ContextType, RequireFields<MutationCreateServiceAccountArgs, 'input'>>;
  updateServiceAccount?: Resolver<ResolversTypes['UpdateServiceAccountPayload'], ParentType, ContextType, RequireFields<MutationUpdateServiceAccountArgs, 'input'>>;
  disableServiceAccount?: Resolver<ResolversTypes['DisableServiceAccountPayload'], ParentType, ContextType, RequireFields<MutationDisableServiceAccountArgs, 'id'>>;
  enableServiceAccount?: Resolver<ResolversTypes['EnableServiceAccountPayload'], ParentType, ContextType, RequireFields<MutationEnableServiceAccountArgs, 'id'>>;
  deleteServiceAccount?: Resolver<ResolversTypes['DeleteServiceAccountPayload'], ParentType, ContextType, RequireFields<MutationDeleteServiceAccountArgs, 'id'>>;
  signIn?: Resolver<ResolversTypes['SignInResult'], ParentType, ContextType, RequireFields<MutationSignInArgs, 'input'>>;
  refreshSession?: Resolver<ResolversTypes['SignedIn'], ParentType, ContextType, Partial<MutationRefreshSessionArgs>>;
  renewConnection?: Resolver<ResolversTypes['RenewConnectionPayload'], ParentType, ContextType, RequireFields<MutationRenewConnectionArgs, 'accessToken'>>;
  signOut?: Resolver<ResolversTypes['SignOutPayload'], ParentType, ContextType>;
  revokeSession?: Resolver<ResolversTypes['RevokeSessionPayload'], ParentType, ContextType, RequireFields<MutationRevokeSessionArgs, 'id'>>;
  revokeOtherSessions?: Resolver<ResolversTypes['RevokeSessionsPayload'], ParentType, ContextType>;
  revokeAllSessions?: Resolver<ResolversTypes['RevokeSessionsPayload'], ParentType, ContextType, RequireFields<MutationRevokeAllSessionsArgs, 'userId'>>;
  revokeSessions?: Resolver<ResolversTypes['RevokeMatchingSessionsPayload'], ParentType, ContextType, RequireFields<MutationRevokeSessionsArgs, 'filter'>>;
  renameSession?: Resolver<ResolversTypes['RenameSessionPayload'], ParentType, ContextType, RequireFields<MutationRenameSessionArgs, 'id' | 'label'>>;
  rotateSigningKey?: Resolver<ResolversTypes['RotateSigningKeyPayload'], ParentType, ContextType>;
  revokeSigningKey?: Resolver<ResolversTypes['RevokeSigningKeyPayload'], ParentType, ContextType, RequireFields<MutationRevokeSigningKeyArgs, 'kid'>>;
  createUser?: Resolver<ResolversTypes['CreateUserPayload'], ParentType, ContextType, RequireFields<MutationCreateUserArgs, 'input'>>;
  disableUser?: Resolver<ResolversTypes['DisableUserPayload'], ParentType, ContextType, RequireFields<MutationDisableUserArgs, 'id'>>;
  updateUser?: Resolver<ResolversTypes['UpdateUserPayload'], ParentType, ContextType, RequireFields<MutationUpdateUserArgs, 'input'>>;
  enableUser?: Resolver<ResolversTypes['EnableUserPayload'], ParentType, ContextType, RequireFields<MutationEnableUserArgs, 'id'>>;
  deleteUser?: Resolver<ResolversTypes['DeleteUserPayload'], ParentType, ContextType, RequireFields<MutationDeleteUserArgs, 'id'>>;
};

export type SubscriptionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Subscription'] = ResolversParentTypes['Subscription']> = {
  authEvents?: SubscriptionResolver<ResolversTypes['AuthEvent'], "authEvents", ParentType, ContextType, Partial<SubscriptionAuthEventsArgs>>;
  apiKeyEvents?: SubscriptionResolver<ResolversTypes['ApiKeyEvent'], "apiKeyEvents", ParentType, ContextType, Partial<SubscriptionApiKeyEventsArgs>>;
  policyChanged?: SubscriptionResolver<ResolversTypes['PolicyEvent'], "policyChanged", ParentType, ContextType, Partial<SubscriptionPolicyChangedArgs>>;
  permissionsChanged?: SubscriptionResolver<ResolversTypes['PermissionsEvent'], "permissionsChanged", ParentType, ContextType, Partial<SubscriptionPermissionsChangedArgs>>;
  revocations?: SubscriptionResolver<ResolversTypes['RevocationEvent'], "revocations", ParentType, ContextType, Partial<SubscriptionRevocationsArgs>>;
  securityEventRaised?: SubscriptionResolver<ResolversTypes['SecurityEventFeed'], "securityEventRaised", ParentType, ContextType, Partial<SubscriptionSecurityEventRaisedArgs>>;
  sessionEvents?: SubscriptionResolver<ResolversTypes['SessionEvent'], "sessionEvents", ParentType, ContextType, Partial<SubscriptionSessionEventsArgs>>;
};

export type SignUpPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SignUpPayload'] = ResolversParentTypes['SignUpPayload']> = {
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type VerifyEmailPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['VerifyEmailPayload'] = ResolversParentTypes['VerifyEmailPayload']> = {
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type RequestPasswordResetPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['RequestPasswordResetPayload'] = ResolversParentTypes['RequestPasswordResetPayload']> = {
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type ResetPasswordPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ResetPasswordPayload'] = ResolversParentTypes['ResetPasswordPayload']> = {
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type ChangePasswordPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ChangePasswordPayload'] = ResolversParentTypes['ChangePasswordPayload']> = {
  sessions?: Resolver<Array<ResolversTypes['Session']>, ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type UnlockUserPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['UnlockUserPayload'] = ResolversParentTypes['UnlockUserPayload']> = {
  user?: Resolver<ResolversTypes['User'], ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type UserResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['User'] = ResolversParentTypes['User'], FederationReferenceType extends FederationReferenceTypes['User'] = FederationReferenceTypes['User']> = {
  __resolveReference?: ReferenceResolver<Maybe<ResolversTypes['User']> | FederationReferenceType, FederationReferenceType, ContextType>;
  lastSignInAt?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  permissions?: Resolver<Maybe<Array<ResolversTypes['Permission']>>, ParentType, ContextType>;
  mfaEnabled?: Resolver<Maybe<ResolversTypes['Boolean']>, ParentType, ContextType>;
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  email?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  name?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  status?: Resolver<Maybe<ResolversTypes['UserStatus']>, ParentType, ContextType>;
  scope?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  scopes?: Resolver<Maybe<Array<ResolversTypes['String']>>, ParentType, ContextType>;
  suspended?: Resolver<Maybe<ResolversTypes['Boolean']>, ParentType, ContextType>;
  roles?: Resolver<Maybe<Array<ResolversTypes['Role']>>, ParentType, ContextType>;
  grants?: Resolver<Maybe<Array<ResolversTypes['Grant']>>, ParentType, ContextType>;
  createdAt?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  emailVerified?: Resolver<Maybe<ResolversTypes['Boolean']>, ParentType, ContextType>;
  metadata?: Resolver<Maybe<ResolversTypes['Metadata']>, ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type UserActivityResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['UserActivity'] = ResolversParentTypes['UserActivity']> = {
  signIns?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  failedSignIns?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  refreshes?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  lastSignInAt?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  devices?: Resolver<Array<ResolversTypes['SeenDevice']>, ParentType, ContextType>;
  buckets?: Resolver<Array<ResolversTypes['UserActivityBucket']>, ParentType, ContextType>;
  completeUntil?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
};

export type UserActivityBucketResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['UserActivityBucket'] = ResolversParentTypes['UserActivityBucket']> = {
  start?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  signIns?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  failedSignIns?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  refreshes?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
};

export type SeenDeviceResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SeenDevice'] = ResolversParentTypes['SeenDevice']> = {
  deviceKind?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  browser?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  os?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  firstSeenAt?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  lastSeenAt?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  signIns?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
};

export type SignInResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SignIn'] = ResolversParentTypes['SignIn']> = {
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  at?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  outcome?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  aal?: Resolver<Maybe<ResolversTypes['Int']>, ParentType, ContextType>;
  sessionId?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  deviceKind?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  browser?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  os?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  client?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  address?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
};

export type SignInConnectionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SignInConnection'] = ResolversParentTypes['SignInConnection']> = {
  edges?: Resolver<Array<ResolversTypes['SignInEdge']>, ParentType, ContextType>;
  pageInfo?: Resolver<ResolversTypes['PageInfo'], ParentType, ContextType>;
};

export type SignInEdgeResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SignInEdge'] = ResolversParentTypes['SignInEdge']> = {
  cursor?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  node?: Resolver<ResolversTypes['SignIn'], ParentType, ContextType>;
};

export type SignInSucceededResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SignInSucceeded'] = ResolversParentTypes['SignInSucceeded']> = {
  userId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  user?: Resolver<Maybe<ResolversTypes['User']>, ParentType, ContextType>;
  sessionId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  session?: Resolver<Maybe<ResolversTypes['Session']>, ParentType, ContextType>;
  device?: Resolver<ResolversTypes['Device'], ParentType, ContextType>;
  client?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  at?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type SignInFailedResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SignInFailed'] = ResolversParentTypes['SignInFailed']> = {
  userId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  user?: Resolver<Maybe<ResolversTypes['User']>, ParentType, ContextType>;
  outcome?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  device?: Resolver<ResolversTypes['Device'], ParentType, ContextType>;
  client?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  at?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type AuthEventResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['AuthEvent'] = ResolversParentTypes['AuthEvent']> = {
  __resolveType: TypeResolveFn<'SignInSucceeded' | 'SignInFailed' | 'Resync' | 'AccessEnded', ParentType, ContextType>;
};

export type PermissionAnalyticsResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['PermissionAnalytics'] = ResolversParentTypes['PermissionAnalytics']> = {
  decisions?: Resolver<Array<ResolversTypes['DecisionCount']>, ParentType, ContextType>;
  buckets?: Resolver<Array<ResolversTypes['DecisionBucket']>, ParentType, ContextType>;
  overflow?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  rulesWithoutDecision?: Resolver<Array<ResolversTypes['String']>, ParentType, ContextType>;
  risingDenials?: Resolver<Array<ResolversTypes['RisingDenial']>, ParentType, ContextType>;
  completeUntil?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
};

export type DecisionCountResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['DecisionCount'] = ResolversParentTypes['DecisionCount']> = {
  action?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  subject?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  allowed?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  rule?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  count?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
};

export type DecisionBucketResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['DecisionBucket'] = ResolversParentTypes['DecisionBucket']> = {
  start?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  allowed?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  denied?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
};

export type RisingDenialResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['RisingDenial'] = ResolversParentTypes['RisingDenial']> = {
  action?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  subject?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  rule?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  before?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  now?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
};

export type SessionAnalyticsResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SessionAnalytics'] = ResolversParentTypes['SessionAnalytics']> = {
  active?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  peak?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  started?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  refreshed?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  ended?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  reuseDetections?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  endedByReason?: Resolver<Array<ResolversTypes['SessionEndCount']>, ParentType, ContextType>;
  byDevice?: Resolver<Array<ResolversTypes['SessionDeviceCount']>, ParentType, ContextType>;
  byProtocol?: Resolver<Array<ResolversTypes['SessionProtocolCount']>, ParentType, ContextType>;
  lengths?: Resolver<Maybe<ResolversTypes['SessionLengths']>, ParentType, ContextType>;
  buckets?: Resolver<Array<ResolversTypes['SessionBucket']>, ParentType, ContextType>;
  completeUntil?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
};

export type SessionEndCountResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SessionEndCount'] = ResolversParentTypes['SessionEndCount']> = {
  reason?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  count?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
};

export type SessionDeviceCountResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SessionDeviceCount'] = ResolversParentTypes['SessionDeviceCount']> = {
  device?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  count?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
};

export type SessionProtocolCountResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SessionProtocolCount'] = ResolversParentTypes['SessionProtocolCount']> = {
  protocol?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  count?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
};

export type SessionLengthsResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SessionLengths'] = ResolversParentTypes['SessionLengths']> = {
  p50Seconds?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  p95Seconds?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
};

export type SessionBucketResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SessionBucket'] = ResolversParentTypes['SessionBucket']> = {
  start?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  active?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  peak?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  started?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  refreshed?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  ended?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
};

export type AuthenticationAnalyticsResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['AuthenticationAnalytics'] = ResolversParentTypes['AuthenticationAnalytics']> = {
  succeeded?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  failed?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  counts?: Resolver<Array<ResolversTypes['AuthenticationCount']>, ParentType, ContextType>;
  buckets?: Resolver<Array<ResolversTypes['AuthenticationBucket']>, ParentType, ContextType>;
  completeUntil?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
};

export type AuthenticationCountResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['AuthenticationCount'] = ResolversParentTypes['AuthenticationCount']> = {
  kind?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  outcome?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  protocol?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  count?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
};

export type AuthenticationBucketResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['AuthenticationBucket'] = ResolversParentTypes['AuthenticationBucket']> = {
  start?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  succeeded?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  failed?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  outcomes?: Resolver<Array<ResolversTypes['AuthenticationOutcome']>, ParentType, ContextType>;
};

export type AuthenticationOutcomeResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['AuthenticationOutcome'] = ResolversParentTypes['AuthenticationOutcome']> = {
  outcome?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  count?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
};

export type ActivityAnalyticsResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ActivityAnalytics'] = ResolversParentTypes['ActivityAnalytics']> = {
  active?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  buckets?: Resolver<Array<ResolversTypes['ActivityBucket']>, ParentType, ContextType>;
  operations?: Resolver<Array<ResolversTypes['OperationCount']>, ParentType, ContextType>;
  completeUntil?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
};

export type ActivityBucketResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ActivityBucket'] = ResolversParentTypes['ActivityBucket']> = {
  start?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  active?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  fromPrevious?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  fromFirst?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
};

export type OperationCountResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['OperationCount'] = ResolversParentTypes['OperationCount']> = {
  kind?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  field?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  succeeded?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  failed?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
};

export type ApiKeyResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ApiKey'] = ResolversParentTypes['ApiKey'], FederationReferenceType extends FederationReferenceTypes['ApiKey'] = FederationReferenceTypes['ApiKey']> = {
  __resolveReference?: ReferenceResolver<Maybe<ResolversTypes['ApiKey']> | FederationReferenceType, FederationReferenceType, ContextType>;
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  name?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  owner?: Resolver<Maybe<ResolversTypes['Principal']>, ParentType, ContextType>;
  prefix?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  lastFour?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  permissions?: Resolver<Maybe<Array<ResolversTypes['String']>>, ParentType, ContextType>;
  addressRanges?: Resolver<Array<ResolversTypes['String']>, ParentType, ContextType>;
  allowedOrigins?: Resolver<Array<ResolversTypes['String']>, ParentType, ContextType>;
  readOnly?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  createdAt?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  createdBy?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  expiresAt?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  revokedAt?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  revokedReason?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  lastUsedAt?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  versions?: Resolver<Array<ResolversTypes['ApiKeyVersion']>, ParentType, ContextType>;
  scope?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  scopes?: Resolver<Maybe<Array<ResolversTypes['String']>>, ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type ApiKeyVersionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ApiKeyVersion'] = ResolversParentTypes['ApiKeyVersion']> = {
  number?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  lastFour?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  createdAt?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  validUntil?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  lastUsedAt?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  safeToRetire?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
};

export type ApiKeyUsageResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ApiKeyUsage'] = ResolversParentTypes['ApiKeyUsage']> = {
  admitted?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  limited?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  failed?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  operations?: Resolver<Array<ResolversTypes['ApiKeyOperationCount']>, ParentType, ContextType>;
  buckets?: Resolver<Array<ResolversTypes['ApiKeyUsageBucket']>, ParentType, ContextType>;
};

export type ApiKeyOperationCountResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ApiKeyOperationCount'] = ResolversParentTypes['ApiKeyOperationCount']> = {
  version?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  operation?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  outcome?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  count?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
};

export type ApiKeyUsageBucketResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ApiKeyUsageBucket'] = ResolversParentTypes['ApiKeyUsageBucket']> = {
  start?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  admitted?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  limited?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  failed?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
};

export type ApiKeyConnectionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ApiKeyConnection'] = ResolversParentTypes['ApiKeyConnection']> = {
  edges?: Resolver<Array<ResolversTypes['ApiKeyEdge']>, ParentType, ContextType>;
  pageInfo?: Resolver<ResolversTypes['PageInfo'], ParentType, ContextType>;
};

export type ApiKeyEdgeResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ApiKeyEdge'] = ResolversParentTypes['ApiKeyEdge']> = {
  cursor?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  node?: Resolver<ResolversTypes['ApiKey'], ParentType, ContextType>;
};

export type CreateApiKeyPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['CreateApiKeyPayload'] = ResolversParentTypes['CreateApiKeyPayload']> = {
  apiKey?: Resolver<ResolversTypes['ApiKey'], ParentType, ContextType>;
  secret?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type UpdateApiKeyPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['UpdateApiKeyPayload'] = ResolversParentTypes['UpdateApiKeyPayload']> = {
  apiKey?: Resolver<ResolversTypes['ApiKey'], ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type RotateApiKeyPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['RotateApiKeyPayload'] = ResolversParentTypes['RotateApiKeyPayload']> = {
  apiKey?: Resolver<ResolversTypes['ApiKey'], ParentType, ContextType>;
  secret?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type RevokeApiKeyPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['RevokeApiKeyPayload'] = ResolversParentTypes['RevokeApiKeyPayload']> = {
  apiKey?: Resolver<ResolversTypes['ApiKey'], ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type ApiKeyCreatedResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ApiKeyCreated'] = ResolversParentTypes['ApiKeyCreated']> = {
  apiKeyId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  apiKey?: Resolver<ResolversTypes['ApiKey'], ParentType, ContextType>;
  at?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type ApiKeyUpdatedResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ApiKeyUpdated'] = ResolversParentTypes['ApiKeyUpdated']> = {
  apiKeyId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  apiKey?: Resolver<ResolversTypes['ApiKey'], ParentType, ContextType>;
  at?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type ApiKeyRotatedResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ApiKeyRotated'] = ResolversParentTypes['ApiKeyRotated']> = {
  apiKeyId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  apiKey?: Resolver<ResolversTypes['ApiKey'], ParentType, ContextType>;
  at?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type ApiKeyRevokedResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ApiKeyRevoked'] = ResolversParentTypes['ApiKeyRevoked']> = {
  apiKeyId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  apiKey?: Resolver<ResolversTypes['ApiKey'], ParentType, ContextType>;
  reason?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  at?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type ApiKeyExpiredResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ApiKeyExpired'] = ResolversParentTypes['ApiKeyExpired']> = {
  apiKeyId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  apiKey?: Resolver<ResolversTypes['ApiKey'], ParentType, ContextType>;
  at?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type ApiKeyEventResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ApiKeyEvent'] = ResolversParentTypes['ApiKeyEvent']> = {
  __resolveType: TypeResolveFn<'ApiKeyCreated' | 'ApiKeyUpdated' | 'ApiKeyRotated' | 'ApiKeyRevoked' | 'ApiKeyExpired' | 'Resync' | 'AccessEnded', ParentType, ContextType>;
};

export type AuditEntryResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['AuditEntry'] = ResolversParentTypes['AuditEntry']> = {
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  seq?: Resolver<Maybe<ResolversTypes['Float']>, ParentType, ContextType>;
  at?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  principalId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  principalKind?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  sessionId?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  apiKeyId?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  address?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  protocol?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  operation?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  action?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  subjectType?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  subjectId?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  outcome?: Resolver<ResolversTypes['AuditOutcome'], ParentType, ContextType>;
  code?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  before?: Resolver<Maybe<ResolversTypes['Metadata']>, ParentType, ContextType>;
  after?: Resolver<Maybe<ResolversTypes['Metadata']>, ParentType, ContextType>;
  policyVersion?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  position?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  scope?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
};

export type AuditLogConnectionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['AuditLogConnection'] = ResolversParentTypes['AuditLogConnection']> = {
  edges?: Resolver<Array<ResolversTypes['AuditLogEdge']>, ParentType, ContextType>;
  pageInfo?: Resolver<ResolversTypes['PageInfo'], ParentType, ContextType>;
};

export type AuditLogEdgeResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['AuditLogEdge'] = ResolversParentTypes['AuditLogEdge']> = {
  cursor?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  node?: Resolver<ResolversTypes['AuditEntry'], ParentType, ContextType>;
};

export type ItemRefusalResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ItemRefusal'] = ResolversParentTypes['ItemRefusal']> = {
  code?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  message?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  field?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  reason?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  rule?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
};

export type GrantResultResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['GrantResult'] = ResolversParentTypes['GrantResult']> = {
  grant?: Resolver<Maybe<ResolversTypes['Grant']>, ParentType, ContextType>;
  refusal?: Resolver<Maybe<ResolversTypes['ItemRefusal']>, ParentType, ContextType>;
};

export type UserResultResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['UserResult'] = ResolversParentTypes['UserResult']> = {
  user?: Resolver<Maybe<ResolversTypes['User']>, ParentType, ContextType>;
  refusal?: Resolver<Maybe<ResolversTypes['ItemRefusal']>, ParentType, ContextType>;
};

export type GrantRolesPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['GrantRolesPayload'] = ResolversParentTypes['GrantRolesPayload']> = {
  results?: Resolver<Array<ResolversTypes['GrantResult']>, ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type RevokeRolesPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['RevokeRolesPayload'] = ResolversParentTypes['RevokeRolesPayload']> = {
  results?: Resolver<Array<ResolversTypes['GrantResult']>, ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type DisableUsersPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['DisableUsersPayload'] = ResolversParentTypes['DisableUsersPayload']> = {
  results?: Resolver<Array<ResolversTypes['UserResult']>, ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type ImportUsersPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ImportUsersPayload'] = ResolversParentTypes['ImportUsersPayload']> = {
  results?: Resolver<Array<ResolversTypes['UserResult']>, ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type PermissionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Permission'] = ResolversParentTypes['Permission']> = {
  action?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  subject?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  effect?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  fields?: Resolver<Maybe<Array<ResolversTypes['String']>>, ParentType, ContextType>;
  conditions?: Resolver<Array<ResolversTypes['PermissionCondition']>, ParentType, ContextType>;
  reason?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  rule?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  sources?: Resolver<Array<ResolversTypes['PermissionSource']>, ParentType, ContextType>;
};

export type PermissionConditionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['PermissionCondition'] = ResolversParentTypes['PermissionCondition']> = {
  attribute?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  operator?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  expected?: Resolver<Maybe<ResolversTypes['AttributeValue']>, ParentType, ContextType>;
};

export type PermissionSourceResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['PermissionSource'] = ResolversParentTypes['PermissionSource']> = {
  grant?: Resolver<ResolversTypes['Grant'], ParentType, ContextType>;
  path?: Resolver<Array<ResolversTypes['String']>, ParentType, ContextType>;
  scope?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
};

export type DecisionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Decision'] = ResolversParentTypes['Decision']> = {
  allowed?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  reason?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  rule?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  policyVersion?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  stepUp?: Resolver<Maybe<ResolversTypes['RequiredProof']>, ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type RequiredProofResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['RequiredProof'] = ResolversParentTypes['RequiredProof']> = {
  level?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  withinSeconds?: Resolver<Maybe<ResolversTypes['Int']>, ParentType, ContextType>;
};

export type AbilityRulesResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['AbilityRules'] = ResolversParentTypes['AbilityRules']> = {
  rules?: Resolver<ResolversTypes['PackedRules'], ParentType, ContextType>;
  policyVersion?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export interface PackedRulesScalarConfig extends GraphQLScalarTypeConfig<ResolversTypes['PackedRules'], any> {
  name: 'PackedRules';
}

export interface AttributesScalarConfig extends GraphQLScalarTypeConfig<ResolversTypes['Attributes'], any> {
  name: 'Attributes';
}

export interface AttributeValueScalarConfig extends GraphQLScalarTypeConfig<ResolversTypes['AttributeValue'], any> {
  name: 'AttributeValue';
}

export type PolicyResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Policy'] = ResolversParentTypes['Policy']> = {
  version?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  roles?: Resolver<Array<ResolversTypes['String']>, ParentType, ContextType>;
  subjects?: Resolver<Array<ResolversTypes['String']>, ParentType, ContextType>;
  files?: Resolver<Array<ResolversTypes['PolicyFile']>, ParentType, ContextType>;
  history?: Resolver<Array<ResolversTypes['PolicyVersion']>, ParentType, ContextType>;
};

export type PolicyVersionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['PolicyVersion'] = ResolversParentTypes['PolicyVersion']> = {
  version?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  appliedAt?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  appliedBy?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  inForce?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
};

export type ApplyPolicyPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ApplyPolicyPayload'] = ResolversParentTypes['ApplyPolicyPayload']> = {
  version?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type PolicyFileResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['PolicyFile'] = ResolversParentTypes['PolicyFile']> = {
  path?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  text?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type ExplanationResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Explanation'] = ResolversParentTypes['Explanation']> = {
  allowed?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  reason?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  policyVersion?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  rule?: Resolver<Maybe<ResolversTypes['ExplainedRule']>, ParentType, ContextType>;
  nearestMiss?: Resolver<Maybe<ResolversTypes['ExplainedRule']>, ParentType, ContextType>;
  needs?: Resolver<Maybe<Array<ResolversTypes['Need']>>, ParentType, ContextType>;
  roles?: Resolver<Array<ResolversTypes['String']>, ParentType, ContextType>;
};

export type ExplainedRuleResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ExplainedRule'] = ResolversParentTypes['ExplainedRule']> = {
  rule?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  file?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  line?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  effect?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  role?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  inheritance?: Resolver<Array<ResolversTypes['String']>, ParentType, ContextType>;
  reason?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  matches?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  conditions?: Resolver<Array<ResolversTypes['ExplainedCondition']>, ParentType, ContextType>;
};

export type ExplainedConditionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ExplainedCondition'] = ResolversParentTypes['ExplainedCondition']> = {
  attribute?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  operator?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  expected?: Resolver<Maybe<ResolversTypes['AttributeValue']>, ParentType, ContextType>;
  actual?: Resolver<Maybe<ResolversTypes['AttributeValue']>, ParentType, ContextType>;
  holds?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  note?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
};

export type NeedResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Need'] = ResolversParentTypes['Need']> = {
  kind?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  text?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  attribute?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  value?: Resolver<Maybe<ResolversTypes['AttributeValue']>, ParentType, ContextType>;
  role?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  scope?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  rule?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
};

export type PolicyDiffResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['PolicyDiff'] = ResolversParentTypes['PolicyDiff']> = {
  before?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  after?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  changes?: Resolver<Array<ResolversTypes['PolicyChange']>, ParentType, ContextType>;
  affected?: Resolver<Array<ResolversTypes['AffectedPrincipal']>, ParentType, ContextType>;
  mfa?: Resolver<Array<ResolversTypes['MfaChange']>, ParentType, ContextType>;
  stepUps?: Resolver<Array<ResolversTypes['StepUpChange']>, ParentType, ContextType>;
};

export type StepUpChangeResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['StepUpChange'] = ResolversParentTypes['StepUpChange']> = {
  subject?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  action?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  before?: Resolver<Maybe<ResolversTypes['RequiredProof']>, ParentType, ContextType>;
  after?: Resolver<Maybe<ResolversTypes['RequiredProof']>, ParentType, ContextType>;
};

export type MfaChangeResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['MfaChange'] = ResolversParentTypes['MfaChange']> = {
  role?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  required?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  users?: Resolver<Array<ResolversTypes['ID']>, ParentType, ContextType>;
};

export type AffectedPrincipalResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['AffectedPrincipal'] = ResolversParentTypes['AffectedPrincipal']> = {
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  roles?: Resolver<Array<ResolversTypes['String']>, ParentType, ContextType>;
  liveSessions?: Resolver<Maybe<ResolversTypes['Int']>, ParentType, ContextType>;
};

export type PolicyChangeResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['PolicyChange'] = ResolversParentTypes['PolicyChange']> = {
  effect?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  subject?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  action?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  fields?: Resolver<Array<ResolversTypes['String']>, ParentType, ContextType>;
  principals?: Resolver<Array<ResolversTypes['ID']>, ParentType, ContextType>;
  records?: Resolver<Array<ResolversTypes['ID']>, ParentType, ContextType>;
  except?: Resolver<Array<ResolversTypes['PolicyPair']>, ParentType, ContextType>;
  pairs?: Resolver<Array<ResolversTypes['PolicyPair']>, ParentType, ContextType>;
};

export type PolicyPairResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['PolicyPair'] = ResolversParentTypes['PolicyPair']> = {
  principal?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  record?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
};

export type PermissionsChangedResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['PermissionsChanged'] = ResolversParentTypes['PermissionsChanged']> = {
  rules?: Resolver<ResolversTypes['PackedRules'], ParentType, ContextType>;
  policyVersion?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type PermissionsEventResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['PermissionsEvent'] = ResolversParentTypes['PermissionsEvent']> = {
  __resolveType: TypeResolveFn<'PermissionsChanged' | 'Resync' | 'AccessEnded', ParentType, ContextType>;
};

export type PolicyChangedResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['PolicyChanged'] = ResolversParentTypes['PolicyChanged']> = {
  version?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type PolicyEventResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['PolicyEvent'] = ResolversParentTypes['PolicyEvent']> = {
  __resolveType: TypeResolveFn<'PolicyChanged' | 'Resync' | 'AccessEnded', ParentType, ContextType>;
};

export type AuthorityChangedResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['AuthorityChanged'] = ResolversParentTypes['AuthorityChanged']> = {
  targetType?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  targetId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  kind?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  at?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type RevocationEventResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['RevocationEvent'] = ResolversParentTypes['RevocationEvent']> = {
  __resolveType: TypeResolveFn<'AuthorityChanged' | 'Resync' | 'AccessEnded', ParentType, ContextType>;
};

export type RoleResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Role'] = ResolversParentTypes['Role'], FederationReferenceType extends FederationReferenceTypes['Role'] = FederationReferenceTypes['Role']> = {
  __resolveReference?: ReferenceResolver<Maybe<ResolversTypes['Role']> | FederationReferenceType, FederationReferenceType, ContextType>;
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  name?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  description?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  managed?: Resolver<Maybe<ResolversTypes['Boolean']>, ParentType, ContextType>;
  inherits?: Resolver<Array<ResolversTypes['Role']>, ParentType, ContextType>;
  ancestors?: Resolver<Array<ResolversTypes['Role']>, ParentType, ContextType>;
  descendants?: Resolver<Array<ResolversTypes['Role']>, ParentType, ContextType>;
};

export type GrantResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Grant'] = ResolversParentTypes['Grant']> = {
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  role?: Resolver<Maybe<ResolversTypes['Role']>, ParentType, ContextType>;
  scope?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  expiresAt?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  grantedBy?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  createdAt?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
};

export type RoleConnectionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['RoleConnection'] = ResolversParentTypes['RoleConnection']> = {
  edges?: Resolver<Array<ResolversTypes['RoleEdge']>, ParentType, ContextType>;
  pageInfo?: Resolver<ResolversTypes['PageInfo'], ParentType, ContextType>;
};

export type RoleEdgeResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['RoleEdge'] = ResolversParentTypes['RoleEdge']> = {
  cursor?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  node?: Resolver<ResolversTypes['Role'], ParentType, ContextType>;
};

export type CreateRolePayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['CreateRolePayload'] = ResolversParentTypes['CreateRolePayload']> = {
  role?: Resolver<ResolversTypes['Role'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type UpdateRolePayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['UpdateRolePayload'] = ResolversParentTypes['UpdateRolePayload']> = {
  role?: Resolver<ResolversTypes['Role'], ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type DeleteRolePayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['DeleteRolePayload'] = ResolversParentTypes['DeleteRolePayload']> = {
  role?: Resolver<ResolversTypes['Role'], ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type GrantRolePayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['GrantRolePayload'] = ResolversParentTypes['GrantRolePayload']> = {
  grant?: Resolver<ResolversTypes['Grant'], ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type RevokeRolePayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['RevokeRolePayload'] = ResolversParentTypes['RevokeRolePayload']> = {
  grant?: Resolver<ResolversTypes['Grant'], ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type ScopeResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Scope'] = ResolversParentTypes['Scope'], FederationReferenceType extends FederationReferenceTypes['Scope'] = FederationReferenceTypes['Scope']> = {
  __resolveReference?: ReferenceResolver<Maybe<ResolversTypes['Scope']> | FederationReferenceType, FederationReferenceType, ContextType>;
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  name?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  path?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  parent?: Resolver<Maybe<ResolversTypes['Scope']>, ParentType, ContextType>;
  status?: Resolver<Maybe<ResolversTypes['ScopeStatus']>, ParentType, ContextType>;
  createdAt?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
};

export type ScopeConnectionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ScopeConnection'] = ResolversParentTypes['ScopeConnection']> = {
  edges?: Resolver<Array<ResolversTypes['ScopeEdge']>, ParentType, ContextType>;
  pageInfo?: Resolver<ResolversTypes['PageInfo'], ParentType, ContextType>;
};

export type ScopeEdgeResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ScopeEdge'] = ResolversParentTypes['ScopeEdge']> = {
  cursor?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  node?: Resolver<ResolversTypes['Scope'], ParentType, ContextType>;
};

export type CreateScopePayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['CreateScopePayload'] = ResolversParentTypes['CreateScopePayload']> = {
  scope?: Resolver<ResolversTypes['Scope'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type MoveScopePayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['MoveScopePayload'] = ResolversParentTypes['MoveScopePayload']> = {
  scope?: Resolver<ResolversTypes['Scope'], ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type SuspendScopePayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SuspendScopePayload'] = ResolversParentTypes['SuspendScopePayload']> = {
  scope?: Resolver<ResolversTypes['Scope'], ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type ResumeScopePayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ResumeScopePayload'] = ResolversParentTypes['ResumeScopePayload']> = {
  scope?: Resolver<ResolversTypes['Scope'], ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type DeleteScopePayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['DeleteScopePayload'] = ResolversParentTypes['DeleteScopePayload']> = {
  scope?: Resolver<ResolversTypes['Scope'], ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type MfaRequiredResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['MfaRequired'] = ResolversParentTypes['MfaRequired']> = {
  challengeToken?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  methods?: Resolver<Array<ResolversTypes['MfaMethod']>, ParentType, ContextType>;
  expiresAt?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type BeginTotpEnrollmentPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['BeginTotpEnrollmentPayload'] = ResolversParentTypes['BeginTotpEnrollmentPayload']> = {
  secret?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  uri?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type ConfirmTotpEnrollmentPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ConfirmTotpEnrollmentPayload'] = ResolversParentTypes['ConfirmTotpEnrollmentPayload']> = {
  recoveryCodes?: Resolver<Array<ResolversTypes['String']>, ParentType, ContextType>;
  accessToken?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  refreshToken?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  expiresAt?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  session?: Resolver<ResolversTypes['Session'], ParentType, ContextType>;
  user?: Resolver<ResolversTypes['User'], ParentType, ContextType>;
  csrfToken?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  deviceToken?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type StepUpPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['StepUpPayload'] = ResolversParentTypes['StepUpPayload']> = {
  accessToken?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  refreshToken?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  expiresAt?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  session?: Resolver<ResolversTypes['Session'], ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type DisableTotpPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['DisableTotpPayload'] = ResolversParentTypes['DisableTotpPayload']> = {
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type RegenerateRecoveryCodesPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['RegenerateRecoveryCodesPayload'] = ResolversParentTypes['RegenerateRecoveryCodesPayload']> = {
  recoveryCodes?: Resolver<Array<ResolversTypes['String']>, ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type SecurityEventResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SecurityEvent'] = ResolversParentTypes['SecurityEvent']> = {
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  at?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  kind?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  severity?: Resolver<ResolversTypes['SecuritySeverity'], ParentType, ContextType>;
  userId?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  sessionId?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  subjectId?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  count?: Resolver<Maybe<ResolversTypes['Float']>, ParentType, ContextType>;
  session?: Resolver<Maybe<ResolversTypes['Session']>, ParentType, ContextType>;
  action?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  address?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  device?: Resolver<Maybe<ResolversTypes['Device']>, ParentType, ContextType>;
  scope?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  scopes?: Resolver<Array<ResolversTypes['String']>, ParentType, ContextType>;
};

export type SecurityEventConnectionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SecurityEventConnection'] = ResolversParentTypes['SecurityEventConnection']> = {
  edges?: Resolver<Array<ResolversTypes['SecurityEventEdge']>, ParentType, ContextType>;
  pageInfo?: Resolver<ResolversTypes['PageInfo'], ParentType, ContextType>;
};

export type SecurityEventEdgeResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SecurityEventEdge'] = ResolversParentTypes['SecurityEventEdge']> = {
  cursor?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  node?: Resolver<ResolversTypes['SecurityEvent'], ParentType, ContextType>;
};

export type SecurityEventRaisedResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SecurityEventRaised'] = ResolversParentTypes['SecurityEventRaised']> = {
  securityEvent?: Resolver<ResolversTypes['SecurityEvent'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type SecurityEventFeedResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SecurityEventFeed'] = ResolversParentTypes['SecurityEventFeed']> = {
  __resolveType: TypeResolveFn<'SecurityEventRaised' | 'Resync' | 'AccessEnded', ParentType, ContextType>;
};

export type PrincipalResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Principal'] = ResolversParentTypes['Principal'], FederationReferenceType extends FederationReferenceTypes['Principal'] = FederationReferenceTypes['Principal']> = {
  __resolveType: TypeResolveFn<'User' | 'ApiKey' | 'ServiceAccount', ParentType, ContextType>;
  __resolveReference?: ReferenceResolver<Maybe<ResolversTypes['Principal']> | FederationReferenceType, FederationReferenceType, ContextType>;
};

export type ServiceAccountResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ServiceAccount'] = ResolversParentTypes['ServiceAccount'], FederationReferenceType extends FederationReferenceTypes['ServiceAccount'] = FederationReferenceTypes['ServiceAccount']> = {
  __resolveReference?: ReferenceResolver<Maybe<ResolversTypes['ServiceAccount']> | FederationReferenceType, FederationReferenceType, ContextType>;
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  name?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  status?: Resolver<Maybe<ResolversTypes['ServiceAccountStatus']>, ParentType, ContextType>;
  scope?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  scopes?: Resolver<Maybe<Array<ResolversTypes['String']>>, ParentType, ContextType>;
  suspended?: Resolver<Maybe<ResolversTypes['Boolean']>, ParentType, ContextType>;
  roles?: Resolver<Maybe<Array<ResolversTypes['Role']>>, ParentType, ContextType>;
  grants?: Resolver<Maybe<Array<ResolversTypes['Grant']>>, ParentType, ContextType>;
  createdAt?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type ServiceAccountConnectionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ServiceAccountConnection'] = ResolversParentTypes['ServiceAccountConnection']> = {
  edges?: Resolver<Array<ResolversTypes['ServiceAccountEdge']>, ParentType, ContextType>;
  pageInfo?: Resolver<ResolversTypes['PageInfo'], ParentType, ContextType>;
};

export type ServiceAccountEdgeResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ServiceAccountEdge'] = ResolversParentTypes['ServiceAccountEdge']> = {
  cursor?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  node?: Resolver<ResolversTypes['ServiceAccount'], ParentType, ContextType>;
};

export type CreateServiceAccountPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['CreateServiceAccountPayload'] = ResolversParentTypes['CreateServiceAccountPayload']> = {
  serviceAccount?: Resolver<ResolversTypes['ServiceAccount'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type UpdateServiceAccountPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['UpdateServiceAccountPayload'] = ResolversParentTypes['UpdateServiceAccountPayload']> = {
  serviceAccount?: Resolver<ResolversTypes['ServiceAccount'], ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type DisableServiceAccountPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['DisableServiceAccountPayload'] = ResolversParentTypes['DisableServiceAccountPayload']> = {
  serviceAccount?: Resolver<ResolversTypes['ServiceAccount'], ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type EnableServiceAccountPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['EnableServiceAccountPayload'] = ResolversParentTypes['EnableServiceAccountPayload']> = {
  serviceAccount?: Resolver<ResolversTypes['ServiceAccount'], ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type DeleteServiceAccountPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['DeleteServiceAccountPayload'] = ResolversParentTypes['DeleteServiceAccountPayload']> = {
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type SessionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Session'] = ResolversParentTypes['Session'], FederationReferenceType extends FederationReferenceTypes['Session'] = FederationReferenceTypes['Session']> = {
  __resolveReference?: ReferenceResolver<Maybe<ResolversTypes['Session']> | FederationReferenceType, FederationReferenceType, ContextType>;
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  user?: Resolver<Maybe<ResolversTypes['User']>, ParentType, ContextType>;
  createdAt?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  aal?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  authenticatedAt?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  expiresAt?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  revokedAt?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  revokedReason?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  userAgent?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  address?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  device?: Resolver<ResolversTypes['Device'], ParentType, ContextType>;
  label?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  client?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  lastSeenAt?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  protocols?: Resolver<Array<ResolversTypes['String']>, ParentType, ContextType>;
  scope?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  scopes?: Resolver<Maybe<Array<ResolversTypes['String']>>, ParentType, ContextType>;
  current?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
};

export type DeviceResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Device'] = ResolversParentTypes['Device']> = {
  kind?: Resolver<ResolversTypes['DeviceKind'], ParentType, ContextType>;
  browser?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  os?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
};

export type SessionConnectionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SessionConnection'] = ResolversParentTypes['SessionConnection']> = {
  edges?: Resolver<Array<ResolversTypes['SessionEdge']>, ParentType, ContextType>;
  pageInfo?: Resolver<ResolversTypes['PageInfo'], ParentType, ContextType>;
};

export type SessionEdgeResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SessionEdge'] = ResolversParentTypes['SessionEdge']> = {
  cursor?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  node?: Resolver<ResolversTypes['Session'], ParentType, ContextType>;
};

export type SignedInResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SignedIn'] = ResolversParentTypes['SignedIn']> = {
  accessToken?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  refreshToken?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  csrfToken?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  deviceToken?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  expiresAt?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  session?: Resolver<ResolversTypes['Session'], ParentType, ContextType>;
  user?: Resolver<ResolversTypes['User'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type SignInResultResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SignInResult'] = ResolversParentTypes['SignInResult']> = {
  __resolveType: TypeResolveFn<'SignedIn' | 'MfaRequired', ParentType, ContextType>;
};

export type RevokeSessionPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['RevokeSessionPayload'] = ResolversParentTypes['RevokeSessionPayload']> = {
  session?: Resolver<ResolversTypes['Session'], ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type RevokeSessionsPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['RevokeSessionsPayload'] = ResolversParentTypes['RevokeSessionsPayload']> = {
  sessions?: Resolver<Array<ResolversTypes['Session']>, ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type RevokeMatchingSessionsPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['RevokeMatchingSessionsPayload'] = ResolversParentTypes['RevokeMatchingSessionsPayload']> = {
  sessionIds?: Resolver<Array<ResolversTypes['ID']>, ParentType, ContextType>;
  more?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type RenameSessionPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['RenameSessionPayload'] = ResolversParentTypes['RenameSessionPayload']> = {
  session?: Resolver<ResolversTypes['Session'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type SignOutPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SignOutPayload'] = ResolversParentTypes['SignOutPayload']> = {
  session?: Resolver<ResolversTypes['Session'], ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type RenewConnectionPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['RenewConnectionPayload'] = ResolversParentTypes['RenewConnectionPayload']> = {
  expiresAt?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  expiresIn?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type SessionStartedResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SessionStarted'] = ResolversParentTypes['SessionStarted']> = {
  sessionId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  device?: Resolver<ResolversTypes['Device'], ParentType, ContextType>;
  client?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  at?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type SessionRefreshedResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SessionRefreshed'] = ResolversParentTypes['SessionRefreshed']> = {
  sessionId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  at?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type SessionRevokedResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SessionRevoked'] = ResolversParentTypes['SessionRevoked']> = {
  sessionId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  session?: Resolver<Maybe<ResolversTypes['Session']>, ParentType, ContextType>;
  reason?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  at?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type SessionExpiredResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SessionExpired'] = ResolversParentTypes['SessionExpired']> = {
  sessionId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  reason?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  at?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type SessionEventResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SessionEvent'] = ResolversParentTypes['SessionEvent']> = {
  __resolveType: TypeResolveFn<'SessionStarted' | 'SessionRefreshed' | 'SessionRevoked' | 'SessionExpired' | 'Resync' | 'AccessEnded', ParentType, ContextType>;
};

export type SigningKeyResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SigningKey'] = ResolversParentTypes['SigningKey']> = {
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  state?: Resolver<ResolversTypes['SigningKeyState'], ParentType, ContextType>;
  createdAt?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  signsFrom?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  verifiesUntil?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  revokedAt?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
};

export type RotateSigningKeyPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['RotateSigningKeyPayload'] = ResolversParentTypes['RotateSigningKeyPayload']> = {
  signingKey?: Resolver<ResolversTypes['SigningKey'], ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type RevokeSigningKeyPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['RevokeSigningKeyPayload'] = ResolversParentTypes['RevokeSigningKeyPayload']> = {
  signingKey?: Resolver<ResolversTypes['SigningKey'], ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type SystemHealthResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SystemHealth'] = ResolversParentTypes['SystemHealth']> = {
  status?: Resolver<ResolversTypes['SystemStatus'], ParentType, ContextType>;
  problems?: Resolver<Array<ResolversTypes['HealthProblem']>, ParentType, ContextType>;
  at?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  policyVersion?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  missingMigrations?: Resolver<Array<ResolversTypes['String']>, ParentType, ContextType>;
  backlog?: Resolver<ResolversTypes['Backlog'], ParentType, ContextType>;
  instances?: Resolver<Array<ResolversTypes['InstanceHealth']>, ParentType, ContextType>;
};

export type HealthProblemResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['HealthProblem'] = ResolversParentTypes['HealthProblem']> = {
  name?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  instanceId?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
};

export type BacklogResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Backlog'] = ResolversParentTypes['Backlog']> = {
  events?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  eventsSeconds?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  errands?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  errandsSeconds?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
};

export type InstanceHealthResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['InstanceHealth'] = ResolversParentTypes['InstanceHealth']> = {
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  current?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  state?: Resolver<ResolversTypes['InstanceStatus'], ParentType, ContextType>;
  lastSeenAt?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  lag?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  reportedAt?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  version?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  startedAt?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  notReady?: Resolver<Array<ResolversTypes['String']>, ParentType, ContextType>;
  leaseMarginSeconds?: Resolver<Maybe<ResolversTypes['Float']>, ParentType, ContextType>;
  pool?: Resolver<Maybe<ResolversTypes['ConnectionPool']>, ParentType, ContextType>;
  redis?: Resolver<Maybe<ResolversTypes['RedisStatus']>, ParentType, ContextType>;
  policyVersion?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  policyFilesUsable?: Resolver<Maybe<ResolversTypes['Boolean']>, ParentType, ContextType>;
  outboxLagSeconds?: Resolver<Maybe<ResolversTypes['Float']>, ParentType, ContextType>;
};

export type ConnectionPoolResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ConnectionPool'] = ResolversParentTypes['ConnectionPool']> = {
  connections?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  idle?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  waiting?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  max?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
};

export interface MetadataScalarConfig extends GraphQLScalarTypeConfig<ResolversTypes['Metadata'], any> {
  name: 'Metadata';
}

export type UserConnectionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['UserConnection'] = ResolversParentTypes['UserConnection']> = {
  edges?: Resolver<Array<ResolversTypes['UserEdge']>, ParentType, ContextType>;
  pageInfo?: Resolver<ResolversTypes['PageInfo'], ParentType, ContextType>;
};

export type UserEdgeResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['UserEdge'] = ResolversParentTypes['UserEdge']> = {
  cursor?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  node?: Resolver<ResolversTypes['User'], ParentType, ContextType>;
};

export type CreateUserPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['CreateUserPayload'] = ResolversParentTypes['CreateUserPayload']> = {
  user?: Resolver<ResolversTypes['User'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type UpdateUserPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['UpdateUserPayload'] = ResolversParentTypes['UpdateUserPayload']> = {
  user?: Resolver<ResolversTypes['User'], ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type EnableUserPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['EnableUserPayload'] = ResolversParentTypes['EnableUserPayload']> = {
  user?: Resolver<ResolversTypes['User'], ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type DeleteUserPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['DeleteUserPayload'] = ResolversParentTypes['DeleteUserPayload']> = {
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type DisableUserPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['DisableUserPayload'] = ResolversParentTypes['DisableUserPayload']> = {
  user?: Resolver<ResolversTypes['User'], ParentType, ContextType>;
  receipt?: Resolver<ResolversTypes['Receipt'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type Resolvers<ContextType = OperationContext> = {
  DateTime?: GraphQLScalarType;
  Receipt?: ReceiptResolvers<ContextType>;
  AccessEnded?: AccessEndedResolvers<ContextType>;
  Resync?: ResyncResolvers<ContextType>;
  PageInfo?: PageInfoResolvers<ContextType>;
  Query?: QueryResolvers<ContextType>;
  Mutation?: MutationResolvers<ContextType>;
  Subscription?: SubscriptionResolvers<ContextType>;
  SignUpPayload?: SignUpPayloadResolvers<ContextType>;
  VerifyEmailPayload?: VerifyEmailPayloadResolvers<ContextType>;
  RequestPasswordResetPayload?: RequestPasswordResetPayloadResolvers<ContextType>;
  ResetPasswordPayload?: ResetPasswordPayloadResolvers<ContextType>;
  ChangePasswordPayload?: ChangePasswordPayloadResolvers<ContextType>;
  UnlockUserPayload?: UnlockUserPayloadResolvers<ContextType>;
  User?: UserResolvers<ContextType>;
  UserActivity?: UserActivityResolvers<ContextType>;
  UserActivityBucket?: UserActivityBucketResolvers<ContextType>;
  SeenDevice?: SeenDeviceResolvers<ContextType>;
  SignIn?: SignInResolvers<ContextType>;
  SignInConnection?: SignInConnectionResolvers<ContextType>;
  SignInEdge?: SignInEdgeResolvers<ContextType>;
  SignInSucceeded?: SignInSucceededResolvers<ContextType>;
  SignInFailed?: SignInFailedResolvers<ContextType>;
  AuthEvent?: AuthEventResolvers<ContextType>;
  PermissionAnalytics?: PermissionAnalyticsResolvers<ContextType>;
  DecisionCount?: DecisionCountResolvers<ContextType>;
  DecisionBucket?: DecisionBucketResolvers<ContextType>;
  RisingDenial?: RisingDenialResolvers<ContextType>;
  SessionAnalytics?: SessionAnalyticsResolvers<ContextType>;
  SessionEndCount?: SessionEndCountResolvers<ContextType>;
  SessionDeviceCount?: SessionDeviceCountResolvers<ContextType>;
  SessionProtocolCount?: SessionProtocolCountResolvers<ContextType>;
  SessionLengths?: SessionLengthsResolvers<ContextType>;
  SessionBucket?: SessionBucketResolvers<ContextType>;
  AuthenticationAnalytics?: AuthenticationAnalyticsResolvers<ContextType>;
  AuthenticationCount?: AuthenticationCountResolvers<ContextType>;
  AuthenticationBucket?: AuthenticationBucketResolvers<ContextType>;
  AuthenticationOutcome?: AuthenticationOutcomeResolvers<ContextType>;
  ActivityAnalytics?: ActivityAnalyticsResolvers<ContextType>;
  ActivityBucket?: ActivityBucketResolvers<ContextType>;
  OperationCount?: OperationCountResolvers<ContextType>;
  ApiKey?: ApiKeyResolvers<ContextType>;
  ApiKeyVersion?: ApiKeyVersionResolvers<ContextType>;
  ApiKeyUsage?: ApiKeyUsageResolvers<ContextType>;
  ApiKeyOperationCount?: ApiKeyOperationCountResolvers<ContextType>;
  ApiKeyUsageBucket?: ApiKeyUsageBucketResolvers<ContextType>;
  ApiKeyConnection?: ApiKeyConnectionResolvers<ContextType>;
  ApiKeyEdge?: ApiKeyEdgeResolvers<ContextType>;
  CreateApiKeyPayload?: CreateApiKeyPayloadResolvers<ContextType>;
  UpdateApiKeyPayload?: UpdateApiKeyPayloadResolvers<ContextType>;
  RotateApiKeyPayload?: RotateApiKeyPayloadResolvers<ContextType>;
  RevokeApiKeyPayload?: RevokeApiKeyPayloadResolvers<ContextType>;
  ApiKeyCreated?: ApiKeyCreatedResolvers<ContextType>;
  ApiKeyUpdated?: ApiKeyUpdatedResolvers<ContextType>;
  ApiKeyRotated?: ApiKeyRotatedResolvers<ContextType>;
  ApiKeyRevoked?: ApiKeyRevokedResolvers<ContextType>;
  ApiKeyExpired?: ApiKeyExpiredResolvers<ContextType>;
  ApiKeyEvent?: ApiKeyEventResolvers<ContextType>;
  AuditEntry?: AuditEntryResolvers<ContextType>;
  AuditLogConnection?: AuditLogConnectionResolvers<ContextType>;
  AuditLogEdge?: AuditLogEdgeResolvers<ContextType>;
  ItemRefusal?: ItemRefusalResolvers<ContextType>;
  GrantResult?: GrantResultResolvers<ContextType>;
  UserResult?: UserResultResolvers<ContextType>;
  GrantRolesPayload?: GrantRolesPayloadResolvers<ContextType>;
  RevokeRolesPayload?: RevokeRolesPayloadResolvers<ContextType>;
  DisableUsersPayload?: DisableUsersPayloadResolvers<ContextType>;
  ImportUsersPayload?: ImportUsersPayloadResolvers<ContextType>;
  Permission?: PermissionResolvers<ContextType>;
  PermissionCondition?: PermissionConditionResolvers<ContextType>;
  PermissionSource?: PermissionSourceResolvers<ContextType>;
  Decision?: DecisionResolvers<ContextType>;
  RequiredProof?: RequiredProofResolvers<ContextType>;
  AbilityRules?: AbilityRulesResolvers<ContextType>;
  PackedRules?: GraphQLScalarType;
  Attributes?: GraphQLScalarType;
  AttributeValue?: GraphQLScalarType;
  Policy?: PolicyResolvers<ContextType>;
  PolicyVersion?: PolicyVersionResolvers<ContextType>;
  ApplyPolicyPayload?: ApplyPolicyPayloadResolvers<ContextType>;
  PolicyFile?: PolicyFileResolvers<ContextType>;
  Explanation?: ExplanationResolvers<ContextType>;
  ExplainedRule?: ExplainedRuleResolvers<ContextType>;
  ExplainedCondition?: ExplainedConditionResolvers<ContextType>;
  Need?: NeedResolvers<ContextType>;
  PolicyDiff?: PolicyDiffResolvers<ContextType>;
  StepUpChange?: StepUpChangeResolvers<ContextType>;
  MfaChange?: MfaChangeResolvers<ContextType>;
  AffectedPrincipal?: AffectedPrincipalResolvers<ContextType>;
  PolicyChange?: PolicyChangeResolvers<ContextType>;
  PolicyPair?: PolicyPairResolvers<ContextType>;
  PermissionsChanged?: PermissionsChangedResolvers<ContextType>;
  PermissionsEvent?: PermissionsEventResolvers<ContextType>;
  PolicyChanged?: PolicyChangedResolvers<ContextType>;
  PolicyEvent?: PolicyEventResolvers<ContextType>;
  AuthorityChanged?: AuthorityChangedResolvers<ContextType>;
  RevocationEvent?: RevocationEventResolvers<ContextType>;
  Role?: RoleResolvers<ContextType>;
  Grant?: GrantResolvers<ContextType>;
  RoleConnection?: RoleConnectionResolvers<ContextType>;
  RoleEdge?: RoleEdgeResolvers<ContextType>;
  CreateRolePayload?: CreateRolePayloadResolvers<ContextType>;
  UpdateRolePayload?: UpdateRolePayloadResolvers<ContextType>;
  DeleteRolePayload?: DeleteRolePayloadResolvers<ContextType>;
  GrantRolePayload?: GrantRolePayloadResolvers<ContextType>;
  RevokeRolePayload?: RevokeRolePayloadResolvers<ContextType>;
  Scope?: ScopeResolvers<ContextType>;
  ScopeConnection?: ScopeConnectionResolvers<ContextType>;
  ScopeEdge?: ScopeEdgeResolvers<ContextType>;
  CreateScopePayload?: CreateScopePayloadResolvers<ContextType>;
  MoveScopePayload?: MoveScopePayloadResolvers<ContextType>;
  SuspendScopePayload?: SuspendScopePayloadResolvers<ContextType>;
  ResumeScopePayload?: ResumeScopePayloadResolvers<ContextType>;
  DeleteScopePayload?: DeleteScopePayloadResolvers<ContextType>;
  MfaRequired?: MfaRequiredResolvers<ContextType>;
  BeginTotpEnrollmentPayload?: BeginTotpEnrollmentPayloadResolvers<ContextType>;
  ConfirmTotpEnrollmentPayload?: ConfirmTotpEnrollmentPayloadResolvers<ContextType>;
  StepUpPayload?: StepUpPayloadResolvers<ContextType>;
  DisableTotpPayload?: DisableTotpPayloadResolvers<ContextType>;
  RegenerateRecoveryCodesPayload?: RegenerateRecoveryCodesPayloadResolvers<ContextType>;
  SecurityEvent?: SecurityEventResolvers<ContextType>;
  SecurityEventConnection?: SecurityEventConnectionResolvers<ContextType>;
  SecurityEventEdge?: SecurityEventEdgeResolvers<ContextType>;
  SecurityEventRaised?: SecurityEventRaisedResolvers<ContextType>;
  SecurityEventFeed?: SecurityEventFeedResolvers<ContextType>;
  Principal?: PrincipalResolvers<ContextType>;
  ServiceAccount?: ServiceAccountResolvers<ContextType>;
  ServiceAccountConnection?: ServiceAccountConnectionResolvers<ContextType>;
  ServiceAccountEdge?: ServiceAccountEdgeResolvers<ContextType>;
  CreateServiceAccountPayload?: CreateServiceAccountPayloadResolvers<ContextType>;
  UpdateServiceAccountPayload?: UpdateServiceAccountPayloadResolvers<ContextType>;
  DisableServiceAccountPayload?: DisableServiceAccountPayloadResolvers<ContextType>;
  EnableServiceAccountPayload?: EnableServiceAccountPayloadResolvers<ContextType>;
  DeleteServiceAccountPayload?: DeleteServiceAccountPayloadResolvers<ContextType>;
  Session?: SessionResolvers<ContextType>;
  Device?: DeviceResolvers<ContextType>;
  SessionConnection?: SessionConnectionResolvers<ContextType>;
  SessionEdge?: SessionEdgeResolvers<ContextType>;
  SignedIn?: SignedInResolvers<ContextType>;
  SignInResult?: SignInResultResolvers<ContextType>;
  RevokeSessionPayload?: RevokeSessionPayloadResolvers<ContextType>;
  RevokeSessionsPayload?: RevokeSessionsPayloadResolvers<ContextType>;
  RevokeMatchingSessionsPayload?: RevokeMatchingSessionsPayloadResolvers<ContextType>;
  RenameSessionPayload?: RenameSessionPayloadResolvers<ContextType>;
  SignOutPayload?: SignOutPayloadResolvers<ContextType>;
  RenewConnectionPayload?: RenewConnectionPayloadResolvers<ContextType>;
  SessionStarted?: SessionStartedResolvers<ContextType>;
  SessionRefreshed?: SessionRefreshedResolvers<ContextType>;
  SessionRevoked?: SessionRevokedResolvers<ContextType>;
  SessionExpired?: SessionExpiredResolvers<ContextType>;
  SessionEvent?: SessionEventResolvers<ContextType>;
  SigningKey?: SigningKeyResolvers<ContextType>;
  RotateSigningKeyPayload?: RotateSigningKeyPayloadResolvers<ContextType>;
  RevokeSigningKeyPayload?: RevokeSigningKeyPayloadResolvers<ContextType>;
  SystemHealth?: SystemHealthResolvers<ContextType>;
  HealthProblem?: HealthProblemResolvers<ContextType>;
  Backlog?: BacklogResolvers<ContextType>;
  InstanceHealth?: InstanceHealthResolvers<ContextType>;
  ConnectionPool?: ConnectionPoolResolvers<ContextType>;
  Metadata?: GraphQLScalarType;
  UserConnection?: UserConnectionResolvers<ContextType>;
  UserEdge?: UserEdgeResolvers<ContextType>;
  CreateUserPayload?: CreateUserPayloadResolvers<ContextType>;
  UpdateUserPayload?: UpdateUserPayloadResolvers<ContextType>;
  EnableUserPayload?: EnableUserPayloadResolvers<ContextType>;
  DeleteUserPayload?: DeleteUserPayloadResolvers<ContextType>;
  DisableUserPayload?: DisableUserPayloadResolvers<ContextType>;
};


import type { PermissionAnalytics } from '../../domain/analytics/permission-analytics.ts';
import type { AuthenticationAnalytics } from '../../domain/analytics/authentication-analytics.ts';
import type { OperationCounts } from '../../domain/analytics/operation-counts.ts';
import type { Rollups } from '../../domain/analytics/rollups.ts';
import type { ApiKeys } from '../../domain/api-keys/api-keys.ts';
import type { KeyStates } from '../../domain/api-keys/key-states.ts';
import type { KeyEnder } from '../../domain/api-keys/key-ender.ts';
import type { KeyUsage } from '../../domain/api-keys/key-usage.ts';
import type { KeyUses } from '../../domain/api-keys/key-uses.ts';
import type { AuditChainer } from '../../domain/audit/chainer.ts';
import type { AuditHeads } from '../../domain/audit/heads.ts';
import type { AuditRetention } from '../../domain/audit/retention.ts';
import type { Denials } from '../../domain/audit/denials.ts';
import type { AuditLog } from '../../domain/audit-log/audit-log.ts';
import type { LiveOperations } from '../../domain/authority/live.ts';
import type { Vouching } from '../../domain/authority/vouching.ts';
import type { Tail } from '../../domain/authority/tail.ts';
import type { AddressLimit } from '../../domain/authentication/address-limit.ts';
import type { Authentication } from '../../domain/authentication/authentication.ts';
import type { Refreshes } from '../../domain/authentication/refreshes.ts';
import type { Gateways } from '../../domain/authentication/gateways.ts';
import type { Enrollments } from '../../domain/authentication/enrollments.ts';
import type { Identification } from '../../domain/authentication/identification.ts';
import type { Introspection } from '../../domain/authentication/introspection.ts';
import type { Origin } from '../../domain/authentication/origin.ts';
import type { PasswordChanges } from '../../domain/authentication/password-changes.ts';
import type { PolicyFeeds } from '../../domain/authentication/policy-feeds.ts';
import type { SecondFactors } from '../../domain/authentication/second-factors.ts';
import type { Takeovers } from '../../domain/authentication/takeovers.ts';
import type { Attempts } from '../../domain/security/attempts.ts';
import type { Detectors } from '../../domain/security/detectors.ts';
import type { Travels } from '../../domain/security/travels.ts';
import type { SecurityEvents } from '../../domain/security/security-events.ts';
import type { Health } from '../../domain/health/health.ts';
import type { SystemHealth } from '../../domain/health/system-health.ts';
import type { StepUps } from '../../domain/authentication/step-ups.ts';
import type { Allowance, OperationLimits } from '../../domain/limits/operation-limits.ts';
import type { UserActivity } from '../../domain/authentication/user-activity.ts';
import type { Drainer } from '../../domain/outbox/drainer.ts';
import type { EventFeeds } from '../../domain/outbox/event-feeds.ts';
import type { Unlocking } from '../../domain/authentication/unlocking.ts';
import type { Policies } from '../../domain/policy/policies.ts';
import type { Policy } from '../../domain/policy/policy.ts';
import type { Standings } from '../../domain/policy/standings.ts';
import { held, type Principal, type UserPrincipal } from '../../domain/principals/principal.ts';
import type { CustomRoles } from '../../domain/roles/custom-roles.ts';
import type { EffectivePermissions } from '../../domain/roles/effective-permissions.ts';
import type { Grants } from '../../domain/roles/grants.ts';
import type { PolicyChanges } from '../../domain/roles/policy-changes.ts';
import type { PolicyFiles } from '../../domain/roles/policy-files.ts';
import type { Roles } from '../../domain/roles/roles.ts';
import type { UserImports } from '../../domain/roles/user-imports.ts';
import type { Scopes } from '../../domain/scopes/scopes.ts';
import type { Shipper } from '../../domain/shipping.ts';
import type { Revocations } from '../../domain/service-accounts/revocations.ts';
import type { ServiceAccounts } from '../../domain/service-accounts/service-accounts.ts';
import type { Activity, Protocol } from '../../domain/sessions/activity.ts';
import type { Cleaner } from '../../domain/sessions/cleaner.ts';
import type { SessionAnalytics } from '../../domain/sessions/session-analytics.ts';
import type { SessionEnder } from '../../domain/sessions/session-ender.ts';
import type { SessionStates } from '../../domain/sessions/session-states.ts';
import type { Sessions } from '../../domain/sessions/sessions.ts';
import type { CsrfTokens } from '../../domain/tokens/csrf-tokens.ts';
import type { RefreshTokens } from '../../domain/tokens/refresh-tokens.ts';
import type { SigningKeys } from '../../domain/tokens/signing-keys.ts';
import type { ActivityAnalytics } from '../../domain/authentication/activity-analytics.ts';
import type { SignUps } from '../../domain/users/sign-ups.ts';
import type { UserChanges } from '../../domain/users/user-changes.ts';
import type { Users } from '../../domain/users/users.ts';
import type { UncountedUses } from '../../domain/usage/uncounted-uses.ts';
import type { UsageFlusher } from '../../domain/usage/usage-flusher.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Limits } from '../../kit/limits.ts';
import type { LoadShedder } from '../../kit/load-shedder.ts';
import type { Log } from '../../kit/log.ts';
import { tracing } from '../../kit/tracing.ts';
import { Undertaking } from '../../kit/undertaking.ts';
import type { SessionCookies } from '../http/session-cookies.ts';
import type { TrustedProxies } from '../http/request-origin.ts';
import { operationLabel } from '../../domain/usage/usage.ts';
import { noteRefusedOperation } from './attempts.ts';
import { createLoaders, type Loaders } from './loaders.ts';
import type { OperationFigure } from './operation-figures.ts';
import { noteRefused } from './signals.ts';
import type { Unproven } from './places.ts';

/** What resolvers may call. */
export interface Services {
  readonly users: Users;
  readonly userChanges: UserChanges;
  readonly signUps: SignUps;
  readonly passwordChanges: PasswordChanges;
  readonly unlocking: Unlocking;
  /** How often one network asks for accounts and passwords. */
  readonly accountRequests: AddressLimit;
  readonly operationLimits: OperationLimits;
  readonly loadShedder: LoadShedder;
  readonly serviceAccounts: ServiceAccounts;
  readonly apiKeys: ApiKeys;
  readonly keyUses: KeyUses;
  readonly keyStates: KeyStates;
  readonly keyUsage: KeyUsage;
  readonly usageFlusher: UsageFlusher;
  readonly uncountedUses: UncountedUses;
  readonly scopes: Scopes;
  readonly roles: Roles;
  readonly customRoles: CustomRoles;
  readonly grants: Grants;
  readonly effectivePermissions: EffectivePermissions;
  readonly userImports: UserImports;
  readonly userActivity: UserActivity;
  readonly sessions: Sessions;
  readonly sessionStates: SessionStates;
  readonly activity: Activity;
  readonly cleaner: Cleaner;
  readonly authentication: Authentication;
  readonly refreshes: Refreshes;
  readonly identification: Identification;
  readonly gateways: Gateways;
  readonly introspection: Introspection;
  readonly secondFactors: SecondFactors;
  readonly enrollments: Enrollments;
  readonly stepUps: StepUps;
  readonly takeovers: Takeovers;
  readonly detectors: Detectors;
  readonly attempts: Attempts;
  readonly travels: Travels;
  readonly shippers: readonly Shipper[];
  readonly securityEvents: SecurityEvents;
  readonly health: Health;
  readonly systemHealth: SystemHealth;
  readonly refreshTokens: RefreshTokens;
  readonly csrfTokens: CsrfTokens;
  readonly signingKeys: SigningKeys;
  readonly policy: Policy;
  readonly policies: Policies;
  readonly policyChanges: PolicyChanges;
  readonly policyFiles: PolicyFiles;
  readonly permissionAnalytics: PermissionAnalytics;
  readonly sessionAnalytics: SessionAnalytics;
  readonly authenticationAnalytics: AuthenticationAnalytics;
  readonly activityAnalytics: ActivityAnalytics;
  readonly operationCounts: OperationCounts;
  readonly sessionEnder: SessionEnder;
  readonly denials: Denials;
  readonly auditLog: AuditLog;
  readonly auditChainer: AuditChainer;
  readonly auditHeads: AuditHeads;
  readonly auditRetention: AuditRetention;
  readonly keyEnder: KeyEnder;
  readonly drainer: Drainer;
  readonly eventFeeds: EventFeeds;
  readonly policyFeeds: PolicyFeeds;
  readonly revocations: Revocations;
  readonly rollups: Rollups;
  readonly standings: Standings;
  readonly proxies: TrustedProxies;
  readonly tail: Tail;
  readonly live: LiveOperations;
  readonly vouching: Vouching;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly logger: Log;
}

/** A connection whose operations outlive a token. */
export interface Renewable {
  /**
   * Goes on with a fresh access token, as do the subscriptions of its session. Refuses, and changes nothing, when the token
   * does not hold or is of another session than `by`.
   */
  renew(by: Principal, token: string): Promise<UserPrincipal>;
}

/** What a request says of its operation, before anybody has read it. */
export interface AskedOperation {
  readonly operationName?: unknown;
  readonly query?: unknown;
}

/** What only some doors have. */
export interface Door {
  /** How it came in; over HTTP unless it is said otherwise. */
  readonly protocol?: Protocol;
  readonly cookies?: SessionCookies;
  readonly connection?: Renewable;
  /** Whether cookies keep the tokens of the session, and this door sets none. */
  readonly cookiesElsewhere?: boolean;
  /** Whether a gateway asks that Castellan trusts. */
  readonly byGateway?: boolean;
  /** What the session must prove before it does anything else, or null. */
  readonly unproven?: Unproven | null;
}

/** One operation: who acts, from where, and the services. The same for every protocol. */
export class OperationContext {
  by: Principal;
  readonly from: Origin;
  readonly services: Services;
  readonly cookies: SessionCookies | null;
  readonly connection: Renewable | null;
  readonly cookiesElsewhere: boolean;
  readonly byGateway: boolean;
  readonly unproven: Unproven | null;
  readonly protocol: Protocol;
  readonly undertaking: Undertaking;
  /** What it says it is; null until it is admitted. */
  asked: AskedOperation | null = null;
  /** The subscription this operation runs, once it does. */
  running: { readonly ended: boolean; renew(by: UserPrincipal): void; withheld(): void } | null = null;
  /** Sends what an event comes to in this very step; false where that cannot be. Null where the door sends none so. */
  tellNow: ((event: object) => boolean) | null = null;
  /** What it is counted with, as soon as it is known what it asks for. */
  figure: OperationFigure | null = null;
  /** Whether it became an operation that was answered, shared with copies. */
  readonly outcome = { told: false };
  /** What its lists came to beyond what they were taken for, in records. */
  beyond = 0;
  private readonly begunMs: number;
  /** How it was counted; null where nothing is to be counted any more. */
  allowance: Allowance | null = null;
  // No #private field: Apollo Server hands resolvers a copy of its context, and copies have none.
  private loadersOnce: Loaders | null = null;

  constructor(services: Services, by: Principal, from: Origin, door: Door = {}) {
    this.services = services;
    this.by = by;
    this.from = from;
    this.cookies = door.cookies ?? null;
    this.connection = door.connection ?? null;
    this.cookiesElsewhere = door.cookiesElsewhere ?? false;
    this.byGateway = door.byGateway ?? false;
    this.unproven = door.unproven ?? null;
    this.protocol = door.protocol ?? 'http';
    this.undertaking = new Undertaking({
      protocol: this.protocol,
      address: from.address,
      operation: () => labelOf(this.asked),
    });
    this.begunMs = services.clock.monotonicMs();
  }

  /** It is known what it asks for. */
  asks(figure: OperationFigure): void {
    this.figure = figure;
    if (tracing.on) tracing.found(`graphql ${figure.kind} ${figure.field}`, { 'graphql.operation.type': figure.kind });
  }

  /**
   * Its answer is there; for a subscription, it runs.
   * @param code of the first error
   */
  answered(code: string | null): void {
    const { figure, services } = this;
    if (figure === null) return;
    this.outcome.told = true;
    figure.answered(services.clock.monotonicMs() - this.begunMs, code);
    services.operationCounts.count(figure, code !== null);
    if (code !== null) {
      noteRefused(this, figure, code);
      noteRefusedOperation(this, figure.kind, code);
    }
    if (tracing.on && code !== null) tracing.found(null, { 'castellan.code': code });
  }

  /** Its answer had errors: it is counted as one that failed, once. */
  failed(): void {
    this.services.operationLimits.failed(this.allowance);
    this.allowance = null;
  }

  /** Who signs in goes on as who they are: the rest of the operation is theirs. */
  become(by: Principal): void {
    this.by = by;
    this.loadersOnce = null;
    this.beyond = 0;
  }

  /** The subscription goes on with a fresh credential of the same session. */
  renew(by: UserPrincipal): void {
    const going = held(by);
    this.become(going);
    this.running?.renew(going);
  }

  get users(): Users {
    return this.services.users;
  }

  get scopes(): Scopes {
    return this.services.scopes;
  }

  get roles(): Roles {
    return this.services.roles;
  }

  get sessions(): Sessions {
    return this.services.sessions;
  }

  get authentication(): Authentication {
    return this.services.authentication;
  }

  get refreshes(): Refreshes {
    return this.services.refreshes;
  }

  get policies(): Policies {
    return this.services.policies;
  }

  get policy(): Policy {
    return this.services.policy;
  }

  /** Made when first asked for: most operations load nothing. They live as long as this operation. */
  get loaders(): Loaders {
    this.loadersOnce ??= createLoaders(this.by, this.services);
    return this.loadersOnce;
  }
}

function labelOf(asked: AskedOperation | null): string | null {
  if (typeof asked?.query !== 'string') return null;
  return operationLabel(typeof asked.operationName === 'string' ? asked.operationName : null, asked.query);
}

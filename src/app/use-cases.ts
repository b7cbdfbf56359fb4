import { startAccounts } from '../app/accounts.ts';
import { startAudit } from '../app/audit.ts';
import type { AuthorityParts } from '../app/authority.ts';
import type { Foundation } from '../app/foundation.ts';
import { startPolicies } from '../app/policies.ts';
import { startShipping } from '../app/shipping.ts';
import { startSigningIn } from '../app/signing-in.ts';
import { startUsage } from '../app/usage.ts';
import { VERSION } from '../app/version.ts';
import { AuthenticationAnalytics } from '../domain/analytics/authentication-analytics.ts';
import { OperationCounts } from '../domain/analytics/operation-counts.ts';
import { PermissionAnalytics } from '../domain/analytics/permission-analytics.ts';
import { ApiKeys } from '../domain/api-keys/api-keys.ts';
import { KeyEnder } from '../domain/api-keys/key-ender.ts';
import { AuditLog } from '../domain/audit-log/audit-log.ts';
import { Denials } from '../domain/audit/denials.ts';
import { ActivityAnalytics } from '../domain/authentication/activity-analytics.ts';
import { AddressLimit } from '../domain/authentication/address-limit.ts';
import { Gateways } from '../domain/authentication/gateways.ts';
import { Introspection } from '../domain/authentication/introspection.ts';
import { PolicyFeeds } from '../domain/authentication/policy-feeds.ts';
import { Unlocking } from '../domain/authentication/unlocking.ts';
import { UserActivity } from '../domain/authentication/user-activity.ts';
import { Health } from '../domain/health/health.ts';
import { SystemHealth } from '../domain/health/system-health.ts';
import { CustomRoles } from '../domain/roles/custom-roles.ts';
import { EffectivePermissions } from '../domain/roles/effective-permissions.ts';
import { Grants } from '../domain/roles/grants.ts';
import { Roles } from '../domain/roles/roles.ts';
import { Scopes } from '../domain/scopes/scopes.ts';
import { SecurityEvents } from '../domain/security/security-events.ts';
import { Revocations } from '../domain/service-accounts/revocations.ts';
import { ServiceAccounts } from '../domain/service-accounts/service-accounts.ts';
import { Cleaner } from '../domain/sessions/cleaner.ts';
import { SessionAnalytics } from '../domain/sessions/session-analytics.ts';
import { SessionEnder } from '../domain/sessions/session-ender.ts';
import { Sessions } from '../domain/sessions/sessions.ts';
import { CsrfTokens } from '../domain/tokens/csrf-tokens.ts';
import { SigningKeys } from '../domain/tokens/signing-keys.ts';
import { Errands } from '../domain/users/errands.ts';
import { Notices } from '../domain/users/notices.ts';
import { poolFigures } from '../drivers/postgres/pool-gauges.ts';
import { endIdleThreads } from '../kit/argon2.ts';
import { LoadShedder } from '../kit/load-shedder.ts';

/** Everything that can be asked of the house, with the policy of its files in force. */
export async function createUseCases(foundation: Foundation, parts: AuthorityParts) {
  const { config, store, keys, rollups, reports, redisState, database, clock, logger, metrics, cleanup } = foundation;
  const { authority, tail, engines, sessionStates, keyStates, standings, live, vouching } = parts;
  const { drainer, eventFeeds, revocationFeed, keyRing, identification, keyIdentification, auditChainer } = parts;
  cleanup.add('the threads that hash', endIdleThreads);
  const policies = await startPolicies(foundation, parts);
  const { policy } = policies;

  await eventFeeds.start();
  cleanup.add('the feeds of events', () => eventFeeds.stop());
  cleanup.start('the drainer of the outbox', drainer.rounds);
  // Stopped after the chain: what is chained last may still be sent.
  const shippers = startShipping(foundation);
  const audit = await startAudit(foundation, auditChainer);
  // All that writes entries comes from here on: it is stopped before the chain.
  const denials = new Denials({ store, clock, logger });
  cleanup.start('what was denied', denials.rounds);
  metrics.counter('audit_denials_folded_total', 'Denials that are told as one with others.', () => denials.folded);
  const cleaner = new Cleaner({ store, settings: config, clock, logger });
  cleanup.start('the cleaner', cleaner.rounds);
  const ended = (): void => drainer.soon();
  const sessionEnder = new SessionEnder({ store, profiles: config.sessionProfiles, clock, logger, ended });
  cleanup.start('the look for sessions that have ended', sessionEnder.rounds);
  const keyEnder = new KeyEnder({ store, clock, logger, ended });
  cleanup.start('the look for API keys that have expired', keyEnder.rounds);

  const sessions = new Sessions({ store, authority, policy, clock });
  const errands = new Errands({ store, keys, clock, logger });
  const notices = new Notices({ errands, settings: config });
  const { guard, services: signingIn } = startSigningIn(foundation, parts, { sessions, notices });
  const accounts = startAccounts(foundation, parts, { policy, errands, notices, sessions, guard });
  const usage = startUsage(foundation, parts, policy);
  const health = new Health({
    version: VERSION,
    reports,
    tail,
    engines,
    drainer,
    pool: () => poolFigures(database),
    redis: redisState,
    policyFilesUsable: () => policies.policyFiles.usable,
    clock,
    logger,
  });
  await health.start();
  cleanup.add('the reports of how it is', () => health.stop());

  return {
    ...accounts,
    ...signingIn,
    ...policies,
    ...usage,
    ...audit,
    errands,
    sessions,
    sessionStates,
    sessionEnder,
    cleaner,
    identification,
    unlocking: new Unlocking({ authority, policy, guard }),
    accountRequests: new AddressLimit(config.accountRequestsPerAddress, clock),
    csrfTokens: new CsrfTokens(keys),
    signingKeys: new SigningKeys({ store, authority, policy, keyRing, settings: config, clock }),
    serviceAccounts: new ServiceAccounts({ store, authority, policy, clock }),
    apiKeys: new ApiKeys({ store, authority, policy, keys, environment: config.production ? 'live' : 'dev', clock }),
    keyStates,
    keyEnder,
    gateways: new Gateways({ apiKeys: keyIdentification, policy }),
    introspection: new Introspection({ ...signingIn, identification, apiKeys: keyIdentification, standings, policy }),
    scopes: new Scopes({ store, authority, policy, clock }),
    roles: new Roles({ store, policy }),
    customRoles: new CustomRoles({ authority, policy, clock }),
    grants: new Grants({ store, authority, policy, clock }),
    effectivePermissions: new EffectivePermissions({ store, standings, engines }),
    standings,
    denials,
    auditLog: new AuditLog({ store, policy }),
    securityEvents: new SecurityEvents({ store, policy }),
    shippers,
    drainer,
    eventFeeds,
    policyFeeds: new PolicyFeeds({ feeds: eventFeeds, policy }),
    revocations: new Revocations({ feed: revocationFeed, policy }),
    permissionAnalytics: new PermissionAnalytics({ rollups, store, engines, policy }),
    sessionAnalytics: new SessionAnalytics({ store, drainer, policy, clock }),
    authenticationAnalytics: new AuthenticationAnalytics({ rollups, store, policy }),
    activityAnalytics: new ActivityAnalytics({ store, drainer, rollups, policy }),
    userActivity: new UserActivity({ store, drainer, users: accounts.users, policy, clock }),
    operationCounts: new OperationCounts(rollups),
    rollups,
    health,
    systemHealth: new SystemHealth({ reports, tail, policy }),
    loadShedder: new LoadShedder(clock, config.limits.load),
    limits: config.limits,
    tail,
    live,
    vouching,
    clock,
    logger,
  };
}

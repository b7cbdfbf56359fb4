import { TrustedProxies } from '../api/http/request-origin.ts';
import type { AuthorityParts } from '../app/authority.ts';
import { startAudit } from '../app/audit.ts';
import { startShipping } from '../app/shipping.ts';
import type { Foundation } from '../app/foundation.ts';
import { AuditLog } from '../domain/audit-log/audit-log.ts';
import { Denials } from '../domain/audit/denials.ts';
import { VERSION } from '../app/version.ts';
import { ConfigError } from '../config.ts';
import { DecisionCounts } from '../domain/analytics/decision-counts.ts';
import { AuthenticationAnalytics } from '../domain/analytics/authentication-analytics.ts';
import { OperationCounts } from '../domain/analytics/operation-counts.ts';
import { ActivityAnalytics } from '../domain/authentication/activity-analytics.ts';
import { PermissionAnalytics } from '../domain/analytics/permission-analytics.ts';
import { AddressLimit } from '../domain/authentication/address-limit.ts';
import { Authentication } from '../domain/authentication/authentication.ts';
import { DeviceTokens } from '../domain/authentication/device-tokens.ts';
import { Enrollments } from '../domain/authentication/enrollments.ts';
import { PasswordChanges } from '../domain/authentication/password-changes.ts';
import { PolicyFeeds } from '../domain/authentication/policy-feeds.ts';
import { SecondFactors } from '../domain/authentication/second-factors.ts';
import { SessionProofs } from '../domain/authentication/session-proofs.ts';
import { SignInGuard } from '../domain/authentication/sign-in-guard.ts';
import { Takeovers } from '../domain/authentication/takeovers.ts';
import { SignInSignals } from '../domain/authentication/sign-in-signals.ts';
import { Attempts } from '../domain/security/attempts.ts';
import { Detectors } from '../domain/security/detectors.ts';
import { Travels } from '../domain/security/travels.ts';
import { SecurityEvents } from '../domain/security/security-events.ts';
import { Refreshes } from '../domain/authentication/refreshes.ts';
import { StepUps } from '../domain/authentication/step-ups.ts';
import { SuccessorEraser } from '../domain/authentication/successor-eraser.ts';
import { Unlocking } from '../domain/authentication/unlocking.ts';
import { Health } from '../domain/health/health.ts';
import { SystemHealth } from '../domain/health/system-health.ts';
import { InstanceShare } from '../domain/limits/instance-share.ts';
import { LimitsWithFallback } from '../domain/limits/limits-with-fallback.ts';
import { UncountedUses } from '../domain/usage/uncounted-uses.ts';
import { UsageFlusher } from '../domain/usage/usage-flusher.ts';
import { OperationLimits } from '../domain/limits/operation-limits.ts';
import type { Bundle } from '../domain/policy/bundle.ts';
import { powerfulWithoutMfa } from '../domain/policy/second-factors.ts';
import { Policies } from '../domain/policy/policies.ts';
import { Policy } from '../domain/policy/policy.ts';
import { previews } from '../domain/policy/preview.ts';
import { CustomRoles } from '../domain/roles/custom-roles.ts';
import { refusedForEverybody } from '../domain/roles/everybody.ts';
import { EffectivePermissions } from '../domain/roles/effective-permissions.ts';
import { Grants } from '../domain/roles/grants.ts';
import { PolicyChanges } from '../domain/roles/policy-changes.ts';
import { PolicyFiles } from '../domain/roles/policy-files.ts';
import { UserActivity } from '../domain/authentication/user-activity.ts';
import { UserImports } from '../domain/roles/user-imports.ts';
import { Roles } from '../domain/roles/roles.ts';
import { Scopes } from '../domain/scopes/scopes.ts';
import { Activity } from '../domain/sessions/activity.ts';
import { ApiKeys } from '../domain/api-keys/api-keys.ts';
import { KeyEnder } from '../domain/api-keys/key-ender.ts';
import { KeyUsage } from '../domain/api-keys/key-usage.ts';
import { KeyUses } from '../domain/api-keys/key-uses.ts';
import { Gateways } from '../domain/authentication/gateways.ts';
import { Introspection } from '../domain/authentication/introspection.ts';
import { Revocations } from '../domain/service-accounts/revocations.ts';
import { ServiceAccounts } from '../domain/service-accounts/service-accounts.ts';
import { Cleaner } from '../domain/sessions/cleaner.ts';
import { SessionAnalytics } from '../domain/sessions/session-analytics.ts';
import { SessionEnder } from '../domain/sessions/session-ender.ts';
import { Sessions } from '../domain/sessions/sessions.ts';
import { CsrfTokens } from '../domain/tokens/csrf-tokens.ts';
import { RefreshTokens } from '../domain/tokens/refresh-tokens.ts';
import { SigningKeys } from '../domain/tokens/signing-keys.ts';
import { AccountTokens } from '../domain/users/account-tokens.ts';
import { BreachedPasswords } from '../domain/users/breached-passwords.ts';
import { NewPasswords } from '../domain/users/new-passwords.ts';
import { Errands } from '../domain/users/errands.ts';
import { Notices } from '../domain/users/notices.ts';
import { SignUps } from '../domain/users/sign-ups.ts';
import { UserChanges } from '../domain/users/user-changes.ts';
import { Users } from '../domain/users/users.ts';
import { endIdleThreads } from '../kit/argon2.ts';
import type { Log } from '../kit/log.ts';
import { LoadShedder } from '../kit/load-shedder.ts';
import { openPasswordRanges } from '../drivers/http/password-ranges.ts';
import { poolFigures } from '../drivers/postgres/pool-gauges.ts';

/** Everything that can be asked of the house, with the policy of its files in force. */
export async function createUseCases(foundation: Foundation, parts: AuthorityParts) {
  const {
    config,
    clock,
    logger,
    metrics,
    cleanup,
    keys,
    store,
    database,
    reports,
    redisState,
    rateLimits,
    usage,
    rollups,
    openMailer,
    locate,
    folder,
    readPolicies,
  } = foundation;
  const { authority, tail, engines, sessionStates, standings, live, vouching, drainer, eventFeeds, keyRing } = parts;
  const { keyStates, accessTokens, identification, keyIdentification, auditChainer, revocationFeed } = parts;
  cleanup.add('the threads that hash', endIdleThreads);
  cleanup.add('the thread of previews', () => previews.rest());
  const policy = new Policy(new DecisionCounts(rollups), clock);
  const policies = new Policies({
    bundles: store.bundles,
    population: store.population,
    engines,
    standings,
    policy,
  });
  const errands = new Errands({ store, keys, clock, logger });
  const notices = new Notices({ errands, settings: config });
  const { breachedPasswordsUrl } = config;
  const ranges = breachedPasswordsUrl === null ? null : openPasswordRanges({ url: breachedPasswordsUrl });
  const breached = new BreachedPasswords({ ranges, clock, logger });
  metrics.counter(
    'breached_passwords_unanswered_total',
    'New passwords of which nobody said whether they are in breaches.',
    () => breached.unanswered,
  );
  const newPasswords = new NewPasswords({ breached, settings: config });
  const users = new Users({ store, authority, policy, standings, newPasswords, settings: config, clock });
  const userChanges = new UserChanges({ authority, policy, notices, clock });
  const serviceAccounts = new ServiceAccounts({ store, authority, policy, clock });
  const environment = config.production ? 'live' : 'dev';
  const apiKeys = new ApiKeys({ store, authority, policy, keys, environment, clock });
  const scopes = new Scopes({ store, authority, policy, clock });
  const roles = new Roles({ store, policy });
  const customRoles = new CustomRoles({ authority, policy, clock });
  const grants = new Grants({ store, authority, policy, clock });
  const sessions = new Sessions({ store, authority, policy, clock });
  const activity = new Activity({ store, clock, logger });
  cleanup.start('what is known of activity', activity.rounds);
  const keyUses = new KeyUses({ store, clock, logger });
  cleanup.start('what is known of the use of keys', keyUses.rounds);
  const cleaner = new Cleaner({ store, settings: config, clock, logger });
  cleanup.start('the cleaner', cleaner.rounds);
  const sessionEnder = new SessionEnder({
    store,
    profiles: config.sessionProfiles,
    clock,
    logger,
    ended: () => drainer.soon(),
  });
  cleanup.start('the look for sessions that have ended', sessionEnder.rounds);
  const keyEnder = new KeyEnder({ store, clock, logger, ended: () => drainer.soon() });
  cleanup.start('the look for API keys that have expired', keyEnder.rounds);
  await eventFeeds.start();
  cleanup.add('the feeds of events', () => eventFeeds.stop());
  cleanup.start('the drainer of the outbox', drainer.rounds);
  // Stopped after the chain: what is chained last may still be sent.
  const shippers = startShipping(foundation);
  const audit = await startAudit(foundation, auditChainer);
  const denials = new Denials({ store, clock, logger });
  cleanup.start('what was denied', denials.rounds);
  metrics.counter('audit_denials_folded_total', 'Denials that are told as one with others.', () => denials.folded);
  const signingKeys = new SigningKeys({ store, authority, policy, keyRing, settings: config, clock });
  const refreshTokens = new RefreshTokens(keys);
  const proxies = new TrustedProxies(config.trustedProxies);
  const isProxy = (address: string): boolean => proxies.has(address);
  const takeovers = new Takeovers({ authority, settings: config, isProxy, clock, logger });
  const proofs = new SessionProofs({ accessTokens, refreshTokens, takeovers, settings: config, clock });
  const secondFactors = new SecondFactors({
    store,
    authority,
    sessions,
    proofs,
    keys,
    notices,
    settings: config,
    clock,
  });
  const enrollments = new Enrollments({ authority, sessions, proofs, keys, notices, settings: config, clock });
  const deviceTokens = new DeviceTokens(keys, clock);
  const detectors = new Detectors({ store, thresholds: config.securityThresholds, clock, logger });
  cleanup.start('the detectors', detectors.rounds);
  const guard = new SignInGuard({ store, keys, deviceTokens, detectors, settings: config, clock });
  const attempts = new Attempts({ clock, logger });
  cleanup.start('what was attempted', attempts.rounds);
  metrics.counter('attempts_folded_total', 'Attempts that are logged as one with others.', () => attempts.folded);
  const travels = new Travels({ store, locate, isProxy, thresholds: config.securityThresholds, clock, logger });
  cleanup.start('where users were', travels.rounds);
  const signals = new SignInSignals({ detectors, guard, keys });
  const continuing = {
    store,
    authority,
    standings,
    sessionStates,
    accessTokens,
    refreshTokens,
    settings: config,
    clock,
  };
  const refreshes = new Refreshes({ ...continuing, identification, takeovers });
  const authentication = new Authentication({
    ...continuing,
    secondFactors,
    enrollments,
    guard,
    deviceTokens,
    notices,
    signals,
  });
  const stepUps = new StepUps({ store, authority, guard, secondFactors, proofs, settings: config, clock });
  const tokens = new AccountTokens(keys);
  const accounts = { store, authority, errands, notices, tokens, newPasswords, settings: config, clock };
  const signUps = new SignUps({ ...accounts, users });
  const passwordChanges = new PasswordChanges({ ...accounts, sessions, guard });
  const mailer = openMailer();
  cleanup.add('the mailer', () => mailer.close());
  errands.start({
    mail: (mail) => mailer.send(mail),
    signUp: (signUp, id) => signUps.carryOut(signUp, id),
    passwordReset: (reset, id) => passwordChanges.carryOut(reset, id),
  });
  cleanup.add('the errands', () => errands.stop());
  const eraser = new SuccessorEraser({ store, settings: config, clock, logger });
  cleanup.start('the eraser of successors', eraser.rounds);

  const changing = { bundles: store.bundles, authority, engines, clock };
  const policyChanges = new PolicyChanges({ ...changing, policy, settings: config });
  const policyFiles = new PolicyFiles({
    ...changing,
    source: readPolicies,
    changes: policyChanges,
    logger,
  });
  const { bundle } = await engines.load(await policyFiles.adopt(folder));
  if (config.production) {
    demandNotForEverybody(bundle);
    warnOfRoles(powerfulWithoutMfa(bundle), logger);
  }

  const permissionAnalytics = new PermissionAnalytics({ rollups, store, engines, policy });
  const sessionAnalytics = new SessionAnalytics({ store, drainer, policy, clock });

  const operationCounts = new OperationCounts(rollups);
  const authenticationAnalytics = new AuthenticationAnalytics({ rollups, store, policy });
  const activityAnalytics = new ActivityAnalytics({ store, drainer, rollups, policy });
  const health = new Health({
    version: VERSION,
    reports,
    tail,
    engines,
    drainer,
    pool: () => poolFigures(database),
    redis: redisState,
    policyFilesUsable: () => policyFiles.usable,
    clock,
    logger,
  });
  await health.start();
  cleanup.add('the reports of how it is', () => health.stop());

  const share = new InstanceShare({ clock, instances: () => tail.instances });
  const usageFlusher = new UsageFlusher({ store, counts: usage, clock, logger });
  cleanup.start('the writing of uses', usageFlusher.rounds);
  const uncounted = new UncountedUses({ counts: usage, clock, logger });
  cleanup.start('the uses that are not counted yet', uncounted.rounds);
  const limits = new LimitsWithFallback({ limits: rateLimits, share, uncounted });
  metrics.counter(
    'limits_by_share_total',
    'Uses of API keys that were let through or refused by the share of this instance, since Redis did not count them.',
    () => limits.byShare,
  );
  metrics.gauge('uses_pending', 'Counts of uses that are not in Redis yet.', () => uncounted.pending);

  return {
    errands,
    users,
    userChanges,
    signUps,
    passwordChanges,
    unlocking: new Unlocking({ authority, policy, guard }),
    accountRequests: new AddressLimit(config.accountRequestsPerAddress, clock),
    serviceAccounts,
    apiKeys,
    keyUses,
    keyStates,
    keyUsage: new KeyUsage({ store, policy, uncounted, flusher: usageFlusher, clock }),
    usageFlusher,
    uncountedUses: uncounted,
    loadShedder: new LoadShedder(clock, config.limits.load),
    operationLimits: new OperationLimits({ settings: config, share, limits, uncounted, clock }),
    userActivity: new UserActivity({ store, drainer, users, policy, clock }),
    userImports: new UserImports({ authority, policy, errands, notices, clock }),
    scopes,
    roles,
    customRoles,
    grants,
    effectivePermissions: new EffectivePermissions({ store, standings, engines }),
    sessions,
    sessionStates,
    activity,
    cleaner,
    authentication,
    refreshes,
    identification,
    gateways: new Gateways({ apiKeys: keyIdentification, policy }),
    introspection: new Introspection({
      identification,
      apiKeys: keyIdentification,
      refreshes,
      refreshTokens,
      standings,
      policy,
    }),
    secondFactors,
    enrollments,
    stepUps,
    refreshTokens,
    csrfTokens: new CsrfTokens(keys),
    signingKeys,
    policy,
    policies,
    policyChanges,
    policyFiles,
    permissionAnalytics,
    sessionAnalytics,
    authenticationAnalytics,
    activityAnalytics,
    operationCounts,
    sessionEnder,
    denials,
    ...audit,
    shippers,
    auditLog: new AuditLog({ store, policy }),
    keyEnder,
    drainer,
    eventFeeds,
    policyFeeds: new PolicyFeeds({ feeds: eventFeeds, policy }),
    revocations: new Revocations({ feed: revocationFeed, policy }),
    rollups,
    standings,
    proxies,
    takeovers,
    detectors,
    attempts,
    travels,
    securityEvents: new SecurityEvents({ store, policy }),
    health,
    systemHealth: new SystemHealth({ reports, tail, policy }),
    tail,
    live,
    vouching,
    limits: config.limits,
    clock,
    logger,
  };
}

/** Files that were in force before do not replace the policy in force, which may come from a trial. */
function demandNotForEverybody(bundle: Bundle): void {
  const messages = refusedForEverybody(bundle).map(
    (message) => `does not replace the policy in force, since it was in force before, and that ${message}`,
  );
  if (messages.length > 0) throw new ConfigError(messages.map((message) => ({ variable: 'POLICIES_DIR', message })));
}

/** Not refused: whom a second factor is asked of is for those to say who run it. */
function warnOfRoles(roles: readonly string[], logger: Log): void {
  if (roles.length === 0) return;
  logger.warn({ roles }, 'these roles give others their rights, and the policy asks for no second factor of them');
}

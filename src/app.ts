import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { AddressInfo } from 'node:net';
import { createApollo } from './api/graphql/apollo.ts';
import type { Services } from './api/graphql/context.ts';
import { Documents } from './api/graphql/documents.ts';
import { createSchema } from './api/graphql/schema.ts';
import { readSchemaText } from './api/graphql/sdl.ts';
import { addGraphqlRoute } from './api/http/graphql-route.ts';
import { EventStreams } from './api/http/event-streams.ts';
import { observe } from './api/http/gauges.ts';
import { KnownQueries } from './api/http/known-queries.ts';
import { addCors } from './api/http/cors.ts';
import { addOauthRoutes } from './api/http/oauth.ts';
import { Origins } from './api/http/origins.ts';
import { TrustedProxies } from './api/http/request-origin.ts';
import { createServer } from './api/http/server.ts';
import { serveSockets } from './api/ws/sockets.ts';
import { ConfigError, type Config } from './config.ts';
import { DecisionCounts } from './domain/analytics/decision-counts.ts';
import { PermissionAnalytics } from './domain/analytics/permission-analytics.ts';
import { Rollups } from './domain/analytics/rollups.ts';
import { Acknowledgements } from './domain/authority/acknowledgements.ts';
import { Authority } from './domain/authority/authority.ts';
import { LiveOperations } from './domain/authority/live.ts';
import { Membership } from './domain/authority/membership.ts';
import { Receipts } from './domain/authority/receipts.ts';
import { Tail } from './domain/authority/tail.ts';
import { TIMING, type Timing } from './domain/authority/timing.ts';
import { UserFeeds } from './domain/authority/user-feeds.ts';
import { Authentication } from './domain/authentication/authentication.ts';
import { AddressLimit } from './domain/authentication/address-limit.ts';
import { DeviceTokens } from './domain/authentication/device-tokens.ts';
import { PasswordChanges } from './domain/authentication/password-changes.ts';
import { SignInGuard } from './domain/authentication/sign-in-guard.ts';
import { Unlocking } from './domain/authentication/unlocking.ts';
import { Identification } from './domain/authentication/identification.ts';
import { SecondFactors } from './domain/authentication/second-factors.ts';
import { countUserActivity, UserActivity } from './domain/authentication/user-activity.ts';
import { SuccessorEraser } from './domain/authentication/successor-eraser.ts';
import { type Drained, Drainer } from './domain/outbox/drainer.ts';
import { Engines } from './domain/policy/engines.ts';
import { Policies } from './domain/policy/policies.ts';
import { Policy } from './domain/policy/policy.ts';
import { Standings } from './domain/policy/standings.ts';
import type { PolicyFile } from './domain/policy/parse.ts';
import { Refusal } from './domain/refusals.ts';
import { createFirstAdministrator } from './domain/roles/first-administrator.ts';
import { CustomRoles } from './domain/roles/custom-roles.ts';
import { EffectivePermissions } from './domain/roles/effective-permissions.ts';
import { Grants } from './domain/roles/grants.ts';
import { PolicyChanges } from './domain/roles/policy-changes.ts';
import { PolicyFiles, type PolicyFolder } from './domain/roles/policy-files.ts';
import { Roles } from './domain/roles/roles.ts';
import { UserImports } from './domain/roles/user-imports.ts';
import { Scopes } from './domain/scopes/scopes.ts';
import { Activity } from './domain/sessions/activity.ts';
import { Cleaner } from './domain/sessions/cleaner.ts';
import { SessionAnalytics } from './domain/sessions/session-analytics.ts';
import { countSessions } from './domain/sessions/session-counts.ts';
import { SessionEnder } from './domain/sessions/session-ender.ts';
import { Sessions } from './domain/sessions/sessions.ts';
import { AccessTokens } from './domain/tokens/access-tokens.ts';
import { CsrfTokens } from './domain/tokens/csrf-tokens.ts';
import { KeyRing } from './domain/tokens/key-ring.ts';
import { SigningKeys } from './domain/tokens/signing-keys.ts';
import { RefreshTokens } from './domain/tokens/refresh-tokens.ts';
import { AccountTokens } from './domain/users/account-tokens.ts';
import { hashing } from './domain/users/hashing.ts';
import { Errands } from './domain/users/errands.ts';
import type { Mailer } from './domain/users/mail.ts';
import { Notices } from './domain/users/notices.ts';
import { SignUps } from './domain/users/sign-ups.ts';
import { UserChanges } from './domain/users/user-changes.ts';
import { Users } from './domain/users/users.ts';
import { openMailOutbox } from './drivers/files/mail-outbox.ts';
import { readCaseFiles, readPolicyFiles } from './drivers/files/policies.ts';
import { secretFromFile } from './drivers/files/secret-file.ts';
import { watchFolder } from './drivers/files/watch-folder.ts';
import { createMemoryHub, type MemoryHub } from './drivers/memory/memory.ts';
import { createAuthorityLog } from './drivers/postgres/authority-log.ts';
import { openDatabase, type Database } from './drivers/postgres/database.ts';
import { startEmbedded } from './drivers/postgres/embedded.ts';
import { migrate } from './drivers/postgres/migrate.ts';
import { createStore } from './drivers/postgres/store.ts';
import { openRedis } from './drivers/redis/redis.ts';
import { openSmtp } from './drivers/smtp/smtp.ts';
import { systemClock, type Clock } from './kit/clock.ts';
import { createLog, type Log } from './kit/log.ts';
import { Metrics } from './kit/metrics.ts';
import { Keys, Secret } from './kit/secret.ts';

export { readSchemaText } from './api/graphql/sdl.ts';

/** What a test, a demonstration or an embedding program may bring instead of our own. */
export interface Overrides {
  readonly clock?: Clock;
  readonly logger?: Log;
  readonly timing?: Timing;
  readonly policyFiles?: readonly PolicyFile[];
  /** Shared by several apps of one process, in place of Redis. */
  readonly memoryHub?: MemoryHub;
  readonly poolMax?: number;
  /** In place of the mail server, or of files. */
  readonly mailer?: Mailer;
}

export interface FirstAdministrator {
  readonly email: string;
  /** Null when it came from the configuration. */
  readonly oneTimePassword: string | null;
}

export interface App {
  /** Where it listens, such as `http://127.0.0.1:4001`. */
  readonly url: string;
  /** The administrator that this start created, or null when there was one. */
  readonly firstAdministrator: FirstAdministrator | null;
  readonly services: Services;
  readonly errands: Errands;
  readonly metrics: Metrics;
  readonly database: Database;
  /** Drains and stops everything it started, in the opposite order. */
  close(): Promise<void>;
}

/** Things to undo, in the opposite order of doing. */
class Cleanup {
  readonly #steps: { readonly what: string; readonly undo: () => Promise<void> | void }[] = [];
  readonly #logger: Log;

  constructor(logger: Log) {
    this.#logger = logger;
  }

  add(what: string, undo: () => Promise<void> | void): void {
    this.#steps.push({ what, undo });
  }

  async run(): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      const { what, undo } = step;
      await Promise.resolve()
        .then(undo)
        .catch((error: unknown) => this.#logger.warn({ err: error }, `${what} did not stop cleanly`));
    }
  }
}

/** Puts the house together and opens its doors. Throws, with nothing left running, when a part cannot start. */
export async function createApp(config: Config, overrides: Overrides = {}): Promise<App> {
  const logger = overrides.logger ?? createLog(config.logLevel);
  const cleanup = new Cleanup(logger);
  try {
    return await build(config, overrides, logger, cleanup);
  } catch (error) {
    await cleanup.run();
    throw error;
  }
}

async function build(config: Config, overrides: Overrides, logger: Log, cleanup: Cleanup): Promise<App> {
  const clock = overrides.clock ?? systemClock;
  const timing = overrides.timing ?? TIMING;
  const metrics = new Metrics();
  hashing.atOnce = Math.max(1, availableParallelism() - 1);
  const source = (): Promise<PolicyFolder> => readPolicies(config, overrides);
  const folder = await source();
  const keys = new Keys(config.keyEncryptionKeys ?? [await secretFromFile(join(config.dataDir, 'key-encryption-key'))]);

  const databaseUrl = config.databaseUrl ?? (await startDatabase(config, cleanup));
  await migrate(databaseUrl.reveal());
  const database = await openDatabase({ url: databaseUrl, poolMax: overrides.poolMax ?? 10, logger });
  cleanup.add('PostgreSQL', () => database.close());
  const store = createStore(database);
  const rollups = new Rollups({ store, clock, logger });
  rollups.start();
  // After all that counts has stopped.
  cleanup.add('the roll-ups', () => rollups.close());
  const log = createAuthorityLog(database.query);
  // No other process can be using an embedded server, so whoever is listed died.
  if (config.databaseUrl === null) await database.query('instances-clear', 'delete from instances', []);

  const { cache, openHints, closeCache } = openCache(config, overrides, clock, logger);
  cleanup.add('the cache', closeCache);

  const acknowledgements = new Acknowledgements(keys);
  const tail = new Tail({ log, hints: openHints(), acknowledgements, clock, timing, logger });
  const engines = new Engines(store.bundles);
  const standings = new Standings({ snapshots: store.snapshots, engines, cache, keys, tail, clock, logger });
  const live = new LiveOperations({ clock, logger });
  const feeds = new UserFeeds({ feed: store.feed, tail });
  tail.listen({ applied: (entries) => live.applied(entries), reset: () => live.reset() });
  const receipts = new Receipts({ log, acknowledgements, clock, timing });
  const authority = new Authority({
    store,
    log,
    tail,
    receipts,
    clock,
    timing,
    recheck: (by) => standings.recheck(by),
    settled: ({ enforced, waitedMs }) =>
      metrics.receiptSeconds.observe({ enforced: String(enforced) }, waitedMs / 1_000),
  });
  const membership = new Membership({ log, clock, timing, logger });

  const { accessTokenSeconds } = config;
  const keyRing = new KeyRing({ store, keys, clock, logger, accessTokenSeconds });
  await keyRing.open();
  cleanup.add('the key ring', () => keyRing.close());
  tail.listen({ applied: (entries) => keyRing.applied(entries), reset: () => keyRing.reset() });
  await tail.start();
  cleanup.add('the tail of the authority log', () => tail.stop());
  membership.start();
  cleanup.add('the membership', () => membership.stop());

  const policy = new Policy(new DecisionCounts(rollups));
  const policies = new Policies({
    bundles: store.bundles,
    population: store.population,
    engines,
    standings,
    policy,
  });
  const errands = new Errands({ store, keys, clock, logger });
  const notices = new Notices({ errands, settings: config });
  const users = new Users({ store, authority, policy, standings, settings: config, clock });
  const userChanges = new UserChanges({ authority, policy, notices, clock });
  const scopes = new Scopes({ store, authority, policy, clock });
  const roles = new Roles({ store, policy });
  const customRoles = new CustomRoles({ authority, policy, clock });
  const grants = new Grants({ store, authority, policy, clock });
  const sessions = new Sessions({ store, authority, policy, clock });
  const accessTokens = new AccessTokens({ keyRing, settings: config, clock });
  const activity = new Activity({ store, clock, logger });
  activity.start();
  cleanup.add('what is known of activity', () => activity.stop());
  const cleaner = new Cleaner({ store, settings: config, clock, logger });
  cleaner.start();
  cleanup.add('the cleaner', () => cleaner.stop());
  const sessionEnder = new SessionEnder({ store, profiles: config.sessionProfiles, clock, logger });
  sessionEnder.start();
  cleanup.add('the look for sessions that have ended', () => sessionEnder.stop());
  const drainer = new Drainer({ store, clock, logger, everyMs: timing.pollMs, drained: countEvents });
  drainer.start();
  cleanup.add('the drainer of the outbox', () => drainer.stop());
  const signingKeys = new SigningKeys({ store, authority, policy, keyRing, settings: config, clock });
  const refreshTokens = new RefreshTokens(keys);
  const secondFactors = new SecondFactors({ store, authority, sessions, keys, notices, settings: config, clock });
  const deviceTokens = new DeviceTokens(keys, clock);
  const guard = new SignInGuard({ store, keys, deviceTokens, settings: config, clock });
  const identification = new Identification({ snapshots: store.snapshots, tail, standings, accessTokens, clock });
  const authentication = new Authentication({
    store,
    authority,
    identification,
    accessTokens,
    refreshTokens,
    secondFactors,
    guard,
    deviceTokens,
    notices,
    settings: config,
    clock,
  });
  const tokens = new AccountTokens(keys);
  const accounts = { store, authority, errands, notices, tokens, settings: config, clock };
  const signUps = new SignUps({ ...accounts, users });
  const passwordChanges = new PasswordChanges({ ...accounts, sessions, guard });
  const mailer = overrides.mailer ?? openMailer(config, clock);
  cleanup.add('the mailer', () => mailer.close());
  errands.start({
    mail: (mail) => mailer.send(mail),
    signUp: (signUp, id) => signUps.carryOut(signUp, id),
    passwordReset: (reset, id) => passwordChanges.carryOut(reset, id),
  });
  cleanup.add('the errands', () => errands.stop());
  const eraser = new SuccessorEraser({ store, settings: config, clock, logger });
  eraser.start();
  cleanup.add('the eraser of successors', () => eraser.stop());

  const policyChanges = new PolicyChanges({ bundles: store.bundles, authority, engines, policy });
  const policyFiles = new PolicyFiles({
    source,
    bundles: store.bundles,
    authority,
    engines,
    changes: policyChanges,
    logger,
  });
  await engines.load(await policyFiles.adopt(folder));

  const permissionAnalytics = new PermissionAnalytics({ rollups, store, engines, policy });
  const sessionAnalytics = new SessionAnalytics({ store, drainer, policy, clock });

  const services: Services = {
    users,
    userChanges,
    signUps,
    passwordChanges,
    unlocking: new Unlocking({ authority, policy, guard }),
    accountRequests: new AddressLimit(config.accountRequestsPerAddress, clock),
    scopes,
    roles,
    customRoles,
    grants,
    userActivity: new UserActivity({ store, drainer, users, policy, clock }),
    userImports: new UserImports({ authority, policy, errands, notices, clock }),
    effectivePermissions: new EffectivePermissions({ store, standings, engines }),
    sessions,
    activity,
    cleaner,
    authentication,
    identification,
    secondFactors,
    refreshTokens,
    csrfTokens: new CsrfTokens(keys),
    signingKeys,
    policy,
    policies,
    policyChanges,
    policyFiles,
    permissionAnalytics,
    sessionAnalytics,
    sessionEnder,
    drainer,
    rollups,
    standings,
    proxies: new TrustedProxies(config.trustedProxies),
    tail,
    live,
    feeds,
    clock,
    logger,
  };
  const schema = createSchema();
  const server = createServer({
    keyRing,
    metrics,
    metricsToken: config.metricsToken,
    logger,
    readiness: () => ({ authority: tail.inForce() }),
    warnings: () => (policyFiles.usable ? [] : ['policy']),
    sdl: config.production ? null : readSchemaText(),
  });
  const apollo = createApollo({ schema, httpServer: server.server, production: config.production, metrics, logger });
  await apollo.start();
  const documents = new Documents(schema, { introspection: !config.production });
  const known = new KnownQueries({ schema, documents, logger });
  const origins = new Origins(config.allowedOrigins);
  addCors(server, origins);
  addOauthRoutes(server, { services, issuer: config.issuer });
  const streams = new EventStreams({ schema, documents, services, origins });
  addGraphqlRoute(server, { apollo, services, known, streams, origins, metrics });
  const sockets = serveSockets({ httpServer: server.server, schema, documents, services, origins });
  observe(metrics, services, { sockets: () => sockets.count, streams: () => streams.count });
  metrics.counter('errands_abandoned_total', 'Mails and requests that were given up.', () => errands.abandoned);

  await server.listen({ host: config.host, port: config.port });
  cleanup.add('the HTTP server', () => server.close());
  cleanup.add('Apollo Server', () => apollo.stop());
  cleanup.add('the event streams', () => streams.close());
  cleanup.add('the sockets', () => sockets.close());
  if (config.policiesWatched && overrides.policyFiles === undefined)
    followPolicies(config, policyFiles, clock, logger, cleanup);
  // Last of what may fail: the one-time password exists nowhere but in the answer.
  const firstAdministrator = await openAdministration(config, users, roles);

  const { port } = server.server.address() as AddressInfo; // it listens on TCP
  return {
    url: `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`,
    firstAdministrator,
    services,
    errands,
    metrics,
    database,
    close: () => cleanup.run(),
  };
}

/** All that is counted of events, in the transaction that numbers them. */
const countEvents: Drained = async (tx, events) => {
  await countSessions(tx, events);
  await countUserActivity(tx, events);
};

async function startDatabase({ dataDir }: Config, cleanup: Cleanup): Promise<Secret> {
  const embedded = await startEmbedded({ dataDir: join(dataDir, 'postgres') });
  cleanup.add('the embedded PostgreSQL server', () => embedded.stop());
  return new Secret(embedded.url);
}

async function readPolicies({ policiesDir }: Config, { policyFiles }: Overrides): Promise<PolicyFolder> {
  if (policyFiles !== undefined) return { files: policyFiles, cases: [] };
  return { files: await readPolicyFiles(policiesDir), cases: await readCaseFiles(policiesDir) };
}

/** In development, a policy that is edited is the policy. */
function followPolicies(
  { policiesDir }: Config,
  files: PolicyFiles,
  clock: Clock,
  logger: Log,
  cleanup: Cleanup,
): void {
  const stop = watchFolder(policiesDir, {
    clock,
    changed: () => void files.follow(),
    failed: (error) => logger.error({ err: error }, 'the policy files are not watched any more'),
  });
  cleanup.add('the watch over the policy files', () => {
    stop();
    return files.settled();
  });
  // For what changed since they were read.
  void files.follow();
}

function openCache({ redisUrl }: Config, { memoryHub }: Overrides, clock: Clock, logger: Log) {
  if (redisUrl === null || memoryHub !== undefined) {
    const hub = memoryHub ?? createMemoryHub(clock);
    return { cache: hub.cache, openHints: () => hub.openHints(), closeCache: () => {} };
  }
  const redis = openRedis({ url: redisUrl, clock, logger });
  return { cache: redis.cache, openHints: () => redis.hints, closeCache: () => redis.close() };
}

function openMailer({ smtpUrl, mailFrom: from, dataDir }: Config, clock: Clock): Mailer {
  if (smtpUrl !== null) return openSmtp({ url: smtpUrl, from, clock });
  return openMailOutbox({ folder: join(dataDir, 'mail'), from, clock });
}

async function openAdministration(config: Config, users: Users, roles: Roles): Promise<FirstAdministrator | null> {
  const password = config.adminPassword?.reveal() ?? randomBytes(15).toString('base64url');
  const created = await createFirstAdministrator({ users, roles }, { email: config.adminEmail, password }).catch(
    (error: unknown) => {
      if (!(error instanceof Refusal) || error.data.field !== 'password') throw error;
      throw new ConfigError([{ variable: 'ADMIN_PASSWORD', message: `cannot be one. ${error.message}` }]);
    },
  );
  if (!created) return null;
  return { email: config.adminEmail, oneTimePassword: config.adminPassword === null ? password : null };
}

import { join } from 'node:path';
import type { Cleanup } from '../app/cleanup.ts';
import { VERSION } from '../app/version.ts';
import { ConfigError, type Config } from '../config.ts';
import { Rollups } from '../domain/analytics/rollups.ts';
import type { Cache } from '../domain/authority/cache.ts';
import type { Hints } from '../domain/authority/hints.ts';
import type { AuthorityLog } from '../domain/authority/log.ts';
import { AuditWitness } from '../domain/audit/witness.ts';
import type { InstanceReports, RedisState } from '../domain/health/instance-report.ts';
import type { RateLimits } from '../domain/limits/rate-limits.ts';
import type { UsageCounts } from '../domain/usage/usage.ts';
import { TIMING, type Timing } from '../domain/authority/timing.ts';
import type { PolicyFile } from '../domain/policy/parse.ts';
import type { Locate } from '../domain/security/travel.ts';
import { filesRefusedForEverybody } from '../domain/roles/everybody.ts';
import type { PolicyFolder } from '../domain/roles/policy-files.ts';
import type { Store } from '../domain/store.ts';
import type { Mailer } from '../domain/users/mail.ts';
import { openMailOutbox } from '../drivers/files/mail-outbox.ts';
import { readCaseFiles, readPolicyFiles } from '../drivers/files/policies.ts';
import { secretFromFile } from '../drivers/files/secret-file.ts';
import { LocationsUnusable, openLocations } from '../drivers/mmdb/locations.ts';
import { createMemoryHub, type MemoryHub } from '../drivers/memory/memory.ts';
import { createAuthorityLog } from '../drivers/postgres/authority-log.ts';
import { openDatabase, type Database } from '../drivers/postgres/database.ts';
import { startEmbedded } from '../drivers/postgres/embedded.ts';
import { createInstanceReports } from '../drivers/postgres/instance-reports.ts';
import { patiently } from '../drivers/postgres/late-server.ts';
import { migrate } from '../drivers/postgres/migrate.ts';
import { OwnerFailed } from '../drivers/postgres/owner-failed.ts';
import { observePool } from '../drivers/postgres/pool-gauges.ts';
import { rightsProblems } from '../drivers/postgres/rights.ts';
import { serverProblems } from '../drivers/postgres/server-settings.ts';
import { createStore } from '../drivers/postgres/store.ts';
import { openRedis } from '../drivers/redis/redis.ts';
import { observeRedis } from '../drivers/redis/redis-gauges.ts';
import { openSmtp } from '../drivers/smtp/smtp.ts';
import { systemClock, type Clock } from '../kit/clock.ts';
import type { Log } from '../kit/log.ts';
import { Metrics } from '../kit/metrics.ts';
import { Keys, Secret } from '../kit/secret.ts';

/** What the house stands on. */
export interface Foundation {
  readonly config: Config;
  readonly clock: Clock;
  readonly timing: Timing;
  readonly logger: Log;
  readonly metrics: Metrics;
  readonly cleanup: Cleanup;
  readonly keys: Keys;
  readonly database: Database;
  readonly store: Store;
  /** Of what is written to the audit log. */
  readonly auditWitness: AuditWitness;
  readonly log: AuthorityLog;
  readonly reports: InstanceReports;
  readonly cache: Cache;
  readonly rateLimits: RateLimits;
  readonly usage: UsageCounts;
  readonly hints: Hints;
  readonly redisState: () => Promise<RedisState>;
  readonly openMailer: () => Mailer;
  readonly rollups: Rollups;
  /** Null where nothing says where addresses are. */
  readonly locate: Locate | null;
  /** The policy files and their cases as they were at the start, and as they are now. */
  readonly folder: PolicyFolder;
  readonly readPolicies: () => Promise<PolicyFolder>;
}

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
  /** Whoever aborts it does not want what is being opened. */
  readonly signal?: AbortSignal;
}

/** Opens the database and the cache, in this order, and leaves to `cleanup` how they are closed. */
export async function openFoundation(
  config: Config,
  overrides: Overrides,
  logger: Log,
  cleanup: Cleanup,
): Promise<Foundation> {
  const clock = overrides.clock ?? systemClock;
  // First, since nothing can be done without them.
  const folder = await readPolicies(config, overrides);
  const locate = config.geoDatabase === null ? null : await openGeoDatabase(config.geoDatabase);
  const secrets = config.keyEncryptionKeys ?? [await secretFromFile(join(config.dataDir, 'key-encryption-key'))];
  const keys = new Keys(secrets, config.sealing);

  const databaseUrl = config.databaseUrl ?? (await startDatabase(config, cleanup));
  const { preparedStatements } = config;
  const poolMax = overrides.poolMax ?? config.databasePoolMax;
  const database = await openDatabase({ url: databaseUrl, poolMax, preparedStatements, logger });
  cleanup.add('PostgreSQL', () => database.close());
  const patient = patiently({ clock, logger, waitMs: config.databaseWaitSeconds * 1_000 });
  await patient(() => demandUsable(database, config, folder));
  await patient(() => migrate((config.migrationDatabaseUrl ?? databaseUrl).reveal())).catch((error: unknown) => {
    throw config.migrationDatabaseUrl === null ? error : new OwnerFailed(error);
  });
  await patient(() => demandRights(database));
  const auditWitness = new AuditWitness({ clock, logger });
  const store = createStore(database, (ids) => auditWitness.committed(ids));
  const rollups = new Rollups({ store, clock, logger });
  rollups.start();
  // After all that counts has stopped.
  cleanup.add('the roll-ups', () => rollups.close());
  // No other process can be using an embedded server, so whoever is listed died.
  if (config.databaseUrl === null) await database.query('instances-clear', 'delete from instances', []);

  if (config.otlpEndpoint !== null) {
    // Whoever wants none does not load what makes them.
    const { openTraces } = await import('../drivers/otlp/otlp.ts');
    cleanup.add('the traces', openTraces({ endpoint: config.otlpEndpoint, version: VERSION }));
  }
  const metrics = new Metrics();
  observePool(metrics, database);
  const { cache, rateLimits, usage, openHints, redisState, closeCache } = openCache(config, overrides, {
    clock,
    logger,
    metrics,
  });
  cleanup.add('the cache', closeCache);
  return {
    config,
    clock,
    timing: overrides.timing ?? TIMING,
    logger,
    metrics,
    cleanup,
    keys,
    database,
    store,
    auditWitness,
    log: createAuthorityLog(database.query, database.reserved),
    reports: createInstanceReports(database.query),
    redisState,
    cache,
    rateLimits,
    usage,
    hints: openHints(),
    openMailer: () => overrides.mailer ?? openMailer(config, clock),
    rollups,
    locate,
    folder,
    readPolicies: () => readPolicies(config, overrides),
  };
}

async function startDatabase({ dataDir }: Config, cleanup: Cleanup): Promise<Secret> {
  const embedded = await startEmbedded({ dataDir: join(dataDir, 'postgres') });
  cleanup.add('the embedded PostgreSQL server', () => embedded.stop());
  return new Secret(embedded.url);
}

/** What the settings cannot tell: only the server knows, and the policy files. */
async function demandUsable({ query }: Database, config: Config, { files }: PolicyFolder): Promise<void> {
  const problems = [
    ...(config.production ? filesRefusedForEverybody(files) : []).map((message) => ({
      variable: 'POLICIES_DIR',
      message,
    })),
    ...(await serverProblems(query, config)).map((message) => ({ variable: 'DATABASE_URL', message })),
  ];
  if (problems.length > 0) throw new ConfigError(problems);
}

async function demandRights({ query }: Database): Promise<void> {
  const problems = await rightsProblems(query);
  if (problems.length > 0) throw new ConfigError(problems.map((message) => ({ variable: 'DATABASE_URL', message })));
}

async function openGeoDatabase(path: string): Promise<Locate> {
  return openLocations(path).catch((error: unknown) => {
    if (!(error instanceof LocationsUnusable)) throw error;
    throw new ConfigError([{ variable: 'GEO_DATABASE', message: error.message }]);
  });
}

async function readPolicies({ policiesDir }: Config, { policyFiles }: Overrides): Promise<PolicyFolder> {
  if (policyFiles !== undefined) return { files: policyFiles, cases: [] };
  return { files: await readPolicyFiles(policiesDir), cases: await readCaseFiles(policiesDir) };
}

function openCache(
  { redisUrl }: Config,
  { memoryHub }: Overrides,
  { clock, logger, metrics }: Pick<Foundation, 'clock' | 'logger' | 'metrics'>,
) {
  if (redisUrl === null || memoryHub !== undefined) {
    const hub = memoryHub ?? createMemoryHub(clock);
    return {
      ...hub,
      openHints: () => hub.openHints(),
      redisState: () => Promise.resolve<RedisState>('none'),
      closeCache: () => {},
    };
  }
  const redis = openRedis({ url: redisUrl, clock, logger });
  observeRedis(metrics, redis);
  const redisState = async (): Promise<RedisState> => ((await redis.check()) ? 'answers' : 'silent');
  return { ...redis, openHints: () => redis.hints, redisState, closeCache: () => redis.close() };
}

function openMailer({ smtpUrl, smtpTlsOnly: tlsOnly, mailFrom: from, dataDir }: Config, clock: Clock): Mailer {
  if (smtpUrl !== null) return openSmtp({ url: smtpUrl, from, tlsOnly, clock });
  return openMailOutbox({ folder: join(dataDir, 'mail'), from, clock });
}

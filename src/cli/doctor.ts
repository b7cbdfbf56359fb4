import { ConfigError, readConfig, type Config } from '../config.ts';
import { parseBundle } from '../domain/policy/parse.ts';
import { powerfulWithoutMfa } from '../domain/policy/second-factors.ts';
import { PolicyError } from '../domain/policy/problems.ts';
import { CertificateUnusable, readCertificate, type TlsVariable } from '../drivers/files/certificate.ts';
import { readPolicyFiles } from '../drivers/files/policies.ts';
import { openPasswordRanges } from '../drivers/http/password-ranges.ts';
import { openLocations } from '../drivers/mmdb/locations.ts';
import type { Query } from '../drivers/postgres/query.ts';
import { missingMigrations } from '../drivers/postgres/migrate.ts';
import { excessRights, ownerProblems, rightsProblems } from '../drivers/postgres/rights.ts';
import { SET_ASIDE } from '../drivers/postgres/security-event-store.ts';
import { serverProblems } from '../drivers/postgres/server-settings.ts';
import { openRedis, type RedisConnection } from '../drivers/redis/redis.ts';
import { systemClock } from '../kit/clock.ts';
import { createLog } from '../kit/log.ts';
import type { SettingProblem } from '../kit/production-settings.ts';
import { readsFile, settingOf } from '../kit/secret-files.ts';
import { askDatabase, clockWarnings, keyProblems } from './doctor-database.ts';
import { machineProblems, machineWarnings } from './doctor-machine.ts';
import type { Environment } from './environment.ts';
import { explain } from './failure.ts';
import { policyForEverybody } from './policy-for-everybody.ts';
import type { Report } from './report.ts';
import { misspeltSettings } from './misspelt.ts';
import { secretWarnings } from './secret-warnings.ts';
import { SETTINGS } from './settings.ts';

const REDIS_WAIT_MS = 3_000;
const REDIS_POLL_MS = 50;

/** `castellan doctor`: what every setting is, where it comes from, and what is wrong with it. */
export async function examine(env: Environment): Promise<Report> {
  const wrong = problemsOf(env);
  const named = new Set(wrong.map(({ variable }) => settingOf(variable)));
  // What is wrong shows no value: it may be a secret that went into the wrong variable.
  const right = Object.entries(env).filter(([name]) => !named.has(settingOf(name)));
  // What only production must have is told as a problem; the rest of the settings can be shown all the same.
  const config = readConfig(Object.fromEntries(right), { demanding: false });
  const settings = SETTINGS.map(({ variable, purpose, show }) => ({
    variable,
    purpose,
    value: named.has(variable) ? null : show(config),
    given: isGiven(env, variable) || readsFile(env, variable),
    file: readsFile(env, variable),
  }));
  const checks = [...checksOf(config, named), machineProblems(config)];
  const problems = [...wrong, ...(await Promise.all(checks)).flat()];
  const warnings = await warningsOf(config, env, named);
  const width = Math.max(...SETTINGS.map(({ variable }) => variable.length));
  const lines = settings.flatMap(({ variable, purpose, value, given, file }) => [
    `${variable.padEnd(width)} ${value ?? '(see below)'}${file ? ' (from a file)' : given ? '' : ' (default)'}`,
    `${' '.repeat(width + 1)}${purpose}`,
  ]);
  const verdict = problems.map(({ variable, message }) => `${variable} ${message}`);
  const doubts = warnings.map(({ variable, message }) => `warning: ${variable} ${message}`);
  return {
    ok: problems.length === 0,
    lines: [...lines, '', ...(verdict.length === 0 ? ['Nothing is wrong with these settings.'] : verdict), ...doubts],
    facts: { settings, problems, warnings },
  };
}

function problemsOf(env: Environment): readonly SettingProblem[] {
  try {
    readConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

const isGiven = (env: Environment, variable: string): boolean => (env[variable] ?? '') !== '';

function checksOf(config: Config, wrong: ReadonlySet<string>): readonly Promise<readonly SettingProblem[]>[] {
  const checks = {
    POLICIES_DIR: checkPolicies,
    DATABASE_URL: checkDatabase,
    MIGRATION_DATABASE_URL: checkOwner,
    KEY_ENCRYPTION_KEY: checkKeys(wrong),
    REDIS_URL: checkRedis,
    TRUSTED_DOCUMENTS: checkTrusted,
    GEO_DATABASE: checkGeoDatabase,
    TLS_CERTIFICATE_FILE: checkTls('TLS_CERTIFICATE_FILE'),
    TLS_KEY_FILE: checkTls('TLS_KEY_FILE'),
  };
  return Object.entries(checks)
    .filter(([variable]) => !wrong.has(variable))
    .map(async ([variable, check]) => {
      // What one of them did not expect must not hide what the others found.
      const messages = await check(config).catch((error: unknown) => [explain(error)]);
      return messages.map((message) => ({ variable, message }));
    });
}

async function checkPolicies({ policiesDir, production }: Config): Promise<readonly string[]> {
  try {
    parseBundle(await readPolicyFiles(policiesDir));
    return production ? await policyForEverybody(policiesDir) : [];
  } catch (error) {
    if (error instanceof PolicyError) return [`has policy files with problems:\n${error.message}`];
    const reason = explain(error).replace(/^POLICIES_DIR [^:]*: /, '');
    return [`is a folder that cannot be read: ${reason}`];
  }
}

/** What Castellan starts with, and somebody should have meant. What is good enough for a trial is nothing to warn of there. */
async function warningsOf(
  config: Config,
  env: Environment,
  wrong: ReadonlySet<string>,
): Promise<readonly SettingProblem[]> {
  const doubts = await Promise.all([
    doubtPolicies(config),
    doubtRanges(config),
    doubtWebhook(config, wrong),
    doubtClock(config, wrong),
    doubtRedis(config, wrong),
    machineWarnings(config),
  ]);
  const ofSecrets = config.production ? [...secretWarnings(env), ...(await roleWarnings(config, wrong))] : [];
  return [...misspeltSettings(env), ...ofSecrets, ...doubtIssuer(config, env), ...doubts.flat()];
}

/** Several instances share a Redis, and each has a port of its own. Production must have it, and is told so. */
function doubtIssuer({ redisUrl, issuer, production }: Config, env: Environment): readonly SettingProblem[] {
  if (production || redisUrl === null || isGiven(env, 'ISSUER')) return [];
  const message = `is ${issuer}, by PORT: an instance with another port refuses the tokens of this one, so set the same for all`;
  return [{ variable: 'ISSUER', message }];
}

async function doubtPolicies({ policiesDir, production }: Config): Promise<readonly SettingProblem[]> {
  if (!production) return [];
  try {
    const roles = powerfulWithoutMfa(parseBundle(await readPolicyFiles(policiesDir)));
    return roles.length === 0 ? [] : [{ variable: 'POLICIES_DIR', message: withoutMfa(roles) }];
  } catch {
    // What is wrong with it is a problem, and told as one.
    return [];
  }
}

async function doubtRanges({ breachedPasswordsUrl: url }: Config): Promise<readonly SettingProblem[]> {
  if (url === null) return [];
  return openPasswordRanges({ url })
    .suffixes('00000')
    .then(
      () => [],
      () => [
        {
          variable: 'BREACHED_PASSWORDS_URL',
          message: 'does not answer as it should, and every new password waits for it; off asks nobody',
        },
      ],
    );
}

/** Of a database without tables there is nothing to tell. */
async function doubtWebhook(config: Config, wrong: ReadonlySet<string>): Promise<readonly SettingProblem[]> {
  if (config.securityWebhook === null || wrong.has('DATABASE_URL')) return [];
  const messages = await askDatabase(config, setAsideWarnings).catch(() => []);
  return messages.map((message) => ({ variable: 'SECURITY_WEBHOOK_URL', message }));
}

async function doubtClock(config: Config, wrong: ReadonlySet<string>): Promise<readonly SettingProblem[]> {
  if (wrong.has('DATABASE_URL')) return [];
  const messages = await askDatabase(config, clockWarnings).catch(() => []);
  return messages.map((message) => ({ variable: 'DATABASE_URL', message }));
}

async function doubtRedis({ redisUrl }: Config, wrong: ReadonlySet<string>): Promise<readonly SettingProblem[]> {
  if (redisUrl === null || wrong.has('REDIS_URL')) return [];
  const redis = openRedis({ url: redisUrl, clock: systemClock, logger: createLog('silent') });
  try {
    // One that does not answer is a problem already.
    const policy = (await answers(redis)) ? await redis.evicts() : null;
    return policy === null ? [] : [{ variable: 'REDIS_URL', message: evicting(policy) }];
  } finally {
    await redis.close();
  }
}

const evicting = (policy: string): string =>
  `names a server that forgets keys when its memory is full (maxmemory-policy ${policy}), limits of API keys and uses that are not written yet among them: noeviction forgets none`;

async function setAsideWarnings(query: Query): Promise<readonly string[]> {
  const [row] = await query<{ events: number }>(
    'doctor-set-aside',
    `select count(*)::int as events from ${SET_ASIDE}`,
    [],
  );
  if (row === undefined || row.events === 0) return [];
  return [`refused ${row.events} security events, which were set aside: castellan webhook resend sends them once more`];
}

const withoutMfa = (roles: readonly string[]): string =>
  `has roles that give others their rights and ask for no second factor: ${roles.join(', ')}. With mfa: required they do`;

async function checkTrusted({ trustedDocuments, limits }: Config): Promise<readonly string[]> {
  if (trustedDocuments === null) return [];
  // Only now: it is all of GraphQL.
  const { openDocuments } = await import('../app/documents.ts');
  try {
    await openDocuments({ trustedDocuments, limits });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ message }) => message);
    throw error;
  }
}

async function checkDatabase(config: Config): Promise<readonly string[]> {
  return askDatabase(config, async (query) => [
    ...(await serverProblems(query, config)),
    ...(await checkMigrations(query)),
  ]).catch((error: unknown) => [explain(error).replace(/^DATABASE_URL /, '')]);
}

async function checkOwner({ migrationDatabaseUrl, preparedStatements }: Config): Promise<readonly string[]> {
  return askDatabase({ databaseUrl: migrationDatabaseUrl, preparedStatements }, ownerProblems).catch(
    (error: unknown) => [explain(error).replace(/^DATABASE_URL /, '')],
  );
}

/** Of a role that may do more than it needs to. A database that cannot be asked is a problem already. */
async function roleWarnings(config: Config, wrong: ReadonlySet<string>): Promise<readonly SettingProblem[]> {
  if (wrong.has('DATABASE_URL')) return [];
  const messages = await askDatabase(config, excessRights).catch(() => []);
  return messages.map((message) => ({ variable: 'DATABASE_URL', message }));
}

/** Whether what is sealed in the database can be opened. */
function checkKeys(wrong: ReadonlySet<string>): (config: Config) => Promise<readonly string[]> {
  return async (config) => {
    if (wrong.has('DATABASE_URL')) return [];
    // A database that cannot be asked is a problem of its own.
    return askDatabase(config, (query) => keyProblems(query, config)).catch(() => []);
  };
}

/** An empty database is as good as any: whoever starts first fills it. */
async function checkMigrations(query: Query): Promise<readonly string[]> {
  const [table] = await query<{ there: boolean }>(
    'doctor',
    `select to_regclass('migrations') is not null as there`,
    [],
  );
  if (table?.there !== true) return [];
  const done = await query<{ name: string }>('doctor-migrations', 'select name from migrations', []);
  const missing = missingMigrations(done.map(({ name }) => name));
  if (missing.length === 0) return rightsProblems(query);
  return [
    `names a database that is older than this code, and lacks ${missing.join(', ')}: castellan migrate brings it up to date`,
  ];
}

/** The connection is made in the background, so it is asked until it answers, or for long enough. */
async function answers(redis: RedisConnection): Promise<boolean> {
  for (const end = performance.now() + REDIS_WAIT_MS; performance.now() < end;) {
    if (await redis.check()) return true;
    await new Promise((resolve) => setTimeout(resolve, REDIS_POLL_MS));
  }
  return false;
}

async function checkRedis({ redisUrl }: Config): Promise<readonly string[]> {
  if (redisUrl === null) return [];
  const redis = openRedis({ url: redisUrl, clock: systemClock, logger: createLog('silent') });
  try {
    if (await answers(redis)) return [];
    const reason = redis.lostFor();
    return [`cannot be used: no answer within ${REDIS_WAIT_MS / 1_000} s${reason === null ? '' : ` (${reason})`}`];
  } finally {
    await redis.close();
  }
}

/** Looks at both files, and tells what is wrong with that of this variable. */
function checkTls(variable: TlsVariable): (config: Config) => Promise<readonly string[]> {
  return async ({ tls }) => {
    if (tls === null) return [];
    try {
      await readCertificate(tls, systemClock.now());
      return [];
    } catch (error) {
      if (!(error instanceof CertificateUnusable)) throw error;
      return error.variable === variable ? [error.message] : [];
    }
  };
}

async function checkGeoDatabase({ geoDatabase }: Config): Promise<readonly string[]> {
  if (geoDatabase === null) return [];
  return openLocations(geoDatabase).then(
    () => [],
    (error: unknown) => [explain(error)],
  );
}

import { ConfigError, readConfig, type Config } from '../config.ts';
import { parseBundle } from '../domain/policy/parse.ts';
import { PolicyError } from '../domain/policy/problems.ts';
import { readPolicyFiles } from '../drivers/files/policies.ts';
import { openLocations } from '../drivers/mmdb/locations.ts';
import { openDatabase } from '../drivers/postgres/database.ts';
import type { Query } from '../drivers/postgres/query.ts';
import { missingMigrations } from '../drivers/postgres/migrate.ts';
import { excessRights, ownerProblems, rightsProblems } from '../drivers/postgres/rights.ts';
import { serverProblems } from '../drivers/postgres/server-settings.ts';
import { openRedis } from '../drivers/redis/redis.ts';
import { systemClock } from '../kit/clock.ts';
import { createLog } from '../kit/log.ts';
import type { SettingProblem } from '../kit/production-settings.ts';
import { readsFile, settingOf } from '../kit/secret-files.ts';
import type { Environment } from './environment.ts';
import { explain } from './failure.ts';
import { policyForEverybody } from './policy-for-everybody.ts';
import type { Report } from './report.ts';
import { secretWarnings } from './secret-warnings.ts';
import { SETTINGS } from './settings.ts';

const REDIS_WAIT_MS = 3_000;
const REDIS_POLL_MS = 50;

/** `castellan doctor`: what every setting is, where it comes from, and what is wrong with it. */
export async function examine(env: Environment): Promise<Report> {
  const wrong = problemsOf(env);
  const named = new Set(wrong.map(({ variable }) => settingOf(variable)));
  // What is wrong shows no value: it may be a secret that went into the wrong variable.
  const config = readConfig({
    ...Object.fromEntries(Object.entries(env).filter(([name]) => !named.has(settingOf(name)))),
    ...DEVELOPMENT,
  });
  const production = modeOf(env) === 'production';
  const settings = SETTINGS.map(({ variable, purpose, show }) => ({
    variable,
    purpose,
    value: variable === 'NODE_ENV' ? modeOf(env) : named.has(variable) ? null : show(config),
    given: isGiven(env, variable) || readsFile(env, variable),
    file: readsFile(env, variable),
  }));
  const problems = [...wrong, ...(await Promise.all(checksOf({ ...config, production }, named))).flat()];
  // What is good enough for a trial is nothing to warn of there.
  const warnings = production ? [...secretWarnings(env), ...(await roleWarnings(config, named))] : [];
  const lines = settings.flatMap(({ variable, purpose, value, given, file }) => [
    `${variable.padEnd(20)} ${value ?? '(see below)'}${file ? ' (from a file)' : given ? '' : ' (default)'}`,
    `${' '.repeat(21)}${purpose}`,
  ]);
  const verdict = problems.map(({ variable, message }) => `${variable} ${message}`);
  return {
    ok: problems.length === 0,
    lines: [
      ...lines,
      '',
      ...(verdict.length === 0 ? ['Nothing is wrong with these settings.'] : verdict),
      ...warnings.map(({ variable, message }) => `Warning: ${variable} ${message}`),
    ],
    facts: { settings, problems, warnings },
  };
}

/** What only production must have is told as a problem; the rest of the settings can be shown all the same. */
const DEVELOPMENT = { NODE_ENV: undefined };

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

const modeOf = (env: Environment): string => (env['NODE_ENV'] === 'production' ? 'production' : 'development');

function checksOf(config: Config, wrong: ReadonlySet<string>): readonly Promise<readonly SettingProblem[]>[] {
  const checks = {
    POLICIES_DIR: checkPolicies,
    DATABASE_URL: checkDatabase,
    MIGRATION_DATABASE_URL: checkOwner,
    REDIS_URL: checkRedis,
    TRUSTED_DOCUMENTS: checkTrusted,
    GEO_DATABASE: checkGeoDatabase,
  };
  return Object.entries(checks)
    .filter(([variable]) => !wrong.has(variable))
    .map(async ([variable, check]) => {
      const messages = await check(config);
      return messages.map((message) => ({ variable, message }));
    });
}

async function checkPolicies({ policiesDir, production }: Config): Promise<readonly string[]> {
  try {
    parseBundle(await readPolicyFiles(policiesDir));
    return production ? await policyForEverybody(policiesDir) : [];
  } catch (error) {
    if (error instanceof PolicyError) return [`has policy files with problems:\n${error.message}`];
    return ['is a folder that cannot be read'];
  }
}

async function checkTrusted({ trustedDocuments, limits, production }: Config): Promise<readonly string[]> {
  if (trustedDocuments === null) return [];
  // Only now: it is all of GraphQL.
  const { openDocuments } = await import('../app/documents.ts');
  const documents = { ...limits.documents, introspection: limits.documents.introspection && !production };
  try {
    await openDocuments({ trustedDocuments, limits: { ...limits, documents } });
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

async function askDatabase(
  { databaseUrl, preparedStatements }: Pick<Config, 'databaseUrl' | 'preparedStatements'>,
  ask: (query: Query) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  if (databaseUrl === null) return [];
  const database = await openDatabase({
    url: databaseUrl,
    poolMax: 1,
    preparedStatements,
    logger: createLog('silent'),
  });
  try {
    return await ask(database.query);
  } finally {
    await database.close();
  }
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

/** The connection is made in the background, so it is asked until it answers. */
async function checkRedis({ redisUrl }: Config): Promise<readonly string[]> {
  if (redisUrl === null) return [];
  const redis = openRedis({ url: redisUrl, clock: systemClock, logger: createLog('silent') });
  try {
    for (const end = performance.now() + REDIS_WAIT_MS; performance.now() < end;) {
      if (await redis.check()) return [];
      await new Promise((resolve) => setTimeout(resolve, REDIS_POLL_MS));
    }
    return [`cannot be used: no answer within ${REDIS_WAIT_MS / 1_000} s`];
  } finally {
    await redis.close();
  }
}

async function checkGeoDatabase({ geoDatabase }: Config): Promise<readonly string[]> {
  if (geoDatabase === null) return [];
  return openLocations(geoDatabase).then(
    () => [],
    (error: unknown) => [explain(error)],
  );
}

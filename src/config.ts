import {
  type Environment,
  lackingProblems,
  type OverLimit,
  type SessionLevel,
  type Settings,
  type Takeover,
  variables,
} from './environment.ts';
import { LIMITS, type Limits } from './kit/limits.ts';
import type { LogLevel } from './kit/log.ts';
import {
  isThisMachine,
  KNOWN_ADMIN_EMAIL,
  productionProblems,
  type SettingProblem,
} from './kit/production-settings.ts';
import type { Thresholds } from './kit/thresholds.ts';
import { Secret, type Sealing } from './kit/secret.ts';
import { FileSecret, fileVariable, type SECRET_SETTINGS, withSecretFiles } from './kit/secret-files.ts';
import { DAY, HOUR, PWNED_PASSWORDS, type Rate } from './setting-values.ts';

export type { Environment } from './environment.ts';

/** What the environment decided, frozen. */
export interface Config {
  readonly production: boolean;
  readonly host: string;
  readonly port: number;
  /** The files of the certificate and the key that TLS is spoken with here; null leaves it to what stands before. */
  readonly tls: { readonly certificateFile: string; readonly keyFile: string } | null;
  /** Whether what comes in the clear is refused. */
  readonly tlsOnly: boolean;
  /** After SIGTERM: how long it goes on answering while it says that it is not ready. */
  readonly drainSeconds: number;
  /** Null starts the embedded PostgreSQL server under {@link dataDir}. */
  readonly databaseUrl: Secret | null;
  /** By whom the tables are made and changed, where that is another user of the same database; null where it is the same. */
  readonly migrationDatabaseUrl: Secret | null;
  /** Off behind a pooler that gives connections for a transaction only. */
  readonly preparedStatements: boolean;
  /** How many connections to PostgreSQL this instance opens at most. */
  readonly databasePoolMax: number;
  /** How long a start waits for a server that is not there. */
  readonly databaseWaitSeconds: number;
  /** A server, a cluster or sentinels, as `parseRedisUrl` reads it. Null uses the in-process stand-in, which serves one instance. */
  readonly redisUrl: Secret | null;
  /** Where the embedded server and generated secrets live. */
  readonly dataDir: string;
  readonly policiesDir: string;
  /** Whether files that change there are put in force. */
  readonly policiesWatched: boolean;
  /** The current secret first; null generates one under {@link dataDir}. */
  readonly keyEncryptionKeys: readonly Secret[] | null;
  /** What is sealed under them is sealed with this from now on. */
  readonly sealing: Sealing;
  readonly issuer: string;
  readonly audience: string;
  /** Null creates no first administrator. */
  readonly adminEmail: string | null;
  /** Null prints a one-time password when the first administrator is created. */
  readonly adminPassword: Secret | null;
  readonly allowedOrigins: readonly string[];
  /** Origins of gateways that may be called back: as they are, or `https://*.example.com`. */
  readonly callbackOrigins: readonly string[];
  /** Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed: addresses, or ranges such as `10.0.0.0/8`. */
  readonly trustedProxies: readonly string[];
  /** Where mail is handed over; null keeps it in files under {@link dataDir}, or sends none in production. */
  readonly smtpUrl: Secret | null;
  /** Whether no mail is handed over in the clear. */
  readonly smtpTlsOnly: boolean;
  readonly mailFrom: string;
  /** Whether mails go out at all. */
  readonly mailOn: boolean;
  /** The page of a front end that takes tokens from mails; null where there is none. */
  readonly accountUrl: string | null;
  readonly signUp: 'open' | 'closed';
  /** Who is asked whether new passwords are in breaches; null is nobody. */
  readonly breachedPasswordsUrl: string | null;
  /** What a hash of a password costs, for argon2id. */
  readonly passwordStrength: { readonly memoryKib: number; readonly passes: number };
  /** How many steps of 30 seconds a code of an app may be early or late. */
  readonly totpSkew: 0 | 1;
  readonly wrongPasswordsPerAddress: number;
  readonly accountRequestsPerAddress: number;
  /** Whether a browser that opens /graphql gets a page to ask from. */
  readonly explorer: boolean;
  readonly limits: Limits;
  /** The file of the only documents that are answered, but for those of trusted gateways; null where any are. */
  readonly trustedDocuments: string | null;
  /** How many operations a user may begin, and one network from which nobody in particular asks; no rates are no limit. */
  readonly userRates: readonly Rate[];
  readonly anonymousRates: readonly Rate[];
  /** How many operations may begin with one API key, and with all keys of one owner. */
  readonly keyRates: readonly Rate[];
  readonly ownerRates: readonly Rate[];
  /** From what on it is told that something adds up to an attack. */
  readonly securityThresholds: Thresholds;
  /** The file that says where addresses are; without one nobody's are looked for. */
  readonly geoDatabase: string | null;
  readonly metricsToken: Secret | null;
  /** Where traces are sent to, over OTLP/HTTP; null makes none. */
  readonly otlpEndpoint: Secret | null;
  readonly logLevel: LogLevel;
  readonly accessTokenSeconds: number;
  /** By how a session was authenticated: 1 with a password alone, 2 with a second factor. None lasts longer than {@link sessionLevel}. */
  readonly sessionProfiles: Readonly<Record<1 | 2 | 3, { readonly lifeSeconds: number; readonly idleSeconds: number }>>;
  /** The level that all sessions are at least as short as. */
  readonly sessionLevel: SessionLevel;
  /** How many live sessions a user may have, and what one more does: end the oldest, or not start. */
  readonly sessionsPerUser: number;
  readonly sessionsOverLimit: OverLimit;
  /** What happens when a session is used from another network and another device at once. */
  readonly sessionTakeover: Takeover;
  readonly endedSessionSeconds: number;
  readonly feedSeconds: number;
  readonly refreshGraceSeconds: number;
  readonly keyPublishSeconds: number;
  /** How long audit entries are kept; whole months are dropped. */
  readonly auditDays: number;
  /** The file that signed heads of the audit log are appended to; null where there is none. */
  readonly auditHeads: string | null;
  /** Where the audit log is streamed to; null where it is not. */
  readonly auditSink: { readonly url: Secret; readonly token: Secret | null } | null;
  /** Who is told of security events, and the secrets they are signed with, separated by commas; null where nobody is. */
  readonly securityWebhook: { readonly url: Secret; readonly secret: Secret } | null;
}

/** In production: a balancer that asks every second or two has noticed by then. */
const DRAIN_SECONDS = 5;

/**
 * NIST SP 800-63B-4, 2.x.3: thirty days at the first level; a day, and an hour without use, at the second; twelve hours, and
 * fifteen minutes without use, at the third. Two weeks without use at the first is ours.
 */
const SESSION_PROFILES: Config['sessionProfiles'] = {
  1: { lifeSeconds: 30 * DAY, idleSeconds: 14 * DAY },
  2: { lifeSeconds: DAY, idleSeconds: HOUR },
  3: { lifeSeconds: 12 * HOUR, idleSeconds: HOUR / 4 },
};
const LEVEL_OF = { aal1: 1, aal2: 2, aal3: 3 } as const;

/** Settings that cannot be used. Names every variable that is wrong, never its value. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly SettingProblem[];

  constructor(problems: readonly SettingProblem[]) {
    super(
      `Castellan cannot start with these settings:\n${problems.map((p) => `  ${p.variable} ${p.message}`).join('\n')}`,
    );
    this.problems = problems;
  }
}

/** A variable that is set to nothing is not set. */
function givenOf(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
}

/** One setting alone, from the environment or its file, as it is; undefined where it is not set. For what needs no other. */
export function readSetting(env: Environment, name: (typeof SECRET_SETTINGS)[number]): string | undefined {
  const { given, problems } = withSecretFiles(givenOf(env));
  const own = problems.filter(({ variable }) => variable === fileVariable(name));
  if (own.length > 0) throw new ConfigError(own);
  return given[name];
}

/**
 * Reads the environment, or throws a {@link ConfigError} with everything that is wrong with it.
 *
 * @param options `demanding` is false for whoever only shows it: what production must have, or what goes with something else, may then
 * be missing
 */
export function readConfig(env: Environment, { demanding = true }: { readonly demanding?: boolean } = {}): Config {
  const { given, problems: unread } = withSecretFiles(givenOf(env));
  const production = given['NODE_ENV'] === 'production';
  const parsed = variables.safeParse(given);
  const problems = [
    ...unread,
    ...(parsed.error?.issues ?? []).map(({ path, message }) => ({ variable: String(path[0]), message })),
    ...(demanding ? lackingProblems(given) : []),
    ...(production && demanding ? productionProblems(given) : []),
  ].filter(({ variable }) => !unread.some((each) => each.variable === fileVariable(variable)));
  if (problems.length > 0 || parsed.data === undefined) throw new ConfigError(problems);

  const { data } = parsed;
  return Object.freeze({
    production,
    host: data.HOST,
    port: data.PORT,
    tls:
      data.TLS_CERTIFICATE_FILE === undefined || data.TLS_KEY_FILE === undefined
        ? null
        : { certificateFile: data.TLS_CERTIFICATE_FILE, keyFile: data.TLS_KEY_FILE },
    tlsOnly: production,
    drainSeconds: data.DRAIN_SECONDS ?? (production ? DRAIN_SECONDS : 0),
    databaseUrl: replaceable('DATABASE_URL', given, data.DATABASE_URL),
    migrationDatabaseUrl: secretOrNull(data.MIGRATION_DATABASE_URL),
    preparedStatements: data.DATABASE_PREPARED_STATEMENTS === 'on',
    databasePoolMax: data.DATABASE_POOL_MAX,
    databaseWaitSeconds: data.DATABASE_WAIT_SECONDS,
    redisUrl: replaceable('REDIS_URL', given, data.REDIS_URL),
    dataDir: data.CASTELLAN_DIR,
    policiesDir: data.POLICIES_DIR,
    policiesWatched: !production,
    keyEncryptionKeys: data.KEY_ENCRYPTION_KEY?.map((key) => new Secret(key)) ?? null,
    sealing: data.SEALING_ALGORITHM,
    issuer: data.ISSUER ?? `http://localhost:${data.PORT}`,
    audience: data.AUDIENCE ?? 'castellan',
    adminEmail: data.ADMIN_EMAIL ?? (production ? null : KNOWN_ADMIN_EMAIL),
    adminPassword: secretOrNull(data.ADMIN_PASSWORD),
    allowedOrigins: data.ALLOWED_ORIGINS,
    callbackOrigins: data.CALLBACK_ORIGINS,
    trustedProxies: data.TRUSTED_PROXIES,
    smtpUrl: replaceable('SMTP_URL', given, data.SMTP_URL),
    smtpTlsOnly: production && data.SMTP_URL !== undefined && !isThisMachine(new URL(data.SMTP_URL).hostname),
    mailFrom: data.MAIL_FROM,
    mailOn: data.SMTP_URL !== undefined || !production,
    accountUrl: data.ACCOUNT_URL ?? null,
    signUp: data.SIGN_UP,
    breachedPasswordsUrl: rangesUrlOf(data.BREACHED_PASSWORDS_URL, production),
    passwordStrength: { memoryKib: data.ARGON2_MEMORY_KIB, passes: data.ARGON2_PASSES },
    totpSkew: data.TOTP_SKEW === '0' ? 0 : 1,
    wrongPasswordsPerAddress: 100,
    accountRequestsPerAddress: 20,
    explorer: !production && data.EXPLORER !== 'off',
    limits: limitsOf(data, production),
    trustedDocuments: data.TRUSTED_DOCUMENTS ?? null,
    userRates: data.RATE_LIMIT_USERS,
    anonymousRates: data.RATE_LIMIT_ANONYMOUS,
    keyRates: data.RATE_LIMIT_KEYS,
    ownerRates: data.RATE_LIMIT_OWNERS,
    securityThresholds: data.SECURITY_THRESHOLDS,
    geoDatabase: data.GEO_DATABASE ?? null,
    metricsToken: replaceable('METRICS_TOKEN', given, data.METRICS_TOKEN),
    otlpEndpoint: secretOrNull(data.OTEL_EXPORTER_OTLP_ENDPOINT),
    logLevel: data.LOG_LEVEL,
    accessTokenSeconds: 300,
    sessionProfiles: profilesAt(data.SESSION_PROFILE),
    sessionLevel: data.SESSION_PROFILE,
    sessionsPerUser: data.SESSIONS_PER_USER,
    sessionsOverLimit: data.SESSIONS_OVER_LIMIT,
    sessionTakeover: data.SESSION_TAKEOVER,
    endedSessionSeconds: 30 * DAY,
    feedSeconds: 7 * DAY,
    refreshGraceSeconds: 10,
    keyPublishSeconds: 300,
    auditDays: data.AUDIT_RETENTION_DAYS,
    auditHeads: data.AUDIT_HEADS ?? null,
    securityWebhook: webhookOf(given),
    auditSink: sinkOf(given),
  });
}

function webhookOf(given: Environment): Config['securityWebhook'] {
  const url = replaceable('SECURITY_WEBHOOK_URL', given, given['SECURITY_WEBHOOK_URL']);
  const secret = replaceable('SECURITY_WEBHOOK_SECRET', given, given['SECURITY_WEBHOOK_SECRET']);
  // Who only shows settings does without the secret.
  return url === null ? null : { url, secret: secret ?? new Secret('') };
}

function sinkOf(given: Environment): Config['auditSink'] {
  const url = replaceable('AUDIT_SINK_URL', given, given['AUDIT_SINK_URL']);
  return url === null ? null : { url, token: replaceable('AUDIT_SINK_TOKEN', given, given['AUDIT_SINK_TOKEN']) };
}

function rangesUrlOf(given: string | undefined, production: boolean): string | null {
  if (given === 'off') return null;
  return given ?? (production ? PWNED_PASSWORDS : null);
}

/** In production the schema is for gateways that are trusted, unless it is said otherwise. */
function limitsOf(data: Settings, production: boolean): Limits {
  const introspection = data.INTROSPECTION === undefined ? !production : data.INTROSPECTION === 'on';
  const sockets = { ...LIMITS.sockets, perUser: data.SOCKETS_PER_USER, perAddress: data.SOCKETS_PER_ADDRESS };
  return Object.freeze({
    ...LIMITS,
    documents: Object.freeze({ ...data.LIMITS, introspection, anyDocument: data.TRUSTED_DOCUMENTS === undefined }),
    gatewayDocuments: data.GATEWAY_LIMITS,
    sockets: Object.freeze(sockets),
  });
}

/** Every profile, no longer than that of the level. */
function profilesAt(level: SessionLevel): Config['sessionProfiles'] {
  const most = SESSION_PROFILES[LEVEL_OF[level]];
  const held = ({ lifeSeconds, idleSeconds }: typeof most): typeof most => ({
    lifeSeconds: Math.min(lifeSeconds, most.lifeSeconds),
    idleSeconds: Math.min(idleSeconds, most.idleSeconds),
  });
  return { 1: held(SESSION_PROFILES[1]), 2: held(SESSION_PROFILES[2]), 3: held(SESSION_PROFILES[3]) };
}

function secretOrNull(value: string | undefined): Secret | null {
  return value === undefined ? null : new Secret(value);
}

type Replaceable = Exclude<(typeof SECRET_SETTINGS)[number], 'MIGRATION_DATABASE_URL' | 'KEY_ENCRYPTION_KEY'>;

/** One that may be replaced while we run. */
function replaceable(name: Replaceable, given: Environment, value: string | undefined): Secret | null {
  const path = given[fileVariable(name)];
  if (value === undefined || path === undefined) return secretOrNull(value);
  return new FileSecret(path, value, LOGINS.has(name) ? undefined : (text) => replaces(name, value, text));
}

/** Of these whoever connects takes what it can use. */
const LOGINS: ReadonlySet<Replaceable> = new Set(['DATABASE_URL', 'REDIS_URL']);

/** Whether a start would take it; of an address, whether it leads to the same server: what was asked of that was asked at the start. */
function replaces(name: Replaceable, before: string, text: string): boolean {
  if (!variables.shape[name].safeParse(text).success) return false;
  return !name.endsWith('_URL') || serverOf(text) === serverOf(before);
}

function serverOf(text: string): string {
  const { protocol, host } = new URL(text);
  return `${protocol}//${host}`;
}

import type { Config } from '../config.ts';
import { parseRedisUrl, type Endpoint } from '../kit/redis-url.ts';
import { LIMIT_NAMES, type DocumentLimits } from '../kit/limits.ts';
import { THRESHOLD_KINDS, type Threshold } from '../kit/thresholds.ts';
import { SEALING, type Secret } from '../kit/secret.ts';

/** One environment variable, as `castellan doctor` explains it. */
export interface Setting {
  readonly variable: string;
  readonly purpose: string;
  /** What is in force, without a secret's value. */
  readonly show: (config: Config) => string;
}

export const SETTINGS: readonly Setting[] = [
  {
    variable: 'NODE_ENV',
    purpose: 'production refuses whatever is only good for development',
    show: ({ production }) => (production ? 'production' : 'development'),
  },
  { variable: 'HOST', purpose: 'the address it listens on; 0.0.0.0 is all of them', show: ({ host }) => host },
  { variable: 'PORT', purpose: 'the port it listens on', show: ({ port }) => String(port) },
  {
    variable: 'TLS_CERTIFICATE_FILE',
    purpose: 'the certificate (PEM, with those between) that TLS is spoken with here; without it, in the clear',
    show: ({ tls }) => tls?.certificateFile ?? 'none: what stands before it ends TLS',
  },
  {
    variable: 'TLS_KEY_FILE',
    purpose: 'its key (PEM); both files are read again when they change',
    show: ({ tls }) => tls?.keyFile ?? 'none',
  },
  {
    variable: 'DRAIN_SECONDS',
    purpose: 'after SIGTERM: how long it goes on answering while it says that it is not ready',
    show: ({ drainSeconds }) => String(drainSeconds),
  },
  {
    variable: 'DATABASE_URL',
    purpose: 'PostgreSQL; without it an embedded server is started',
    show: ({ databaseUrl }) => place(databaseUrl) ?? 'the embedded server',
  },
  {
    variable: 'MIGRATION_DATABASE_URL',
    purpose: 'the same database as its owner, who makes and changes tables; without it DATABASE_URL is that as well',
    show: ({ migrationDatabaseUrl }) => place(migrationDatabaseUrl) ?? 'none',
  },
  {
    variable: 'DATABASE_PREPARED_STATEMENTS',
    purpose: 'off behind a pooler that gives connections for a transaction only, such as PgBouncer',
    show: ({ preparedStatements }) => (preparedStatements ? 'on' : 'off'),
  },
  {
    variable: 'DATABASE_POOL_MAX',
    purpose: 'how many connections to PostgreSQL an instance opens at most; one of them is kept for its lease',
    show: ({ databasePoolMax }) => String(databasePoolMax),
  },
  {
    variable: 'DATABASE_WAIT_SECONDS',
    purpose: 'how long a start waits for a PostgreSQL that is not there yet',
    show: ({ databaseWaitSeconds }) => String(databaseWaitSeconds),
  },
  {
    variable: 'REDIS_URL',
    purpose:
      'Redis, which several instances need: a server, the nodes of a cluster, or sentinels; without it a stand-in',
    show: ({ redisUrl }) => redisPlace(redisUrl) ?? 'the in-process stand-in',
  },
  {
    variable: 'CASTELLAN_DIR',
    purpose: 'where the embedded server and generated secrets live',
    show: ({ dataDir }) => dataDir,
  },
  { variable: 'POLICIES_DIR', purpose: 'the folder of the policy files', show: ({ policiesDir }) => policiesDir },
  {
    variable: 'KEY_ENCRYPTION_KEY',
    purpose: 'protects signing keys; two as current,previous while it is replaced',
    show: ({ keyEncryptionKeys }) => keyEncryptionKeys?.join(',') ?? 'generated under CASTELLAN_DIR',
  },
  {
    variable: 'SEALING_ALGORITHM',
    purpose: `what is sealed under it is sealed with from now on: ${SEALING.join(' or ')}; what was sealed before is opened`,
    show: ({ sealing }) => sealing,
  },
  { variable: 'ISSUER', purpose: 'the public URL of this Castellan, in every token', show: ({ issuer }) => issuer },
  { variable: 'AUDIENCE', purpose: 'who the access tokens are for', show: ({ audience }) => audience },
  {
    variable: 'ADMIN_EMAIL',
    purpose: 'the address of the first administrator; without it production creates none',
    show: ({ adminEmail }) => adminEmail ?? 'none: castellan admin create makes one',
  },
  {
    variable: 'ADMIN_PASSWORD',
    purpose: 'its password, good for 24 hours; without one a one-time password is printed',
    show: ({ adminPassword }) => adminPassword?.toString() ?? 'generated, printed once',
  },
  {
    variable: 'ALLOWED_ORIGINS',
    purpose: 'other sites whose pages may open a WebSocket',
    show: ({ allowedOrigins }) => allowedOrigins.join(',') || 'none',
  },
  {
    variable: 'CALLBACK_ORIGINS',
    purpose: 'gateways that may be called back with the events of subscriptions',
    show: ({ callbackOrigins }) => callbackOrigins.join(',') || 'none',
  },
  {
    variable: 'TRUSTED_PROXIES',
    purpose: 'proxies whose word about where a request came from, and whether over TLS, is believed',
    show: ({ trustedProxies }) => trustedProxies.join(',') || 'none',
  },
  {
    variable: 'LIMITS',
    purpose: 'what a GraphQL document may be, where it differs from the defaults: depth=15,cost=8000',
    show: ({ limits: { documents } }) => shownLimits(documents),
  },
  {
    variable: 'GATEWAY_LIMITS',
    purpose: 'the same for gateways that are trusted',
    show: ({ limits: { gatewayDocuments } }) => shownLimits(gatewayDocuments),
  },
  {
    variable: 'TRUSTED_DOCUMENTS',
    purpose: 'the file of the only documents that are answered, but for those of trusted gateways',
    show: ({ trustedDocuments }) => trustedDocuments ?? 'none: any document is answered',
  },
  {
    variable: 'SOCKETS_PER_USER',
    purpose: 'how many WebSockets of one user an instance holds',
    show: ({ limits: { sockets } }) => String(sockets.perUser),
  },
  {
    variable: 'SOCKETS_PER_ADDRESS',
    purpose: 'how many WebSockets from one network an instance holds',
    show: ({ limits: { sockets } }) => String(sockets.perAddress),
  },
  {
    variable: 'EXPLORER',
    purpose: 'whether a browser that opens /graphql gets a page to ask from',
    show: ({ explorer }) => (explorer ? 'on' : 'off'),
  },
  {
    variable: 'INTROSPECTION',
    purpose: 'whether everybody may see the schema: on or off',
    show: ({ limits: { documents } }) => (documents.introspection ? 'on' : 'off'),
  },
  {
    variable: 'SESSION_PROFILE',
    purpose: 'the level whose life and idle time no session exceeds: aal1, aal2 or aal3',
    show: ({ sessionLevel }) => sessionLevel,
  },
  {
    variable: 'SESSIONS_PER_USER',
    purpose: 'how many live sessions a user may have',
    show: ({ sessionsPerUser }) => String(sessionsPerUser),
  },
  {
    variable: 'SESSIONS_OVER_LIMIT',
    purpose: 'what one more does: end-oldest, or refuse',
    show: ({ sessionsOverLimit }) => sessionsOverLimit,
  },
  {
    variable: 'SESSION_TAKEOVER',
    purpose: 'what a session in another network and on another device leads to: report, step-up or revoke',
    show: ({ sessionTakeover }) => sessionTakeover,
  },
  {
    variable: 'SMTP_URL',
    purpose: 'where mail is handed over; without it mails are files in CASTELLAN_DIR/mail, or none in production',
    show: ({ smtpUrl, mailOn }) => place(smtpUrl) ?? (mailOn ? 'files' : 'none: no mail is sent'),
  },
  { variable: 'MAIL_FROM', purpose: 'who mails come from', show: ({ mailFrom }) => mailFrom },
  {
    variable: 'ACCOUNT_URL',
    purpose: 'the page that mails lead to, with #verify= or #reset= and a token; without it mails show the token',
    show: ({ accountUrl }) => accountUrl ?? 'none',
  },
  { variable: 'SIGN_UP', purpose: 'open lets everybody sign up', show: ({ signUp }) => signUp },
  {
    variable: 'BREACHED_PASSWORDS_URL',
    purpose: 'who is asked whether new passwords are in breaches, by five digits of a hash; off is nobody',
    show: ({ breachedPasswordsUrl }) => breachedPasswordsUrl ?? 'off',
  },
  {
    variable: 'ARGON2_MEMORY_KIB',
    purpose: 'the memory that hashing a password takes',
    show: ({ passwordStrength }) => String(passwordStrength.memoryKib),
  },
  {
    variable: 'ARGON2_PASSES',
    purpose: 'how often it goes over that memory',
    show: ({ passwordStrength }) => String(passwordStrength.passes),
  },
  {
    variable: 'TOTP_SKEW',
    purpose: 'how many steps of 30 seconds a code of an app may be early or late: 0 or 1',
    show: ({ totpSkew }) => String(totpSkew),
  },
  {
    variable: 'RATE_LIMIT_USERS',
    purpose: 'how many operations a user may begin, over all instances: off, or rates such as 100/10s,10000/1h',
    show: ({ userRates }) => rates(userRates),
  },
  {
    variable: 'RATE_LIMIT_ANONYMOUS',
    purpose: 'the same for all of one network who are not signed in',
    show: ({ anonymousRates }) => rates(anonymousRates),
  },
  {
    variable: 'RATE_LIMIT_KEYS',
    purpose: 'the same for one API key',
    show: ({ keyRates }) => rates(keyRates),
  },
  {
    variable: 'RATE_LIMIT_OWNERS',
    purpose: 'the same for all API keys of one owner',
    show: ({ ownerRates }) => rates(ownerRates),
  },
  {
    variable: 'AUDIT_RETENTION_DAYS',
    purpose: 'how long audit entries are kept: whole months are dropped when their last day is older',
    show: ({ auditDays }) => String(auditDays),
  },
  {
    variable: 'AUDIT_HEADS',
    purpose: 'the file that signed heads of the audit log are appended to, besides the log',
    show: ({ auditHeads }) => auditHeads ?? 'none',
  },
  {
    variable: 'AUDIT_SINK_URL',
    purpose: 'where the audit log is streamed to, over HTTP',
    show: ({ auditSink }) => place(auditSink?.url ?? null) ?? 'none',
  },
  {
    variable: 'AUDIT_SINK_TOKEN',
    purpose: 'the bearer token that it is sent with',
    show: ({ auditSink }) => auditSink?.token?.toString() ?? 'none',
  },
  {
    variable: 'SECURITY_THRESHOLDS',
    purpose: 'from what on something is told as an attack, where it differs from the defaults: read.denied=50/5m',
    show: ({ securityThresholds }) =>
      THRESHOLD_KINDS.map((kind) => `${kind}=${threshold(securityThresholds[kind])}`).join(','),
  },
  {
    variable: 'GEO_DATABASE',
    purpose:
      'the file that says where addresses are (MMDB, cities), read once; without it impossible travel is not looked for',
    show: ({ geoDatabase }) => geoDatabase ?? 'none',
  },
  {
    variable: 'SECURITY_WEBHOOK_URL',
    purpose: 'where security events are sent to, over HTTP, as they are raised',
    show: ({ securityWebhook }) => place(securityWebhook?.url ?? null) ?? 'none',
  },
  {
    variable: 'SECURITY_WEBHOOK_SECRET',
    purpose: 'what they are signed with; two as current,previous while it is replaced',
    show: ({ securityWebhook }) => securityWebhook?.secret.toString() ?? 'none',
  },
  {
    variable: 'METRICS_TOKEN',
    purpose: 'the bearer token that /metrics asks for',
    show: ({ metricsToken }) => metricsToken?.toString() ?? 'none: /metrics is open',
  },
  {
    variable: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    purpose: 'the collector that traces are sent to, over OTLP/HTTP',
    show: ({ otlpEndpoint }) => place(otlpEndpoint) ?? 'none: there are no traces',
  },
  { variable: 'LOG_LEVEL', purpose: 'debug, info, warn, error or silent', show: ({ logLevel }) => logLevel },
];

/** Which server and database a URL names. Its user, password and query are nobody's business. */
function place(url: Secret | null): string | null {
  if (url === null) return null;
  const { protocol, host, pathname } = new URL(url.reveal());
  return `${protocol}//${host}${pathname}`;
}

/** Which servers REDIS_URL names, and as what. */
function redisPlace(url: Secret | null): string | null {
  if (url === null) return null;
  const place = parseRedisUrl(url.reveal());
  const scheme = place.tls ? 'rediss' : 'redis';
  const database = place.database === 0 ? '' : `/${place.database}`;
  if (place.kind === 'server') return `${scheme}://${list([place.server])}${database}`;
  if (place.kind === 'cluster') return `Redis Cluster: ${scheme}://${list(place.nodes)}`;
  return `Sentinel: ${scheme}+sentinel://${list(place.sentinels)}/${place.master}${database}`;
}

function rates(all: Config['userRates']): string {
  return all.map(({ max, seconds }) => `${max}/${time(seconds)}`).join(',') || 'off';
}

function threshold(value: Threshold | null): string {
  return value === null ? 'off' : `${value.count}/${time(value.seconds)}`;
}

/** As it is written in a setting. */
function time(seconds: number): string {
  if (seconds % 3_600 === 0) return `${seconds / 3_600}h`;
  return seconds % 60 === 0 ? `${seconds / 60}m` : `${seconds}s`;
}

function list(endpoints: readonly Endpoint[]): string {
  return endpoints.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`).join(',');
}

function shownLimits(limits: DocumentLimits): string {
  return LIMIT_NAMES.map((name) => `${name}=${limits[name]}`).join(',');
}

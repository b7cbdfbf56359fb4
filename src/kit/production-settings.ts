import { isIP } from 'node:net';
import { parseRedisUrl, type RedisPlace } from './redis-url.ts';

type Given = Readonly<Record<string, string | undefined>>;

/** What is wrong with a setting; the message goes on after the name of the variable, and repeats no value. */
export interface SettingProblem {
  readonly variable: string;
  readonly message: string;
}

/** What production must not do without. */
const REQUIRED = {
  DATABASE_URL: 'is required in production: the embedded PostgreSQL server is for development',
  REDIS_URL: 'is required in production: the in-process stand-in serves one instance only',
  KEY_ENCRYPTION_KEY: 'is required in production: `openssl rand -base64 48` makes one',
  ISSUER: 'is required in production: the public https URL of this Castellan',
  AUDIENCE: 'is required in production: who the access tokens are for',
  METRICS_TOKEN: 'is required in production: without it /metrics is open to whoever reaches it',
} as const;

/** Of the first administrator in development, as every page says it. */
export const KNOWN_ADMIN_EMAIL = 'admin@castellan.local';

const HTTPS = 'must start with https:// in production';
const HTTPS_ELSEWHERE = `${HTTPS}, unless the receiver is on this machine`;
const IN_THE_CLEAR =
  'is required in production, with TLS_KEY_FILE, or TRUSTED_PROXIES where a proxy ends TLS: nobody is answered in the clear';

/** What production refuses of what is given. Each is looked at only where it is set. */
const REFUSED: Readonly<Record<string, (value: string, given: Given) => string | null>> = {
  ISSUER: (value) => (isPlain(value) ? HTTPS : null),
  ADMIN_EMAIL: (value) =>
    value.trim().toLowerCase() === KNOWN_ADMIN_EMAIL
      ? 'must be an address of yours in production: everybody knows this one'
      : null,
  ALLOWED_ORIGINS: (value) =>
    partsOf(value).some((part) => part.startsWith('http://')) ? 'must list https origins only in production' : null,
  CALLBACK_ORIGINS(value) {
    const parts = partsOf(value);
    if (parts.some((part) => part.includes('*'))) return 'must name each origin in production: * is for trials';
    return parts.some((part) => part.startsWith('http://')) ? 'must list https origins only in production' : null;
  },
  TRUSTED_PROXIES: (value) =>
    partsOf(value).some(isWide) ? 'must list your own proxies: a range this wide holds the networks of others' : null,
  DATABASE_URL: refusePlainDatabase,
  MIGRATION_DATABASE_URL: refusePlainDatabase,
  REDIS_URL(value) {
    const place = redisPlaceOf(value);
    if (place === null || hostsOf(place).every(isThisMachine)) return null;
    if (!place.tls) return 'must start with rediss:// in production, unless the server is on this machine';
    return place.password === null ? 'must have a password in production, unless the server is on this machine' : null;
  },
  AUDIT_SINK_URL: (value) => (isPlainElsewhere(value) ? HTTPS_ELSEWHERE : null),
  SECURITY_WEBHOOK_URL: (value) => (isPlainElsewhere(value) ? HTTPS_ELSEWHERE : null),
  OTEL_EXPORTER_OTLP_ENDPOINT: (value) => (isPlainElsewhere(value) ? HTTPS_ELSEWHERE : null),
  INTROSPECTION: (value) => (value === 'on' ? 'must be off in production: trusted gateways see the schema' : null),
  EXPLORER: (value) => (value === 'on' ? 'must be off in production: the explorer is for development' : null),
  LOG_LEVEL: (value) => (VERBOSE.has(value) ? 'must be info or less in production: more tells what people do' : null),
};

/** Those that check whom they speak to: pg takes `require` and `verify-ca` for `verify-full`. */
const ENCRYPTED: ReadonlySet<string> = new Set(['verify-full', 'verify-ca', 'require']);
const VERBOSE: ReadonlySet<string> = new Set(['debug', 'trace']);
/** Bits of a prefix: whoever leaves fewer open owns all of it. */
const PREFIX_MIN = { v4: 8, v6: 20 };

/** All that keeps these settings from production, in the order of the settings. */
export function productionProblems(given: Given): readonly SettingProblem[] {
  const problems: SettingProblem[] = [];
  for (const [variable, message] of Object.entries(REQUIRED)) {
    if (given[variable] === undefined) problems.push({ variable, message });
  }
  if (
    given['TLS_CERTIFICATE_FILE'] === undefined &&
    partsOf(given['TRUSTED_PROXIES'] ?? '').every((part) => part === '')
  ) {
    problems.push({ variable: 'TLS_CERTIFICATE_FILE', message: IN_THE_CLEAR });
  }
  if (given['SIGN_UP'] === 'open' && given['SMTP_URL'] === undefined) {
    problems.push({ variable: 'SMTP_URL', message: 'is required in production where SIGN_UP is open: it sends mail' });
  }
  for (const [variable, refuse] of Object.entries(REFUSED)) {
    const value = given[variable];
    const message = value === undefined ? null : refuse(value, given);
    if (message !== null) problems.push({ variable, message });
  }
  return problems;
}

function partsOf(list: string): readonly string[] {
  return list.split(',').map((part) => part.trim());
}

/** However it is written. */
function isPlain(url: string): boolean {
  return URL.parse(url)?.protocol === 'http:';
}

function isPlainElsewhere(url: string): boolean {
  return isPlain(url) && !isThisMachine(URL.parse(url)?.hostname ?? '');
}

function isWide(range: string): boolean {
  const [address = '', bits] = range.split('/');
  return bits !== undefined && Number(bits) < (address.includes(':') ? PREFIX_MIN.v6 : PREFIX_MIN.v4);
}

/** What never leaves the machine: an address of its own, or a socket in a folder. */
export function isThisMachine(host: string): boolean {
  if (isIP(host) === 4) return host.startsWith('127.');
  return ['', 'localhost', '[::1]', '::1'].includes(host) || host.startsWith('/');
}

function refusePlainDatabase(value: string): string | null {
  const url = URL.parse(value);
  if (url === null || isThisMachine(url.searchParams.get('host') ?? url.hostname)) return null;
  const isEncrypted = ENCRYPTED.has(url.searchParams.get('sslmode') ?? '');
  return isEncrypted ? null : 'must end with ?sslmode=verify-full in production, unless the server is on this machine';
}

function redisPlaceOf(value: string): RedisPlace | null {
  try {
    return parseRedisUrl(value);
  } catch {
    // Said to be wrong already.
    return null;
  }
}

function hostsOf(place: RedisPlace): readonly string[] {
  if (place.kind === 'server') return [place.server.host];
  return (place.kind === 'cluster' ? place.nodes : place.sentinels).map(({ host }) => host);
}

import { z } from 'zod';
import { LIMITS } from './kit/limits.ts';
import { LOG_LEVELS } from './kit/log.ts';
import type { SettingProblem } from './kit/production-settings.ts';
import { SEALING } from './kit/secret.ts';
import { changedThresholds } from './kit/thresholds.ts';
import {
  between,
  callbackOrigin,
  changes,
  documentLimits,
  HOUR,
  list,
  origin,
  range,
  rangesUrl,
  rates,
  redis,
  url,
  webhookSecrets,
} from './setting-values.ts';

/** Variables by name, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

const SESSION_LEVELS = ['aal1', 'aal2', 'aal3'] as const;
export type SessionLevel = (typeof SESSION_LEVELS)[number];

const OVER_LIMIT = ['end-oldest', 'refuse'] as const;
export type OverLimit = (typeof OVER_LIMIT)[number];

const TAKEOVER = ['report', 'step-up', 'revoke'] as const;
export type Takeover = (typeof TAKEOVER)[number];

const SESSIONS_PER_USER_MAX = 10_000;

/** What a hash of a password costs at least: OWASP's floor for argon2id. */
const STRENGTH_MIN = { memoryKib: 19_456, passes: 2 };

/** Every variable that is read, and what it may be. */
export const variables = z.object({
  NODE_ENV: z.string().optional(),
  HOST: z.string().default('127.0.0.1'),
  PORT: z
    .string()
    .default('4001')
    .refine((text) => /^\d{1,5}$/.test(text) && Number(text) <= 65_535, {
      error: 'must be a port number from 0 to 65535',
    })
    .transform(Number),
  TLS_CERTIFICATE_FILE: z.string().optional(),
  TLS_KEY_FILE: z.string().optional(),
  DRAIN_SECONDS: between(0, 600).optional(),
  DATABASE_URL: url(['postgres:', 'postgresql:']).optional(),
  MIGRATION_DATABASE_URL: url(['postgres:', 'postgresql:']).optional(),
  DATABASE_PREPARED_STATEMENTS: z.enum(['on', 'off'], { error: 'must be on or off' }).default('on'),
  DATABASE_POOL_MAX: between(2, 1_000).default(10),
  DATABASE_WAIT_SECONDS: between(0, 600).default(15),
  REDIS_URL: redis.optional(),
  CASTELLAN_DIR: z.string().min(1, { error: 'must name a folder' }).default('.castellan'),
  POLICIES_DIR: z.string().min(1, { error: 'must name a folder' }).default('policies'),
  KEY_ENCRYPTION_KEY: list
    .refine((keys) => keys.length > 0 && keys.every((key) => key.length >= 32), {
      error: 'must be one secret of at least 32 characters, or two as current,previous',
    })
    .optional(),
  SEALING_ALGORITHM: z.enum(SEALING, { error: `must be one of ${SEALING.join(', ')}` }).default(SEALING[0]),
  ISSUER: url(['http:', 'https:']).optional(),
  AUDIENCE: z.string().min(1, { error: 'must not be empty' }).optional(),
  ADMIN_EMAIL: z.email({ error: 'must be an e-mail address' }).optional(),
  ADMIN_PASSWORD: z.string().min(15, { error: 'must have at least 15 characters' }).optional(),
  ALLOWED_ORIGINS: list.pipe(z.array(origin)).default([]),
  CALLBACK_ORIGINS: list.pipe(z.array(callbackOrigin)).default([]),
  TRUSTED_PROXIES: list.pipe(z.array(range)).default([]),
  LIMITS: documentLimits(LIMITS.documents),
  GATEWAY_LIMITS: documentLimits(LIMITS.gatewayDocuments),
  TRUSTED_DOCUMENTS: z.string().optional(),
  SOCKETS_PER_USER: between(1, 100_000).default(LIMITS.sockets.perUser),
  SOCKETS_PER_ADDRESS: between(1, 100_000).default(LIMITS.sockets.perAddress),
  EXPLORER: z.enum(['on', 'off'], { error: 'must be on or off' }).optional(),
  INTROSPECTION: z.enum(['on', 'off'], { error: 'must be on or off' }).optional(),
  SESSION_PROFILE: z.enum(SESSION_LEVELS, { error: `must be one of ${SESSION_LEVELS.join(', ')}` }).default('aal1'),
  SESSIONS_PER_USER: z
    .string()
    .default('100')
    .refine((text) => /^[1-9]\d{0,4}$/.test(text) && Number(text) <= SESSIONS_PER_USER_MAX, {
      error: `must be a number from 1 to ${SESSIONS_PER_USER_MAX}`,
    })
    .transform(Number),
  SESSIONS_OVER_LIMIT: z.enum(OVER_LIMIT, { error: `must be one of ${OVER_LIMIT.join(', ')}` }).default('end-oldest'),
  SESSION_TAKEOVER: z.enum(TAKEOVER, { error: `must be one of ${TAKEOVER.join(', ')}` }).default('report'),
  SMTP_URL: url(['smtp:', 'smtps:']).optional(),
  MAIL_FROM: z
    .string()
    .regex(/^([^<>\p{C}]* )?<?[^\s@<>]+@[^\s@<>]+>?$/u, { error: 'must be an address, or a name and <an address>' })
    .default('Castellan <castellan@localhost>'),
  ACCOUNT_URL: url(['http:', 'https:']).optional(),
  SIGN_UP: z.enum(['open', 'closed'], { error: 'must be open or closed' }).default('closed'),
  BREACHED_PASSWORDS_URL: rangesUrl.optional(),
  ARGON2_MEMORY_KIB: between(STRENGTH_MIN.memoryKib, 1_048_576).default(STRENGTH_MIN.memoryKib),
  ARGON2_PASSES: between(STRENGTH_MIN.passes, 16).default(STRENGTH_MIN.passes),
  TOTP_SKEW: z.enum(['0', '1'], { error: 'must be 0 or 1' }).default('1'),
  RATE_LIMIT_USERS: rates.default([{ max: 1_000, seconds: 10 }]),
  RATE_LIMIT_ANONYMOUS: rates.default([{ max: 300, seconds: 10 }]),
  RATE_LIMIT_KEYS: rates.default([
    { max: 100, seconds: 10 },
    { max: 10_000, seconds: HOUR },
  ]),
  RATE_LIMIT_OWNERS: rates.default([
    { max: 500, seconds: 10 },
    { max: 50_000, seconds: HOUR },
  ]),
  AUDIT_RETENTION_DAYS: between(30, 36_500).default(400),
  AUDIT_HEADS: z.string().optional(),
  AUDIT_SINK_URL: url(['http:', 'https:']).optional(),
  AUDIT_SINK_TOKEN: z.string().min(16, { error: 'must have at least 16 characters' }).optional(),
  SECURITY_THRESHOLDS: changes(changedThresholds),
  GEO_DATABASE: z.string().optional(),
  SECURITY_WEBHOOK_URL: url(['http:', 'https:']).optional(),
  SECURITY_WEBHOOK_SECRET: webhookSecrets.optional(),
  METRICS_TOKEN: z.string().min(16, { error: 'must have at least 16 characters' }).optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: url(['http:', 'https:']).optional(),
  LOG_LEVEL: z.enum(LOG_LEVELS, { error: `must be one of ${LOG_LEVELS.join(', ')}` }).default('info'),
});

/** What the variables come to, each as it is used. */
export type Settings = z.infer<typeof variables>;

const OF_NOTHING: SettingProblem = {
  variable: 'MIGRATION_DATABASE_URL',
  message: 'is for the database of DATABASE_URL, which is not set: the embedded server has one user',
};

const UNSIGNED: SettingProblem = {
  variable: 'SECURITY_WEBHOOK_SECRET',
  message: 'is required where SECURITY_WEBHOOK_URL is set: `echo whsec_$(openssl rand -base64 32)` makes one',
};

/** What goes only with something that is not given. */
export function lackingProblems(given: Environment): readonly SettingProblem[] {
  const lacks = (variable: string, other: string): boolean =>
    given[variable] !== undefined && given[other] === undefined;
  return [
    lacks('SECURITY_WEBHOOK_URL', 'SECURITY_WEBHOOK_SECRET') ? UNSIGNED : null,
    halfPair(given),
    lacks('MIGRATION_DATABASE_URL', 'DATABASE_URL') ? OF_NOTHING : null,
  ].filter((problem) => problem !== null);
}

/** One without the other; null where both are given, or neither. */
function halfPair(given: Environment): SettingProblem | null {
  const [certificate, key] = ['TLS_CERTIFICATE_FILE', 'TLS_KEY_FILE'].map((variable) => given[variable] !== undefined);
  if (certificate === key) return null;
  const [variable, lacking] =
    certificate === true ? ['TLS_CERTIFICATE_FILE', 'TLS_KEY_FILE'] : ['TLS_KEY_FILE', 'TLS_CERTIFICATE_FILE'];
  return { variable, message: `must come with ${lacking}: TLS is spoken with both` };
}

import { isIP } from 'node:net';
import { z } from 'zod';
import { changedLimits, type DocumentLimits } from './kit/limits.ts';
import { parseRedisUrl } from './kit/redis-url.ts';

/** What settings can be, beyond what zod knows: each says what it must be, and never what it was. */

export const HOUR = 3_600;
export const DAY = 24 * HOUR;

/** At most so many within so many seconds. */
export interface Rate {
  readonly max: number;
  readonly seconds: number;
}

export const list = z.string().transform((text) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== ''),
);

export const url = (schemes: readonly string[]) =>
  z.string().refine((text) => URL.canParse(text) && schemes.includes(new URL(text).protocol), {
    error: `must be a URL that starts with ${schemes.map((scheme) => `${scheme}//`).join(' or ')}`,
  });

export const redis = z.string().superRefine((text, context) => {
  try {
    parseRedisUrl(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as TypeError).message });
  }
});

/** Of Have I Been Pwned. */
export const PWNED_PASSWORDS = 'https://api.pwnedpasswords.com/range/';

export const rangesUrl = z.string().refine((text) => text === 'off' || isRangesUrl(text), {
  error: 'must be off, or an https URL that ranges such as 21BD1 are below, without a user or a query',
});

/** Without TLS to this machine alone. */
function isRangesUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || /[?#@]/.test(text)) return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK.has(url.hostname));
}

const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '[::1]', 'localhost']);

/** Standard Webhooks: a key of 24 to 64 bytes. */
export const webhookSecrets = list.refine(
  (secrets) => secrets.length > 0 && secrets.length <= 2 && secrets.every((secret) => isWebhookSecret(secret)),
  { error: 'must be whsec_ and 24 to 64 bytes in base64, or two of these as current,previous' },
);

function isWebhookSecret(text: string): boolean {
  const [, base64 = ''] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? [];
  const { length } = Buffer.from(base64, 'base64');
  return length >= 24 && length <= 64;
}

export const origin = z
  .string()
  .refine((text) => !text.includes('*') && URL.canParse(text) && new URL(text).origin === text, {
    error: 'must list origins such as https://app.example.com, without a path',
  });

/** As it is, or with `*.` for all that is below a domain of at least two labels. */
export const callbackOrigin = z.string().refine((text) => isCallbackOrigin(text), {
  error: 'must list origins of gateways such as https://router.example.com or https://*.example.com, without a path',
});

function isCallbackOrigin(text: string): boolean {
  const plain = text.replace(/^(https?:\/\/)\*\.(?=[^/.]+\.)/, '$1');
  return /^https?:\/\/[^*]+$/.test(plain) && URL.canParse(plain) && new URL(plain).origin === plain;
}

export const range = z.string().refine(isRange, {
  error: 'must list addresses of proxies, or ranges such as 10.0.0.0/8; trusting everybody is trusting nobody',
});

/** An address, or one with the length of a prefix that leaves somebody out. */
function isRange(text: string): boolean {
  const [address = '', prefix, ...more] = text.split('/');
  const bits = { 0: 0, 4: 32, 6: 128 }[isIP(address)] ?? 0;
  if (bits === 0 || more.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) >= 1 && Number(prefix) <= bits);
}

export const between = (min: number, max: number) =>
  z
    .string()
    .refine((text) => /^\d{1,9}$/.test(text) && Number(text) >= min && Number(text) <= max, {
      error: `must be a number from ${min} to ${max}`,
    })
    .transform(Number);

/** Changes of defaults, as `read` understands them; it throws a TypeError that says what is wrong. */
export const changes = <T>(read: (text: string) => T) =>
  z
    .string()
    .default('')
    .transform((text, context) => {
      try {
        return read(text);
      } catch (error) {
        context.addIssue({ code: 'custom', message: (error as TypeError).message });
        return z.NEVER;
      }
    });

export const documentLimits = (defaults: DocumentLimits) => changes((text) => changedLimits(defaults, text));
const SECONDS_IN = { s: 1, m: 60, h: HOUR, d: DAY } as const;
const RATE = /^([1-9]\d{0,8})\/([1-9]\d{0,4})([smhd])$/;
const RATES_MAX = 4;

/** `off`, or rates such as `100/10s,10000/1h`. */
export const rates = z
  .string()
  .refine((text) => text === 'off' || text.split(',').every((part) => RATE.test(part.trim())), {
    error: 'must be off, or list rates such as 100/10s,10000/1h',
  })
  .transform((text) => (text === 'off' ? [] : text.split(',').map((part) => rateOf(part.trim()))))
  .refine((all) => all.length <= RATES_MAX && new Set(all.map(({ seconds }) => seconds)).size === all.length, {
    error: `must list at most ${RATES_MAX} rates, each over another time`,
  })
  .refine((all) => all.every(({ seconds }) => seconds <= DAY), { error: 'must list rates over a day at most' });

function rateOf(text: string): Rate {
  const [, max, times, unit] = RATE.exec(text) ?? [];
  return { max: Number(max), seconds: Number(times) * SECONDS_IN[unit as keyof typeof SECONDS_IN] };
}

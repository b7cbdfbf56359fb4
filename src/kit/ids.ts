import { randomBytes } from 'node:crypto';

/** What an id names. The prefix makes an id recognisable in a log line and refusable at a door. */
export const ID_PREFIXES = {
  user: 'user_',
  role: 'role_',
  session: 'sess_',
  apiKey: 'key_',
  serviceAccount: 'svc_',
  scope: 'scope_',
  grant: 'grant_',
  auditEntry: 'audit_',
  signingKey: 'sk_',
  challenge: 'chal_',
  device: 'dev_',
  errand: 'errand_',
  signIn: 'signin_',
  securityEvent: 'sec_',
} as const;

export type IdKind = keyof typeof ID_PREFIXES;

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const ID_SHAPE = /^[a-z]+_[0-9a-hjkmnp-tv-z]{26}$/;

const KINDS: ReadonlyMap<string, IdKind> = new Map(
  Object.entries(ID_PREFIXES).map(([kind, prefix]) => [prefix, kind as IdKind]),
);

/** A fresh id: prefix and 130 random bits in Crockford's alphabet. Ids are never reused. */
export function newId(kind: IdKind): string {
  return ID_PREFIXES[kind] + randomSymbols(26);
}

/** So many symbols of Crockford's alphabet, with five random bits in each. */
export function randomSymbols(count: number): string {
  let symbols = '';
  for (const byte of randomBytes(count)) symbols += ALPHABET[byte & 31];
  return symbols;
}

/** What an id of ours names, or null for what is none. Says nothing about whether it exists. */
export function kindOfId(value: string): IdKind | null {
  if (!ID_SHAPE.test(value)) return null;
  const prefix = value.slice(0, value.indexOf('_') + 1);
  return KINDS.get(prefix) ?? null;
}

/** Whether `value` has the shape of an id of that kind. Says nothing about whether it exists. */
export function isId(kind: IdKind, value: string): boolean {
  return value.startsWith(ID_PREFIXES[kind]) && ID_SHAPE.test(value);
}

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
} as const;

export type IdKind = keyof typeof ID_PREFIXES;

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const ID_SHAPE = /^[a-z]+_[0-9a-hjkmnp-tv-z]{26}$/;

/** A fresh id: prefix and 130 random bits in Crockford's alphabet. Ids are never reused. */
export function newId(kind: IdKind): string {
  let id: string = ID_PREFIXES[kind];
  for (const byte of randomBytes(26)) id += ALPHABET[byte & 31];
  return id;
}

/** Whether `value` has the shape of an id of that kind. Says nothing about whether it exists. */
export function isId(kind: IdKind, value: string): boolean {
  return value.startsWith(ID_PREFIXES[kind]) && ID_SHAPE.test(value);
}

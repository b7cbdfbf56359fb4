import { type IdKind, kindOfId } from '../../kit/ids.ts';
import type { ActorKind } from './entry.ts';

/** What ids name, in the words of the schema. */
const TYPES: Readonly<Partial<Record<IdKind, string>>> = {
  user: 'User',
  serviceAccount: 'ServiceAccount',
  role: 'Role',
  session: 'Session',
  apiKey: 'ApiKey',
  scope: 'Scope',
  grant: 'Grant',
  signingKey: 'SigningKey',
  securityEvent: 'SecurityEvent',
};

/** What an action is about whose subject's id says nothing. */
const NOUNS: Readonly<Record<string, string>> = {
  policy: 'Policy',
  signing_key: 'SigningKey',
  user: 'User',
  session: 'Session',
  role: 'Role',
  scope: 'Scope',
  api_key: 'ApiKey',
  service_account: 'ServiceAccount',
};

/** The type of what an action is about: `User`; null for what has none. */
export function subjectTypeOf(action: string, subjectId: string | null): string | null {
  const kind = subjectId === null ? null : kindOfId(subjectId);
  if (kind !== null) return TYPES[kind] ?? null;
  return NOUNS[action.slice(0, action.indexOf('.'))] ?? null;
}

/** What the id of whoever acted names. */
export function actorKindOf(id: string): ActorKind {
  if (id === 'anonymous' || id === 'system') return id;
  return kindOfId(id) === 'serviceAccount' ? 'service' : 'user';
}

import type { Instant } from '../../kit/clock.ts';
import { and, type Filter, not, or } from '../policy/filter.ts';
import type { Condition } from '../policy/lists.ts';
import { badInput } from '../refusals.ts';
import { idInPrefix } from './key-format.ts';

/** What a list of keys is narrowed by; all of it must hold. */
export interface ApiKeyFilter {
  readonly ownerId?: string | null | undefined;
  /** Whether they are neither revoked nor at their end. */
  readonly live?: boolean | null | undefined;
  /** Nobody has used them since, or ever. */
  readonly unusedSince?: Instant | null | undefined;
  readonly expiresBefore?: Instant | null | undefined;
  /** A key, or as much of one as is no secret. */
  readonly prefix?: string | null | undefined;
}

const isNull = (attribute: string): Filter => ({ kind: 'equals', attribute, value: null });
const before = (attribute: string, value: Instant): Filter =>
  and([not(isNull(attribute)), { kind: 'order', attribute, operator: 'lt', value }]);

/** Refuses with BAD_USER_INPUT a prefix that is none. */
export function conditionsOf(
  { ownerId, live, unusedSince, expiresBefore, prefix }: ApiKeyFilter,
  now: Instant,
): readonly Condition[] {
  const conditions: Condition[] = [];
  const add = (field: string | null, filter: Filter) => conditions.push({ field, filter });
  if (typeof ownerId === 'string') add('ownerId', { kind: 'equals', attribute: 'ownerId', value: ownerId });
  if (typeof live === 'boolean') {
    const ended = or([not(isNull('revokedAt')), before('expiresAt', now)]);
    add('expiresAt', live ? not(ended) : ended);
  }
  if (typeof unusedSince === 'string')
    add(null, not({ kind: 'order', attribute: 'lastUsedAt', operator: 'gte', value: unusedSince }));
  if (typeof expiresBefore === 'string') add('expiresAt', before('expiresAt', expiresBefore));
  if (typeof prefix === 'string') {
    const id = idInPrefix(prefix);
    if (id === null) throw badInput('prefix', 'This is no API key, and no beginning of one with all of its id.');
    add(null, { kind: 'equals', attribute: 'id', value: id });
  }
  return conditions;
}

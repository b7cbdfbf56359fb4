import type { Instant } from '../../kit/clock.ts';
import { and, type Filter, not } from '../policy/filter.ts';
import type { Condition } from '../policy/lists.ts';
import { ADDRESS_KEY, parseAddressRange } from '../address-range.ts';
import type { DeviceKind } from './device.ts';

/** What sessions are narrowed by; all of it must hold. */
export interface SessionFilter {
  readonly userId?: string | null | undefined;
  /** Whether they are neither revoked nor at their end. */
  readonly live?: boolean | null | undefined;
  readonly device?: DeviceKind | null | undefined;
  /** The family, as the session has it. */
  readonly browser?: string | null | undefined;
  readonly client?: string | null | undefined;
  readonly startedBefore?: Instant | null | undefined;
  /** A range such as `10.0.0.0/8`, or one address, of either version. */
  readonly addressRange?: string | null | undefined;
}

/** Whether it says nothing but that sessions are live, or not even that. */
export function isOpen({ live: _live, ...narrowing }: SessionFilter): boolean {
  return Object.values(narrowing).every((value) => value === null || value === undefined);
}

/** Neither revoked nor at their end. */
export function liveAt(now: Instant): Filter {
  return and([
    { kind: 'equals', attribute: 'revokedAt', value: null },
    { kind: 'order', attribute: 'expiresAt', operator: 'gt', value: now },
  ]);
}

/** What the filter says, condition by condition. Refuses with BAD_USER_INPUT what is no range of addresses. */
export function conditionsOf(filter: SessionFilter, now: Instant): readonly Condition[] {
  const { userId, live, device, browser, client, startedBefore, addressRange } = filter;
  const conditions: Condition[] = [];
  const add = (field: string | null, condition: Filter): void => {
    conditions.push({ field, filter: condition });
  };
  const equals = (attribute: string, value: string): Filter => ({ kind: 'equals', attribute, value });

  if (typeof userId === 'string') add('userId', equals('userId', userId));
  // That a session was revoked is told to all who may read it.
  if (typeof live === 'boolean') add('expiresAt', live ? liveAt(now) : not(liveAt(now)));
  if (typeof startedBefore === 'string') {
    add('createdAt', { kind: 'order', attribute: 'createdAt', operator: 'lt', value: startedBefore });
  }
  // And so is where it came from, and with what.
  if (typeof device === 'string') add(null, equals('deviceKind', device));
  if (typeof browser === 'string') add(null, equals('browser', browser));
  if (typeof client === 'string') add(null, equals('client', client));
  if (typeof addressRange === 'string') add(null, within(addressRange));
  return conditions;
}

function within(addressRange: string): Filter {
  const { first, last } = parseAddressRange(addressRange, 'addressRange');
  return and([
    { kind: 'order', attribute: ADDRESS_KEY, operator: 'gte', value: first },
    { kind: 'order', attribute: ADDRESS_KEY, operator: 'lte', value: last },
  ]);
}

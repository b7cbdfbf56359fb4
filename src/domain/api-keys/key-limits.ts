import type { Instant } from '../../kit/clock.ts';
import { addressKey, parseAddressRange } from '../address-range.ts';
import type { KeyOrigin, Principal, ShownKey } from '../principals/principal.ts';
import { badInput, Refusal } from '../refusals.ts';
import type { KeyLimits } from './api-key.ts';

/** What is set; what is absent stays, and null lifts it. */
export interface LimitsInput {
  readonly permissions?: readonly string[] | null | undefined;
  readonly addressRanges?: readonly string[] | null | undefined;
  readonly allowedOrigins?: readonly string[] | null | undefined;
  readonly readOnly?: boolean | null | undefined;
  readonly expiresAt?: Instant | null | undefined;
}

export const UNLIMITED: KeyLimits = {
  permissions: null,
  addressRanges: [],
  allowedOrigins: [],
  readOnly: false,
  expiresAt: null,
};

const PERMISSIONS_MAX = 200;
const RANGES_MAX = 50;

/** The limits with what is given in place of what they were. Refuses with BAD_USER_INPUT what says nothing. */
export function withLimits(before: KeyLimits, input: LimitsInput, by: Principal, now: Instant): KeyLimits {
  const { permissions, addressRanges, allowedOrigins, readOnly, expiresAt } = input;
  if (typeof expiresAt === 'string' && expiresAt <= now) throw badInput('expiresAt', 'A key ends in the future.');
  return {
    permissions: permissions === undefined ? before.permissions : parsePermissions(permissions, by),
    addressRanges: addressRanges === undefined ? before.addressRanges : parseRanges(addressRanges ?? []),
    allowedOrigins: allowedOrigins === undefined ? before.allowedOrigins : parseOrigins(allowedOrigins ?? []),
    readOnly: readOnly ?? before.readOnly,
    expiresAt: expiresAt === undefined ? before.expiresAt : expiresAt,
  };
}

/** Refuses with FORBIDDEN to give a key more than the one that gives it has itself. */
export function demandNoMore(own: ShownKey, given: KeyLimits): void {
  const more = beyond(own, given);
  if (more === null) return;
  throw new Refusal('FORBIDDEN', `No API key gives more than it has: ${more}.`, { reason: 'exceeds_own_rights' });
}

function beyond(own: ShownKey, given: KeyLimits): string | null {
  if (own.permissions !== null) {
    if (given.permissions === null) return 'this would have all permissions';
    const added = given.permissions.find((permission) => own.permissions?.includes(permission) === false);
    if (added !== undefined) return `this would have the permission ${added}`;
  }
  if (!isWithin(own.addressRanges, given.addressRanges)) return 'this would be good from elsewhere';
  if (!isWithin(own.allowedOrigins, given.allowedOrigins)) return 'this would be good in other pages';
  const endsLater = own.expiresAt !== null && (given.expiresAt === null || given.expiresAt > own.expiresAt);
  return endsLater ? 'this would outlive it' : null;
}

/** Whether what is limited so lies within what is limited so; none is no limit. */
function isWithin(own: readonly string[], given: readonly string[]): boolean {
  return own.length === 0 || (given.length > 0 && given.every((each) => own.includes(each)));
}

/** From where a key is good, taken apart once for all that ask. */
export class Places {
  readonly #ranges: readonly { readonly first: string; readonly last: string }[];
  readonly #origins: ReadonlySet<string>;

  constructor({ addressRanges, allowedOrigins }: Pick<KeyLimits, 'addressRanges' | 'allowedOrigins'>) {
    this.#ranges = addressRanges.map((range) => parseAddressRange(range, 'addressRanges'));
    this.#origins = new Set(allowedOrigins);
  }

  /** Refuses with FORBIDDEN who comes from elsewhere, or does not say from where. */
  demand({ address, origin }: KeyOrigin): void {
    if (this.#ranges.length > 0) {
      const key = addressKey(address);
      if (key === null || !this.#ranges.some(({ first, last }) => first <= key && key <= last)) {
        throw new Refusal('FORBIDDEN', 'This API key is not good from this address.', { reason: 'address' });
      }
    }
    if (this.#origins.size === 0 || (origin !== null && this.#origins.has(origin))) return;
    throw new Refusal('FORBIDDEN', 'This API key is good only in pages of other origins.', { reason: 'origin' });
  }
}

function parsePermissions(permissions: readonly string[] | null, by: Principal): readonly string[] | null {
  if (permissions === null) return null;
  const field = 'permissions';
  if (permissions.length === 0) throw badInput(field, 'A key without any permission is good for nothing.');
  if (permissions.length > PERMISSIONS_MAX) throw badInput(field, `A key has at most ${PERMISSIONS_MAX} permissions.`);
  const known = by.kind === 'user' ? by.standing.engine.permissions : null;
  const unknown = permissions.find((permission) => known?.has(permission) === false);
  if (unknown === undefined) return sorted(permissions);
  throw badInput(field, `The policy knows no permission ${JSON.stringify(unknown.slice(0, 100))}.`);
}

function parseRanges(ranges: readonly string[]): readonly string[] {
  if (ranges.length > RANGES_MAX) throw badInput('addressRanges', `A key has at most ${RANGES_MAX} of them.`);
  for (const range of ranges) parseAddressRange(range, 'addressRanges');
  return sorted(ranges.map((range) => range.trim()));
}

function parseOrigins(origins: readonly string[]): readonly string[] {
  if (origins.length > RANGES_MAX) throw badInput('allowedOrigins', `A key has at most ${RANGES_MAX} of them.`);
  const isOne = (text: string) => URL.canParse(text) && new URL(text).origin === text;
  if (origins.every(isOne)) return sorted(origins);
  throw badInput('allowedOrigins', 'An origin is such as https://app.example.com, without a path.');
}

const sorted = (texts: readonly string[]): readonly string[] => [...new Set(texts)].toSorted();

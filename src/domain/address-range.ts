import ipaddr from 'ipaddr.js';
import { badInput } from './refusals.ts';

const { IPv4, IPv6 } = ipaddr;

/** {@link addressKey} of a session's address, as an attribute that stores can look for. No policy can speak of it. */
export const ADDRESS_KEY = '__addressKey';

/** Addresses of version 4 that are written as those of version 6 have so many bits before them. */
const MAPPED_BITS = 96;

/**
 * An address in a form of which texts are in the order of addresses, each version apart: `v4:7f000001`. Null for what is no
 * address.
 */
export function addressKey(address: string | null): string | null {
  const parsed = address === null ? null : parse(address);
  return parsed === null ? null : keyOf(parsed);
}

/**
 * The first and the last {@link addressKey} of a range: `10.0.0.0/8`, `2001:db8::/32`, or a single address. Refuses anything
 * else with BAD_USER_INPUT.
 */
export function parseAddressRange(text: string, field: string): { readonly first: string; readonly last: string } {
  const [start = '', length, ...more] = text.trim().split('/');
  const address = parse(start);
  const bits = address === null || more.length > 0 ? null : prefixOf(length, address, start);
  if (address === null || bits === null) {
    throw badInput(field, 'This is no address, and no range of addresses such as 10.0.0.0/8 or 2001:db8::/32.');
  }
  const range = `${address.toString()}/${bits}`;
  const version = address.kind() === 'ipv4' ? IPv4 : IPv6;
  return { first: keyOf(version.networkAddressFromCIDR(range)), last: keyOf(version.broadcastAddressFromCIDR(range)) };
}

type Address = ReturnType<typeof ipaddr.process>;

/** In the four parts or the groups that everybody writes; a zone is no part of where a request came from. */
function parse(text: string): Address | null {
  const plain = text.replace(/%.*$/, '');
  return IPv4.isValidFourPartDecimal(plain) || IPv6.isValid(plain) ? ipaddr.process(plain) : null;
}

/** How many bits an address of the range has in common with this one; null when that is none. */
function prefixOf(length: string | undefined, address: Address, written: string): number | null {
  const most = address.kind() === 'ipv4' ? 32 : 128;
  if (length === undefined) return most;
  if (!/^\d{1,3}$/.test(length)) return null;
  const bits = Number(length) - (most === 32 && written.includes(':') ? MAPPED_BITS : 0);
  return bits >= 0 && bits <= most ? bits : null;
}

function keyOf(address: Address): string {
  return `${address.kind() === 'ipv4' ? 'v4' : 'v6'}:${Buffer.from(address.toByteArray()).toString('hex')}`;
}

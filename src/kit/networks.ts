import { isIP } from 'node:net';

/**
 * Where an address belongs, as one text for all ways to write it: an address of version 4 is its own place, and one of version 6
 * belongs to its /64, since whoever has one of those has all of it. What is no address is returned as it is.
 */
export function networkOf(address: string): string {
  const version = isIP(address);
  if (version !== 6) return address;
  // A URL writes it in one form, shortened; a zone is nobody's but the machine's own.
  const [plain = ''] = address.split('%');
  const canonical = new URL(`http://[${plain}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical);
  if (mapped !== null) {
    const bytes = mapped
      .slice(1)
      .flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]);
    return bytes.join('.');
  }
  const [head = '', tail] = canonical.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => '0'), ...right];
  return `${groups.slice(0, 4).join(':')}::/64`;
}

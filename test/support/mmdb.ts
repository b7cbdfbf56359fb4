/** Writes small files in the format MaxMind DB 2.0, as a provider of locations would: a search tree of bits, and data. */

export interface Place {
  readonly latitude: number;
  readonly longitude: number;
  readonly accuracy_radius?: number;
}

/** Networks of the internet, some that are none, and where they are. */
export const CITIES: Readonly<Record<string, Place | null>> = {
  '81.2.69.0/24': { latitude: 51.5142, longitude: -0.0931, accuracy_radius: 10 },
  '2.125.160.0/24': { latitude: 51.75, longitude: -1.25, accuracy_radius: 5 },
  '89.160.20.0/24': { latitude: 58.4167, longitude: 15.6167, accuracy_radius: 20 },
  '216.160.83.0/24': { latitude: 47.2513, longitude: -122.3149, accuracy_radius: 20 },
  '2001:218::/32': { latitude: 35.68536, longitude: 139.75309, accuracy_radius: 100 },
  '175.16.199.0/24': null,
  '10.0.0.0/8': { latitude: 47.2513, longitude: -122.3149, accuracy_radius: 20 },
  'fd00::/8': { latitude: 47.2513, longitude: -122.3149, accuracy_radius: 20 },
};

type Value = string | number | readonly Value[] | { readonly [key: string]: Value };
/** Both sides of a bit: another node, the number of a record, or nothing. */
type Node = [Node | number | null, Node | number | null];

const V4_BITS = Array.from({ length: 96 }, () => 0 as const);
const SEPARATOR = Buffer.alloc(16);
const METADATA = Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1');

/**
 * @param networks by their range, such as `81.2.69.0/24` or `2001:218::/32`: where they are, or null for a record without a place
 * @returns the bytes of the file
 */
export function mmdbOf(networks: Readonly<Record<string, Place | null>>): Buffer {
  const root: Node = [null, null];
  const records: Buffer[] = [];
  const offsets: number[] = [];
  let length = 0;
  for (const [range, place] of Object.entries(networks)) {
    insert(root, bitsOf(range), records.length);
    const record = encoded({ country: { iso_code: 'XX' }, ...(place !== null && { location: { ...place } }) });
    offsets.push(length);
    length += record.length;
    records.push(record);
  }
  const nodes = nodesOf(root);
  const indexes = new Map(nodes.map((node, index) => [node, index]));
  const tree = nodes.flatMap((node) =>
    node.map((side) => {
      const bytes = Buffer.alloc(3);
      const value =
        side === null
          ? nodes.length
          : typeof side === 'number'
            ? nodes.length + SEPARATOR.length + (offsets[side] ?? 0)
            : (indexes.get(side) ?? 0);
      bytes.writeUIntBE(value, 0, 3);
      return bytes;
    }),
  );
  const metadata = encoded({
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: 1_800_000_000,
    database_type: 'Test-City',
    description: { en: 'Places for tests' },
    ip_version: 6,
    languages: ['en'],
    node_count: nodes.length,
    record_size: 24,
  });
  return Buffer.concat([...tree, SEPARATOR, ...records, METADATA, metadata]);
}

function insert(root: Node, bits: readonly (0 | 1)[], record: number): void {
  let node = root;
  for (const [index, bit] of bits.entries()) {
    if (index === bits.length - 1) {
      node[bit] = record;
      return;
    }
    const next = node[bit];
    if (typeof next === 'number') throw new TypeError('one network lies in another');
    node = node[bit] = next ?? [null, null];
  }
}

function nodesOf(node: Node): readonly Node[] {
  return [node, ...node.flatMap((side) => (Array.isArray(side) ? nodesOf(side) : []))];
}

function bitsOf(range: string): readonly (0 | 1)[] {
  const [address = '', length = ''] = range.split('/');
  const isV4 = address.includes('.');
  const groups = isV4 ? address.split('.') : groupsOf(address);
  const [base, width] = isV4 ? [10, 8] : [16, 16];
  const text = groups.map((group) => Number.parseInt(group, base).toString(2).padStart(width, '0')).join('');
  const bits = Array.from(text.slice(0, Number(length)), (bit) => (bit === '1' ? 1 : 0));
  return isV4 ? [...V4_BITS, ...bits] : bits;
}

function groupsOf(address: string): readonly string[] {
  const [left = [], right = []] = address.split('::').map((side) => side.split(':').filter((group) => group !== ''));
  return [...left, ...Array.from({ length: 8 - left.length - right.length }, () => '0'), ...right];
}

/** Its type and size in a byte, or in two where the type is one of the later ones, and what it holds. */
function encoded(value: Value): Buffer {
  if (typeof value === 'string') return Buffer.concat([control(2, Buffer.byteLength(value)), Buffer.from(value)]);
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(8);
    if (Number.isInteger(value) && value >= 0) {
      bytes.writeUInt32BE(value);
      return Buffer.concat([control(6, 4), bytes.subarray(0, 4)]);
    }
    bytes.writeDoubleBE(value);
    return Buffer.concat([control(3, 8), bytes]);
  }
  if (Array.isArray(value)) {
    const items = value as readonly Value[]; // it is one
    return Buffer.concat([Buffer.from([items.length, 11 - 7]), ...items.map(encoded)]);
  }
  const entries = Object.entries(value);
  return Buffer.concat([
    control(7, entries.length),
    ...entries.flatMap(([key, each]) => [encoded(key), encoded(each)]),
  ]);
}

function control(type: number, size: number): Buffer {
  if (size >= 29) throw new TypeError('so large a value is not written here');
  return Buffer.from([(type << 5) | size]);
}

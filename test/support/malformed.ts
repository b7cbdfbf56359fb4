/** Input that nobody means, the same for the same seed. */

export type Random = () => number;

/** Mulberry32: small, and the same everywhere. From 0 up to 1. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const below = (random: Random, max: number): number => Math.floor(random() * max);

export function pick<T>(random: Random, items: readonly [T, ...T[]]): T {
  return items[below(random, items.length)] ?? items[0];
}

/** Text that is cut, doubled, overwritten, or has something strange in it, a few times over. */
export function mangled(random: Random, text: string): string {
  let result = text;
  for (let n = below(random, 4); n >= 0; n -= 1) {
    const at = below(random, result.length + 1);
    const to = Math.min(result.length, at + below(random, 12));
    const change = below(random, 5);
    if (change === 0) result = result.slice(0, at) + result.slice(to);
    if (change === 1) result = result.slice(0, to) + result.slice(at);
    if (change === 2) result = result.slice(0, at) + strange(random) + result.slice(at);
    if (change === 3) result = result.slice(0, at) + String.fromCharCode(below(random, 0xffff)) + result.slice(to);
    if (change === 4) result = result.slice(0, at);
  }
  return result.slice(0, 20_000);
}

function strange(random: Random): string {
  return pick(random, [
    '\0',
    '\ud800',
    '\ufeff',
    '\u2028',
    '"',
    '\\',
    '{',
    '}',
    '[',
    ']',
    '(',
    ')',
    '...',
    '@',
    '$',
    '#',
    '"""',
    '-1',
    '1e999',
    '9007199254740993',
    'null',
    'true',
    '__proto__',
    'constructor',
    '__typename',
    'on',
    "' or 1=1 --",
    '%00',
    '\r\n',
    '🏰'.repeat(50),
    '['.repeat(100),
    '{a:'.repeat(60),
    'x'.repeat(5_000),
  ]);
}

/** A value of JSON, of any shape. */
export function value(random: Random, depth = 0): unknown {
  const kind = below(random, depth > 4 ? 6 : 9);
  if (kind === 0) return null;
  if (kind === 1) return random() < 0.5;
  if (kind === 2) return pick(random, [0, -1, 1, 0.5, 1e308, -0, 2 ** 53, 2 ** 31, -(2 ** 31) - 1]);
  if (kind < 6)
    return mangled(random, pick(random, ['', 'x', 'user_1', 'me@example.com', 'acme/platform', '2026-01-01']));
  const size = below(random, 4);
  if (kind === 6) return Array.from({ length: size }, () => value(random, depth + 1));
  const names = ['id', 'email', 'name', '__proto__', 'constructor', '__typename', 'first', 'input', ''] as const;
  return Object.fromEntries(Array.from({ length: size }, () => [pick(random, names), value(random, depth + 1)]));
}

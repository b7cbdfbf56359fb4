/** Versions as npm has them, `1.2.3` or `1.2.3-beta.1`, and the plain ranges that advisories are written in. */

const PLAIN = /^(\d+)\.(\d+)\.(\d+)(-[^+]+)?/;

type Parts = readonly [number, number, number, string];

/** Null for what is no version. */
function partsOf(version: string): Parts | null {
  const [, major, minor, patch, before = ''] = PLAIN.exec(version) ?? [];
  return patch === undefined ? null : [Number(major), Number(minor), Number(patch), before];
}

/** Whether it is no trial of a version to come. */
export function isRelease(version: string): boolean {
  return partsOf(version)?.[3] === '';
}

export function majorOf(version: string): number | null {
  return partsOf(version)?.[0] ?? null;
}

/** Negative where the first is older. Trials of a version come before it, in no order of their own. */
export function compared(one: string, other: string): number {
  const [a, b] = [partsOf(one), partsOf(other)];
  if (a === null || b === null) throw new TypeError(`one of ${one} and ${other} is no version`);
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2] || Number(a[3] === '') - Number(b[3] === '');
}

/** Whether a version is in `>=1.0.0 <1.2.3 || 2.0.0`. A range that is not understood has every version in it. */
export function isWithin(version: string, range: string): boolean {
  return range.split('||').some((each) =>
    each
      .trim()
      .replaceAll(/([<>=]) +/g, '$1')
      .split(/\s+/)
      .every((comparator) => fits(version, comparator)),
  );
}

function fits(version: string, comparator: string): boolean {
  const [, sign = '', bound = ''] = /^(<=|>=|<|>|=)?v?(.+)$/.exec(comparator) ?? [];
  if (partsOf(bound) === null) return true;
  const order = compared(version, bound);
  if (sign === '<') return order < 0;
  if (sign === '<=') return order <= 0;
  if (sign === '>') return order > 0;
  return sign === '>=' ? order >= 0 : order === 0;
}

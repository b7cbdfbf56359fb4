/** Each bucket ends 10 % above where it begins: the middle of one is at most 4.9 % away from anything in it. */
const GROWTH = 1.1;

/** The bucket of a length. Lengths below a millisecond count as one. */
export function lengthBucket(ms: number): number {
  return Math.floor(Math.log(Math.max(1, ms)) / Math.log(GROWTH));
}

/**
 * The length that so many per cent of all lengths do not exceed, in ms, with an error of at most 4.9 %; null when there is
 * none.
 *
 * @param counts how many lengths there are in each bucket
 */
export function percentile(counts: ReadonlyMap<number, number>, percent: number): number | null {
  const ordered = [...counts].filter(([, count]) => count > 0).toSorted(([a], [b]) => a - b);
  const total = ordered.reduce((sum, [, count]) => sum + count, 0);
  const rank = Math.max(1, Math.ceil((total * percent) / 100));
  let reached = 0;
  for (const [bucket, count] of ordered) {
    reached += count;
    if (reached >= rank) return GROWTH ** (bucket + 0.5);
  }
  return null;
}

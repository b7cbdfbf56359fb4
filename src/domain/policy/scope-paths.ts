/** Whether what holds at `outer` holds in all of `inner`; null is everywhere. Paths compare by segment: acme does not cover acme2. */
export function covers(outer: string | null, inner: string | null): boolean {
  return outer === null || inner === outer || inner?.startsWith(`${outer}/`) === true;
}

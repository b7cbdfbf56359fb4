/** Of the Web Locks API, what is needed here. */
export interface Locks {
  request<T>(name: string, options: { readonly signal: AbortSignal }, callback: () => Promise<T>): Promise<T>;
}

/** All tabs of an origin wait for each other by this name, */
const LOCK = 'castellan-refresh';
/** and not for longer than this: one of them may be stuck. */
const WAIT_MS = 15_000;

let last: Promise<unknown> = Promise.resolve();

/**
 * Runs one after the other what refreshes a session: in all tabs of the browser where it has Web Locks, and otherwise in this
 * one. Work that has waited for its turn looks again whether there is still something to do.
 * @param locks null does without Web Locks
 */
export function inTurn<T>(work: () => Promise<T>, locks: Locks | null = locksHere()): Promise<T> {
  if (locks !== null) return locks.request(LOCK, { signal: AbortSignal.timeout(WAIT_MS) }, work);
  const mine = last.then(work);
  last = mine.catch(() => {});
  return mine;
}

function locksHere(): Locks | null {
  const { navigator } = globalThis as { readonly navigator?: { readonly locks?: Locks } };
  return navigator?.locks ?? null;
}

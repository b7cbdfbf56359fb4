import type { Principal } from '../principals/principal.ts';
import { badInput, Refusal } from '../refusals.ts';
import type { Transaction } from '../store.ts';
import type { Authority, Enforced, Locks } from './authority.ts';

/** How many things one request may change. */
export const BULK_MAX = 1_000;
/** How many of them one transaction changes: so nobody waits long for its locks, of which the database has only so many. */
const PART = 100;

/** What became of one of many. */
export type Outcome<T> =
  | { readonly value: T; readonly refusal: null }
  | { readonly value: null; readonly refusal: Refusal };

/** What `work` gives, or refuses. */
export function outcomeOf<T>(work: () => T): Outcome<T> {
  try {
    return { value: work(), refusal: null };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { value: null, refusal: error };
  }
}

/** The value of one that was done alone; throws what refused it, so that its transaction leaves nothing behind. */
export function only<T>([outcome]: readonly Outcome<T>[]): T {
  if (outcome === undefined) throw new TypeError('one was to be done');
  if (outcome.refusal !== null) throw outcome.refusal;
  return outcome.value;
}

/**
 * Changes each of these that may be changed, and resolves with what became of each, in their order, once all that was done is
 * in force: one receipt. Items are done in their order, each as if it came alone after those before it. Refuses everything with
 * BAD_USER_INPUT where there are more than {@link BULK_MAX}.
 */
export async function changeEach<I, T>(
  authority: Authority,
  by: Principal,
  items: readonly I[],
  how: {
    /** The argument they came in. */
    readonly field: string;
    readonly locks: (part: readonly I[]) => Locks;
    /** Does those that may be done, and says what became of each. Throws only what refuses them all. */
    readonly work: (tx: Transaction, actor: Principal, part: readonly I[]) => Promise<readonly Outcome<T>[]>;
  },
): Promise<Enforced<readonly Outcome<T>[]>> {
  if (by.kind === 'anonymous') throw new Refusal('UNAUTHENTICATED', 'Sign in first.');
  if (items.length > BULK_MAX) throw badInput(how.field, `At most ${BULK_MAX} at once.`);
  const parts: (readonly I[])[] = [];
  for (let from = 0; from < items.length; from += PART) parts.push(items.slice(from, from + PART));
  const { value, receipt } = await authority.changeInParts(
    by,
    parts.map((part) => ({ locks: how.locks(part), work: (tx, actor) => how.work(tx, actor, part) })),
  );
  const outcomes = value.flatMap((done, index) =>
    done instanceof Refusal ? (parts[index] ?? []).map(() => ({ value: null, refusal: done })) : done,
  );
  return { value: outcomes, receipt };
}

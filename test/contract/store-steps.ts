import { expect } from '@jest/globals';
import type { AuthorityLog } from '../../src/domain/authority/log.ts';
import type { Store, Transaction } from '../../src/domain/store.ts';
import { parentPath, scopePaths } from '../../src/domain/scopes/scope.ts';
import { aScope, aUser } from './store-samples.ts';

export interface OpenStore {
  readonly store: Store;
  readonly log: AuthorityLog;
  /** Resolves when so many transactions wait for another one. */
  readonly untilWaiting: (count: number) => Promise<void>;
  /** How many statements `work` sends outside of transactions. */
  readonly statements: (work: () => Promise<unknown>) => Promise<number>;
  /** What the audit says was done to the subject, in order: `by action`. */
  readonly audited: (subjectId: string) => Promise<readonly string[]>;
  readonly release: () => Promise<void>;
}

export type Law = (opened: OpenStore) => Promise<void>;

/** A transaction that does not end before it is told to. */
export function holding(store: Store, work: (tx: Transaction) => Promise<unknown>) {
  const [reached, told] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const done = store.transaction(async (tx) => {
    await doing(tx, work);
    reached.resolve();
    await told.promise;
  });
  done.catch(reached.reject);
  return {
    reached: reached.promise,
    async end(): Promise<void> {
      told.resolve();
      await done;
    },
  };
}

/** What gives no answer is not waited for: it is done when something that was asked after it has one. */
async function doing<T>(tx: Transaction, work: (tx: Transaction) => Promise<T>): Promise<T> {
  const value = await work(tx);
  await tx.fence.head();
  return value;
}

/**
 * Runs `second` in a transaction while one that did `first` is open; fails unless it waits for the end of that one.
 * What `second` came to.
 */
export async function waits<T>(
  { store, untilWaiting }: OpenStore,
  first: (tx: Transaction) => Promise<unknown>,
  second: (tx: Transaction) => Promise<T>,
): Promise<T> {
  const order: string[] = [];
  const open = holding(store, first);
  await open.reached;
  const waiting = store.transaction(async (tx) => {
    const value = await doing(tx, second);
    order.push('second');
    return value;
  });
  waiting.catch(() => {});
  // Whether it waits or not, it is over.
  await Promise.race([untilWaiting(1), waiting]);
  order.push('first');
  await open.end();
  const { value } = await waiting;
  expect(order).toEqual(['first', 'second']);
  return value;
}

/** Runs `second` in a transaction while one that did `first` is open. It must not wait. */
export async function passes(
  { store }: OpenStore,
  first: (tx: Transaction) => Promise<unknown>,
  second: (tx: Transaction) => Promise<unknown>,
): Promise<void> {
  const open = holding(store, first);
  await open.reached;
  await store.transaction(second);
  await open.end();
}

/** Scopes at these paths, with all above them, where there are none yet. */
export async function addScopes(store: Store, ...paths: readonly string[]): Promise<void> {
  await store.transaction(async (tx) => {
    for (const path of paths.flatMap(scopePaths)) {
      if ((await tx.scopes.findByPath(path)) !== null) continue;
      const above = parentPath(path);
      const parentId = above === null ? null : ((await tx.scopes.findByPath(above))?.id ?? null);
      await tx.scopes.add(aScope(path, { parentId }));
    }
  });
}

export async function addUsers(store: Store, count: number, values: Parameters<typeof aUser>[0] = {}) {
  const users = Array.from({ length: count }, () => aUser(values)).toSorted((a, b) => (a.id < b.id ? -1 : 1));
  if (typeof values.scope === 'string') await addScopes(store, values.scope);
  await store.transaction(async (tx) => {
    for (const user of users) await tx.users.add(user, null);
  });
  return users;
}

export async function addUser(store: Store, values: Parameters<typeof aUser>[0] = {}) {
  const [user] = await addUsers(store, 1, values);
  if (user === undefined) throw new TypeError('one user was asked for');
  return user;
}

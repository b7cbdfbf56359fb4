/**
 * Values under keys, shared between instances, which may be lost, rolled back or written by an attacker at
 * any time. What is read from it counts only after the reader has checked its signature and its label.
 * test/contract/cache.contract.ts holds every driver to these words.
 */
export interface Cache {
  /** Must answer in the order of the keys, with null for what is missing, and null for all when it cannot answer in time. */
  read(keys: readonly string[]): Promise<readonly (string | null)[]>;
  /** Must keep the value for at most `ttlSeconds`. Must never throw: a value that was not kept is a later miss. */
  write(key: string, value: string, ttlSeconds: number): Promise<void>;
  /** Must forget the keys. Must never throw. */
  forget(keys: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

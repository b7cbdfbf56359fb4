import type { EntityManager } from '@mikro-orm/postgresql';
import { CompiledQuery, type Kysely, type Transaction as KyselyTransaction } from 'kysely';
import type { Query } from './database.ts';

/** More texts than there are statements: those that are put together of parts, such as the names of partitions, have many. */
const TEXTS_MAX = 500;

/**
 * Runs statements on the connection of the transaction that an entity manager is in. With `preparedStatements` each text is
 * parsed and planned once for a connection, as outside transactions.
 */
export function transactionQuery(preparedStatements: boolean): (em: EntityManager) => Query {
  const names = new Map<string, string>();
  /** One name may stand over several texts, with and without a lock, and on a connection a name is good for one. */
  function nameOf(name: string, text: string): string | null {
    const known = names.get(text);
    if (known !== undefined || !preparedStatements || names.size >= TEXTS_MAX) return known ?? null;
    const added = `${name}#${names.size}`;
    names.set(text, added);
    return added;
  }
  return (em) => {
    const transaction = em.getTransactionContext<KyselyTransaction<unknown>>() as Kysely<unknown> | undefined;
    if (transaction === undefined)
      throw new TypeError('a transaction query needs an entity manager inside a transaction');
    return async <Row>(name: string, text: string, values: readonly unknown[]) => {
      const statement = CompiledQuery.raw(text, [...values]);
      const prepared = nameOf(name, text);
      // Kysely hands `sql` to pg as it is, and has no place for a name.
      const sql = prepared === null ? text : ({ name: prepared, text } as unknown as string);
      const { rows } = await transaction.executeQuery({ ...statement, sql });
      return rows as Row[]; // the statement names its columns; a contract test runs each
    };
  };
}

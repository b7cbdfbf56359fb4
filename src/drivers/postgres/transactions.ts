import type { Pool, PoolClient, QueryConfig, QueryResult } from 'pg';
import { tracedStatement, type Query } from './query.ts';

/**
 * Sends one statement and waits for nothing; `told` has its rows before anything that comes after it is answered. Where it fails,
 * whatever comes after it fails in its name, and so does the commit.
 */
export type Send = (
  name: string,
  text: string,
  values: readonly unknown[],
  told?: (rows: readonly { readonly id: string }[]) => void,
) => Promise<void>;

/** What a transaction says to PostgreSQL. Statements are carried out in the order they are given in, each on what was committed by then. */
export interface Statements {
  readonly query: Query;
  readonly send: Send;
}

/** Runs `work` in a transaction of its own, and commits it unless `work` rejects. */
export type Transactions = <T>(work: (statements: Statements) => Promise<T>) => Promise<T>;

/** More texts than there are statements: those that are put together of parts, such as the names of partitions, have many. */
const TEXTS_MAX = 500;

/**
 * Transactions in which nobody waits for an answer that says nothing: `begin`, locks and writes go out together with the next
 * statement whose rows are asked for, or with `commit`, in one write to the socket. With `preparedStatements` each text is parsed
 * and planned once for a connection. The clients of the pool must be opened with `pipeline`.
 */
export function createTransactions(pool: Pool, preparedStatements: boolean): Transactions {
  const names = new Map<string, string>();
  /** One name may stand over several texts, with and without a lock, and on a connection a name is good for one. */
  function nameOf(name: string, text: string): string | undefined {
    const known = names.get(text);
    if (known !== undefined || !preparedStatements || names.size >= TEXTS_MAX) return known;
    const added = `${name}#${names.size}`;
    names.set(text, added);
    return added;
  }

  return async (work) => {
    const client = await pool.connect();
    let lost: unknown = null;
    try {
      return await inTransaction(client, nameOf, work);
    } catch (error) {
      await client.query('rollback').catch((failure: unknown) => (lost = failure));
      throw error;
    } finally {
      // Nobody knows what a connection is in the middle of where it could not roll back.
      client.release(lost !== null);
    }
  };
}

async function inTransaction<T>(
  client: PoolClient,
  nameOf: (name: string, text: string) => string | undefined,
  work: (statements: Statements) => Promise<T>,
): Promise<T> {
  let failure: { readonly error: unknown } | null = null;
  const together = corking(client);
  async function run(name: string, statement: string | QueryConfig): Promise<QueryResult> {
    together();
    try {
      return await tracedStatement(name, () => client.query(statement));
    } catch (error) {
      // Of those after it, PostgreSQL says only that the transaction has failed.
      failure ??= { error };
      throw failure.error;
    }
  }
  const query: Query = async <Row>(name: string, text: string, values: readonly unknown[]) => {
    const { rows } = await run(name, { name: nameOf(name, text), text, values: [...values] });
    return rows as Row[]; // the statement names its columns; a contract test runs each
  };
  const send: Send = async (name, text, values, told = () => {}) => {
    query<{ id: string }>(name, text, values).then(told, () => {}); // the commit says so
  };

  run('begin', 'begin').catch(() => {}); // whatever comes next says so
  const value = await work({ query, send });
  const { command } = await run('commit', 'commit');
  if (failure !== null) throw (failure as { readonly error: unknown }).error;
  if (command !== 'COMMIT') throw new Error(`a transaction ended with ${command}`);
  return value;
}

/** Holds back what is written to the socket until whoever runs now has said everything that needs no answer. */
function corking({ connection: { stream } }: PoolClient): () => void {
  let corked = false;
  return () => {
    if (corked) return;
    corked = true;
    stream.cork();
    process.nextTick(() => {
      corked = false;
      stream.uncork();
    });
  };
}

import { MikroORM, type EntityManager } from '@mikro-orm/postgresql';
import { CompiledQuery, type Kysely, type Transaction as KyselyTransaction } from 'kysely';
import { DatabaseError, type Pool } from 'pg';
import type { Log } from '../../kit/log.ts';
import type { Secret } from '../../kit/secret.ts';
import { TransactionConflict } from '../../domain/store.ts';
import { ROWS } from './rows.ts';

/** Runs one statement; `name` makes it a prepared one where the connection allows it. Parameters are `$1`, `$2` … */
export type Query = <Row>(name: string, text: string, values: readonly unknown[]) => Promise<readonly Row[]>;

export interface Database {
  readonly orm: MikroORM;
  readonly pool: Pool;
  /** Reads outside any transaction. */
  readonly query: Query;
  close(): Promise<void>;
}

/** A statement may take this long; it is also the execution deadline of an operation. */
const STATEMENT_TIMEOUT_MS = 5_000;
const CONNECT_TIMEOUT_MS = 2_000;
/** What a frozen instance can hold: a lock somebody waits for, and a transaction it left open. */
const LOCK_TIMEOUT_MS = 2_000;
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 1_000;

/** A pool of connections under MikroORM, lazily opened, each wait of which is bounded. */
export async function openDatabase(parts: { url: Secret; poolMax: number; logger: Log }): Promise<Database> {
  const orm = new MikroORM({
    entities: ROWS,
    clientUrl: parts.url.reveal(),
    pool: { min: 0, max: parts.poolMax },
    driverOptions: {
      application_name: 'castellan',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      lock_timeout: LOCK_TIMEOUT_MS,
      idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
      query_timeout: STATEMENT_TIMEOUT_MS + 1_000,
      keepAlive: true,
    },
    logger: (message) => parts.logger.debug({ source: 'mikro-orm' }, message),
  });
  await orm.connect();
  const pool: Pool = await orm.em.getConnection().getNativeClient();
  return {
    orm,
    pool,
    query: async <Row>(name: string, text: string, values: readonly unknown[]) => {
      const { rows } = await pool.query({ name, text, values: [...values] });
      return rows as Row[]; // the statement names its columns; a contract test runs each
    },
    close: () => orm.close(true),
  };
}

/** Runs statements on the connection of the transaction that `em` is in. */
export function queryIn(em: EntityManager): Query {
  const transaction = em.getTransactionContext<KyselyTransaction<unknown>>() as Kysely<unknown> | undefined;
  if (transaction === undefined) throw new TypeError('queryIn needs an entity manager inside a transaction');
  return async <Row>(_name: string, text: string, values: readonly unknown[]) => {
    const { rows } = await transaction.executeQuery(CompiledQuery.raw(text, [...values]));
    return rows as Row[]; // as above
  };
}

const SERIALIZATION_FAILURE = '40001';
const DEADLOCK_DETECTED = '40P01';
const UNIQUE_VIOLATION = '23505';

/** The error of PostgreSQL behind whatever MikroORM wrapped around it, or null. */
function databaseError(error: unknown): DatabaseError | null {
  let inner = error;
  for (let depth = 0; depth < 5 && inner instanceof Error; depth += 1) {
    if (inner instanceof DatabaseError) return inner;
    inner = (inner as { previous?: unknown }).previous ?? inner.cause;
  }
  // MikroORM's exceptions copy the fields of the driver's error onto themselves.
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? (error as DatabaseError) : null;
}

/** Whether the row is one too many under a unique index. */
export function isUniqueViolation(error: unknown): boolean {
  return databaseError(error)?.code === UNIQUE_VIOLATION;
}

/** The same error, or a {@link TransactionConflict} when the work may simply be tried again. */
export function conflictOr(error: unknown): unknown {
  const code = databaseError(error)?.code;
  if (code !== SERIALIZATION_FAILURE && code !== DEADLOCK_DETECTED) return error;
  return new TransactionConflict('PostgreSQL chose this transaction to give way', { cause: error });
}

/** An instant as records carry it, from what the driver made of a timestamptz. */
export function instant(value: Date | string): string {
  return new Date(value).toISOString();
}

export function instantOrNull(value: Date | string | null): string | null {
  return value === null ? null : instant(value);
}

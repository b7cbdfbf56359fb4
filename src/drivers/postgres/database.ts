import { MikroORM } from '@mikro-orm/postgresql';
import { DatabaseError, type Pool, type PoolClient } from 'pg';
import { type Clock, systemClock } from '../../kit/clock.ts';
import { withDeadline } from '../../kit/deadline.ts';
import type { Log } from '../../kit/log.ts';
import type { Secret } from '../../kit/secret.ts';
import { Refusal } from '../../domain/refusals.ts';
import { TransactionConflict } from '../../domain/store.ts';
import { cancellable } from './cancellation.ts';
import { ConnectionQueue, QUEUE_FULL } from './connection-queue.ts';
import { type Query, queryOn, traced } from './query.ts';
import { renewedClient } from './renewed-client.ts';
import { openReserve } from './reserve.ts';
import { ROWS } from './rows.ts';
import { createTransactions, type Transactions } from './transactions.ts';

export interface Database {
  readonly orm: MikroORM;
  readonly pool: Pool;
  /** Reads outside any transaction. */
  readonly query: Query;
  /** The same, ended when the operation that it is for is abandoned. */
  readonly read: Query;
  readonly transactions: Transactions;
  /** On {@link reserve}. */
  readonly reserved: Query;
  /** Beside the pool, for what everything else stands on. */
  readonly reserve: Pool;
  /** Of those who wait for a connection of the pool. */
  readonly queue: ConnectionQueue;
  close(): Promise<void>;
}

/** A statement may take this long; it is also the execution deadline of an operation. */
export const STATEMENT_TIMEOUT_MS = 5_000;
/** How long a server may take to answer a new connection. */
export const CONNECT_TIMEOUT_MS = 2_000;
/** What a frozen instance can hold: a lock somebody waits for, and a transaction it left open. */
export const LOCK_TIMEOUT_MS = 2_000;
export const IDLE_IN_TRANSACTION_TIMEOUT_MS = 1_000;

export interface DatabaseOptions {
  readonly url: Secret;
  readonly poolMax: number;
  /**
   * Whether a connection is one of the server's for as long as it is open. Behind a pooler that gives one for a transaction
   * only, statements have no names, bounds of waits are the user's (`serverProblems`), and no statement is cancelled: the
   * process that a pooler names is not the server's, and may be somebody else's.
   */
  readonly preparedStatements: boolean;
  readonly logger: Log;
  readonly clock?: Clock;
}

const CLOSE_MS = 5_000;

const BOUNDS = {
  statement_timeout: STATEMENT_TIMEOUT_MS,
  lock_timeout: LOCK_TIMEOUT_MS,
  idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
};

/** Connections under MikroORM and one in reserve, at least two in all, lazily opened, each wait of which is bounded. */
export async function openDatabase(parts: DatabaseOptions): Promise<Database> {
  const { preparedStatements, clock = systemClock } = parts;
  const max = Math.max(1, parts.poolMax - 1);
  const orm = new MikroORM({
    entities: ROWS,
    clientUrl: parts.url.reveal(),
    pool: { min: 0, max },
    // It would connect at once, and make a database that is missing.
    ensureDatabase: false,
    driverOptions: {
      // MikroORM reads of the URL where the server is, and leaves its query aside: TLS among it.
      connectionString: parts.url.reveal(),
      Client: renewedClient(parts.url),
      application_name: 'castellan',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      ...(preparedStatements && BOUNDS),
      query_timeout: STATEMENT_TIMEOUT_MS + 1_000,
      // For transactions. Everything else says one thing at a time.
      pipeline: true,
      keepAlive: true,
    },
    logger: (message) => parts.logger.debug({ source: 'mikro-orm' }, message),
  });
  await orm.connect();
  const pool: Pool = await orm.em.getConnection().getNativeClient();
  outliveLostConnections(pool);
  const queue = new ConnectionQueue(pool, clock);
  const reserve = openReserve(pool, parts.logger);
  const open = openConnections(pool, reserve);
  const query = queryOn(pool, preparedStatements);
  return {
    orm,
    pool,
    query: traced(query),
    read: traced(preparedStatements ? cancellable({ pool, queue, reserve }, query) : query),
    transactions: createTransactions(pool, preparedStatements),
    reserved: queryOn(reserve, preparedStatements),
    reserve,
    queue,
    close: () =>
      withDeadline(clock, end(), CLOSE_MS, 'PostgreSQL').catch((error: unknown) => {
        parts.logger.warn({ err: error }, 'connections to PostgreSQL are cut off');
        for (const { connection } of open) connection.stream.destroy();
      }),
  };

  async function end(): Promise<void> {
    await reserve.end();
    await orm.close(true);
    // It ends its pool only where it has connected by itself, and idle connections keep a process alive for ten seconds.
    if (!pool.ended) await pool.end();
    // A pool is ended when it has told the server so; a connection keeps the process until that has answered.
    await Promise.all([...open].map((client) => new Promise((resolve) => client.once('end', resolve))));
  }
}

function openConnections(...pools: readonly Pool[]): ReadonlySet<PoolClient> {
  const open = new Set<PoolClient>();
  const opened = (client: PoolClient): void => {
    open.add(client);
    client.once('end', () => open.delete(client));
  };
  for (const pool of pools) pool.on('connect', opened);
  return open;
}

/** A connection that is lost while it is in use says so to whoever asks something of it next, and is no reason to end the process. */
function outliveLostConnections(pool: Pool): void {
  const heed = (): void => {};
  pool.on('acquire', (client) => void client.on('error', heed));
  pool.on('release', (_error, client) => void client.off('error', heed));
}

const SERIALIZATION_FAILURE = '40001';
const DEADLOCK_DETECTED = '40P01';
/** Somebody else took what is unique between the look for it and the write: whoever looks again finds it taken. */
const UNIQUE_VIOLATION = '23505';
const LOCK_NOT_AVAILABLE = '55P03';
/** A class of SQLSTATE. */
const INVALID_AUTHORIZATION = '28';
const INSUFFICIENT_PRIVILEGE = '42501';
const INVALID_SCHEMA_NAME = '3F000';
const QUERY_CANCELED = '57014';
/** The transaction did nothing for too long, on a busy or frozen instance, and was rolled back. */
const IDLE_IN_TRANSACTION = '25P03';
const CHARACTER_NOT_IN_REPERTOIRE = '22021';
/** The server is not there, is going, is coming, or takes no more. Classes 08 and 57P of SQLSTATE, and Node's own codes. */
const UNREACHABLE =
  /^(08...|57P0.|53300|ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)$/;
/** What pg says without a code. */
const LOST = /Connection terminated|Query read timeout|not queryable/;
/** What is said when no connection was free, or none could be opened, in time, or too many waited: nothing was asked of the server. */
const WAITED = new RegExp(`timeout exceeded when trying to connect|timeout expired|${QUEUE_FULL}`);
/** A pooler that takes no settings at the start of a connection will not take them later. */
const PROTOCOL_VIOLATION = '08P01';

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

/** Whether a wait for a lock was given up. */
export function isLockNotAvailable(error: unknown): boolean {
  return databaseError(error)?.code === LOCK_NOT_AVAILABLE;
}

/** Whether the user may not do it, or has no schema to do it in. */
export function isNotAllowed(error: unknown): boolean {
  return [INSUFFICIENT_PRIVILEGE, INVALID_SCHEMA_NAME].includes(databaseError(error)?.code ?? '');
}

/**
 * What an error of PostgreSQL means to us, or the same error: a {@link TransactionConflict} when the work may simply be
 * tried again, and a refusal when the server is away, a wait was cut short, or no row could hold what was asked for.
 */
export function translated(error: unknown): unknown {
  switch (databaseError(error)?.code) {
    case SERIALIZATION_FAILURE:
    case DEADLOCK_DETECTED:
    case UNIQUE_VIOLATION:
      return new TransactionConflict('PostgreSQL chose this transaction to give way', { cause: error });
    case LOCK_NOT_AVAILABLE:
    case QUERY_CANCELED:
      return new Refusal('AUTHORITY_UNAVAILABLE', 'Others are changing the same. Try again shortly.', {
        retryAfterSeconds: 1,
      });
    case IDLE_IN_TRANSACTION:
      return new Refusal('AUTHORITY_UNAVAILABLE', 'This took too long and was not done. Try again shortly.', {
        retryAfterSeconds: 1,
      });
    case CHARACTER_NOT_IN_REPERTOIRE:
      return unstorable();
    default:
      // A login that is being replaced is refused for a moment.
      if (isUnreachable(error) || isLoginRefused(error)) return unreachable();
      return WAITED.test(wordsOf(error)) ? BUSY : error;
  }
}

function isUnreachable(error: unknown): boolean {
  if (error instanceof Refusal) return false;
  return UNREACHABLE.test(databaseError(error)?.code ?? '') || LOST.test(wordsOf(error));
}

function isLoginRefused(error: unknown): boolean {
  return databaseError(error)?.code?.startsWith(INVALID_AUTHORIZATION) ?? false;
}

/** Whether it failed since the server is not there, or not yet. */
export function isAway(error: unknown): boolean {
  if (databaseError(error)?.code === PROTOCOL_VIOLATION) return false;
  return isUnreachable(error) || WAITED.test(wordsOf(error));
}

function wordsOf(error: unknown): string {
  const { message } = Object(error) as { readonly message?: unknown };
  return typeof message === 'string' ? message : '';
}

function unreachable(): Refusal {
  return new Refusal(
    'AUTHORITY_UNAVAILABLE',
    'The database cannot be reached. What was asked to change may or may not have been changed: ask again shortly.',
    { retryAfterSeconds: 1 },
  );
}

/** The same for all, as there are many. */
const BUSY = new Refusal('AUTHORITY_UNAVAILABLE', 'The database is busy, and nothing was done. Try again shortly.', {
  retryAfterSeconds: 1,
});

/**
 * The same reader, with its errors {@link translated}. Text that PostgreSQL cannot hold is refused before: where MikroORM
 * writes values into the statement, U+0000 would end it early.
 */
export function translating<Reader extends object>(reader: Reader): Reader {
  const methods = Object.entries(reader).map(([name, read]: [string, (...args: unknown[]) => Promise<unknown>]) => [
    name,
    async (...args: unknown[]) => {
      if (args.flat().some((arg) => typeof arg === 'string' && arg.includes('\0'))) throw unstorable();
      try {
        return await read(...args);
      } catch (error) {
        throw translated(error);
      }
    },
  ]);
  return Object.fromEntries(methods) as Reader; // the same names, each of the same type
}

function unstorable(): Refusal {
  return new Refusal('BAD_USER_INPUT', 'Text cannot hold the character U+0000.');
}

/** An instant as records carry it, from what the driver made of a timestamptz. */
export function instant(value: Date | string): string {
  // A page of records has hundreds of them, and a Date costs more than the rest of a record.
  const [, day, time, fraction = ''] = (typeof value === 'string' && UTC.exec(value)) || [];
  if (day !== undefined) return `${day}T${time}.${fraction.padEnd(3, '0')}Z`;
  return new Date(value).toISOString();
}

/** How PostgreSQL writes an instant of milliseconds in UTC, without zeros at the end. */
const UTC = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,3}))?\+00$/;

export function instantOrNull(value: Date | string | null): string | null {
  return value === null ? null : instant(value);
}

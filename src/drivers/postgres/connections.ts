import { Pool, type PoolClient } from 'pg';
import type { Log } from '../../kit/log.ts';

/** How many wait for a connection, for each that there is. They would all be served well within the time that each waits. */
export const WAITING_PER_CONNECTION = 100;

type Connected = (error: Error | undefined, client: PoolClient | undefined, done: (release?: unknown) => void) => void;
type Connect = (callback?: Connected) => Promise<PoolClient>;

/** Thrown to those who find too many before them. Its text is how it is known again, whatever wraps it on the way. */
export const QUEUE_FULL = 'too many wait for a connection of the database';

/**
 * Refuses whoever finds too many waiting for a connection, at once: the last of a long queue are answered when nobody waits
 * for them any more, and those before them are late because of it. Answers with how many it has refused.
 */
export function boundQueue(pool: Pool): () => number {
  const waitingMax = pool.options.max * WAITING_PER_CONNECTION;
  const connect: Connect = pool.connect.bind(pool);
  let refused = 0;
  const bounded: Connect = (callback) => {
    if (pool.waitingCount < waitingMax) return connect(callback);
    refused += 1;
    const error = new Error(QUEUE_FULL);
    if (callback === undefined) return Promise.reject(error);
    process.nextTick(callback, error, undefined, () => {});
    return Promise.resolve(undefined as never); // who gives a callback is given nothing else
  };
  pool.connect = bounded;
  return () => refused;
}

/**
 * One connection beside the pool, for what everything else stands on: polls of the authority log, without which the lease runs
 * out and nothing at all is answered, and cancels, which must not wait behind what they are to end.
 */
export function openReserve(pool: Pool, logger: Log): Pool {
  // Of the options, the password is not enumerable.
  const reserve = new Pool({ ...pool.options, password: pool.options.password, min: 0, max: 1 });
  // An idle connection that is lost is opened again by whoever needs it next.
  reserve.on('error', (error) => logger.debug({ err: error }, 'the connection in reserve was lost'));
  return reserve;
}

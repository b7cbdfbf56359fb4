import { Pool } from 'pg';
import type { Log } from '../../kit/log.ts';

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

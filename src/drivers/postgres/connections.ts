import { Pool, type PoolClient } from 'pg';
import { type Clock, systemClock } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { Undertaking } from '../../kit/undertaking.ts';

/** How many wait for a connection, for each that there is. They would all be served well within the time that each waits. */
export const WAITING_PER_CONNECTION = 100;
/** Whoever gets a connection after so long is late, */
export const WAIT_MS = 100;
/** and where all who got one were late for so long, it is no burst any more. */
export const LATE_MS = 500;

type Connected = (error: Error | undefined, client: PoolClient | undefined, done: (release?: unknown) => void) => void;
type Connect = (callback?: Connected) => Promise<PoolClient>;

/** Thrown to those who find too many before them. Its text is how it is known again, whatever wraps it on the way. */
export const QUEUE_FULL = 'too many wait for a connection of the database';

/**
 * Refuses whoever finds too many waiting for a connection, at once: the last of a long queue are answered when nobody waits
 * for them any more, and those before them are late because of it. Answers with how many it has refused.
 */
export function boundQueue(pool: Pool, clock: Clock = systemClock): () => number {
  const waitingMax = pool.options.max * WAITING_PER_CONNECTION;
  const connect: Connect = pool.connect.bind(pool);
  const waits = new Waits(clock);
  let refused = 0;
  const bounded: Connect = (callback) => {
    const { waitingCount } = pool;
    if (waitingCount < waitingMax && !waits.refuse(waitingCount)) return waits.noted(connect, callback);
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
 * How long connections are waited for. Where that is too long, and stays so although the queue moves, more comes than can be done:
 * then an operation may begin only while those who wait have not waited for long. One that has begun goes on, and so does what is
 * nobody's: to refuse the second half of something is to have done the first for nothing.
 */
class Waits {
  readonly #clock: Clock;
  /** Since when each waits, the oldest first. */
  readonly #sinceMs = new Set<{ readonly ms: number }>();
  readonly #begun = new WeakSet<Undertaking>();
  #lateSinceMs: number | null = null;
  #shedding = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  refuse(waiting: number): boolean {
    if (waiting === 0) {
      this.#lateSinceMs = null;
      this.#shedding = false;
    }
    const undertaking = Undertaking.current();
    if (!this.#shedding || undertaking === null || this.#begun.has(undertaking)) return false;
    const [oldest] = this.#sinceMs;
    return oldest !== undefined && this.#clock.monotonicMs() - oldest.ms >= WAIT_MS;
  }

  async noted(connect: Connect, callback?: Connected): Promise<PoolClient> {
    const since = { ms: this.#clock.monotonicMs() };
    this.#sinceMs.add(since);
    const undertaking = Undertaking.current();
    const ended = (): void => {
      this.#sinceMs.delete(since);
      if (undertaking !== null) this.#begun.add(undertaking);
      this.#served(this.#clock.monotonicMs(), since.ms);
    };
    if (callback === undefined) return connect().finally(ended);
    return connect((error, client, done) => {
      ended();
      callback(error, client, done);
    });
  }

  #served(nowMs: number, sinceMs: number): void {
    if (nowMs - sinceMs < WAIT_MS) this.#lateSinceMs = null;
    else this.#lateSinceMs ??= nowMs;
    if (this.#lateSinceMs !== null && nowMs - this.#lateSinceMs >= LATE_MS) this.#shedding = true;
  }
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

import type { Pool, PoolClient } from 'pg';
import { type Clock, systemClock } from '../../kit/clock.ts';
import { Undertaking } from '../../kit/undertaking.ts';
import { givenUp } from './cancellation.ts';
import { Lateness } from './lateness.ts';

/** How many wait for a connection, for each that there is. They would all be served well within the time that each waits. */
export const WAITING_PER_CONNECTION = 100;

type Connected = (error: Error | undefined, client: PoolClient | undefined, done: (release?: unknown) => void) => void;

/** Thrown to those who find too many before them. Its text is how it is known again, whatever wraps it on the way. */
export const QUEUE_FULL = 'too many wait for a connection of the database';
/** The same for all: where so many are refused, what an error knows of how it came to be costs more than the rest of a refusal. */
const FULL = new Error(QUEUE_FULL);
/** Thrown to those who waited for too long, in the words of pg. */
const TIMED_OUT = 'timeout exceeded when trying to connect';

interface Waiting {
  readonly undertaking: Undertaking | null;
  readonly sinceMs: number;
  /** Ends the wait: with a connection, once the pool has one, or with this error. */
  readonly end: (error?: Error) => void;
}

/**
 * Those who wait for a connection of a pool, in an order of ours: an operation that has begun goes before those that have not, and
 * so does what is nobody's; within each, who came first. To let the second half of something wait is to have done the first for
 * nothing. Since nobody begins meanwhile, those who have are soon done, and nobody waits for ever.
 *
 * Whoever finds too many waiting is refused, at once: the last of a long queue are answered when nobody waits for them any more. It
 * is too many earlier where more comes than can be done ({@link Lateness}).
 */
export class ConnectionQueue {
  readonly #pool: Pool;
  readonly #clock: Clock;
  readonly #connect: (callback: Connected) => unknown;
  /** Connections that are in use, or asked of the pool. */
  #taken = 0;
  readonly #inUse = new WeakSet<PoolClient>();
  readonly #begun = new WeakSet<Undertaking>();
  readonly #goOn = new Set<Waiting>();
  readonly #toBegin = new Set<Waiting>();
  readonly #lateness: Lateness;
  #refused = 0;
  #isAbandonable = false;

  /** From now on it stands before the pool. */
  constructor(pool: Pool, clock: Clock = systemClock) {
    this.#pool = pool;
    this.#clock = clock;
    this.#lateness = new Lateness(clock);
    this.#connect = pool.connect.bind(pool);
    pool.on('release', (_error, client) => {
      if (this.#inUse.delete(client)) this.#givenBack();
    });
    const queued = (callback?: Connected): Promise<PoolClient> | undefined => {
      if (callback === undefined) return this.#promised();
      this.#enter(callback);
      return undefined;
    };
    pool.connect = queued as Pool['connect']; // with a callback, nothing is answered
  }

  get waiting(): number {
    return this.#goOn.size + this.#toBegin.size;
  }

  /** How often somebody was refused. */
  get refused(): number {
    return this.#refused;
  }

  /** Whoever asks for a connection in this very step gives up its place when its operation is abandoned. */
  abandonable<T>(ask: () => T): T {
    this.#isAbandonable = true;
    try {
      return ask();
    } finally {
      this.#isAbandonable = false;
    }
  }

  #promised(): Promise<PoolClient> {
    const { promise, resolve, reject } = Promise.withResolvers<PoolClient>();
    this.#enter((error, client) => (client === undefined ? reject(error) : resolve(client)));
    return promise;
  }

  #enter(callback: Connected): void {
    const undertaking = Undertaking.current();
    if (this.waiting === 0 && this.#taken < this.#pool.options.max) {
      if (undertaking !== null) this.#begun.add(undertaking);
      this.#lateness.beganInTime();
      this.#taken += 1;
      return this.#ask(callback);
    }
    const goesOn = undertaking === null || this.#begun.has(undertaking);
    if (this.#isTooMuch(goesOn)) {
      this.#refused += 1;
      return process.nextTick(callback, FULL, undefined, () => {});
    }
    const { connectionTimeoutMillis: waitMs = 0 } = this.#pool.options;
    const leave = (error: Error): void => {
      if (this.#goOn.delete(waiting) || this.#toBegin.delete(waiting)) waiting.end(error);
    };
    const timer = waitMs === 0 ? null : this.#clock.after(waitMs, () => leave(new Error(TIMED_OUT)));
    const forget = this.#isAbandonable ? undertaking?.whenAbandoned(() => leave(givenUp())) : undefined;
    const waiting: Waiting = {
      undertaking,
      sinceMs: this.#clock.monotonicMs(),
      end: (error) => {
        timer?.cancel();
        forget?.();
        if (error === undefined) this.#ask(callback);
        else callback(error, undefined, () => {});
      },
    };
    (goesOn ? this.#goOn : this.#toBegin).add(waiting);
  }

  #ask(callback: Connected): void {
    this.#connect((error, client, done) => {
      if (client === undefined) this.#givenBack();
      else this.#inUse.add(client);
      callback(error, client, done);
    });
  }

  /** It is somebody's at once, or whoever gives one back and asks again would be served before all who wait. */
  #givenBack(): void {
    if (this.#goOn.size === 0) this.#beginNext();
    const [next] = this.#goOn;
    if (next === undefined) {
      this.#taken -= 1;
      return;
    }
    this.#goOn.delete(next);
    // The pool has it again only then.
    process.nextTick(next.end);
  }

  /** With all that it waits for. */
  #beginNext(): void {
    const [first] = this.#toBegin;
    if (first === undefined) return;
    const { undertaking, sinceMs } = first;
    if (undertaking !== null) this.#begun.add(undertaking);
    for (const each of this.#toBegin) {
      if (each.undertaking === undertaking && this.#toBegin.delete(each)) this.#goOn.add(each);
    }
    this.#lateness.began(sinceMs);
  }

  #isTooMuch(goesOn: boolean): boolean {
    if (this.waiting >= this.#pool.options.max * WAITING_PER_CONNECTION) return true;
    const [oldest] = this.#toBegin;
    return !goesOn && oldest !== undefined && this.#lateness.refusesBehind(oldest.sinceMs);
  }
}

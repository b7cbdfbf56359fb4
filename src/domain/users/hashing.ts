import { PROCESSORS } from '../../kit/argon2.ts';
import { systemClock, type Clock } from '../../kit/clock.ts';
import { Refusal } from '../refusals.ts';

/** Waiting hashes take a few hundred bytes each; what matters is how long the last of them would wait. */
const WAITING_MAX = 256;
const WAIT_MS = 5_000;

interface Waiting {
  start(): void;
}

/**
 * Lets a few password hashes run at once, and others wait for their turn, but not for long. Without it each of a flood of
 * sign-ins takes its own 19 MiB and a thread, and the last of them is answered when nobody waits for it any more.
 */
export class Hashing {
  /** How many run at once: one processor is left to those who are signed in. */
  atOnce = Math.max(1, PROCESSORS - 1);
  readonly #clock: Clock;
  readonly #waiting = new Set<Waiting>();
  #running = 0;
  #done = 0;
  #refused = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get figures(): {
    readonly running: number;
    readonly waiting: number;
    readonly done: number;
    readonly refused: number;
  } {
    return { running: this.#running, waiting: this.#waiting.size, done: this.#done, refused: this.#refused };
  }

  /** Refuses with RATE_LIMITED when too many wait already, or when its turn has not come in time: it was not begun then. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running < this.atOnce) this.#running += 1;
    else await this.#turn();
    try {
      return await work();
    } finally {
      this.#done += 1;
      this.#next();
    }
  }

  #turn(): Promise<void> {
    if (this.#waiting.size >= WAITING_MAX) throw this.#tooMany();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = this.#clock.after(WAIT_MS, () => {
      this.#waiting.delete(waiting);
      reject(this.#tooMany());
    });
    const waiting = {
      start() {
        timer.cancel();
        resolve();
      },
    };
    this.#waiting.add(waiting);
    return promise;
  }

  /** Whoever waits takes the place over. */
  #next(): void {
    const [first] = this.#waiting;
    if (first === undefined) this.#running -= 1;
    else {
      this.#waiting.delete(first);
      first.start();
    }
  }

  #tooMany(): Refusal {
    this.#refused += 1;
    const retryAfterSeconds = Math.ceil(WAIT_MS / 1_000);
    const message = `Too many passwords are being checked. Try again in ${retryAfterSeconds} seconds.`;
    return new Refusal('RATE_LIMITED', message, { retryAfterSeconds });
  }
}

/** The one of this process: the threads that hash are its, too. */
export const hashing = new Hashing(systemClock);

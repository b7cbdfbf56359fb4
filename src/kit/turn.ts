import type { Clock } from './clock.ts';

/** How long one turn of the event loop may do something: the rest is left to those who can wait. */
export class Turn {
  readonly #clock: Clock;
  readonly #ms: number;
  #beganMs: number | null = null;

  constructor(clock: Clock, ms: number) {
    this.#clock = clock;
    this.#ms = ms;
  }

  /** Whether that time is over; it begins with the first who asks. */
  get isOver(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (this.#beganMs !== null) return nowMs - this.#beganMs > this.#ms;
    this.#beganMs = nowMs;
    setImmediate(() => {
      this.#beganMs = null;
    });
    return false;
  }
}

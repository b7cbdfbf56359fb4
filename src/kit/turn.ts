import type { Clock } from './clock.ts';

/** Asking a clock takes longer than much of what is done in a turn: it is asked by one in so many. */
const ASKS = 16;

/** How long one turn of the event loop may do something: the rest is left to those who can wait. */
export class Turn {
  readonly #clock: Clock;
  readonly #ms: number;
  #beganMs: number | null = null;
  #asked = 0;
  #over = false;

  constructor(clock: Clock, ms: number) {
    this.#clock = clock;
    this.#ms = ms;
  }

  /** Whether that time is over, as of a few who asked before; it begins with the first who asks. */
  get isOver(): boolean {
    if (this.#beganMs === null) {
      this.#begin();
      return false;
    }
    this.#asked += 1;
    if (this.#asked % ASKS === 0) this.#over = this.#clock.monotonicMs() - this.#beganMs > this.#ms;
    return this.#over;
  }

  #begin(): void {
    this.#beganMs = this.#clock.monotonicMs();
    this.#asked = 0;
    this.#over = false;
    setImmediate(() => {
      this.#beganMs = null;
    });
  }
}

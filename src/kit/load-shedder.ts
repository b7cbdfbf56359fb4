import type { Clock } from './clock.ts';

export interface LoadLimits {
  /** A turn of the event loop that takes longer is late for everybody who waits. */
  readonly turnMs: number;
  /** Turns that are all late for so long are no burst any more. */
  readonly lateMs: number;
  /** From then on a turn begins work for so long, and refuses the rest of what has come. */
  readonly workMs: number;
}

/**
 * Says what is to be refused at once, because what has come is more than can be done. Requests that this process has not read
 * yet wait in the kernel, where nobody can count them; but each turn of the event loop reads all that have come, so the length
 * of the turns is how long they wait.
 *
 * It takes a reading of the clock for each request and a callback for each turn; without requests it does nothing.
 */
export class LoadShedder {
  readonly #clock: Clock;
  readonly #limits: LoadLimits;
  readonly #later: (fn: () => void) => void;
  /** When this turn began to work, or null before. */
  #beganMs: number | null = null;
  /** Since when all turns were late, or null. */
  #lateSinceMs: number | null = null;
  #shedding = false;
  #shedThisTurn = false;
  #refused = 0;

  /** @param later calls when all that this turn has read was begun, as `setImmediate` does */
  constructor(clock: Clock, limits: LoadLimits, later: (fn: () => void) => void = setImmediate) {
    this.#clock = clock;
    this.#limits = limits;
    this.#later = later;
  }

  get refused(): number {
    return this.#refused;
  }

  get shedding(): boolean {
    return this.#shedding;
  }

  /** Whether what has come now is to be refused. */
  refuses(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (this.#beganMs === null) {
      this.#beganMs = nowMs;
      this.#later(this.#turned);
    }
    if (!this.#shedding || nowMs - this.#beganMs < this.#limits.workMs) return false;
    this.#shedThisTurn = true;
    this.#refused += 1;
    return true;
  }

  readonly #turned = (): void => {
    const nowMs = this.#clock.monotonicMs();
    const beganMs = this.#beganMs ?? nowMs;
    this.#beganMs = null;
    if (this.#shedding) {
      // All that came was begun: there is room for everybody.
      if (!this.#shedThisTurn) this.#shedding = false;
      this.#shedThisTurn = false;
      this.#lateSinceMs = null;
      return;
    }
    if (nowMs - beganMs < this.#limits.turnMs) this.#lateSinceMs = null;
    else this.#lateSinceMs ??= beganMs;
    this.#shedding = this.#lateSinceMs !== null && nowMs - this.#lateSinceMs >= this.#limits.lateMs;
  };
}

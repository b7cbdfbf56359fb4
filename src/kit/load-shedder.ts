import type { Clock } from './clock.ts';

export interface LoadLimits {
  /** A turn of the event loop that takes longer is late for everybody who waits. */
  readonly turnMs: number;
  /** Turns that are all late for so long are no burst any more. */
  readonly lateMs: number;
  /** From then on a turn begins work for so long, and refuses what has come beside. */
  readonly workMs: number;
}

/** Refusing takes no more than this part of what work takes: whoever does little but refuse is of no use to anybody. */
const REFUSING_PART = 1 / 4;
/** Connections that libuv reads from before it looks which are ready now. */
const READ_AT_ONCE = 1_024;
/** A refusal takes no longer. What came between it and the next request was something else. */
const REFUSAL_MS_MAX = 0.1;

/**
 * Says what is to be refused at once, because what has come is more than can be done. Requests that this process has not read
 * yet wait in the kernel, where nobody can count them; but each turn of the event loop reads all that have come, so the length
 * of the turns is how long they wait.
 *
 * A refusal costs as well, since a request is read and answered all the same. So a turn that has refused for long begins work
 * again: where work costs little more than refusing, turns stay long, and are no longer than they would be without.
 *
 * It takes a reading of the clock for each request and a callback for each turn; without requests it does nothing.
 */
export class LoadShedder {
  readonly #clock: Clock;
  readonly #limits: LoadLimits;
  readonly #later: (fn: () => void) => void;
  /** When this turn began to work, or null before. */
  #beganMs: number | null = null;
  /** When it began to work last: again after it had refused. */
  #workSinceMs = 0;
  /** How long it has been refusing since then. */
  #refusingMs = 0;
  /** When the last request was refused, or null after one that was not. */
  #refusedAtMs: number | null = null;
  /** Since when all turns were late, or null. */
  #lateSinceMs: number | null = null;
  #shedding = false;
  #shedThisTurn = false;
  /** Requests of this turn. */
  #read = 0;
  #endless = false;
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

  /**
   * Whether this turn goes on and on: where as many connections are ready at all times as libuv reads at once, it reads from them again
   * before any timer runs, up to 48 times, and without heartbeats an instance loses its lease. It ends when there are fewer.
   */
  get endless(): boolean {
    return this.#endless;
  }

  /** Whether what has come now is to be refused. */
  refuses(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (this.#beganMs === null) {
      this.#beganMs = nowMs;
      this.#read = 0;
      this.#beginWork(nowMs);
      this.#later(this.#turned);
    }
    this.#noteRefusing(nowMs);
    const { workMs, lateMs } = this.#limits;
    this.#read += 1;
    this.#endless = this.#read > READ_AT_ONCE && nowMs - this.#beganMs > lateMs;
    if (this.#endless) this.#shedding = true;
    if (!this.#shedding) return false;
    if (nowMs - this.#workSinceMs < workMs) return false;
    if (workMs > 0 && this.#refusingMs >= workMs * REFUSING_PART) {
      this.#beginWork(nowMs);
      return false;
    }
    this.#shedThisTurn = true;
    this.#refusedAtMs = nowMs;
    this.#refused += 1;
    return true;
  }

  #beginWork(nowMs: number): void {
    this.#workSinceMs = nowMs;
    this.#refusingMs = 0;
    this.#refusedAtMs = null;
  }

  #noteRefusing(nowMs: number): void {
    if (this.#refusedAtMs === null) return;
    this.#refusingMs += Math.min(nowMs - this.#refusedAtMs, REFUSAL_MS_MAX);
    this.#refusedAtMs = null;
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

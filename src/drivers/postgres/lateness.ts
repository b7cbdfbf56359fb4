import type { Clock } from '../../kit/clock.ts';

/** Whoever gets a connection after so long is late, */
export const WAIT_MS = 100;
/** and where all who began were late for so long, it is no burst any more, until none was for as long. */
export const LATE_MS = 500;

/**
 * Whether more comes than can be done: where those who begin have waited for too long, and go on to, although the queue moves. Then
 * one may begin only while those who are to begin before it have not waited for long.
 */
export class Lateness {
  readonly #clock: Clock;
  /** Since when all who began had waited for too long, or null. */
  #sinceMs: number | null = null;
  /** So long after the last of them, since those who are refused make others wait for less. */
  #untilMs = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Somebody began who had waited since then. */
  began(waitedSinceMs: number): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - waitedSinceMs < WAIT_MS) return this.beganInTime();
    this.#sinceMs ??= nowMs;
    if (nowMs - this.#sinceMs >= LATE_MS || nowMs < this.#untilMs) this.#untilMs = nowMs + LATE_MS;
  }

  /** Somebody began who had not waited. */
  beganInTime(): void {
    this.#sinceMs = null;
  }

  /** Whether nobody may come to wait behind one who is to begin and has waited since then. */
  refusesBehind(waitingSinceMs: number): boolean {
    const nowMs = this.#clock.monotonicMs();
    return nowMs < this.#untilMs && nowMs - waitingSinceMs >= WAIT_MS;
  }
}

import { Undertaking } from './undertaking.ts';

/** A point in time as ISO 8601 in UTC with milliseconds. Instants compare as strings. */
export type Instant = string;

export interface Timer {
  cancel(): void;
}

/**
 * The only source of time. Deadlines, leases and waits use {@link Clock.monotonicMs}: the wall clock
 * may jump, and nothing that decides about authority may jump with it.
 */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. */
  now(): number;
  /** Milliseconds that only ever grow, from an arbitrary start. */
  monotonicMs(): number;
  /** Calls `fn` once after `ms`. The timer never keeps the process alive. */
  after(ms: number, fn: () => void): Timer;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(ms, fn) {
    // Node fires a longer timer at once; no wait of ours is longer than its limit of 24.8 days.
    // Whoever set it may be gone by then: what it does is no part of their operation.
    const timer = Undertaking.outside(() => setTimeout(fn, Math.min(ms, 2_147_483_647)));
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

export function toInstant(epochMs: number): Instant {
  return new Date(epochMs).toISOString();
}

/** Whole seconds until then, for those who have another clock. */
export function secondsUntil(epochMs: number, clock: Clock): number {
  return Math.max(0, Math.floor((epochMs - clock.now()) / 1_000));
}

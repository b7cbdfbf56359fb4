import { type Clock, systemClock } from '../../src/kit/clock.ts';

/** Time stands still on it until it is moved on. */
export interface StillClock extends Clock {
  advance(ms: number): void;
}

/**
 * For tests of deadlines: they come when the test says so, however slow the machine is.
 *
 * @param passingMs pauses up to this long pass by themselves
 */
export function createStillClock(passingMs = 50): StillClock {
  let nowMs = 0;
  const timers = new Set<{ readonly dueMs: number; readonly fn: () => void }>();
  return {
    now: () => systemClock.now(),
    monotonicMs: () => nowMs,
    after(ms, fn) {
      if (ms <= passingMs) return systemClock.after(ms, fn);
      const timer = { dueMs: nowMs + ms, fn };
      timers.add(timer);
      return { cancel: () => void timers.delete(timer) };
    },
    advance(ms) {
      nowMs += ms;
      for (const timer of [...timers].filter(({ dueMs }) => dueMs <= nowMs)) {
        timers.delete(timer);
        timer.fn();
      }
    },
  };
}

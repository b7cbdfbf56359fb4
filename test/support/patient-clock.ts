import { type Clock, systemClock } from '../../src/kit/clock.ts';

/** Shorter ones are pauses, and no deadlines. */
const DEADLINE_MS = 100;

/** However slow the machine is, deadlines pass only where they are what is tested: from `hurry` on. */
export interface PatientClock extends Clock {
  hurry(): void;
}

/** For a driver by itself. Whoever has something to do every few seconds would not do it by this clock. */
export function createPatientClock(): PatientClock {
  let isInHurry = false;
  return {
    ...systemClock,
    after: (ms, fn) => (isInHurry || ms < DEADLINE_MS ? systemClock.after(ms, fn) : { cancel: () => {} }),
    hurry() {
      isInHurry = true;
    },
  };
}

import type { Clock } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { isAway } from './database.ts';

const AGAIN_MS = 500;

export interface Patience {
  readonly clock: Clock;
  readonly logger: Log;
  /** How long it lasts, from now on. */
  readonly waitMs: number;
}

/**
 * Does what needs the server, and does it again while that is not there: one that starts beside us may come a moment later. What
 * the server says of itself, such as that it refuses the user, is final at once. All that is done shares one patience.
 */
export function patiently({ clock, logger, waitMs }: Patience): <T>(work: () => Promise<T>) => Promise<T> {
  const endsAtMs = clock.monotonicMs() + waitMs;
  let isSaid = false;
  return async (work) => {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!isAway(error) || clock.monotonicMs() + AGAIN_MS > endsAtMs) throw error;
        if (!isSaid)
          logger.warn({ reason: (error as Error).message, waitMs }, 'the database is not there yet: it is asked again');
        isSaid = true;
        // The clock keeps no process, and between two attempts nothing else does.
        const kept = setInterval(() => {}, AGAIN_MS);
        await new Promise<void>((resolve) => void clock.after(AGAIN_MS, resolve));
        clearInterval(kept);
      }
    }
  };
}

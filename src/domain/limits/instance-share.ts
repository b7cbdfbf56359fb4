import type { Clock } from '../../kit/clock.ts';
import type { Asked, Taken } from './rate-limits.ts';
import { WindowCounts } from './window-counts.ts';

/**
 * This instance's part of every limit, counted in its own memory: the maximum divided by the number of instances, and never less
 * than one. All parts together are no more than the limit, but for the half second in which the others have not heard of a new
 * instance, and where there are more instances than the limit has places.
 */
export class InstanceShare {
  readonly #counts: WindowCounts;
  readonly #instances: () => number;

  /** @param parts.instances how many there are now, this one included */
  constructor(parts: { clock: Clock; instances: () => number }) {
    this.#counts = new WindowCounts(parts.clock);
    this.#instances = parts.instances;
  }

  take(asked: Asked): Taken {
    return this.#counts.take(this.#partOf(asked));
  }

  /** Whether one of these windows has begun here and is not over. */
  isCounting(asked: Asked): boolean {
    return this.#counts.isCounting(asked);
  }

  #partOf(asked: Asked): Asked {
    const instances = this.#instances();
    if (instances <= 1) return asked;
    const windows = asked.windows.map((window) => ({
      ...window,
      max: Math.max(1, Math.floor(window.max / instances)),
    }));
    return { ...asked, windows };
  }
}

import type { Use } from '../usage/usage.ts';

/** At most so many within so many seconds, which begin with the first. */
export interface Rate {
  readonly max: number;
  readonly seconds: number;
}

/** A rate, and what it is counted for. */
export interface Window extends Rate {
  /** What kind of limit it is, in a word that the outside sees: `user`, `key`, `owner`, `anonymous`. */
  readonly name: string;
  /** The id of whoever it is counted for. */
  readonly of: string;
}

export interface Asked {
  /** What is counted for one subject lies together, and is counted in one step. */
  readonly subject: string;
  readonly windows: readonly Window[];
  /** How many of each window it takes, a positive whole number. */
  readonly cost: number;
  /** What it is counted as in the same step, whether it is allowed or not; of the same subject. */
  readonly use?: Use | null;
}

/** How a window stands after it was asked. */
export interface WindowState extends Rate {
  readonly name: string;
  readonly remaining: number;
  /** Until it begins anew. */
  readonly resetSeconds: number;
  /** When to come again if this window is one of those that refused; 0 if it is not. */
  readonly retryAfterSeconds: number;
}

export interface Taken {
  readonly allowed: boolean;
  /** In the order in which they were asked for. */
  readonly windows: readonly WindowState[];
}

/**
 * Counts what is done against limits. test/contract/rate-limits.contract.ts holds every driver to these words.
 *
 * - It must allow no more than the maximum of any window, however many ask at once on however many instances.
 * - It must take from all windows or from none: a refusal takes nothing, so that neither does it use up the other windows, nor
 *   can somebody who goes on asking keep a window shut.
 * - It must begin a window with the first that is taken, and anew when its seconds are over.
 * - It must tell what remains, when the window begins anew, and of a refusal when to come again.
 * - It must count subjects, names and lengths apart.
 * - It must answer with null when it cannot answer in time, and must never throw. What it took then is not known.
 */
export interface RateLimits {
  take(asked: Asked): Promise<Taken | null>;
}

/** @param windows with what was used of each before, and in how many ms it ends */
export function decide(
  windows: readonly { readonly window: Window; readonly used: number; readonly endsInMs: number }[],
  cost: number,
): Taken {
  const isFull = (used: number, max: number): boolean => used + cost > max;
  const allowed = !windows.some(({ window, used }) => isFull(used, window.max));
  return {
    allowed,
    windows: windows.map(({ window: { name, max, seconds }, used, endsInMs }) => {
      const resetSeconds = Math.max(1, Math.ceil(Math.floor(endsInMs) / 1_000));
      return {
        name,
        max,
        seconds,
        remaining: Math.max(0, max - used - (allowed ? cost : 0)),
        resetSeconds,
        retryAfterSeconds: isFull(used, max) ? resetSeconds : 0,
      };
    }),
  };
}

import type { Instant } from '../../kit/clock.ts';

/** How many sessions were live in one quarter of an hour; one in which that did not change has no level of its own. */
export interface SessionLevel {
  /** Where the quarter begins. */
  readonly start: Instant;
  /** At its end. */
  readonly live: number;
  /** At most, in the order in which it was told. */
  readonly peak: number;
}

/** A session more or less. */
export interface LevelStep {
  readonly start: Instant;
  readonly by: 1 | -1;
}

/** Levels are moved by whoever numbers the outbox, and so by one at a time. */
export interface LevelWriter {
  /** The level that holds at the beginning of that quarter, and all later ones, in order. */
  from(start: Instant): Promise<readonly SessionLevel[]>;
  put(levels: readonly SessionLevel[]): Promise<void>;
}

export interface LevelReader {
  /** From each of these on and before its end: how many are live at the end, and were at most. One snapshot. */
  read(
    spans: readonly { readonly from: Instant; readonly to: Instant }[],
  ): Promise<readonly { readonly live: number; readonly peak: number }[]>;
}

/**
 * The levels after these steps. What is told late, as the end of a session that ended by itself is, moves the quarter it
 * happened in and all after it. What happened before all levels moves them all.
 */
export function moved(levels: readonly SessionLevel[], steps: readonly LevelStep[]): readonly SessionLevel[] {
  const all = levels.map((level) => ({ ...level }));
  for (const { start, by } of steps) {
    let at = all.findLastIndex((level) => level.start <= start);
    const held = all[at];
    if (held !== undefined && held.start < start) {
      at += 1;
      all.splice(at, 0, { start, live: held.live, peak: held.live });
    }
    for (const [n, level] of all.entries()) {
      if (n < at) continue;
      level.live += by;
      // Within its own quarter it is not known what came first but by the order of what is told.
      level.peak = n === at ? Math.max(level.peak, level.live) : level.peak + by;
    }
  }
  return all;
}

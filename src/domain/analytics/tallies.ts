import { type Instant, toInstant } from '../../kit/clock.ts';
import type { Count, Dimensions } from './rollup-store.ts';

/** A count that grows. Whoever counts the same again and again may keep it as long as its tallies are the open ones. */
export interface Tally extends Count {
  count: number;
}

/** Stands in place of the dimensions where counts could not be told apart any more. */
export const OVERFLOW: Dimensions = Object.freeze({ overflow: true });

/** Distinct keys kept. A key takes some 500 bytes, so that this is about 5 MB. */
const KEYS_MAX = 10_000;

/** Longer ones might not fit the index of a database, and would keep all others from being written. */
const DIMENSIONS_LENGTH_MAX = 800;

const QUARTER_MS = 15 * 60_000;

/** Where the quarter of an hour begins, in ms since the epoch. All offsets of time zones are whole quarters. */
export function quarterOf(epochMs: number): number {
  return Math.floor(epochMs / QUARTER_MS) * QUARTER_MS;
}

/** The first quarter that begins at that time or after it. */
export function quarterAfter(epochMs: number): number {
  return Math.ceil(epochMs / QUARTER_MS) * QUARTER_MS;
}

/**
 * Counts by metric, quarter and dimensions. Beyond so many keys, and for dimensions that cannot be stored, each metric
 * has one more key in each quarter, {@link OVERFLOW}: what is counted is never lost, but only told apart less.
 */
export class Tallies {
  /** What they count happened at this wall time or later. */
  readonly sinceMs: number;
  readonly #keysMax: number;
  readonly #tallies = new Map<string, Tally>();

  constructor(sinceMs: number, keysMax = KEYS_MAX) {
    this.sinceMs = sinceMs;
    this.#keysMax = keysMax;
  }

  get size(): number {
    return this.#tallies.size;
  }

  of(metric: string, start: Instant, dimensions: Dimensions): Tally {
    const key = JSON.stringify([metric, start, dimensions]);
    const known = this.#tallies.get(key);
    if (known !== undefined) return known;
    if (dimensions !== OVERFLOW && (this.size >= this.#keysMax || !canBeStored(dimensions))) {
      return this.of(metric, start, OVERFLOW);
    }
    const tally = { metric, start, dimensions, count: 0 };
    this.#tallies.set(key, tally);
    return tally;
  }

  add(others: Iterable<Count>): void {
    for (const { metric, start, dimensions, count } of others) this.of(metric, start, dimensions).count += count;
  }

  /** What happened at all. */
  counts(): readonly Tally[] {
    return [...this.#tallies.values()].filter(({ count }) => count > 0);
  }
}

/** PostgreSQL's JSON has neither U+0000 nor halves of surrogate pairs. */
function canBeStored(dimensions: Dimensions): boolean {
  const text = JSON.stringify(dimensions);
  if (text.length > DIMENSIONS_LENGTH_MAX) return false;
  return Object.entries(dimensions)
    .flat()
    .every((word) => typeof word !== 'string' || (word.isWellFormed() && !word.includes('\0')));
}

/** The quarter that it is at that time. */
export const quarterInstant = (epochMs: number): Instant => toInstant(quarterOf(epochMs));

import type { Clock } from './clock.ts';

/** What came first of its kind, and how often it came again. */
export interface Fold<T> {
  readonly what: T;
  readonly sinceMs: number;
  /** How often it came, beside the one that was told. */
  repeated: number;
}

/**
 * What comes as often as somebody else likes: the first of a kind is told at once, and what comes again within a while is counted.
 * As many kinds are told apart; what is of another is counted with all of those.
 */
export class Folding<T> {
  readonly #whileMs: number;
  readonly #kindsMax: number;
  readonly #clock: Clock;
  readonly #folds = new Map<string, Fold<T>>();
  #beyond = 0;
  /** What was not told one by one, since the start. */
  folded = 0;

  constructor(parts: { whileMs: number; kindsMax: number; clock: Clock }) {
    this.#whileMs = parts.whileMs;
    this.#kindsMax = parts.kindsMax;
    this.#clock = parts.clock;
  }

  /** The first of its kind, which is to be told; null where it is counted. */
  first(kind: string, what: T): Fold<T> | null {
    const fold = this.#folds.get(kind);
    if (fold === undefined && this.#folds.size < this.#kindsMax) {
      const opened = { what, sinceMs: this.#clock.monotonicMs(), repeated: 0 };
      this.#folds.set(kind, opened);
      return opened;
    }
    if (fold === undefined) this.#beyond += 1;
    else fold.repeated += 1;
    this.folded += 1;
    return null;
  }

  /** Those whose while is over, or all of them: what is of their kind from now on is a first one again. */
  over(all: boolean): readonly Fold<T>[] {
    const beforeMs = all ? Infinity : this.#clock.monotonicMs() - this.#whileMs;
    const over: Fold<T>[] = [];
    for (const [kind, fold] of this.#folds) {
      if (fold.sinceMs > beforeMs) continue;
      this.#folds.delete(kind);
      over.push(fold);
    }
    return over;
  }

  /** How many were not told apart since it was last asked. */
  takeBeyond(): number {
    const beyond = this.#beyond;
    this.#beyond = 0;
    return beyond;
  }

  /** So many were to be told, and could not be. */
  putBack(count: number): void {
    this.#beyond += count;
  }
}

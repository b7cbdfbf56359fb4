import type { Clock } from './clock.ts';
import type { Log } from './log.ts';
import { Rounds } from './rounds.ts';

const EVERY_MS = 2_500;
/** Written in one statement. */
const BATCH_MAX = 5_000;
/** More than one instance serves between two rounds. Beyond it what is new is not noted. */
const PENDING_MAX = 200_000;

/**
 * What is noted in process and written behind, by id: a request never waits for it, and a kill loses a few seconds of it. What
 * could not be written is kept and written with the next.
 */
export class WriteBehind<T> {
  readonly rounds: Rounds;
  readonly #write: (batch: readonly T[]) => Promise<unknown>;
  readonly #add: (newer: T, older: T) => void;
  #pending = new Map<string, T>();

  constructor(parts: {
    /** In the order of their ids, so that instances wait for each other in one direction. */
    write: (batch: readonly T[]) => Promise<unknown>;
    /** Adds what could not be written to what was noted of the same meanwhile. */
    add: (newer: T, older: T) => void;
    failed: string;
    clock: Clock;
    logger: Log;
  }) {
    this.#write = parts.write;
    this.#add = parts.add;
    this.rounds = new Rounds({ ...parts, everyMs: EVERY_MS, work: () => this.#writeAll(), writesRest: true });
  }

  get size(): number {
    return this.#pending.size;
  }

  /** What is noted of it and not written yet. */
  of(id: string): T | undefined {
    return this.#pending.get(id);
  }

  note(id: string, what: T): void {
    if (this.#pending.size < PENDING_MAX) this.#pending.set(id, what);
  }

  /** Resolves when what was pending is written, or is pending again. */
  async flush(): Promise<void> {
    await this.rounds.next().catch(() => {});
  }

  async #writeAll(): Promise<void> {
    const entries = [...this.#pending].toSorted(([a], [b]) => (a < b ? -1 : 1));
    this.#pending = new Map();
    for (let from = 0; from < entries.length; from += BATCH_MAX) {
      try {
        await this.#write(entries.slice(from, from + BATCH_MAX).map(([, what]) => what));
      } catch (error) {
        for (const [id, what] of entries.slice(from)) this.#keep(id, what);
        throw error;
      }
    }
  }

  #keep(id: string, what: T): void {
    const newer = this.#pending.get(id);
    if (newer === undefined) this.#pending.set(id, what);
    else this.#add(newer, what);
  }
}

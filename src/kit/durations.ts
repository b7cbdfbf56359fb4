/** Upper bounds in seconds: from what memory answers to what is given up. */
const BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** How long something took, over and over. Adding to it makes no object, and looks nothing up by name. */
export class Durations {
  /** By upper bound, and what was longer than all of them. */
  readonly #counts = new Float64Array(BOUNDS.length + 1);
  #sumMs = 0;

  add(ms: number): void {
    let n = 0;
    while (n < BOUNDS.length && ms > (BOUNDS[n] ?? 0) * 1_000) n += 1;
    this.#counts[n] = (this.#counts[n] ?? 0) + 1;
    this.#sumMs += ms;
  }

  get count(): number {
    return this.#counts.reduce((sum, each) => sum + each, 0);
  }

  get sumSeconds(): number {
    return this.#sumMs / 1_000;
  }

  /** How many took no longer than each bound; the last is all of them. */
  get upTo(): readonly { readonly le: string; readonly count: number }[] {
    let count = 0;
    return [...BOUNDS, Infinity].map((bound, n) => {
      count += this.#counts[n] ?? 0;
      return { le: bound === Infinity ? '+Inf' : String(bound), count };
    });
  }
}

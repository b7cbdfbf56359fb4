/** Lets one piece of work at a time be done for each key, in the order of asking. */
export class Turns {
  readonly #last = new Map<string, { readonly done: Promise<unknown>; waiting: number }>();

  /** How many are at work or wait for this key. */
  waiting(key: string): number {
    return this.#last.get(key)?.waiting ?? 0;
  }

  async take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const done = (before?.done ?? Promise.resolve()).then(work, work);
    const turn = { done: done.catch(() => {}), waiting: (before?.waiting ?? 0) + 1 };
    this.#last.set(key, turn);
    try {
      return await done;
    } finally {
      const last = this.#last.get(key);
      if (last === turn) this.#last.delete(key);
      else if (last !== undefined) last.waiting -= 1;
    }
  }
}

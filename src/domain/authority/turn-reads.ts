/** Ids that one statement asks for at most. */
const IDS_MAX = 1_000;

interface Read<R> {
  readonly ids: Set<string>;
  readonly result: PromiseWithResolvers<R>;
}

/** Reads by id, one statement after the other: what is asked for while one runs goes with the next. A burst costs a few. */
export class TurnReads<R> {
  readonly #read: (ids: readonly string[]) => Promise<R>;
  readonly #waiting: Read<R>[] = [];
  #isRunning = false;

  constructor(read: (ids: readonly string[]) => Promise<R>) {
    this.#read = read;
  }

  /** The answer of a statement that starts after this call and asks for this id, whatever else it asks for. */
  of(id: string): Promise<R> {
    let last = this.#waiting.at(-1);
    if (last === undefined || last.ids.size >= IDS_MAX) {
      last = { ids: new Set(), result: Promise.withResolvers() };
      this.#waiting.push(last);
    }
    last.ids.add(id);
    if (!this.#isRunning) void this.#run();
    return last.result.promise;
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    // What is asked for in the same moment goes together.
    await Promise.resolve();
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const { resolve, reject } = next.result;
      // Each ends in an answer or a failure of its own, and the next one goes on.
      await this.#read([...next.ids]).then(resolve, reject);
    }
    this.#isRunning = false;
  }
}

import { AsyncLocalStorage } from 'node:async_hooks';

const current = new AsyncLocalStorage<Undertaking>();

/**
 * Work that somebody waits for. When nobody does any more it is abandoned, and what is under way for it outside is stopped;
 * unless it must go on, because it changes something.
 */
export class Undertaking {
  readonly #stops = new Set<() => void>();
  #abandoned = false;
  #goesOn = false;

  /** The one that the running code is part of, or null. */
  static current(): Undertaking | null {
    return current.getStore() ?? null;
  }

  get abandoned(): boolean {
    return this.#abandoned && !this.#goesOn;
  }

  get goesOn(): boolean {
    return this.#goesOn;
  }

  /** Runs as a part of this, with everything that it starts. */
  run<T>(work: () => T): T {
    return current.run(this, work);
  }

  /** From now on it is carried out, whoever waits. */
  goOn(): void {
    this.#goesOn = true;
  }

  abandon(): void {
    if (this.#goesOn) return;
    this.#abandoned = true;
    for (const stop of this.#stops) stop();
    this.#stops.clear();
  }

  /** Calls `stop` should it be abandoned, until the returned function is called. */
  whenAbandoned(stop: () => void): () => void {
    this.#stops.add(stop);
    return () => void this.#stops.delete(stop);
  }
}

import { AsyncLocalStorage } from 'node:async_hooks';

const current = new AsyncLocalStorage<Undertaking>();

/** From where and how somebody asked. */
export interface Circumstances {
  /** `http`, `websocket`, `sse`, `cli`. */
  readonly protocol: string;
  /** The address of the client; null where there is none. */
  readonly address: string | null;
  /** What the operation is called; null for what has no name. Asked for where it is told only. */
  readonly operation: () => string | null;
}

/**
 * Work that somebody waits for. When nobody does any more it is abandoned, and what is under way for it outside is stopped;
 * unless it must go on, because it changes something.
 */
export class Undertaking {
  /** Null until there is something to stop: most that run for long have nothing. */
  #stops: Set<() => void> | null = null;
  #abandoned = false;
  #goesOn = false;
  /** Null where nobody in particular asked. */
  readonly circumstances: Circumstances | null;

  constructor(circumstances: Circumstances | null = null) {
    this.circumstances = circumstances;
  }

  /** The one that the running code is part of, or null. */
  static current(): Undertaking | null {
    return current.getStore() ?? null;
  }

  /** Runs as a part of none: what is set up now, such as a timer, is nobody's operation when it comes to be. */
  static outside<T>(work: () => T): T {
    return current.exit(work);
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
    const stops = this.#stops ?? [];
    this.#stops = null;
    for (const stop of stops) stop();
  }

  /** Calls `stop` should it be abandoned, until the returned function is called. */
  whenAbandoned(stop: () => void): () => void {
    this.#stops ??= new Set();
    this.#stops.add(stop);
    return () => void this.#stops?.delete(stop);
  }
}

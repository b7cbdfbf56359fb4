import type { Log } from '../kit/log.ts';

/** Things to undo, in the opposite order of doing. */
export class Cleanup {
  readonly #steps: { readonly what: string; readonly undo: () => Promise<void> | void }[] = [];
  readonly #logger: Log;

  constructor(logger: Log) {
    this.#logger = logger;
  }

  add(what: string, undo: () => Promise<void> | void): void {
    this.#steps.push({ what, undo });
  }

  /** Starts it now, and stops it when its turn comes. */
  start(what: string, part: { start(): void; stop(): Promise<void> }): void {
    part.start();
    this.add(what, () => part.stop());
  }

  async run(): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      const { what, undo } = step;
      await Promise.resolve()
        .then(undo)
        .catch((error: unknown) => this.#logger.warn({ err: error }, `${what} did not stop cleanly`));
    }
  }
}

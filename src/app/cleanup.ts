import type { Log } from '../kit/log.ts';

/** What goes on in the background, such as rounds. */
interface Working {
  readonly failingSeconds: number;
  start(): void;
  stop(): Promise<void>;
}

interface Step {
  readonly what: string;
  readonly undo: () => Promise<void> | void;
}

/** Things to undo, in the opposite order of doing. */
export class Cleanup {
  readonly #steps: Step[] = [];
  readonly #working: { readonly what: string; readonly part: Working }[] = [];
  readonly #logger: Log;
  #begun = false;

  constructor(logger: Log) {
    this.#logger = logger;
  }

  /** @throws when it has begun: then this is undone as well, and nothing more is to be done */
  add(what: string, undo: Step['undo']): void {
    const step = { what, undo };
    if (!this.#begun) return void this.#steps.push(step);
    void this.#undo(step);
    throw new Error(`${what}: all is being closed`);
  }

  /** Starts it now, and stops it when its turn comes. */
  start(what: string, part: Working): void {
    part.start();
    this.#working.push({ what, part });
    this.add(what, () => part.stop());
  }

  /** For how long each of what was started has failed: 0 where all is well. */
  get failing(): readonly { readonly what: string; readonly seconds: number }[] {
    return this.#working.map(({ what, part }) => ({ what, seconds: part.failingSeconds }));
  }

  async run(): Promise<void> {
    this.#begun = true;
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) await this.#undo(step);
  }

  #undo({ what, undo }: Step): Promise<void> {
    return Promise.resolve()
      .then(undo)
      .catch((error: unknown) => this.#logger.warn({ err: error }, `${what} did not stop cleanly`));
  }
}

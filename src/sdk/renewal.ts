/** A token is renewed this long before it ends, */
const AHEAD_SECONDS = 30;
/** or, when that is less, in the last third of its life. */
const AHEAD_PART = 1 / 3;

/** Does what has to be done in time before a token ends. */
export class Renewal {
  readonly #due: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(due: () => void) {
    this.#due = due;
  }

  /** The token is good for so many seconds more. One that is as good as over is left to end. */
  expiresIn(seconds: number): void {
    clearTimeout(this.#timer);
    if (seconds < 1) return;
    const ahead = Math.min(AHEAD_SECONDS, seconds * AHEAD_PART);
    this.#timer = setTimeout(this.#due, (seconds - ahead) * 1_000);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

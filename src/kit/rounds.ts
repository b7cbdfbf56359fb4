/** Work that is done one round at a time, by whoever asks for it. */
export class Rounds {
  readonly #work: () => Promise<void>;
  #running: Promise<void> | null = null;
  #queued: Promise<void> | null = null;

  constructor(work: () => Promise<void>) {
    this.#work = work;
  }

  /** One round that starts after this call, shared by all who ask while another is under way. */
  next(): Promise<void> {
    if (this.#queued !== null) return this.#queued;
    if (this.#running === null) return this.#run();
    this.#queued = this.#running
      .catch(() => {})
      .then(() => {
        this.#queued = null;
        return this.#run();
      });
    this.#queued.catch(() => {});
    return this.#queued;
  }

  /** Resolves when the round that is under way has come to its end, whichever. */
  async settled(): Promise<void> {
    await this.#running?.catch(() => {});
  }

  #run(): Promise<void> {
    const running = this.#work().finally(() => {
      if (this.#running === running) this.#running = null;
    });
    this.#running = running;
    return running;
  }
}

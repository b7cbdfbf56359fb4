import type { Log } from '../../kit/log.ts';

/** Logs that Redis does not answer, once for all that is lost at the same time, and that everything answers again. */
export class Outage {
  readonly #logger: Log;
  readonly #lost = new Set<unknown>();
  #reason: string | null = null;

  constructor(logger: Log) {
    this.#logger = logger;
  }

  /** What was said when the first was lost; null while nothing is. */
  get reason(): string | null {
    return this.#lost.size === 0 ? null : this.#reason;
  }

  /** How many connections and nodes are lost. */
  get size(): number {
    return this.#lost.size;
  }

  /**
   * @param what a connection or a node
   * @param reason words of the server or the operating system. Never a whole error: ioredis hangs the arguments of the
   *   failed command on it, and those of AUTH are a password.
   */
  lost(what: unknown, server: string, reason: string | undefined): void {
    const isNews = this.#lost.size === 0;
    this.#lost.add(what);
    if (isNews) this.#reason = reason ?? null;
    if (isNews) this.#logger.warn({ server, reason }, 'Redis does not answer');
  }

  back(what: unknown, server: string): void {
    if (!this.#lost.delete(what) || this.#lost.size > 0) return;
    this.#logger.info({ server }, 'Redis answers again');
  }

  /** It is not there any more, and so not lost either. */
  gone(what: unknown): void {
    this.#lost.delete(what);
  }
}

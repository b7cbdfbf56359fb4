import { toInstant, type Clock, type Timer } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import type { Store } from '../store.ts';

/** Erases sealed refresh tokens when their grace has ended, so that the database holds none for longer. Runs on every instance. */
export class SuccessorEraser {
  readonly #store: Store;
  readonly #settings: { readonly refreshGraceSeconds: number };
  readonly #clock: Clock;
  readonly #logger: Log;
  #timer: Timer | null = null;

  constructor(parts: { store: Store; settings: { readonly refreshGraceSeconds: number }; clock: Clock; logger: Log }) {
    this.#store = parts.store;
    this.#settings = parts.settings;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
  }

  start(): void {
    this.#timer = this.#clock.after(this.#settings.refreshGraceSeconds * 1_000, () => {
      this.start();
      this.erase().catch((error: unknown) => this.#logger.warn({ err: error }, 'sealed successors were not erased'));
    });
  }

  stop(): void {
    this.#timer?.cancel();
  }

  async erase(): Promise<void> {
    const before = toInstant(this.#clock.now() - this.#settings.refreshGraceSeconds * 1_000);
    await this.#store.transaction((tx) => tx.sessions.eraseSuccessors(before));
  }
}

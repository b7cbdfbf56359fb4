import { toInstant, type Clock } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { Rounds } from '../../kit/rounds.ts';
import type { Store } from '../store.ts';

/** Erases sealed refresh tokens when their grace has ended, so that the database holds none for longer. Runs on every instance. */
export class SuccessorEraser {
  readonly #store: Store;
  readonly #graceMs: number;
  readonly #clock: Clock;
  readonly rounds: Rounds;

  constructor(parts: { store: Store; settings: { readonly refreshGraceSeconds: number }; clock: Clock; logger: Log }) {
    this.#store = parts.store;
    this.#graceMs = parts.settings.refreshGraceSeconds * 1_000;
    this.#clock = parts.clock;
    const failed = 'sealed successors were not erased';
    this.rounds = new Rounds({ everyMs: this.#graceMs, work: () => this.erase(), failed, ...parts });
  }

  async erase(): Promise<void> {
    const before = toInstant(this.#clock.now() - this.#graceMs);
    await this.#store.transaction((tx) => tx.sessions.eraseSuccessors(before));
  }
}

import { type Clock, toInstant, type Timer } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import type { Store } from '../store.ts';

const FLUSH_MS = 2_500;
/** Secrets whose use is written in one statement. */
const BATCH_MAX = 5_000;
/** More than one instance serves between two flushes. Beyond it the oldest wait no longer and are not told of. */
const PENDING_MAX = 200_000;

interface Pending {
  readonly keyId: string;
  readonly version: number;
  lastUsedMs: number;
}

/** When keys were last used, noted in process and written behind: a request never waits for it, and a kill loses a few seconds. */
export class KeyUses {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #logger: Log;
  #pending = new Map<string, Pending>();
  #timer: Timer | null = null;
  #flushing: Promise<void> | null = null;

  constructor(parts: { store: Store; clock: Clock; logger: Log }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
  }

  get pending(): number {
    return this.#pending.size;
  }

  start(): void {
    this.#timer = this.#clock.after(FLUSH_MS, () => {
      this.start();
      void this.flush();
    });
  }

  /** Writes what is left. */
  async stop(): Promise<void> {
    this.#timer?.cancel();
    await this.flush();
  }

  /** The secret has just been used. */
  touch(keyId: string, version: number): void {
    const id = version === 1 ? keyId : `${keyId}.${version}`;
    const known = this.#pending.get(id);
    if (known !== undefined) known.lastUsedMs = this.#clock.now();
    else if (this.#pending.size < PENDING_MAX) {
      this.#pending.set(id, { keyId, version, lastUsedMs: this.#clock.now() });
    }
  }

  /** Resolves when what was pending is written, or is pending again. */
  async flush(): Promise<void> {
    await this.#flushing;
    if (this.#pending.size === 0) return;
    const taken = [...this.#pending.values()].toSorted((a, b) => (a.keyId < b.keyId ? -1 : 1));
    this.#pending = new Map();
    this.#flushing = this.#write(taken).finally(() => (this.#flushing = null));
    await this.#flushing;
  }

  async #write(taken: readonly Pending[]): Promise<void> {
    for (let from = 0; from < taken.length; from += BATCH_MAX) {
      const batch = taken.slice(from, from + BATCH_MAX);
      const uses = batch.map(({ keyId, version, lastUsedMs }) => ({
        keyId,
        version,
        lastUsedAt: toInstant(lastUsedMs),
      }));
      try {
        await this.#store.transaction((tx) => tx.apiKeys.noteUses(uses));
      } catch (error) {
        this.#logger.warn({ err: error, keys: batch.length }, 'when API keys were last used was not written yet');
        this.#keep(batch);
      }
    }
  }

  /** Under what came meanwhile, which is newer. */
  #keep(batch: readonly Pending[]): void {
    for (const each of batch) {
      const id = each.version === 1 ? each.keyId : `${each.keyId}.${each.version}`;
      if (!this.#pending.has(id)) this.#pending.set(id, each);
    }
  }
}

import { type Clock, toInstant } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import type { Rounds } from '../../kit/rounds.ts';
import { WriteBehind } from '../../kit/write-behind.ts';
import type { Store } from '../store.ts';

interface Used {
  readonly keyId: string;
  readonly version: number;
  lastUsedMs: number;
}

/** When keys were last used, written behind. */
export class KeyUses {
  readonly #clock: Clock;
  readonly #used: WriteBehind<Used>;

  constructor(parts: { store: Store; clock: Clock; logger: Log }) {
    this.#clock = parts.clock;
    this.#used = new WriteBehind({
      write: (batch) => parts.store.transaction((tx) => tx.apiKeys.noteUses(batch.map(useOf))),
      add: () => {},
      failed: 'when API keys were last used was not written yet',
      ...parts,
    });
  }

  get rounds(): Rounds {
    return this.#used.rounds;
  }

  get pending(): number {
    return this.#used.size;
  }

  /** The secret has just been used. */
  touch(keyId: string, version: number): void {
    const id = version === 1 ? keyId : `${keyId}.${version}`;
    const lastUsedMs = this.#clock.now();
    const known = this.#used.of(id);
    if (known === undefined) this.#used.note(id, { keyId, version, lastUsedMs });
    else known.lastUsedMs = lastUsedMs;
  }

  /** Resolves when what was pending is written, or is pending again. */
  flush(): Promise<void> {
    return this.#used.flush();
  }
}

function useOf({ keyId, version, lastUsedMs }: Used) {
  return { keyId, version, lastUsedAt: toInstant(lastUsedMs) };
}

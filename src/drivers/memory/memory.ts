import type { Cache } from '../../domain/authority/cache.ts';
import type { Acknowledgement, HintListener, Hints } from '../../domain/authority/hints.ts';
import type { Asked, RateLimits, Taken } from '../../domain/limits/rate-limits.ts';
import { WindowCounts } from '../../domain/limits/window-counts.ts';
import type { UsageCounts } from '../../domain/usage/usage.ts';
import { BoundedMap } from '../../kit/bounded-map.ts';
import type { Clock } from '../../kit/clock.ts';
import { MemoryUsage } from './memory-usage.ts';

const ENTRIES_MAX = 10_000;
const VALUE_BYTES_MAX = 256 * 1024;

export interface MemoryHub {
  /** Shared by everyone who holds the hub; closing it changes nothing for the others. */
  readonly cache: Cache;
  readonly rateLimits: RateLimits;
  readonly usage: UsageCounts;
  /** The hints of one more instance. */
  openHints(): Hints;
}

/** What instances in one process share in place of Redis. README.md lists every difference. */
export function createMemoryHub(clock: Clock): MemoryHub {
  const everyone = new Set<MemoryHints>();
  const usage = new MemoryUsage(clock);
  return {
    cache: new MemoryCache(clock),
    rateLimits: new MemoryRateLimits(clock, usage),
    usage,
    openHints: () => new MemoryHints(everyone),
  };
}

/** At most 10 000 values of at most 256 KiB; one not asked for lately goes first. */
class MemoryCache implements Cache {
  readonly #clock: Clock;
  readonly #entries = new BoundedMap<string, { readonly value: string; readonly expiresAtMs: number }>(ENTRIES_MAX);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async read(keys: readonly string[]): Promise<readonly (string | null)[]> {
    return keys.map((key) => this.#value(key));
  }

  async write(key: string, value: string, ttlSeconds: number): Promise<void> {
    const isKept = Number.isFinite(ttlSeconds) && value !== '' && Buffer.byteLength(value) <= VALUE_BYTES_MAX;
    // What cannot be kept still replaces what was there.
    if (!isKept) return this.#entries.delete(key);
    this.#entries.set(key, { value, expiresAtMs: this.#clock.monotonicMs() + ttlSeconds * 1000 });
  }

  async forget(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.#entries.delete(key);
  }

  async close(): Promise<void> {}

  #value(key: string): string | null {
    const entry = this.#entries.get(key);
    if (entry === undefined) return null;
    if (this.#clock.monotonicMs() < entry.expiresAtMs) return entry.value;
    this.#entries.delete(key);
    return null;
  }
}

class MemoryRateLimits implements RateLimits {
  readonly #counts: WindowCounts;

  readonly #usage: MemoryUsage;

  constructor(clock: Clock, usage: MemoryUsage) {
    this.#counts = new WindowCounts(clock);
    this.#usage = usage;
  }

  async take(asked: Asked): Promise<Taken> {
    const taken = this.#counts.take(asked);
    const { use = null } = asked;
    if (use !== null) this.#usage.count(use, { ...use, outcome: taken.allowed ? 'admitted' : 'limited', count: 1 });
    return taken;
  }
}

class MemoryHints implements Hints {
  readonly #everyone: Set<MemoryHints>;
  readonly #listeners = new Set<Partial<HintListener>>();
  #closed = false;

  constructor(everyone: Set<MemoryHints>) {
    this.#everyone = everyone;
  }

  async subscribe(listener: Partial<HintListener>): Promise<void> {
    if (this.#closed) return;
    this.#listeners.add(listener);
    this.#everyone.add(this);
  }

  publishHint(seq: number): void {
    this.#publish((listener) => listener.hint?.(seq));
  }

  publishNumbered(seq: number): void {
    this.#publish((listener) => listener.numbered?.(seq));
  }

  publishAcknowledgement({ instanceId, epoch, applied, signature }: Acknowledgement): void {
    this.#publish((listener) => listener.acknowledged?.({ instanceId, epoch, applied, signature }));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#listeners.clear();
    this.#everyone.delete(this);
  }

  /** Later, as over a network: whoever publishes must not find its listeners run in the middle of its own work. */
  #publish(news: (listener: Partial<HintListener>) => void): void {
    if (this.#closed) return;
    setImmediate(() => {
      for (const one of this.#everyone) for (const listener of one.#listeners) news(listener);
    });
  }
}

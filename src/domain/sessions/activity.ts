import { toInstant, type Clock, type Instant, type Timer } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import type { Store } from '../store.ts';

/** How a session was used. */
export type Protocol = 'http' | 'websocket' | 'sse';

/** That a session was used: when last, and how. */
export interface SessionActivity {
  readonly sessionId: string;
  readonly lastSeenAt: Instant;
  readonly protocols: readonly Protocol[];
}

export interface ActivityWriter {
  /** Notes these, each session at most once. What is noted already and newer stays. */
  note(activities: readonly SessionActivity[]): Promise<void>;
}

/** What a kill may lose of when sessions were last seen. Nothing else of a session is ever written behind. */
export const ACTIVITY_LOSS_MS = 5_000;
const FLUSH_MS = 2_500;
/** Sessions written in one statement. */
const BATCH_MAX = 5_000;
/** More than one instance serves between two flushes. Beyond it the oldest wait no longer and are not told of. */
const PENDING_MAX = 200_000;

interface Pending {
  lastSeenMs: number;
  readonly protocols: Set<Protocol>;
}

/**
 * When sessions were last used, noted in process and written behind: a request never waits for it. What could not be
 * written is kept and written with the next. Being listened to is no use of a session: only operations are.
 */
export class Activity {
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

  /** The session has just been used. On the warm path: two look-ups for one that is known since the last flush. */
  touch(sessionId: string, protocol: Protocol): void {
    const known = this.#pending.get(sessionId);
    if (known === undefined) {
      if (this.#pending.size >= PENDING_MAX) return;
      this.#pending.set(sessionId, { lastSeenMs: this.#clock.now(), protocols: new Set([protocol]) });
      return;
    }
    known.lastSeenMs = this.#clock.now();
    known.protocols.add(protocol);
  }

  /** Resolves when what was pending is written, or is pending again. */
  async flush(): Promise<void> {
    await this.#flushing;
    if (this.#pending.size === 0) return;
    const taken = this.#pending;
    this.#pending = new Map();
    this.#flushing = this.#write(taken).finally(() => (this.#flushing = null));
    await this.#flushing;
  }

  async #write(taken: ReadonlyMap<string, Pending>): Promise<void> {
    const entries = [...taken].toSorted(([a], [b]) => (a < b ? -1 : 1));
    for (let from = 0; from < entries.length; from += BATCH_MAX) {
      const batch = entries.slice(from, from + BATCH_MAX);
      const activities = batch.map(([sessionId, { lastSeenMs, protocols }]) => ({
        sessionId,
        lastSeenAt: toInstant(lastSeenMs),
        protocols: [...protocols],
      }));
      try {
        await this.#store.transaction((tx) => tx.activity.note(activities));
      } catch (error) {
        this.#logger.warn({ err: error, sessions: batch.length }, 'when sessions were last seen was not written yet');
        this.#keep(batch);
      }
    }
  }

  /** Under what came meanwhile, which is newer. */
  #keep(batch: readonly (readonly [string, Pending])[]): void {
    for (const [sessionId, { lastSeenMs, protocols }] of batch) {
      const newer = this.#pending.get(sessionId);
      if (newer === undefined) this.#pending.set(sessionId, { lastSeenMs, protocols });
      else for (const protocol of protocols) newer.protocols.add(protocol);
    }
  }
}

import { toInstant, type Clock, type Instant } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import type { Rounds } from '../../kit/rounds.ts';
import { WriteBehind } from '../../kit/write-behind.ts';
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

interface Seen {
  readonly sessionId: string;
  lastSeenMs: number;
  readonly protocols: Set<Protocol>;
}

/** When sessions were last used, written behind. Being listened to is no use of a session: only operations are. */
export class Activity {
  readonly #clock: Clock;
  readonly #seen: WriteBehind<Seen>;

  constructor(parts: { store: Store; clock: Clock; logger: Log }) {
    this.#clock = parts.clock;
    this.#seen = new WriteBehind({
      write: (batch) => parts.store.transaction((tx) => tx.activity.note(batch.map(activityOf))),
      add(newer, { protocols }) {
        for (const protocol of protocols) newer.protocols.add(protocol);
      },
      failed: 'when sessions were last seen was not written yet',
      ...parts,
    });
  }

  get rounds(): Rounds {
    return this.#seen.rounds;
  }

  get pending(): number {
    return this.#seen.size;
  }

  /** The session has just been used. On the warm path: two look-ups for one that is known since the last flush. */
  touch(sessionId: string, protocol: Protocol): void {
    const lastSeenMs = this.#clock.now();
    const known = this.#seen.of(sessionId);
    if (known === undefined) this.#seen.note(sessionId, { sessionId, lastSeenMs, protocols: new Set([protocol]) });
    else {
      known.lastSeenMs = lastSeenMs;
      known.protocols.add(protocol);
    }
  }

  /** Resolves when what was pending is written, or is pending again. */
  flush(): Promise<void> {
    return this.#seen.flush();
  }
}

function activityOf({ sessionId, lastSeenMs, protocols }: Seen): SessionActivity {
  return { sessionId, lastSeenAt: toInstant(lastSeenMs), protocols: [...protocols] };
}

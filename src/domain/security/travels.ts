import { type Clock, toInstant } from '../../kit/clock.ts';
import { newId } from '../../kit/ids.ts';
import type { Log } from '../../kit/log.ts';
import { isPublicAddress } from '../../kit/networks.ts';
import { Rounds } from '../../kit/rounds.ts';
import { type Threshold, type Thresholds, TRAVEL } from '../../kit/thresholds.ts';
import type { Store, Transaction } from '../store.ts';
import { BATCH_MAX, FLUSH_MS, KNOWN_MAX, PENDING_MAX } from './bounds.ts';
import { raise } from './raise.ts';
import { impossibleKm, type Locate, type Sighting } from './travel.ts';

/** Where a user was last noted to be, as this process has seen it. */
interface Last {
  readonly address: string;
  readonly notedMs: number;
}

interface Noted {
  readonly userId: string;
  readonly sessionId: string;
  readonly address: string;
  readonly atMs: number;
}

/** One that is new knows its address; of those before it nobody does any more. */
type Told = Sighting & { readonly address?: string };

/** Who stays where they are is noted again after so long: so much earlier than they were may they seem to have been there last. */
const AGAIN_MS = 300_000;

/**
 * Finds users who are in two places faster than anybody travels. Only what sessions are used from counts: programs with API keys
 * are where they are. Nobody who is looked for waits: it is noted in process, bounded, and written in batches every two seconds.
 */
export class Travels {
  readonly #store: Store;
  readonly #locate: Locate | null;
  readonly #isProxy: (address: string) => boolean;
  readonly #speed: Threshold | null;
  readonly #clock: Clock;
  readonly rounds: Rounds;
  readonly #last = new Map<string, Last>();
  #pending = new Map<string, Noted>();
  #dropped = 0;

  /** @param parts.locate null where nothing says where addresses are */
  constructor(parts: {
    store: Store;
    locate: Locate | null;
    isProxy: (address: string) => boolean;
    thresholds: Thresholds;
    clock: Clock;
    logger: Log;
  }) {
    this.#store = parts.store;
    this.#locate = parts.locate;
    this.#isProxy = parts.isProxy;
    this.#speed = parts.thresholds[TRAVEL.kind];
    this.#clock = parts.clock;
    const failed = 'where users were was not written yet';
    this.rounds = new Rounds({ everyMs: FLUSH_MS, work: () => this.#flush(), failed, writesRest: true, ...parts });
  }

  /** What was not noted, since too much else was. */
  get dropped(): number {
    return this.#dropped;
  }

  /** The session is used from there. Never waits and never throws. Where it was used from before costs one look-up. */
  seen(userId: string, sessionId: string, address: string | null): void {
    if (this.#locate === null || this.#speed === null || address === null) return;
    const atMs = this.#clock.now();
    const last = this.#last.get(userId);
    if (last?.address === address && atMs - last.notedMs < AGAIN_MS) return;
    if (this.#last.size >= KNOWN_MAX) this.#last.clear();
    this.#last.set(userId, { address, notedMs: atMs });
    this.#note({ userId, sessionId, address, atMs });
  }

  /** Resolves when what was noted before is written, or waits for the next time. */
  async flush(): Promise<void> {
    await this.rounds.next().catch(() => {});
  }

  /** The first of what is the same between two flushes: whoever goes to and fro is written as often as who does so once. */
  #note(noted: Noted): void {
    const key = `${noted.userId} ${noted.sessionId} ${noted.address}`;
    if (this.#pending.has(key)) return;
    if (this.#pending.size < PENDING_MAX) this.#pending.set(key, noted);
    else this.#dropped += 1;
  }

  async #flush(): Promise<void> {
    const taken = [...this.#pending];
    this.#pending = new Map();
    for (let from = 0; from < taken.length; from += BATCH_MAX) {
      try {
        await this.#write(taken.slice(from, from + BATCH_MAX).flatMap(([, noted]) => this.#located(noted)));
      } catch (error) {
        this.#pending = new Map([...taken.slice(from), ...this.#pending]);
        throw error;
      }
    }
  }

  #located({ atMs, ...noted }: Noted): readonly Told[] {
    const { address } = noted;
    if (!isPublicAddress(address) || this.#isProxy(address)) return [];
    const location = this.#locate?.(address) ?? null;
    return location === null ? [] : [{ ...noted, ...location, at: toInstant(atMs) }];
  }

  async #write(told: readonly Told[]): Promise<void> {
    if (told.length === 0) return;
    await this.#store.transaction(async (tx) => {
      const before: readonly Told[] = await tx.signals.lastSightings([...new Set(told.map(({ userId }) => userId))]);
      const latest: Sighting[] = [];
      for (const sightings of Map.groupBy([...before, ...told], ({ userId }) => userId).values()) {
        // Instances write when they come to it.
        const inOrder = sightings.toSorted((a, b) => (a.at < b.at ? -1 : Number(a.at > b.at)));
        for (const [n, one] of inOrder.entries()) {
          const next = inOrder[n + 1];
          if (next === undefined) latest.push(one);
          else await this.#compare(tx, one, next);
        }
      }
      await tx.signals.noteSightings(latest);
    });
  }

  /** Once for two sessions, or for one in two places: who goes on using both is told once. */
  async #compare(tx: Transaction, one: Told, next: Told): Promise<void> {
    const km = this.#speed === null ? null : impossibleKm(one, next, this.#speed);
    if (km === null) return;
    const { kind, severity } = TRAVEL;
    const { userId, sessionId, address = null } = next.address === undefined ? one : next;
    const event = { id: newId('securityEvent'), at: toInstant(this.#clock.now()), kind, severity, userId, sessionId };
    const sessions = [one.sessionId, next.sessionId].toSorted().join(' ');
    await raise(tx, { ...event, address, count: km }, `${kind} ${sessions}`);
  }
}

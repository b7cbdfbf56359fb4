import { BoundedMap } from '../../kit/bounded-map.ts';
import type { Clock, Instant } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import type { Keys } from '../../kit/secret.ts';
import type { Cache } from '../authority/cache.ts';
import { LabelledCache, type Labelled, type LabelledCounts, type Snapshot } from '../authority/labelled.ts';
import type { Tail } from '../authority/tail.ts';
import type { SnapshotReader } from '../store.ts';
import type { Session } from './session.ts';

/** States kept in process. One takes a few hundred bytes. */
const STATES_MAX = 100_000;
/** Different descriptions of programs and devices that are kept to be shared. */
const SHARED_TEXTS_MAX = 4_096;

/** Where a session is at home, and with what. */
type Home = Pick<Session, 'userAgent' | 'address' | 'deviceKind' | 'browser' | 'os'>;

/** What decides about a session, as one snapshot of the database had it. */
export interface SessionInputs extends Home, Pick<Session, 'userId' | 'aal'> {
  readonly authenticatedAt: Instant;
  readonly expiresAt: Instant;
  /** Whether somebody ended it. */
  readonly revoked: boolean;
}

/** What is known of a session wherever it is used: what decides about it, and where it is at home. Labelled. */
export interface SessionState extends Labelled, Home, Pick<Session, 'id' | 'userId' | 'aal'> {
  /** Wall time in ms. */
  readonly authenticatedAtMs: number;
  readonly expiresAtMs: number;
  /** Whether it is over, by whatever end. */
  readonly ended: boolean;
}

/** What is so of every session: in process, in Redis, and from the database in batches, by the rules of {@link LabelledCache}. */
export class SessionStates {
  readonly #clock: Clock;
  readonly #tail: Tail;
  readonly #states: LabelledCache<SessionInputs, SessionState>;
  readonly #texts = new BoundedMap<string, string>(SHARED_TEXTS_MAX);

  constructor(parts: { snapshots: SnapshotReader; cache: Cache; keys: Keys; tail: Tail; clock: Clock; logger: Log }) {
    const { snapshots, ...shared } = parts;
    this.#clock = parts.clock;
    this.#tail = parts.tail;
    this.#states = new LabelledCache({
      name: 'session',
      max: STATES_MAX,
      build: (id, inputs, snapshot) => this.#build(id, inputs, snapshot),
      read: async (ids) => {
        const { epoch, asOf, sessions } = await snapshots.sessions(ids);
        return { epoch, asOf, found: sessions };
      },
      ...shared,
    });
  }

  get size(): number {
    return this.#states.size;
  }

  get counts(): LabelledCounts {
    return this.#states.counts;
  }

  /** The state of this session if it is known and current; no round trip. Counts only under a valid lease. */
  warm(id: string): SessionState | null {
    return this.#states.warm(id);
  }

  isCurrent(state: SessionState): boolean {
    return this.#states.isCurrent(state);
  }

  /** The current state, or null when there is no such session. Concurrent calls share one statement. */
  of(id: string, userId: string): Promise<SessionState | null> {
    return this.#states.of(id, userId);
  }

  /** Keeps what was just written, or read in the same transaction, so that the next request need not read it. */
  put(session: Session, snapshot: Snapshot): Promise<void> {
    return this.#states.put(session.id, session.userId, toInputs(session), snapshot);
  }

  #build(id: string, inputs: SessionInputs, { epoch, asOf }: Snapshot): SessionState {
    const { userId, aal, userAgent, address, deviceKind, browser, os } = inputs;
    const expiresAtMs = Date.parse(inputs.expiresAt);
    const ended = inputs.revoked || expiresAtMs <= this.#clock.now();
    return {
      id,
      userId,
      aal,
      userAgent: this.#shared(userAgent),
      address,
      deviceKind: this.#shared(deviceKind),
      browser: this.#shared(browser),
      os: this.#shared(os),
      authenticatedAtMs: Date.parse(inputs.authenticatedAt),
      expiresAtMs,
      ended,
      epoch: this.#tail.position.epoch === epoch ? this.#tail.position.epoch : epoch,
      asOf,
      dependencies: [id],
      // What has ended does not end once more.
      validUntilMs: ended ? Infinity : expiresAtMs,
    };
  }

  /** Many have the same browser: equal texts are kept once. */
  #shared<T extends string | null>(text: T): T {
    if (text === null) return text;
    const known = this.#texts.get(text);
    if (known !== undefined) return known as T; // equal to it
    this.#texts.set(text, text);
    return text;
  }
}

export function toInputs(session: Session): SessionInputs {
  const { userId, aal, authenticatedAt, expiresAt, userAgent, address, deviceKind, browser, os } = session;
  const revoked = session.revokedAt !== null;
  return { userId, aal, authenticatedAt, expiresAt, revoked, userAgent, address, deviceKind, browser, os };
}

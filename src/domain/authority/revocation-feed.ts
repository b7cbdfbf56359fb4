import type { Clock } from '../../kit/clock.ts';
import { withDeadline } from '../../kit/deadline.ts';
import { ID_PREFIXES } from '../../kit/ids.ts';
import type { Log } from '../../kit/log.ts';
import { Refusal } from '../refusals.ts';
import { type AuthorityLog, type ChangeKind, type LogEntry, POLICY_TARGET } from './log.ts';
import { formatPosition, type Position, sameEpoch } from './position.ts';
import type { Tail } from './tail.ts';

/** Entries read by one statement. */
const PAGE = 1_000;
/** What a subscriber may have missed, or be behind; whoever missed more forgets all it knows sooner than it reads that. */
export const REVOCATIONS_MAX = 5_000;
const OPEN_MS = 5_000;

/** One entry of the authority log, as others are told of it: ids and nothing about anybody. */
export interface AuthorityChanged {
  readonly __typename: 'AuthorityChanged';
  /** Such as `Session` or `SigningKey`. */
  readonly targetType: string;
  readonly targetId: string;
  readonly kind: ChangeKind;
  readonly at: string;
  readonly position: string;
}

export interface RevocationSink {
  /** Whatever comes after `position` is told: where it starts from now. */
  begins(position: Position): void;
  /** Told to all, so it is never written to. */
  changed(change: AuthorityChanged): void;
  /** What lies before `position` is not told. It goes on from there. */
  resync(position: Position): void;
}

interface Subscriber {
  /** The last place it was told, or need not be told, of; null while it is not told of anything yet. */
  reached: Position | null;
  readonly sink: RevocationSink;
}

/**
 * The authority log as news: each entry once and in order, once this instance has applied it. So nobody is told of a revocation
 * by an instance that does not know it yet.
 */
export class RevocationFeed {
  readonly #log: AuthorityLog;
  readonly #tail: Tail;
  readonly #clock: Clock;
  readonly #logger: Log;
  readonly #subscribers = new Set<Subscriber>();

  constructor(parts: { log: AuthorityLog; tail: Tail; clock: Clock; logger: Log }) {
    this.#log = parts.log;
    this.#tail = parts.tail;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
  }

  /** How many are told of what happens by now. */
  get subscribers(): number {
    return Array.from(this.#subscribers).filter(({ reached }) => reached !== null).length;
  }

  /**
   * Tells `sink` what comes after `after`, or from now on: nothing then that was committed before this call. Resolves when
   * what was missed has been told, with how to end it. Refuses with AUTHORITY_UNAVAILABLE when the log cannot be read in time.
   */
  async open(after: Position | 'now', sink: RevocationSink): Promise<() => void> {
    const subscriber: Subscriber = { reached: null, sink };
    this.#subscribers.add(subscriber);
    const close = (): void => void this.#subscribers.delete(subscriber);
    try {
      await withDeadline(this.#clock, this.#begin(after, subscriber), OPEN_MS, 'The authority log');
      return close;
    } catch (error) {
      close();
      this.#logger.warn({ err: error }, 'a feed of revocations was not opened');
      throw new Refusal(
        'AUTHORITY_UNAVAILABLE',
        'Castellan cannot tell right now what was revoked. Try again shortly.',
        {
          retryAfterSeconds: 1,
        },
      );
    }
  }

  applied(entries: readonly LogEntry[]): void {
    if (this.#subscribers.size === 0) return;
    const { epoch } = this.#tail.position;
    for (const entry of entries) {
      const change = toChange(entry, epoch);
      // A copy: whoever is told may end.
      for (const subscriber of Array.from(this.#subscribers)) {
        if (subscriber.reached === null || subscriber.reached.seq >= entry.seq) continue;
        subscriber.reached = { epoch, seq: entry.seq };
        subscriber.sink.changed(change);
      }
    }
  }

  /** The tail starts over, mostly behind what was told, which is then not told again. */
  reset(): void {
    const position = this.#tail.position;
    for (const subscriber of Array.from(this.#subscribers)) {
      const { reached } = subscriber;
      if (reached === null || (sameEpoch(reached.epoch, position.epoch) && reached.seq >= position.seq)) continue;
      subscriber.reached = position;
      subscriber.sink.resync(position);
    }
  }

  async #begin(after: Position | 'now', subscriber: Subscriber): Promise<void> {
    await this.#tail.poll(false);
    const missed = after === 'now' ? [] : await this.#missedSince(after);
    // Nothing is awaited from the last look at the tail on: it tells this subscriber of whatever comes next.
    const position = this.#tail.position;
    subscriber.reached = position;
    if (after === 'now') return subscriber.sink.begins(position);
    if (missed === null) return subscriber.sink.resync(position);
    for (const entry of missed) subscriber.sink.changed(toChange(entry, position.epoch));
  }

  /** What this instance has applied of what came after; null where something of it is missing or there is too much of it. */
  async #missedSince({ epoch, seq }: Position): Promise<readonly LogEntry[] | null> {
    const missed: LogEntry[] = [];
    const isHere = (): boolean => sameEpoch(this.#tail.position.epoch, epoch);
    if (!isHere() || seq > this.#tail.position.seq) return null;
    for (let from = seq; from < this.#tail.position.seq;) {
      const { instanceId, position } = this.#tail;
      const page = await this.#log.poll({ instanceId, epoch, applied: from, limit: PAGE, heartbeat: false });
      if (!isHere() || !sameEpoch(page.epoch, epoch)) return null;
      const entries = page.entries.filter((entry) => entry.seq <= position.seq);
      // Positions follow each other; what is cleaned away goes by its age, and may leave an older one.
      if (entries.length === 0 || entries.some((entry, n) => entry.seq !== from + 1 + n)) return null;
      missed.push(...entries);
      if (missed.length > REVOCATIONS_MAX) return null;
      from += entries.length;
    }
    return missed;
  }
}

function toChange({ target, kind, at, seq }: LogEntry, epoch: string): AuthorityChanged {
  const position = formatPosition({ epoch, seq });
  return { __typename: 'AuthorityChanged', targetType: typeOf(target), targetId: target, kind, at, position };
}

/** The type that the prefix of an id names: `SigningKey` of `sk_…`. */
function typeOf(target: string): string {
  if (target === POLICY_TARGET) return 'Policy';
  const [kind = ''] = Object.entries(ID_PREFIXES).find(([, prefix]) => target.startsWith(prefix)) ?? [];
  return kind.charAt(0).toUpperCase() + kind.slice(1);
}

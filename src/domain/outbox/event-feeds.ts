import type { Clock, Timer } from '../../kit/clock.ts';
import { withDeadline } from '../../kit/deadline.ts';
import type { Log } from '../../kit/log.ts';
import { Rounds } from '../../kit/rounds.ts';
import type { Hints } from '../authority/hints.ts';
import { type Position, sameEpoch } from '../authority/position.ts';
import type { Tail } from '../authority/tail.ts';
import { Refusal } from '../refusals.ts';
import type { Drainer } from './drainer.ts';
import type { EventPage, OutboxEvent, OutboxHead, OutboxReader } from './event.ts';

/** Events read by one statement. */
const PAGE = 500;
/** What a subscriber may have missed; more than this is cheaper to read as current state. */
const MISSED_MAX = 2_000;
/** Whoever starts from now waits so long for what is already committed to be numbered. */
const DRAIN_MS = 2_000;

export interface EventSink {
  /** Whatever comes after `position` is told: where it starts from now. */
  begins(position: Position): void;
  event(event: OutboxEvent, position: Position): void;
  /** What lies before `position` is not told: the feed does not reach back that far, or has another history. It goes on from there. */
  resync(position: Position): void;
}

interface Subscriber {
  /** The last place it was told, or need not be told, of; null while it is not told of anything yet. */
  reached: number | null;
  readonly sink: EventSink;
}

/**
 * The outbox as news for its users: every event of theirs once, in order. One reader per instance follows the numbers for
 * all subscribers, on every hint and every `everyMs`; nobody is followed where nobody subscribes.
 */
export class EventFeeds {
  readonly #outbox: OutboxReader;
  readonly #drainer: Drainer;
  readonly #tail: Tail;
  readonly #hints: Hints;
  readonly #clock: Clock;
  readonly #logger: Log;
  readonly #everyMs: number;
  readonly #takesAway: (event: OutboxEvent) => boolean;
  readonly #rounds = new Rounds(() => this.#readToHead());
  readonly #subscribers = new Map<string, Set<Subscriber>>();
  #position: Position = { epoch: '', seq: 0 };
  /** Whether the position has been carried on without a gap. */
  #following = false;
  #timer: Timer | null = null;
  #stopped = false;

  constructor(parts: {
    outbox: OutboxReader;
    drainer: Drainer;
    tail: Tail;
    hints: Hints;
    clock: Clock;
    logger: Log;
    everyMs: number;
    /** Whether an event tells of something that the authority log has as well: then that is applied first. */
    takesAway: (event: OutboxEvent) => boolean;
  }) {
    this.#outbox = parts.outbox;
    this.#drainer = parts.drainer;
    this.#tail = parts.tail;
    this.#hints = parts.hints;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
    this.#everyMs = parts.everyMs;
    this.#takesAway = parts.takesAway;
  }

  /** How far this instance has told; it says something only while somebody is subscribed. */
  get position(): Position {
    return this.#position;
  }

  /** How many are told of what happens by now. */
  get subscribers(): number {
    const all = Array.from(this.#subscribers.values()).flatMap((each) => Array.from(each));
    return all.filter(({ reached }) => reached !== null).length;
  }

  async start(): Promise<void> {
    await this.#hints.subscribe({ numbered: (seq) => this.#hinted(seq) });
    this.#beat();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#rounds.settled();
  }

  /** Tells this instance and all others that events up to `seq` have their numbers. */
  announce(seq: number): void {
    this.#hints.publishNumbered(seq);
    this.#hinted(seq);
  }

  /**
   * Tells `sink` what comes after `after`, or from now on: nothing then that was committed before this call. Resolves when
   * what was missed has been told, with how to end it.
   */
  async open(userId: string, after: Position | 'now', sink: EventSink): Promise<() => void> {
    const subscriber: Subscriber = { reached: null, sink };
    const close = this.#add(userId, subscriber);
    try {
      if (after === 'now') {
        await this.#begin(subscriber);
        sink.begins(this.#position);
      } else if (!(await this.#catchUp(userId, after, subscriber))) {
        await this.#begin(subscriber);
        sink.resync(this.#position);
      }
      return close;
    } catch (error) {
      close();
      throw error;
    }
  }

  /** Whoever is told from now on is not told of what is committed already: that gets its number first. */
  async #begin(subscriber: Subscriber): Promise<void> {
    try {
      await withDeadline(this.#clock, this.#drainer.drain(), DRAIN_MS, 'The outbox');
    } catch (error) {
      this.#logger.warn({ err: error }, 'a feed was not opened');
      throw new Refusal(
        'AUTHORITY_UNAVAILABLE',
        'Castellan cannot tell right now what has happened. Try again shortly.',
        { retryAfterSeconds: 1 },
      );
    }
    await this.#rounds.next();
    subscriber.reached = this.#position.seq;
  }

  /**
   * Tells what the table has after `after`, page by page until it has caught up with the reader, which goes on from there.
   * False, and nothing told, where something is missing or there is too much of it.
   */
  async #catchUp(userId: string, after: Position, subscriber: Subscriber): Promise<boolean> {
    // From here on its events are read: it may be the first subscriber.
    await this.#rounds.next();
    const missed: OutboxEvent[] = [];
    for (let from = after.seq; ;) {
      const page = await this.#outbox.ofUser(userId, from, PAGE);
      if (isBroken(page, { epoch: after.epoch, seq: from })) return false;
      missed.push(...page.events);
      if (missed.length > MISSED_MAX) return false;
      if (page.events.some((event) => this.#takesAway(event))) await this.#tail.poll(false);

      const isLast = page.events.length < PAGE;
      from = isLast ? page.head : (page.events.at(-1)?.seq ?? from);
      if (!isLast || from < this.#position.seq) continue;
      // Nothing is awaited from that look at the reader on: it tells this subscriber of whatever comes next.
      subscriber.reached = from;
      for (const event of missed) subscriber.sink.event(event, { epoch: page.epoch, seq: event.seq });
      return true;
    }
  }

  #hinted(seq: number): void {
    if (this.#subscribers.size > 0 && seq > this.#position.seq) this.#readInBackground();
  }

  #beat(): void {
    this.#timer = this.#clock.after(this.#everyMs, () => {
      this.#beat();
      if (this.#subscribers.size > 0) this.#readInBackground();
    });
  }

  #readInBackground(): void {
    this.#rounds.next().catch((error: unknown) => {
      if (!this.#stopped) this.#logger.warn({ err: error }, 'events could not be read');
    });
  }

  async #readToHead(): Promise<void> {
    let more = true;
    while (more && !this.#stopped)
      more = this.#following ? await this.#readOnce() : this.#place(await this.#outbox.head());
  }

  /** Goes on from the end: nobody is told of what lies before. */
  #place({ epoch, head }: OutboxHead): false {
    this.#position = { epoch, seq: head };
    this.#following = this.#subscribers.size > 0;
    return false;
  }

  /** Reads and tells once; whether there is more to read. */
  async #readOnce(): Promise<boolean> {
    const page = await this.#outbox.after(this.#position.seq, PAGE);
    if (isBroken(page, this.#position)) {
      this.#place(page);
      for (const subscribers of this.#subscribers.values()) for (const each of subscribers) this.#resync(each);
      return false;
    }
    const isTold = ({ userId }: OutboxEvent): boolean => userId !== null && this.#subscribers.has(userId);
    // Whoever loses their own session by it is told that they have, and not that somebody has.
    if (page.events.some((event) => isTold(event) && this.#takesAway(event))) await this.#tail.poll(false);
    for (const event of page.events) this.#tell(event, { epoch: page.epoch, seq: event.seq });
    return page.events.length === PAGE;
  }

  #tell(event: OutboxEvent, position: Position): void {
    this.#position = position;
    // A copy: whoever is told may end.
    for (const subscriber of Array.from(this.#subscribers.get(event.userId ?? '') ?? [])) {
      if (subscriber.reached === null || subscriber.reached >= event.seq) continue;
      subscriber.reached = event.seq;
      subscriber.sink.event(event, position);
    }
  }

  #resync(subscriber: Subscriber): void {
    if (subscriber.reached === null) return;
    subscriber.reached = this.#position.seq;
    subscriber.sink.resync(this.#position);
  }

  #add(userId: string, subscriber: Subscriber): () => void {
    const known = this.#subscribers.get(userId) ?? new Set();
    known.add(subscriber);
    this.#subscribers.set(userId, known);
    return () => {
      known.delete(subscriber);
      if (known.size === 0 && this.#subscribers.get(userId) === known) this.#subscribers.delete(userId);
      if (this.#subscribers.size === 0) this.#following = false;
    };
  }
}

/** Whether what comes after this place cannot be told without a gap. */
function isBroken({ epoch, head, trimmed }: EventPage, after: Position): boolean {
  return !sameEpoch(epoch, after.epoch) || after.seq > head || after.seq < trimmed;
}

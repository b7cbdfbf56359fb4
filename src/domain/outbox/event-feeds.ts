import type { Clock } from '../../kit/clock.ts';
import { withDeadline } from '../../kit/deadline.ts';
import type { Log } from '../../kit/log.ts';
import { Rounds } from '../../kit/rounds.ts';
import type { Hints } from '../authority/hints.ts';
import { type Position, sameEpoch } from '../authority/position.ts';
import type { Tail } from '../authority/tail.ts';
import type { SubjectRecord } from '../principals/principal.ts';
import { Refusal } from '../refusals.ts';
import type { Drainer } from './drainer.ts';
import type { EventPage, OutboxEvent, OutboxHead, OutboxReader } from './event.ts';

/** Events read by one statement. */
const PAGE = 500;
/** Numbers that one statement looks through for events of some kinds. */
const SPAN = 10_000;
/** Numbers that are looked through for what somebody has missed of some kinds. */
const SPANS_MAX = 20 * SPAN;
/** What a subscriber may have missed; more than this is cheaper to read as current state. */
const MISSED_MAX = 2_000;
/** Whoever starts from now waits so long for what is already committed to be numbered. */
const DRAIN_MS = 2_000;

export interface EventSink {
  /** Whatever comes after `position` is told: where it starts from now. */
  begins(position: Position): void;
  /** With the record that it is about, where kinds are followed and there is one. */
  event(event: OutboxEvent, position: Position, subject: SubjectRecord | null): void;
  /** What lies before `position` is not told: the feed does not reach back that far, or has another history. It goes on from there. */
  resync(position: Position): void;
}

/** What is followed: all that stands in the feed of one user, or all of some kinds, whoever's it is. */
export type Followed = { readonly userId: string } | { readonly kinds: readonly string[] };

/** What these events are about, by their numbers; without what is not there any more. */
export type ReadSubjects = (events: readonly OutboxEvent[]) => Promise<ReadonlyMap<number, SubjectRecord>>;

interface Subscriber {
  /** The last place it was told, or need not be told, of; null while it is not told of anything yet. */
  reached: number | null;
  readonly sink: EventSink;
}

/**
 * The outbox as news: every event for whoever follows its user or its kind, once and in order. One reader per instance follows the numbers for
 * all subscribers, on every hint and every `everyMs`; nobody is followed where nobody subscribes.
 */
export class EventFeeds {
  readonly #outbox: OutboxReader;
  readonly #drainer: Drainer;
  readonly #tail: Tail;
  readonly #hints: Hints;
  readonly #clock: Clock;
  readonly #logger: Log;
  readonly #takesAway: (event: OutboxEvent) => boolean;
  readonly #subjectsOf: ReadSubjects;
  readonly #rounds: Rounds;
  /** By the user or the kind that they follow: no id is a kind. */
  readonly #subscribers = new Map<string, Set<Subscriber>>();
  #position: Position = { epoch: '', seq: 0 };
  /** Whether the position has been carried on without a gap. */
  #following = false;

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
    subjectsOf: ReadSubjects;
  }) {
    this.#outbox = parts.outbox;
    this.#drainer = parts.drainer;
    this.#tail = parts.tail;
    this.#hints = parts.hints;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
    this.#takesAway = parts.takesAway;
    this.#subjectsOf = parts.subjectsOf;
    this.#rounds = new Rounds({ work: () => this.#readToHead(), failed: 'events could not be read', ...parts });
  }

  /** How far this instance has told; it says something only while somebody is subscribed. */
  get position(): Position {
    return this.#position;
  }

  /** How many are told of what happens by now. */
  get subscribers(): number {
    return this.#everybody().filter(({ reached }) => reached !== null).length;
  }

  async start(): Promise<void> {
    await this.#hints.subscribe({ numbered: (seq) => this.#hinted(seq) });
    this.#rounds.start();
  }

  stop(): Promise<void> {
    return this.#rounds.stop();
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
  async open(followed: Followed, after: Position | 'now', sink: EventSink): Promise<() => void> {
    const subscriber: Subscriber = { reached: null, sink };
    const close = this.#add(followed, subscriber);
    try {
      if (after === 'now') {
        await this.#begin(subscriber);
        sink.begins(this.#position);
      } else if (!(await this.#catchUp(followed, after, subscriber))) {
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
  async #catchUp(followed: Followed, after: Position, subscriber: Subscriber): Promise<boolean> {
    // From here on its events are read: it may be the first subscriber.
    await this.#rounds.next();
    const missed: OutboxEvent[] = [];
    const about = new Map<number, SubjectRecord>();
    for (let from = after.seq; ;) {
      const { page, reached } = await this.#readFrom(followed, from);
      if (isBroken(page, { epoch: after.epoch, seq: from })) return false;
      missed.push(...page.events);
      if (missed.length > MISSED_MAX || page.head - after.seq > lookedThrough(followed)) return false;
      if (page.events.some((event) => this.#takesAway(event))) await this.#tail.poll(false);
      if ('kinds' in followed) await this.#readSubjects(page.events, about);

      from = reached;
      if (from < page.head || from < this.#position.seq) continue;
      // Nothing is awaited from that look at the reader on: it tells this subscriber of whatever comes next.
      subscriber.reached = from;
      for (const event of missed) {
        subscriber.sink.event(event, { epoch: page.epoch, seq: event.seq }, about.get(event.seq) ?? null);
      }
      return true;
    }
  }

  /** What comes after this place in the table, and how far that reaches. */
  async #readFrom(followed: Followed, from: number): Promise<{ readonly page: EventPage; readonly reached: number }> {
    if ('kinds' in followed) {
      const page = await this.#outbox.ofKinds(followed.kinds, from, SPAN);
      return { page, reached: Math.min(page.head, from + SPAN) };
    }
    const page = await this.#outbox.ofUser(followed.userId, from, PAGE);
    return { page, reached: page.events.length < PAGE ? page.head : (page.events.at(-1)?.seq ?? from) };
  }

  async #readSubjects(events: readonly OutboxEvent[], into: Map<number, SubjectRecord>): Promise<void> {
    if (events.length === 0) return;
    for (const [seq, subject] of await this.#subjectsOf(events)) into.set(seq, subject);
  }

  #hinted(seq: number): void {
    if (this.#subscribers.size > 0 && seq > this.#position.seq) this.#rounds.begin();
  }

  async #readToHead(): Promise<void> {
    let more = this.#subscribers.size > 0;
    while (more && !this.#rounds.stopped)
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
      for (const each of this.#everybody()) this.#resync(each);
      return false;
    }
    const told = page.events.filter(
      ({ userId, kind }) => this.#subscribers.has(kind) || (userId !== null && this.#subscribers.has(userId)),
    );
    // Whoever loses their own session by it is told that they have, and not that somebody has.
    if (told.some((event) => this.#takesAway(event))) await this.#tail.poll(false);
    const about = new Map<number, SubjectRecord>();
    const followedByKind = told.filter(({ kind }) => this.#subscribers.has(kind));
    await this.#readSubjects(followedByKind, about);
    for (const event of page.events) {
      this.#tell(event, { epoch: page.epoch, seq: event.seq }, about.get(event.seq) ?? null);
    }
    return page.events.length === PAGE;
  }

  #tell(event: OutboxEvent, position: Position, subject: SubjectRecord | null): void {
    this.#position = position;
    for (const topic of [event.userId ?? '', event.kind]) {
      // A copy: whoever is told may end.
      for (const subscriber of Array.from(this.#subscribers.get(topic) ?? [])) {
        if (subscriber.reached === null || subscriber.reached >= event.seq) continue;
        subscriber.reached = event.seq;
        subscriber.sink.event(event, position, subject);
      }
    }
  }

  /** Each once, however many kinds they follow. */
  #everybody(): readonly Subscriber[] {
    return Array.from(new Set(Array.from(this.#subscribers.values()).flatMap((each) => Array.from(each))));
  }

  #resync(subscriber: Subscriber): void {
    if (subscriber.reached === null) return;
    subscriber.reached = this.#position.seq;
    subscriber.sink.resync(this.#position);
  }

  #add(followed: Followed, subscriber: Subscriber): () => void {
    const topics = 'kinds' in followed ? followed.kinds : [followed.userId];
    for (const topic of topics) {
      const known = this.#subscribers.get(topic) ?? new Set();
      known.add(subscriber);
      this.#subscribers.set(topic, known);
    }
    return () => {
      for (const topic of topics) {
        const known = this.#subscribers.get(topic);
        known?.delete(subscriber);
        if (known?.size === 0) this.#subscribers.delete(topic);
      }
      if (this.#subscribers.size === 0) this.#following = false;
    };
  }
}

/** How many numbers may have been given since: those of one user are found by an index. */
const lookedThrough = (followed: Followed): number => ('kinds' in followed ? SPANS_MAX : Infinity);

/** Whether what comes after this place cannot be told without a gap. */
function isBroken({ epoch, head, trimmed }: EventPage, after: Position): boolean {
  return !sameEpoch(epoch, after.epoch) || after.seq > head || after.seq < trimmed;
}

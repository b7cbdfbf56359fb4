import type { FeedReader } from '../store.ts';
import type { LogEntry } from './log.ts';
import { formatPosition, sameEpoch, type Position } from './position.ts';
import type { Tail } from './tail.ts';

const PAGE = 500;
/** What a subscriber may have missed; more than this is cheaper to read as current state. */
const MISSED_MAX = 5_000;

export interface FeedSink {
  entry(entry: LogEntry): void;
  /** The feed no longer reaches back that far; it goes on from now. */
  resync(position: string): void;
}

/** The authority log as news for one user: every entry once, in order, from a position on. */
export class UserFeeds {
  readonly #feed: FeedReader;
  readonly #tail: Tail;
  readonly #sinks = new Map<string, Set<(entry: LogEntry) => void>>();

  constructor(parts: { feed: FeedReader; tail: Tail }) {
    this.#feed = parts.feed;
    this.#tail = parts.tail;
    this.#tail.listen({
      applied: (entries) => {
        for (const entry of entries) this.#deliver(entry);
      },
      // Whoever misses entries because of it is told by its position when it resumes.
      reset: () => {},
    });
  }

  /**
   * Feeds `sink` with what comes after `after`, or from now on when it is null, until the returned function is called.
   * Resolves when what was missed has been delivered.
   */
  async open(userId: string, after: Position | null, sink: FeedSink): Promise<() => void> {
    let reached = after?.seq ?? this.#tail.position.seq;
    let waiting: LogEntry[] | null = [];
    const listener = (entry: LogEntry): void => {
      if (waiting !== null) waiting.push(entry);
      // The database may have been ahead of this instance, which then comes to what was delivered already.
      else if (entry.seq > reached) sink.entry(entry);
    };
    const close = this.#listen(userId, listener);
    try {
      if (
        after !== null &&
        !(await this.#catchUp(userId, after, (entry) => ((reached = entry.seq), sink.entry(entry))))
      ) {
        reached = this.#tail.position.seq;
        sink.resync(formatPosition(this.#tail.position));
      }
    } catch (error) {
      close();
      throw error;
    }
    // Entries that came meanwhile may have been read from the database as well.
    for (const entry of waiting) if (entry.seq > reached) sink.entry(entry);
    waiting = null;
    return close;
  }

  /** Whether everything after `after` could be delivered. */
  async #catchUp(userId: string, after: Position, deliver: (entry: LogEntry) => void): Promise<boolean> {
    if (!sameEpoch(after.epoch, this.#tail.position.epoch)) return false;
    const missed: LogEntry[] = [];
    let from = after.seq;
    while (missed.length <= MISSED_MAX) {
      const { oldest, entries } = await this.#feed.ofUser(userId, from, PAGE);
      if (oldest > after.seq + 1) return false;
      missed.push(...entries);
      from = entries.at(-1)?.seq ?? from;
      if (entries.length < PAGE) break;
    }
    if (missed.length > MISSED_MAX) return false;
    for (const entry of missed) deliver(entry);
    return true;
  }

  #listen(userId: string, listener: (entry: LogEntry) => void): () => void {
    const known = this.#sinks.get(userId) ?? new Set();
    known.add(listener);
    this.#sinks.set(userId, known);
    return () => {
      known.delete(listener);
      if (known.size === 0 && this.#sinks.get(userId) === known) this.#sinks.delete(userId);
    };
  }

  #deliver(entry: LogEntry): void {
    if (entry.userId === null) return;
    for (const listener of this.#sinks.get(entry.userId) ?? []) listener(entry);
  }
}

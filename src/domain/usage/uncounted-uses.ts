import { randomUUID } from 'node:crypto';
import type { Clock } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { Rounds } from '../../kit/rounds.ts';
import {
  hourOf,
  OTHER_OPERATIONS,
  type Outcome,
  type UsageCount,
  type UsageCounts,
  type UsageHour,
  type Use,
} from './usage.ts';

const SEND_MS = 1_000;
/** Counts kept while nobody takes them; some 300 bytes each. */
const COUNTS_MAX = 20_000;
/** Older ones are sent as of the hour in which they are sent, since theirs is settled. */
const LATE_MS = 3_600_000;

interface Pending {
  readonly hour: UsageHour;
  readonly counts: Map<string, UsageCount>;
}

interface Batch extends Pending {
  readonly number: number;
}

/**
 * Uses that are not counted where they are limited: those that turn out to have failed, and all while Redis is away. Sent every
 * second, each once, for as long as it takes; a kill loses what was not sent. Beyond so many counts, operations are not told
 * apart any more.
 */
export class UncountedUses {
  readonly #counts: UsageCounts;
  readonly #clock: Clock;
  /** Batches of one sender are told apart from those of others, and of its former self. */
  readonly #from = randomUUID();
  #number = 0;
  #pending = new Map<string, Pending>();
  #size = 0;
  readonly #sent = new Map<string, Batch>();
  readonly rounds: Rounds;

  constructor(parts: { counts: UsageCounts; clock: Clock; logger: Log }) {
    this.#counts = parts.counts;
    this.#clock = parts.clock;
    const failed = 'uses were not sent yet';
    this.rounds = new Rounds({ everyMs: SEND_MS, work: () => this.#sendAll(), failed, writesRest: true, ...parts });
  }

  /** Counts that wait. */
  get pending(): number {
    return this.#size;
  }

  note({ subject, id, hourMs, version, operation }: Use, outcome: Outcome): void {
    this.#add({ subject, id, hourMs }, { version, operation, outcome, count: 1 });
  }

  /** Resolves when all that waited is taken, or waits again. */
  send(): Promise<void> {
    return this.rounds.next();
  }

  async #sendAll(): Promise<void> {
    const taken = this.#pending;
    this.#pending = new Map();
    for (const [key, pending] of taken) {
      // One batch after the other of each hour: while it is not known whether one arrived, the next waits.
      if (this.#sent.has(key)) this.#keep(pending);
      else this.#sent.set(key, { ...pending, number: (this.#number += 1) });
    }
    await Promise.all([...this.#sent].map(([key, batch]) => this.#sendBatch(key, batch)));
  }

  async #sendBatch(key: string, { hour, counts, number }: Batch): Promise<void> {
    const answer = await this.#counts.add(hour, { from: this.#from, number }, [...counts.values()]);
    if (answer === null) return;
    this.#sent.delete(key);
    this.#size -= counts.size;
  }

  #keep({ hour, counts }: Pending): void {
    this.#size -= counts.size;
    for (const count of counts.values()) this.#add(hour, count);
  }

  #add(hour: UsageHour, added: UsageCount): void {
    const now = this.#clock.now();
    const at = hour.hourMs + 2 * LATE_MS <= now ? { ...hour, hourMs: hourOf(now) } : hour;
    const key = `${at.subject} ${at.id} ${at.hourMs}`;
    let pending = this.#pending.get(key);
    if (pending === undefined) {
      pending = { hour: at, counts: new Map() };
      this.#pending.set(key, pending);
    }
    const named = `${added.version} ${added.operation} ${added.outcome}`;
    const isKept = this.#size < COUNTS_MAX || pending.counts.has(named);
    const operation = isKept ? added.operation : OTHER_OPERATIONS;
    const name = `${added.version} ${operation} ${added.outcome}`;
    const known = pending.counts.get(name);
    if (known === undefined) this.#size += 1;
    pending.counts.set(name, { ...added, operation, count: (known?.count ?? 0) + added.count });
  }
}

/** The world of a simulation: time, chance and the order of events, what is wrong with it, and what happened in it. */
import { setImmediate as microtasksDone } from 'node:timers/promises';

/** What may be wrong with the world, each enough to break the promise. */
export const FLAWS = {
  numberedBeforeCommit: 'positions are taken before the commit, as a sequence gives them',
  membersFromReplica: 'a registration becomes visible to receipts late, as on an asynchronous replica',
  keyStolen: 'whoever writes to the bus can sign acknowledgements',
  clocksTooSlow: 'both clocks of one instance run at half the speed of the others',
  waitTooShort: 'receipts wait for half a lease',
  markIgnored: 'a marked instance goes on getting leases',
  vouchedForGood: 'whoever was vouched for once is not asked about again',
} as const;
export type Flaw = keyof typeof FLAWS;

const COUNTS = [
  'changes committed',
  'enforced by acknowledgements',
  'enforced by time',
  'not confirmed',
  'permits of a committed change',
  'decisions refused without a lease',
  'crashes',
  'pauses',
  'suspensions',
  'cuts',
  'outages',
  'departures',
  'jumps of the wall clock',
  'collections',
  'restarts in the log',
  'histories',
  'forgeries',
  'subscriptions ended',
  'told by a vouch',
] as const;
export type Count = (typeof COUNTS)[number];

/** What the wall clocks say when the world begins. */
export const EPOCH_MS = 1_750_000_000_000;

/** An instance as the world sees it. */
export interface Process {
  readonly slot: number;
  readonly state: 'running' | 'paused' | 'gone';
  /** What came in while it was paused. */
  readonly waiting: (() => void)[];
  /** Until then it does not reach the database. */
  readonly cutUntilMs: number;
}

/** Whose event it is. What happens inside the database is seen by nobody before its answer. */
type Owner = Process | 'database' | 'world';

interface Event {
  readonly atMs: number;
  readonly owner: Owner;
  readonly run: () => void;
}

/** The queue of everything that is going to happen, and the only source of chance. */
export class World {
  readonly seed: number;
  readonly flaw: Flaw | null;
  readonly counts = Object.fromEntries(COUNTS.map((name) => [name, 0])) as Record<Count, number>; // every name is in it
  nowMs = 0;
  /** While set, things go wrong. */
  hostile = true;
  events = 0;
  readonly #queue: Event[] = [];
  #state: number;

  constructor(seed: number, flaw: Flaw | null) {
    this.seed = seed;
    this.flaw = flaw;
    this.#state = seed * 2_654_435_761;
  }

  /** From 0 up to 1: mulberry32. */
  random(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let bits = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 4_294_967_296;
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  between(min: number, max: number): number {
    return min + this.random() * (max - min);
  }

  pick<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.random() * list.length)];
  }

  /** What an instance is to do waits while it is paused, and is forgotten when it dies. */
  schedule(ms: number, run: () => void, owner: Owner = 'world'): void {
    const event = { atMs: this.nowMs + Math.max(0, ms), owner, run };
    let index = this.#queue.length;
    while (index > 0 && (this.#queue[index - 1]?.atMs ?? 0) > event.atMs) index -= 1;
    this.#queue.splice(index, 0, event);
  }

  /** Does something again and again, as long as the world is hostile. */
  repeat(minMs: number, maxMs: number, what: () => void): void {
    this.schedule(this.between(minMs, maxMs), () => {
      if (!this.hostile) return;
      what();
      this.repeat(minMs, maxMs, what);
    });
  }

  /**
   * Runs event after event until `done`; whether that came within `ms`.
   * @param look is called after every event that anybody can see
   */
  async until(done: () => boolean, ms: number, look: () => void): Promise<boolean> {
    const endMs = this.nowMs + ms;
    while (!done()) {
      const event = this.#queue.shift();
      if (event === undefined || event.atMs > endMs) {
        if (event !== undefined) this.#queue.unshift(event);
        this.nowMs = endMs;
        return done();
      }
      this.nowMs = event.atMs;
      const { owner, run } = event;
      if (typeof owner === 'object' && owner.state === 'gone') continue;
      if (typeof owner === 'object' && owner.state === 'paused') {
        owner.waiting.push(run);
        continue;
      }
      this.events += 1;
      run();
      if (owner === 'database') continue;
      await microtasksDone();
      look();
    }
    return true;
  }
}

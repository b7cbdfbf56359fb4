import { randomUUID } from 'node:crypto';
import {
  COUNTS_PER_HOUR_MAX,
  OTHER_OPERATIONS,
  type UsageCount,
  type UsageCounts,
  type UsageHour,
  type UsageStock,
} from '../../domain/usage/usage.ts';
import type { Clock } from '../../kit/clock.ts';
import { BoundedMap } from '../../kit/bounded-map.ts';

interface Hour {
  readonly hour: UsageHour;
  readonly counts: Map<string, UsageCount>;
  readonly batches: Map<string, number>;
}

/** An hour with all the counts there may be takes some 60 KB, and most take 1. */
const HOURS_MAX = 10_000;

export class MemoryUsage implements UsageCounts {
  readonly #clock: Clock;
  readonly #era = randomUUID();
  readonly #hours = new BoundedMap<string, Hour>(HOURS_MAX);
  readonly #due = new Map<string, UsageHour>();
  #turnUntilMs = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  count(hour: UsageHour, { version, operation, outcome, count }: UsageCount): void {
    const { counts } = this.#of(hour);
    let name = `${version} ${operation} ${outcome}`;
    let told = operation;
    if (!counts.has(name) && counts.size >= COUNTS_PER_HOUR_MAX) {
      told = OTHER_OPERATIONS;
      name = `${version} ${told} ${outcome}`;
    }
    const before = counts.get(name)?.count ?? 0;
    counts.set(name, { version, operation: told, outcome, count: before + count });
  }

  async add(
    hour: UsageHour,
    { from, number }: { readonly from: string; readonly number: number },
    counts: readonly UsageCount[],
  ): Promise<true> {
    const { batches } = this.#of(hour);
    if ((batches.get(from) ?? 0) >= number) return true;
    batches.set(from, number);
    for (const count of counts) this.count(hour, count);
    return true;
  }

  async claim(ms: number): Promise<boolean> {
    const now = this.#clock.monotonicMs();
    if (now < this.#turnUntilMs) return false;
    this.#turnUntilMs = now + ms;
    return true;
  }

  async hours(): Promise<readonly UsageHour[]> {
    return [...this.#due.values()];
  }

  async read(hours: readonly UsageHour[]): Promise<readonly (UsageStock | null)[]> {
    return hours.map((hour) => {
      const found = this.#hours.get(keyOf(hour));
      return found === undefined ? null : { ...hour, era: this.#era, counts: [...found.counts.values()] };
    });
  }

  async settle(hours: readonly UsageHour[]): Promise<void> {
    for (const hour of hours) this.#due.delete(keyOf(hour));
  }

  #of({ subject, id, hourMs }: UsageHour): Hour {
    const hour = { subject, id, hourMs };
    const key = keyOf(hour);
    let found = this.#hours.get(key);
    if (found === undefined) {
      found = { hour, counts: new Map(), batches: new Map() };
      this.#hours.set(key, found);
    }
    this.#due.set(key, hour);
    return found;
  }
}

function keyOf({ subject, id, hourMs }: UsageHour): string {
  return `${subject} ${id} ${hourMs}`;
}

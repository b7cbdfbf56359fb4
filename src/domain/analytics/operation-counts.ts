import type { Rollups } from './rollups.ts';
import type { Tally } from './tallies.ts';

export const OPERATIONS = 'operation';

/** What is counted as one: the same object for the same words. */
interface Operation {
  readonly kind: string;
  readonly field: string;
}

/** Counts operations by kind, root field and whether they failed. A known one costs one look-up: it happens for every answer. */
export class OperationCounts {
  readonly #rollups: Rollups;
  #open: object;
  #succeeded = new Map<Operation, Tally>();
  #failed = new Map<Operation, Tally>();

  constructor(rollups: Rollups) {
    this.#rollups = rollups;
    this.#open = rollups.open;
  }

  count(operation: Operation, failed: boolean): void {
    if (this.#open !== this.#rollups.open) {
      this.#open = this.#rollups.open;
      this.#succeeded = new Map();
      this.#failed = new Map();
    }
    const tallies = failed ? this.#failed : this.#succeeded;
    const known = tallies.get(operation);
    if (known !== undefined) {
      known.count += 1;
      return;
    }
    const { kind, field } = operation;
    const tally = this.#rollups.tally(OPERATIONS, { kind, field, failed });
    tally.count += 1;
    tallies.set(operation, tally);
  }
}

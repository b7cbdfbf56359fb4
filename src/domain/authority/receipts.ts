import type { Clock } from '../../kit/clock.ts';
import { withDeadline } from '../../kit/deadline.ts';
import type { Acknowledgements } from './acknowledgements.ts';
import type { AuthorityLog, Member, Standing } from './log.ts';
import { formatPosition, sameEpoch, type Position } from './position.ts';
import { settleMs, type Timing } from './timing.ts';

/** Proof that a change is in force. */
export interface Receipt {
  /** Whether no instance can still decide as if the change had not been made. */
  readonly enforced: boolean;
  readonly position: string;
  /** How many instances were members when the change was committed. */
  readonly instances: number;
  /** How many of them said that they applied it. When fewer, enforcement came from their leases running out. */
  readonly acknowledged: number;
  /** Milliseconds from the commit until this was known. */
  readonly waitedMs: number;
}

export interface Committed {
  readonly position: Position;
  /** Read after the commit. An instance that registers later reads the change with its first poll. */
  readonly members: readonly Member[];
  /** Monotonic time at which the commit had returned. */
  readonly committedAtMs: number;
}

/** Waits until a committed change is in force everywhere. */
export class Receipts {
  readonly #log: AuthorityLog;
  readonly #acknowledgements: Acknowledgements;
  readonly #clock: Clock;
  readonly #timing: Timing;
  #reading: Promise<Standing> | null = null;

  constructor(parts: { log: AuthorityLog; acknowledgements: Acknowledgements; clock: Clock; timing: Timing }) {
    this.#log = parts.log;
    this.#acknowledgements = parts.acknowledgements;
    this.#clock = parts.clock;
    this.#timing = parts.timing;
  }

  /** Resolves when every member acknowledged, or when every lease from before the commit has run out; never earlier. */
  async settle({ position, members, committedAtMs }: Committed): Promise<Receipt> {
    const settledAtMs = committedAtMs + settleMs(this.#timing);
    const waiting = new Set(members.map(({ instanceId }) => instanceId));
    let acknowledged = 0;
    const collect = (): void => {
      for (const instanceId of waiting) {
        if (!this.#acknowledgements.has(instanceId, position)) continue;
        waiting.delete(instanceId);
        acknowledged += 1;
      }
    };
    const receipt = (enforced: boolean): Receipt => ({
      enforced,
      position: formatPosition(position),
      instances: members.length,
      acknowledged,
      waitedMs: Math.round((this.#clock.monotonicMs() - committedAtMs) * 1_000) / 1_000,
    });

    collect();
    let readAtMs = committedAtMs + this.#timing.pollMs / 2;
    while (waiting.size > 0) {
      const now = this.#clock.monotonicMs();
      if (now >= settledAtMs) return receipt(true);
      // Other instances' news must not keep us from reading the rows of one whose news is lost.
      if (now >= readAtMs) {
        if (!(await this.#readRows(waiting, position))) return receipt(false);
        readAtMs = this.#clock.monotonicMs() + this.#timing.pollMs / 2;
      } else {
        await this.#progress(Math.min(settledAtMs, readAtMs) - now);
      }
      collect();
    }
    return receipt(true);
  }

  /** Resolves when any acknowledgement comes, and after `ms` without one. */
  async #progress(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const unwatch = this.#acknowledgements.watch(resolve);
    const timer = this.#clock.after(ms, resolve);
    await promise;
    unwatch();
    timer.cancel();
  }

  /** Without Redis the rows of the instances tell; whether the log still has the history of `position`. */
  async #readRows(waiting: Set<string>, { epoch }: Position): Promise<boolean> {
    // Receipts that wait at the same time share one reading.
    this.#reading ??= this.#log.standing().finally(() => {
      this.#reading = null;
    });
    const reading = withDeadline(this.#clock, this.#reading, this.#timing.pollMs, 'PostgreSQL');
    const standing = await reading.catch(() => null);
    if (standing === null) return true;
    if (!sameEpoch(standing.epoch, epoch)) return false;
    const members = new Set(standing.members.map(({ instanceId }) => instanceId));
    for (const { instanceId, applied } of standing.members) {
      this.#acknowledgements.note(instanceId, { epoch, seq: applied });
    }
    // Whoever left has stopped serving, and whoever was collected had no lease any more.
    for (const instanceId of waiting) if (!members.has(instanceId)) waiting.delete(instanceId);
    this.#acknowledgements.retain(members);
    return true;
  }
}

import type { Clock, Timer } from '../../kit/clock.ts';
import { withDeadline } from '../../kit/deadline.ts';
import type { Log } from '../../kit/log.ts';
import type { LogEntry } from './log.ts';
import { takesAway } from './tombstones.ts';

/** A subscriber that does not take its last event within this time is cut off; acknowledgements wait no longer. */
const FAREWELL_MS = 250;

/** Something that goes on after its first check: a subscription, or the socket that carries it. */
export interface LiveOperation {
  /** Ids whose revocation ends this, when it is newer than {@link label}: session, user, scope; or at all: signing key. */
  readonly credentialTargets: readonly string[];
  /** Ids whose change may alter what this operation is allowed. */
  readonly dependencies: readonly string[];
  /** The position its credential vouches for. */
  readonly label: number;
  /** Wall time in ms at which it must check again, whatever happens; Infinity where that is never. */
  readonly untilMs: number;
  /** Its credential was revoked at `seq`. Resolves when the other side was told. */
  revoked(seq: number): Promise<void>;
  /** Something it depends on changed at `seq`. */
  changed(seq: number): void;
  /** Nothing that was known holds any more; it must check anew before it goes on. */
  reset(): void;
  /** The time has come: {@link untilMs}. */
  due(): void;
}

/** Those whose time is the same: tokens end with a second, so that thousands share one timer. */
interface Due {
  readonly operations: Set<LiveOperation>;
  timer: Timer;
}

/**
 * All live operations of this instance, found by what they depend on, so that a change touches only its own. What one says of
 * itself must be the same when it is removed as when it was added.
 */
export class LiveOperations {
  readonly #clock: Clock;
  readonly #logger: Log;
  readonly #operations = new Set<LiveOperation>();
  readonly #byTarget = new Map<string, Set<LiveOperation>>();
  readonly #due = new Map<number, Due>();

  constructor(parts: { clock: Clock; logger: Log }) {
    this.#clock = parts.clock;
    this.#logger = parts.logger;
  }

  get size(): number {
    return this.#operations.size;
  }

  /** Whether any of them depends on this. */
  concerns(target: string): boolean {
    return this.#byTarget.has(target);
  }

  add(operation: LiveOperation): void {
    this.#operations.add(operation);
    for (const target of targetsOf(operation)) {
      const known = this.#byTarget.get(target);
      if (known === undefined) this.#byTarget.set(target, new Set([operation]));
      else known.add(operation);
    }
    this.#await(operation);
  }

  remove(operation: LiveOperation): void {
    this.#operations.delete(operation);
    for (const target of targetsOf(operation)) {
      const known = this.#byTarget.get(target);
      known?.delete(operation);
      if (known?.size === 0) this.#byTarget.delete(target);
    }
    this.#awaitNoMore(operation);
  }

  /** Ends what was revoked and tells the rest. Resolves when the ended ones were told, or {@link FAREWELL_MS} later. */
  async applied(entries: readonly LogEntry[]): Promise<void> {
    const farewells: Promise<void>[] = [];
    for (const { target, kind, seq } of entries) {
      // A copy: whoever ends takes itself out of the set.
      for (const operation of Array.from(this.#byTarget.get(target) ?? [])) {
        const revoked =
          kind === 'revoked' && takesAway(target, seq, operation.label) && operation.credentialTargets.includes(target);
        if (revoked) farewells.push(operation.revoked(seq));
        else operation.changed(seq);
      }
    }
    if (farewells.length === 0) return;
    await withDeadline(this.#clock, Promise.allSettled(farewells), FAREWELL_MS, 'A subscriber').catch(
      (error: unknown) => this.#logger.info({ err: error }, 'a revoked subscriber did not take its last event'),
    );
  }

  reset(): void {
    for (const operation of Array.from(this.#operations)) operation.reset();
  }

  #await(operation: LiveOperation): void {
    const { untilMs } = operation;
    if (untilMs === Infinity) return;
    const known = this.#due.get(untilMs);
    if (known === undefined)
      this.#due.set(untilMs, { operations: new Set([operation]), timer: this.#timerAt(untilMs) });
    else known.operations.add(operation);
  }

  #awaitNoMore(operation: LiveOperation): void {
    const known = this.#due.get(operation.untilMs);
    if (known === undefined || !known.operations.delete(operation) || known.operations.size > 0) return;
    known.timer.cancel();
    this.#due.delete(operation.untilMs);
  }

  #timerAt(untilMs: number): Timer {
    const clock = this.#clock;
    return clock.after(Math.max(0, untilMs - clock.now()) + 1, () => this.#come(untilMs));
  }

  #come(untilMs: number): void {
    const known = this.#due.get(untilMs);
    if (known === undefined) return;
    // No timer is as long as an API key may be good.
    if (this.#clock.now() < untilMs) {
      known.timer = this.#timerAt(untilMs);
      return;
    }
    this.#due.delete(untilMs);
    for (const operation of known.operations) operation.due();
  }
}

function targetsOf({ credentialTargets, dependencies }: LiveOperation): ReadonlySet<string> {
  return new Set([...credentialTargets, ...dependencies]);
}

import type { Clock } from '../../kit/clock.ts';
import { withDeadline } from '../../kit/deadline.ts';
import type { Principal } from '../principals/principal.ts';
import { Refusal } from '../refusals.ts';
import { TransactionConflict, type CommittedWork, type Store, type Transaction } from '../store.ts';
import { actorOf } from './actor.ts';
import type { AuthorityLog, Member } from './log.ts';
import { formatPosition, sameEpoch, type Position } from './position.ts';
import type { Receipt, Receipts } from './receipts.ts';
import type { Tail } from './tail.ts';
import type { Timing } from './timing.ts';

export interface Enforced<T> {
  readonly value: T;
  readonly receipt: Receipt;
}

export interface Written<T> {
  readonly value: T;
  readonly position: string;
}

/** Whose rows a piece of work locks, besides the actor's own. */
export interface Locks {
  /** Principals whose state, sessions, keys or grants change. */
  readonly change?: readonly string[];
  /** Principals that must not change meanwhile. */
  readonly share?: readonly string[];
  /** The policy in force changes, or what any user's work may rest on. Without it, a user's work holds that as it is. */
  readonly policy?: 'change';
}

type Work<T> = (tx: Transaction, by: Principal) => Promise<T>;

const TRIES_MAX = 3;

/** The actor's rights changed between its check and the fence. Nothing was written. */
class Outdated extends Error {
  override readonly name = 'Outdated';
}

/**
 * The only way to write. Work runs behind the effect fence: if its actor lost a right after it was
 * identified, the work starts over as the actor is now, or is refused, and leaves nothing behind.
 */
export class Authority {
  readonly #store: Store;
  readonly #log: AuthorityLog;
  readonly #tail: Tail;
  readonly #receipts: Receipts;
  readonly #clock: Clock;
  readonly #timing: Timing;
  readonly #recheck: (by: Principal) => Promise<Principal>;
  readonly #settled: (receipt: Receipt) => void;
  readonly #committed: () => void;

  constructor(parts: {
    store: Store;
    log: AuthorityLog;
    tail: Tail;
    receipts: Receipts;
    clock: Clock;
    timing: Timing;
    /** The same principal as it is now; refuses when its credential was revoked. */
    recheck: (by: Principal) => Promise<Principal>;
    /** Told of every receipt. */
    settled: (receipt: Receipt) => void;
    /** Told of every commit, before anybody has its receipt. */
    committed: () => void;
  }) {
    this.#store = parts.store;
    this.#log = parts.log;
    this.#tail = parts.tail;
    this.#receipts = parts.receipts;
    this.#clock = parts.clock;
    this.#timing = parts.timing;
    this.#recheck = parts.recheck;
    this.#settled = parts.settled;
    this.#committed = parts.committed;
  }

  /**
   * Does `work` and resolves when its entries in the authority log are in force on every instance. Work that found
   * nothing to do waits as well: an earlier call may have changed it and not be in force yet.
   */
  async change<T>(by: Principal, locks: Locks, work: Work<T>): Promise<Enforced<T>> {
    const startedAtMs = this.#clock.monotonicMs();
    // A database restored meanwhile has lost the commit, and must not be asked whether it is in force.
    const { epoch } = this.#tail.position;
    const { value, logIds } = await this.#commit(by, locks, work);
    const receipt = await this.#enforce(logIds, epoch, startedAtMs);
    this.#settled(receipt);
    return { value, receipt };
  }

  /**
   * Does one piece of work after the other, each in a transaction of its own, and resolves when the entries of all of them are
   * in force. Once one was committed, a later one that is refused gives its refusal in place of what it would have come to.
   */
  async changeInParts<T>(
    by: Principal,
    parts: readonly { readonly locks: Locks; readonly work: Work<T> }[],
  ): Promise<Enforced<readonly (T | Refusal)[]>> {
    const { epoch } = this.#tail.position;
    const value: (T | Refusal)[] = [];
    let last: readonly string[] = [];
    for (const { locks, work } of parts) {
      try {
        const committed = await this.#commit(by, locks, work);
        value.push(committed.value);
        // Positions follow the order of commits: where the last entry is in force, those before it are.
        if (committed.logIds.length > 0) last = committed.logIds;
      } catch (error) {
        if (!(error instanceof Refusal) || value.length === 0) throw error;
        value.push(error);
      }
    }
    const receipt = await this.#enforce(last, epoch, this.#clock.monotonicMs());
    this.#settled(receipt);
    return { value, receipt };
  }

  /** Does `work` that takes nothing away from anyone, and resolves when it is committed. */
  async write<T>(by: Principal, locks: Locks, work: Work<T>): Promise<Written<T>> {
    const { done, head } = await this.commit(by, locks, async (tx, actor) => {
      const done = await work(tx, actor);
      // Asked in one go with the commit, which fails if this does.
      const head = tx.fence.head();
      head.catch(() => {});
      return { done, head };
    });
    return { value: done, position: formatPosition(await head) };
  }

  /** Does `work` of the same kind whose answer has a position of its own. */
  async commit<T>(by: Principal, locks: Locks, work: Work<T>): Promise<T> {
    return (await this.#commit(by, locks, work)).value;
  }

  async #commit<T>(by: Principal, locks: Locks, work: Work<T>): Promise<CommittedWork<T>> {
    // Before anything is looked for: whoever is not signed in learns nothing about what there is.
    if (by.kind === 'anonymous') throw new Refusal('UNAUTHENTICATED', 'Sign in first.');
    let actor: Principal = by;
    for (let tries = 1; ; tries += 1) {
      try {
        demandWriter(actor);
        const done = await this.#store.transaction(async (tx) => {
          await this.#fence(tx, actor, locks);
          return work(tx, actor);
        }, actorOf(actor));
        this.#committed();
        return done;
      } catch (error) {
        if (!(error instanceof Outdated || error instanceof TransactionConflict)) throw error;
        if (tries === TRIES_MAX) {
          throw new Refusal('AUTHORITY_UNAVAILABLE', 'Others keep changing the same. Try again shortly.', {
            retryAfterSeconds: 1,
          });
        }
      }
      // The poll sees everything committed before it, so a revocation that hit the fence refuses here.
      await this.#tail.poll(true);
      actor = await this.#recheck(actor);
    }
  }

  async #fence(tx: Transaction, by: Principal, { change = [], share = [], policy }: Locks): Promise<void> {
    if (by.kind !== 'user') return tx.fence.lock({ change, share, policy: policy ?? null });

    await tx.fence.lock({ change, share: [by.id, ...share], policy: policy ?? 'share' });
    const { credential, standing, session } = by;
    const outdated = await tx.fence.outdated({
      dependencies: standing.dependencies,
      asOf: standing.asOf,
      session,
      credentials: [...credential.targets, ...standing.homeIds],
      // A label from the future is nobody's but a forger's: it must not pass by what is coming.
      label: Math.min(credential.label, this.#tail.position.seq),
      sources: credential.key === null ? [] : [credential.key.id],
    });
    if (outdated) throw new Outdated();
  }

  async #enforce(logIds: readonly string[], epoch: string, startedAtMs: number): Promise<Receipt> {
    const committedAtMs = this.#clock.monotonicMs();
    const leftMs = Math.max(0, this.#timing.changeDeadlineMs - (committedAtMs - startedAtMs));
    const settled = this.#members(logIds, epoch, leftMs).then(({ position, members }) => {
      this.#tail.announce(position.seq);
      return this.#receipts.settle({ position, members, committedAtMs });
    });
    try {
      return await withDeadline(this.#clock, settled, leftMs, 'The confirmation of a change');
    } catch {
      const waitedMs = this.#clock.monotonicMs() - committedAtMs;
      return {
        enforced: false,
        position: formatPosition(this.#tail.position),
        instances: 0,
        acknowledged: 0,
        waitedMs,
      };
    }
  }

  /** The position of the commit and who must apply it, asked again while PostgreSQL is away. */
  async #members(
    logIds: readonly string[],
    epoch: string,
    leftMs: number,
  ): Promise<{ position: Position; members: readonly Member[] }> {
    const giveUpAtMs = this.#clock.monotonicMs() + leftMs;
    for (;;) {
      try {
        const { position, standing } = await this.#log.committed(logIds);
        if (!sameEpoch(standing.epoch, epoch)) throw new Error('the history of the log changed');
        return { position: { epoch: standing.epoch, seq: position }, members: standing.members };
      } catch (error) {
        if (this.#clock.monotonicMs() >= giveUpAtMs) throw error;
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#clock.after(this.#timing.pollMs / 5, resolve);
      await promise;
    }
  }
}

export const READ_ONLY = 'This API key is good for reading only.';

/** Whether somebody comes with an API key that is good for reading alone. */
export function isReadOnly(by: Principal): boolean {
  return by.kind === 'user' && by.credential.key?.readOnly === true;
}

/** Refuses with FORBIDDEN to change anything by an API key that is good for reading alone. */
export function demandWriter(by: Principal): void {
  if (isReadOnly(by)) throw new Refusal('FORBIDDEN', READ_ONLY, { reason: 'read_only' });
}

import { Acknowledgements } from '../../../src/domain/authority/acknowledgements.ts';
import { Authority } from '../../../src/domain/authority/authority.ts';
import { LiveOperations, type LiveOperation } from '../../../src/domain/authority/live.ts';
import type { ChangeKind } from '../../../src/domain/authority/log.ts';
import { Membership } from '../../../src/domain/authority/membership.ts';
import { parsePosition, sameEpoch } from '../../../src/domain/authority/position.ts';
import { Receipts, type Receipt } from '../../../src/domain/authority/receipts.ts';
import { Tail } from '../../../src/domain/authority/tail.ts';
import { TIMING, type Timing } from '../../../src/domain/authority/timing.ts';
import { type Vouch, Vouching } from '../../../src/domain/authority/vouching.ts';
import { SYSTEM } from '../../../src/domain/principals/principal.ts';
import { createLog } from '../../../src/kit/log.ts';
import { keys, type Bus } from './simulated-bus.ts';
import { DriftingClock } from './simulated-clock.ts';
import { WINDOW_SECONDS, type Database } from './simulated-database.ts';
import type { Process, World } from './simulated-world.ts';
import type { Observer } from './simulation-observer.ts';

const SIMULATED_TIMING: Timing = { ...TIMING, windowSeconds: WINDOW_SECONDS };

const logger = createLog('silent');

/** What an instance lives in. */
interface Surroundings {
  readonly world: World;
  readonly observer: Observer;
  readonly database: Database;
  readonly bus: Bus;
  boot(slot: number): void;
}

/** One process: the parts as the application puts them together, over simulated ports. */
export class Instance implements Process {
  readonly slot: number;
  readonly clock: DriftingClock;
  readonly tail: Tail;
  readonly live: LiveOperations;
  readonly vouching: Vouching;
  readonly subscriptions = new Set<Subscription>();
  /** What came in while it was paused. */
  readonly waiting: (() => void)[] = [];
  state: 'running' | 'paused' | 'gone' = 'running';
  cutUntilMs = 0;
  changesOpen = 0;
  readonly #world: World;
  readonly #surroundings: Surroundings;
  readonly #authority: Authority;
  readonly #membership: Membership;

  constructor(surroundings: Surroundings, slot: number) {
    const { world, database, bus } = surroundings;
    this.#surroundings = surroundings;
    this.#world = world;
    this.slot = slot;
    this.clock = new DriftingClock(world, this);
    const { clock } = this;
    const log = database.logOf(this);
    const timing = SIMULATED_TIMING;
    const waits = world.flaw === 'waitTooShort' ? { ...timing, leaseMs: timing.leaseMs / 2 } : timing;
    const acknowledgements = new Acknowledgements(keys);
    this.tail = new Tail({ log, hints: bus.hintsOf(this), acknowledgements, clock, timing, logger });
    const { tail } = this;
    this.live = new LiveOperations({ clock, logger });
    const live = world.flaw === 'vouchedForGood' ? { concerns: () => false } : this.live;
    this.vouching = new Vouching({ tail, live, clock });
    const receipts = new Receipts({ log, acknowledgements, clock, timing: waits });
    this.#authority = new Authority({
      store: database.storeOf(this),
      log,
      tail,
      receipts,
      clock,
      timing,
      recheck: (by) => Promise.resolve(by),
      settled: () => {},
      committed: () => {},
    });
    this.#membership = new Membership({ log, clock, timing, logger });
    tail.listen({
      applied: (entries) => this.live.applied(entries),
      reset: () => {
        world.counts['restarts in the log'] += 1;
        this.live.reset();
      },
    });
  }

  start(): void {
    this.tail.start().then(
      () => this.#membership.rounds.start(),
      // As an orchestrator does it.
      () => {
        this.die();
        this.#world.schedule(500, () => this.#surroundings.boot(this.slot));
      },
    );
  }

  die(): void {
    this.state = 'gone';
    this.#surroundings.bus.drop(this);
  }

  async leave(): Promise<void> {
    // A round that hangs is left to itself.
    this.#membership.rounds.stop().catch(() => {});
    await this.tail.stop();
    this.die();
  }

  pause(): void {
    this.state = 'paused';
  }

  /** @param stoodStillMs how long its monotonic clock did not see that time passed */
  resume(stoodStillMs: number): void {
    this.state = 'running';
    this.clock.stoodStillMs += stoodStillMs;
    for (const run of this.waiting.splice(0)) this.#world.schedule(this.#world.between(0, 2), run, this);
  }

  change(kind: ChangeKind, target: string, told: (receipt: Receipt) => void): void {
    this.changesOpen += 1;
    const { observer, world } = this.#surroundings;
    this.#authority
      .change(SYSTEM, {}, (tx) => tx.authority.append({ target, kind, userId: null, reason: 'simulated' }))
      .then(({ receipt }) => {
        const how = receipt.acknowledged === receipt.instances ? 'enforced by acknowledgements' : 'enforced by time';
        world.counts[receipt.enforced ? how : 'not confirmed'] += 1;
        if (receipt.enforced) observer.enforced({ kind, target, ...parsePosition(receipt.position, 'position') });
        told(receipt);
      })
      // The database did not answer, and nothing was promised.
      .catch(() => {})
      .finally(() => (this.changesOpen -= 1));
  }

  subscribe(target: string): void {
    if (this.state !== 'running' || !this.tail.inForce()) return;
    const subscription = new Subscription(this.#world, this, target);
    this.subscriptions.add(subscription);
    this.live.add(subscription);
  }
}

/** A live operation of somebody who has just shown a valid credential. */
class Subscription implements LiveOperation {
  readonly credentialTargets: readonly string[];
  readonly dependencies: readonly string[] = ['policy'];
  readonly label: number;
  readonly untilMs = Infinity;
  readonly epoch: string;
  readonly #world: World;
  readonly #instance: Instance;
  /** The position of what is known of its rights. */
  #asOf: number;
  #vouch: Vouch | null = null;

  constructor(world: World, instance: Instance, target: string) {
    this.#world = world;
    this.#instance = instance;
    this.credentialTargets = [target];
    this.label = instance.tail.position.seq;
    this.epoch = instance.tail.position.epoch;
    this.#asOf = this.label;
  }

  /** Tells it something, as a subscription does in one step. False where it is told by a vouch though its principal does not hold. */
  tell(): boolean {
    const { tail, vouching } = this.#instance;
    const { tombstones, position } = tail;
    const isShown =
      sameEpoch(this.epoch, position.epoch) &&
      this.label >= tombstones.horizon &&
      !this.credentialTargets.some((target) => tombstones.revokedSince(target, this.label));
    const isHolding = isShown && !tombstones.touchedSince(this.dependencies, this.#asOf);
    if (this.#vouch !== null && vouching.holds(this.#vouch)) {
      this.#world.counts['told by a vouch'] += 1;
      return isHolding;
    }
    const labels = { label: this.label, asOf: this.#asOf };
    this.#vouch = isHolding ? vouching.vouchFor(principalWith(labels)) : null;
    // Its rights are read again.
    if (isShown && !isHolding) this.#asOf = position.seq;
    return true;
  }

  async revoked(): Promise<void> {
    this.#end();
    const { promise, resolve } = Promise.withResolvers<void>();
    // Some subscribers never take their last event, and acknowledgements wait for them.
    const takesIt = !this.#world.hostile || this.#world.chance(0.8);
    if (takesIt) this.#instance.clock.after(this.#world.between(0, 5), resolve);
    await promise;
  }

  changed(): void {}

  due(): void {}

  reset(): void {
    const { position, tombstones } = this.#instance.tail;
    if (!sameEpoch(this.epoch, position.epoch) || this.label < tombstones.horizon) this.#end();
  }

  #end(): void {
    this.#world.counts['subscriptions ended'] += 1;
    this.#instance.subscriptions.delete(this);
    this.#instance.live.remove(this);
  }
}

function principalWith({ label, asOf }: { readonly label: number; readonly asOf: number }) {
  return {
    credential: { key: null, label, expiresAtMs: Infinity },
    standing: { asOf, validUntilMs: Infinity },
    session: null,
  };
}

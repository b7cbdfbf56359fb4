/**
 * A seeded simulation of the revocation protocol as it is written: several instances, each with its own clock, over one
 * database and one untrusted bus, with crashes, pauses, cuts and lies. Everything that happens is an event in one
 * queue, so a seed decides the whole run, and an observer that no instance can deceive looks on after every event.
 */
import { setImmediate as microtasksDone } from 'node:timers/promises';
import { Acknowledgements } from '../../../src/domain/authority/acknowledgements.ts';
import { Authority } from '../../../src/domain/authority/authority.ts';
import type { Acknowledgement, HintListener, Hints } from '../../../src/domain/authority/hints.ts';
import { LiveOperations, type LiveOperation } from '../../../src/domain/authority/live.ts';
import type {
  AuthorityChange,
  AuthorityLog,
  ChangeKind,
  LogEntry,
  PollReply,
  PollRequest,
  Standing,
} from '../../../src/domain/authority/log.ts';
import { Membership } from '../../../src/domain/authority/membership.ts';
import { parsePosition, sameEpoch } from '../../../src/domain/authority/position.ts';
import { Receipts, type Receipt } from '../../../src/domain/authority/receipts.ts';
import { Tail } from '../../../src/domain/authority/tail.ts';
import { TIMING, type Timing } from '../../../src/domain/authority/timing.ts';
import type { Tombstones } from '../../../src/domain/authority/tombstones.ts';
import { SYSTEM } from '../../../src/domain/principals/principal.ts';
import type { Store, Transaction } from '../../../src/domain/store.ts';
import { toInstant, type Clock, type Timer } from '../../../src/kit/clock.ts';
import { createLog } from '../../../src/kit/log.ts';
import { Keys, type KeyPurpose, Secret } from '../../../src/kit/secret.ts';

/** What may be wrong with the world, each enough to break the promise. */
export const FLAWS = {
  numberedBeforeCommit: 'positions are taken before the commit, as a sequence gives them',
  membersFromReplica: 'a registration becomes visible to receipts late, as on an asynchronous replica',
  keyStolen: 'whoever writes to the bus can sign acknowledgements',
  clocksTooSlow: 'both clocks of one instance run at half the speed of the others',
  waitTooShort: 'receipts wait for half a lease',
  markIgnored: 'a marked instance goes on getting leases',
} as const;
export type Flaw = keyof typeof FLAWS;

export interface Report {
  readonly seed: number;
  /** Decisions that ignored a change after its receipt said that it was enforced. */
  readonly violations: readonly string[];
  /** What did not come right after everything was healthy again. */
  readonly stuck: readonly string[];
  readonly events: number;
  readonly counts: Readonly<Record<Count, number>>;
}

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
] as const;
export type Count = (typeof COUNTS)[number];

/** A window short enough that its end is met within a run. */
const WINDOW_SECONDS = 5;
const SIMULATED_TIMING: Timing = { ...TIMING, windowSeconds: WINDOW_SECONDS };
const FAULTS_MS = 12_000;
/** Collecting the dead takes at most 2L of silence, a round of the collector, the wait for their leases, and a round. */
const RECOVERY_MS = 40_000;
const STATEMENT_MS = 6_000;
const EPOCH_MS = 1_750_000_000_000;
const TARGETS = ['sess_a', 'sess_b', 'sess_c', 'sess_d', 'user_a', 'user_b', 'policy'] as const;

const logger = createLog('silent');

/** Signs each text once: every process of the simulation has the same keys. */
class RememberingKeys extends Keys {
  readonly #signed = new Map<string, string>();

  override sign(...parts: Parameters<Keys['sign']>): string {
    const name = parts.join(' ');
    const signature = this.#signed.get(name) ?? super.sign(...parts);
    this.#signed.set(name, signature);
    return signature;
  }

  override verify(purpose: KeyPurpose, signature: string, ...parts: readonly string[]): boolean {
    return signature === this.#signed.get([purpose, ...parts].join(' ')) || super.verify(purpose, signature, ...parts);
  }
}

const keys = new RememberingKeys([new Secret('the secret of every simulated instance')]);
const otherKeys = new Keys([new Secret('the secret of somebody else altogether')]);

/** Runs one history. The same seed and flaw give the same report. */
export async function simulate(seed: number, flaw: Flaw | null = null): Promise<Report> {
  const world = new World(seed, flaw);
  await world.live();
  return world.report();
}

/** Whose event it is. What happens inside the database is seen by nobody before its answer. */
type Owner = Instance | 'database' | 'world';

interface Event {
  readonly atMs: number;
  readonly owner: Owner;
  readonly run: () => void;
}

/** The queue of everything that is going to happen, and the only source of chance. */
class World {
  readonly seed: number;
  readonly flaw: Flaw | null;
  readonly counts = Object.fromEntries(COUNTS.map((name) => [name, 0])) as Record<Count, number>; // every name is in it
  readonly database: Database;
  readonly bus: Bus;
  readonly observer: Observer;
  readonly instances: Instance[] = [];
  nowMs = 0;
  /** While set, things go wrong. */
  hostile = true;
  events = 0;
  readonly #queue: Event[] = [];
  readonly #stuck: string[] = [];
  #state: number;

  constructor(seed: number, flaw: Flaw | null) {
    this.seed = seed;
    this.flaw = flaw;
    this.#state = seed * 2_654_435_761;
    this.database = new Database(this);
    this.bus = new Bus(this);
    this.observer = new Observer(this);
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

  get living(): readonly Instance[] {
    return this.instances.filter(({ state }) => state !== 'gone');
  }

  async live(): Promise<void> {
    const slots = 2 + Math.floor(this.random() * 3);
    for (let slot = 0; slot < slots; slot += 1) this.boot(slot);
    scheduleFaults(this);
    scheduleWork(this);
    const faultsMs = this.flaw === null ? FAULTS_MS : 4 * FAULTS_MS;
    await this.#until(() => this.observer.violations.length > 0, faultsMs);
    if (this.flaw !== null || this.observer.violations.length > 0) return;

    this.hostile = false;
    this.database.downUntilMs = 0;
    for (const instance of this.instances) {
      instance.cutUntilMs = 0;
      if (instance.state === 'paused') instance.resume(0);
    }
    for (let slot = 0; slot < slots; slot += 1) this.boot(slot);
    await this.#recover(slots);
  }

  /** Unless its place is taken. */
  boot(slot: number): void {
    if (this.living.some((each) => each.slot === slot)) return;
    const instance = new Instance(this, slot);
    this.instances.push(instance);
    instance.start();
  }

  report(): Report {
    const { seed, events, counts } = this;
    return { seed, violations: this.observer.violations, stuck: this.#stuck, events, counts };
  }

  /** Nobody lags, nobody is waited for in vain, and a change is in force as fast as news travels. */
  async #recover(slots: number): Promise<void> {
    const isHealthy = () =>
      this.living.length === slots &&
      this.database.members === slots &&
      this.living.every(
        ({ tail, changesOpen }) => tail.inForce() && isAtHead(tail, this.database) && changesOpen === 0,
      );
    if (!(await this.#until(isHealthy, RECOVERY_MS))) {
      this.#stuck.push(`after ${RECOVERY_MS} ms ${this.database.members} members of ${slots}: ${this.#describe()}`);
      return;
    }
    const receipts: Receipt[] = [];
    for (const instance of this.living) instance.change('revoked', 'sess_a', (receipt) => receipts.push(receipt));
    await this.#until(() => receipts.length === slots, TIMING.pollMs);
    const good = receipts.filter(
      ({ enforced, acknowledged, instances, waitedMs }) =>
        enforced && acknowledged === slots && instances === slots && waitedMs < TIMING.pollMs / 2,
    );
    if (good.length !== slots) this.#stuck.push(`receipts of a healthy cluster: ${JSON.stringify(receipts)}`);
    await this.#until(() => this.living.every(({ tail }) => isAtHead(tail, this.database)), TIMING.pollMs);
    if (!this.living.every(({ tail }) => isAtHead(tail, this.database))) this.#stuck.push(this.#describe());
  }

  #describe(): string {
    const each = this.living.map(
      ({ slot, state, tail, changesOpen }) =>
        `${slot} ${state} at ${tail.position.seq}, lease ${tail.leaseMarginMs}, ${changesOpen} open`,
    );
    return `head ${this.database.head}; ${each.join('; ')}`;
  }

  /** Runs event after event until `done`; whether that came within `ms`. */
  async #until(done: () => boolean, ms: number): Promise<boolean> {
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
      if (owner instanceof Instance && owner.state === 'gone') continue;
      if (owner instanceof Instance && owner.state === 'paused') {
        owner.waiting.push(run);
        continue;
      }
      this.events += 1;
      run();
      if (owner === 'database') continue;
      await microtasksDone();
      this.observer.look();
    }
    return true;
  }
}

function isAtHead({ position }: Tail, { epoch, head }: Database): boolean {
  return sameEpoch(position.epoch, epoch) && position.seq === head;
}

/** Runs at its own speed, within what two clocks may drift apart, and can be made to stand still or to jump. */
class DriftingClock implements Clock {
  readonly #world: World;
  readonly #owner: Instance;
  readonly #rate: number;
  readonly #wallRate: number;
  readonly #startedAt: number;
  stoodStillMs = 0;
  wallShiftMs: number;

  constructor(world: World, owner: Instance) {
    this.#world = world;
    this.#owner = owner;
    const tooSlow = world.flaw === 'clocksTooSlow' && owner.slot === 0;
    this.#rate = tooSlow ? 0.5 : 1 + world.random() * TIMING.driftMax;
    // One that is slow alone shows against the other.
    this.#wallRate = tooSlow ? 0.5 : 1;
    this.#startedAt = world.between(0, 1_000_000);
    this.wallShiftMs = world.between(-500, 500);
  }

  now(): number {
    return EPOCH_MS + this.#world.nowMs * this.#wallRate + this.wallShiftMs;
  }

  monotonicMs(): number {
    return this.#startedAt + (this.#world.nowMs - this.stoodStillMs) * this.#rate;
  }

  after(ms: number, fn: () => void): Timer {
    const dueAt = this.monotonicMs() + ms;
    let cancelled = false;
    const arm = (): void => {
      const lateMs = this.#world.hostile && this.#world.chance(0.02) ? this.#world.between(0, 80) : 0.001;
      this.#world.schedule((dueAt - this.monotonicMs()) / this.#rate + lateMs, fire, this.#owner);
    };
    const fire = (): void => {
      if (cancelled) return;
      // It stood still meanwhile.
      if (this.monotonicMs() < dueAt) return arm();
      fn();
    };
    arm();
    return { cancel: () => (cancelled = true) };
  }
}

/** One process: the parts as the application puts them together, over simulated ports. */
class Instance {
  readonly slot: number;
  readonly clock: DriftingClock;
  readonly tail: Tail;
  readonly live: LiveOperations;
  readonly subscriptions = new Set<Subscription>();
  /** What came in while it was paused. */
  readonly waiting: (() => void)[] = [];
  state: 'running' | 'paused' | 'gone' = 'running';
  cutUntilMs = 0;
  changesOpen = 0;
  readonly #world: World;
  readonly #authority: Authority;
  readonly #membership: Membership;

  constructor(world: World, slot: number) {
    this.#world = world;
    this.slot = slot;
    this.clock = new DriftingClock(world, this);
    const { clock } = this;
    const log = world.database.logOf(this);
    const timing = SIMULATED_TIMING;
    const waits = world.flaw === 'waitTooShort' ? { ...timing, leaseMs: timing.leaseMs / 2 } : timing;
    const acknowledgements = new Acknowledgements(keys);
    this.tail = new Tail({ log, hints: world.bus.hintsOf(this), acknowledgements, clock, timing, logger });
    const { tail } = this;
    this.live = new LiveOperations({ clock, logger });
    const receipts = new Receipts({ log, acknowledgements, clock, timing: waits });
    this.#authority = new Authority({
      store: world.database.storeOf(this),
      log,
      tail,
      receipts,
      clock,
      timing,
      recheck: (by) => Promise.resolve(by),
      settled: () => {},
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
      () => this.#membership.start(),
      // As an orchestrator does it.
      () => {
        this.die();
        this.#world.schedule(500, () => this.#world.boot(this.slot));
      },
    );
  }

  die(): void {
    this.state = 'gone';
    this.#world.bus.drop(this);
  }

  async leave(): Promise<void> {
    this.#membership.stop();
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
    const { observer, counts } = this.#world;
    this.#authority
      .change(SYSTEM, {}, (tx) => tx.authority.append({ target, kind, userId: null, reason: 'simulated' }))
      .then(({ receipt }) => {
        const how = receipt.acknowledged === receipt.instances ? 'enforced by acknowledgements' : 'enforced by time';
        counts[receipt.enforced ? how : 'not confirmed'] += 1;
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
  readonly epoch: string;
  readonly #world: World;
  readonly #instance: Instance;

  constructor(world: World, instance: Instance, target: string) {
    this.#world = world;
    this.#instance = instance;
    this.credentialTargets = [target];
    this.label = instance.tail.position.seq;
    this.epoch = instance.tail.position.epoch;
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

interface InstanceRow {
  state: 'active' | 'marked';
  applied: number;
  seenAtMs: number;
  readonly registeredAtMs: number;
}

/** PostgreSQL as the log needs it: statements see one snapshot, commits have one order, and answers may be late or lost. */
class Database {
  epoch: string;
  head = 0;
  downUntilMs = 0;
  readonly #world: World;
  readonly #instances = new Map<string, InstanceRow>();
  readonly #seqs = new Map<string, number>();
  #log: LogEntry[] = [];
  #histories = 0;
  #rows = 0;

  constructor(world: World) {
    this.#world = world;
    this.epoch = this.#newEpoch();
  }

  get members(): number {
    return this.#instances.size;
  }

  logOf(instance: Instance): AuthorityLog {
    const ask = <T>(statement: () => T): Promise<T> => this.#ask(instance, (answer) => answer(statement()));
    return {
      open: (windowSeconds) => ask(() => this.#open(windowSeconds)),
      poll: (request) => this.#ask(instance, (answer) => this.#poll(request, answer)),
      register: (id) =>
        ask(() => {
          const { nowMs } = this.#world;
          this.#instances.set(id, { state: 'active', applied: 0, seenAtMs: nowMs, registeredAtMs: nowMs });
        }),
      leave: (id) => ask(() => void this.#instances.delete(id)),
      standing: () => ask(() => this.#standing()),
      committed: (logIds) =>
        ask(() => ({
          position: Math.max(...logIds.map((id) => this.#seqs.get(id) ?? 0)) || this.head,
          standing: this.#standing(),
        })),
      markSilent: (silentMs) => ask(() => this.#markSilent(silentMs)),
      removeMarked: (ids) =>
        ask(() => {
          for (const id of ids) {
            if (this.#instances.get(id)?.state !== 'marked') continue;
            this.#instances.delete(id);
            this.#world.counts.collections += 1;
          }
        }),
      renewEpoch: (epoch, seq) =>
        ask(() => {
          if (this.epoch !== epoch || this.head >= seq) return;
          this.epoch = this.#newEpoch();
          for (const row of this.#instances.values()) row.applied = 0;
        }),
    };
  }

  storeOf(instance: Instance): Store {
    const transaction: Store['transaction'] = async (work) => {
      const changes: AuthorityChange[] = [];
      const fence = { lock: () => Promise.resolve() };
      const authority = { append: (change: AuthorityChange) => Promise.resolve(void changes.push(change)) };
      // Changes by the system need no more of a transaction.
      const value = await work({ fence, authority } as unknown as Transaction);
      const logIds = await this.#ask<string[]>(instance, (answer) => this.#commit(changes, answer));
      return { value, logIds };
    };
    return { transaction } as Store; // nor of a store
  }

  /** What a restore from a backup leaves: an earlier state under a new epoch. */
  restore(): void {
    this.head = Math.max(0, this.head - 1 - Math.floor(this.#world.random() * 3));
    this.#log = this.#log.filter(({ seq }) => seq <= this.head);
    for (const [id, seq] of this.#seqs) if (seq > this.head) this.#seqs.delete(id);
    this.epoch = this.#newEpoch();
    if (this.#world.chance(0.5)) this.#instances.clear();
    this.#world.observer.forget();
    this.#world.counts.histories += 1;
  }

  trim(): void {
    const oldest = toInstant(EPOCH_MS + this.#world.nowMs - WINDOW_SECONDS * 1_000 - 1_000);
    this.#log = this.#log.filter(({ at }) => at >= oldest);
  }

  #newEpoch(): string {
    this.#histories += 1;
    return `${String(this.#histories).padStart(8, '0')}-0000-4000-8000-000000000000`;
  }

  /** A statement on its way there and back, either of which may be slow or fail; executed or not, nobody can tell. */
  #ask<T>(from: Instance, statement: (answer: (value: T) => void) => void): Promise<T> {
    const world = this.#world;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const fail = (ms: number): void => world.schedule(ms, () => reject(new Error('PostgreSQL is away')), from);
    const isCut = (): boolean => world.nowMs < from.cutUntilMs || (world.hostile && world.chance(0.003));
    const givesUpAtMs = world.nowMs + STATEMENT_MS;
    const giveUp = (): void => fail(givesUpAtMs - world.nowMs);
    const execute = (): void => {
      if (world.nowMs < this.downUntilMs) return fail(1);
      statement((value) => {
        const latencyMs = this.#latencyMs();
        if (isCut() || world.nowMs + latencyMs > givesUpAtMs) return giveUp();
        world.schedule(latencyMs, () => resolve(value), from);
      });
    };
    if (isCut()) giveUp();
    else world.schedule(this.#latencyMs(), execute, 'database');
    return promise;
  }

  #latencyMs(): number {
    const world = this.#world;
    if (!world.hostile || world.chance(0.93)) return world.between(0.1, 2);
    return world.chance(0.7) ? world.between(2, 100) : world.between(100, 4_000);
  }

  #open(windowSeconds: number) {
    const oldest = toInstant(EPOCH_MS + this.#world.nowMs - windowSeconds * 1_000);
    const trimmed = this.#log.findLast(({ at }) => at < oldest)?.seq ?? (this.#log[0]?.seq ?? this.head + 1) - 1;
    return { epoch: this.epoch, head: this.head, trimmed };
  }

  /** The snapshot is taken first; what a heartbeat writes is committed a moment later. */
  #poll({ instanceId, epoch, applied, limit, heartbeat }: PollRequest, answer: (reply: PollReply) => void): void {
    const entries = this.#log.filter(({ seq }) => seq > applied).slice(0, limit);
    const isActive = () => this.#instances.get(instanceId)?.state === 'active' || this.#world.flaw === 'markIgnored';
    const reply = {
      epoch: this.epoch,
      head: this.head,
      oldest: this.#log[0]?.seq ?? this.head + 1,
      registered: isActive(),
      entries,
    };
    if (!heartbeat) return answer(reply);
    this.#world.schedule(
      this.#world.hostile ? this.#world.between(0, 20) : 0.1,
      () => {
        const row = this.#instances.get(instanceId);
        const registered = reply.registered && isActive();
        if (row?.state === 'active') {
          row.seenAtMs = this.#world.nowMs;
          row.applied = epoch === this.epoch && applied <= this.head ? applied : 0;
        }
        answer({ ...reply, registered });
      },
      'database',
    );
  }

  #standing(): Standing {
    const lateMs = this.#world.flaw === 'membersFromReplica' ? 2_000 : 0;
    const visible = [...this.#instances].filter(([, row]) => row.registeredAtMs + lateMs <= this.#world.nowMs);
    const members = visible.map(([instanceId, { applied }]) => ({ instanceId, applied }));
    return { epoch: this.epoch, head: this.head, members };
  }

  #markSilent(silentMs: number): readonly string[] {
    const marked: string[] = [];
    for (const [id, row] of this.#instances) {
      // In a hostile world anybody may be suspected: the promise must not hang on it.
      const suspected = this.#world.hostile && this.#world.chance(0.1);
      if (suspected || row.seenAtMs < this.#world.nowMs - silentMs) row.state = 'marked';
      if (row.state === 'marked') marked.push(id);
    }
    return marked;
  }

  #commit(changes: readonly AuthorityChange[], answer: (logIds: string[]) => void): void {
    if (this.#world.flaw === 'numberedBeforeCommit') return this.#commitLate(changes, answer);
    answer(changes.map((change) => this.#append({ ...change, seq: (this.head += 1), at: this.#now() })));
  }

  #commitLate(changes: readonly AuthorityChange[], answer: (logIds: string[]) => void): void {
    const numbered = changes.map((change) => ({ ...change, seq: (this.#rows += 1), at: this.#now() }));
    this.#world.schedule(
      this.#world.chance(0.3) ? this.#world.between(0, 500) : 0,
      () => {
        const logIds = numbered.map((entry) => this.#append(entry));
        this.#log.sort((a, b) => a.seq - b.seq);
        this.head = Math.max(this.head, ...numbered.map(({ seq }) => seq));
        answer(logIds);
      },
      'database',
    );
  }

  #append(entry: LogEntry): string {
    this.#log.push(entry);
    this.#world.counts['changes committed'] += 1;
    this.#world.observer.committed({ ...entry, epoch: this.epoch });
    const id = `${this.epoch} ${entry.seq}`;
    this.#seqs.set(id, entry.seq);
    return id;
  }

  #now(): string {
    return toInstant(EPOCH_MS + this.#world.nowMs);
  }
}

/** Redis in the hands of an adversary: messages are lost, late, repeated, replayed and made up. */
class Bus {
  readonly #world: World;
  readonly #listeners = new Map<Instance, HintListener>();
  readonly #heard: Acknowledgement[] = [];
  /** The share of messages that get lost. */
  loss = 0;

  constructor(world: World) {
    this.#world = world;
  }

  hintsOf(instance: Instance): Hints {
    return {
      subscribe: (listener) => Promise.resolve(void this.#listeners.set(instance, listener)),
      publishHint: (seq) => {
        this.#publish((listener) => listener.hint(seq));
        if (this.#world.flaw === 'keyStolen') this.#acknowledgeForAll(seq);
      },
      publishAcknowledgement: (acknowledgement) => {
        this.#heard.push(acknowledgement);
        this.#publish((listener) => listener.acknowledged(acknowledgement));
      },
      close: () => Promise.resolve(this.drop(instance)),
    };
  }

  drop(instance: Instance): void {
    this.#listeners.delete(instance);
  }

  /** Something that was said, said again, later than it was true, or in another's name. */
  lie(): void {
    const { chance, head } = { chance: (p: number) => this.#world.chance(p), head: this.#world.database.head };
    const heard = this.#world.pick(this.#heard);
    if (heard === undefined || chance(0.2)) return this.#publish((listener) => listener.hint(head + 1_000));
    const other = this.#world.pick(this.#heard) ?? heard;
    const applied = head + Math.floor(this.#world.random() * 3);
    const lie = this.#world.pick<Acknowledgement>([
      heard,
      { ...heard, applied },
      { ...heard, applied, signature: other.signature },
      { ...heard, instanceId: other.instanceId },
      { ...heard, epoch: this.#world.database.epoch },
      { ...heard, applied, signature: otherKeys.sign('acknowledgements', heard.instanceId, heard.epoch, `${applied}`) },
      { ...heard, applied, signature: keys.sign('cache', heard.instanceId, heard.epoch, `${applied}`) },
    ]);
    if (lie === undefined) return;
    this.#world.counts.forgeries += 1;
    this.#publish((listener) => listener.acknowledged(lie));
  }

  #acknowledgeForAll(seq: number): void {
    const { epoch } = this.#world.database;
    for (const instanceId of new Set(this.#heard.map((each) => each.instanceId))) {
      const signature = keys.sign('acknowledgements', instanceId, epoch, String(seq));
      this.#publish((listener) => listener.acknowledged({ instanceId, epoch, applied: seq, signature }));
    }
  }

  #publish(deliver: (listener: HintListener) => void): void {
    const world = this.#world;
    for (const [instance, listener] of this.#listeners) {
      const copies = world.hostile ? (world.chance(this.loss) ? 0 : world.chance(0.1) ? 2 : 1) : 1;
      for (let copy = 0; copy < copies; copy += 1) {
        const late = world.hostile && world.chance(0.1);
        world.schedule(late ? world.between(2, 3_000) : world.between(0.1, 2), () => deliver(listener), instance);
      }
    }
  }
}

interface Change {
  readonly kind: ChangeKind;
  readonly target: string;
  readonly epoch: string;
  readonly seq: number;
}

/** Sees every instance at once, and real time. */
class Observer {
  readonly violations: string[] = [];
  readonly #world: World;
  #committed: Change[] = [];
  #enforced: Change[] = [];
  /** How many of the enforced ones are known to be refused. Tombstones only grow, or are replaced as a whole. */
  #held = new Map<Tombstones, number>();

  constructor(world: World) {
    this.#world = world;
  }

  committed(change: Change): void {
    this.#committed.push(change);
  }

  enforced(change: Change): void {
    const { kind, target, seq, epoch } = change;
    const row = this.#committed.find((it) => it.seq === seq && it.target === target && sameEpoch(it.epoch, epoch));
    // A restore took it back: nobody can be held to it.
    if (row?.kind !== kind) return;
    this.#enforced.push(change);
    this.#committed = this.#committed.filter((it) => it !== row);
  }

  /** The history that these belong to is no more. */
  forget(): void {
    this.#committed = [];
    this.#enforced = [];
    this.#held.clear();
  }

  look(): void {
    for (const instance of this.#world.instances) {
      if (instance.state !== 'running') continue;
      if (!instance.tail.inForce()) {
        this.#world.counts['decisions refused without a lease'] += 1;
        continue;
      }
      const { tombstones } = instance.tail;
      for (const change of this.#enforced.slice(this.#held.get(tombstones) ?? 0)) this.#hold(instance, change);
      this.#held.set(tombstones, this.#enforced.length);
      const latest = this.#committed.at(-1);
      if (latest !== undefined && ignores(instance, latest)) this.#world.counts['permits of a committed change'] += 1;
    }
  }

  #hold(instance: Instance, change: Change): void {
    const what = `${change.kind} ${change.target} at ${change.seq}`;
    const who = `instance ${instance.slot} (applied ${instance.tail.position.seq}) at ${this.#world.nowMs.toFixed(1)} ms`;
    if (ignores(instance, change)) this.violations.push(`${who} permits as if ${what} had not been`);
    if (change.kind === 'changed') return;
    for (const { credentialTargets, label, epoch } of instance.subscriptions) {
      const isOver = credentialTargets.includes(change.target) && label < change.seq && sameEpoch(epoch, change.epoch);
      if (isOver) this.violations.push(`${who} goes on with a subscription though ${what} ended it`);
    }
  }
}

/** Would this instance, asked now, honour the newest credential or ability from before the change? */
function ignores({ tail: { tombstones, position } }: Instance, { kind, target, epoch, seq }: Change): boolean {
  const label = seq - 1;
  if (!sameEpoch(position.epoch, epoch) || label < tombstones.horizon) return false;
  return kind === 'revoked' ? !tombstones.revokedSince(target, label) : !tombstones.touchedSince([target], label);
}

function scheduleWork(world: World): void {
  repeat(world, 20, 300, () => {
    const running = world.living.filter(({ state, tail }) => state === 'running' && tail.inForce());
    world.pick(running)?.change(world.chance(0.7) ? 'revoked' : 'changed', world.pick(TARGETS) ?? 'sess_a', () => {});
  });
  repeat(world, 50, 300, () => world.pick(world.living)?.subscribe(world.pick(TARGETS) ?? 'sess_a'));
  repeat(world, 500, 2_000, () => world.database.trim());
  repeat(world, 20, 400, () => world.bus.lie());
}

/** Does something again and again, as long as the world is hostile. */
function repeat(world: World, minMs: number, maxMs: number, what: () => void): void {
  world.schedule(world.between(minMs, maxMs), () => {
    if (!world.hostile) return;
    what();
    repeat(world, minMs, maxMs, what);
  });
}

function scheduleFaults(world: World): void {
  const faults: readonly (() => void)[] = [
    () => crash(world),
    () => pause(world),
    () => pause(world),
    () => depart(world),
    () => cut(world),
    () => cut(world),
    () => jump(world),
    () => {
      world.counts.outages += 1;
      world.database.downUntilMs = world.nowMs + world.between(50, 4_500);
    },
    () => void (world.bus.loss = world.pick([0, 0.3, 1]) ?? 0),
  ];
  repeat(world, 100, 1_800, () => world.pick(faults)?.());
  if (world.chance(0.1))
    world.schedule(world.between(2_000, FAULTS_MS), () => world.hostile && world.database.restore());
}

function crash(world: World): void {
  const instance = world.pick(world.living);
  if (instance === undefined) return;
  world.counts.crashes += 1;
  instance.die();
  bootLater(world, instance.slot);
}

function depart(world: World): void {
  const instance = world.pick(world.living.filter(({ state }) => state === 'running'));
  if (instance === undefined) return;
  world.counts.departures += 1;
  instance.leave().then(
    () => bootLater(world, instance.slot),
    () => {},
  );
}

function bootLater(world: World, slot: number): void {
  world.schedule(world.between(10, 2_000), () => world.boot(slot));
}

/** SIGSTOP and the like; or the whole machine, and then its monotonic clock does not see the time pass. */
function pause(world: World): void {
  const instance = world.pick(world.living.filter(({ state }) => state === 'running'));
  if (instance === undefined) return;
  const suspended = world.chance(0.4);
  const ms = suspended ? world.between(150, 8_000) : world.between(20, 8_000);
  world.counts[suspended ? 'suspensions' : 'pauses'] += 1;
  const pausedAtMs = world.nowMs;
  instance.pause();
  const resume = (): void => {
    if (instance.state === 'paused') instance.resume(suspended ? world.nowMs - pausedAtMs : 0);
  };
  world.schedule(ms, resume);
}

function cut(world: World): void {
  const instance = world.pick(world.living);
  if (instance === undefined) return;
  world.counts.cuts += 1;
  instance.cutUntilMs = world.nowMs + world.between(100, 9_000);
}

function jump(world: World): void {
  const instance = world.pick(world.living);
  if (instance === undefined) return;
  world.counts['jumps of the wall clock'] += 1;
  instance.clock.wallShiftMs += world.between(-12_000, 12_000);
}

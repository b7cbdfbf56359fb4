import type {
  AuthorityChange,
  AuthorityLog,
  LogEntry,
  PollReply,
  PollRequest,
  Standing,
} from '../../../src/domain/authority/log.ts';
import type { Store, Transaction } from '../../../src/domain/store.ts';
import { toInstant } from '../../../src/kit/clock.ts';
import { EPOCH_MS, type Process, type World } from './simulated-world.ts';
import type { Observer } from './simulation-observer.ts';

/** A window short enough that its end is met within a run. */
export const WINDOW_SECONDS = 5;
const STATEMENT_MS = 6_000;

interface InstanceRow {
  state: 'active' | 'marked';
  applied: number;
  seenAtMs: number;
  readonly registeredAtMs: number;
}

/** PostgreSQL as the log needs it: statements see one snapshot, commits have one order, and answers may be late or lost. */
export class Database {
  epoch: string;
  head = 0;
  downUntilMs = 0;
  readonly #world: World;
  readonly #observer: Observer;
  readonly #instances = new Map<string, InstanceRow>();
  readonly #seqs = new Map<string, number>();
  #log: LogEntry[] = [];
  #histories = 0;
  #rows = 0;

  constructor(world: World, observer: Observer) {
    this.#world = world;
    this.#observer = observer;
    this.epoch = this.#newEpoch();
  }

  get members(): number {
    return this.#instances.size;
  }

  logOf(instance: Process): AuthorityLog {
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

  storeOf(instance: Process): Store {
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
    this.#observer.forget();
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
  #ask<T>(from: Process, statement: (answer: (value: T) => void) => void): Promise<T> {
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
      instances: [...this.#instances.values()].filter(({ state }) => state === 'active').length,
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
    this.#observer.committed({ ...entry, epoch: this.epoch });
    const id = `${this.epoch} ${entry.seq}`;
    this.#seqs.set(id, entry.seq);
    return id;
  }

  #now(): string {
    return toInstant(EPOCH_MS + this.#world.nowMs);
  }
}

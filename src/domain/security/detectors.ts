import { type Clock, toInstant } from '../../kit/clock.ts';
import { newId } from '../../kit/ids.ts';
import type { Log } from '../../kit/log.ts';
import { networkOf } from '../../kit/networks.ts';
import { Rounds } from '../../kit/rounds.ts';
import { DETECTORS, type SignalKind, type Thresholds } from '../../kit/thresholds.ts';
import type { Store } from '../store.ts';
import { BATCH_MAX, FLUSH_MS, KNOWN_MAX, PENDING_MAX } from './bounds.ts';
import { raise } from './raise.ts';

/** What may add up to an event. */
export interface Signal {
  readonly kind: SignalKind;
  /** Of whom it is counted. */
  readonly subject: string;
  /** What tells two of it apart: without it, each counts. */
  readonly member?: string;
  /** Told with the event. */
  readonly userId?: string | null;
  readonly address?: string | null;
}

/** One window of one subject, as this process has seen it. */
interface Open {
  readonly kind: SignalKind;
  readonly subject: string;
  readonly startMs: number;
  readonly members: Set<string>;
  readonly unsent: Set<string>;
  userId: string | null;
  address: string | null;
}

/** Who goes on using a key from one network is noted again each day: so it is known which are used no more. */
const DAY_MS = 86_400_000;

/**
 * Counts what is nothing by itself, and raises an event where it adds up over all instances. Nobody who is counted waits: it is
 * noted in process, bounded, and written in batches every two seconds. A kill loses what was noted in these.
 */
export class Detectors {
  readonly #store: Store;
  readonly #thresholds: Thresholds;
  readonly #clock: Clock;
  readonly #open = new Map<string, Open>();
  readonly rounds: Rounds;
  /** The network that each key was used from last, and networks that are not written yet. */
  readonly #lastAddress = new Map<string, string>();
  #day = 0;
  #networks = new Map<string, { readonly keyId: string; readonly ownerId: string; readonly address: string }>();
  #dropped = 0;
  #members = 0;

  constructor(parts: { store: Store; thresholds: Thresholds; clock: Clock; logger: Log }) {
    this.#store = parts.store;
    this.#thresholds = parts.thresholds;
    this.#clock = parts.clock;
    const failed = 'what may be an attack was not counted yet';
    this.rounds = new Rounds({ everyMs: FLUSH_MS, work: () => this.#flush(), failed, writesRest: true, ...parts });
  }

  /** What was not noted, since too much else was. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Never waits and never throws. */
  note({ kind, subject, member, userId = null, address = null }: Signal): void {
    const threshold = this.#thresholds[kind];
    if (threshold === null) return;
    const windowMs = threshold.seconds * 1_000;
    const startMs = Math.floor(this.#clock.now() / windowMs) * windowMs;
    const key = `${kind} ${startMs} ${subject}`;
    const open = this.#open.get(key) ?? this.#begin(key, { kind, subject, startMs });
    if (open === null) return;
    open.userId ??= userId;
    open.address ??= address;
    // What has reached the threshold by what was seen here alone needs nothing more.
    if (open.members.size >= threshold.count) return;
    const told = member ?? this.#nextMember();
    if (open.members.has(told)) return;
    open.members.add(told);
    open.unsent.add(told);
  }

  /** An API key is used, from there. Where it was used from before costs one look-up. */
  usedFrom(keyId: string, ownerId: string, address: string | null): void {
    if (address === null) return;
    const day = Math.floor(this.#clock.now() / DAY_MS);
    if (day !== this.#day || this.#lastAddress.size >= KNOWN_MAX) this.#lastAddress.clear();
    this.#day = day;
    if (this.#lastAddress.get(keyId) === address) return;
    this.#lastAddress.set(keyId, address);
    if (this.#networks.size < KNOWN_MAX) this.#networks.set(`${keyId} ${address}`, { keyId, ownerId, address });
  }

  /** Resolves when what was noted before is written, or waits for the next time. */
  async flush(): Promise<void> {
    await this.rounds.next().catch(() => {});
  }

  #begin(key: string, what: Pick<Open, 'kind' | 'subject' | 'startMs'>): Open | null {
    if (this.#open.size >= PENDING_MAX) this.#forgetEnded();
    if (this.#open.size >= PENDING_MAX) {
      this.#dropped += 1;
      return null;
    }
    const open = { ...what, members: new Set<string>(), unsent: new Set<string>(), userId: null, address: null };
    this.#open.set(key, open);
    return open;
  }

  /** Unlike any of another instance. */
  #nextMember(): string {
    this.#members += 1;
    return `${newId('securityEvent')}${this.#members}`;
  }

  #forgetEnded(): void {
    const now = this.#clock.now();
    for (const [key, { kind, startMs, unsent }] of this.#open) {
      const seconds = this.#thresholds[kind]?.seconds ?? 0;
      if (unsent.size === 0 && startMs + seconds * 1_000 <= now) this.#open.delete(key);
    }
  }

  async #flush(): Promise<void> {
    for (;;) {
      const waiting = [...this.#open.values()].filter(({ unsent }) => unsent.size > 0).slice(0, BATCH_MAX);
      if (waiting.length === 0) break;
      await this.#write(waiting);
      if (waiting.length < BATCH_MAX) break;
    }
    this.#forgetEnded();
    await this.#writeNetworks();
  }

  async #write(waiting: readonly Open[]): Promise<void> {
    const sent = waiting.map(({ unsent }) => [...unsent]);
    await this.#store.transaction(async (tx) => {
      const signals = waiting.map(({ kind, subject, startMs }, n) => ({
        kind,
        subject,
        start: toInstant(startMs),
        members: sent[n] ?? [],
      }));
      const counts = await tx.signals.add(signals);
      for (const [n, open] of waiting.entries()) {
        const count = counts[n] ?? 0;
        const threshold = this.#thresholds[open.kind];
        if (threshold !== null && count >= threshold.count) await raise(tx, this.#event(open, count), onceOf(open));
      }
    });
    // Only now: what could not be written waits for the next time.
    for (const [n, { unsent }] of waiting.entries()) for (const member of sent[n] ?? []) unsent.delete(member);
  }

  async #writeNetworks(): Promise<void> {
    const seen = [...this.#networks.values()];
    if (seen.length === 0) return;
    const at = toInstant(this.#clock.now());
    await this.#store.transaction(async (tx) => {
      const networks = seen.map(({ keyId, address }) => ({ keyId, network: networkOf(address), at }));
      for (const { keyId, network } of await tx.signals.noteNetworks(networks)) {
        const from = seen.find((each) => each.keyId === keyId && networkOf(each.address) === network);
        const event = { id: newId('securityEvent'), at, kind: 'api_key.new_network', severity: 'warning' } as const;
        const whose = { userId: from?.ownerId ?? null, subjectId: keyId, address: from?.address ?? network };
        await raise(tx, { ...event, ...whose }, `api_key.new_network ${keyId} ${network}`);
      }
    });
    for (const [key, value] of this.#networks) if (seen.includes(value)) this.#networks.delete(key);
  }

  #event({ kind, userId, address }: Open, count: number) {
    const { severity } = DETECTORS[kind];
    return { id: newId('securityEvent'), at: toInstant(this.#clock.now()), kind, severity, userId, address, count };
  }
}

/** Whoever of the instances comes first raises it, once in its window. */
function onceOf({ kind, subject, startMs }: Open): string {
  return `${kind} ${startMs} ${subject}`;
}

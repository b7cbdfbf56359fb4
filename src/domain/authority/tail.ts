import { randomUUID } from 'node:crypto';
import { type Clock, type Timer } from '../../kit/clock.ts';
import { withDeadline } from '../../kit/deadline.ts';
import { Failures } from '../../kit/failures.ts';
import type { Log } from '../../kit/log.ts';
import { Refusal } from '../refusals.ts';
import type { Acknowledgements } from './acknowledgements.ts';
import type { Hints } from './hints.ts';
import type { AuthorityLog, LogEntry, PollReply } from './log.ts';
import { sameEpoch, type Position } from './position.ts';
import type { Timing } from './timing.ts';
import { Tombstones } from './tombstones.ts';

/** Entries read by one poll. A longer backlog is read in several, and prolongs no lease before its end. */
const POLL_LIMIT = 5_000;

export interface TailListener {
  /** Called after the tombstones are in place and before the acknowledgement, which waits for what is returned. */
  applied(entries: readonly LogEntry[]): Promise<void> | void;
  /** Nothing known about authority holds any more: the log has a gap or another history. */
  reset(): void;
}

/**
 * One instance's view of the authority log. It polls on every hint and every {@link Timing.pollMs}, applies
 * entries in order, and holds the lease: the right to decide without asking the database, which no poll
 * grants for longer than {@link Timing.leaseMs} after it was *sent*.
 */
export class Tail {
  readonly #log: AuthorityLog;
  readonly #hints: Hints;
  readonly #acknowledgements: Acknowledgements;
  readonly #clock: Clock;
  readonly #timing: Timing;
  readonly #logger: Log;
  readonly #failures: Failures;
  readonly #listeners: TailListener[] = [];
  readonly #progress = new Set<() => void>();

  #instanceId = randomUUID();
  #epoch = '';
  #applied = 0;
  #head = 0;
  #instances = 1;
  #tombstones = new Tombstones(0);
  #leaseUntil = -Infinity;
  #wallOffset = 0;
  #registered = false;
  #stopped = false;
  #timer: Timer | null = null;
  #running: Promise<void> | null = null;
  #queued: { heartbeat: boolean; readonly promise: Promise<void> } | null = null;

  constructor(parts: {
    log: AuthorityLog;
    hints: Hints;
    acknowledgements: Acknowledgements;
    clock: Clock;
    timing: Timing;
    logger: Log;
  }) {
    this.#log = parts.log;
    this.#hints = parts.hints;
    this.#acknowledgements = parts.acknowledgements;
    this.#clock = parts.clock;
    this.#timing = parts.timing;
    this.#logger = parts.logger;
    this.#failures = new Failures({ failed: 'the authority log could not be read', ...parts });
  }

  get instanceId(): string {
    return this.#instanceId;
  }

  /** The position up to which this instance has applied the log. */
  get position(): Position {
    return { epoch: this.#epoch, seq: this.#applied };
  }

  /** How many entries of the log there were, when it was last read, that this instance has not applied. */
  get lag(): number {
    return Math.max(0, this.#head - this.#applied);
  }

  /** How many instances there are, as the last poll found; a new one is heard of with the next heartbeat. */
  get instances(): number {
    return Math.max(1, this.#instances);
  }

  get tombstones(): Tombstones {
    return this.#tombstones;
  }

  /** Milliseconds until this instance must ask the database again; negative when it must now. */
  get leaseMarginMs(): number {
    return this.#leaseUntil - this.#clock.monotonicMs();
  }

  listen(listener: TailListener): void {
    this.#listeners.push(listener);
  }

  /** Reads the retained window, becomes a member, and holds a lease when it resolves. */
  async start(): Promise<void> {
    await this.#hints.subscribe({
      hint: (seq) => this.#hinted(seq),
      acknowledged: (acknowledgement) => this.#acknowledgements.receive(acknowledgement),
    });
    await this.poll(true);
    this.#beat();
  }

  /** Gives the lease up first: whoever waits for this instance need not wait once it has left. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#leaseUntil = -Infinity;
    this.#timer?.cancel();
    await this.#running?.catch(() => {});
    if (this.#registered) await this.#log.leave(this.#instanceId).catch(() => {});
    await this.#hints.close();
  }

  /**
   * Whether a decision may be made now, without a round trip. A monotonic clock that stood still shows against the wall
   * clock; more than what receipts allow for is not believed. (Where a pause stops both, nothing local can tell.)
   */
  inForce(): boolean {
    const monotonic = this.#clock.monotonicMs();
    const jumped = Math.abs(this.#clock.now() - monotonic - this.#wallOffset);
    return monotonic < this.#leaseUntil && jumped <= this.#timing.marginMs;
  }

  /** Resolves when a decision may be made; refuses with AUTHORITY_UNAVAILABLE when the log cannot be read in time. */
  async awaitForce(): Promise<void> {
    if (this.inForce()) return;
    await withDeadline(this.#clock, this.poll(true), this.#timing.checkDeadlineMs, 'The authority log').catch(() => {});
    if (!this.inForce()) throw unavailable('Castellan cannot confirm what is in force right now. Try again shortly.');
  }

  /** Resolves when this instance has applied `seq`; refuses with AUTHORITY_UNAVAILABLE after `ms`. */
  async awaitApplied(position: Position, ms: number): Promise<void> {
    if (!sameEpoch(position.epoch, this.#epoch)) throw unavailable('That position belongs to another history.');
    if (this.#applied >= position.seq) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const check = (): void => {
      if (this.#applied >= position.seq) resolve();
    };
    this.#progress.add(check);
    this.#pollInBackground(false);
    try {
      await withDeadline(this.#clock, promise, ms, 'The authority log');
    } catch {
      throw unavailable('This instance has not seen that position yet. Try again shortly.');
    } finally {
      this.#progress.delete(check);
    }
  }

  /** Tells this instance and all others that the log has grown to `seq`. */
  announce(seq: number): void {
    this.#hints.publishHint(seq);
    this.#hinted(seq);
  }

  /** One poll that starts after this call, shared by all who ask while another is under way. */
  poll(heartbeat: boolean): Promise<void> {
    if (this.#queued !== null) {
      this.#queued.heartbeat ||= heartbeat;
      return this.#queued.promise;
    }
    if (this.#running === null) return this.#run(heartbeat);
    const promise = this.#running
      .catch(() => {})
      .then(() => {
        const queued = this.#queued;
        this.#queued = null;
        return this.#run(queued?.heartbeat ?? heartbeat);
      });
    promise.catch(() => {});
    this.#queued = { heartbeat, promise };
    return promise;
  }

  #hinted(seq: number): void {
    if (seq > this.#applied) this.#pollInBackground(false);
  }

  #pollInBackground(heartbeat: boolean): void {
    this.poll(heartbeat).then(
      () => this.#failures.well(),
      (error: unknown) => {
        if (!this.#stopped) this.#failures.wrong(error);
      },
    );
  }

  #beat(): void {
    if (this.#stopped) return;
    this.#timer = this.#clock.after(this.#timing.pollMs, () => {
      this.#pollInBackground(true);
      this.#beat();
    });
  }

  #run(heartbeat: boolean): Promise<void> {
    const running = this.#readToHead(heartbeat).finally(() => {
      if (this.#running === running) this.#running = null;
    });
    this.#running = running;
    return running;
  }

  async #readToHead(heartbeat: boolean): Promise<void> {
    let more = true;
    while (more && !this.#stopped) {
      if (!this.#registered) await this.#join();
      more = await this.#readOnce(heartbeat);
    }
  }

  /** Reads once; whether there is more to read. */
  async #readOnce(heartbeat: boolean): Promise<boolean> {
    // Before sending: the reply may be as old as the request, and the lease must not outlive what it saw.
    const sentAt = this.#clock.monotonicMs();
    const wallOffset = this.#clock.now() - sentAt;
    const reply = await this.#log.poll({
      instanceId: this.#instanceId,
      epoch: this.#epoch,
      applied: this.#applied,
      limit: POLL_LIMIT,
      heartbeat,
    });
    this.#instances = reply.instances;
    this.#head = reply.head;
    if (await this.#lostThread(reply)) return true;

    await this.#apply(reply.entries);
    if (this.#applied < reply.head) return true;
    if (heartbeat && !this.#stopped) {
      this.#leaseUntil = Math.max(this.#leaseUntil, sentAt + this.#timing.leaseMs);
      this.#wallOffset = wallOffset;
      this.#tombstones.forgetBefore(sentAt - this.#timing.windowSeconds * 1_000);
    }
    if (heartbeat || reply.entries.length > 0) this.#acknowledge();
    return false;
  }

  async #apply(entries: readonly LogEntry[]): Promise<void> {
    const last = entries.at(-1);
    if (last === undefined) return;
    const nowMs = this.#clock.monotonicMs();
    for (const entry of entries) this.#tombstones.add(entry, nowMs);
    const ended = this.#listeners.map(async (listener) => listener.applied(entries));
    this.#applied = last.seq;
    for (const check of this.#progress) check();
    await Promise.all(ended);
  }

  #acknowledge(): void {
    this.#acknowledgements.note(this.#instanceId, this.position);
    this.#hints.publishAcknowledgement(this.#acknowledgements.sign(this.#instanceId, this.position));
  }

  /** Whether this instance cannot go on from where it was; then everything it knew is dropped. */
  async #lostThread(reply: PollReply): Promise<boolean> {
    const setBack = sameEpoch(reply.epoch, this.#epoch) && reply.head < this.#applied;
    const gap = reply.oldest > this.#applied + 1 && reply.head > this.#applied;
    if (sameEpoch(reply.epoch, this.#epoch) && reply.registered && !setBack && !gap) return false;

    this.#logger.warn(
      { epoch: reply.epoch, head: reply.head, applied: this.#applied },
      'starting over in the authority log',
    );
    this.#leaseUntil = -Infinity;
    this.#registered = false;
    if (setBack) await this.#log.renewEpoch(reply.epoch, this.#applied);
    return true;
  }

  async #join(): Promise<void> {
    this.#leaseUntil = -Infinity;
    // The incarnation that lost its thread holds no lease any more, so that nobody need wait for it.
    await this.#log.leave(this.#instanceId);
    const { epoch, trimmed } = await this.#log.open(this.#timing.windowSeconds);
    // A new incarnation: its acknowledgements can never be mistaken for those of the one that lost its thread.
    this.#instanceId = randomUUID();
    // The row is committed before the first poll: a change that does not find us among the members was committed before that poll's snapshot.
    await this.#log.register(this.#instanceId);
    this.#epoch = epoch;
    this.#applied = trimmed;
    this.#tombstones = new Tombstones(trimmed, this.#tombstones.version + 1);
    this.#registered = true;
    for (const listener of this.#listeners) listener.reset();
  }
}

function unavailable(message: string): Refusal {
  return new Refusal('AUTHORITY_UNAVAILABLE', message, { retryAfterSeconds: 1 });
}

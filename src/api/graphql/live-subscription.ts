import type { LiveOperation } from '../../domain/authority/live.ts';
import { formatPosition } from '../../domain/authority/position.ts';
import type { Vouch } from '../../domain/authority/vouching.ts';
import {
  dependenciesOf,
  held,
  type Principal,
  revocationTargets,
  type UserPrincipal,
} from '../../domain/principals/principal.ts';
import { Refusal, type RefusalCode } from '../../domain/refusals.ts';
import type { OperationContext, Running } from './context.ts';

/** Events a subscriber may be behind. One that reads more slowly is told to resync instead of growing our memory. */
const BACKLOG_MAX = 256;

export interface AccessEnded {
  readonly __typename: 'AccessEnded';
  readonly code: RefusalCode;
  readonly reason: string;
  readonly position: string;
}

export interface Resync {
  readonly __typename: 'Resync';
  readonly position: string;
}

/** What is told on the way, and where in its feed that stands. */
interface Placed {
  readonly position: string;
}

/** What a subscription does besides waiting. */
export interface LiveSource<E extends Placed> {
  /** Events a subscriber of this feed may be behind, where that is another number. */
  readonly backlogMax?: number;
  /** Where its feed is now; without it, where the authority log is. */
  position?(): string;
  /** Starts the events; the returned function stops them. */
  open(subscription: LiveSubscription<E>): Promise<() => void>;
  /** Whether this may be told to the principal as it is when it is handed out; without it, all may. */
  allows?(by: UserPrincipal, event: E): boolean;
  /** The principal's rights may have changed; called with the principal as it is now. */
  changed?(by: UserPrincipal, subscription: LiveSubscription<E>): void;
}

/**
 * One running subscription. Its principal is checked again before every event; when its credential is revoked or
 * expires, what was queued is dropped, the terminal event goes out as data, and then it completes.
 */
export class LiveSubscription<E extends Placed>
  implements AsyncIterableIterator<E | AccessEnded | Resync>, LiveOperation, Running
{
  readonly #context: OperationContext;
  readonly #source: LiveSource<E>;
  readonly #queue: (E | Resync)[] = [];
  #by: UserPrincipal;
  /** That {@link #by} was found to hold. */
  #vouch: Vouch | null = null;
  /** Where in its feed what was told ends; null for a feed that tells what is now, wherever it was left. */
  #told: string | null = null;
  /** Where that stands which was handed out last, until whoever took it comes for the next. */
  #handed: E | Resync | null = null;
  /** By whose rights that is read. */
  #readBy: UserPrincipal | null = null;
  #backlogMax: number;
  #opening = true;
  #terminal: AccessEnded | Resync | null = null;
  #terminalTaken = false;
  #closed = false;
  #wake: (() => void) | null = null;
  #rechecking = false;
  #recheckAgain = false;
  #stopSource: (() => void) | null = null;
  /** Whoever waits for its last word to be taken; most never end so. */
  #flushed: PromiseWithResolvers<void> | null = null;

  private constructor(context: OperationContext, by: UserPrincipal, source: LiveSource<E>) {
    this.#context = context;
    this.#by = by;
    this.#source = source;
    this.#backlogMax = source.backlogMax ?? BACKLOG_MAX;
  }

  /** Refuses with UNAUTHENTICATED when nobody is signed in. */
  static async open<E extends Placed>(context: OperationContext, source: LiveSource<E>): Promise<LiveSubscription<E>> {
    const { by, services } = context;
    if (by.kind !== 'user') throw new Refusal('UNAUTHENTICATED', 'Sign in first.');
    const subscription = new LiveSubscription<E>(context, held(by), source);
    // Registered first: a revocation that comes while the source opens must find it.
    services.live.add(subscription);
    if (context.figure !== null) context.figure.running += 1;
    context.running = subscription;
    try {
      subscription.#stopSource = await source.open(subscription);
      subscription.#opening = false;
      // Rights that changed before it was registered are a change like any other; so is their end while it opened.
      await subscription.#check();
    } catch (error) {
      context.running = null;
      subscription.#close();
      throw error;
    }
    if (subscription.#closed) subscription.#stopSource();
    return subscription;
  }

  get credentialTargets(): readonly string[] {
    return revocationTargets(this.#by);
  }

  get label(): number {
    return this.#by.credential.label;
  }

  get dependencies(): readonly string[] {
    return dependenciesOf(this.#by);
  }

  /** When the credential expires or a grant does, whichever comes first. */
  get untilMs(): number {
    return Math.min(this.#by.credential.expiresAtMs, this.#by.standing.validUntilMs);
  }

  get by(): UserPrincipal {
    return this.#by;
  }

  /** Whether the last event has been handed out: what follows is only its delivery. */
  get ended(): boolean {
    return this.#terminalTaken;
  }

  async again(): Promise<E | Resync | null> {
    this.#follow(await this.#current());
    const { standing, session } = this.#by;
    if (this.#readBy?.standing === standing && this.#readBy.session === session) return null;
    const event = this.#handed;
    if (event !== null && this.#terminal === null && this.#mayTell(event)) return this.#handOut(event);
    throw new Refusal('FORBIDDEN', 'You may not be told of this any more.');
  }

  /** What was handed out last is not told after all: whoever comes back is told of it then. */
  withheld(): void {
    this.#handed = null;
  }

  /** Goes on with a fresh credential of the same user and session, which holds now. */
  renew(by: UserPrincipal): void {
    this.#go(by);
  }

  /** Its feed begins after this place: where access ends, whoever comes back can go on from what they were told. */
  startAt(position: string): void {
    this.#told = position;
  }

  /** @param isAsked whether it has been asked in this very step whether it may be told */
  push(event: E | Resync, isAsked = false): void {
    if (this.#terminal !== null || this.#closed || this.#tellsNow(event, isAsked)) return;
    // What was missed comes at once, and its source bounds it.
    if (this.#opening) this.#backlogMax += 1;
    if (this.#queue.length >= this.#backlogMax) {
      this.#end({ __typename: 'Resync', position: this.#position() });
      return;
    }
    this.#queue.push(event);
    this.#wake?.();
  }

  async next(): Promise<IteratorResult<E | AccessEnded | Resync, undefined>> {
    if (this.#handed !== null) this.#reach(this.#handed);
    this.#handed = null;
    for (;;) {
      if (this.#closed || this.#terminalTaken) {
        this.#close();
        return { done: true, value: undefined };
      }
      const ended = this.#takeTerminal();
      if (ended !== null) return { done: false, value: ended };

      if (this.#queue.length === 0) {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#wake = resolve;
        await promise;
        this.#wake = null;
        continue;
      }
      await this.#check();
      // The check may have ended it, and then what waited must not go out.
      if (this.#terminal !== null || this.#closed) continue;
      const event = this.#queue.shift();
      if (event === undefined) continue;
      if (!this.#mayTell(event)) {
        this.#reach(event);
        continue;
      }
      return { done: false, value: this.#handOut(event) };
    }
  }

  /**
   * Tells it in this very step, where the door can, nobody waits before it and nothing need be read for it. It is looked at as in
   * {@link next}, and nothing is awaited from then until it is on its way. False sends it the long way, where all else is decided.
   */
  #tellsNow(event: E | Resync, isAsked: boolean): boolean {
    const { tellNow } = this.#context;
    // Whoever waits for the next one has been told of all before.
    const isAwaited = this.#wake !== null && this.#queue.length === 0;
    if (tellNow === null || !isAwaited || this.#opening) return false;
    if (!this.#holds()) return false;
    if ((isAsked || this.#mayTell(event)) && !tellNow(event)) return false;
    this.#reach(event);
    return true;
  }

  #holds(): boolean {
    const { identification, vouching } = this.#context.services;
    if (this.#vouch !== null && vouching.holds(this.#vouch)) return true;
    const isHolding = identification.stillHolds(this.#by);
    this.#vouch = isHolding ? vouching.vouchFor(this.#by) : null;
    return isHolding;
  }

  /** Whether it is for its principal, as that is now. */
  #mayTell(event: E | Resync): boolean {
    return isResync(event) || this.#source.allows?.(this.#by, event) !== false;
  }

  /** What belongs to it is read for its principal as it is now, and read anew. */
  #handOut(event: E | Resync): E | Resync {
    this.#handed = event;
    this.#readBy = this.#by;
    this.#context.become(this.#by);
    return event;
  }

  #reach({ position }: Placed): void {
    if (this.#told !== null) this.#told = position;
  }

  return(): Promise<IteratorResult<E | AccessEnded | Resync, undefined>> {
    this.#close();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  revoked(seq: number): Promise<void> {
    const isKey = this.#by.credential.key !== null;
    const message = isKey
      ? 'This API key has been revoked, or its owner is shut out.'
      : 'This session has been revoked. Sign in again.';
    this.refuse(new Refusal('SESSION_REVOKED', message), seq);
    if (this.#closed) return Promise.resolve();
    this.#flushed ??= Promise.withResolvers<void>();
    return this.#flushed.promise;
  }

  changed(): void {
    this.#recheck();
  }

  reset(): void {
    this.#recheck();
  }

  due(): void {
    this.#recheck();
  }

  #takeTerminal(): AccessEnded | Resync | null {
    const terminal = this.#terminal;
    if (terminal === null) return null;
    this.#terminalTaken = true;
    // Only now is it known whether what had been handed out before was told.
    if (terminal.__typename === 'Resync' || this.#told === null) return terminal;
    return { ...terminal, position: this.#told };
  }

  #recheck(): void {
    if (this.#rechecking) {
      this.#recheckAgain = true;
      return;
    }
    this.#rechecking = true;
    this.#recheckAgain = false;
    this.#check()
      .then(() => {
        this.#rechecking = false;
        if (this.#recheckAgain) this.#recheck();
      })
      .catch((error: unknown) =>
        this.#context.services.logger.error({ err: error }, 'a subscription could not be checked'),
      );
  }

  async #check(): Promise<void> {
    try {
      this.#follow(await this.#current());
    } catch (error) {
      this.refuse(error);
    }
  }

  /** Its principal as it is now. What is found out about a credential says nothing once it has been renewed. */
  async #current(): Promise<UserPrincipal> {
    for (;;) {
      const asked = this.#by;
      const isRenewed = (): boolean => this.#by.credential !== asked.credential;
      try {
        const now = requireUser(await this.#context.services.identification.recheck(asked));
        if (!isRenewed()) return now;
      } catch (error) {
        if (!isRenewed()) throw error;
      }
    }
  }

  #follow(now: UserPrincipal): void {
    const { standing, session, credential } = this.#by;
    if (now.standing !== standing || now.session !== session || now.credential !== credential) this.#go(now);
  }

  #go(now: UserPrincipal): void {
    if (this.#terminal !== null || this.#closed) return;
    const { live } = this.#context.services;
    const hasChanged = now.standing !== this.#by.standing;
    // It may depend on other roles now, and must be found by them.
    live.remove(this);
    this.#by = now;
    this.#vouch = null;
    live.add(this);
    if (hasChanged) this.#source.changed?.(now, this);
  }

  /**
   * Ends it: what was queued is dropped, and AccessEnded says why, and after which place it would go on.
   * @param seq of the revocation, which this instance is only just applying
   */
  refuse(error: unknown, seq = 0): void {
    const { epoch, seq: applied } = this.#context.services.tail.position;
    const refusal =
      error instanceof Refusal
        ? error
        : new Refusal('AUTHORITY_UNAVAILABLE', 'Castellan cannot confirm what is in force right now.');
    this.#end({
      __typename: 'AccessEnded',
      code: refusal.code,
      reason: refusal.message,
      position: formatPosition({ epoch, seq: Math.max(applied, seq) }),
    });
  }

  #position(): string {
    return this.#source.position?.() ?? formatPosition(this.#context.services.tail.position);
  }

  #end(terminal: AccessEnded | Resync): void {
    if (this.#terminal !== null || this.#closed) return;
    this.#queue.length = 0;
    this.#terminal = terminal;
    this.#wake?.();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopSource?.();
    this.#context.services.live.remove(this);
    if (this.#context.figure !== null) this.#context.figure.running -= 1;
    this.#flushed?.resolve();
    this.#wake?.();
  }
}

function isResync(event: Placed): event is Resync {
  return Object(event).__typename === 'Resync';
}

function requireUser(by: Principal): UserPrincipal {
  if (by.kind !== 'user') throw new Refusal('UNAUTHENTICATED', 'Sign in first.');
  return by;
}

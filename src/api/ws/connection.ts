import type { LiveOperation } from '../../domain/authority/live.ts';
import type { Origin } from '../../domain/authentication/origin.ts';
import { atItsPlace } from '../graphql/places.ts';
import type { ShownGateway } from '../../domain/authentication/gateways.ts';
import type { Credential } from '../../domain/authentication/identification.ts';
import { overtaken } from '../../domain/authority/labelled.ts';
import {
  isSameCredential,
  type Principal,
  revocationTargets,
  type UserPrincipal,
} from '../../domain/principals/principal.ts';
import { Refusal } from '../../domain/refusals.ts';
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { OperationContext, Renewable } from '../graphql/context.ts';
import type { Services } from '../graphql/services.ts';
import type { Operation } from '../graphql/documents.ts';
import { OperationNames } from './operation-names.ts';
import { frameHead } from './text-frames.ts';

export const CLOSE = {
  REVOKED: 4401,
  EXPIRED: 4403,
  INIT_TIMEOUT: 4408,
  TOO_MANY: 4429,
  GOING_AWAY: 1001,
  FAULT: 1011,
} as const;

/** A client that does not answer the close frame is cut off after this long; until then it can still send. */
const TERMINATE_MS = 250;
/** A socket waits this long for its last events to be sent before it closes, */
const DRAIN_MS = 1_000;
/** and this long for the answer of a change that is under way: as long as a change may take. */
const ANSWER_MS = 6_000;
/** What may be on its way to a client before it is waited for. */
const TOLD_BYTES_MAX = 16 * 1_024;
/** RFC 6455 5.5: what a close frame has room for. */
const REASON_BYTES_MAX = 123;

interface Running {
  readonly kind: Operation['kind'];
  readonly context: OperationContext;
}

/** One that is being identified. */
interface Arriving {
  readonly kind: 'arriving';
  /** Whether its client waits for it no longer. */
  left: boolean;
}

/**
 * One socket and the principal it was opened by. When that credential is revoked or expires the socket closes, unless
 * operations of others run on it: identity belongs to the operation, and a gateway carries many users over one socket.
 */
export class Connection implements LiveOperation, Renewable {
  readonly dependencies: readonly string[] = [];
  #credential: Credential = { kind: 'none' };
  /** Whether it is a cookie that opened it. */
  byCookie = false;
  /** Where it was opened, and with what. */
  readonly from: Origin;
  readonly names = new OperationNames();
  /** What a gateway showed that opened it; null when none did. */
  gateway: ShownGateway | null = null;
  readonly #socket: WebSocket;
  /** What it writes to. */
  readonly #wire: Duplex;
  readonly #services: Services;
  /** By id. */
  readonly #running = new Map<string, Running | Arriving>();
  #owner: UserPrincipal | null = null;
  #shared = false;
  #closing = false;
  #leaving: Promise<void> | null = null;
  #idle: (() => void) | null = null;
  #left: (() => void) | null = null;
  #gone = false;

  constructor(socket: WebSocket, wire: Duplex, from: Origin, services: Services) {
    this.#socket = socket;
    this.#wire = wire;
    this.from = from;
    this.#services = services;
  }

  /** What it was opened or renewed with: for operations that bring no credential of their own. */
  get credential(): Credential {
    return this.#credential;
  }

  hold(credential: Credential): void {
    this.#credential = credential.kind === 'accessToken' ? { ...credential, held: true } : credential;
  }

  /** Whether frames that still arrive must not be listened to. */
  get closing(): boolean {
    return this.#closing || this.#leaving !== null;
  }

  get operations(): number {
    return this.#running.size;
  }

  get credentialTargets(): readonly string[] {
    return this.#owner === null ? [] : revocationTargets(this.#owner);
  }

  /** Who opened it, or null when that was nobody. */
  get owner(): UserPrincipal | null {
    return this.#owner;
  }

  get label(): number {
    return this.#owner?.credential.label ?? 0;
  }

  get untilMs(): number {
    return this.#owner?.credential.expiresAtMs ?? Infinity;
  }

  /** The connection was opened with this principal's credential. */
  opened(by: Principal): void {
    if (by.kind !== 'user' || this.#closing) return;
    this.#owner = by;
    this.#services.live.add(this);
  }

  /** Calls this when the socket is gone. */
  leaves(leave: () => void): void {
    this.#left?.();
    this.#left = leave;
    if (this.#gone) leave();
  }

  /** An operation has arrived. It counts before anything is awaited for it: several may arrive together. */
  arrived(operationId: string): void {
    this.#running.set(operationId, { kind: 'arriving', left: false });
  }

  started(operationId: string, kind: Operation['kind'], context: OperationContext): void {
    const arrived = this.#running.get(operationId);
    if (arrived?.kind === 'arriving' && arrived.left) context.undertaking.abandon();
    this.#running.set(operationId, { kind, context });
    const { by } = context;
    if (by.kind === 'user' && (this.#owner === null || !isSameCredential(by, this.#owner))) this.#shared = true;
  }

  /** Its client waits for it no longer: what it reads is stopped. What it changes goes on. */
  abandoned(operationId: string): void {
    const running = this.#running.get(operationId);
    if (running?.kind === 'arriving') running.left = true;
    else running?.context.undertaking.abandon();
  }

  completed(operationId: string): void {
    this.#running.delete(operationId);
    if (this.#running.size === 0) this.#idle?.();
  }

  async renew(by: Principal, token: string): Promise<UserPrincipal> {
    const { identification } = this.#services;
    const credential: Credential = { kind: 'accessToken', token };
    const shown = await identification.identify(credential);
    const { unproven } = await atItsPlace(shown, this.from, this.#services);
    if (unproven !== null) throw unproven.refusal;
    // Asked again in the step that goes on with it: nothing can come in between.
    const fresh = identification.identifyWarm(token);
    if (fresh === null) throw overtaken();
    if (by.kind !== 'user') throw new Refusal('UNAUTHENTICATED', 'Sign in first.');
    if (!isOfSameSession(by, fresh)) {
      throw new Refusal('FORBIDDEN', 'This token is of another session, which needs a connection of its own.');
    }
    if (this.closing) throw new Refusal('TOKEN_EXPIRED', 'The socket is closing. Connect again with the fresh token.');

    for (const running of this.#running.values()) {
      if (running.kind === 'subscription' && isOfSameSession(running.context.by, fresh)) running.context.renew(fresh);
    }
    if (this.#owner === null || !isOfSameSession(this.#owner, fresh)) return fresh;
    this.#goOnAs(fresh);
    this.hold(credential);
    return fresh;
  }

  /** The socket is gone. */
  closed(): void {
    this.#closing = true;
    this.#gone = true;
    this.#left?.();
    for (const operationId of this.#running.keys()) this.abandoned(operationId);
    if (this.#owner !== null) this.#services.live.remove(this);
  }

  async revoked(): Promise<void> {
    if (this.#shared) return;
    const left = this.#leave(CLOSE.REVOKED, 'SESSION_REVOKED');
    // It may be the very change that is being acknowledged, and then it waits for us.
    if (this.#isChanging()) return;
    await left;
  }

  /** Of an API key: it may be good no more, or no more from there. A token says all of itself that could be new about it. */
  changed(): void {
    if (this.#owner !== null && this.#owner.credential.key !== null) this.#checkAgain();
  }

  /** What was revoked meanwhile is told of by nobody. */
  reset(): void {
    this.#checkAgain();
  }

  /** Its credential expires. */
  due(): void {
    if (this.#shared) return;
    this.#leave(CLOSE.EXPIRED, 'TOKEN_EXPIRED').catch(() => this.#socket.terminate());
  }

  /** It goes on as whoever opened it is now, or closes. */
  #checkAgain(): void {
    const owner = this.#owner;
    if (owner === null || this.#shared || this.closing) return;
    const isStill = (): boolean => this.#owner === owner && !this.closing;
    this.#services.identification.identify(this.#credential).then(
      (now) => {
        if (isStill() && now.kind === 'user') this.#goOnAs(now);
      },
      (error: unknown) => {
        // What cannot be confirmed right now is refused to each operation.
        if (!isStill() || !(error instanceof Refusal) || error.code === 'AUTHORITY_UNAVAILABLE') return;
        this.#leave(codeOf(error), error.code).catch(() => this.#socket.terminate());
      },
    );
  }

  #goOnAs(owner: UserPrincipal): void {
    const { live } = this.#services;
    live.remove(this);
    this.#owner = owner;
    live.add(this);
  }

  /**
   * Sends a frame in this very step, as whatever is sent; false where it was not, since it closes or its client is slow to read:
   * then it is to be sent by whoever waits until there is room.
   * @param before and what follows: its bytes, in so many parts, as `bytesOf` has them
   */
  tell(before: string, text: string, after: string): boolean {
    const { readyState, OPEN, bufferedAmount } = this.#socket;
    const unsent = this.#wire.writableLength;
    // The library writes what it sends at once, and nothing of this may overtake what it had to keep.
    if (readyState !== OPEN || bufferedAmount !== unsent || unsent > TOLD_BYTES_MAX) return false;
    const head = frameHead(before.length + text.length + after.length);
    // One write of one string: through the library it would be two, of buffers, and cost twice as much.
    this.#wire.write(`${head}${before}${text}${after}`, 'latin1');
    return true;
  }

  /** Closing is not revoking: what arrives after this is not executed, and a client that does not let go is cut off. */
  close(code: number, reason: string): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#socket.close(code, Buffer.byteLength(reason) > REASON_BYTES_MAX ? '' : reason);
    this.#services.clock.after(TERMINATE_MS, () => this.#socket.terminate());
  }

  /** Listens to nothing more, lets what runs have its last word, and closes. */
  #leave(code: number, reason: string): Promise<void> {
    this.#leaving ??= this.#drained(this.#isChanging() ? ANSWER_MS : DRAIN_MS).then(() => this.close(code, reason));
    return this.#leaving;
  }

  #isChanging(): boolean {
    return [...this.#running.values()].some(({ kind }) => kind === 'mutation');
  }

  /** Its operations end by themselves; their last frames go first. */
  async #drained(ms: number): Promise<void> {
    if (this.#running.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#idle = resolve;
    const timer = this.#services.clock.after(ms, resolve);
    await promise;
    timer.cancel();
    // The frame that says `complete` is sent right after the operation is known to be over.
    await new Promise<void>((done) => setImmediate(done));
  }
}

/** With what a socket closes whose credential is refused so: a token that has run out can be replaced. */
export function codeOf({ code }: Pick<Refusal, 'code'>): number {
  return code === 'TOKEN_EXPIRED' || code === 'AUTHORITY_UNAVAILABLE' ? CLOSE.EXPIRED : CLOSE.REVOKED;
}

function isOfSameSession(one: Principal, other: UserPrincipal): boolean {
  return one.kind === 'user' && isSameCredential(one, other);
}

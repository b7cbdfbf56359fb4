import type { LiveOperation } from '../../domain/authority/live.ts';
import type { Principal, UserPrincipal } from '../../domain/principals/principal.ts';
import type { Timer } from '../../kit/clock.ts';
import type { WebSocket } from 'ws';
import type { Services } from '../graphql/context.ts';

export const CLOSE = { REVOKED: 4401, EXPIRED: 4403, INIT_TIMEOUT: 4408, TOO_MANY: 4429, GOING_AWAY: 1001 } as const;

/** A client that does not answer the close frame is cut off after this long; until then it can still send. */
const TERMINATE_MS = 250;
/** A socket waits this long for its last events to be sent before it closes. */
const DRAIN_MS = 200;

/**
 * One socket and the principal it was opened by. When that credential is revoked or expires the socket closes, unless
 * operations of others run on it: identity belongs to the operation, and a gateway carries many users over one socket.
 */
export class Connection implements LiveOperation {
  readonly dependencies: readonly string[] = [];
  readonly #socket: WebSocket;
  readonly #services: Services;
  readonly #running = new Map<string, string>();
  #owner: UserPrincipal | null = null;
  #shared = false;
  #closing = false;
  #expiry: Timer | null = null;
  #idle: (() => void) | null = null;

  constructor(socket: WebSocket, services: Services) {
    this.#socket = socket;
    this.#services = services;
  }

  /** Whether frames that still arrive must not be listened to. */
  get closing(): boolean {
    return this.#closing;
  }

  get operations(): number {
    return this.#running.size;
  }

  get credentialTargets(): readonly string[] {
    return this.#owner?.credential.targets ?? [];
  }

  get label(): number {
    return this.#owner?.credential.label ?? 0;
  }

  /** The connection was opened with this principal's credential. */
  opened(by: Principal): void {
    if (by.kind !== 'user' || this.#closing) return;
    this.#owner = by;
    this.#services.live.add(this);
    this.#expireAt(by.credential.expiresAtMs);
  }

  started(operationId: string, by: Principal): void {
    this.#running.set(operationId, by.id);
    if (by.kind === 'user' && by.credential.sessionId !== this.#owner?.credential.sessionId) this.#shared = true;
  }

  completed(operationId: string): void {
    this.#running.delete(operationId);
    if (this.#running.size === 0) this.#idle?.();
  }

  /** The socket is gone. */
  closed(): void {
    this.#closing = true;
    this.#expiry?.cancel();
    if (this.#owner !== null) this.#services.live.remove(this);
  }

  async revoked(): Promise<void> {
    if (this.#shared) return;
    await this.#drained();
    this.close(CLOSE.REVOKED, 'SESSION_REVOKED');
  }

  changed(): void {}

  reset(): void {}

  /** Closing is not revoking: what arrives after this is not executed, and a client that does not let go is cut off. */
  close(code: number, reason: string): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#socket.close(code, reason);
    this.#services.clock.after(TERMINATE_MS, () => this.#socket.terminate());
  }

  /** Its operations end by themselves; their last frames go first. */
  async #drained(): Promise<void> {
    if (this.#running.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#idle = resolve;
    const timer = this.#services.clock.after(DRAIN_MS, resolve);
    await promise;
    timer.cancel();
    // The frame that says `complete` is sent right after the operation is known to be over.
    await new Promise<void>((done) => setImmediate(done));
  }

  #expireAt(expiresAtMs: number): void {
    const { clock } = this.#services;
    this.#expiry = clock.after(Math.max(0, expiresAtMs - clock.now()) + 1, () => {
      if (this.#shared) return;
      this.#drained()
        .then(() => this.close(CLOSE.EXPIRED, 'TOKEN_EXPIRED'))
        .catch(() => this.#socket.terminate());
    });
  }
}

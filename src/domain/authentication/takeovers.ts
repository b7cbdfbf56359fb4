import { type Clock, toInstant } from '../../kit/clock.ts';
import { newId } from '../../kit/ids.ts';
import type { Log } from '../../kit/log.ts';
import type { Authority } from '../authority/authority.ts';
import { type Principal, SYSTEM } from '../principals/principal.ts';
import { Refusal } from '../refusals.ts';
import { type Elsewhere, elsewhere, type IsProxy, type Place } from '../sessions/place.ts';
import { raise } from '../security/raise.ts';
import type { Session } from '../sessions/session.ts';
import type { SessionState } from '../sessions/session-states.ts';
import type { Transaction } from '../store.ts';
import type { Origin } from './origin.ts';

/** What a suspicion leads to: that it is told, that the session must prove itself first, or its end. */
export type TakeoverAction = 'report' | 'step-up' | 'revoke';

type Bound = Pick<Session, 'id' | 'userId' | 'aal'> & Place;

/** That a session is used from another network and another device than those it is bound to. */
export interface Suspicion {
  readonly session: Bound;
  readonly from: Place;
  readonly there: Elsewhere;
}

/** What was found out about a place. */
interface Seen extends Place {
  readonly refusal: Refusal | null;
}

/** Places that are remembered of one session. */
const SEEN_MAX = 4;

/**
 * Whether sessions are used where they are at home. A change of network alone is a way to work, and one of the device alone a
 * browser in disguise; both at once are what a stolen token looks like. What is compared is the client's as far as it is known:
 * the address of a proxy of ours is nobody's.
 */
export class Takeovers {
  readonly #authority: Authority;
  readonly #action: TakeoverAction;
  readonly #isProxy: IsProxy;
  readonly #clock: Clock;
  readonly #logger: Log;
  /** By state, so that they go with it: a session that has proven itself has another one. */
  readonly #seen = new WeakMap<SessionState, readonly Seen[]>();
  /** What is under way, so that those who come together write once. */
  readonly #acting = new Map<string, Promise<unknown>>();

  constructor(parts: {
    authority: Authority;
    settings: { readonly sessionTakeover: TakeoverAction };
    isProxy: IsProxy;
    clock: Clock;
    logger: Log;
  }) {
    this.#authority = parts.authority;
    this.#action = parts.settings.sessionTakeover;
    this.#isProxy = parts.isProxy;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
  }

  /** Whether nothing need be looked at: it is at home, or this place is known to be no reason to refuse. No parse, no round trip. */
  knows(by: Principal, from: Origin): boolean {
    if (by.kind !== 'user' || by.session === null) return true;
    return isSame(by.session, from) || this.#recall(by.session, from)?.refusal === null;
  }

  /**
   * What to refuse the session with until it has proven itself, or null when it may go on. A suspicion is written first, once
   * for the session and the place.
   *
   * Refuses with SESSION_REVOKED where the session ends by it; then it has ended, everywhere.
   */
  async judge(by: Principal, from: Origin): Promise<Refusal | null> {
    if (by.kind !== 'user' || by.session === null || this.knows(by, from)) return null;
    const { session } = by;
    const known = this.#recall(session, from);
    if (known !== undefined) return known.refusal;

    const suspicion = this.suspicionOf(session, from);
    const isWritten = suspicion === null || (await this.#act(suspicion));
    const refusal = suspicion === null ? null : this.#refusalOf(suspicion);
    if (isWritten) this.#remember(session, from, refusal);
    return refusal;
  }

  suspicionOf(session: Bound, from: Place): Suspicion | null {
    const there = elsewhere(session, from, this.#isProxy);
    return there === null ? null : { session, from, there };
  }

  /**
   * Writes a suspicion as a part of the transaction; what to refuse with once that is committed, or null to go on.
   *
   * @throws Suspected where the session must end, which is a change of its own: {@link end}
   */
  async note(tx: Transaction, suspicion: Suspicion): Promise<Refusal | null> {
    if (this.#action === 'revoke') throw new Suspected(suspicion);
    await this.#write(tx, suspicion);
    return this.#refusalOf(suspicion);
  }

  /** Ends the session, with everything that stands for it, and refuses with SESSION_REVOKED; unless it is at home there by now. */
  async end({ session: { id, userId }, from }: Suspicion): Promise<void> {
    const { value } = await this.#authority.change(SYSTEM, { change: [userId] }, async (tx) => {
      const session = await tx.sessions.find(id);
      if (session === null || session.revokedAt !== null) return true;
      const suspicion = this.suspicionOf(session, from);
      if (suspicion === null) return false;
      await this.#write(tx, suspicion);
      await tx.sessions.revoke(id, this.#now(), 'takeover');
      await tx.audit.append({ by: userId, sessionId: id, action: 'session.revoke', subjectId: id });
      await tx.authority.append({ target: id, kind: 'revoked', userId, reason: 'takeover' });
      return true;
    });
    if (value) throw new Refusal('SESSION_REVOKED', 'This session has been revoked. Sign in again.');
  }

  /** Whether it is written. That it could not be is no reason to keep anybody from what only would have been told. */
  async #act(suspicion: Suspicion): Promise<boolean> {
    const { session, there } = suspicion;
    const key = `${session.id} ${there.key}`;
    const acting =
      this.#acting.get(key) ??
      (this.#action === 'revoke' ? this.end(suspicion) : this.#tell(suspicion)).finally(() => this.#acting.delete(key));
    this.#acting.set(key, acting);
    if (this.#action === 'revoke') {
      await acting;
      return false;
    }
    try {
      await acting;
      return true;
    } catch (error) {
      this.#logger.warn({ err: error, sessionId: session.id }, 'a suspected takeover was not written yet');
      return false;
    }
  }

  #tell(suspicion: Suspicion): Promise<void> {
    return this.#authority.commit(SYSTEM, {}, (tx) => this.#write(tx, suspicion));
  }

  async #write(tx: Transaction, { session, from, there }: Suspicion): Promise<void> {
    const { id: sessionId, userId } = session;
    const kind = 'session.takeover_suspected';
    const what = { kind, severity: 'warning', action: this.#action, address: from.address, ...there.device } as const;
    const event = { id: newId('securityEvent'), at: this.#now(), userId, sessionId, ...what };
    if (!(await raise(tx, event, `${kind} ${sessionId} ${this.#action} ${there.key}`))) return;
    const after = { action: this.#action };
    await tx.audit.append({ by: userId, sessionId, action: kind, subjectId: sessionId, after });
  }

  #refusalOf({ session }: Suspicion): Refusal | null {
    if (this.#action !== 'step-up') return null;
    const message = 'This session is used from a new place. Call stepUp from there, or sign in again.';
    return new Refusal('MFA_REQUIRED', message, { reason: 'step_up', level: session.aal });
  }

  #recall(session: SessionState, from: Place): Seen | undefined {
    return this.#seen.get(session)?.find((seen) => isSame(seen, from));
  }

  #remember(session: SessionState, { userAgent, address }: Place, refusal: Refusal | null): void {
    const others = this.#seen.get(session) ?? [];
    this.#seen.set(session, [{ userAgent, address, refusal }, ...others].slice(0, SEEN_MAX));
  }

  #now(): string {
    return toInstant(this.#clock.now());
  }
}

/** A session must end that was found to be elsewhere. */
export class Suspected extends Error {
  override readonly name = 'Suspected';
  readonly suspicion: Suspicion;

  constructor(suspicion: Suspicion) {
    super('the session must end');
    this.suspicion = suspicion;
  }
}

function isSame(one: Place, other: Place): boolean {
  return one.userAgent === other.userAgent && one.address === other.address;
}

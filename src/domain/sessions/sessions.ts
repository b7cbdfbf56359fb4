import { toInstant, type Clock } from '../../kit/clock.ts';
import type { Authority, Enforced } from '../authority/authority.ts';
import type { Connection, Orders, PageArguments } from '../pages.ts';
import { and, type Filter, not } from '../policy/filter.ts';
import { type Condition, listReadable } from '../policy/lists.ts';
import type { Policy } from '../policy/policy.ts';
import { sessionIdOf, type Principal } from '../principals/principal.ts';
import { notFound, Refusal } from '../refusals.ts';
import type { Store, Transaction } from '../store.ts';
import type { Session } from './session.ts';

/** What a list of sessions is narrowed by; all of it must hold. */
export interface SessionFilter {
  readonly userId?: string | null | undefined;
  /** Whether they are neither revoked nor at their end. */
  readonly live?: boolean | null | undefined;
}

export interface SessionListArguments extends PageArguments {
  readonly filter?: SessionFilter | null | undefined;
}

const ORDERS: Orders = { createdAt: 'instant', expiresAt: 'instant' };

/** What can be done with sessions that exist; authentication starts them. */
export class Sessions {
  readonly #store: Store;
  readonly #authority: Authority;
  readonly #policy: Policy;
  readonly #clock: Clock;

  constructor(parts: { store: Store; authority: Authority; policy: Policy; clock: Clock }) {
    this.#store = parts.store;
    this.#authority = parts.authority;
    this.#policy = parts.policy;
    this.#clock = parts.clock;
  }

  /** The sessions with these ids that `by` may read, in the order of the ids, null for the others. One statement. */
  async findMany(by: Principal, ids: readonly string[]): Promise<readonly (Session | null)[]> {
    const found = new Map((await this.#store.sessions.findMany(ids)).map((session) => [session.id, session]));
    return ids.map((id) => this.#policy.readable(by, found.get(id) ?? null));
  }

  /** A page of the sessions that `by` may read. */
  list(by: Principal, args: SessionListArguments): Promise<Connection<Session>> {
    const conditions = this.#conditionsOf(args.filter ?? {});
    const parts = { policy: this.#policy, pages: this.#store.sessions, orders: ORDERS, conditions, args };
    return listReadable<Session>(by, { type: 'Session', ...parts });
  }

  /** Ends a session. Its tokens and sockets are dead on every instance when the receipt says so. */
  async revoke(by: Principal, id: string): Promise<Enforced<Session>> {
    return this.#end(by, id, 'revoked');
  }

  /** Ends the session that `by` acts in. */
  async signOut(by: Principal): Promise<Enforced<Session>> {
    if (by.kind !== 'user') throw new Refusal('UNAUTHENTICATED', 'Nobody is signed in.');
    return this.#end(by, by.credential.sessionId, 'signed_out');
  }

  /** Ends all other sessions of the user who acts. */
  async revokeOthers(by: Principal): Promise<Enforced<readonly Session[]>> {
    if (by.kind !== 'user') throw new Refusal('UNAUTHENTICATED', 'Nobody is signed in.');
    return this.#authority.change(by, { change: [by.id] }, (tx, actor) => this.endOthers(tx, actor, 'revoked'));
  }

  /** As {@link revokeOthers}, as a part of a change that locks the user who acts. */
  async endOthers(tx: Transaction, actor: Principal, reason: string): Promise<readonly Session[]> {
    const current = sessionIdOf(actor);
    const others = (await tx.sessions.liveOf(actor.id)).filter(({ id }) => id !== current);
    // Leaving is no privilege, wherever one left oneself signed in.
    return this.#endAll(tx, actor, others, reason);
  }

  /** Ends all sessions of a user, the one that `by` acts in included if it is theirs. */
  async revokeAll(by: Principal, userId: string): Promise<Enforced<readonly Session[]>> {
    return this.#authority.change(by, { change: [userId] }, async (tx, actor) => {
      const user = await tx.users.find(userId);
      if (user === null) throw notFound('user', userId);
      const live = await tx.sessions.liveOf(userId);
      // Where there is none, the answer must not tell.
      const { scope, scopes } = user;
      const imagined = { __typename: 'Session', id: '', userId, scope, scopes };
      if (!this.#policy.decide(actor, 'read', user).allowed) throw notFound('user', userId);
      for (const session of [imagined, ...live]) this.#policy.demandOpenly(actor, 'revoke', session);
      return this.#endAll(tx, actor, live, 'revoked');
    });
  }

  async #endAll(
    tx: Transaction,
    actor: Principal,
    sessions: readonly Session[],
    reason: string,
  ): Promise<readonly Session[]> {
    const revokedAt = toInstant(this.#clock.now());
    for (const { id, userId } of sessions) {
      await tx.sessions.revoke(id, revokedAt, reason);
      await this.#record(tx, actor, id);
      await tx.authority.append({ target: id, kind: 'revoked', userId, reason });
    }
    return sessions.map((session) => ({ ...session, revokedAt, revokedReason: reason }));
  }

  async #record(tx: Transaction, actor: Principal, subjectId: string): Promise<void> {
    await tx.audit.append({ by: actor.id, sessionId: sessionIdOf(actor), action: 'session.revoke', subjectId });
  }

  #conditionsOf({ userId, live }: SessionFilter): readonly Condition[] {
    const conditions: Condition[] = [];
    if (typeof userId === 'string') {
      conditions.push({ field: 'userId', filter: { kind: 'equals', attribute: 'userId', value: userId } });
    }
    if (typeof live === 'boolean') {
      const isLive: Filter = and([
        { kind: 'equals', attribute: 'revokedAt', value: null },
        { kind: 'order', attribute: 'expiresAt', operator: 'gt', value: toInstant(this.#clock.now()) },
      ]);
      // That a session was revoked is told to all who may read it.
      conditions.push({ field: 'expiresAt', filter: live ? isLive : not(isLive) });
    }
    return conditions;
  }

  async #end(by: Principal, id: string, reason: string): Promise<Enforced<Session>> {
    const found = await this.#store.sessions.find(id);
    if (found === null)
      throw by.kind === 'anonymous' ? new Refusal('UNAUTHENTICATED', 'Sign in first.') : notFound('session', id);

    return this.#authority.change(by, { change: [found.userId] }, async (tx, actor) => {
      const session = await tx.sessions.find(id);
      if (session === null) throw notFound('session', id);
      // Leaving is no privilege: whoever holds a session may end it, whatever the policy says.
      if (reason !== 'signed_out') this.#policy.demand(actor, 'revoke', session);
      if (session.revokedAt !== null) return session;

      const revoked: Session = { ...session, revokedAt: toInstant(this.#clock.now()), revokedReason: reason };
      await tx.sessions.revoke(id, revoked.revokedAt ?? '', reason);
      await this.#record(tx, actor, id);
      await tx.authority.append({ target: id, kind: 'revoked', userId: session.userId, reason });
      return revoked;
    });
  }
}

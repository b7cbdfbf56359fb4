import { type Instant, toInstant, type Clock } from '../../kit/clock.ts';
import type { Authority, Enforced, Written } from '../authority/authority.ts';
import type { Connection, Orders, PageArguments } from '../pages.ts';
import { listReadable, readableFilter } from '../policy/lists.ts';
import type { Policy } from '../policy/policy.ts';
import { demandSession, sessionIdOf, type Principal } from '../principals/principal.ts';
import { badInput, notFound, Refusal } from '../refusals.ts';
import type { Store, Transaction } from '../store.ts';
import { parseLabel } from './device.ts';
import type { Session } from './session.ts';
import { conditionsOf, isOpen, type SessionFilter } from './session-filter.ts';

/** Sessions that one change ends. */
export const REVOKED_AT_ONCE_MAX = 1_000;

/** Who ends sessions, for the record, and the one in which they do. */
export interface SessionAuthor {
  readonly by: string;
  readonly sessionId: string | null;
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
    const conditions = conditionsOf(args.filter ?? {}, this.#now());
    const parts = { policy: this.#policy, pages: this.#store.sessions, orders: ORDERS, conditions, args };
    return listReadable<Session>(by, { type: 'Session', ...parts });
  }

  /** Ends a session. Its tokens and sockets are dead on every instance when the receipt says so. */
  async revoke(by: Principal, id: string): Promise<Enforced<Session>> {
    return this.#end(by, id, 'revoked');
  }

  /** Ends the session that `by` acts in. */
  async signOut(by: Principal): Promise<Enforced<Session>> {
    return this.#end(by, demandSession(by).credential.sessionId, 'signed_out');
  }

  /** Ends all other sessions of the user who acts. */
  async revokeOthers(by: Principal): Promise<Enforced<readonly Session[]>> {
    demandSession(by);
    return this.#authority.change(by, { change: [by.id] }, (tx, actor) =>
      this.endOthers(tx, authorOf(actor), 'revoked'),
    );
  }

  /** As {@link revokeOthers}, as a part of a change that locks the user who acts; all of them where that is in no session. */
  async endOthers(tx: Transaction, author: SessionAuthor, reason: string): Promise<readonly Session[]> {
    const others = (await tx.sessions.liveOf(author.by)).filter(({ id }) => id !== author.sessionId);
    // Leaving is no privilege, wherever one left oneself signed in.
    return this.#endAll(tx, author, others, reason);
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
      return this.#endAll(tx, authorOf(actor), live, 'revoked');
    });
  }

  /**
   * Ends the live sessions that the filter is true of and that `by` may read, the one that `by` acts in included; of more than
   * {@link REVOKED_AT_ONCE_MAX} the oldest. Refuses all of it with FORBIDDEN where `by` may read one and not revoke it, and
   * with BAD_USER_INPUT a filter that narrows nothing.
   */
  async revokeMatching(
    by: Principal,
    filter: SessionFilter,
  ): Promise<Enforced<{ readonly sessions: readonly Session[]; readonly more: boolean }>> {
    if (isOpen(filter)) {
      throw badInput('filter', 'This filter would end every session there is. Narrow it by something but live.');
    }
    const now = this.#now();
    const conditions = [...conditionsOf(filter, now), ...conditionsOf({ live: true }, now)];
    const matching = readableFilter(by, { policy: this.#policy, type: 'Session', conditions, orderedBy: 'createdAt' });
    const order = { by: 'createdAt', descending: false };
    // One more tells whether there are more.
    const limit = REVOKED_AT_ONCE_MAX + 1;
    const found = await this.#store.sessions.page({ filter: matching, order, after: null, limit });
    const candidates = found.slice(0, REVOKED_AT_ONCE_MAX);
    const ids = candidates.map(({ id }) => id);

    const change = [...new Set(candidates.map(({ userId }) => userId))];
    const { value, receipt } = await this.#authority.change(by, { change }, async (tx, actor) => {
      // Whether they are live, and whose they are to manage, may have changed; the rest of what they matched by cannot.
      const locked = (await tx.sessions.findMany(ids)).filter(
        ({ revokedAt, expiresAt }) => revokedAt === null && expiresAt > now,
      );
      const readable = locked.filter((session) => this.#policy.decide(actor, 'read', session).allowed);
      for (const session of readable) this.#policy.demandOpenly(actor, 'revoke', session);
      return this.#endAll(tx, authorOf(actor), readable, 'revoked');
    });
    return { value: { sessions: value, more: found.length > candidates.length }, receipt };
  }

  /** Calls a session something. It changes nothing about what the session may do. */
  async rename(by: Principal, id: string, label: string): Promise<Written<Session>> {
    const parsed = parseLabel(label);
    return this.#authority.write(by, {}, async (tx, actor) => {
      const session = await tx.sessions.find(id);
      if (session === null) throw notFound('session', id);
      this.#policy.demand(actor, 'update', session);
      if (session.label === parsed) return session;
      await tx.sessions.rename(id, parsed);
      const author = { by: actor.id, sessionId: sessionIdOf(actor) };
      await tx.audit.append({ ...author, action: 'session.rename', subjectId: id });
      return { ...session, label: parsed };
    });
  }

  async #endAll(
    tx: Transaction,
    author: SessionAuthor,
    sessions: readonly Session[],
    reason: string,
  ): Promise<readonly Session[]> {
    if (sessions.length === 0) return [];
    const revokedAt = this.#now();
    await tx.sessions.revokeMany(
      sessions.map(({ id }) => id),
      revokedAt,
      reason,
    );
    await tx.audit.appendAll(sessions.map(({ id }) => ({ ...author, action: 'session.revoke', subjectId: id })));
    await tx.authority.appendAll(sessions.map(({ id, userId }) => ({ target: id, kind: 'revoked', userId, reason })));
    return sessions.map((session) => ({ ...session, revokedAt, revokedReason: reason }));
  }

  async #record(tx: Transaction, actor: Principal, subjectId: string): Promise<void> {
    await tx.audit.append({ by: actor.id, sessionId: sessionIdOf(actor), action: 'session.revoke', subjectId });
  }

  #now(): Instant {
    return toInstant(this.#clock.now());
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

      const revoked: Session = { ...session, revokedAt: this.#now(), revokedReason: reason };
      await tx.sessions.revoke(id, revoked.revokedAt ?? '', reason);
      await this.#record(tx, actor, id);
      await tx.authority.append({ target: id, kind: 'revoked', userId: session.userId, reason });
      return revoked;
    });
  }
}

function authorOf(actor: Principal): SessionAuthor {
  return { by: actor.id, sessionId: sessionIdOf(actor) };
}

import { setTimeout as pause } from 'node:timers/promises';
import { REFUSALS } from '../../src/domain/refusals.ts';
import { PASSWORD } from '../support/castellan.ts';
import { ask, type Reply } from './clients.ts';
import type { Instance, TestUser } from './cluster.ts';
import { describe, doneOf, ME, REFRESH, REVOKE, SIGN_IN, type SignedIn } from './session-queries.ts';

/** A session as its owner knows it. */
export interface OwnSession {
  readonly id: string;
  readonly where: string;
  token: string;
  /** The last one that an answer brought. */
  refreshToken: string;
}

/** What an answer may fail with while something is broken, beside what always may. */
export type Excuse = 'INTERNAL' | 'connection';

const ALWAYS_EXCUSED = new Set(['AUTHORITY_UNAVAILABLE', 'RATE_LIMITED']);
const DOCUMENTED = new Set<string>([...Object.keys(REFUSALS), 'INTERNAL']);
const SESSIONS_MAX = 3;
/** A replaced refresh token may be shown again for so long. */
const GRACE_MS = 10_000;
const REACHED_MS = 30_000;

interface Asking {
  readonly token?: string;
  readonly variables?: object;
}

type Send = (query: string, options: Asking) => Promise<Reply>;

/** Clients that sign in, refresh, ask and revoke without pause, each for a user of its own, on one instance after the other. */
export class SessionLoad {
  /** Started by an answer, and never asked to end. */
  readonly live = new Set<OwnSession>();
  /** Their end was enforced, a receipt says. */
  readonly ended: OwnSession[] = [];
  /** What no fault excuses, each described. */
  readonly problems: string[] = [];
  readonly counts = { signIn: 0, refresh: 0, repeated: 0, ask: 0, revoke: 0, refused: 0, excused: 0, afterGrace: 0 };
  #excuses: ReadonlySet<string> = ALWAYS_EXCUSED;
  readonly #instances: readonly Instance[];
  readonly #send: Send;
  #lanes: readonly Promise<void>[] = [];
  #running = false;
  #turn = 0;
  #refreshes = 0;
  #done = 0;
  #waiting: { readonly at: number; readonly resolve: () => void }[] = [];

  /** @param send how a request finds an instance: without it, to one after the other */
  constructor(instances: readonly Instance[], send?: Send) {
    this.#instances = instances;
    this.#send = send ?? ((query, options) => this.#sendInTurn(query, options));
  }

  start(users: readonly TestUser[]): void {
    this.#running = true;
    this.#lanes = users.map((user) => this.#lane(user));
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#lanes);
  }

  excuse(...excuses: readonly Excuse[]): void {
    this.#excuses = new Set([...ALWAYS_EXCUSED, ...excuses]);
  }

  /** For what must be noticed by no client. */
  excuseNothing(): void {
    this.#excuses = new Set();
  }

  /** Resolves when so many more operations were answered well. */
  async reached(more: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ at: this.#done + more, resolve });
    const over = new AbortController();
    const late = pause(REACHED_MS, null, { signal: over.signal }).then(() => {
      throw new Error(`no ${more} operations within ${REACHED_MS} ms: ${this.problems.slice(0, 3).join('; ')}`);
    });
    late.catch(() => {});
    await Promise.race([promise, late]);
    over.abort();
  }

  /** Asks for every session there was, when all is well again. */
  async verify(): Promise<void> {
    this.excuse();
    for (const session of this.live) {
      if (!(await this.#refresh(session))) continue;
      await this.#me(session, false);
    }
    for (const session of this.ended) {
      for (let n = 0; n < this.#instances.length; n += 1) await this.#me(session, true);
      await this.#refreshEnded(session);
    }
  }

  async #lane(user: TestUser): Promise<void> {
    const own: OwnSession[] = [];
    const past: OwnSession[] = [];
    while (this.#running) {
      const [home, oldest] = own;
      if (home === undefined || oldest === undefined || own.length < SESSIONS_MAX) await this.#signIn(user, own);
      else {
        own.splice(1, 1);
        const ended = await this.#revoke(home, oldest);
        if (ended !== null) past.push(ended);
      }
      for (const session of own.toReversed()) {
        if (!this.#running) break;
        if ((await this.#me(session, false)) && !(await this.#refresh(session))) own.splice(own.indexOf(session), 1);
      }
      const shown = past[(this.#turn * 7) % past.length];
      if (shown !== undefined) await Promise.all([this.#me(shown, true), this.#refreshEnded(shown)]);
    }
  }

  async #signIn({ email }: TestUser, own: OwnSession[]): Promise<void> {
    const reply = await this.#ask('signIn', SIGN_IN, { variables: { input: { email, password: PASSWORD } } });
    const signedIn = doneOf(reply) as SignedIn | null;
    if (signedIn === null) return this.#refused('signIn', reply);
    const { accessToken: token, refreshToken, session } = signedIn;
    const started = { id: session.id, where: email, token, refreshToken };
    own.push(started);
    this.live.add(started);
    this.#count('signIn');
  }

  async #refresh(session: OwnSession): Promise<boolean> {
    const { refreshToken } = session;
    if (!(await this.#rotate(session))) return false;
    if ((this.#refreshes += 1) % 4 > 0) return true;
    // As if that answer had been lost.
    const again = { ...session, refreshToken };
    if (!(await this.#rotate(again))) {
      this.live.delete(session);
      return false;
    }
    if (again.refreshToken !== session.refreshToken) this.problems.push(`${session.id} has two refresh tokens`);
    return true;
  }

  /** Until it is answered, with the same token: what became of a lost answer nobody knows. */
  async #rotate(session: OwnSession): Promise<boolean> {
    const firstAtMs = performance.now();
    for (let tries = 0; ; tries += 1) {
      const reply = await this.#ask('refresh', REFRESH, { variables: { token: session.refreshToken } });
      const signedIn = doneOf(reply) as SignedIn | null;
      if (signedIn !== null) {
        session.token = signedIn.accessToken;
        session.refreshToken = signedIn.refreshToken;
        if (tries > 0) this.counts.repeated += 1;
        this.#count('refresh');
        return true;
      }
      if (!this.#isExcused(reply)) {
        this.live.delete(session);
        const sinceMs = Math.round(performance.now() - firstAtMs);
        // Whoever hears nothing for longer than the grace, and shows the old token then, is taken for a thief: that is its price.
        if (tries > 0 && sinceMs > GRACE_MS) this.counts.afterGrace += 1;
        else this.problems.push(`the live session ${session.id} could not be refreshed: ${describe(reply)}`);
        return false;
      }
      await pause(30);
    }
  }

  /** Whether it was honoured. @param isEnded whether it must not be: its end was enforced before */
  async #me(session: OwnSession, isEnded: boolean): Promise<boolean> {
    const reply = await this.#ask('me', ME, session);
    const isHonoured = doneOf(reply) !== null;
    if (isEnded) this.#refusedAsEnded(session, reply);
    else if (isHonoured) this.#count('ask');
    // It waited long for an answer: refreshing it is what one does then.
    else if (reply?.codes.includes('TOKEN_EXPIRED') === true) return true;
    else if (!this.#isExcused(reply)) {
      this.problems.push(`the live session ${session.id} was refused: ${describe(reply)}`);
    }
    return isHonoured;
  }

  async #refreshEnded(session: OwnSession): Promise<void> {
    const variables = { token: session.refreshToken };
    this.#refusedAsEnded(session, await this.#ask('refresh of what has ended', REFRESH, { variables }));
  }

  #refusedAsEnded(session: OwnSession, reply: Reply | null): void {
    const isRefused = reply?.codes.some((code) => code === 'SESSION_REVOKED' || code === 'TOKEN_EXPIRED') === true;
    if (isRefused && doneOf(reply) === null) this.#count('refused');
    else if (doneOf(reply) !== null || !this.#isExcused(reply)) {
      this.problems.push(`the ended session ${session.id} was not refused: ${describe(reply)}`);
    }
  }

  /** Until a receipt says that it is enforced. */
  async #revoke(home: OwnSession, session: OwnSession): Promise<OwnSession | null> {
    this.live.delete(session);
    for (;;) {
      const reply = await this.#ask('revoke', REVOKE, { token: home.token, variables: { id: session.id } });
      const done = doneOf(reply) as { receipt: { enforced: boolean } } | null;
      if (done?.receipt.enforced === true) {
        this.ended.push(session);
        this.#count('revoke');
        return session;
      }
      if (done === null && reply?.codes.includes('TOKEN_EXPIRED') === true) await this.#refresh(home);
      else if (done === null && !this.#isExcused(reply)) {
        this.problems.push(`revokeSession was refused: ${describe(reply)}`);
        return null;
      }
      await pause(30);
    }
  }

  /** Null when there was no answer at all. */
  async #ask(what: string, query: string, options: Asking): Promise<Reply | null> {
    this.#turn += 1;
    try {
      const reply = await this.#send(query, options);
      const unknown = reply.codes.filter((code) => !DOCUMENTED.has(code));
      if (unknown.length > 0) this.problems.push(`${what} was answered with ${unknown.join(', ')}`);
      return reply;
    } catch (error) {
      if (!this.#excuses.has('connection')) this.problems.push(`${what} was not answered: ${String(error)}`);
      return null;
    }
  }

  #sendInTurn(query: string, options: Asking): Promise<Reply> {
    const instance = this.#instances[this.#turn % this.#instances.length];
    if (instance === undefined) throw new TypeError('there are no instances');
    return ask(instance.url, query, options);
  }

  #refused(what: string, reply: Reply | null): Promise<void> {
    if (!this.#isExcused(reply)) this.problems.push(`${what} was refused: ${describe(reply)}`);
    return pause(30);
  }

  #isExcused(reply: Reply | null): boolean {
    const excused =
      reply === null
        ? this.#excuses.has('connection')
        : reply.codes.length > 0 && reply.codes.every((code) => this.#excuses.has(code));
    if (excused) this.counts.excused += 1;
    return excused;
  }

  #count(what: keyof SessionLoad['counts']): void {
    this.counts[what] += 1;
    this.#done += 1;
    for (const { at, resolve } of this.#waiting) if (at <= this.#done) resolve();
    this.#waiting = this.#waiting.filter(({ at }) => at > this.#done);
  }
}

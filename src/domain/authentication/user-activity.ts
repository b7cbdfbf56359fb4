import { type Clock, type Instant, toInstant } from '../../kit/clock.ts';
import { type Range, refuseTooMany, wholeQuarters } from '../analytics/range.ts';
import { quarterInstant } from '../analytics/tallies.ts';
import type { Drainer } from '../outbox/drainer.ts';
import type { OutboxEvent } from '../outbox/event.ts';
import { type Connection, connectionOf, formatCursor, type PageArguments, parseCursor, parseFirst } from '../pages.ts';
import type { Policy } from '../policy/policy.ts';
import type { Principal } from '../principals/principal.ts';
import { notFound } from '../refusals.ts';
import { REFRESHED, STARTED } from '../sessions/session-counts.ts';
import type { Store, Transaction } from '../store.ts';
import type { User } from '../users/user.ts';
import type { Users } from '../users/users.ts';
import type { ActivityCount, ActivityWord, SeenDevice, SignIn } from './sign-in.ts';

/** The event that a wrong password or code leaves. */
export const SIGN_IN_FAILED = 'sign_in.failed';

export interface ActivityReport {
  readonly signIns: number;
  readonly failedSignIns: number;
  readonly refreshes: number;
  readonly lastSignInAt: Instant | null;
  readonly devices: readonly SeenDevice[];
  readonly buckets: readonly {
    readonly start: Instant;
    readonly signIns: number;
    readonly failedSignIns: number;
    readonly refreshes: number;
  }[];
  readonly completeUntil: Instant;
}

const DEVICES_MAX = 100;
const ORDER = { by: 'at', descending: true };
const LIST = 'SignIn';

/** What single users did: how they came in, and how often. For whoever may read the sessions of the user. */
export class UserActivity {
  readonly #store: Store;
  readonly #drainer: Drainer;
  readonly #users: Users;
  readonly #policy: Policy;
  readonly #clock: Clock;

  constructor(parts: { store: Store; drainer: Drainer; users: Users; policy: Policy; clock: Clock }) {
    this.#store = parts.store;
    this.#drainer = parts.drainer;
    this.#users = parts.users;
    this.#policy = parts.policy;
    this.#clock = parts.clock;
  }

  /** How often the user came, failed to, and went on, in the hours or days of the range. Nothing but counts is looked at for it. */
  async report(by: Principal, userId: string, range: Range): Promise<ActivityReport> {
    await this.#readable(by, userId);
    const quarters = wholeQuarters(range);
    const completeUntil = toInstant(this.#clock.now());
    await this.#drainer.drain();
    const { signIns } = this.#store;
    const [counted, devices, last] = await Promise.all([
      signIns.activity({ userId, ...quarters }),
      signIns.devices(userId, toInstant(quarters.fromMs), toInstant(quarters.toMs), DEVICES_MAX),
      signIns.lastOf([userId]),
    ]);
    refuseTooMany(counted.length);
    const buckets = counted.map(({ startMs, counts }) => ({
      start: toInstant(startMs),
      signIns: counts.signed_in ?? 0,
      failedSignIns: counts.failed ?? 0,
      refreshes: counts.refreshed ?? 0,
    }));
    const sum = (of: (bucket: (typeof buckets)[number]) => number) =>
      buckets.reduce((total, bucket) => total + of(bucket), 0);
    return {
      signIns: sum((each) => each.signIns),
      failedSignIns: sum((each) => each.failedSignIns),
      refreshes: sum((each) => each.refreshes),
      lastSignInAt: last.get(userId) ?? null,
      devices,
      buckets,
      completeUntil,
    };
  }

  /** How the user came in, and who tried to, the newest first. */
  async signIns(by: Principal, userId: string, args: PageArguments): Promise<Connection<SignIn>> {
    await this.#readable(by, userId);
    const first = parseFirst(args.first);
    const at = { list: LIST, order: ORDER, kind: 'instant' } as const;
    const after = typeof args.after === 'string' ? parseCursor(args.after, at) : null;
    const found = await this.#store.signIns.page(userId, after, first + 1);
    const cursorOf = ({ at, id }: SignIn) => formatCursor(LIST, ORDER, { value: at, id });
    return connectionOf(found, { first, after, cursorOf });
  }

  /** When each of these last signed in, in their order; up to half a second behind. The caller has shown that it may be read. */
  async lastSignIns(userIds: readonly string[]): Promise<readonly (Instant | null)[]> {
    const last = await this.#store.signIns.lastOf(userIds);
    return userIds.map((id) => last.get(id) ?? null);
  }

  /** Whether `by` may read what is known of the sessions of this user. */
  mayRead(by: Principal, user: User): boolean {
    return this.#policy.decide(by, 'read', imaginedSession(user)).allowed;
  }

  async #readable(by: Principal, userId: string): Promise<void> {
    const [user] = await this.#users.findMany(by, [userId]);
    if (user === null || user === undefined || !this.mayRead(by, user)) throw notFound('user', userId);
  }
}

/** What is asked about where it is not one session that matters. Where there is none, the answer must not tell. */
export function imaginedSession({ id: userId, scope, scopes }: User) {
  return { __typename: 'Session', id: '', userId, scope, scopes } as const;
}

/**
 * Counts what happened to users, in the transaction that numbers the events. The first failure of an hour is also audited: one
 * entry for each account and hour, however many guesses there are.
 */
export async function countUserActivity(tx: Transaction, events: readonly OutboxEvent[]): Promise<void> {
  const counts = new Map<string, ActivityCount>();
  const last = new Map<string, Instant>();
  for (const event of events) {
    const what = wordFor(event);
    const userId = event.kind === SIGN_IN_FAILED ? event.subjectId : event.userId;
    if (what === null || userId === null || userId === '') continue;
    const start = quarterInstant(Date.parse(event.at));
    const key = JSON.stringify([userId, start, what]);
    counts.set(key, { userId, start, what, count: (counts.get(key)?.count ?? 0) + 1 });
    const before = last.get(userId);
    if (what === 'signed_in' && (before === undefined || before < event.at)) last.set(userId, event.at);
  }
  if (counts.size === 0) return;
  await auditFailures(tx, [...counts.values()]);
  await tx.signIns.count([...counts.values()], last);
}

async function auditFailures(tx: Transaction, counts: readonly ActivityCount[]): Promise<void> {
  const hours = new Map<string, { readonly userId: string; readonly hour: Instant }>();
  for (const { userId, start, what } of counts) {
    const hour = `${start.slice(0, 13)}:00:00.000Z`;
    if (what === 'failed') hours.set(`${userId} ${hour}`, { userId, hour });
  }
  if (hours.size === 0) return;
  const known = await tx.signIns.failedHours([...hours.values()]);
  const fresh = [...hours].filter(([key]) => !known.has(key));
  await tx.audit.appendAll(
    fresh.map(([, { userId, hour }]) => ({
      by: 'anonymous',
      sessionId: null,
      action: 'user.sign_in_failed',
      subjectId: userId,
      after: { hour },
    })),
  );
}

function wordFor({ kind }: OutboxEvent): ActivityWord | null {
  if (kind === STARTED) return 'signed_in';
  if (kind === REFRESHED) return 'refreshed';
  return kind === SIGN_IN_FAILED ? 'failed' : null;
}

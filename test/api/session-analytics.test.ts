import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { toInstant } from '../../src/kit/clock.ts';
import {
  askOver,
  type Castellans,
  codesOf,
  createTestClock,
  PASSWORD,
  type SignedInUser,
  startCastellans,
  type TestClock,
} from '../support/castellan.ts';

const INSTANCES = [0, 1];
const MINUTE_MS = 60_000;
const QUARTER_MS = 15 * MINUTE_MS;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** A session with a password alone. */
const [LIFE_MS, IDLE_MS] = [30 * DAY_MS, 14 * DAY_MS];
const AGENTS = {
  desktop: 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  mobile:
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1',
  other: 'curl/8.15.0',
} as const;

interface Bucket {
  readonly start: string;
  readonly active: number;
  readonly peak: number;
  readonly started: number;
  readonly refreshed: number;
  readonly ended: number;
}
interface Report extends Omit<Bucket, 'start'> {
  readonly reuseDetections: number;
  readonly endedByReason: readonly { readonly reason: string; readonly count: number }[];
  readonly byDevice: readonly { readonly device: string; readonly count: number }[];
  readonly byProtocol: readonly { readonly protocol: string; readonly count: number }[];
  readonly lengths: { readonly p50Seconds: number; readonly p95Seconds: number } | null;
  readonly buckets: readonly Bucket[];
  readonly completeUntil: string;
}
interface Range {
  readonly from: string;
  readonly to: string;
  readonly bucket?: 'hour' | 'day';
  readonly timeZone?: string;
}
interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly session: { readonly id: string; readonly createdAt: string };
}

const ANALYTICS = `query ($range: AnalyticsRange!) {
  sessionAnalytics(range: $range) {
    active peak started refreshed ended reuseDetections
    endedByReason { reason count }
    byDevice { device count }
    byProtocol { protocol count }
    lengths { p50Seconds p95Seconds }
    buckets { start active peak started refreshed ended }
    completeUntil
  }
}`;
const SIGN_IN = `mutation ($input: SignInInput!) {
  signIn(input: $input) { ... on SignedIn { accessToken refreshToken session { id createdAt } } }
}`;
const REFRESH = 'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken refreshToken } }';
const REVOKE = 'mutation ($id: ID!) { revokeSession(id: $id) { session { revokedAt } } }';
const DISABLE = 'mutation ($id: ID!) { disableUser(id: $id) { user { id } } }';

let castellans: Castellans;
let clock: TestClock;
let alice: SignedInUser;

beforeAll(async () => {
  clock = createTestClock();
  // Recounts need the sessions that are counted.
  castellans = await startCastellans(2, { clock, settings: { endedSessionSeconds: 10 * 365 * 86_400 } });
  // For what tests say of the past.
  await castellans.rows(`insert into session_levels (start, live, peak) values ('2000-01-01', 0, 0)`);
  alice = await castellans.signUp('alice', ['administrator']);
});

afterAll(() => castellans.close());

/** Each test begins in a quarter of an hour of its own. */
beforeEach(async () => {
  clock.advance(QUARTER_MS - (clock.now() % QUARTER_MS));
  alice = { ...alice, ...(await castellans.signIn(alice.email)) };
});

const endThoseThatHave = () => Promise.all(castellans.apps.map(({ services }) => services.sessionEnder.end()));

const ask = (range: Range, { by = alice, instance = 0 } = {}) =>
  castellans.ask<{ sessionAnalytics: Report }>(ANALYTICS, { variables: { range }, token: by.accessToken, instance });

async function report(range: Range, instance = 0): Promise<Report> {
  const { data, errors } = await ask(range, { instance });
  if (data === null) throw new Error(`it was refused: ${JSON.stringify(errors)}`);
  return data.sessionAnalytics;
}

/** From the quarter in which that was until the end of the one that is. */
function since(ms: number): Range {
  const from = toInstant(Math.floor(ms / QUARTER_MS) * QUARTER_MS);
  return { from, to: toInstant(Math.floor(clock.now() / QUARTER_MS + 1) * QUARTER_MS) };
}

async function signIn(email: string, agent: keyof typeof AGENTS, instance: number): Promise<Tokens> {
  const { data, errors } = await castellans.ask<{ signIn: Tokens }>(SIGN_IN, {
    variables: { input: { email, password: PASSWORD } },
    headers: { 'user-agent': AGENTS[agent] },
    instance,
  });
  if (data === null) throw new Error(`nobody could sign in: ${JSON.stringify(errors)}`);
  return data.signIn;
}

const refresh = async (token: string, instance: number) =>
  castellans.ask<{ refreshSession: Tokens }>(REFRESH, { variables: { token }, instance });

/** A generator of numbers below `n`, the same for the same seed. */
function numbers(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

interface Known {
  readonly id: string;
  readonly userId: string;
  readonly email: string;
  readonly agent: keyof typeof AGENTS;
  readonly createdMs: number;
  tokens: readonly string[];
  usedMs: number;
  ended: { readonly atMs: number; readonly reason: string } | null;
}

/** What happened, as whoever did it remembers. */
class Story {
  readonly sessions: Known[] = [];
  readonly refreshes: number[] = [];

  get open(): readonly Known[] {
    return this.sessions.filter(({ ended }) => ended === null);
  }

  /** Those whose time has come. */
  endThoseThatHave(now: number): void {
    for (const session of this.open) {
      const [overMs, idleMs] = [session.createdMs + LIFE_MS, session.usedMs + IDLE_MS];
      if (idleMs <= overMs && idleMs + 5_000 < now) session.ended = { atMs: idleMs, reason: 'idle' };
      else if (overMs <= now) session.ended = { atMs: overMs, reason: 'expired' };
    }
  }
}

const tally = (words: readonly string[]): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
};

/** The length that so many per cent do not exceed. */
function exactly(lengths: readonly number[], percent: number): number {
  const ordered = lengths.toSorted((a, b) => a - b);
  return ordered[Math.max(1, Math.ceil((ordered.length * percent) / 100)) - 1] ?? NaN;
}

jest.setTimeout(60_000);

describe('what happened to sessions', () => {
  test.each([1, 7])('is what a recount of everything comes to, over two instances (seed %i)', async (seed) => {
    const random = numbers(seed);
    const story = new Story();
    const people = await Promise.all(['bob', 'carol', 'dave'].map((name) => castellans.signUp(name)));
    clock.advance(QUARTER_MS - (clock.now() % QUARTER_MS) + 1_000);
    const administrator = await castellans.signIn(alice.email);
    alice = { ...alice, ...administrator };
    // What was live before, and those of the people themselves, is left out of the comparison.
    const before = (await report(since(clock.now()))).active;
    clock.advance(QUARTER_MS);
    const startedMs = clock.now();
    const at = () => random(2);
    let admin = administrator;
    const timeOf = async (column: 'revoked_at' | 'rotated_at', id: string) => {
      const text = `select (extract(epoch from ${column}) * 1000)::float8 as ms from sessions where id = $1`;
      return (await castellans.rows<{ ms: number }>(text, id))[0]?.ms ?? NaN;
    };
    const signInSomebody = async () => {
      const { id: userId, email } = people[random(people.length)] ?? alice;
      const agent = (['desktop', 'mobile', 'other'] as const)[random(3)] ?? 'other';
      const { session, refreshToken } = await signIn(email, agent, at());
      const createdMs = Date.parse(session.createdAt);
      story.sessions.push({
        id: session.id,
        userId,
        email,
        agent,
        createdMs,
        tokens: [refreshToken],
        usedMs: createdMs,
        ended: null,
      });
    };
    const pick = () => story.open[random(story.open.length)];

    for (let step = 0; step < 45; step += 1) {
      const session = pick();
      const what = random(8);
      if (session === undefined || what <= 1) await signInSomebody();
      else if (what <= 3) {
        const { data } = await refresh(session.tokens.at(-1) ?? '', at());
        session.usedMs = await timeOf('rotated_at', session.id);
        story.refreshes.push(session.usedMs);
        session.tokens = [...session.tokens, data?.refreshSession.refreshToken ?? ''];
      } else if (what === 4) {
        await castellans.ask(REVOKE, { variables: { id: session.id }, token: admin.accessToken, instance: at() });
        session.ended = { atMs: await timeOf('revoked_at', session.id), reason: 'revoked' };
      } else if (what === 5 && session.tokens.length > 1) {
        clock.advance(11_000);
        expect(codesOf(await refresh(session.tokens[0] ?? '', at()))).toEqual(['SESSION_REVOKED']);
        session.ended = { atMs: await timeOf('revoked_at', session.id), reason: 'refresh_reuse' };
      } else {
        clock.advance([7 * MINUTE_MS, 40 * MINUTE_MS, 5 * DAY_MS, 9 * DAY_MS][random(4)] ?? 0);
        await endThoseThatHave();
        story.endThoseThatHave(clock.now());
        admin = await castellans.signIn(alice.email);
        await castellans.ask(REVOKE, { variables: { id: admin.sessionId }, token: admin.accessToken });
        admin = await castellans.signIn(alice.email);
      }
    }
    await Promise.all(castellans.apps.map(({ services }) => services.drainer.drain()));
    alice = { ...alice, ...admin };

    const range = { ...since(startedMs), bucket: 'day' as const };
    const [told, again] = [await report(range), await report(range, 1)];
    expect({ ...again, completeUntil: '' }).toEqual({ ...told, completeUntil: '' });

    // The administrator's own are known by their user.
    const [own] = await castellans.rows<{ started: number; revoked: number; idle: number; expired: number }>(
      `select count(*) filter (where created_at >= $2)::int as started,
         count(*) filter (where ended_reason = 'revoked' and ended_at >= $2)::int as revoked,
         count(*) filter (where ended_reason = 'idle' and ended_at >= $2)::int as idle,
         count(*) filter (where ended_reason = 'expired' and ended_at >= $2)::int as expired
       from sessions where user_id = $1 or user_id = any($3) and created_at < $2`,
      alice.id,
      range.from,
      people.map(({ id }) => id),
    );
    const ended = story.sessions.flatMap((session) => (session.ended === null ? [] : [session.ended]));
    const reasons = new Map(told.endedByReason.map(({ reason, count }) => [reason, count]));
    const recount = tally(ended.map(({ reason }) => reason));
    for (const reason of ['revoked', 'idle', 'expired', 'refresh_reuse'] as const) {
      const others = reason === 'refresh_reuse' ? 0 : (own?.[reason] ?? 0);
      const left = await leftBefore(reason, range.from, people);
      expect([reason, (reasons.get(reason) ?? 0) - others - left]).toEqual([reason, recount.get(reason) ?? 0]);
    }
    expect(told.started - (own?.started ?? 0)).toBe(story.sessions.length);
    expect(told.refreshed).toBe(story.refreshes.length);
    expect(told.reuseDetections).toBe(recount.get('refresh_reuse') ?? 0);
    const devices = new Map(told.byDevice.map(({ device, count }) => [device, count]));
    for (const [agent, count] of tally(story.sessions.map((session) => session.agent))) {
      // Tests ask with an agent of Node's.
      const others = agent === 'other' ? (own?.started ?? 0) : 0;
      expect([agent, (devices.get(agent) ?? 0) - others]).toEqual([agent, count]);
    }
    const rows = await castellans.rows<{ from: number; to: number | null }>(
      `select (extract(epoch from created_at) * 1000)::float8 as "from",
         (extract(epoch from ended_at) * 1000)::float8 as "to" from sessions`,
    );
    const lives = rows.map(({ from, to }) => ({ from, to: to ?? Infinity }));
    const lengths = lives
      .filter(({ to }) => to >= Date.parse(range.from) && to < Infinity)
      .map(({ from, to }) => (to - from) / 1_000);
    for (const [percent, found] of [
      [50, told.lengths?.p50Seconds],
      [95, told.lengths?.p95Seconds],
    ] as const) {
      const exact = exactly(lengths, percent);
      expect(Math.abs((found ?? NaN) - exact) / exact).toBeLessThanOrEqual(0.05);
    }
    for (const [n, bucket] of told.buckets.entries()) {
      const from = Math.max(Date.parse(bucket.start), Date.parse(range.from));
      const to = Date.parse(told.buckets[n + 1]?.start ?? range.to);
      const within = (ms: number) => ms >= from && ms < to;
      expect(bucket).toMatchObject({
        active: lives.filter((life) => life.from < to && life.to >= to).length,
        started: lives.filter((life) => within(life.from)).length,
        ended: lives.filter((life) => within(life.to)).length,
        refreshed: story.refreshes.filter(within).length,
      });
      expect(bucket.peak).toBeGreaterThanOrEqual(bucket.active);
    }
    expect(told.active).toBe(told.buckets.at(-1)?.active);
    expect(told.peak).toBe(Math.max(...told.buckets.map(({ peak }) => peak)));
    expect(before).toBeGreaterThan(0);
  });

  /** Sessions of others than these that ended for it meanwhile: what earlier tests left behind. */
  async function leftBefore(reason: string, from: string, people: readonly SignedInUser[]): Promise<number> {
    const [row] = await castellans.rows<{ count: number }>(
      `select count(*)::int as count from sessions
       where ended_reason = $1 and ended_at >= $2 and user_id <> $3 and user_id <> all($4)`,
      reason,
      from,
      alice.id,
      people.map(({ id }) => id),
    );
    return row?.count ?? 0;
  }

  test('is counted once, whichever instances notice it and count it at once', async () => {
    const bob = await castellans.signUp('bob');
    const from = clock.now();
    await Promise.all(INSTANCES.map((instance) => refresh(bob.refreshToken, instance)));
    clock.advance(31 * DAY_MS);
    alice = { ...alice, ...(await castellans.signIn(alice.email, 1)) };
    await Promise.all([endThoseThatHave(), endThoseThatHave()]);
    await Promise.all(castellans.apps.map(({ services }) => services.drainer.drain()));
    const { refreshed, endedByReason } = await report({ ...since(from), bucket: 'day' }, 1);
    expect(refreshed).toBe(1);
    const [ended] = await castellans.rows<{ count: number }>(
      `select count(*)::int as count from sessions where ended_reason = 'idle' and ended_at >= $1`,
      since(from).from,
    );
    expect(endedByReason.find(({ reason }) => reason === 'idle')?.count).toBe(ended?.count);
  });

  test('tells how sessions that ended were used, and that those of a disabled user ended with it', async () => {
    const bob = await castellans.signUp('bob');
    const from = clock.now();
    await castellans.ask('{ me { id } }', { token: bob.accessToken });
    await askOver(castellans.connect({ token: bob.accessToken, instance: 1 }), '{ me { id } }');
    await Promise.all(castellans.apps.map(({ services }) => services.activity.flush()));
    await castellans.signIn(bob.email);
    await castellans.ask(DISABLE, { variables: { id: bob.id }, token: alice.accessToken });
    const { byProtocol, endedByReason } = await report(since(from));
    expect(byProtocol).toEqual([
      { protocol: 'http', count: 1 },
      { protocol: 'websocket', count: 1 },
    ]);
    expect(endedByReason).toEqual([{ reason: 'user_disabled', count: 2 }]);
  });

  test('is not lost with an instance that told nobody before it died', async () => {
    const from = clock.now();
    const { started } = await report(since(from));
    const [, second] = castellans.apps;
    await second?.services.drainer.rounds.stop();
    await castellans.signIn(alice.email, 1);
    // From here on it reaches nothing, as if it were not there any more.
    await second?.database.pool.end();
    await second?.close();
    expect((await report(since(from))).started).toBe(started + 1);
  });
});

describe('hours and days are those of the time zone', () => {
  test('of a day of 23 hours in Berlin, with the empty ones', async () => {
    const [from, to] = ['2024-03-30T23:00:00.000Z', '2024-03-31T22:00:00.000Z'];
    // One that lives from half past midnight to half past three, across the hour that there is not.
    await castellans.rows(
      `insert into sessions (id, user_id, created_at, expires_at, refresh_hash)
       values ('sess_of_spring', $1, '2024-03-30T23:30:00Z', '2099-01-01', 'h')`,
      alice.id,
    );
    await castellans.rows(
      `update sessions set revoked_at = '2024-03-31T01:30:00Z', revoked_reason = 'revoked' where id = 'sess_of_spring'`,
    );
    const { buckets, active, peak, lengths } = await report({ from, to, timeZone: 'Europe/Berlin' });
    const none = { refreshed: 0, started: 0, ended: 0, active: 0, peak: 0 };
    const hours = Array.from({ length: 23 }, (_, n) => ({
      ...none,
      start: toInstant(Date.parse(from) + n * 4 * QUARTER_MS),
      ...(n === 0 && { started: 1, active: 1, peak: 1 }),
      ...(n === 1 && { active: 1, peak: 1 }),
      ...(n === 2 && { ended: 1, peak: 1 }),
    }));
    expect(buckets).toEqual(hours);
    expect([active, peak]).toEqual([0, 1]);
    expect(Math.abs((lengths?.p50Seconds ?? 0) / 7_200 - 1)).toBeLessThanOrEqual(0.05);
    const day = await report({ from, to, timeZone: 'Europe/Berlin', bucket: 'day' });
    expect(day.buckets).toEqual([{ ...none, start: from, started: 1, ended: 1, peak: 1 }]);
  });

  test('of a range in which nothing happened', async () => {
    const { buckets, lengths, endedByReason } = await report({
      from: '2010-01-01T00:00:00Z',
      to: '2010-01-01T03:00:00Z',
    });
    expect(buckets.map(({ start, active }) => [start, active])).toEqual([
      ['2010-01-01T00:00:00.000Z', 0],
      ['2010-01-01T01:00:00.000Z', 0],
      ['2010-01-01T02:00:00.000Z', 0],
    ]);
    expect([lengths, endedByReason]).toEqual([null, []]);
  });
});

describe('it is refused', () => {
  test('to whoever may not read analytics, and for ranges that are none', async () => {
    const bob = await castellans.signUp('bob');
    const range = since(clock.now());
    expect(codesOf(await ask(range, { by: bob }))).toEqual(['FORBIDDEN']);
    expect(codesOf(await castellans.ask(ANALYTICS, { variables: { range } }))).toEqual(['UNAUTHENTICATED']);
    expect(codesOf(await ask({ ...range, to: range.from }))).toEqual(['BAD_USER_INPUT']);
    const auditor = await castellans.signUp('ann', ['auditor']);
    expect(codesOf(await ask(range, { by: auditor }))).toEqual([]);
  });
});

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  askOver,
  codesOf,
  collect,
  createTestClock,
  recordStatements,
  startCastellans,
  until,
  type Castellans,
  type SignedInUser,
  type TestClock,
} from '../support/castellan.ts';

const ME = '{ me { id } }';
const SESSION = 'query ($id: ID!) { session(id: $id) { lastSeenAt protocols } }';
const REFRESH = 'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken refreshToken } }';
const DAY_MS = 24 * 3_600_000;

let castellans: Castellans;
let clock: TestClock;

beforeAll(async () => {
  clock = createTestClock();
  castellans = await startCastellans(3, { clock });
});

afterAll(() => castellans.close());

type Seen = { readonly session: { readonly lastSeenAt: string | null; readonly protocols: readonly string[] } | null };

const flush = () => Promise.all(castellans.apps.map(({ services }) => services.activity.flush()));

async function seen({ accessToken, sessionId }: SignedInUser, instance = 0): Promise<Seen['session'] | undefined> {
  const { data } = await castellans.ask<Seen>(SESSION, { variables: { id: sessionId }, token: accessToken, instance });
  return data?.session;
}

/** Sends bob's refresh token on, whatever it costs the time. */
const refresh = (token: string, instance = 0) =>
  castellans.ask<{ refreshSession: { accessToken: string; refreshToken: string } }>(REFRESH, {
    variables: { token },
    instance,
  });

describe('when a session was last used', () => {
  test('is known on every instance within seconds, with how, and no request waits for it', async () => {
    const bob = await castellans.signUp('bob');
    await castellans.ask(ME, { token: bob.accessToken });
    const recording = recordStatements(castellans.apps);
    const before = clock.now();
    await castellans.ask(ME, { token: bob.accessToken });
    expect(recording.names.filter((name) => name !== 'a transaction')).toEqual([]);
    recording.stop();
    await askOver(castellans.connect({ token: bob.accessToken, instance: 2 }), ME);
    await flush();
    for (const instance of [0, 1, 2]) {
      const { lastSeenAt, protocols } = (await seen(bob, instance)) ?? {};
      expect(Date.parse(lastSeenAt ?? '')).toBeGreaterThanOrEqual(before);
      expect(protocols).toEqual(['http', 'websocket']);
    }
  });

  test('never goes back, whichever instance writes last', async () => {
    const bob = await castellans.signUp('bob');
    await castellans.ask(ME, { token: bob.accessToken, instance: 0 });
    clock.advance(10_000);
    await castellans.ask(ME, { token: bob.accessToken, instance: 1 });
    const late = clock.now() - 5_000;
    await castellans.apps[1]?.services.activity.flush();
    await castellans.apps[0]?.services.activity.flush();
    expect(Date.parse((await seen(bob))?.lastSeenAt ?? '')).toBeGreaterThan(late);
  });

  test('is written when an instance stops, and kept while the database cannot be written to', async () => {
    const bob = await castellans.signUp('bob');
    await castellans.ask(ME, { token: bob.accessToken });
    await castellans.rows('alter table session_activity rename to away');
    const { activity } = castellans.apps[0]?.services ?? {};
    await activity?.flush();
    expect(activity?.pending).toBeGreaterThan(0);
    await castellans.rows('alter table away rename to session_activity');
    await activity?.rounds.stop();
    expect((await seen(bob))?.lastSeenAt).not.toBeNull();
  });

  test('is no later for a subscription that only listens', async () => {
    const bob = await castellans.signUp('bob');
    const client = castellans.connect({ token: bob.accessToken, instance: 1 });
    const subscription = collect(client, 'subscription { sessionEvents { __typename } }');
    const event = subscription.next();
    const noted = async () => {
      await flush();
      return castellans.rows(
        'select last_seen_at as at, protocols from session_activity where session_id = $1',
        bob.sessionId,
      );
    };
    await until(async () => (await noted()).length === 1);
    // Opening it has its time, and that is over by then.
    await until(() => castellans.apps[1]?.services.eventFeeds.subscribers === 1);
    const first = await noted();
    clock.advance(20_000);
    expect(await noted()).toEqual(first);
    await subscription.stop();
    await event.catch(() => null);
  });
});

describe('an idle session', () => {
  test('ends after two weeks, and not while it is used', async () => {
    const [bob, carol] = [await castellans.signUp('bob'), await castellans.signUp('carol')];
    let used = carol.refreshToken;
    for (let day = 0; day < 3; day += 1) {
      clock.advance(5 * DAY_MS);
      const { data } = await refresh(used, day);
      used = data?.refreshSession.refreshToken ?? '';
      expect(used).not.toBe('');
    }
    expect(codesOf(await refresh(bob.refreshToken))).toEqual(['TOKEN_EXPIRED']);
    expect(codesOf(await refresh(used, 1))).toEqual([]);
  });

  test('is told from one whose use another instance has written down a moment ago', async () => {
    const bob = await castellans.signUp('bob');
    clock.advance(14 * DAY_MS - 60_000);
    await castellans.rows(
      `insert into session_activity values ($1, $2, '{http}')
       on conflict (session_id) do update set last_seen_at = excluded.last_seen_at`,
      bob.sessionId,
      new Date(clock.now()).toISOString(),
    );
    clock.advance(DAY_MS);
    expect(codesOf(await refresh(bob.refreshToken, 2))).toEqual([]);
  });
});

describe('a session with a second factor', () => {
  test('ends after an hour without use', async () => {
    const bob = await castellans.signUp('bob');
    await castellans.rows('update sessions set aal = 2 where id = $1', bob.sessionId);
    clock.advance(50 * 60_000);
    const { data } = await refresh(bob.refreshToken, 1);
    const token = data?.refreshSession.refreshToken ?? '';
    expect(token).not.toBe('');
    clock.advance(61 * 60_000);
    expect(codesOf(await refresh(token, 2))).toEqual(['TOKEN_EXPIRED']);
  });
});

describe('cleaning', () => {
  test('removes what ended long ago on one of several instances, and touches nothing live', async () => {
    const bob = await castellans.signUp('bob');
    const prefix = `sess_${randomBytes(4).toString('hex')}`;
    await castellans.rows(
      `insert into sessions (id, user_id, created_at, expires_at, refresh_hash)
       select $1 || n, $2, now(), $3::timestamptz - n * interval '1 second', 'h' from generate_series(1, 1300) as n`,
      prefix,
      bob.id,
      new Date(clock.now() - 31 * DAY_MS).toISOString(),
    );
    await castellans.rows(
      `insert into session_activity select id, now(), '{http}' from sessions where starts_with(id, $1)`,
      prefix,
    );
    const recent = `${prefix}recent`;
    await castellans.rows(
      `insert into sessions (id, user_id, created_at, expires_at, refresh_hash) values ($1, $2, now(), $3, 'h')`,
      recent,
      bob.id,
      new Date(clock.now() - DAY_MS).toISOString(),
    );
    const before = castellans.apps.map(({ services }) => services.cleaner.removed.sessions);
    while (true) {
      await Promise.all(castellans.apps.map(({ services }) => services.cleaner.clean()));
      const [left] = await castellans.rows<{ count: number }>(
        `select count(*)::int as count from sessions where starts_with(id, $1)`,
        prefix,
      );
      if (left?.count === 1) break;
    }
    const removed = castellans.apps.map(({ services }, at) => services.cleaner.removed.sessions - (before[at] ?? 0));
    expect(removed.reduce((sum, each) => sum + each, 0)).toBeGreaterThanOrEqual(1_300);
    expect(await castellans.rows('select id from sessions where starts_with(id, $1)', prefix)).toEqual([
      { id: recent },
    ]);
    expect(
      await castellans.rows('select session_id from session_activity where starts_with(session_id, $1)', prefix),
    ).toEqual([]);
    expect(codesOf(await refresh((await castellans.signIn(bob.email)).refreshToken))).toEqual([]);
  });

  test('finds what to remove by an index', async () => {
    const client = await castellans.apps[0]?.database.pool.connect();
    const plan = async (text: string) => {
      const { rows } = (await client?.query<{ 'QUERY PLAN': string }>(`explain ${text}`)) ?? { rows: [] };
      return rows.map((row) => row['QUERY PLAN']).join('\n');
    };
    // Of a few rows none is worth an index.
    await client?.query('set enable_seqscan = off');
    expect(await plan(`select id from sessions where expires_at < now() order by expires_at, id limit 500`)).toContain(
      'sessions_expires_at_index',
    );
    expect(
      await plan(`select id from authority_log where at < now() and seq is not null order by at limit 500`),
    ).toContain('authority_log_at_index');
    client?.release(true);
  });
});

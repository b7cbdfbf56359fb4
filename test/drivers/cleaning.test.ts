import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { REMOVALS } from '../../src/drivers/postgres/cleaning.ts';
import { type Castellans, createTestClock, startCastellans } from '../support/castellan.ts';

/** `npm run test:deep` takes a million. */
const SESSIONS = Number(process.env['CLEANING_SESSIONS'] ?? 20_000);
const EXPIRED = SESSIONS / 10;
const FILL_MS = 600_000;
const DAY_MS = 24 * 3_600_000;

let castellans: Castellans;
let client: Client;
const clock = createTestClock();

beforeAll(async () => {
  castellans = await startCastellans(3, { clock });
  const url = castellans.databaseUrl;
  // The pools of the instances give a statement a few seconds.
  client = new Client({ connectionString: url });
  await client.connect();
}, 60_000);

afterAll(async () => {
  await client?.end();
  await castellans?.close();
}, 60_000);

const at = (ms: number): string => new Date(clock.now() + ms).toISOString();

async function clean(): Promise<void> {
  await Promise.all(castellans.apps.map(({ services }) => services.cleaner.clean()));
}

/** Those who clean at the same time leave each other something. */
async function cleanAlone(): Promise<void> {
  await castellans.apps[0]?.services.cleaner.clean();
}

async function rows<Row>(text: string, ...values: readonly unknown[]): Promise<readonly Row[]> {
  return (await client.query(text, [...values])).rows as Row[]; // the statement names its columns
}

/** One in ten ended so long ago that it is to be removed; the others are live, or ended lately. */
async function fill(): Promise<void> {
  const { id } = await castellans.signUp('bob');
  await client.query(
    `insert into sessions (id, user_id, created_at, expires_at, refresh_hash)
     select 'sess_' || n, $1, now(), case n % 10
       when 0 then $2::timestamptz - n * interval '1 second'
       when 1 then $3::timestamptz + n * interval '1 second'
       else $4::timestamptz + n * interval '1 second' end, md5(n::text)
     from generate_series(1, ${SESSIONS}) n`,
    [id, at(-31 * DAY_MS), at(-29 * DAY_MS), at(DAY_MS)],
  );
  await client.query(
    `insert into session_activity select id, now(), '{http}' from sessions where starts_with(id, 'sess_')`,
  );
  await client.query('vacuum analyze sessions, session_activity');
}

/** What there is of sessions that are not to be removed, in one number. */
async function checksum(): Promise<object | undefined> {
  const [sums] = await rows<object>(
    `select count(*)::int as count, sum(hashtextextended(s::text, 0)) as sessions, sum(hashtextextended(a::text, 0)) as use
     from sessions s left join session_activity a on a.session_id = s.id where s.expires_at >= $1`,
    at(-30 * DAY_MS),
  );
  return sums;
}

async function planOf(what: keyof typeof REMOVALS): Promise<string> {
  const plan = await rows<{ 'QUERY PLAN': string }>(`explain ${REMOVALS[what]}`, at(-30 * DAY_MS), 500);
  return plan.map((line) => line['QUERY PLAN']).join('\n');
}

test(
  `of ${SESSIONS} sessions three instances remove what ended long ago, and touch no other`,
  async () => {
    await fill();
    const before = await checksum();
    expect(await planOf('sessions')).toContain('sessions_expires_at_index');
    expect(await planOf('sessions')).not.toContain('Seq Scan');

    const startedAtMs = performance.now();
    const left = async () => {
      const [row] = await rows<{ count: number }>(
        'select count(*)::int as count from sessions where expires_at < $1',
        at(-30 * DAY_MS),
      );
      return row?.count ?? NaN;
    };
    let wasBehind = false;
    while ((await left()) > 0) {
      await clean();
      wasBehind ||= castellans.apps.some(({ services }) => services.cleaner.behind);
    }
    const removed = castellans.apps.map(({ services }) => services.cleaner.removed.sessions);
    const seconds = ((performance.now() - startedAtMs) / 1_000).toFixed(1);
    process.stdout.write(`cleaning: ${removed.join(' + ')} of ${SESSIONS} sessions removed in ${seconds} s\n`);

    expect(removed.reduce((sum, each) => sum + each, 0)).toBe(EXPIRED);
    expect(await checksum()).toEqual(before);
    const orphans = `select count(*)::int as count from session_activity a
      where not exists (select from sessions s where s.id = a.session_id)`;
    expect(await rows(orphans)).toEqual([{ count: 0 }]);
    expect(await planOf('sessions')).not.toContain('Seq Scan');
    if (EXPIRED > 60_000) expect(wasBehind).toBe(true);
    await clean();
    expect(Math.max(...castellans.apps.map(({ services }) => services.cleaner.overdueSeconds))).toBe(0);
  },
  FILL_MS,
);

test('what cleaning has left says for how long it should have been gone', async () => {
  const { cleaner } = castellans.apps[0]?.services ?? {};
  await rows(
    `insert into sessions (id, user_id, created_at, expires_at, refresh_hash)
     select 'sess_held', user_id, created_at, $1, 'h' from sessions limit 1`,
    at(-31 * DAY_MS),
  );
  await client.query('begin');
  // Whoever holds it is not waited for.
  await client.query(`select from sessions where id = 'sess_held' for update`);
  await cleaner?.clean();
  expect(cleaner?.overdueSeconds).toBeGreaterThan(86_000);
  await client.query('rollback');
  await cleaner?.clean();
  expect(cleaner?.overdueSeconds).toBe(0);
});

test('a challenge is removed when it has expired, used or not, and not before', async () => {
  const { id } = await castellans.signUp('carol');
  const add = (name: string, expires: string) =>
    rows(`insert into challenges (id, user_id, created_at, expires_at) values ($1, $2, now(), $3)`, name, id, expires);
  await add('challenge_old', at(-2 * 3_600_000));
  await add('challenge_used', at(-2 * 3_600_000));
  await rows(`update challenges set used_at = now() where id = 'challenge_used'`);
  await add('challenge_new', at(60_000));
  await cleanAlone();
  expect(await rows('select id from challenges')).toEqual([{ id: 'challenge_new' }]);
});

test('a signing key is removed a month after its last token ended, but not one that signs, was revoked or was just replaced', async () => {
  const add = (kid: string, ms: number, revoked = false) =>
    rows(
      `insert into signing_keys (kid, public_jwk, sealed_private_jwk, created_at, signs_from, revoked_at)
       select $1, public_jwk, sealed_private_jwk, created_at, $2, case when $3 then $2::timestamptz end
       from signing_keys limit 1`,
      kid,
      at(ms),
      revoked,
    );
  const [first] = await rows<{ kid: string }>('select kid from signing_keys');
  await add('kid_oldest', -90 * DAY_MS);
  await add('kid_revoked', -80 * DAY_MS, true);
  await add('kid_replaced', -40 * DAY_MS);
  await cleanAlone();
  const left = await rows<{ kid: string }>('select kid from signing_keys order by signs_from');
  expect(left.map(({ kid }) => kid)).toEqual(['kid_revoked', 'kid_replaced', first?.kid]);
});

test('security events go after 400 days', async () => {
  await client.query(
    `insert into security_events (id, at, kind, severity, user_id, session_id, facts, once)
     values ('sec_old', $1, 'a', 'warning', 'u', 's', '{}', 'old'), ('sec_kept', $2, 'a', 'warning', 'u', 's', '{}', 'kept')`,
    [at(-401 * DAY_MS), at(-399 * DAY_MS)],
  );
  await cleanAlone();
  expect(await rows(`select id from security_events`)).toEqual([{ id: 'sec_kept' }]);
});

test('sign-ins go after 90 days, those that were nobody’s after an hour, and counts of users after 400 days', async () => {
  const ids = { old: 'signin_old', kept: 'signin_kept', nobodys: 'signin_nobodys', fresh: 'signin_fresh' };
  await client.query(
    `insert into sign_ins (id, user_id, at, outcome, device_kind)
     select id, user_id, at::timestamptz, 'wrong_password', 'other'
     from unnest($1::text[], $2::text[], $3::text[]) as t (id, user_id, at)`,
    [
      Object.values(ids),
      ['user_a', 'user_a', null, null],
      [at(-91 * DAY_MS), at(-89 * DAY_MS), at(-DAY_MS / 12), at(0)],
    ],
  );
  await client.query(
    `insert into user_activity (user_id, start, what, count) values ('user_a', $1, 'failed', 1), ('user_a', $2, 'failed', 1)`,
    [at(-401 * DAY_MS), at(-399 * DAY_MS)],
  );
  await cleanAlone();
  const left = await rows<{ id: string }>('select id from sign_ins where id = any($1) order by id', Object.values(ids));
  expect(left.map(({ id }) => id)).toEqual([ids.fresh, ids.kept]);
  expect(await rows(`select from user_activity where user_id = 'user_a'`)).toHaveLength(1);
});

test('where a user was goes when they could be anywhere else', async () => {
  await client.query(
    `insert into user_sightings (user_id, session_id, latitude, longitude, radius_km, at)
     values ('user_old', 's', 1, 2, 3, $1), ('user_kept', 's', 1, 2, 3, $2)`,
    [at(-20.1 * 3_600_000), at(-19.9 * 3_600_000)],
  );
  await cleanAlone();
  expect(await rows('select user_id from user_sightings')).toEqual([{ user_id: 'user_kept' }]);
});

test('where API keys were used from goes before the keys that ended long ago, however much it is, and no other', async () => {
  const [{ id: owner } = { id: '' }] = await rows<{ id: string }>('select id from users limit 1');
  const ends = { key_revoked: -31 * DAY_MS, key_expired: -31 * DAY_MS, key_lately: -29 * DAY_MS, key_live: null };
  for (const [key, ms] of Object.entries(ends)) {
    await rows(
      `insert into api_keys (id, owner_id, environment, name, address_ranges, allowed_origins, read_only, created_at,
         created_by, expires_at, revoked_at)
       values ($1, $2, 'dev', 'robot', '{}', '{}', false, now(), $2, $3, $4)`,
      key,
      owner,
      key === 'key_expired' && ms !== null ? at(ms) : null,
      key !== 'key_expired' && ms !== null ? at(ms) : null,
    );
  }
  // One more than a round removes, of the first.
  await rows(
    `insert into api_key_networks select key, 'network ' || n, now()
     from unnest($1::text[]) key, generate_series(1, case key when 'key_revoked' then 20001 else 1100 end) n`,
    Object.keys(ends),
  );
  // So many that nobody would read them all.
  await rows(`insert into api_key_networks select 'other ' || n, 'network', now() from generate_series(1, 20000) n`);
  await client.query('vacuum analyze api_keys, api_key_networks');
  expect(await planOf('keyNetworks')).not.toContain('Seq Scan on api_key_networks');
  await rows(`delete from api_key_networks where starts_with(key_id, 'other')`);
  const { cleaner } = castellans.apps[0]?.services ?? {};
  const before = cleaner?.removed.keyNetworks ?? 0;
  await cleanAlone();
  expect((cleaner?.removed.keyNetworks ?? 0) - before).toBe(20_000);
  expect(cleaner?.behind).toBe(true);
  const idsOf = async (table: string, id: string) =>
    (await rows<{ id: string }>(`select distinct ${id} as id from ${table} order by 1`)).map((row) => row.id);
  // No key goes before what is known of it.
  const [keys, known] = [await idsOf('api_keys', 'id'), await idsOf('api_key_networks', 'key_id')];
  expect(known.filter((key) => !keys.includes(key))).toEqual([]);
  await cleanAlone();
  expect(cleaner?.behind).toBe(false);
  const left = await rows(
    'select key_id, count(*)::int as count from api_key_networks group by key_id order by key_id',
  );
  expect(left).toEqual(['key_lately', 'key_live'].map((key_id) => ({ key_id, count: 1_100 })));
  expect(await rows(`select id from api_keys order by id`)).toEqual([{ id: 'key_lately' }, { id: 'key_live' }]);
});

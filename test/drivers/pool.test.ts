import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { setTimeout as poll } from 'node:timers/promises';
import { Client } from 'pg';
import { type App, createApp } from '../../src/app.ts';
import { createLog } from '../../src/kit/log.ts';
import { type Castellans, codesOf, post, type SignedInUser, startCastellans } from '../support/castellan.ts';
import { INSTANCE_ROLE, runOn } from '../support/database.ts';
import { untilSo } from '../support/until.ts';

const REQUESTS = 1_000;
const POOL_MAX = 10;
/** An operation has five seconds. A thousand that are sent and read by the processor that answers them have more. */
const ANSWERED_MS = 30_000;

let castellans: Castellans;
let alice: SignedInUser;
/** Knows nobody yet. */
let cold: App;

beforeAll(async () => {
  castellans = await startCastellans(1);
  alice = await castellans.signUp('alice', ['administrator', 'member']);
  await castellans.rows(
    `insert into users (id, email, email_folded, name, status, created_at, search)
     select 'user_cold' || n, 'bob' || n || '@example.com', 'bob' || n || '@example.com', 'Bob', 'active', now(), ''
     from generate_series(1, $1) as n`,
    REQUESTS,
  );
  cold = await createApp(castellans.config, { logger: createLog('silent'), poolMax: POOL_MAX });
}, 30_000);

afterAll(async () => {
  await cold?.close();
  await castellans?.close();
});

/** How many connections there are at most, beside those of the other instance, until it is stopped. */
async function watch() {
  const client = new Client({ connectionString: castellans.databaseUrl });
  await client.connect();
  const count = async () => {
    const { rows } = await client.query<{ count: number }>(
      `select count(*)::int as count from pg_stat_activity
       where datname = current_database() and application_name = 'castellan'`,
    );
    return rows[0]?.count ?? 0;
  };
  const load = { on: true };
  let most = 0;
  const watching = (async () => {
    while (load.on) most = Math.max(most, await count());
  })();
  return async () => {
    load.on = false;
    await watching;
    // Those that were opened are open yet.
    most = Math.max(most, await count());
    await client.end();
    return most;
  };
}

const QUERY = `query ($email: String!) {
  me { id } users(first: 1, filter: { email: $email }) { edges { node { id roles { name } } } }
}`;
const ask = (n: number) =>
  post(cold.url, QUERY, { email: `bob${n}@example.com` }, { authorization: `Bearer ${alice.accessToken}` });

test('a thousand requests at once on a cold instance take ten connections, and each is answered or refused in time', async () => {
  // The other one keeps to what it has opened by now.
  await castellans.apps[0]?.close();
  const stop = await watch();
  const answers = await Promise.all(
    Array.from({ length: REQUESTS }, async (_, n) => {
      const startedAtMs = performance.now();
      const answer = await ask(n + 1);
      return { answer, tookMs: performance.now() - startedAtMs };
    }),
  );
  const most = await stop();
  const slowestMs = Math.max(...answers.map(({ tookMs }) => tookMs));

  expect(most).toBeGreaterThan(1);
  expect(most).toBeLessThanOrEqual(POOL_MAX);
  const refused = answers.filter(({ answer }) => answer.errors.length > 0);
  const otherwise = refused.filter(({ answer }) => codesOf(answer).some((code) => code !== 'AUTHORITY_UNAVAILABLE'));
  expect(otherwise.map(({ answer }) => answer.errors)).toEqual([]);
  for (const { answer } of answers.filter(({ answer: { errors } }) => errors.length === 0)) {
    expect(answer.data).toMatchObject({ users: { edges: [{ node: { roles: [] } }] } });
  }
  expect(slowestMs).toBeLessThan(ANSWERED_MS);

  await untilSo('it answers as before', async () => (await ask(1)).errors.length === 0);
  process.stdout.write(
    `pool: ${REQUESTS} requests, ${refused.length} refused, ${most} connections at most, ${Math.round(slowestMs)} ms at most\n`,
  );
}, 60_000);

test('where all wait for too long and more come, some of these are refused at once, and all before them are served', async () => {
  const url = castellans.databaseUrl;
  const refused = async () =>
    Number(/^castellan_database_refused_total (\d+)$/m.exec(await cold.metrics.render())?.[1]);
  const refusedBefore = await refused();
  await runOn(
    url,
    'alter table users rename to users_at_once',
    'create view users as select * from users_at_once where pg_sleep(0.2) is not null',
    `grant select on users to ${INSTANCE_ROLE}`,
  );
  const over = new AbortController();
  const before = Promise.all(Array.from({ length: 50 }, (_, n) => ask(n + 1))).finally(() => over.abort());
  const others: ReturnType<typeof ask>[] = [];
  while (!over.signal.aborted && (await refused()) === refusedBefore) {
    others.push(ask(1));
    await poll(20);
  }
  expect(await refused()).toBeGreaterThan(refusedBefore);
  expect((await before).flatMap(codesOf)).toEqual([]);
  expect((await Promise.all(others)).flatMap(codesOf)).toContain('AUTHORITY_UNAVAILABLE');
  await runOn(url, 'drop view users', 'alter table users_at_once rename to users');
  await untilSo('it answers as before', async () => (await ask(1)).errors.length === 0);
});

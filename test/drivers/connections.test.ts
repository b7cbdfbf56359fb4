import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { Pool } from 'pg';
import {
  boundQueue,
  LATE_MS,
  QUEUE_FULL,
  WAIT_MS,
  WAITING_PER_CONNECTION,
} from '../../src/drivers/postgres/connections.ts';
import { openDatabase, translated } from '../../src/drivers/postgres/database.ts';
import { createLog } from '../../src/kit/log.ts';
import { Secret } from '../../src/kit/secret.ts';
import { Undertaking } from '../../src/kit/undertaking.ts';
import { until } from '../support/castellan.ts';
import { createStillClock } from '../support/still-clock.ts';
import { openTestStore, type TestStore } from '../support/store.ts';

/** Two that work and one in reserve. */
const CONNECTIONS = 3;
const WAITING_MAX = (CONNECTIONS - 1) * WAITING_PER_CONNECTION;

let opened: TestStore;

beforeEach(async () => {
  opened = await openTestStore(CONNECTIONS);
});
afterEach(() => opened?.release());

const BUSY = { code: 'AUTHORITY_UNAVAILABLE', message: expect.stringMatching(/busy, and nothing was done/) };

async function outcome(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => 'done',
    (error: unknown) => translated(error),
  );
}

/** Takes every connection but the one in reserve, and fills the queue for them. */
async function crowd(): Promise<{
  readonly waiting: readonly Promise<unknown>[];
  readonly leave: () => Promise<void>;
}> {
  const { database, rows } = opened;
  await rows('select pg_advisory_lock(4711)');
  const take = (): Promise<unknown> => outcome(database.query('wait', 'select pg_advisory_xact_lock_shared(4711)', []));
  const waiting = Array.from({ length: CONNECTIONS - 1 }, take);
  await opened.untilWaiting(CONNECTIONS - 1);
  waiting.push(...Array.from({ length: WAITING_MAX }, take));
  expect(database.pool).toMatchObject({ totalCount: CONNECTIONS - 1, waitingCount: WAITING_MAX });
  return {
    waiting,
    leave: async () => {
      await rows('select pg_advisory_unlock(4711)');
    },
  };
}

describe('where all connections are taken', () => {
  test('whoever finds too many waiting is refused at once, whatever it wants, and those before it are served', async () => {
    const { database, store } = opened;
    const { waiting, leave } = await crowd();
    const late = await Promise.all([
      outcome(database.query('one', 'select 1', [])),
      outcome(database.read('one', 'select 1', [])),
      outcome(store.transaction((tx) => tx.fence.head())),
      outcome(store.users.find('user_1')),
    ]);
    await leave();
    for (const refused of late) expect(refused).toMatchObject(BUSY);
    expect(database.refused()).toBe(late.length);
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['done']));
    expect(await outcome(database.query('one', 'select 1', []))).toBe('done');
    expect(database.pool).toMatchObject({ totalCount: CONNECTIONS - 1, waitingCount: 0 });
  });

  test('the authority log is polled as ever', async () => {
    const { leave, waiting } = await crowd();
    const request = { instanceId: randomUUID(), epoch: '', applied: 0, limit: 7 };
    expect(await opened.log.poll({ ...request, heartbeat: false })).toMatchObject({ entries: [] });
    expect(await opened.log.poll({ ...request, heartbeat: true })).toMatchObject({ registered: false });
    await leave();
    await Promise.all(waiting);
  });

  test('what nobody waits for any more is ended, and makes room', async () => {
    const undertaking = new Undertaking();
    const { database } = opened;
    await opened.rows('select pg_advisory_lock(4711)');
    const ended = Array.from({ length: CONNECTIONS - 1 }, () =>
      undertaking.run(() => outcome(database.read('wait', 'select pg_advisory_xact_lock_shared(4711)', []))),
    );
    await opened.untilWaiting(CONNECTIONS - 1);
    undertaking.abandon();
    expect(await Promise.all(ended)).toEqual(
      ended.map(() => expect.objectContaining({ code: 'AUTHORITY_UNAVAILABLE' })),
    );
    await opened.rows('select pg_advisory_unlock(4711)');
  });

  test('a connection in reserve that is lost is opened again', async () => {
    const poll = { instanceId: randomUUID(), epoch: '', applied: 0, limit: 7, heartbeat: false };
    await opened.log.poll(poll);
    await opened.rows(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
    );
    const others = `select count(*)::int as n from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`;
    await until(async () => (await opened.rows<{ n: number }>(others))[0]?.n === 0);
    await outcome(opened.log.poll(poll));
    expect(await opened.log.poll(poll)).toMatchObject({ entries: [] });
  });
});

describe('where all who get a connection have waited for too long', () => {
  let pool: Pool;
  const clock = createStillClock();
  beforeEach(() => {
    pool = new Pool({ connectionString: opened.url, max: 1 });
    boundQueue(pool, clock);
  });
  afterEach(() => pool.end());

  const connect = (by = new Undertaking()) => by.run(() => pool.connect());

  /** One has the connection and another waits for it, after those before them were late for long enough. */
  async function late() {
    const underWay = new Undertaking();
    const first = await connect(underWay);
    const [second, third, waiting] = [connect(), connect(), connect()];
    clock.advance(WAIT_MS);
    first.release();
    const next = await second;
    clock.advance(LATE_MS);
    next.release();
    return { underWay, holding: await third, waiting };
  }

  test("what has not begun is refused, and what has goes on, as does what is nobody's", async () => {
    const { underWay, holding, waiting } = await late();
    await expect(connect()).rejects.toThrow(QUEUE_FULL);
    const others = [waiting, connect(underWay), pool.connect()];
    holding.release();
    for (const other of others) (await other).release();
  });

  test('as many may begin as wait for no longer, and all as soon as nobody waits', async () => {
    const { holding, waiting } = await late();
    const begun = [waiting, pool.connect()];
    holding.release();
    const last = await waiting;
    begun.push(connect());
    clock.advance(WAIT_MS);
    await expect(connect()).rejects.toThrow(QUEUE_FULL);
    last.release();
    for (const each of begun.slice(1)) (await each).release();
    const free = [connect(), connect(), connect()];
    clock.advance(WAIT_MS);
    free.push(connect());
    for (const each of free) (await each).release();
  });

  test('a burst is waited for, and so is a server that answers nobody for a while', async () => {
    const first = await connect();
    const waiting = [connect(), connect()];
    clock.advance(20 * LATE_MS);
    waiting.push(connect());
    first.release();
    for (const each of waiting) (await each).release();
  });
});

test('whoever closes has no connection left, which would keep the process alive', async () => {
  const options = { url: new Secret(opened.url), poolMax: 2, preparedStatements: true, logger: createLog('silent') };
  const database = await openDatabase(options);
  await database.query('one', 'select 1', []);
  await database.close();
  expect(database.pool).toMatchObject({ ended: true, totalCount: 0 });
});

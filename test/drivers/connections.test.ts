import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { Pool, type PoolConfig } from 'pg';
import { ConnectionQueue, QUEUE_FULL, WAITING_PER_CONNECTION } from '../../src/drivers/postgres/connection-queue.ts';
import { openDatabase, translated } from '../../src/drivers/postgres/database.ts';
import { LATE_MS, WAIT_MS } from '../../src/drivers/postgres/lateness.ts';
import { createLog } from '../../src/kit/log.ts';
import { Secret } from '../../src/kit/secret.ts';
import { Undertaking } from '../../src/kit/undertaking.ts';
import { until } from '../support/castellan.ts';
import { startOutageProxy } from '../support/outage-proxy.ts';
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
  expect(database.pool).toMatchObject({ totalCount: CONNECTIONS - 1, waitingCount: 0 });
  expect(database.queue.waiting).toBe(WAITING_MAX);
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
    expect(database.queue.refused).toBe(late.length);
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['done']));
    expect(await outcome(database.query('one', 'select 1', []))).toBe('done');
    expect(database.pool).toMatchObject({ totalCount: CONNECTIONS - 1, waitingCount: 0 });
    expect(database.queue.waiting).toBe(0);
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

/** One connection of a pool of its own, on a clock of its own. */
function openQueue(options: PoolConfig = {}) {
  const clock = createStillClock();
  const pool = new Pool({ connectionString: opened.url, max: 1, ...options });
  const queue = new ConnectionQueue(pool, clock);
  const connect = (by: Undertaking | null = new Undertaking()) =>
    by === null ? pool.connect() : by.run(() => pool.connect());
  return { clock, pool, queue, connect, [Symbol.asyncDispose]: () => pool.end() };
}

describe('who waits for a connection', () => {
  test("is served after what has begun and what is nobody's, and with all that one operation asks for; within each, first come first served", async () => {
    await using opening = openQueue();
    const { connect, queue } = opening;
    const [underWay, alices, bobs] = [new Undertaking(), new Undertaking(), new Undertaking()];
    const served: string[] = [];
    const serve = async (name: string, by: Undertaking | null) => {
      const client = await connect(by);
      served.push(name);
      client.release();
    };
    const holding = await connect(underWay);
    const all = [
      serve("alice's", alices),
      serve("bob's", bobs),
      serve("alice's second", alices),
      serve("nobody's", null),
      serve('under way', underWay),
      serve("nobody's second", null),
    ];
    expect(queue.waiting).toBe(all.length);
    holding.release();
    await Promise.all(all);
    expect(served).toEqual(["nobody's", 'under way', "nobody's second", "alice's", "alice's second", "bob's"]);
    expect(queue.waiting).toBe(0);
  });

  test("is not kept for ever: what is nobody's by those who come, nor these by what goes on and on", async () => {
    await using opening = openQueue();
    const { connect } = opening;
    const ended = new AbortController();
    const turns = { background: 0, operations: 0 };
    const goOn = async (count: keyof typeof turns, by: () => Undertaking | null) => {
      while (!ended.signal.aborted) {
        const client = await connect(by());
        turns[count] += 1;
        await new Promise(setImmediate);
        client.release();
        if (turns.background >= 50 && turns.operations >= 50) ended.abort();
      }
    };
    const operations = Array.from({ length: 30 }, () => goOn('operations', () => new Undertaking()));
    await Promise.all([...operations, goOn('background', () => null)]);
    // One after the other, as long as both wait: neither takes what is the other's.
    expect(Math.abs(turns.background - turns.operations)).toBeLessThan(operations.length + 20);
  });

  test('gives up its place when its operation is abandoned, unless others share in what it asked for', async () => {
    await using opening = openQueue();
    const { connect, pool, queue } = opening;
    const undertaking = new Undertaking();
    const holding = await connect();
    const own = undertaking.run(() => queue.abandonable(() => outcome(pool.query('select 1'))));
    const shared = undertaking.run(() => outcome(pool.query('select 1')));
    const others = outcome(pool.query('select 1'));
    expect(queue.waiting).toBe(3);
    undertaking.abandon();
    expect(queue.waiting).toBe(2);
    expect(await own).toMatchObject({ code: 'AUTHORITY_UNAVAILABLE', message: expect.stringMatching(/given up/) });
    holding.release();
    expect(await Promise.all([shared, others])).toEqual(['done', 'done']);
  });

  test('is told so when no connection was free in time, and nobody is served in its place', async () => {
    await using opening = openQueue({ connectionTimeoutMillis: 2_000 });
    const { clock, connect, queue } = opening;
    const holding = await connect();
    const [late, lateToo] = [outcome(connect()), outcome(connect(null))];
    clock.advance(1_999);
    const other = connect();
    clock.advance(1);
    for (const refused of await Promise.all([late, lateToo])) expect(refused).toMatchObject(BUSY);
    expect(queue.waiting).toBe(1);
    holding.release();
    (await other).release();
  });

  test('is told so where there is no server, and served where a connection was lost', async () => {
    await using nowhere = openQueue({ connectionString: 'postgres://127.0.0.1:1/nowhere' });
    const all = Array.from({ length: 5 }, () => outcome(nowhere.connect()));
    for (const refused of await Promise.all(all)) {
      expect(refused).toMatchObject({
        code: 'AUTHORITY_UNAVAILABLE',
        message: expect.stringMatching(/cannot be reached/),
      });
    }
    expect(nowhere.queue.waiting).toBe(0);

    await using opening = openQueue();
    const holding = await opening.connect();
    const waiting = [opening.connect(), opening.connect()];
    holding.release(true);
    for (const each of waiting) (await each).release();
  });
});

describe('where all who get a connection have waited for too long', () => {
  let opening: ReturnType<typeof openQueue>;
  beforeEach(() => {
    opening = openQueue();
  });
  afterEach(() => opening[Symbol.asyncDispose]());

  /** One has the connection and another waits for it, after those before them were late for long enough. */
  async function late() {
    const { clock, connect } = opening;
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
    const { connect } = opening;
    const { underWay, holding, waiting } = await late();
    await expect(connect()).rejects.toThrow(QUEUE_FULL);
    const others = [connect(underWay), connect(null), waiting];
    holding.release();
    for (const other of others) (await other).release();
  });

  test('as many may begin as wait for no longer, and all when nobody was late for a while', async () => {
    const { clock, connect } = opening;
    const { holding, waiting } = await late();
    holding.release();
    const last = await waiting;
    const begun = [connect(), connect()];
    clock.advance(WAIT_MS - 1);
    begun.push(connect());
    clock.advance(1);
    await expect(connect()).rejects.toThrow(QUEUE_FULL);
    last.release();
    for (const each of begun) (await each).release();
    clock.advance(LATE_MS);
    const free = [connect(), connect(), connect()];
    clock.advance(WAIT_MS);
    free.push(connect());
    for (const each of free) (await each).release();
  });

  test('a burst is waited for, and so is a server that answers nobody for a while', async () => {
    const { clock, connect } = opening;
    const first = await connect();
    const waiting = [connect(), connect()];
    clock.advance(20 * LATE_MS);
    waiting.push(connect());
    first.release();
    for (const each of waiting) (await each).release();
  });
});

describe('whoever closes', () => {
  const options = { poolMax: 2, preparedStatements: true, logger: createLog('silent') };

  test('has no connection left, which would keep the process alive', async () => {
    const database = await openDatabase({ ...options, url: new Secret(opened.url) });
    await database.query('one', 'select 1', []);
    await database.close();
    expect(database.pool).toMatchObject({ ended: true, totalCount: 0 });
  });

  test('has none left after five seconds either where the server says nothing any more', async () => {
    const proxy = await startOutageProxy(opened.url);
    const clock = createStillClock();
    const database = await openDatabase({ ...options, url: new Secret(proxy.through(opened.url)), clock });
    const streams = new Set<Duplex>();
    for (const pool of [database.pool, database.reserve]) {
      pool.on('connect', ({ connection }) => streams.add(connection.stream));
    }
    await Promise.all([database.query('one', 'select 1', []), database.reserved('one', 'select 1', [])]);
    proxy.freeze();
    const closed = database.close();
    await until(() => database.pool.ended);
    clock.advance(4_999);
    expect([...streams].map(({ destroyed }) => destroyed)).toEqual([false, false]);
    clock.advance(1);
    await closed;
    expect([...streams].map(({ destroyed }) => destroyed)).toEqual([true, true]);
    await proxy.close();
  });
});

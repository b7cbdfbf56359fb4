import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { MikroORM } from '@mikro-orm/postgresql';
import type { Transaction } from '../../src/domain/store.ts';
import { migrate } from '../../src/drivers/postgres/migrate.ts';
import { ROWS } from '../../src/drivers/postgres/rows.ts';
import { addUser, addUsers, holding } from '../contract/store-steps.ts';
import { anId, aUser } from '../contract/store-samples.ts';
import { until } from '../support/castellan.ts';
import { runOn } from '../support/database.ts';
import { openTestStore, type TestStore } from '../support/store.ts';

let opened: TestStore;

beforeEach(async () => {
  opened = await openTestStore();
});
afterEach(() => opened?.release());

function append(tx: Transaction, target = anId('user')): Promise<void> {
  return tx.authority.append({ target, kind: 'changed', userId: null, reason: 'test' });
}

/** What the log has, read as an instance reads it: page after page until the head. */
async function readLog(after = 0): Promise<readonly number[]> {
  const request = { instanceId: randomUUID(), epoch: '', limit: 7, heartbeat: false };
  const seqs: number[] = [];
  for (;;) {
    const { entries, head } = await opened.log.poll({ ...request, applied: seqs.at(-1) ?? after });
    seqs.push(...entries.map(({ seq }) => seq));
    if (entries.length === 0 || seqs.at(-1) === head) return seqs;
  }
}

function upTo(last: number): readonly number[] {
  return Array.from({ length: last }, (_, n) => n + 1);
}

describe('the tables', () => {
  test('are what MikroORM believes them to be', async () => {
    const orm = new MikroORM({
      entities: ROWS,
      clientUrl: opened.url,
      // It knows no partitions.
      schemaGenerator: { skipTables: ['migrations', /^audit_entries/] },
    });
    try {
      const difference = await orm.schema.getUpdateSchemaSQL({ wrap: false });
      // What MikroORM cannot say: which rows an index is for, and what numbers the log. Only the migrations know.
      const others =
        /^drop (index "(sessions_(successor|live|open_expiry|open_use)|outbox_waiting|security_events_(whose|set_aside)|grants_held|roles_name|api_keys_ended|users_(name|email|service)|scopes_(path|path_order|paths|lineage))_index"|(trigger|function) .*(authority_log_number|scope_id_at|session_told|api_key_told|api_key_version_told|security_event_told|audit_month_prepare|audit_month_drop))/;
      const statements = difference.split(/;\s*/).filter((statement) => statement !== '' && !others.test(statement));
      expect(statements).toEqual([]);
    } finally {
      await orm.close(true);
    }
  });

  test('are made once, though two processes and this one make them at once, and again', async () => {
    const { url, drop } = await emptyDatabase();
    try {
      const file = join(import.meta.dirname, '../../src/drivers/postgres/migrate.ts');
      const program = `const { migrate } = await import(${JSON.stringify(file)}); await migrate(process.argv[1]);`;
      const flags = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', program, url];
      const others = [1, 2].map(async () => {
        const child = spawn(process.execPath, flags, { stdio: ['ignore', 'inherit', 'inherit'] });
        return (await once(child, 'exit')) as [number];
      });
      await migrate(url);
      for (const other of others) expect(await other).toEqual([0, null]);
      const done = await query(url, 'select name from migrations order by id');
      await migrate(url);
      expect(done.length).toBeGreaterThan(0);
      expect(await query(url, 'select name from migrations order by id')).toEqual(done);
      expect(await query(url, 'select id, seq from authority_head')).toEqual([{ id: 1, seq: '0' }]);
    } finally {
      await drop();
    }
  });
});

describe('positions', () => {
  test('follow the order of commits: a reader never sees a gap, and nothing comes after it has passed by', async () => {
    const [transactions, entriesMax] = [80, 3];
    const load = { on: true };
    let written = 0;
    const write = async () => {
      for (let n = 0; n < transactions / 8; n += 1) {
        const entries = randomInt(1, entriesMax + 1);
        await opened.store.transaction(async (tx) => {
          for (let m = 0; m < entries; m += 1) {
            await append(tx);
            await tx.users.findByEmail('a wait of random length'.slice(0, randomInt(2)));
          }
          await hold(randomInt(6));
        });
        written += entries;
      }
    };
    const read = async () => {
      const seen: number[] = [];
      while (load.on) seen.push(...(await readLog(seen.length)));
      seen.push(...(await readLog(seen.length)));
      expect(seen).toEqual(upTo(seen.length));
      return seen.length;
    };
    const readers = [read(), read()];
    await Promise.all(Array.from({ length: 8 }, write)).finally(() => (load.on = false));
    expect(await Promise.all(readers)).toEqual([written, written]);
  });

  test('are taken when a transaction commits, not when it writes', async () => {
    const early = holding(opened.store, (tx) => append(tx, 'early'));
    await early.reached;
    const late = await opened.store.transaction((tx) => append(tx, 'late'));
    expect(await opened.log.committed(late.logIds)).toMatchObject({ position: 1 });
    expect(await readLog()).toEqual([1]);
    await early.end();
    expect(await readLog(1)).toEqual([2]);
  });

  test('a transaction that takes its number and commits late is not passed over', async () => {
    const [committed, rolledBack] = [await opened.connect(), await opened.connect()];
    for (const [client, end, expected] of [
      [rolledBack, 'rollback', [1]],
      [committed, 'commit', [2, 3]],
    ] as const) {
      await client.query('begin');
      await client.query(`insert into authority_log (target, kind, reason) values ('late', 'changed', 'test')`);
      await client.query('set constraints all immediate');
      const other = opened.store.transaction((tx) => append(tx, 'other'));
      await opened.untilWaiting(1);
      expect(await readLog(expected[0] - 1)).toEqual([]);
      await client.query(end);
      await other;
      expect(await readLog(expected[0] - 1)).toEqual(expected);
    }
    const targets = await opened.rows('select target from authority_log order by seq');
    expect(targets).toEqual(['other', 'late', 'other'].map((target) => ({ target })));
  });

  test('a transaction that hangs between statements keeps no other commit waiting, and is ended', async () => {
    const hanging = holding(opened.store, (tx) => append(tx));
    await hanging.reached;
    await Promise.all(Array.from({ length: 30 }, () => opened.store.transaction((tx) => append(tx))));
    expect(await readLog()).toEqual(upTo(30));

    const idle = `select 1 from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'`;
    await until(async () => (await opened.rows(idle)).length === 0);
    await expect(hanging.end()).rejects.toThrow();
    expect(await readLog()).toEqual(upTo(30));
    await opened.store.transaction((tx) => append(tx));
  });
});

describe('the connections', () => {
  test('all of them may be ended under load: nothing crashes, the pool recovers, and what was acknowledged is there', async () => {
    const acknowledged: string[] = [];
    const load = { on: true };
    let failures = 0;
    const work = async () => {
      while (load.on) {
        const user = aUser();
        try {
          await opened.store.transaction(async (tx) => {
            await tx.users.add(user, null);
            await append(tx, user.id);
          });
          acknowledged.push(user.id);
          await opened.store.users.find(user.id);
          await opened.log.standing();
        } catch {
          failures += 1;
        }
      }
    };
    const workers = Array.from({ length: 12 }, work);
    const others = `select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`;
    try {
      for (let round = 1; round <= 8; round += 1) {
        const before = acknowledged.length;
        await opened.rows(others);
        await until(() => acknowledged.length >= before + 10);
      }
    } finally {
      load.on = false;
      await Promise.all(workers);
    }

    expect(failures).toBeGreaterThan(0);
    const found = await opened.store.users.findMany(acknowledged);
    expect(found).toHaveLength(acknowledged.length);
    const [numbered] = await opened.rows<{ count: number }>('select count(seq)::int from authority_log');
    const { head } = await opened.log.standing();
    expect(numbered).toEqual({ count: head });
    expect(await readLog()).toEqual(upTo(head));
  });

  test('idle ones may be ended: the next statement does not notice', async () => {
    const { id } = await addUser(opened.store);
    await Promise.all(Array.from({ length: 12 }, () => opened.store.users.find(id)));
    await opened.rows(`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`);
    const gone = `select 1 from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`;
    await until(async () => (await opened.rows(gone)).length === 0);
    // The pool learns of it from its sockets.
    await until(() => opened.database.pool.totalCount === 0);
    expect(await opened.store.users.find(id)).toMatchObject({ id });
  });

  test('a wait for a lock ends by itself, and leaves nothing behind', async () => {
    const user = await addUser(opened.store);
    const client = await opened.connect();
    await client.query('begin');
    await client.query('select id from users where id = $1 for update', [user.id]);
    // By PostgreSQL's own clock, however late we hear of it.
    expect(await opened.database.query('lock-timeout', 'show lock_timeout', [])).toEqual([{ lock_timeout: '2s' }]);
    const change = opened.store.transaction(async (tx) => {
      await append(tx);
      await tx.fence.lock({ change: [user.id], share: [], policy: null });
    });
    await expect(change).rejects.toThrow('Others are changing the same');
    await client.query('rollback');
    expect(await readLog()).toEqual([]);
    await opened.store.transaction((tx) => tx.fence.lock({ change: [user.id], share: [], policy: null }));
  });
});

describe('ids of flushes', () => {
  test('are remembered for a day, and then forgotten, a few with each that comes', async () => {
    await opened.rows(
      `insert into rollup_flushes (id, at) select gen_random_uuid(), now() - n * interval '4 hours' - interval '1 minute'
       from generate_series(1, 30) n`,
    );
    const left = async () => {
      const rows = await opened.rows<{ old: string; all: string }>(
        `select count(*) filter (where at < now() - interval '1 day') as old, count(*) as all from rollup_flushes`,
      );
      return rows[0];
    };
    const flush = () => opened.store.transaction((tx) => tx.rollups.add(randomUUID(), []));
    expect(await left()).toEqual({ old: '25', all: '30' });
    const seen = [];
    for (let n = 0; n < 3; n += 1) {
      await flush();
      seen.push(await left());
    }
    expect(seen).toEqual([
      { old: '15', all: '21' },
      { old: '5', all: '12' },
      { old: '0', all: '8' },
    ]);
  });
});

describe('the fence', () => {
  test('two that lock any of the same principals in any modes never wait for each other in a circle', async () => {
    const ids = (await addUsers(opened.store, 6)).map(({ id }) => id);
    const some = () => ids.filter(() => randomInt(2) === 0).toSorted(() => randomInt(3) - 1);
    const lock = (what: { change: string[]; share: string[]; policy: 'change' | 'share' | null }) =>
      opened.store.transaction(async (tx) => {
        await tx.fence.lock(what);
        for (const id of what.change) await tx.users.save(aUser({ id, email: `${id}@example.com` }));
        if (what.change.length > 0) await append(tx);
      });
    for (let round = 0; round < 200; round += 1) {
      const policies = [null, 'share', 'change'] as const;
      const policy = () => policies[randomInt(3)] ?? null;
      const pair = [1, 2].map(() => ({ change: some(), share: some(), policy: policy() }));
      const ends = await Promise.allSettled(pair.map(lock));
      expect({ pair, ends: ends.map(({ status }) => status) }).toEqual({ pair, ends: ['fulfilled', 'fulfilled'] });
    }
  });

  test('many at once come through as well', async () => {
    const ids = (await addUsers(opened.store, 5)).map(({ id }) => id);
    const work = Array.from({ length: 120 }, () =>
      opened.store.transaction((tx) =>
        tx.fence.lock({
          change: ids.filter(() => randomInt(3) === 0),
          share: ids.filter(() => randomInt(2) === 0).toReversed(),
          policy: 'share',
        }),
      ),
    );
    await expect(Promise.all(work)).resolves.toHaveLength(120);
  });

  test('`outdated` after the lock sees a revocation that was committed while it waited, `outdated` before it does not', async () => {
    const { id } = await addUser(opened.store);
    const basis = { dependencies: [id], asOf: 0, session: null, credentials: [], label: 0 };
    const revoking = holding(opened.store, async (tx) => {
      await tx.fence.lock({ change: [id], share: [], policy: null });
      await append(tx, id);
    });
    await revoking.reached;
    const effect = opened.store.transaction(async (tx) => {
      const before = await tx.fence.outdated(basis);
      await tx.fence.lock({ change: [], share: [id], policy: 'share' });
      return [before, await tx.fence.outdated(basis)];
    });
    await opened.untilWaiting(1);
    await revoking.end();
    expect((await effect).value).toEqual([false, true]);
  });
});

test('a transaction that does nothing for too long is rolled back and refused as one to be asked for again', async () => {
  const { id } = await addUser(opened.store);
  const slow = opened.store.transaction(async (tx) => {
    await tx.fence.lock({ change: [id], share: [], policy: null });
    await hold(1_500);
    await tx.fence.head();
  });
  await expect(slow).rejects.toMatchObject({ code: 'AUTHORITY_UNAVAILABLE', data: { retryAfterSeconds: 1 } });
});

/** Time passes by the clock of the database. */
async function hold(ms: number): Promise<void> {
  await opened.database.query('hold', 'select pg_sleep($1)', [ms / 1_000]);
}

async function emptyDatabase() {
  const server = process.env['TEST_POSTGRES_URL'] ?? '';
  const name = `test_${randomBytes(8).toString('hex')}`;
  await runOn(server, `create database ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => runOn(server, `drop database if exists ${name} with (force)`) };
}

async function query(url: string, text: string): Promise<readonly unknown[]> {
  const { Client } = await import('pg');
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { aUser } from '../contract/store-samples.ts';
import { openTestStore, type TestStore } from '../support/store.ts';

/** One that works, so that all statements go over the same, and one in reserve. */
const CONNECTIONS = 2;
const AT = '2026-01-01T00:00:00.000Z';
const ENTRY = { target: 'user:x', kind: 'changed', userId: null, reason: 'test' } as const;

let opened: TestStore;

beforeAll(async () => {
  opened = await openTestStore(CONNECTIONS);
});
afterAll(() => opened?.release());

function parsed(name: string): Promise<readonly { readonly name: string; readonly times: number }[]> {
  const text = `select name, (generic_plans + custom_plans)::int as times from pg_prepared_statements
    where name like $1 || '#%' order by name`;
  return opened.database.query('', text, [name]);
}

/** How often `work` hands something to a socket of the pool. */
async function writesOf(work: () => Promise<unknown>): Promise<number> {
  const client = await opened.database.pool.connect();
  client.release();
  const socket = client.connection.stream as unknown as Record<'_write' | '_writev', (...args: unknown[]) => void>;
  let writes = 0;
  for (const name of ['_write', '_writev'] as const) {
    const write = socket[name].bind(socket);
    socket[name] = (...args) => {
      writes += 1;
      write(...args);
    };
  }
  await work();
  for (const name of ['_write', '_writev'] as const) Reflect.deleteProperty(socket, name);
  return writes;
}

describe('a text', () => {
  test('of a transaction is parsed once for a connection, and not once for each', async () => {
    for (let n = 0; n < 3; n += 1) {
      await opened.store.transaction(({ passwordGuesses }) => passwordGuesses.lock(`key ${n}`, AT));
    }
    expect(await parsed('password-guess-lock')).toEqual([{ name: expect.any(String), times: 3 }]);
  });

  test('that reads within a transaction is another than the same that locks', async () => {
    await opened.store.users.findByEmail('bob@example.com');
    await opened.store.transaction(({ users }) => users.findByEmail('bob@example.com'));
    const [locking, ...others] = await parsed('user-find-by-email');
    expect(others).toEqual([]);
    expect(locking?.times).toBe(1);
  });

  test('is usable after a transaction that failed', async () => {
    const failing = opened.store.transaction(async ({ passwordGuesses }) => {
      await passwordGuesses.lock('alice', AT);
      throw new Error('on purpose');
    });
    await expect(failing).rejects.toThrow('on purpose');
    const { value } = await opened.store.transaction(({ passwordGuesses }) => passwordGuesses.lock('alice', AT));
    expect(value).toEqual({ failures: 0, retryAt: null });
  });
});

describe('a transaction', () => {
  test('waits for what has an answer, and once more for the commit', async () => {
    const user = aUser();
    const work = () =>
      opened.store.transaction(async (tx) => {
        await tx.fence.lock({ change: [user.id], share: [], policy: 'share' });
        await tx.users.find(user.id);
        await tx.challenges.removeAllOf(user.id);
        await tx.passwordGuesses.clear('alice');
        await tx.authority.append(ENTRY);
        await tx.audit.append({ by: user.id, sessionId: null, action: 'user.update', subjectId: user.id });
      });
    await work();
    expect(await writesOf(work)).toBe(2);
  });

  test('that wrote what cannot be written is not committed, even where nobody waited for that', async () => {
    const user = aUser();
    const failing = opened.store.transaction(async (tx) => {
      await tx.users.add(user, null);
      await tx.signingKeys.add({ ...KEY, createdAt: 'never' });
    });
    await expect(failing).rejects.toThrow('invalid input syntax for type timestamp');
    expect(await opened.store.users.find(user.id)).toBeNull();
  });

  test('rejects what comes after a failure with the failure', async () => {
    const later: unknown[] = [];
    const failing = opened.store.transaction(async (tx) => {
      await tx.signingKeys.add({ ...KEY, createdAt: 'never' });
      await tx.fence.head().catch((error: unknown) => later.push(error));
      return 'as if nothing had been';
    });
    await expect(failing).rejects.toThrow('invalid input syntax for type timestamp');
    expect(later).toEqual([expect.objectContaining({ code: '22007' })]);
  });

  test('knows the rows of the log it has written, and has none where it failed', async () => {
    const logged = () => opened.rows<{ id: string }>('select id::text from authority_log order by authority_log.id');
    const before = await logged();
    const { logIds } = await opened.store.transaction(async (tx) => {
      await tx.authority.append(ENTRY);
      await tx.authority.appendAll([ENTRY, ENTRY]);
    });
    const found = await logged();
    expect(logIds).toHaveLength(3);
    expect(found).toEqual([...before, ...logIds.map((id) => ({ id }))]);
    await expect(
      opened.store.transaction(async (tx) => {
        await tx.authority.append(ENTRY);
        throw new Error('on purpose');
      }),
    ).rejects.toThrow('on purpose');
    expect(await logged()).toEqual(found);
  });

  test('sees with each statement what was committed while the one before it waited', async () => {
    const user = aUser();
    await opened.store.transaction((tx) => tx.users.add(user, null));
    const other = await opened.connect();
    await other.query('begin');
    await other.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [user.id]);
    await other.query(`update users set name = 'Bob' where id = $1`, [user.id]);
    const reading = opened.store.transaction(async (tx) => {
      await tx.fence.lock({ change: [], share: [user.id], policy: null });
      return tx.users.find(user.id);
    });
    await opened.untilWaiting(1);
    await other.query('commit');
    expect((await reading).value).toMatchObject({ name: 'Bob' });
  });

  test('whose connection is lost on the way rejects, and the next one has another', async () => {
    const { pool } = opened.database;
    const failing = opened.store.transaction(async (tx) => {
      await tx.fence.head();
      await opened.rows(`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()
        and state = 'idle in transaction'`);
      await tx.fence.head();
    });
    await expect(failing).rejects.toMatchObject({ code: 'AUTHORITY_UNAVAILABLE' });
    expect(pool.totalCount).toBe(0);
    const { value } = await opened.store.transaction((tx) => tx.fence.head());
    expect(value.epoch).toEqual(expect.any(String));
  });
});

const KEY = {
  kid: 'none',
  publicJwk: {},
  sealedPrivateJwk: '',
  createdAt: AT,
  signsFrom: AT,
  revokedAt: null,
} as const;

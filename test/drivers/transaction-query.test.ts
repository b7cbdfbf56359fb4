import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openTestStore, type TestStore } from '../support/store.ts';

/** One that works, so that all statements go over the same, and one in reserve. */
const CONNECTIONS = 2;
const AT = '2026-01-01T00:00:00.000Z';

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

test('what transactions ask is parsed once for a connection, and not once for each', async () => {
  for (let n = 0; n < 3; n += 1) {
    await opened.store.transaction(({ passwordGuesses }) => passwordGuesses.lock(`key ${n}`, AT));
  }
  expect(await parsed('password-guess-lock')).toEqual([{ name: expect.any(String), times: 3 }]);
});

test('one that reads within a transaction is another than the same that locks', async () => {
  await opened.store.users.findByEmail('bob@example.com');
  await opened.store.transaction(({ users }) => users.findByEmail('bob@example.com'));
  const [locking, ...others] = await parsed('user-find-by-email');
  expect(others).toEqual([]);
  expect(locking?.times).toBe(1);
});

test('a transaction that fails leaves its statements usable', async () => {
  const failing = opened.store.transaction(async ({ passwordGuesses }) => {
    await passwordGuesses.lock('alice', AT);
    throw new Error('on purpose');
  });
  await expect(failing).rejects.toThrow('on purpose');
  const { value } = await opened.store.transaction(({ passwordGuesses }) => passwordGuesses.lock('alice', AT));
  expect(value).toEqual({ failures: 0, retryAt: null });
});

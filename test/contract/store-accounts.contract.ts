import { expect } from '@jest/globals';
import type { AccountToken } from '../../src/domain/users/account-tokens.ts';
import { aGrant, anId, aRole, aSession, aUser, INSTANT, LATER } from './store-samples.ts';
import { addUser, type Law, type OpenStore, passes, waits } from './store-steps.ts';

const NOW = '2030-01-01T00:00:00.000Z';
const NO_GUESSES = { failures: 0, retryAt: null };

const aToken = (userId: string, values: Partial<AccountToken> = {}): AccountToken => ({
  hash: anId('hash'),
  userId,
  kind: 'reset',
  createdAt: INSTANT,
  expiresAt: LATER,
  passwordHash: null,
  name: null,
  ...values,
});

const TOKEN_LAWS: Readonly<Record<string, Law>> = {
  'use: takes a token of that kind that has not expired, once, and gives it with all it has': async ({ store }) => {
    const { id } = await addUser(store);
    const token = aToken(id, { kind: 'verification', passwordHash: 'a hash', name: 'Zoë' });
    const late = aToken(id, { expiresAt: NOW });
    const used = await store.transaction(async ({ accountTokens }) => {
      await accountTokens.add(token);
      await accountTokens.add(late);
      return [
        await accountTokens.use(token.hash, 'reset', NOW),
        await accountTokens.use(late.hash, 'reset', NOW),
        await accountTokens.use(anId('hash'), 'reset', NOW),
        await accountTokens.use(token.hash, 'verification', NOW),
        await accountTokens.use(token.hash, 'verification', NOW),
      ];
    });
    expect(used.value).toEqual([null, null, null, token, null]);
  },

  'use: of two callers at once one gets it': async (opened) => {
    const { id } = await addUser(opened.store);
    const token = aToken(id);
    await opened.store.transaction(({ accountTokens }) => accountTokens.add(token));
    const second = await waits(
      opened,
      ({ accountTokens }) => accountTokens.use(token.hash, 'reset', NOW),
      ({ accountTokens }) => accountTokens.use(token.hash, 'reset', NOW),
    );
    expect(second).toBeNull();
  },

  'count: of two callers at once the second counts what the first has added': async (opened) => {
    const { id } = await addUser(opened.store);
    const second = await waits(
      opened,
      async ({ accountTokens }) => {
        await accountTokens.count(id, 'reset', NOW);
        await accountTokens.add(aToken(id));
      },
      ({ accountTokens }) => accountTokens.count(id, 'reset', NOW),
    );
    expect(second).toBe(1);
  },

  'count and removeAllOf: of this user, of this kind, not expired': async ({ store }) => {
    const [mine, other] = [await addUser(store), await addUser(store)];
    const tokens = [
      aToken(mine.id),
      aToken(mine.id),
      aToken(mine.id, { expiresAt: NOW }),
      aToken(mine.id, { kind: 'notice' }),
      aToken(other.id),
    ];
    const { value } = await store.transaction(async ({ accountTokens }) => {
      for (const token of tokens) await accountTokens.add(token);
      const counts = [await accountTokens.count(mine.id, 'reset', NOW)];
      await accountTokens.removeAllOf(mine.id);
      counts.push(await accountTokens.count(mine.id, 'reset', NOW), await accountTokens.count(mine.id, 'notice', NOW));
      return [...counts, await accountTokens.count(other.id, 'reset', NOW)];
    });
    expect(value).toEqual([2, 0, 0, 1]);
  },
};

/** Errands that are due at an instant of their own, so that no other law's are among them. */
async function addErrands({ store }: OpenStore, count: number, at: string): Promise<readonly string[]> {
  const ids = Array.from({ length: count }, () => anId('errand'));
  await store.transaction(async ({ errands }) => {
    for (const id of ids) await errands.add({ id, kind: 'mail', userId: null, sealed: `sealed ${id}` }, at);
  });
  return ids;
}

const ERRAND_LAWS: Readonly<Record<string, Law>> = {
  'claim: those that are due, with what they hold, each again after twice as long': async (opened) => {
    const [id = ''] = await addErrands(opened, 1, '2001-01-01T00:00:00.000Z');
    const claim = (at: string) =>
      opened.store.transaction(async ({ errands }) => {
        const claimed = await errands.claim(at, 100);
        return claimed.filter((errand) => errand.id === id);
      });
    const errand = { id, kind: 'mail', userId: null, sealed: `sealed ${id}` };
    expect((await claim('2000-12-31T23:59:59.999Z')).value).toEqual([]);
    expect((await claim('2001-01-01T00:00:00.000Z')).value).toEqual([{ ...errand, attempts: 1 }]);
    expect((await claim('2001-01-01T00:00:29.999Z')).value).toEqual([]);
    expect((await claim('2001-01-01T00:00:30.000Z')).value).toEqual([{ ...errand, attempts: 2 }]);
    expect((await claim('2001-01-01T00:01:29.999Z')).value).toEqual([]);
    expect((await claim('2001-01-01T00:01:30.000Z')).value).toEqual([{ ...errand, attempts: 3 }]);
    await opened.store.transaction(({ errands }) => errands.finish(id));
  },

  'claim: no errand to two at once, and no waiting for each other': async (opened) => {
    const at = '2001-02-01T00:00:00.000Z';
    const ids = await addErrands(opened, 4, at);
    const claimed: string[] = [];
    const two = async (tx: Parameters<Parameters<typeof opened.store.transaction>[0]>[0]) => {
      const found = await tx.errands.claim(at, 2);
      claimed.push(...found.map(({ id }) => id));
    };
    await passes(opened, two, two);
    expect(claimed.toSorted()).toEqual(ids.toSorted());
    await opened.store.transaction(async ({ errands }) => {
      for (const id of ids) await errands.finish(id);
    });
  },

  'finish: takes it away; of two callers one gets true': async (opened) => {
    const [id = ''] = await addErrands(opened, 1, LATER);
    const { value } = await opened.store.transaction(async ({ errands }) => [
      await errands.finish(id),
      await errands.finish(id),
      await errands.finish(anId('errand')),
    ]);
    expect(value).toEqual([true, false, false]);
  },
};

const GUESS_LAWS: Readonly<Record<string, Law>> = {
  'lock: the count under this key, none at first; save keeps it, and clear forgets it': async ({ store }) => {
    const [key, other] = [anId('key'), anId('key')];
    const { value } = await store.transaction(async ({ passwordGuesses }) => {
      const counts = [await passwordGuesses.lock(key, NOW)];
      await passwordGuesses.save(key, { failures: 7, retryAt: LATER });
      counts.push(await passwordGuesses.lock(key, NOW), await passwordGuesses.lock(other, NOW));
      await passwordGuesses.clear(key);
      return [...counts, await passwordGuesses.lock(key, NOW)];
    });
    expect(value).toEqual([NO_GUESSES, { failures: 7, retryAt: LATER }, NO_GUESSES, NO_GUESSES]);
  },

  'lock: makes others wait until the end of the transaction, the first time as well': async (opened) => {
    const key = anId('key');
    for (let failures = 1; failures <= 2; failures += 1) {
      const second = await waits(
        opened,
        async ({ passwordGuesses }) => {
          await passwordGuesses.lock(key, NOW);
          await passwordGuesses.save(key, { failures, retryAt: null });
        },
        ({ passwordGuesses }) => passwordGuesses.lock(key, NOW),
      );
      expect(second).toEqual({ failures, retryAt: null });
    }
  },
};

const USER_LAWS: Readonly<Record<string, Law>> = {
  'setPassword and replaceHash: the hash, since when, and whether it is an initial one; anew only in the place of the one that was read':
    async ({ store }) => {
      const user = await addUser(store);
      expect(await store.users.password(user.id)).toBeNull();
      await store.transaction(({ users }) => users.setPassword(user.id, { hash: 'one', isInitial: false }, INSTANT));
      await store.transaction(({ users }) => users.setPassword(user.id, { hash: 'two', isInitial: true }, NOW));
      await store.transaction(({ users }) => users.replaceHash(user.id, 'one', 'three'));
      expect(await store.users.password(user.id)).toEqual({ hash: 'two', changedAt: NOW, isInitial: true });
      await store.transaction(({ users }) => users.replaceHash(user.id, 'two', 'four'));
      const password = { hash: 'four', changedAt: NOW, isInitial: true };
      expect(await store.users.findByEmail(user.email)).toEqual({ user, password });
      await store.transaction(({ users }) => users.setPassword(user.id, { hash: 'five', isInitial: false }, INSTANT));
      expect(await store.users.password(user.id)).toEqual({ hash: 'five', changedAt: INSTANT, isInitial: false });
    },

  'save: refuses with CONFLICT an address that another user holds, and keeps the own one in another case': async ({
    store,
  }) => {
    const [user, other] = [await addUser(store), await addUser(store)];
    const taken = store.transaction(({ users }) => users.save({ ...user, email: other.email.toUpperCase() }));
    await expect(taken).rejects.toMatchObject({ code: 'CONFLICT', data: { field: 'email' } });
    const saved = { ...user, email: user.email.toUpperCase(), metadata: '{"a":1}', emailVerified: false };
    await store.transaction(({ users }) => users.save(saved));
    expect(await store.users.find(user.id)).toEqual(saved);
  },

  'erase: nobody finds the user any more, the address is free and the id is not': async ({ store }) => {
    const user = await addUser(store, { scope: 'acme/platform' });
    const [role, session] = [aRole(), aSession({ userId: user.id, userAgent: 'a browser', address: '192.0.2.1' })];
    const grant = aGrant({ principalId: user.id, roleId: role.id });
    await store.transaction(async (tx) => {
      await tx.roles.syncManaged([role]);
      await tx.grants.add(grant);
      await tx.sessions.add(session, anId('hash'));
      await tx.users.setPassword(user.id, { hash: 'hash', isInitial: false }, INSTANT);
      await tx.factors.begin(user.id, 'sealed', INSTANT);
      await tx.factors.replaceRecoveryCodes(user.id, ['a code']);
      await tx.accountTokens.add(aToken(user.id));
      await tx.users.erase(user.id, NOW);
    });
    expect(await store.users.find(user.id)).toBeNull();
    expect(await store.users.findMany([user.id])).toEqual([]);
    expect(await store.users.findByEmail(user.email)).toBeNull();
    expect(await store.users.password(user.id)).toBeNull();
    expect(await store.factors.find(user.id)).toBeNull();
    expect((await store.snapshots.principals([user.id])).principals.size).toBe(0);
    expect(await store.grants.find(grant.id)).toMatchObject({ revokedAt: NOW });
    expect(await store.sessions.find(session.id)).toMatchObject({ userAgent: null, address: null });
    await store.transaction(({ users }) => users.add(aUser({ email: user.email }), null));
    await expect(store.transaction(({ users }) => users.add(aUser({ id: user.id }), null))).rejects.toThrow();
  },

  'isNewDevice: who has had sessions, and none with this user agent, whatever its versions': async ({ store }) => {
    const user = await addUser(store);
    const isNew = async (userAgent: string | null) =>
      (await store.transaction(({ sessions }) => sessions.isNewDevice(user.id, userAgent))).value;
    expect(await isNew('Firefox/1.0')).toBe(false);
    await store.transaction(({ sessions }) =>
      sessions.add(aSession({ userId: user.id, userAgent: 'Firefox/1.0' }), anId('hash')),
    );
    expect([await isNew('Firefox/2.1'), await isNew('Opera/1.0'), await isNew(null)]).toEqual([false, true, false]);
  },
};

export const ACCOUNT_LAW_GROUPS = {
  'account tokens': TOKEN_LAWS,
  errands: ERRAND_LAWS,
  'guesses at passwords': GUESS_LAWS,
  'life of users': USER_LAWS,
};

import { expect } from '@jest/globals';
import type { PageKey, PageOrder } from '../../src/domain/pages.ts';
import { ALL, type Filter, NONE, not } from '../../src/domain/policy/filter.ts';
import { addScopes, addUsers, type Law } from './store-steps.ts';
import { aGrant, anId, aRole, aSession, aUser, INSTANT } from './store-samples.ts';

const BY_ID: PageOrder = { by: null, descending: false };
const idsOf = (records: readonly { readonly id: string }[]) => records.map(({ id }) => id);
const among = (attribute: string, values: readonly string[]): Filter => ({ kind: 'among', attribute, values });

export const PAGE_LAWS: Readonly<Record<string, Law>> = {
  'page: the first records that the filter is true of, at most `limit`, in one statement': async ({
    store,
    statements,
  }) => {
    const users = await addUsers(store, 4, { scope: 'acme/platform' });
    const filter = among('id', idsOf(users));
    let found: unknown;
    const query = { filter, order: BY_ID, after: null, limit: 3 };
    expect(await statements(async () => (found = await store.users.page(query)))).toBe(1);
    expect(found).toEqual(users.slice(0, 3));
    expect(await store.users.page({ ...query, limit: 100 })).toEqual(users);
    expect(await store.users.page({ ...query, filter: NONE })).toEqual([]);
    expect(await store.users.page({ ...query, filter: ALL })).toHaveLength(3);
    const others = await store.users.page({ ...query, filter: not(filter), limit: 1_000 });
    expect(others.filter(({ id }) => idsOf(users).includes(id))).toEqual([]);
  },

  'page: begins behind `after`, whether or not a record is there, in either direction': async ({ store }) => {
    const times = ['2024-01-01T00:00:00.000Z', '2024-01-01T00:00:00.001Z', '2024-01-01T00:00:00.002Z'];
    const rows = times.flatMap((createdAt) => [aUser({ createdAt }), aUser({ createdAt })]);
    await store.transaction(async (tx) => {
      for (const user of rows) await tx.users.add(user, null);
    });
    const inOrder = rows.toSorted((a, b) => (`${a.createdAt} ${a.id}` < `${b.createdAt} ${b.id}` ? -1 : 1));
    for (const descending of [false, true]) {
      const order = { by: 'createdAt', descending };
      const expected = idsOf(descending ? inOrder.toReversed() : inOrder);
      const page = async (after: PageKey | null) =>
        idsOf(await store.users.page({ filter: among('id', idsOf(rows)), order, after, limit: 10 }));
      expect(await page(null)).toEqual(expected);
      for (const [index, user] of (descending ? inOrder.toReversed() : inOrder).entries()) {
        expect(await page({ value: user.createdAt, id: user.id })).toEqual(expected.slice(index + 1));
      }
      expect(await page({ value: times[1] ?? '', id: descending ? '' : '~' })).toEqual(expected.slice(4));
    }
  },

  'page: texts are ordered by their bytes in UTF-8, and ids among equal ones': async ({ store }) => {
    const names = ['Zoë', 'zoe', 'Abel', 'abel', 'ähnlich', '_', '\uFFFD', '🗝', '🗝'];
    const rows = names.map((name) => aUser({ name }));
    await store.transaction(async (tx) => {
      for (const user of rows) await tx.users.add(user, null);
    });
    const expected = rows.toSorted(
      (a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)) || (a.id < b.id ? -1 : 1),
    );
    const order = { by: 'name', descending: false };
    const query = { filter: among('id', idsOf(rows)), order, after: null, limit: 100 };
    expect(idsOf(await store.users.page(query))).toEqual(idsOf(expected));
    await expect(store.users.page({ ...query, order: { by: 'roles', descending: false } })).rejects.toThrow(TypeError);
  },

  'page: of roles and of sessions are the records that find gives': async ({ store }) => {
    const [user] = await addUsers(store, 1, { scope: 'acme/platform' });
    await addScopes(store, 'b');
    const [role, session] = [aRole({ description: anId('about') }), aSession({ userId: user?.id ?? '' })];
    await store.transaction(async (tx) => {
      await tx.roles.syncManaged([role]);
      await tx.sessions.add(session, 'hash');
      await tx.grants.add(aGrant({ principalId: user?.id ?? '', roleId: role.id }));
      await tx.grants.add(aGrant({ principalId: user?.id ?? '', roleId: role.id, scope: 'b', expiresAt: INSTANT }));
    });
    const query = { order: BY_ID, after: null, limit: 10 };
    expect(await store.roles.page({ ...query, filter: among('id', [role.id]) })).toEqual([role]);
    const mine = await store.sessions.page({ ...query, filter: among('userId', [user?.id ?? '']) });
    expect(mine).toEqual([await store.sessions.find(session.id)]);
    const held = await store.users.page({ ...query, filter: among('roles', [role.name]) });
    expect(held).toEqual([{ ...user, roles: [role.name] }]);
  },
};

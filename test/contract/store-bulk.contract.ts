import { expect } from '@jest/globals';
import type { Session } from '../../src/domain/sessions/session.ts';
import type { Transaction } from '../../src/domain/store.ts';
import { aGrant, anId, aRole, aSession, aUser, INSTANT, LATER } from './store-samples.ts';
import { addScopes, addUser, addUsers, type Law, type OpenStore, waits } from './store-steps.ts';

/** What is done to many records in one statement. */

const idsOf = (records: readonly { readonly id: string }[]) => records.map(({ id }) => id).toSorted();

async function inside<T>({ store }: OpenStore, work: (tx: Transaction) => Promise<T>): Promise<T> {
  return (await store.transaction(work)).value;
}

async function addRoles(opened: OpenStore, count: number) {
  const roles = Array.from({ length: count }, () => aRole());
  await inside(opened, (tx) => tx.roles.syncManaged(roles));
  return roles;
}

async function addSession(opened: OpenStore, userId: string): Promise<Session> {
  const session = aSession({ userId });
  await inside(opened, (tx) => tx.sessions.add(session, anId('hash')));
  return session;
}

const USER_LAWS: Readonly<Record<string, Law>> = {
  'addMany: those whose address nobody holds, the first of several, at home where they are to be': async (opened) => {
    const { store } = opened;
    await addScopes(store, 'acme/many');
    const known = await addUser(store);
    const metadata = '{"team":"blue"}';
    const [one, same, taken, homeless] = [
      aUser({ scope: 'acme/many', name: 'One', metadata, emailVerified: false }),
      aUser(),
      aUser({ email: known.email.toUpperCase() }),
      aUser(),
    ];
    const again = { ...same, email: one.email.toUpperCase() };
    const added = await inside(opened, (tx) => tx.users.addMany([one, again, taken, homeless]));
    expect([...added].toSorted()).toEqual(idsOf([one, homeless]));
    expect(await store.users.find(one.id)).toEqual(one);
    expect(await store.users.find(homeless.id)).toEqual(homeless);
    expect(await store.users.password(one.id)).toBeNull();
    expect(await store.users.find(again.id)).toBeNull();
    expect(await inside(opened, (tx) => tx.users.addMany([]))).toEqual(new Set());
  },

  'disableMany: these and no others': async (opened) => {
    const [one, two, other] = await addUsers(opened.store, 3);
    await inside(opened, (tx) => tx.users.disableMany(idsOf([one, two].filter((user) => user !== undefined))));
    const found = await opened.store.users.findMany([one, two, other].map((user) => user?.id ?? ''));
    expect(new Map(found.map(({ id, status }) => [id, status]))).toEqual(
      new Map([
        [one?.id, 'disabled'],
        [two?.id, 'disabled'],
        [other?.id, 'active'],
      ]),
    );
  },

  'sessions.revokeAllOfMany and challenges.removeAllOfMany: all of these users, and of nobody else': async (opened) => {
    const [one, two, other] = (await addUsers(opened.store, 3)).map(({ id }) => id);
    const sessions = [];
    for (const id of [one, two, other]) sessions.push(await addSession(opened, id ?? ''));
    const challenges = [one, two, other].map((userId = '') => ({
      id: anId('chal'),
      userId,
      createdAt: INSTANT,
      expiresAt: LATER,
      usedAt: null,
    }));
    const left = await inside(opened, async (tx) => {
      for (const each of challenges) await tx.challenges.add(each);
      await tx.sessions.revokeAllOfMany([one ?? '', two ?? ''], LATER, 'user_disabled');
      await tx.challenges.removeAllOfMany([one ?? '', two ?? '']);
      return Promise.all(challenges.map(async ({ id }) => (await tx.challenges.find(id)) !== null));
    });
    expect(left).toEqual([false, false, true]);
    const reasons = sessions.map(async ({ id }) => (await opened.store.sessions.find(id))?.revokedReason);
    expect(await Promise.all(reasons)).toEqual(['user_disabled', 'user_disabled', null]);
  },
};

const GRANT_LAWS: Readonly<Record<string, Law>> = {
  'addMany: those that are not held, the first of several equal ones, and in place of one that has ended': async (
    opened,
  ) => {
    const { store } = opened;
    await addScopes(store, 'acme/many');
    const [role, other] = await addRoles(opened, 2);
    const { id: principalId } = await addUser(store);
    const [roleId, otherId] = [role?.id ?? '', other?.id ?? ''];
    const [held, ended] = [
      aGrant({ principalId, roleId }),
      aGrant({ principalId, roleId: otherId, expiresAt: '2024-01-01T00:00:00.000Z' }),
    ];
    await inside(opened, (tx) => tx.grants.addMany([held, ended]));
    const [again, scoped, twice, anew] = [
      aGrant({ principalId, roleId }),
      aGrant({ principalId, roleId, scope: 'acme/many', expiresAt: LATER, grantedBy: 'alice' }),
      aGrant({ principalId, roleId, scope: 'acme/many' }),
      aGrant({ principalId, roleId: otherId }),
    ];
    const added = await inside(opened, (tx) => tx.grants.addMany([again, scoped, twice, anew]));
    expect([...added].toSorted()).toEqual(idsOf([scoped, anew]));
    const now = (await store.grants.ofPrincipals([principalId])).map(({ grant }) => grant);
    expect(new Map(now.map((grant) => [grant.id, grant]))).toEqual(
      new Map([held, scoped, anew].map((grant) => [grant.id, grant])),
    );
    expect(await inside(opened, (tx) => tx.grants.addMany([]))).toEqual(new Set());
  },

  'findMany and revokeMany: these, revoked ones included, without the missing ones': async (opened) => {
    const { store } = opened;
    const [role, other] = await addRoles(opened, 2);
    const { id: principalId } = await addUser(store);
    const grants = [role, other].map((each) => aGrant({ principalId, roleId: each?.id ?? '' }));
    await inside(opened, (tx) => tx.grants.addMany(grants));
    const ids = idsOf(grants);
    await inside(opened, (tx) => tx.grants.revokeMany(ids.slice(0, 1), INSTANT));
    await inside(opened, (tx) => tx.grants.revokeMany(ids, LATER));
    const found = await store.grants.findMany([...ids, anId('grant')]);
    expect(idsOf(found)).toEqual(ids);
    expect(new Map(found.map(({ id, revokedAt }) => [id, revokedAt]))).toEqual(
      new Map([
        [ids[0], INSTANT],
        [ids[1], LATER],
      ]),
    );
  },

  'heldByMany: for each principal what heldBy has': async (opened) => {
    const { store } = opened;
    const [role] = await addRoles(opened, 1);
    const [one, two] = (await addUsers(store, 2)).map(({ id }) => id);
    await inside(opened, (tx) => tx.grants.addMany([aGrant({ principalId: one ?? '', roleId: role?.id ?? '' })]));
    const held = await store.grants.heldByMany([one ?? '', two ?? '']);
    expect(held.get(one ?? '')).toEqual(await store.grants.heldBy(one ?? ''));
    expect(held.get(one ?? '')).toHaveLength(1);
    expect(held.get(two ?? '')).toEqual([]);
  },

  'holders: at most so many of those who hold it everywhere and without end, and are not shut out': async (opened) => {
    const { store } = opened;
    await addScopes(store, 'acme');
    const [role] = await addRoles(opened, 1);
    const roleId = role?.id ?? '';
    const [one, two, ending, scoped, out] = (await addUsers(store, 5)).map(({ id }) => id);
    await inside(opened, async (tx) => {
      await tx.grants.addMany([
        ...[one, two, out].map((principalId = '') => aGrant({ principalId, roleId })),
        aGrant({ principalId: one ?? '', roleId, scope: 'acme' }),
        aGrant({ principalId: ending ?? '', roleId, expiresAt: LATER }),
        aGrant({ principalId: scoped ?? '', roleId, scope: 'acme' }),
      ]);
      await tx.users.disableMany([out ?? '']);
    });
    const holders = (limit: number) => inside(opened, (tx) => tx.grants.holders(roleId, limit));
    expect(new Set(await holders(10))).toEqual(new Set([one, two]));
    expect(await holders(1)).toHaveLength(1);
  },

  'holders: those that ask wait for each other, and see what was committed meanwhile': async (opened) => {
    const [role] = await addRoles(opened, 1);
    const roleId = role?.id ?? '';
    const { id: principalId } = await addUser(opened.store);
    const grant = aGrant({ principalId, roleId });
    await inside(opened, (tx) => tx.grants.add(grant));
    const second = await waits(
      opened,
      async (tx) => {
        expect(await tx.grants.holders(roleId, 2)).toEqual([principalId]);
        await tx.grants.revokeMany([grant.id], INSTANT);
      },
      (tx) => tx.grants.holders(roleId, 2),
    );
    expect(second).toEqual([]);
  },
};

const NAME_LAWS: Readonly<Record<string, Law>> = {
  'roles.closures: the names of each role and of all that it is made of': async (opened) => {
    const [role, other] = await addRoles(opened, 2);
    const [low, high] = [aRole({ managed: false }), aRole({ managed: false })];
    const closures = await inside(opened, async (tx) => {
      await tx.roles.add(low, [role?.id ?? '']);
      await tx.roles.add(high, [low.id, other?.id ?? '']);
      return tx.roles.closures([high.id, role?.id ?? '', anId('role')]);
    });
    expect(closures.size).toBe(2);
    expect(closures.get(role?.id ?? '')).toEqual([role?.name]);
    expect(new Set(closures.get(high.id))).toEqual(new Set([role?.name, other?.name, low.name, high.name]));
  },

  'scopes.findByPaths: those that are there': async ({ store }) => {
    await addScopes(store, 'acme/many/paths');
    const found = await store.scopes.findByPaths(['acme', 'acme/many/paths', 'acme/missing', 'ACME']);
    expect(found.map(({ scope }) => scope).toSorted()).toEqual(['acme', 'acme/many/paths']);
  },

  'errands.addMany: as each alone': async (opened) => {
    const errands = [1, 2].map(() => ({ id: anId('errand'), kind: 'mail', userId: null, sealed: 'sealed' }) as const);
    await inside(opened, (tx) => tx.errands.addMany(errands, INSTANT));
    const finished = await inside(opened, (tx) => Promise.all(errands.map(({ id }) => tx.errands.finish(id))));
    expect(finished).toEqual([true, true]);
  },
};

export const BULK_LAW_GROUPS = {
  'many users at once': USER_LAWS,
  'many grants at once': GRANT_LAWS,
  'many names at once': NAME_LAWS,
};

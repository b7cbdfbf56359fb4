import { expect } from '@jest/globals';
import { aGrant, anId, aRole, aServiceAccount, aUser, INSTANT, LATER } from './store-samples.ts';
import { addScopes, addUser, type Law, waits } from './store-steps.ts';

const NOTHING = { change: [], share: [], policy: null };

export const SERVICE_ACCOUNT_LAWS: Readonly<Record<string, Readonly<Record<string, Law>>>> = {
  'service accounts': {
    'find and findMany: those with these ids, or null, and never a user; no reader of users sees one': async ({
      store,
    }) => {
      await addScopes(store, 'acme/platform');
      const account = aServiceAccount({ scope: 'acme/platform', name: 'Gateway 🗝' });
      const user = await addUser(store);
      await store.transaction((tx) => tx.serviceAccounts.add(account));
      const { serviceAccounts, users } = store;
      expect(await serviceAccounts.find(account.id)).toEqual(account);
      expect(await serviceAccounts.findMany([account.id, user.id, anId('svc')])).toEqual([account]);
      expect(await serviceAccounts.find(user.id)).toBeNull();
      expect(await serviceAccounts.find(account.id.toUpperCase())).toBeNull();
      expect(await users.find(account.id)).toBeNull();
      expect(await users.findMany([account.id])).toEqual([]);
      const only = { kind: 'among', attribute: 'id', values: [account.id, user.id] } as const;
      const query = { filter: only, order: { by: 'name', descending: false }, after: null, limit: 10 };
      expect(await serviceAccounts.page(query)).toEqual([account]);
      expect(await users.page(query)).toEqual([user]);
    },

    'population: active ones as well, without sessions, and no disabled or erased one': async ({ store }) => {
      const [active, disabled, erased] = [
        aServiceAccount(),
        aServiceAccount({ status: 'disabled' }),
        aServiceAccount(),
      ];
      const role = aRole({ name: anId('role') });
      await store.transaction(async (tx) => {
        for (const each of [active, disabled, erased]) await tx.serviceAccounts.add(each);
        await tx.serviceAccounts.erase(erased.id, INSTANT);
        await tx.roles.syncManaged([role]);
        const { id: roleId } = (await tx.roles.findByName(role.name)) ?? role;
        await tx.grants.add(aGrant({ principalId: active.id, roleId }));
      });
      const ids = new Set([active.id, disabled.id, erased.id]);
      const population = (await store.population.page('', 100_000)).filter(({ record }) => ids.has(record.id));
      expect(population).toMatchObject([
        { record: { ...active, roles: [role.name] }, grants: [{ role: role.name }], liveSessions: 0 },
      ]);
    },

    'what decides about one is read with that of users, in one snapshot': async ({ store, statements }) => {
      const [account, role] = [aServiceAccount({ status: 'disabled' }), aRole({ name: anId('role') })];
      const user = await addUser(store);
      await store.transaction(async (tx) => {
        await tx.serviceAccounts.add(account);
        await tx.roles.syncManaged([role]);
        const { id: roleId } = (await tx.roles.findByName(role.name)) ?? role;
        await tx.grants.add(aGrant({ principalId: account.id, roleId }));
      });
      let found = new Map<string, unknown>();
      const read = async () =>
        void (found = new Map((await store.snapshots.principals([account.id, user.id])).principals));
      expect(await statements(read)).toBe(1);
      const record = { ...account, roles: [role.name] };
      expect(found.get(account.id)).toMatchObject({ record, grants: [{ role: role.name }] });
      expect(found.get(user.id)).toMatchObject({ record: user });
    },

    'a role that only a service account holds is held by no user': async ({ store }) => {
      const [account, role] = [aServiceAccount(), aRole({ name: anId('role') })];
      await store.transaction(async (tx) => {
        await tx.serviceAccounts.add(account);
        await tx.roles.syncManaged([role]);
      });
      const { id: roleId } = (await store.roles.findByName(role.name)) ?? role;
      await store.transaction((tx) => tx.grants.add(aGrant({ principalId: account.id, roleId })));
      expect(await store.grants.isHeld(roleId)).toBe(false);
      const user = await addUser(store);
      await store.transaction((tx) => tx.grants.add(aGrant({ principalId: user.id, roleId })));
      expect(await store.grants.isHeld(roleId)).toBe(true);
    },

    'setName: what is found afterwards': async ({ store }) => {
      const account = aServiceAccount();
      await store.transaction((tx) => tx.serviceAccounts.add(account));
      await store.transaction((tx) => tx.serviceAccounts.setName(account.id, 'Gateway 🗝'));
      expect(await store.serviceAccounts.find(account.id)).toEqual({ ...account, name: 'Gateway 🗝' });
    },

    'setStatus: what is found afterwards': async ({ store }) => {
      const account = aServiceAccount();
      await store.transaction((tx) => tx.serviceAccounts.add(account));
      await store.transaction((tx) => tx.serviceAccounts.setStatus(account.id, 'disabled'));
      expect(await store.serviceAccounts.find(account.id)).toEqual({ ...account, status: 'disabled' });
    },

    'erase: the name and the grants are gone, and the id is never used again': async ({ store }) => {
      const [account, role] = [aServiceAccount({ name: anId('secret') }), aRole({ name: anId('role') })];
      await store.transaction(async (tx) => {
        await tx.serviceAccounts.add(account);
        await tx.roles.syncManaged([role]);
        const { id: roleId } = (await tx.roles.findByName(role.name)) ?? role;
        await tx.grants.add(aGrant({ principalId: account.id, roleId, expiresAt: LATER }));
      });
      await store.transaction((tx) => tx.serviceAccounts.erase(account.id, INSTANT));
      expect(await store.serviceAccounts.find(account.id)).toBeNull();
      expect((await store.snapshots.principals([account.id])).principals.size).toBe(0);
      expect(await store.grants.heldBy(account.id)).toEqual([]);
      await expect(store.transaction((tx) => tx.serviceAccounts.add(account))).rejects.toMatchObject({
        name: 'TransactionConflict',
      });
      await expect(store.transaction((tx) => tx.users.add(aUser({ id: account.id }), null))).rejects.toMatchObject({
        name: 'TransactionConflict',
      });
    },

    'the fence keeps who changes one from who shares it': async (opened) => {
      const account = aServiceAccount();
      await opened.store.transaction((tx) => tx.serviceAccounts.add(account));
      await waits(
        opened,
        (tx) => tx.fence.lock({ ...NOTHING, change: [account.id] }),
        (tx) => tx.fence.lock({ ...NOTHING, share: [account.id] }),
      );
    },
  },
};

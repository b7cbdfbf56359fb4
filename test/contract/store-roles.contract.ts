import { expect } from '@jest/globals';
import type { Role } from '../../src/domain/roles/role.ts';
import type { Store, Transaction } from '../../src/domain/store.ts';
import { addScopes, addUser, type Law, waits } from './store-steps.ts';
import { aGrant, anId, aRole, INSTANT, LATER } from './store-samples.ts';

const CONFLICT = { name: 'Refusal', code: 'CONFLICT' };

const aCustomRole = (values: Partial<Role> = {}): Role => aRole({ managed: false, ...values });
const aName = (): string => anId('n').replace('_', '-');

async function addManaged<Names extends readonly Role[]>(store: Store, ...roles: Names): Promise<Names> {
  await store.transaction((tx) => tx.roles.syncManaged(roles));
  return roles;
}

async function addCustom(store: Store, inherits: readonly Role[], values: Partial<Role> = {}): Promise<Role> {
  const role = aCustomRole(values);
  const ids = inherits.map(({ id }) => id);
  await store.transaction((tx) => tx.roles.add(role, ids));
  return role;
}

/** Two managed roles, and a tower of custom ones over them: `low` of one, `middle` of `low` and the other, `high` of `middle`. */
async function addTower(store: Store) {
  const [one, two] = await addManaged(store, aRole(), aRole());
  const low = await addCustom(store, [one]);
  const middle = await addCustom(store, [low, two]);
  const high = await addCustom(store, [middle]);
  return { one, two, low, middle, high };
}

async function read<T>(store: Store, work: (tx: Transaction) => Promise<T>): Promise<T> {
  return (await store.transaction(work)).value;
}

const ids = (roles: readonly { readonly id: string }[]) => roles.map(({ id }) => id).toSorted();
const closure = async (store: Store, ...roles: readonly Role[]) =>
  ids(await read(store, (tx) => tx.roles.closure(roles.map(({ id }) => id))));
const descendants = async (store: Store, role: Role) =>
  (await read(store, (tx) => tx.roles.descendants(role.id))).toSorted();

const grantTo = (store: Store, principalId: string, role: Role, values: { scope?: string; expiresAt?: string } = {}) =>
  store.transaction((tx) => tx.grants.add(aGrant({ principalId, roleId: role.id, ...values })));

const suspend = (store: Store, path: string, status: 'active' | 'suspended' = 'suspended') =>
  store.transaction(async (tx) => tx.scopes.setStatus((await tx.scopes.findByPath(path))?.id ?? '', status));

const CUSTOM_ROLE_LAWS: Readonly<Record<string, Law>> = {
  'add: a custom role, which is found as any other': async ({ store }) => {
    const [base] = await addManaged(store, aRole());
    const role = await addCustom(store, [base], { name: aName(), description: 'Made here' });
    expect(await store.roles.find(role.id)).toEqual(role);
    expect(await store.roles.findByName(role.name)).toEqual(role);
    expect(await store.roles.findMany([role.id])).toEqual([role]);
  },

  'add: refuses with CONFLICT when a role has the name, managed or custom': async ({ store }) => {
    const [managed] = await addManaged(store, aRole());
    const custom = await addCustom(store, [managed]);
    for (const { name } of [managed, custom]) {
      const add = store.transaction((tx) => tx.roles.add(aCustomRole({ name }), [managed.id]));
      await expect(add).rejects.toMatchObject({ ...CONFLICT, data: { field: 'name' } });
    }
    const name = aName();
    const racing = Array.from({ length: 5 }, () =>
      store.transaction((tx) => tx.roles.add(aCustomRole({ name }), [managed.id])),
    );
    const ends = await Promise.allSettled(racing);
    expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  },

  'save: names, describes and composes it anew': async ({ store }) => {
    const { one, two, low, middle } = await addTower(store);
    const saved = { ...low, name: aName(), description: 'anew' };
    await store.transaction((tx) => tx.roles.save(saved, [two.id]));
    expect(await store.roles.find(low.id)).toEqual(saved);
    expect(await store.roles.findByName(low.name)).toBeNull();
    expect(await closure(store, low)).toEqual(ids([low, two]));
    expect(await closure(store, middle)).toEqual(ids([middle, low, two]));
    expect(await descendants(store, one)).toEqual([]);
  },

  'save: refuses with CONFLICT when another role has the name; its own it may keep': async ({ store }) => {
    const { one, low, middle } = await addTower(store);
    for (const { name } of [one, middle]) {
      const save = store.transaction((tx) => tx.roles.save({ ...low, name }, [one.id]));
      await expect(save).rejects.toMatchObject({ ...CONFLICT, data: { field: 'name' } });
    }
    await store.transaction((tx) => tx.roles.save({ ...low, description: 'kept' }, [one.id]));
    expect(await store.roles.find(low.id)).toEqual({ ...low, description: 'kept' });
  },

  'remove: it is found no more but as deleted, and its name is free': async ({ store }) => {
    const { middle, high } = await addTower(store);
    const deleted = (id: string) => read(store, (tx) => tx.roles.findDeleted(id));
    expect(await deleted(high.id)).toBeNull();
    await store.transaction((tx) => tx.roles.remove(high.id, INSTANT));
    expect(await store.roles.find(high.id)).toBeNull();
    expect(await store.roles.findByName(high.name)).toBeNull();
    expect(await store.roles.findMany([high.id])).toEqual([]);
    expect((await store.roles.hierarchy()).map(({ role }) => role.id)).not.toContain(high.id);
    const query = { filter: { kind: 'equals', attribute: 'name', value: high.name } as const, after: null, limit: 9 };
    expect(await store.roles.page({ ...query, order: { by: null, descending: false } })).toEqual([]);
    expect(await deleted(high.id)).toEqual(high);
    expect(await deleted(middle.id)).toBeNull();
    expect(await deleted(anId('role'))).toBeNull();
    expect(await descendants(store, middle)).toEqual([]);
    expect(await closure(store, high)).toEqual([]);

    const another = await addCustom(store, [middle], { name: high.name });
    expect(await store.roles.findByName(high.name)).toEqual(another);
    expect(await deleted(high.id)).toEqual(high);
  },

  'remove: a managed role may have its name, and one of that name comes to another id': async ({ store }) => {
    const { one, low } = await addTower(store);
    const custom = await addCustom(store, [one]);
    await store.transaction((tx) => tx.roles.remove(custom.id, INSTANT));
    const [managed] = await addManaged(store, aRole({ name: custom.name }));
    expect(await store.roles.findByName(custom.name)).toEqual(managed);
    expect(await read(store, (tx) => tx.roles.findDeleted(custom.id))).toEqual(custom);
    expect(await store.roles.find(low.id)).toEqual(low);
  },

  'syncManaged: refuses with CONFLICT a name that a custom role has, and adds none of the others': async ({
    store,
  }) => {
    const [base] = await addManaged(store, aRole());
    const custom = await addCustom(store, [base], { description: 'mine' });
    const fresh = aRole();
    const sync = store.transaction((tx) => tx.roles.syncManaged([fresh, aRole({ name: custom.name }), base]));
    await expect(sync).rejects.toMatchObject(CONFLICT);
    expect(await store.roles.findByName(fresh.name)).toBeNull();
    expect(await store.roles.find(custom.id)).toEqual(custom);
    await addManaged(store, fresh);
  },

  'closure: these roles and all that they are made of, each once': async ({ store }) => {
    const { one, two, low, middle, high } = await addTower(store);
    expect(await closure(store, one)).toEqual([one.id]);
    expect(await closure(store, low)).toEqual(ids([one, low]));
    expect(await closure(store, high)).toEqual(ids([one, two, low, middle, high]));
    expect(await closure(store, low, two, middle)).toEqual(ids([one, two, low, middle]));
    const named = await read(store, (tx) => tx.roles.closure([low.id]));
    expect(new Set(named.map(({ name }) => name))).toEqual(new Set([one.name, low.name]));
    expect(await read(store, (tx) => tx.roles.closure([]))).toEqual([]);
    expect(await read(store, (tx) => tx.roles.closure([anId('role')]))).toEqual([]);
  },

  'descendants: the custom roles that are made of it at any remove, without itself': async ({ store }) => {
    const { one, two, low, middle, high } = await addTower(store);
    expect(await descendants(store, one)).toEqual(ids([low, middle, high]));
    expect(await descendants(store, two)).toEqual(ids([middle, high]));
    expect(await descendants(store, high)).toEqual([]);
    expect(await descendants(store, aRole())).toEqual([]);
  },

  'hierarchy: all roles in the order of their names, each with what it is made of, in one statement': async ({
    store,
    statements,
  }) => {
    const { one, two, low, middle } = await addTower(store);
    let nodes: Awaited<ReturnType<Store['roles']['hierarchy']>> = [];
    expect(await statements(async () => (nodes = await store.roles.hierarchy()))).toBe(1);
    const names = nodes.map(({ role }) => role.name);
    expect(names).toEqual(names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
    const node = ({ id }: Role) => nodes.find(({ role }) => role.id === id);
    expect(node(one)).toEqual({ role: one, inherits: [] });
    expect(node(low)).toEqual({ role: low, inherits: [one.id] });
    expect(node(middle)?.inherits.toSorted()).toEqual(ids([low, two]));
  },

  'inside a transaction `find` and `findByName` lock the role: nobody changes it before the end': async (opened) => {
    const { store } = opened;
    for (const find of [
      (tx: Transaction, { id }: Role) => tx.roles.find(id),
      (tx: Transaction, { name }: Role) => tx.roles.findByName(name),
    ]) {
      const [base] = await addManaged(store, aRole());
      const role = await addCustom(store, [base]);
      await waits(
        opened,
        (tx) => find(tx, role),
        (tx) => tx.roles.save({ ...role, description: 'anew' }, [base.id]),
      );
      expect(await store.roles.find(role.id)).toMatchObject({ description: 'anew' });
    }
  },
};

const HELD_LAWS: Readonly<Record<string, Law>> = {
  'heldBy: each granted role, and each that a custom one is made of, with the one it comes through': async ({
    store,
  }) => {
    const { one, two, low, middle } = await addTower(store);
    const user = await addUser(store);
    await addScopes(store, 'acme/api');
    await grantTo(store, user.id, middle, { scope: 'acme/api', expiresAt: LATER });
    await grantTo(store, user.id, one);
    const through = { roleId: middle.id, scope: 'acme/api', expiresAt: LATER };
    const held = await store.grants.heldBy(user.id);
    const expected = [
      { ...through, role: middle.name, through: null },
      { ...through, role: low.name, through: middle.name },
      { ...through, role: one.name, through: middle.name },
      { ...through, role: two.name, through: middle.name },
      { roleId: one.id, role: one.name, through: null, scope: null, expiresAt: null },
    ];
    expect(held).toHaveLength(expected.length);
    expect(held).toEqual(expect.arrayContaining(expected));
    expect(await store.grants.heldBy(anId('user'))).toEqual([]);
  },

  'heldBy: nothing that was revoked or has expired; what lies in a suspended scope is dormant, until that is resumed':
    async ({ store }) => {
      const [role] = await addManaged(store, aRole());
      const [user, root] = [await addUser(store), aName()];
      await addScopes(store, `${root}/a/b`, `${root}/c`);
      const revoked = aGrant({ principalId: user.id, roleId: role.id, scope: root });
      await store.transaction(async (tx) => {
        await tx.grants.add(revoked);
        await tx.grants.revoke(revoked.id, INSTANT);
      });
      await grantTo(store, user.id, role, { expiresAt: INSTANT });
      for (const scope of [`${root}/a`, `${root}/a/b`, `${root}/c`]) await grantTo(store, user.id, role, { scope });
      const places = async () =>
        (await store.grants.heldBy(user.id)).filter(({ dormant }) => dormant !== true).map(({ scope }) => scope);
      expect(await places()).toEqual([`${root}/a`, `${root}/a/b`, `${root}/c`]);
      await suspend(store, `${root}/a`);
      expect(await places()).toEqual([`${root}/c`]);
      await suspend(store, root);
      expect(await places()).toEqual([]);
      await suspend(store, root, 'active');
      await suspend(store, `${root}/a`, 'active');
      expect(await places()).toEqual([`${root}/a`, `${root}/a/b`, `${root}/c`]);
    },

  'isHeld: also through a custom role made of it at any remove, and as it is made now': async ({ store }) => {
    const { one, two, low, middle, high } = await addTower(store);
    const user = await addUser(store);
    const held = () => Promise.all([one, two, low, middle, high].map(({ id }) => store.grants.isHeld(id)));
    expect(await held()).toEqual([false, false, false, false, false]);
    await grantTo(store, user.id, high);
    expect(await held()).toEqual([true, true, true, true, true]);
    await store.transaction(async (tx) => {
      await tx.roles.save(middle, [low.id]);
      expect(await tx.grants.isHeld(two.id)).toBe(false);
    });
    expect(await held()).toEqual([true, false, true, true, true]);
  },

  'isHeld: by nobody whose home or a scope above it is suspended': async ({ store }) => {
    const [role] = await addManaged(store, aRole());
    const root = aName();
    const user = await addUser(store, { scope: `${root}/a` });
    await grantTo(store, user.id, role);
    expect(await store.grants.isHeld(role.id)).toBe(true);
    await suspend(store, root);
    expect(await store.grants.isHeld(role.id)).toBe(false);
    await suspend(store, root, 'active');
    expect(await store.grants.isHeld(role.id)).toBe(true);
    await suspend(store, `${root}/a`);
    expect(await store.grants.isHeld(role.id)).toBe(false);
  },

  'isHeld: inside a transaction those that ask wait for each other, and see what was committed meanwhile': async (
    opened,
  ) => {
    const { store } = opened;
    const [role] = await addManaged(store, aRole());
    const user = await addUser(store);
    const grant = aGrant({ principalId: user.id, roleId: role.id });
    await store.transaction((tx) => tx.grants.add(grant));
    const second = await waits(
      opened,
      async (tx) => {
        expect(await tx.grants.isHeld(role.id)).toBe(true);
        await tx.grants.revoke(grant.id, INSTANT);
      },
      (tx) => tx.grants.isHeld(role.id),
    );
    expect(second).toBe(false);
  },

  'revokeAllOf: every grant of the role, at whatever scope, and the ids of those who held it': async ({ store }) => {
    const [role, other] = await addManaged(store, aRole(), aRole());
    const [alice, bob, carol] = [await addUser(store), await addUser(store), await addUser(store)];
    await addScopes(store, 'acme');
    for (const { id } of [alice, bob]) await grantTo(store, id, role);
    await grantTo(store, alice.id, role, { scope: 'acme' });
    await grantTo(store, carol.id, other);
    const revoke = () => read(store, (tx) => tx.grants.revokeAllOf(role.id, INSTANT));
    expect((await revoke()).toSorted()).toEqual(ids([alice, bob]));
    expect(await revoke()).toEqual([]);
    expect(await store.grants.ofPrincipals([alice.id, bob.id])).toEqual([]);
    expect(await store.grants.ofPrincipals([carol.id])).toHaveLength(1);
  },

  'revokeAllAt: every grant at the scope, and none above or below it': async ({ store }) => {
    const [role] = await addManaged(store, aRole());
    const [user, root] = [await addUser(store), aName()];
    const places = [root, `${root}/a`, `${root}/a/b`];
    await addScopes(store, ...places);
    for (const scope of places) await grantTo(store, user.id, role, { scope });
    const scope = await store.scopes.findByPath(`${root}/a`);
    await store.transaction((tx) => tx.grants.revokeAllAt(scope?.id ?? '', INSTANT));
    expect((await store.grants.heldBy(user.id)).map((held) => held.scope)).toEqual([root, `${root}/a/b`]);
  },

  'roles of a user: with those that custom ones are made of, each once, sorted': async ({ store }) => {
    const { one, two, low, middle, high } = await addTower(store);
    const user = await addUser(store);
    await grantTo(store, user.id, high);
    await grantTo(store, user.id, two);
    const names = [one, two, low, middle, high].map(({ name }) => name).toSorted();
    expect(await store.users.find(user.id)).toMatchObject({ roles: names });
    const filter = { kind: 'among', attribute: 'roles', values: [one.name] } as const;
    const page = await store.users.page({ filter, order: { by: null, descending: false }, after: null, limit: 9 });
    expect(page.map(({ id }) => id)).toEqual([user.id]);
    await store.transaction((tx) => tx.roles.save(high, [two.id]));
    expect(await store.users.find(user.id)).toMatchObject({ roles: [two.name, high.name].toSorted() });
  },
};

const SNAPSHOT_LAWS: Readonly<Record<string, Law>> = {
  'principals: what comes through custom roles, and the ids of the scopes that homes and grants lie in': async ({
    store,
  }) => {
    const { one, low } = await addTower(store);
    const root = aName();
    await store.transaction((tx) => tx.bundles.put(anId('version'), [], 'system'));
    await addScopes(store, `${root}/a/b`, `${root}/c/d`, `${root}/e`);
    const user = await addUser(store, { scope: `${root}/a/b` });
    await grantTo(store, user.id, low, { scope: `${root}/c/d` });
    await suspend(store, `${root}/c`);
    const id = async (path: string) => (await store.scopes.findByPath(path))?.id ?? '';
    const snapshot = async () => (await store.snapshots.principals([user.id])).principals.get(user.id);
    const [r, a, b, c, d] = await Promise.all(
      [root, `${root}/a`, `${root}/a/b`, `${root}/c`, `${root}/c/d`].map((path) => id(path)),
    );
    const seen = await snapshot();
    // A suspended scope takes away what is granted in it; that it is resumed must be noticed.
    expect(seen?.grants).toEqual([]);
    expect(seen?.dormant.map(({ role, scope }) => [role, scope])).toEqual(
      seen?.record.roles.map((role) => [role, `${root}/c/d`]),
    );
    expect(seen?.dormant).not.toEqual([]);
    expect(seen?.homeIds).toEqual([r, a, b]);
    expect(new Set(seen?.grantScopeIds)).toEqual(new Set([r, c, d]));
    expect(seen?.grantScopeIds).toHaveLength(3);
    await suspend(store, `${root}/c`, 'active');
    const grant = { roleId: low.id, scope: `${root}/c/d`, expiresAt: null };
    const resumed = await snapshot();
    expect(resumed?.grants).toHaveLength(2);
    expect(resumed?.grants).toEqual(
      expect.arrayContaining([
        { ...grant, role: low.name, through: null },
        { ...grant, role: one.name, through: low.name },
      ]),
    );
    await suspend(store, `${root}/a`);
    expect((await snapshot())?.record).toMatchObject({ suspended: true, status: 'active' });
  },

  'population: with what comes through custom roles': async ({ store }) => {
    const { one, low } = await addTower(store);
    const user = await addUser(store);
    await grantTo(store, user.id, low);
    const everybody = await store.population.page('', 10_000);
    const member = everybody.find((each) => each.record.id === user.id);
    expect(member?.grants.map(({ role }) => role).toSorted()).toEqual([one.name, low.name].toSorted());
  },
};

export const CUSTOM_ROLE_LAW_GROUPS = {
  'custom roles': CUSTOM_ROLE_LAWS,
  'held grants': HELD_LAWS,
  'snapshots of custom roles and scopes': SNAPSHOT_LAWS,
};

import { expect } from '@jest/globals';
import type { PageOrder } from '../../src/domain/pages.ts';
import { ALL, type Filter } from '../../src/domain/policy/filter.ts';
import { type Scope, scopePaths } from '../../src/domain/scopes/scope.ts';
import type { Store, Transaction } from '../../src/domain/store.ts';
import { addScopes, addUser, type Law, waits } from './store-steps.ts';
import { aGrant, anId, aRole, aScope, aSession, INSTANT, LATER } from './store-samples.ts';

const CONFLICT = { name: 'Refusal', code: 'CONFLICT', data: { field: 'path' } };
const BY_ID: PageOrder = { by: null, descending: false };

const within = (path: string): Filter => ({ kind: 'equals', attribute: 'scopes', value: path });

/** A name that no other law uses. */
const aName = (): string => anId('n').replace('_', '-');

async function at(store: Store, path: string): Promise<Scope> {
  const scope = await store.scopes.findByPath(path);
  if (scope === null) throw new TypeError(`there is no scope ${path}`);
  return scope;
}

/** A tree with branches of several depths below a root of its own: its scopes by what follows the root. */
async function addTree(store: Store, root = aName()) {
  const rests = ['', '/a', '/a/b', '/a/b/c', '/a/b/c/d', '/a/bb', '/aa', '/e'];
  await addScopes(store, ...rests.map((rest) => `${root}${rest}`));
  return { root, rests, scope: (rest: string) => at(store, `${root}${rest}`) };
}

const move = (store: Store, id: string, scope: string, parentId: string | null) =>
  store.transaction((tx) => tx.scopes.move(id, { scope, parentId }));

/** The ids of the home scope and all above it, which a snapshot gives of a user at home there. */
async function lineageOf(store: Store, path: string): Promise<readonly string[]> {
  await store.transaction((tx) => tx.bundles.put(anId('version'), [], 'system'));
  const user = await addUser(store, { scope: path });
  const { principals } = await store.snapshots.principals([user.id]);
  return principals.get(user.id)?.homeIds ?? [];
}

/** Whether each path from the root down has a scope, whose paths, parent and ids agree with one another. */
async function expectSound(store: Store, path: string): Promise<void> {
  const paths = scopePaths(path);
  const all = await Promise.all(paths.map((each) => at(store, each)));
  for (const [index, scope] of all.entries()) {
    expect(scope).toMatchObject({
      name: scope.scope.split('/').at(-1),
      scopes: paths.slice(0, index + 1),
      parentId: all[index - 1]?.id ?? null,
    });
  }
  expect(await lineageOf(store, path)).toEqual(all.map(({ id }) => id));
}

const READER_LAWS: Readonly<Record<string, Law>> = {
  'find and findByPath: the scope, compared byte for byte, or null': async ({ store }) => {
    const [root, name] = [aName(), aName()];
    await addScopes(store, root);
    const { id: parentId } = await at(store, root);
    const scope = aScope(`${root}/${name}`, { parentId, status: 'suspended' });
    await store.transaction((tx) => tx.scopes.add(scope));
    expect(await store.scopes.find(scope.id)).toEqual(scope);
    expect(await store.scopes.findByPath(scope.scope)).toEqual(scope);
    for (const path of [scope.scope.toUpperCase(), `${scope.scope}/`, `${root}//${name}`, name, '', '%', scope.id]) {
      expect(await store.scopes.findByPath(path)).toBeNull();
    }
    for (const id of [scope.id.toUpperCase(), `${scope.id} `, '', scope.scope, anId('scope')]) {
      expect(await store.scopes.find(id)).toBeNull();
    }
  },

  'findMany: the scopes with these ids, without the missing ones, in one statement': async ({ store, statements }) => {
    const { scope } = await addTree(store);
    const some = [await scope(''), await scope('/a/b'), await scope('/e')].toSorted((a, b) => (a.id < b.id ? -1 : 1));
    const ids = [...some.map(({ id }) => id), anId('scope'), some[0]?.id ?? ''];
    let found: readonly Scope[] = [];
    expect(await statements(async () => (found = await store.scopes.findMany(ids)))).toBe(1);
    expect(found.toSorted((a, b) => (a.id < b.id ? -1 : 1))).toEqual(some);
    expect(await store.scopes.findMany([])).toEqual([]);
  },

  'page: of scopes are the records that find gives, within a path by segments, and none that was removed': async ({
    store,
  }) => {
    const { root, scope, rests } = await addTree(store);
    const order = { by: 'scope', descending: false };
    const query = { filter: within(root), order, after: null, limit: 100 };
    const page = await store.scopes.page(query);
    expect(page.map((each) => each.scope)).toEqual(rests.map((rest) => `${root}${rest}`).toSorted());
    for (const each of page) expect(each).toEqual(await store.scopes.find(each.id));
    const below = await store.scopes.page({ ...query, filter: within(`${root}/a`) });
    expect(below.map((each) => each.scope)).not.toContain(`${root}/aa`);
    expect(below).toHaveLength(5);

    const { id } = await scope('/e');
    await store.transaction((tx) => tx.scopes.remove(id, INSTANT));
    expect(await store.scopes.page({ ...query, limit: 100 })).toHaveLength(rests.length - 1);
    const everything = await store.scopes.page({ filter: ALL, order: BY_ID, after: null, limit: 10_000 });
    expect(everything.map((each) => each.id)).not.toContain(id);
  },

  'inside a transaction `find`, `findMany` and `findByPath` lock the row: nobody changes it before the end': async (
    opened,
  ) => {
    const { store } = opened;
    for (const find of [
      (tx: Transaction, { id }: Scope) => tx.scopes.find(id),
      (tx: Transaction, { id }: Scope) => tx.scopes.findMany([id]),
      (tx: Transaction, { scope }: Scope) => tx.scopes.findByPath(scope),
    ]) {
      const path = aName();
      await addScopes(store, path);
      const scope = await at(store, path);
      await waits(
        opened,
        (tx) => find(tx, scope),
        (tx) => tx.scopes.setStatus(scope.id, 'suspended'),
      );
      expect(await store.scopes.find(scope.id)).toMatchObject({ status: 'suspended' });
    }
  },
};

const WRITER_LAWS: Readonly<Record<string, Law>> = {
  'add: refuses with CONFLICT when the path is taken, and leaves the transaction as it was': async ({ store }) => {
    const [root, other] = [aName(), aName()];
    await addScopes(store, root);
    await store.transaction(async (tx) => {
      await expect(tx.scopes.add(aScope(root))).rejects.toMatchObject(CONFLICT);
      await tx.scopes.add(aScope(other));
    });
    expect(await store.scopes.findByPath(other)).not.toBeNull();
  },

  'add: of concurrent callers with one path one gets it, and the others are refused': async ({ store }) => {
    const path = aName();
    const ends = await Promise.allSettled(
      Array.from({ length: 6 }, () => store.transaction((tx) => tx.scopes.add(aScope(path)))),
    );
    const refused = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as unknown] : []));
    expect(refused).toEqual(Array.from({ length: 5 }, () => expect.objectContaining({ code: 'CONFLICT' })));
  },

  'move: gives everything below a path that begins so, and the same ids': async ({ store }) => {
    const [{ root, rests, scope }, target] = [await addTree(store), aName()];
    await addScopes(store, `${target}/x`);
    const before = new Map<string, Scope>();
    for (const rest of rests) before.set(rest, await scope(rest));
    const parent = await at(store, `${target}/x`);
    await move(store, before.get('/a')?.id ?? '', `${target}/x/moved`, parent.id);

    for (const [rest, { id }] of before) {
      const isBelow = rest === '/a' || rest.startsWith('/a/');
      const path = isBelow ? `${target}/x/moved${rest.slice('/a'.length)}` : `${root}${rest}`;
      expect(await store.scopes.find(id)).toMatchObject({ id, scope: path });
      expect(await store.scopes.findByPath(path)).toMatchObject({ id });
      if (isBelow) expect(await store.scopes.findByPath(`${root}${rest}`)).toBeNull();
      await expectSound(store, path);
    }
    expect(await store.scopes.find(before.get('/a')?.id ?? '')).toMatchObject({ name: 'moved', parentId: parent.id });
    expect(await store.scopes.find(before.get('/a/b')?.id ?? '')).toEqual({
      ...before.get('/a/b'),
      scope: `${target}/x/moved/b`,
      scopes: [target, `${target}/x`, `${target}/x/moved`, `${target}/x/moved/b`],
    });
  },

  'move: to the root, from there below another, and up and down in its own tree': async ({ store }) => {
    const { root, scope } = await addTree(store);
    const [top, { id }, aa] = [aName(), await scope('/a/b'), await scope('/aa')];
    const places = [
      [top, null],
      [`${root}/aa/deep`, aa.id],
      [`${root}/up`, (await scope('')).id],
      [`${root}/a/bb/b`, (await scope('/a/bb')).id],
      [`${root}/a/b`, (await scope('/a')).id],
    ] as const;
    for (const [path, parentId] of places) {
      await move(store, id, path, parentId);
      expect(await store.scopes.find(id)).toMatchObject({ scope: path, parentId });
      await expectSound(store, `${path}/c/d`);
    }
    expect(await scope('/a/bb')).toMatchObject({ scope: `${root}/a/bb` });
  },

  'move: takes along nothing that only begins with the same letters, nor is confused by names that repeat': async ({
    store,
  }) => {
    const name = aName();
    await addScopes(store, `${name}/${name}/${name}`, `${name}-2/${name}`);
    const inner = await at(store, `${name}/${name}`);
    const target = aName();
    await move(store, inner.id, target, null);
    await expectSound(store, `${target}/${name}`);
    await expectSound(store, name);
    await expectSound(store, `${name}-2/${name}`);
    expect(await store.scopes.findByPath(`${name}/${name}/${name}`)).toBeNull();
  },

  'move: homes, sessions and grants go along': async ({ store }) => {
    const [{ root, scope }, target] = [await addTree(store), aName()];
    const user = await addUser(store, { scope: `${root}/a/b/c` });
    const [role, session] = [aRole(), aSession({ userId: user.id })];
    const grants = [`${root}/a`, `${root}/a/b/c/d`, root, null].map((path, n) =>
      aGrant({ principalId: user.id, roleId: role.id, scope: path, createdAt: `2024-01-0${n + 1}T00:00:00.000Z` }),
    );
    await store.transaction(async (tx) => {
      await tx.roles.syncManaged([role]);
      await tx.sessions.add(session, 'hash');
      for (const grant of grants) await tx.grants.add(grant);
    });
    await move(store, (await scope('/a')).id, target, null);
    const home = { scope: `${target}/b/c`, scopes: [target, `${target}/b`, `${target}/b/c`] };
    expect(await store.users.find(user.id)).toMatchObject(home);
    expect(await store.sessions.find(session.id)).toMatchObject(home);
    const moved = [target, `${target}/b/c/d`, root, null];
    const found = (await store.grants.ofPrincipals([user.id])).map(({ grant }) => grant.scope);
    expect(found).toEqual(moved);
    const held = (await store.grants.heldBy(user.id)).map((each) => each.scope);
    expect(new Set(held)).toEqual(new Set(moved));
    expect(await store.users.page({ filter: within(target), order: BY_ID, after: null, limit: 9 })).toHaveLength(1);
    expect(await store.users.page({ filter: within(root), order: BY_ID, after: null, limit: 9 })).toEqual([]);
  },

  'move: refuses with CONFLICT when the path is taken, and moves nothing': async ({ store }) => {
    const { root, scope } = await addTree(store);
    const [from, parent] = [await scope('/a/b'), await scope('')];
    await expect(move(store, from.id, `${root}/e`, parent.id)).rejects.toMatchObject(CONFLICT);
    expect(await store.scopes.find(from.id)).toEqual(from);
    await expectSound(store, `${root}/a/b/c/d`);
    await expectSound(store, `${root}/e`);
  },

  'move: onto a path that was freed': async ({ store }) => {
    const { root, scope } = await addTree(store);
    const [gone, aa, parent] = [await scope('/e'), await scope('/aa'), await scope('')];
    await store.transaction((tx) => tx.scopes.remove(gone.id, INSTANT));
    await move(store, aa.id, `${root}/e`, parent.id);
    expect(await store.scopes.findByPath(`${root}/e`)).toMatchObject({ id: aa.id });
  },

  'setStatus: of that scope alone; what is below a suspended one says so of its users': async ({ store }) => {
    const { root, scope } = await addTree(store);
    const [inside, outside] = [
      await addUser(store, { scope: `${root}/a/b/c` }),
      await addUser(store, { scope: `${root}/aa` }),
    ];
    const { id } = await scope('/a');
    const set = (status: Scope['status']) => store.transaction((tx) => tx.scopes.setStatus(id, status));
    const isSuspended = async (user: { readonly id: string }) => (await store.users.find(user.id))?.suspended;
    await set('suspended');
    expect(await scope('/a')).toMatchObject({ status: 'suspended' });
    expect(await scope('/a/b')).toMatchObject({ status: 'active' });
    expect([await isSuspended(inside), await isSuspended(outside)]).toEqual([true, false]);
    await set('active');
    expect([await isSuspended(inside), await isSuspended(outside)]).toEqual([false, false]);
  },

  'depth: how deep the tree below is; removed scopes are none of it': async ({ store }) => {
    const { scope } = await addTree(store);
    const depth = async (rest: string) => {
      const { id } = await scope(rest);
      return (await store.transaction((tx) => tx.scopes.depth(id))).value;
    };
    const depths = await Promise.all(['', '/a', '/a/b', '/a/b/c', '/a/b/c/d', '/aa'].map(depth));
    expect(depths).toEqual([4, 3, 2, 1, 0, 0]);
    const leaf = await scope('/a/b/c/d');
    await store.transaction((tx) => tx.scopes.remove(leaf.id, INSTANT));
    expect(await depth('')).toBe(3);
    expect(await depth('/a/b/c')).toBe(0);
    expect((await store.transaction((tx) => tx.scopes.depth(anId('scope')))).value).toBe(0);
  },

  'contents: users at home in it and scopes directly below, none further down and none removed': async ({ store }) => {
    const { root, scope } = await addTree(store);
    for (const [path, status] of [
      [`${root}/a`, 'active'],
      [`${root}/a`, 'disabled'],
      [`${root}/a/b`, 'active'],
    ] as const) {
      await addUser(store, { scope: path, status });
    }
    const contents = async (rest: string) => {
      const { id } = await scope(rest);
      return (await store.transaction((tx) => tx.scopes.contents(id))).value;
    };
    expect(await contents('/a')).toEqual({ users: 2, scopes: 2 });
    expect(await contents('')).toEqual({ users: 0, scopes: 3 });
    expect(await contents('/a/b/c/d')).toEqual({ users: 0, scopes: 0 });
    const { id } = await scope('/a/bb');
    await store.transaction((tx) => tx.scopes.remove(id, INSTANT));
    expect(await contents('/a')).toEqual({ users: 2, scopes: 1 });
  },

  'remove: it is found no more but as removed, and its path is free for another': async ({ store }) => {
    const path = aName();
    await addScopes(store, path);
    const scope = await at(store, path);
    const removed = async (id: string) => (await store.transaction((tx) => tx.scopes.findRemoved(id))).value;
    expect(await removed(scope.id)).toBeNull();
    await store.transaction((tx) => tx.scopes.remove(scope.id, INSTANT));
    expect(await store.scopes.find(scope.id)).toBeNull();
    expect(await store.scopes.findByPath(path)).toBeNull();
    expect(await store.scopes.findMany([scope.id])).toEqual([]);
    expect(await removed(scope.id)).toEqual(scope);
    expect(await removed(anId('scope'))).toBeNull();

    const another = aScope(path);
    await store.transaction((tx) => tx.scopes.add(another));
    expect(await store.scopes.findByPath(path)).toEqual(another);
    expect(await removed(scope.id)).toEqual(scope);
    expect(await removed(another.id)).toBeNull();
    const again = store.transaction((tx) => tx.scopes.add(aScope(path, { id: scope.id })));
    await expect(again).rejects.toThrow();
  },

  'remove: grants and homes at a path of before are none at the path that is there now': async ({ store }) => {
    const path = aName();
    await addScopes(store, path);
    const [scope, role, user] = [await at(store, path), aRole(), await addUser(store)];
    const grant = aGrant({ principalId: user.id, roleId: role.id, scope: path, expiresAt: LATER });
    await store.transaction(async (tx) => {
      await tx.roles.syncManaged([role]);
      await tx.grants.add(grant);
      await tx.grants.revokeAllAt(scope.id, INSTANT);
      await tx.scopes.remove(scope.id, INSTANT);
      await tx.scopes.add(aScope(path));
    });
    expect(await store.grants.heldBy(user.id)).toEqual([]);
    expect(await store.grants.find(grant.id)).toEqual({ ...grant, revokedAt: INSTANT });
    await store.transaction((tx) => tx.grants.add({ ...grant, id: anId('grant') }));
    expect(await store.grants.heldBy(user.id)).toMatchObject([{ scope: path, role: role.name }]);
  },

  'a home and a grant must name a scope that is there': async ({ store }) => {
    const [role, user, path] = [aRole(), await addUser(store), aName()];
    await store.transaction((tx) => tx.roles.syncManaged([role]));
    const grant = aGrant({ principalId: user.id, roleId: role.id, scope: path });
    await expect(store.transaction((tx) => tx.grants.add(grant))).rejects.toThrow();
    await expect(store.transaction((tx) => tx.users.save({ ...user, scope: path }))).rejects.toThrow();
    expect(await store.grants.find(grant.id)).toBeNull();
    expect(await store.users.find(user.id)).toMatchObject({ scope: null });
  },
};

export const SCOPE_LAWS = { 'scopes read': READER_LAWS, 'scopes written': WRITER_LAWS };

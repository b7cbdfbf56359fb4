import { expect } from '@jest/globals';
import type { Transaction } from '../../src/domain/store.ts';
import type { SigningKey } from '../../src/domain/tokens/signing-key.ts';
import { addScopes, addUser, addUsers, type Law, type OpenStore, passes, waits } from './store-steps.ts';
import { aGrant, anId, aRole, aSession, aUser, INSTANT, LATER } from './store-samples.ts';

const CONFLICT = { name: 'Refusal', code: 'CONFLICT' };
const NOTHING = { change: [], share: [], policy: null };

const USER_LAWS: Readonly<Record<string, Law>> = {
  'find: the user with this id, or null': async ({ store }) => {
    const user = await addUser(store, { scope: 'acme/platform', name: 'Zoë 🗝', status: 'disabled' });
    expect(user.scopes).toEqual(['acme', 'acme/platform']);
    expect(await store.users.find(user.id)).toEqual(user);
    expect(await store.users.find(anId('user'))).toBeNull();
  },

  'ids are compared byte for byte': async ({ store }) => {
    const composed = `user_${anId('é')}`.normalize('NFC');
    await addUser(store, { id: composed });
    const others = [composed.normalize('NFD'), composed.toUpperCase(), `${composed} `, ` ${composed}`, `${composed}%`];
    expect(await store.users.findMany(others)).toEqual([]);
    for (const id of [...others, '', '__proto__', '_'.repeat(composed.length)]) {
      expect(await store.users.find(id)).toBeNull();
    }
    expect(await store.users.find(composed)).toMatchObject({ id: composed });
  },

  'findMany: the users with these ids, without the missing ones, in one statement': async ({ store, statements }) => {
    const users = await addUsers(store, 5);
    const ids = [...users.map(({ id }) => id), anId('user'), users[0]?.id ?? ''];
    let found: readonly { readonly id: string }[] = [];
    expect(await statements(async () => (found = await store.users.findMany(ids)))).toBe(1);
    expect(found.toSorted((a, b) => (a.id < b.id ? -1 : 1))).toEqual(users);
    expect(await store.users.findMany([])).toEqual([]);
  },

  'findByEmail: the user holding this address in any case and composition, with the password, or null': async ({
    store,
  }) => {
    const [id, user] = [anId('mail'), aUser({ email: `Zoë.${anId('M')}@Exämple.com` })];
    await store.transaction((tx) => tx.users.add(user, { hash: 'the hash', isInitial: true }));
    const { email } = user;
    for (const same of [email, email.toUpperCase(), email.toLowerCase(), email.normalize('NFD')]) {
      expect(await store.users.findByEmail(same)).toEqual({
        user,
        password: { hash: 'the hash', changedAt: user.createdAt, isInitial: true },
      });
    }
    const wide = email.replaceAll(/[a-z]/g, (letter) => String.fromCodePoint(letter.charCodeAt(0) + 0xfee0));
    expect(await store.users.findByEmail(wide)).toMatchObject({ user: { id: user.id } });
    for (const other of [email.replace('ë', 'e'), `${email}x`, '%', id]) {
      expect(await store.users.findByEmail(other)).toBeNull();
    }
    const without = await addUser(store);
    expect(await store.users.findByEmail(without.email)).toEqual({
      user: without,
      password: null,
    });
  },

  'add: refuses with CONFLICT when another user holds the address, in any case and composition': async ({ store }) => {
    const { email } = await addUser(store, { email: `Zoë.${anId('M')}@example.com` });
    for (const same of [email, email.toUpperCase(), email.normalize('NFD'), email.toLowerCase()]) {
      const add = store.transaction((tx) => tx.users.add(aUser({ email: same }), { hash: 'hash', isInitial: false }));
      await expect(add).rejects.toMatchObject({ ...CONFLICT, data: { field: 'email' } });
    }
  },

  'add: of concurrent callers with one address one gets it, and the others are refused': async ({ store }) => {
    const email = `${anId('mail')}@example.com`;
    const add = () => store.transaction((tx) => tx.users.add(aUser({ email }), null));
    const ends = await Promise.allSettled(Array.from({ length: 6 }, add));
    const refused = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as unknown] : []));
    expect(refused).toEqual(Array.from({ length: 5 }, () => expect.objectContaining(CONFLICT)));
  },

  'save: what is found afterwards': async ({ store }) => {
    const [user, other] = await addUsers(store, 2);
    const saved = aUser({ ...user, email: `New.${user?.email}`, name: 'New', status: 'disabled', scope: 'acme' });
    await addScopes(store, 'acme');
    await store.transaction((tx) => tx.users.save(saved));
    expect(await store.users.find(saved.id)).toEqual(saved);
    expect(await store.users.findByEmail(saved.email.toUpperCase())).toMatchObject({ user: saved });
    expect(await store.users.findByEmail(user?.email ?? '')).toBeNull();
    expect(await store.users.find(other?.id ?? '')).toEqual(other);
  },

  'inside a transaction `find` locks the row it returns: nobody changes it before the end': async (opened) => {
    const { store } = opened;
    for (const find of [
      (tx: Transaction, id: string) => tx.users.find(id),
      (tx: Transaction, id: string) => tx.users.findMany([id]),
      async (tx: Transaction, id: string) => tx.users.findByEmail((await store.users.find(id))?.email ?? ''),
    ]) {
      const user = await addUser(store);
      await waits(
        opened,
        (tx) => find(tx, user.id),
        (tx) => tx.users.save({ ...user, name: 'New' }),
      );
      expect(await store.users.find(user.id)).toMatchObject({ name: 'New' });
    }
  },

  'inside a transaction `find` waits for whoever changes the row, and sees what was committed': async (opened) => {
    const user = await addUser(opened.store);
    const found = await waits(
      opened,
      (tx) => tx.users.save({ ...user, name: 'New' }),
      (tx) => tx.users.find(user.id),
    );
    expect(found).toMatchObject({ name: 'New' });
  },

  'roles are the names of those granted and not expired, sorted, each once': async ({ store }) => {
    const user = await addUser(store);
    const roles = ['b', 'a', 'c'].map((letter) => aRole({ name: `${letter}-${anId('role')}` }));
    const [b, a, c] = roles.map(({ id: roleId }) => ({ principalId: user.id, roleId }));
    if (a === undefined || b === undefined || c === undefined) throw new TypeError('three roles were made');
    await addScopes(store, 'acme');
    await store.transaction(async (tx) => {
      await tx.roles.syncManaged(roles);
      await tx.grants.add(aGrant(b));
      await tx.grants.add(aGrant({ ...b, scope: 'acme' }));
      await tx.grants.add(aGrant({ ...a, expiresAt: LATER }));
      await tx.grants.add(aGrant({ ...c, expiresAt: INSTANT }));
    });
    expect((await store.users.find(user.id))?.roles).toEqual([roles[1]?.name, roles[0]?.name]);
  },
};

const ROLE_LAWS: Readonly<Record<string, Law>> = {
  'find and findByName: the role, compared byte for byte, or null': async ({ store }) => {
    const role = aRole({ name: `Support.${anId('role')}`, description: 'May help', managed: true });
    await store.transaction((tx) => tx.roles.syncManaged([role]));
    expect(await store.roles.find(role.id)).toEqual(role);
    expect(await store.roles.findByName(role.name)).toEqual(role);
    for (const other of [role.name.toLowerCase(), `${role.name} `, '', role.id]) {
      expect(await store.roles.findByName(other)).toBeNull();
    }
    expect(await store.roles.find(role.name)).toBeNull();
  },

  'findMany: the roles with these ids, without the missing ones, in one statement': async ({ store, statements }) => {
    const roles = [aRole(), aRole(), aRole()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
    await store.transaction((tx) => tx.roles.syncManaged(roles));
    let found: readonly { readonly id: string }[] = [];
    const ids = [...roles.map(({ id }) => id), anId('role')];
    expect(await statements(async () => (found = await store.roles.findMany(ids)))).toBe(1);
    expect(found.toSorted((a, b) => (a.id < b.id ? -1 : 1))).toEqual(roles);
  },

  'syncManaged: adds a role for every name that has no row yet, and describes the others anew': async ({ store }) => {
    const [known, fresh] = [aRole(), aRole()];
    await store.transaction((tx) => tx.roles.syncManaged([known]));
    const again = aRole({ name: known.name, description: 'anew' });
    await store.transaction((tx) => tx.roles.syncManaged([again, fresh]));
    expect(await store.roles.findByName(known.name)).toEqual({ ...known, description: 'anew' });
    expect(await store.roles.find(again.id)).toBeNull();
    expect(await store.roles.findByName(fresh.name)).toEqual(fresh);
  },

  'syncManaged: instances that do it at once come to the same roles': async ({ store }) => {
    const names = [anId('name'), anId('name'), anId('name')];
    const sync = () => store.transaction((tx) => tx.roles.syncManaged(names.map((name) => aRole({ name }))));
    await Promise.all(Array.from({ length: 5 }, sync));
    for (const name of names) expect(await store.roles.findByName(name)).toMatchObject({ name });
  },

  'grants of principals: all of them, expired ones included, oldest first, each with its role, in one statement':
    async ({ store, statements }) => {
      const [alice, bob] = await addUsers(store, 2);
      const role = aRole();
      const base = { principalId: alice?.id ?? '', roleId: role.id };
      const grants = [
        aGrant({ ...base, scope: 'b', createdAt: '2024-01-01T00:00:00.000Z', expiresAt: INSTANT }),
        aGrant({ ...base, scope: null, createdAt: '2024-01-02T00:00:00.000Z', grantedBy: 'alice' }),
        aGrant({ ...base, principalId: bob?.id ?? '', createdAt: '2024-01-03T00:00:00.000Z', expiresAt: LATER }),
      ];
      await addScopes(store, 'b');
      await store.transaction(async (tx) => {
        await tx.roles.syncManaged([role]);
        for (const grant of grants.toReversed()) await tx.grants.add(grant);
      });
      let found: unknown;
      const ids = [bob?.id ?? '', alice?.id ?? '', anId('user')];
      expect(await statements(async () => (found = await store.grants.ofPrincipals(ids)))).toBe(1);
      expect(found).toEqual(grants.map((grant) => ({ grant, role })));
      expect(await store.grants.find(grants[0]?.id ?? '')).toEqual(grants[0]);
      expect(await store.grants.find(anId('grant'))).toBeNull();
    },

  'isHeld: whether an active principal holds the role everywhere and without end': async ({ store }) => {
    const table = [
      [{}, 'active', true],
      [{}, 'disabled', false],
      [{ scope: 'acme' }, 'active', false],
      [{ expiresAt: LATER }, 'active', false],
      [{ expiresAt: INSTANT }, 'active', false],
    ] as const;
    await addScopes(store, 'acme');
    for (const [values, status, held] of table) {
      const [user, role] = [await addUser(store, { status }), aRole()];
      await store.transaction(async (tx) => {
        await tx.roles.syncManaged([role]);
        expect(await tx.grants.isHeld(role.id)).toBe(false);
        await tx.grants.add(aGrant({ principalId: user.id, roleId: role.id, ...values }));
      });
      expect([values, status, await store.grants.isHeld(role.id)]).toEqual([values, status, held]);
    }
  },

  'add: refuses with CONFLICT when the principal holds the role at that scope already': async ({ store }) => {
    const [user, role] = [await addUser(store), aRole()];
    const base = { principalId: user.id, roleId: role.id };
    const add = (scope: string | null) => store.transaction((tx) => tx.grants.add(aGrant({ ...base, scope })));
    await store.transaction((tx) => tx.roles.syncManaged([role]));
    await addScopes(store, 'acme/api');
    for (const scope of [null, 'acme', 'acme/api']) {
      await add(scope);
      await expect(add(scope)).rejects.toMatchObject({ ...CONFLICT, data: { field: 'roleId' } });
    }
  },

  'inside a transaction `find` locks the grant: whoever comes second finds what the first one left': async (opened) => {
    const [user, role] = [await addUser(opened.store), aRole()];
    const grant = aGrant({ principalId: user.id, roleId: role.id });
    await opened.store.transaction(async (tx) => {
      await tx.roles.syncManaged([role]);
      await tx.grants.add(grant);
    });
    const second = await waits(
      opened,
      async (tx) => {
        expect(await tx.grants.find(grant.id)).toEqual(grant);
        await tx.grants.revoke(grant.id, INSTANT);
      },
      (tx) => tx.grants.find(grant.id),
    );
    expect(second).toEqual({ ...grant, revokedAt: INSTANT });
    expect(await opened.store.grants.find(grant.id)).toEqual({ ...grant, revokedAt: INSTANT });
  },
};

const SESSION_LAWS: Readonly<Record<string, Law>> = {
  'find and findMany: the sessions with these ids, without the missing ones, in one statement': async (opened) => {
    const { store, statements } = opened;
    const user = await addUser(store, { scope: 'acme/api' });
    const session = aSession({ userId: user.id, userAgent: 'curl', address: '::1', scope: user.scope });
    await store.transaction((tx) => tx.sessions.add(session, 'hash'));
    const whole = { ...session, scopes: ['acme', 'acme/api'] };
    expect(await store.sessions.find(session.id)).toEqual(whole);
    expect(await store.sessions.find(session.id.toUpperCase())).toBeNull();
    let found: unknown;
    expect(
      await statements(async () => (found = await store.sessions.findMany([anId('sess'), session.id, session.id]))),
    ).toBe(1);
    expect(found).toEqual([whole]);
  },

  'rotate: of N callers at most one gets true, and it holds the one current token': async (opened) => {
    const { store } = opened;
    const { id: sessionId } = await addSession(opened);
    const rotate = (n: number) =>
      store.transaction((tx) =>
        tx.sessions.rotate({
          sessionId,
          presentedHash: 'hash 0',
          nextHash: `hash ${n}`,
          successor: `sealed ${n}`,
          at: INSTANT,
        }),
      );
    const ends = await Promise.all(Array.from({ length: 12 }, (_, n) => rotate(n + 1)));
    const winners = ends.flatMap(({ value }, n) => (value ? [n + 1] : []));
    expect(winners).toHaveLength(1);
    const { value } = await store.transaction((tx) => tx.sessions.findWithRefresh(sessionId));
    expect(value?.refresh).toEqual({
      currentHash: `hash ${winners[0]}`,
      previousHash: 'hash 0',
      rotatedAt: INSTANT,
      successor: `sealed ${winners[0]}`,
    });
  },

  'rotate: false for a token that is not current, for a revoked session and for none': async (opened) => {
    const { store } = opened;
    const [live, revoked] = [await addSession(opened), await addSession(opened)];
    await store.transaction((tx) => tx.sessions.revoke(revoked.id, INSTANT, 'revoked'));
    const rotate = async (sessionId: string, presentedHash: string) =>
      (
        await store.transaction((tx) =>
          tx.sessions.rotate({ sessionId, presentedHash, nextHash: 'next', successor: 'sealed', at: INSTANT }),
        )
      ).value;
    expect(await rotate(live.id, 'HASH 0')).toBe(false);
    expect(await rotate(revoked.id, 'hash 0')).toBe(false);
    expect(await rotate(anId('sess'), 'hash 0')).toBe(false);
    expect(await rotate(live.id, 'hash 0')).toBe(true);
    expect(await rotate(live.id, 'hash 0')).toBe(false);
  },

  'inside a transaction `find` and `findWithRefresh` lock the row: the second waits for the end of the first': async (
    opened,
  ) => {
    const { id } = await addSession(opened);
    const revoke = async (tx: Transaction) => {
      await tx.sessions.find(id);
      await tx.sessions.revoke(id, INSTANT, 'signed_out');
    };
    expect(await waits(opened, revoke, (tx) => tx.sessions.find(id))).toMatchObject({ revokedReason: 'signed_out' });
    const both = await waits(
      opened,
      (tx) => tx.sessions.findWithRefresh(id),
      (tx) => tx.sessions.findWithRefresh(id),
    );
    expect(both).toMatchObject({ session: { revokedAt: INSTANT }, refresh: { currentHash: 'hash 0' } });
    const { value } = await opened.store.transaction((tx) => tx.sessions.findWithRefresh(anId('sess')));
    expect(value).toBeNull();
  },

  'locking a session does not lock its user': async (opened) => {
    const { id, userId } = await addSession(opened);
    await passes(
      opened,
      (tx) => tx.sessions.findWithRefresh(id),
      (tx) => tx.fence.lock({ ...NOTHING, change: [userId] }),
    );
  },

  'revoke: once, with the first reason, and no sealed token is left': async (opened) => {
    const { store } = opened;
    const { id } = await addSession(opened, { rotated: true });
    await store.transaction((tx) => tx.sessions.revoke(id, INSTANT, 'revoked'));
    await store.transaction((tx) => tx.sessions.revoke(id, LATER, 'signed_out'));
    const { value } = await store.transaction((tx) => tx.sessions.findWithRefresh(id));
    expect(value?.session).toMatchObject({ revokedAt: INSTANT, revokedReason: 'revoked' });
    expect(value?.refresh.successor).toBeNull();
  },

  'revokeAllOf: every live session of the user, and the ids of those': async (opened) => {
    const { store } = opened;
    const user = await addUser(store);
    const mine = [await addSession(opened, { userId: user.id }), await addSession(opened, { userId: user.id })];
    const [over, other] = [await addSession(opened, { userId: user.id }), await addSession(opened)];
    await store.transaction((tx) => tx.sessions.revoke(over.id, INSTANT, 'signed_out'));
    const revoke = () => store.transaction((tx) => tx.sessions.revokeAllOf(user.id, LATER, 'user_disabled'));
    const { value } = await revoke();
    expect(value.toSorted()).toEqual(mine.map(({ id }) => id).toSorted());
    expect((await revoke()).value).toEqual([]);
    for (const { id } of mine) {
      expect(await store.sessions.find(id)).toMatchObject({ revokedAt: LATER, revokedReason: 'user_disabled' });
    }
    expect(await store.sessions.find(over.id)).toMatchObject({ revokedReason: 'signed_out' });
    expect(await store.sessions.find(other.id)).toMatchObject({ revokedAt: null });
  },

  'eraseSuccessors: those sealed before `before`, and how many': async (opened) => {
    const { store } = opened;
    const { value: id } = { value: (await addSession(opened, { rotated: true })).id };
    const erase = async (before: string) =>
      (await store.transaction((tx) => tx.sessions.eraseSuccessors(before))).value;
    const successor = async () =>
      (await store.transaction((tx) => tx.sessions.findWithRefresh(id))).value?.refresh.successor;
    await erase('2000-01-01T00:00:00.000Z');
    expect(await erase(INSTANT)).toBe(0);
    expect(await successor()).toBe('sealed');
    expect(await erase('2024-02-29T12:34:56.790Z')).toBeGreaterThan(0);
    expect(await successor()).toBeNull();
    expect(await erase('2024-02-29T12:34:56.790Z')).toBe(0);
  },
};

const BUNDLE_LAWS: Readonly<Record<string, Law>> = {
  'put: puts the version in force, and keeps the files of every one that ever was': async ({ store }) => {
    const [first, second] = [anId('version'), anId('version')];
    const files = (text: string) => [{ path: 'policies/ä.yaml', text: `${text} 🗝\n\t'quoted'` }];
    for (const version of [first, second]) {
      await store.transaction((tx) => tx.bundles.put(version, files(version), 'alice'));
      expect(await store.bundles.inForce()).toBe(version);
    }
    expect(await store.bundles.files(first)).toEqual(files(first));
    expect(await store.bundles.files(second)).toEqual(files(second));
    expect(await store.bundles.files(anId('version'))).toBeNull();
  },

  'put: puts a version in force again that was in force before': async ({ store }) => {
    const [first, second] = [anId('version'), anId('version')];
    for (const version of [first, second, first]) {
      await store.transaction((tx) => tx.bundles.put(version, [{ path: 'a.yaml', text: version }], 'alice'));
    }
    expect(await store.bundles.inForce()).toBe(first);
    expect(await store.bundles.files(first)).toEqual([{ path: 'a.yaml', text: first }]);
  },

  'put: of one that was in force before, the files stay as they were': async ({ store }) => {
    const version = anId('version');
    const put = (text: string) => store.transaction((tx) => tx.bundles.put(version, [{ path: 'a', text }], 'alice'));
    await put('first');
    await put('second');
    expect(await store.bundles.files(version)).toEqual([{ path: 'a', text: 'first' }]);
  },

  'history: at most so many that were ever in force, the one that was put in force last first': async ({ store }) => {
    const [first, second, third] = [anId('version'), anId('version'), anId('version')];
    for (const version of [first, second, third, first]) {
      await store.transaction((tx) => tx.bundles.put(version, [], version === second ? 'bob' : 'alice'));
    }
    const history = await store.bundles.history(3);
    expect(history.map(({ version, appliedBy }) => [version, appliedBy])).toEqual([
      [first, 'alice'],
      [third, 'alice'],
      [second, 'bob'],
    ]);
    for (const { appliedAt } of history) expect(appliedAt).toBe(new Date(appliedAt).toISOString());
    expect(await store.bundles.history(1)).toEqual(history.slice(0, 1));
  },

  'inForce: inside a transaction this locks the head `for share`': async (opened) => {
    const version = anId('version');
    const inForce = (tx: Transaction) => tx.bundles.inForce();
    await passes(opened, inForce, inForce);
    await waits(opened, inForce, (tx) => tx.bundles.put(version, [], 'alice'));
    expect(await opened.store.bundles.inForce()).toBe(version);
  },
};

const SIGNING_KEY_LAWS: Readonly<Record<string, Law>> = {
  'addFirst: adds the key unless another one exists already; of callers that race one adds it': async ({ store }) => {
    expect(await store.signingKeys.all()).toEqual([]);
    const keys = Array.from({ length: 6 }, (_, n): SigningKey => ({
      kid: anId(`kid${n}`),
      publicJwk: { kty: 'EC', crv: 'P-256', x: 'x', y: String(n) },
      sealedPrivateJwk: `sealed ${n}`,
      createdAt: INSTANT,
      signsFrom: INSTANT,
      revokedAt: null,
    }));
    const ends = await Promise.all(keys.map((key) => store.transaction((tx) => tx.signingKeys.addFirst(key))));
    const added = keys.filter((_, n) => ends[n]?.value);
    expect(added).toHaveLength(1);
    expect(await store.signingKeys.all()).toEqual(added);
    expect((await store.transaction((tx) => tx.signingKeys.addFirst({ ...keys[0]!, kid: 'x' }))).value).toBe(false);
  },

  'all: every key, revoked ones included, the one that signs last first': async ({ store }) => {
    const before = await store.signingKeys.all();
    const [early, late] = [INSTANT, LATER].map((signsFrom): SigningKey => ({
      kid: anId('sk'),
      publicJwk: { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' },
      sealedPrivateJwk: 'sealed',
      createdAt: INSTANT,
      signsFrom,
      revokedAt: null,
    }));
    if (early === undefined || late === undefined) throw new TypeError('two keys were made');
    await store.transaction(async (tx) => {
      await tx.signingKeys.add(early);
      await tx.signingKeys.add(late);
      await tx.signingKeys.revoke(early.kid, LATER);
      await tx.signingKeys.revoke(early.kid, INSTANT);
      await tx.signingKeys.reseal(late.kid, 'anew');
    });
    const all = await store.signingKeys.all();
    expect(all[0]).toEqual({ ...late, sealedPrivateJwk: 'anew' });
    expect(all).toContainEqual({ ...early, revokedAt: LATER });
    expect(all).toHaveLength(before.length + 2);
  },

  'lock: nobody else changes any key until the end of the transaction': async (opened) => {
    await waits(
      opened,
      (tx) => tx.signingKeys.lock(),
      (tx) => tx.signingKeys.lock(),
    );
  },
};

export const RECORD_LAWS = {
  users: USER_LAWS,
  'roles and grants': ROLE_LAWS,
  sessions: SESSION_LAWS,
  'policy bundles': BUNDLE_LAWS,
  'signing keys': SIGNING_KEY_LAWS,
};

async function addSession({ store }: OpenStore, { userId = '', rotated = false } = {}) {
  const session = aSession({ userId: userId || (await addUser(store)).id });
  await store.transaction((tx) => tx.sessions.add(session, 'hash 0'));
  if (rotated) {
    const rotation = { presentedHash: 'hash 0', nextHash: 'hash 1', successor: 'sealed', at: INSTANT };
    await store.transaction((tx) => tx.sessions.rotate({ sessionId: session.id, ...rotation }));
  }
  return session;
}

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { toInputs } from '../../src/domain/sessions/session-states.ts';
import { type SessionSnapshot, TransactionConflict, type Transaction } from '../../src/domain/store.ts';
import { AUDIT_LAWS } from './store-audit.contract.ts';
import { API_KEY_LAWS } from './store-api-keys.contract.ts';
import { ACCOUNT_LAW_GROUPS } from './store-accounts.contract.ts';
import { BULK_LAW_GROUPS } from './store-bulk.contract.ts';
import { FACTOR_LAWS } from './store-factors.contract.ts';
import { PAGE_LAWS } from './store-pages.contract.ts';
import { RECORD_LAWS } from './store-records.contract.ts';
import { OUTBOX_LAWS } from './store-outbox.contract.ts';
import { ROLLUP_LAWS } from './store-rollups.contract.ts';
import { USAGE_LAWS } from './store-usage.contract.ts';
import { CUSTOM_ROLE_LAW_GROUPS } from './store-roles.contract.ts';
import { SERVICE_ACCOUNT_LAWS } from './store-service-accounts.contract.ts';
import { SCOPE_LAWS } from './store-scopes.contract.ts';
import { SESSION_LAW_GROUPS } from './store-sessions.contract.ts';
import { SECURITY_EVENT_LAWS } from './store-security-events.contract.ts';
import { SIGNAL_LAWS } from './store-signals.contract.ts';
import { SIGN_IN_LAWS } from './store-sign-ins.contract.ts';
import { addScopes, addUser, addUsers, holding, type Law, type OpenStore, passes, waits } from './store-steps.ts';
import { aGrant, anId, aRole, aSession, aUser, INSTANT, LATER } from './store-samples.ts';

export interface StoreDriver {
  readonly name: string;
  /** One store for all laws: each uses ids of its own. */
  readonly open: () => Promise<OpenStore>;
}

export function describeStoreContract({ name, open }: StoreDriver): void {
  let opened: OpenStore;

  beforeAll(async () => {
    opened = await open();
  });
  afterAll(() => opened?.release());

  describe.each(Object.entries(ALL_LAWS))(`the ${name} %s`, (_, laws) => {
    for (const [law, prove] of Object.entries(laws)) test(law, () => prove(opened));
  });
}

const NOTHING = { change: [], share: [], policy: null };

const TRANSACTION_LAWS: Readonly<Record<string, Law>> = {
  'commits what `work` wrote when it resolves, and gives what it resolved to': async ({ store, log, audited }) => {
    const [user, session] = [aUser(), aSession()];
    const { value, logIds } = await store.transaction(async (tx) => {
      await tx.users.add(user, { hash: 'hash', isInitial: false });
      await tx.sessions.add({ ...session, userId: user.id }, 'refresh hash');
      await tx.audit.append({ by: 'system', sessionId: null, action: 'user.create', subjectId: user.id });
      await tx.authority.append({ target: user.id, kind: 'changed', userId: user.id, reason: 'made' });
      return 'done';
    });
    expect(value).toBe('done');
    expect(await store.users.find(user.id)).toEqual(user);
    expect(await store.sessions.find(session.id)).toMatchObject({ id: session.id, userId: user.id });
    expect(await audited(user.id)).toEqual(['system user.create']);
    const { position, standing } = await log.committed(logIds);
    expect(position).toBe(standing.head);
  },

  'commits nothing when `work` rejects, and rejects with the same error': async ({ store, log, audited }) => {
    const user = aUser();
    const { head } = await log.standing();
    const error = new Error('no');
    const work = store.transaction(async (tx) => {
      await tx.users.add(user, { hash: 'hash', isInitial: false });
      await tx.audit.append({ by: 'system', sessionId: null, action: 'user.create', subjectId: user.id });
      await tx.authority.append({ target: user.id, kind: 'revoked', userId: user.id, reason: 'made' });
      throw error;
    });
    await expect(work).rejects.toBe(error);
    expect(await store.users.find(user.id)).toBeNull();
    expect(await audited(user.id)).toEqual([]);
    expect(await log.standing()).toMatchObject({ head });
  },

  'commits what `work` wrote when it resolves, though the store refused it something on the way': async ({ store }) => {
    const [taken, other] = [await addUser(store), aUser()];
    await store.transaction(async (tx) => {
      await tx.users.add(other, null);
      await expect(tx.users.add(aUser({ email: taken.email }), null)).rejects.toMatchObject({ code: 'CONFLICT' });
    });
    expect(await store.users.find(other.id)).toEqual(other);
  },

  'nobody sees what was written before it is committed': async ({ store }) => {
    const user = aUser();
    const open = holding(store, (tx) => tx.users.add(user, null));
    await open.reached;
    expect(await store.users.find(user.id)).toBeNull();
    await open.end();
    expect(await store.users.find(user.id)).toEqual(user);
  },

  'runs READ COMMITTED: a later statement sees what others committed meanwhile': async ({ store }) => {
    const [user, role] = [await addUser(store), aRole()];
    await store.transaction((tx) => tx.roles.syncManaged([role]));
    await store.transaction(async (tx) => {
      expect(await tx.users.findByEmail(user.email)).toMatchObject({ user: { name: user.name } });
      expect(await tx.roles.findMany([role.id])).toEqual([role]);
      expect(await tx.grants.ofPrincipals([user.id])).toEqual([]);
      const grant = aGrant({ principalId: user.id, roleId: role.id });
      await store.transaction((other) => other.roles.syncManaged([{ ...role, description: 'anew' }]));
      await store.transaction((other) => other.grants.add(grant));
      expect(await tx.roles.find(role.id)).toMatchObject({ description: 'anew' });
      expect(await tx.grants.ofPrincipals([user.id])).toMatchObject([{ grant }]);
      expect(await tx.users.find(user.id)).toMatchObject({ roles: [role.name] });
    });
  },

  'sees in a transaction what it wrote itself': async ({ store }) => {
    const [user, role] = [aUser(), aRole()];
    await store.transaction(async (tx) => {
      await tx.users.add(user, null);
      await tx.roles.syncManaged([role]);
      expect(await tx.roles.findByName(role.name)).toEqual(role);
      await tx.roles.syncManaged([{ ...role, description: 'anew' }]);
      expect(await tx.roles.findByName(role.name)).toEqual({ ...role, description: 'anew' });
      await tx.users.save({ ...user, name: 'Anew' });
      expect(await tx.users.find(user.id)).toMatchObject({ name: 'Anew' });
      const grant = aGrant({ principalId: user.id, roleId: role.id });
      await tx.grants.add(grant);
      expect(await tx.grants.find(grant.id)).toEqual(grant);
      await tx.grants.revoke(grant.id, INSTANT);
      expect(await tx.grants.find(grant.id)).toEqual({ ...grant, revokedAt: INSTANT });
      expect(await tx.grants.ofPrincipals([user.id])).toEqual([]);
    });
  },

  'rejects with TransactionConflict when the database chose this transaction to give way: nothing was written, and it may be tried again':
    async ({ store }) => {
      const user = await addUser(store, { name: 'nobody' });
      const bothRead = Promise.withResolvers<void>();
      let reading = 0;
      const save = (name: string) =>
        store.transaction(async (tx) => {
          const found = await tx.users.find(user.id);
          reading += 1;
          if (reading === 2) bothRead.resolve();
          await bothRead.promise;
          await tx.users.save({ ...user, name: `${found?.name} ${name}` });
        });
      const ends = Promise.allSettled([save('one'), save('two')]);
      const failed = (await ends).flatMap((end) => (end.status === 'rejected' ? [end.reason as unknown] : []));
      expect(failed).toEqual([expect.any(TransactionConflict)]);
      // Whoever gave way wrote nothing, so its change is not lost when it tries again.
      await save('again');
      expect((await store.users.find(user.id))?.name).toMatch(/^nobody (one|two) again$/);
    },

  'names the rows it added to the authority log; their positions exist since the commit': async ({ store, log }) => {
    const { head } = await log.standing();
    const append = (tx: Transaction, target: string) =>
      tx.authority.append({ target, kind: 'changed', userId: null, reason: 'test' });
    const { logIds } = await store.transaction(async (tx) => {
      await append(tx, anId('role'));
      await append(tx, anId('role'));
      expect(await tx.fence.head()).toMatchObject({ seq: head });
    });
    expect(logIds).toHaveLength(2);
    expect(await log.committed(logIds)).toMatchObject({ position: head + 2, standing: { head: head + 2 } });
    expect((await store.transaction((tx) => tx.fence.lock(NOTHING))).logIds).toEqual([]);
  },
};

const FENCE_LAWS: Readonly<Record<string, Law>> = {
  'locks `change` rows against each other': async (opened) => {
    const { id } = await addUser(opened.store);
    const lock = (tx: Transaction) => tx.fence.lock({ ...NOTHING, change: [id] });
    await waits(opened, lock, lock);
  },

  'locks `share` rows against changes': async (opened) => {
    const { id } = await addUser(opened.store);
    const share = (tx: Transaction) => tx.fence.lock({ ...NOTHING, share: [id] });
    const change = (tx: Transaction) => tx.fence.lock({ ...NOTHING, change: [id] });
    await waits(opened, share, change);
    await waits(opened, change, share);
    await passes(opened, share, share);
  },

  'locks an id in both in the stronger mode': async (opened) => {
    const { id } = await addUser(opened.store);
    const both = (tx: Transaction) => tx.fence.lock({ ...NOTHING, change: [id], share: [id] });
    await waits(opened, both, (tx) => tx.fence.lock({ ...NOTHING, share: [id] }));
  },

  'passes over missing rows, and locks nobody else': async (opened) => {
    const [one, two] = await addUsers(opened.store, 2);
    const missing = { ...NOTHING, change: [anId('user'), one?.id ?? ''], share: [anId('user'), '', '__proto__'] };
    await passes(
      opened,
      (tx) => tx.fence.lock(missing),
      (tx) => tx.fence.lock({ ...NOTHING, change: [two?.id ?? ''] }),
    );
  },

  'with `share` the policy in force cannot change until the end of the transaction': async (opened) => {
    const lock = (tx: Transaction) => tx.fence.lock({ ...NOTHING, policy: 'share' });
    const version = anId('version');
    await waits(opened, lock, (tx) => tx.bundles.put(version, [], 'alice'));
    expect(await opened.store.bundles.inForce()).toBe(version);
    await passes(opened, lock, lock);
  },

  'with `change` nobody else shares or changes it, and of many that come at once each comes to it': async (opened) => {
    const { store } = opened;
    const lock = (policy: 'change' | 'share') => (tx: Transaction) => tx.fence.lock({ ...NOTHING, policy });
    await waits(opened, lock('change'), lock('change'));
    await waits(opened, lock('change'), lock('share'));
    await waits(opened, lock('share'), lock('change'));
    const versions = Array.from({ length: 6 }, () => anId('version'));
    const changes = versions.map((version) =>
      store.transaction(async (tx) => {
        await lock('change')(tx);
        const before = await tx.bundles.inForce();
        await tx.bundles.put(version, [], 'alice');
        return before;
      }),
    );
    const before = (await Promise.all(changes)).map(({ value }) => value);
    // Each saw what the one before it had done.
    expect(new Set([...before, await store.bundles.inForce()]).size).toBe(versions.length + 1);
    expect(versions.filter((version) => before.includes(version))).toHaveLength(versions.length - 1);
  },

  'what is read after the head is at least as new': async ({ store, log }) => {
    await store.transaction(async (tx) => {
      const before = await tx.fence.head();
      expect(before).toEqual({ epoch: (await log.standing()).epoch, seq: (await log.standing()).head });
      const user = await addUser(store);
      await store.transaction((other) =>
        other.authority.append({ target: user.id, kind: 'changed', userId: null, reason: 'test' }),
      );
      expect(await tx.users.find(user.id)).toEqual(user);
      expect(await tx.fence.head()).toEqual({ ...before, seq: before.seq + 1 });
    });
  },

  'is outdated by anything about a dependency after `asOf`, about the session after its own or a source after `label`, and by a revocation of a credential after that':
    async ({ store, log }) => {
      const [changed, revoked] = [anId('user'), anId('sess')];
      await store.transaction(async (tx) => {
        await tx.authority.append({ target: changed, kind: 'changed', userId: null, reason: 'test' });
        await tx.authority.append({ target: revoked, kind: 'revoked', userId: null, reason: 'test' });
      });
      const { head } = await log.standing();
      const [changedAt, revokedAt] = [head - 1, head];
      const none = { dependencies: [], asOf: 0, session: null, credentials: [], label: 0 };
      const table = [
        [{ ...none, dependencies: ['policy', changed], asOf: changedAt - 1 }, true],
        [{ ...none, dependencies: [changed], asOf: changedAt }, false],
        [{ ...none, dependencies: [revoked], asOf: revokedAt - 1 }, true],
        [{ ...none, credentials: [anId('sess'), revoked], label: revokedAt - 1 }, true],
        [{ ...none, credentials: [revoked], label: revokedAt }, false],
        [{ ...none, credentials: [changed], label: changedAt - 1 }, false],
        [{ ...none, asOf: head, session: { id: changed, asOf: changedAt - 1 } }, true],
        [{ ...none, asOf: 0, session: { id: changed, asOf: changedAt } }, false],
        [{ ...none, session: { id: anId('sess'), asOf: 0 } }, false],
        [{ ...none, sources: [anId('key'), changed], label: changedAt - 1 }, true],
        [{ ...none, sources: [changed], label: changedAt }, false],
        [{ ...none, dependencies: [anId('user')], credentials: [anId('sess')] }, false],
        [none, false],
      ] as const;
      await store.transaction(async (tx) => {
        for (const [basis, expected] of table)
          expect([basis, await tx.fence.outdated(basis)]).toEqual([basis, expected]);
      });
    },

  'after the lock, sees what was committed while it waited for it': async (opened) => {
    const { id } = await addUser(opened.store);
    const { head: asOf } = await opened.log.standing();
    const outdated = await waits(
      opened,
      async (tx) => {
        await tx.fence.lock({ ...NOTHING, change: [id] });
        await tx.authority.append({ target: id, kind: 'revoked', userId: id, reason: 'user_disabled' });
      },
      async (tx) => {
        await tx.fence.lock({ ...NOTHING, share: [id] });
        return tx.fence.outdated({ dependencies: [], asOf, session: null, credentials: [id], label: asOf });
      },
    );
    expect(outdated).toBe(true);
  },
};

const SNAPSHOT_LAWS: Readonly<Record<string, Law>> = {
  'principals: those with these ids, without the missing ones, and grants that have not expired': async ({ store }) => {
    const [alice, bob] = await addUsers(store, 2);
    if (alice === undefined || bob === undefined) throw new TypeError('two users were asked for');
    const roles = [aRole(), aRole(), aRole()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
    const [one, two, three] = roles.map(({ id: roleId, name: role }) => ({ roleId, role, through: null }));
    await addScopes(store, 'acme/api');
    await store.transaction(async (tx) => {
      await tx.bundles.put(anId('version'), [], 'alice');
      await tx.roles.syncManaged(roles);
      await tx.grants.add(aGrant({ principalId: alice.id, roleId: one?.roleId ?? '', scope: 'acme/api' }));
      await tx.grants.add(aGrant({ principalId: alice.id, roleId: two?.roleId ?? '', expiresAt: LATER }));
      await tx.grants.add(aGrant({ principalId: alice.id, roleId: three?.roleId ?? '', expiresAt: INSTANT }));
    });
    const { principals, policyVersion } = await store.snapshots.principals([bob.id, anId('user'), alice.id, alice.id]);
    expect(policyVersion).toBe(await store.bundles.inForce());
    const scopes = await Promise.all(['acme', 'acme/api'].map((path) => store.scopes.findByPath(path)));
    const scopeIds = scopes.map((scope) => scope?.id ?? '').toSorted();
    expect(Object.fromEntries(principals)).toEqual({
      [alice.id]: {
        record: { ...alice, roles: [one?.role, two?.role] },
        grants: [
          { ...one, scope: 'acme/api', expiresAt: null },
          { ...two, scope: null, expiresAt: LATER },
        ],
        dormant: [],
        homeIds: [],
        grantScopeIds: scopeIds,
      },
      [bob.id]: { record: bob, grants: [], dormant: [], homeIds: [], grantScopeIds: [] },
    });
  },

  'principals: names its position even when there is nobody': async ({ store, log }) => {
    const { epoch, head } = await log.standing();
    for (const ids of [[], [anId('user')]]) {
      expect(await store.snapshots.principals(ids)).toMatchObject({ epoch, asOf: head, principals: new Map() });
    }
  },

  'principals: one snapshot: what it says is what was so at its position': async ({ store, log }) => {
    const user = await addUser(store);
    const { head } = await log.standing();
    const [role, changes] = [aRole(), 30];
    await addScopes(store, ...Array.from({ length: changes }, (_, n) => `scope-${n + 1}`));
    await store.transaction((tx) => tx.roles.syncManaged([role]));
    const load = { on: true };
    const write = async (): Promise<void> => {
      for (let n = 1; n <= changes; n += 1) {
        await store.transaction(async (tx) => {
          await tx.users.save({ ...user, name: `name ${n}` });
          await tx.grants.add(aGrant({ principalId: user.id, roleId: role.id, scope: `scope-${n}` }));
          await tx.authority.append({ target: user.id, kind: 'changed', userId: null, reason: 'test' });
        });
      }
    };
    const read = async (): Promise<void> => {
      while (load.on) {
        const { asOf, principals } = await store.snapshots.principals([user.id]);
        const found = principals.get(user.id);
        expect(found?.grants).toHaveLength(asOf - head);
        expect(found?.record.name).toBe(asOf === head ? user.name : `name ${asOf - head}`);
      }
    };
    const written = write().finally(() => (load.on = false));
    await Promise.all([written, read(), read()]);
    expect((await store.snapshots.principals([user.id])).asOf).toBe(head + changes);
  },

  'sessions: what decides about each, without the missing ones, and the position of the snapshot': async ({
    store,
    log,
    statements,
  }) => {
    const user = await addUser(store);
    const seen = {
      userAgent: 'Firefox',
      address: '192.0.2.1',
      deviceKind: 'mobile',
      browser: 'Firefox',
      os: 'iOS',
    } as const;
    const plain = aSession({ userId: user.id, expiresAt: LATER });
    const proven = aSession({ userId: user.id, aal: 2, ...seen });
    await store.transaction(async (tx) => {
      for (const session of [plain, proven]) await tx.sessions.add(session, 'hash');
    });
    const { epoch, head } = await log.standing();
    const ids = [plain.id, anId('sess'), proven.id];
    let snapshot: SessionSnapshot | null = null;
    expect(await statements(async () => (snapshot = await store.snapshots.sessions(ids)))).toBe(1);
    expect(snapshot).toEqual({
      epoch,
      asOf: head,
      sessions: new Map([plain, proven].map((session) => [session.id, toInputs(session)])),
    });

    await store.transaction(async (tx) => {
      await tx.sessions.revoke(proven.id, INSTANT, 'revoked');
      await tx.authority.append({ target: proven.id, kind: 'revoked', userId: null, reason: 'revoked' });
    });
    const after = await store.snapshots.sessions(ids);
    expect(after.asOf).toBe(head + 1);
    expect([plain, proven].map(({ id }) => after.sessions.get(id)?.revoked)).toEqual([false, true]);
  },

  'sessions: names its position even when there is none': async ({ store, log }) => {
    const { epoch, head } = await log.standing();
    for (const ids of [[], [anId('sess')]]) {
      expect(await store.snapshots.sessions(ids)).toEqual({ epoch, asOf: head, sessions: new Map() });
    }
  },

  'population: active users after this id, in the order of their ids, with grants that have not expired, in one statement':
    async ({ store, statements }) => {
      const [alice, bob, carol, mallory] = await addUsers(store, 4);
      const role = aRole();
      await addScopes(store, 'acme');
      await store.transaction(async (tx) => {
        await tx.roles.syncManaged([role]);
        const base = { principalId: alice?.id ?? '', roleId: role.id };
        await tx.grants.add(aGrant({ ...base, scope: 'acme', expiresAt: LATER }));
        await tx.grants.add(aGrant({ ...base, expiresAt: INSTANT }));
        for (const values of [{}, {}, { expiresAt: INSTANT }]) {
          await tx.sessions.add(aSession({ userId: alice?.id ?? '', ...values }), 'hash');
        }
        await tx.users.save({ ...aUser(), ...carol, status: 'disabled' });
      });
      const everybody = await store.population.page('', 10_000);
      const ids = everybody.map(({ record }) => record.id);
      expect(ids).toEqual(ids.toSorted((a, b) => (a < b ? -1 : 1)));
      expect(ids).not.toContain(carol?.id);
      const member = everybody.find(({ record }) => record.id === alice?.id);
      expect(member).toEqual({
        record: { ...alice, roles: [role.name] },
        grants: [{ roleId: role.id, role: role.name, through: null, scope: 'acme', expiresAt: LATER }],
        liveSessions: 2,
      });
      const after = ids.slice(ids.indexOf(bob?.id ?? '') + 1).slice(0, 2);
      let page: typeof everybody = [];
      expect(await statements(async () => (page = await store.population.page(bob?.id ?? '', 2)))).toBe(1);
      expect(page.map(({ record }) => record.id)).toEqual(after);
      expect(await store.population.page(ids.at(-1) ?? '', 2)).toEqual([]);
      expect(ids).toContain(mallory?.id);
    },
};

const LAWS = {
  transaction: TRANSACTION_LAWS,
  fence: FENCE_LAWS,
  snapshots: SNAPSHOT_LAWS,
};

const ALL_LAWS = {
  ...RECORD_LAWS,
  ...FACTOR_LAWS,
  ...ACCOUNT_LAW_GROUPS,
  ...SERVICE_ACCOUNT_LAWS,
  ...API_KEY_LAWS,
  ...SCOPE_LAWS,
  ...SESSION_LAW_GROUPS,
  ...CUSTOM_ROLE_LAW_GROUPS,
  ...BULK_LAW_GROUPS,
  pages: PAGE_LAWS,
  'roll-ups': ROLLUP_LAWS,
  uses: USAGE_LAWS,
  outbox: OUTBOX_LAWS,
  'sign-ins': SIGN_IN_LAWS,
  'security events': SECURITY_EVENT_LAWS,
  audit: AUDIT_LAWS,
  signals: SIGNAL_LAWS,
  ...LAWS,
};

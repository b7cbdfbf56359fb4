import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import type { Transaction } from '../../src/domain/store.ts';
import { addUser, type Law, type OpenStore, passes, waits } from './store-steps.ts';
import { anId, aSession, INSTANT, LATER } from './store-samples.ts';

const NOTHING = { change: [], share: [], policy: null } as const;
const NOW = '2030-01-01T00:00:00.000Z';

/** Sessions of one user that began one second after the other. */
async function addSessions({ store }: OpenStore, count: number, values: Parameters<typeof aSession>[0] = {}) {
  const userId = values.userId ?? (await addUser(store)).id;
  const sessions = Array.from({ length: count }, (_, n) =>
    aSession({ createdAt: `2024-01-01T00:00:${String(n).padStart(2, '0')}.000Z`, ...values, userId }),
  );
  await store.transaction(async (tx) => {
    for (const session of sessions) await tx.sessions.add(session, 'hash');
  });
  return { userId, sessions, ids: sessions.map(({ id }) => id) };
}

const SESSION_LAWS: Readonly<Record<string, Law>> = {
  'add: with what it knows of its device, and found as it was': async (opened) => {
    const device = { deviceKind: 'tablet', browser: 'Firefox', os: 'iOS', client: 'shop', label: 'at home' } as const;
    const { sessions } = await addSessions(opened, 1, device);
    expect(await opened.store.sessions.find(sessions[0]?.id ?? '')).toEqual(sessions[0]);
  },

  'rename: the one session, to what was given': async (opened) => {
    const { ids } = await addSessions(opened, 2);
    await opened.store.transaction((tx) => tx.sessions.rename(ids[0] ?? '', 'Zoë 🗝'));
    const found = await Promise.all(ids.map((id) => opened.store.sessions.find(id)));
    expect(found.map((session) => session?.label)).toEqual(['Zoë 🗝', null]);
  },

  'prove: level, proof, end and place as they are now, and no refresh token but the new one is known': async (
    opened,
  ) => {
    const { store } = opened;
    const { ids, sessions } = await addSessions(opened, 2);
    const [id = '', revoked = ''] = ids;
    const rotation = { presentedHash: 'hash', nextHash: 'next', successor: 'sealed', at: INSTANT };
    await store.transaction((tx) => tx.sessions.rotate({ sessionId: id, ...rotation }));
    await store.transaction((tx) => tx.sessions.revoke(revoked, INSTANT, 'revoked'));
    const proof = { aal: 2, authenticatedAt: NOW, expiresAt: '2030-01-02T00:00:00.000Z' } as const;
    const device = { userAgent: 'a phone', deviceKind: 'mobile', browser: 'Firefox', os: 'Android' } as const;
    const place = { ...device, address: '203.0.113.7' };
    for (const session of sessions) {
      await store.transaction((tx) =>
        tx.sessions.prove({ ...session, ...proof, ...place, label: 'not this' }, 'proven'),
      );
    }
    const { value } = await store.transaction((tx) => tx.sessions.findWithRefresh(id));
    expect(value?.session).toEqual({ ...sessions[0], ...proof, ...place });
    expect(value?.refresh).toEqual({ currentHash: 'proven', previousHash: null, rotatedAt: NOW, successor: null });
    expect(await store.sessions.find(revoked)).toMatchObject({ aal: 1, revokedAt: INSTANT });
  },

  'revokeMany: those of these that are not revoked, with the first reason, and no sealed token is left': async (
    opened,
  ) => {
    const { store } = opened;
    const { ids } = await addSessions(opened, 4);
    const [first = '', second = '', third = '', other = ''] = ids;
    const rotation = { presentedHash: 'hash', nextHash: 'next', successor: 'sealed', at: INSTANT };
    await store.transaction((tx) => tx.sessions.rotate({ sessionId: second, ...rotation }));
    await store.transaction((tx) => tx.sessions.revoke(first, INSTANT, 'signed_out'));
    await store.transaction((tx) => tx.sessions.revokeMany([first, second, third, anId('sess')], LATER, 'revoked'));
    const found = await Promise.all(ids.map((id) => store.sessions.find(id)));
    expect(found.map((session) => session?.revokedReason)).toEqual(['signed_out', 'revoked', 'revoked', null]);
    expect(found.map((session) => session?.revokedAt)).toEqual([INSTANT, LATER, LATER, null]);
    const { value } = await store.transaction((tx) => tx.sessions.findWithRefresh(second));
    expect(value?.refresh.successor).toBeNull();
    await store.transaction((tx) => tx.sessions.revokeMany([], LATER, 'revoked'));
    expect(await store.sessions.find(other)).toMatchObject({ revokedAt: null });
  },

  'countToStart: how many are live at `at`; `most` stands for that many or more': async (opened) => {
    const { userId, ids } = await addSessions(opened, 4);
    await addSessions(opened, 2, { userId, expiresAt: NOW });
    await addSessions(opened, 3);
    const count = async (most: number) =>
      (await opened.store.transaction((tx) => tx.sessions.countToStart(userId, NOW, most))).value;
    expect(await count(100)).toBe(4);
    expect(await count(3)).toBe(3);
    await opened.store.transaction((tx) => tx.sessions.revoke(ids[0] ?? '', INSTANT, 'revoked'));
    expect(await count(100)).toBe(3);
    const nobody = await opened.store.transaction((tx) => tx.sessions.countToStart(anId('user'), NOW, 5));
    expect(nobody.value).toBe(0);
  },

  'countToStart: the second waits until the first has ended, and counts what that added': async (opened) => {
    const { id: userId } = await addUser(opened.store);
    const start = async (tx: Transaction) => {
      await tx.fence.lock({ ...NOTHING, share: [userId] });
      const live = await tx.sessions.countToStart(userId, NOW, 100);
      await tx.sessions.add(aSession({ userId }), 'hash');
      return live;
    };
    expect(await waits(opened, start, start)).toBe(1);
  },

  'countToStart: of another user, and sharing the same one, waits for nobody': async (opened) => {
    const [one, other] = [await addUser(opened.store), await addUser(opened.store)];
    const count = (userId: string) => (tx: Transaction) => tx.sessions.countToStart(userId, NOW, 100);
    await passes(opened, count(one.id), count(other.id));
    await passes(opened, count(one.id), (tx) => tx.fence.lock({ ...NOTHING, change: [one.id] }));
  },

  'oldestOf: those live at `at` without the newest `keep`, at most `limit`, the oldest first': async (opened) => {
    const { userId, ids } = await addSessions(opened, 6);
    await addSessions(opened, 1, { userId, expiresAt: NOW, createdAt: '2023-01-01T00:00:00.000Z' });
    await addSessions(opened, 2);
    await opened.store.transaction((tx) => tx.sessions.revoke(ids[1] ?? '', INSTANT, 'revoked'));
    const oldest = async (keep: number, limit: number) =>
      (await opened.store.transaction((tx) => tx.sessions.oldestOf(userId, NOW, { keep, limit }))).value;
    expect(await oldest(2, 100)).toEqual([ids[0], ids[2], ids[3]]);
    expect(await oldest(2, 2)).toEqual([ids[0], ids[2]]);
    expect(await oldest(0, 100)).toEqual(ids.filter((id) => id !== ids[1]));
    expect(await oldest(5, 100)).toEqual([]);
  },
};

const BATCH_LAWS: Readonly<Record<string, Law>> = {
  'authority.appendAll: all of these, in order, each with a position of its own': async ({ store, log }) => {
    const { epoch, head } = await log.standing();
    const [target, userId] = [anId('sess'), anId('user')];
    const changes = [
      { target, kind: 'revoked', userId, reason: 'first' },
      { target: anId('sess'), kind: 'changed', userId: null, reason: 'for nobody' },
      { target, kind: 'changed', userId, reason: 'last' },
    ] as const;
    const { logIds } = await store.transaction((tx) => tx.authority.appendAll(changes));
    expect(logIds).toHaveLength(3);
    expect((await log.committed(logIds)).position).toBe(head + 3);
    const { entries } = await log.poll({ instanceId: randomUUID(), epoch, applied: head, limit: 10, heartbeat: false });
    expect(entries.map(({ seq, reason, userId: whose }) => [seq - head, reason, whose])).toEqual([
      [1, 'first', userId],
      [2, 'for nobody', null],
      [3, 'last', userId],
    ]);
    expect((await store.transaction((tx) => tx.authority.appendAll([]))).logIds).toEqual([]);
  },

  'audit.appendAll: all of these, in order': async ({ store, audited }) => {
    const subjectId = anId('sess');
    const entry = { by: 'system', sessionId: null, subjectId };
    await store.transaction((tx) =>
      tx.audit.appendAll([
        { ...entry, action: 'session.one', after: { reason: 'x' } },
        { ...entry, action: 'session.two' },
      ]),
    );
    await store.transaction((tx) => tx.audit.appendAll([]));
    expect(await audited(subjectId)).toEqual(['system session.one', 'system session.two']);
  },
};

export const SESSION_LAW_GROUPS = { 'devices and limits of sessions': SESSION_LAWS, 'many at once': BATCH_LAWS };

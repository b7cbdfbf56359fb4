import { expect } from '@jest/globals';
import type { SecurityEvent } from '../../src/domain/security/security-event.ts';
import { aSecurityEvent, aUser } from './store-samples.ts';
import { addUser, holding, type Law, type OpenStore } from './store-steps.ts';

async function add({ store }: OpenStore, event: SecurityEvent, once: string): Promise<boolean> {
  const { __typename, scope: _scope, scopes: _scopes, ...written } = event;
  return (await store.transaction((tx) => tx.securityEvents.add(written, once))).value;
}

async function ofUser({ store }: OpenStore, userId: string): Promise<readonly SecurityEvent[]> {
  const filter = { kind: 'equals', attribute: 'userId', value: userId } as const;
  return store.securityEvents.page({ filter, order: { by: 'at', descending: true }, after: null, limit: 10 });
}

export const SECURITY_EVENT_LAWS: Readonly<Record<string, Law>> = {
  'add: with all that it says, once for one `once`, and it says whether it did': async (opened) => {
    const { id: userId } = await addUser(opened.store, aUser());
    const device = { deviceKind: 'mobile', browser: 'Chrome', os: 'Android' } as const;
    const first = aSecurityEvent({ userId, sessionId: 'sess_1', address: '203.0.113.7', ...device });
    expect(await add(opened, first, first.id)).toBe(true);
    expect(await add(opened, aSecurityEvent({ userId }), first.id)).toBe(false);
    const later = aSecurityEvent({ userId, severity: 'critical', at: '2030-01-01T00:00:00.000Z' });
    expect(await add(opened, later, later.id)).toBe(true);
    expect(await ofUser(opened, userId)).toEqual([later, first]);
  },

  'findMany: those with these ids, at home where their user is, in one statement': async (opened) => {
    const { id: userId } = await addUser(opened.store, aUser());
    const [one, two] = [aSecurityEvent({ userId }), aSecurityEvent({ userId })];
    for (const event of [one, two]) await add(opened, event, event.id);
    let found: readonly SecurityEvent[] = [];
    const ids = [two.id, 'sec_none', one.id];
    expect(await opened.statements(async () => (found = await opened.store.securityEvents.findMany(ids)))).toBe(1);
    expect(new Set(found)).toEqual(new Set([one, two]));
    const numbered = (await opened.store.transaction((tx) => tx.outbox.number(10_000))).value;
    const told = numbered.filter(({ kind }) => kind === 'security_event.raised').slice(-2);
    expect(told.map(({ subjectId, userId: of }) => [subjectId, of])).toEqual([
      [one.id, userId],
      [two.id, userId],
    ]);
  },

  'refuse, setAside, settle: with the event, which says nothing of it': async (opened) => {
    const { store } = opened;
    const { id: userId } = await addUser(store, aUser());
    const [event, other] = [aSecurityEvent({ userId }), aSecurityEvent({ userId })];
    for (const each of [event, other]) await add(opened, each, each.id);
    const refuse = async (id: string, at: string) =>
      (await store.transaction(({ securityEvents }) => securityEvents.refuse(id, at))).value;
    const [since, later] = ['2031-01-01T00:00:00.000Z', '2031-01-01T00:05:00.000Z'];
    expect(await refuse('sec_none', since)).toBeNull();
    expect(await refuse(event.id, since)).toEqual({ times: 1, since });
    expect(await refuse(event.id, later)).toEqual({ times: 2, since });
    const aside = async () => (await store.securityEvents.setAside(1_000)).filter((each) => each.userId === userId);
    expect(await aside()).toEqual([]);
    await store.transaction(({ securityEvents }) => securityEvents.setAside(event.id));
    expect(await refuse(event.id, later)).toMatchObject({ times: 3, since });
    expect(await aside()).toEqual([event]);
    await store.transaction(({ securityEvents }) => securityEvents.settle(event.id));
    expect(await aside()).toEqual([]);
    expect(await refuse(event.id, later)).toEqual({ times: 1, since: later });
  },

  'add: of two that come at once, one writes it': async (opened) => {
    const { id: userId } = await addUser(opened.store, aUser());
    const [one, other] = [aSecurityEvent({ userId }), aSecurityEvent({ userId })];
    const { __typename, scope: _scope, scopes: _scopes, ...written } = one;
    const holds = holding(opened.store, (tx) => tx.securityEvents.add(written, one.id));
    await holds.reached;
    const second = add(opened, other, one.id);
    await opened.untilWaiting(1);
    await holds.end();
    expect(await second).toBe(false);
    expect(await ofUser(opened, userId)).toEqual([one]);
  },
};

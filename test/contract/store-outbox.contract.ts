import { expect } from '@jest/globals';
import type { NewEvent, OutboxEvent } from '../../src/domain/outbox/event.ts';
import type { Store } from '../../src/domain/store.ts';
import { limitsOf } from '../../src/domain/api-keys/api-key.ts';
import { aSession, anApiKey, anId, INSTANT } from './store-samples.ts';
import { addUser, holding, type Law, waits } from './store-steps.ts';

function anEvent(values: Partial<NewEvent> = {}): NewEvent {
  return {
    kind: 'thing.happened',
    subjectId: anId('thing'),
    userId: null,
    reason: null,
    details: null,
    at: INSTANT,
    ...values,
  };
}

/** Later than anything is added. */
const FAR_AHEAD = '2100-01-01T00:00:00.000Z';

const append = (store: Store, ...events: readonly NewEvent[]) => store.transaction((tx) => tx.outbox.append(events));

async function number(store: Store, limit = 1_000): Promise<readonly OutboxEvent[]> {
  return (await store.transaction((tx) => tx.outbox.number(limit))).value;
}

/** What waits in the outbox of other laws. */
async function empty(store: Store): Promise<void> {
  while ((await number(store)).length > 0);
}

const APPEND_LAWS: Readonly<Record<string, Law>> = {
  'append: tells events in their order when the transaction commits, and not otherwise': async ({ store }) => {
    await empty(store);
    const events = [
      anEvent(),
      anEvent({ userId: anId('user'), reason: 'because', details: { what: 'this', whom: null } }),
      anEvent(),
    ];
    const failing = store.transaction(async (tx) => {
      await tx.outbox.append(events);
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect([await store.outbox.waiting(), await number(store)]).toEqual([false, []]);
    await append(store, ...events);
    expect(await store.outbox.waiting()).toBe(true);
    expect(await number(store)).toEqual(events.map((event) => ({ ...event, seq: expect.any(Number) })));
    expect(await store.outbox.waiting()).toBe(false);
  },

  'number: gives each event one number, without a gap, at most so many at once': async ({ store }) => {
    await empty(store);
    const events = Array.from({ length: 5 }, () => anEvent());
    await append(store, ...events);
    const numbered = [await number(store, 2), await number(store, 2), await number(store, 2), await number(store, 2)];
    expect(numbered.map(({ length }) => length)).toEqual([2, 2, 1, 0]);
    const first = numbered[0]?.[0]?.seq ?? NaN;
    expect(numbered.flat().map(({ seq }) => seq - first)).toEqual([0, 1, 2, 3, 4]);
    expect(numbered.flat().map(({ subjectId }) => subjectId)).toEqual(events.map(({ subjectId }) => subjectId));
  },

  'number: one that commits later gets a higher number, though it was appended earlier': async ({ store }) => {
    await empty(store);
    const [slow, quick] = [anEvent(), anEvent()];
    const open = holding(store, (tx) => tx.outbox.append([slow]));
    await open.reached;
    await append(store, quick);
    const [first] = await number(store);
    await open.end();
    const [second] = await number(store);
    expect([first?.subjectId, second?.subjectId]).toEqual([quick.subjectId, slow.subjectId]);
    expect(second?.seq).toBe((first?.seq ?? NaN) + 1);
  },

  'number: waits for another transaction that numbers': async (opened) => {
    const { store } = opened;
    await empty(store);
    await append(store, anEvent());
    const numbered = await waits(
      opened,
      (tx) => tx.outbox.number(10),
      (tx) => tx.outbox.number(10),
    );
    expect(numbered).toEqual([]);
  },

  'number: what it gave is given again when its transaction comes to nothing': async ({ store }) => {
    await empty(store);
    const event = anEvent();
    await append(store, event);
    let seq = 0;
    const failing = store.transaction(async (tx) => {
      seq = (await tx.outbox.number(10))[0]?.seq ?? NaN;
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await number(store)).toEqual([{ ...event, seq }]);
  },
};

const READER_LAWS: Readonly<Record<string, Law>> = {
  'after: everybody’s events after `seq`, in order, at most `limit`, and where the outbox stands': async ({
    store,
    log,
  }) => {
    await empty(store);
    const { head: before, ...rest } = await store.outbox.head();
    const { epoch } = await log.standing();
    expect(rest).toEqual({ epoch, trimmed: expect.any(Number) });
    expect(await store.outbox.after(before, 10)).toEqual({ ...rest, head: before, events: [] });
    await append(store, anEvent({ userId: anId('user') }), anEvent(), anEvent({ details: { what: 'this' } }));
    // What has no number is told to nobody.
    expect(await store.outbox.after(before, 10)).toEqual({ ...rest, head: before, events: [] });
    const numbered = await number(store);
    const page = await store.outbox.after(before, 2);
    expect(page).toEqual({ ...rest, head: before + 3, events: numbered.slice(0, 2) });
    expect((await store.outbox.after(before + 2, 2)).events).toEqual(numbered.slice(2));
    expect(await store.outbox.head()).toEqual({ ...rest, head: before + 3 });
  },

  'ofUser: those in the feed of one user': async ({ store }) => {
    await empty(store);
    const { head } = await store.outbox.head();
    const [alice, bob] = [anId('user'), anId('user')];
    await append(store, ...[alice, bob, null, alice, alice, bob].map((userId) => anEvent({ userId })));
    await empty(store);
    const page = async (userId: string, seq: number, limit: number) =>
      (await store.outbox.ofUser(userId, seq, limit)).events.map(({ seq: at }) => at - head);
    expect(await page(alice, head, 2)).toEqual([1, 4]);
    expect(await page(alice, head + 4, 2)).toEqual([5]);
    expect(await page(bob, 0, 10)).toEqual([2, 6]);
    expect(await store.outbox.ofUser(anId('user'), 0, 10)).toMatchObject({ head: head + 6, events: [] });
  },

  'ofKinds: everybody’s events of these kinds, among so many after `seq`': async ({ store }) => {
    await empty(store);
    const { head } = await store.outbox.head();
    const kinds = ['a', 'b', 'c', 'a', 'c', 'b', 'a'];
    await append(store, ...kinds.map((kind) => anEvent({ kind, userId: anId('user') })));
    await empty(store);
    const page = async (seq: number, span: number) =>
      (await store.outbox.ofKinds(['a', 'b'], head + seq, span)).events.map(({ seq: at }) => at - head);
    expect(await page(0, 100)).toEqual([1, 2, 4, 6, 7]);
    expect(await page(1, 4)).toEqual([2, 4]);
    expect(await page(4, 1)).toEqual([]);
    expect(await store.outbox.ofKinds(['none'], 0, 10)).toMatchObject({ head: head + 7, events: [] });
  },

  'cleaning: what was removed is known, whatever is left before it': async ({ store }) => {
    await empty(store);
    await append(store, anEvent(), anEvent());
    await empty(store);
    const { head } = await store.outbox.head();
    const removed = await store.transaction(({ cleaning }) => cleaning.outbox(FAR_AHEAD, 100_000));
    expect(removed.value).toBeGreaterThanOrEqual(2);
    expect(await store.outbox.after(0, 10)).toMatchObject({ head, trimmed: head, events: [] });
    await append(store, anEvent());
    await store.transaction(({ cleaning }) => cleaning.outbox(INSTANT, 100_000));
    await empty(store);
    expect(await store.outbox.head()).toMatchObject({ head: head + 1, trimmed: head });
  },
};

const SESSION_LAWS: Readonly<Record<string, Law>> = {
  'what happens to a session is told once, whichever statement does it': async ({ store }) => {
    await empty(store);
    const { id: userId } = await addUser(store);
    const [one, two] = [aSession({ userId }), aSession({ userId })];
    await store.transaction(async (tx) => {
      await tx.sessions.add(one, 'hash-1');
      await tx.sessions.add(two, 'hash-2');
    });
    const rotation = { sessionId: one.id, presentedHash: 'hash-1', nextHash: 'hash-3', successor: 's' };
    await store.transaction((tx) => tx.sessions.rotate({ ...rotation, at: '2024-03-01T00:00:00.000Z' }));
    await store.transaction((tx) => tx.sessions.rotate({ ...rotation, at: '2024-03-01T00:00:01.000Z' }));
    const at = '2024-03-02T00:00:00.000Z';
    await store.transaction((tx) => tx.sessions.revoke(one.id, at, 'revoked'));
    await store.transaction((tx) => tx.sessions.revoke(one.id, '2024-03-03T00:00:00.000Z', 'again'));
    await store.transaction((tx) => tx.sessions.revokeAllOf(userId, at, 'user_disabled'));
    const events = await number(store);
    const { deviceKind: device, browser, os, client } = one;
    expect(events[0]?.details).toEqual({ device, browser, os, client });
    const told = events.map(({ kind, subjectId, reason }) => [kind, subjectId, reason]);
    expect(told).toEqual([
      ['session.started', one.id, null],
      ['session.started', two.id, null],
      ['session.refreshed', one.id, null],
      ['session.revoked', one.id, 'revoked'],
      ['session.revoked', two.id, 'user_disabled'],
    ]);
  },
};

const KEY_LAWS: Readonly<Record<string, Law>> = {
  'what happens to an API key is told once, whichever statement does it': async ({ store }) => {
    await empty(store);
    const { id: ownerId } = await addUser(store);
    const key = anApiKey({ ownerId });
    const version = (number: number) => ({ number, sealedHash: anId('hash'), lastFour: 'wxyz', createdAt: INSTANT });
    await store.transaction((tx) => tx.apiKeys.add({ ...key, environment: 'dev' }, version(1)));
    await store.transaction((tx) => tx.apiKeys.save(key.id, key.name, limitsOf(key)));
    await store.transaction((tx) => tx.apiKeys.save(key.id, 'another', { ...limitsOf(key), readOnly: true }));
    await store.transaction((tx) => tx.apiKeys.rotate(key.id, version(2), INSTANT));
    await store.transaction((tx) => tx.apiKeys.reseal(key.id, 2, anId('hash')));
    await store.transaction((tx) => tx.apiKeys.noteUses([{ keyId: key.id, version: 2, lastUsedAt: INSTANT }]));
    await store.transaction((tx) => tx.apiKeys.revoke(key.id, INSTANT, 'revoked'));
    await store.transaction((tx) => tx.apiKeys.revoke(key.id, INSTANT, 'again'));
    const told = (await number(store)).filter(({ subjectId }) => subjectId === key.id);
    expect(told.map(({ kind, userId, reason }) => [kind, userId, reason])).toEqual([
      ['api_key.created', ownerId, null],
      ['api_key.updated', ownerId, null],
      ['api_key.rotated', ownerId, null],
      ['api_key.revoked', ownerId, 'revoked'],
    ]);
  },

  'tellExpired: each that expired by then and was not revoked, once, however many at one moment': async ({ store }) => {
    const { id: ownerId } = await addUser(store);
    const [at, later, last] = ['2098-01-01T00:00:00.000Z', '2098-01-02T00:00:00.000Z', '2098-01-03T00:00:00.000Z'];
    const keys = [at, at, at, later, last, null].map((expiresAt) => anApiKey({ ownerId, expiresAt }));
    for (const key of keys) {
      const version = { number: 1, sealedHash: anId('hash'), lastFour: 'wxyz', createdAt: INSTANT };
      await store.transaction((tx) => tx.apiKeys.add({ ...key, environment: 'dev' }, version));
    }
    await store.transaction((tx) => tx.apiKeys.revoke(keys[1]?.id ?? '', INSTANT, 'revoked'));
    const tell = async (by: string) => (await store.transaction((tx) => tx.apiKeys.tellExpired(by, 1))).value;
    await empty(store);
    expect(await tell('2097-12-31T00:00:00.000Z')).toBeLessThanOrEqual(1);
    const others = [];
    for (let told = 1; told > 0;) others.push((told = await tell('2097-12-31T00:00:00.000Z')));
    await empty(store);
    expect([await tell(later), await tell(later), await tell(later), await tell(at)]).toEqual([2, 1, 0, 0]);
    const told = (await number(store)).filter(({ kind }) => kind === 'api_key.expired');
    expect(told.map(({ subjectId, userId, at: when }) => [subjectId, userId, when])).toEqual([
      ...[keys[0]?.id ?? '', keys[2]?.id ?? ''].toSorted().map((id) => [id, ownerId, at]),
      [keys[3]?.id, ownerId, later],
    ]);
  },
};

export const OUTBOX_LAWS: Readonly<Record<string, Law>> = {
  ...APPEND_LAWS,
  ...READER_LAWS,
  ...SESSION_LAWS,
  ...KEY_LAWS,
};

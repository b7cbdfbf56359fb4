import { expect } from '@jest/globals';
import type { CountedSignal } from '../../src/domain/security/signal.ts';
import type { Sighting } from '../../src/domain/security/travel.ts';
import type { Transaction } from '../../src/domain/store.ts';
import { anId } from './store-samples.ts';
import { holding, type Law, type OpenStore } from './store-steps.ts';

/** Windows of long ago are forgotten. */
const START = '2100-03-01T12:00:00.000Z';

const signal = (subject: string, ...members: readonly string[]): CountedSignal => ({
  kind: 'read.denied',
  subject,
  start: START,
  members,
});

async function add({ store }: OpenStore, ...signals: readonly CountedSignal[]): Promise<readonly number[]> {
  return (await store.transaction((tx) => tx.signals.add(signals))).value;
}

export const SIGNAL_LAWS: Readonly<Record<string, Law>> = {
  'add: counts each member of a window once, whoever adds it, in the order of the signals': async (opened) => {
    const [one, other] = [anId('user'), anId('user')];
    expect(await add(opened, signal(one, 'a', 'b'), signal(other, 'a'))).toEqual([2, 1]);
    expect(await add(opened, signal(other, 'a', 'b', 'c'), signal(one, 'b'))).toEqual([3, 2]);
    const later = { ...signal(one, 'a'), start: '2100-03-01T13:00:00.000Z' };
    expect(await add(opened, later)).toEqual([1]);
    expect(await add(opened, { ...signal(one, 'a'), kind: 'grant.denied' })).toEqual([1]);
  },

  'add: of two that come at once, the later one sees what the other added': async (opened) => {
    const subject = anId('user');
    const holds = holding(opened.store, (tx) => tx.signals.add([signal(subject, 'a')]));
    await holds.reached;
    const second = add(opened, signal(subject, 'b'));
    await opened.untilWaiting(1);
    await holds.end();
    expect(await second).toEqual([2]);
  },

  'noteNetworks: answers with those that are new to a key which was used before, once': async (opened) => {
    const [key, fresh] = [anId('key'), anId('key')];
    const note = async (...seen: readonly (readonly [string, string])[]) =>
      (
        await opened.store.transaction((tx) =>
          tx.signals.noteNetworks(seen.map(([keyId, network]) => ({ keyId, network, at: START }))),
        )
      ).value;
    expect(await note([key, '198.51.100.1'], [key, '198.51.100.2'])).toEqual([]);
    expect(await note([key, '198.51.100.1'], [key, '203.0.113.1'], [fresh, '203.0.113.1'])).toEqual([
      { keyId: key, network: '203.0.113.1' },
    ]);
    expect(await note([key, '203.0.113.1'])).toEqual([]);
    // Several addresses may be of one network.
    expect(await note([fresh, '2001:db8:0:1::/64'], [fresh, '2001:db8:0:1::/64'])).toHaveLength(1);
  },

  'noteNetworks: forgets those that a key in use was not used from for 400 days, and none of a key that sleeps': async (
    opened,
  ) => {
    const [key, asleep] = [anId('key'), anId('key')];
    const note = async (keyId: string, network: string, at: string) =>
      (await opened.store.transaction((tx) => tx.signals.noteNetworks([{ keyId, network, at }]))).value;
    const [first, later, last] = ['2090-01-01T00:00:00.000Z', '2091-02-04T00:00:00.000Z', '2091-02-08T00:00:00.000Z'];
    await note(asleep, '198.51.100.1', first);
    for (const network of ['198.51.100.1', '198.51.100.2']) await note(key, network, first);
    await note(key, '198.51.100.1', later);
    // Known by now: used again, it is kept.
    expect(await note(key, '198.51.100.1', last)).toEqual([]);
    expect(await note(key, '198.51.100.2', last)).toEqual([{ keyId: key, network: '198.51.100.2' }]);
    expect(await note(asleep, '198.51.100.2', last)).toEqual([{ keyId: asleep, network: '198.51.100.2' }]);
  },

  'lastSightings and noteSightings: where each user was last, of whom that is known': async (opened) => {
    const [one, other] = [anId('user'), anId('user')];
    const sighting = (userId: string, latitude: number): Sighting => ({
      userId,
      sessionId: anId('sess'),
      latitude,
      longitude: -0.5,
      radiusKm: 20,
      at: START,
    });
    const work = async <T>(does: (tx: Transaction) => Promise<T>) => (await opened.store.transaction(does)).value;
    expect(await work((tx) => tx.signals.lastSightings([one, other]))).toEqual([]);
    await work((tx) => tx.signals.noteSightings([sighting(one, 1), sighting(other, 2)]));
    const later = { ...sighting(one, 3.5), at: '2100-03-01T12:00:01.500Z' };
    await work((tx) => tx.signals.noteSightings([later]));
    expect(await work((tx) => tx.signals.lastSightings([one]))).toEqual([later]);
    expect(await work((tx) => tx.signals.lastSightings([one, other]))).toHaveLength(2);
  },

  'lastSightings: one transaction at a time asks, and sees what the one before has noted': async (opened) => {
    const userId = anId('user');
    const first: Sighting = { userId, sessionId: anId('sess'), latitude: 1, longitude: 2, radiusKm: 3, at: START };
    const holds = holding(opened.store, async (tx) => {
      await tx.signals.lastSightings([userId]);
      await tx.signals.noteSightings([first]);
    });
    await holds.reached;
    const second = opened.store.transaction((tx) => tx.signals.lastSightings([userId]));
    await opened.untilWaiting(1);
    await holds.end();
    expect((await second).value).toEqual([first]);
  },
};

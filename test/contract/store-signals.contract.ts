import { expect } from '@jest/globals';
import type { CountedSignal } from '../../src/domain/security/signal.ts';
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
  },
};

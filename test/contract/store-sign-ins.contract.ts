import { expect } from '@jest/globals';
import type { SignIn } from '../../src/domain/authentication/sign-in.ts';
import type { Transaction } from '../../src/domain/store.ts';
import { anId, INSTANT } from './store-samples.ts';
import { addUser, type Law, type OpenStore } from './store-steps.ts';

async function inside<T>({ store }: OpenStore, work: (tx: Transaction) => Promise<T>): Promise<T> {
  return (await store.transaction(work)).value;
}

function aSignIn(values: Partial<SignIn> = {}): SignIn {
  return {
    id: anId('signin'),
    userId: null,
    at: INSTANT,
    outcome: 'succeeded',
    aal: 1,
    sessionId: anId('sess'),
    deviceKind: 'desktop',
    browser: 'Firefox',
    os: null,
    client: null,
    address: '203.0.113.7',
    ...values,
  };
}

const at = (second: number) => `2024-03-01T12:00:0${second}.000Z`;

export const SIGN_IN_LAWS: Readonly<Record<string, Law>> = {
  'add and page: of this user, the newest first, behind a place': async (opened) => {
    const { store } = opened;
    const [userId, other] = [anId('user'), anId('user')];
    const mine = [1, 2, 3].map((second) => aSignIn({ userId, at: at(second) }));
    for (const each of [...mine, aSignIn({ userId: other }), aSignIn()]) {
      await inside(opened, (tx) => tx.signIns.add(each));
    }
    const newestFirst = mine.toReversed();
    expect(await store.signIns.page(userId, null, 9)).toEqual(newestFirst);
    expect(await store.signIns.page(userId, null, 1)).toEqual(newestFirst.slice(0, 1));
    const [newest] = newestFirst;
    const behind = { value: newest?.at ?? '', id: newest?.id ?? '' };
    expect(await store.signIns.page(userId, behind, 9)).toEqual(newestFirst.slice(1));
  },

  'add: one that failed is told of, whoever it was, and one that succeeded is not': async (opened) => {
    const userId = anId('user');
    const told = await inside(opened, async (tx) => {
      await tx.signIns.add(aSignIn({ userId, outcome: 'wrong_password', at: at(1) }));
      await tx.signIns.add(aSignIn({ userId, at: at(2) }));
      await tx.signIns.add(aSignIn({ userId: null, outcome: 'wrong_password', at: at(3) }));
      return tx.outbox.number(10_000);
    });
    const failed = told.filter(({ kind }) => kind === 'sign_in.failed');
    expect(failed.filter(({ subjectId }) => subjectId === userId)).toEqual([
      expect.objectContaining({ userId: null, reason: 'wrong_password', at: at(1) }),
    ]);
    expect(failed.filter((event) => event.subjectId === '' && event.at === at(3))).toHaveLength(1);
  },

  'devices: those that the user signed in by within that time, what was used last first': async (opened) => {
    const userId = anId('user');
    const seen = [
      aSignIn({ userId, at: at(1) }),
      aSignIn({ userId, at: at(2), deviceKind: 'mobile', browser: null }),
      aSignIn({ userId, at: at(3) }),
      aSignIn({ userId, at: at(4), outcome: 'wrong_password', browser: 'curl' }),
      aSignIn({ userId, at: at(5), browser: 'Safari' }),
    ];
    for (const each of seen) await inside(opened, (tx) => tx.signIns.add(each));
    const firefox = { deviceKind: 'desktop', browser: 'Firefox', os: null, signIns: 2 };
    const phone = { deviceKind: 'mobile', browser: null, os: null, signIns: 1 };
    expect(await opened.store.signIns.devices(userId, at(1), at(5), 9)).toEqual([
      { ...firefox, firstSeenAt: at(1), lastSeenAt: at(3) },
      { ...phone, firstSeenAt: at(2), lastSeenAt: at(2) },
    ]);
    expect(await opened.store.signIns.devices(userId, at(1), at(5), 1)).toHaveLength(1);
  },

  'count, activity, failedHours and lastOf: sums of quarters by the calendar of a time zone': async (opened) => {
    const { store } = opened;
    const [userId, other] = [(await addUser(store)).id, anId('user')];
    const quarter = '2024-03-01T18:15:00.000Z';
    const next = '2024-03-01T18:30:00.000Z';
    const add = () =>
      inside(opened, (tx) =>
        tx.signIns.count(
          [
            { userId, start: quarter, what: 'failed', count: 2 },
            { userId, start: next, what: 'signed_in', count: 1 },
            { userId: other, start: quarter, what: 'failed', count: 9 },
          ],
          new Map([[userId, at(1)]]),
        ),
      );
    await add();
    await add();
    await inside(opened, (tx) => tx.signIns.count([], new Map([[userId, INSTANT]])));
    expect(await store.signIns.lastOf([userId, other])).toEqual(new Map([[userId, at(1)]]));

    const range = { userId, fromMs: Date.parse('2024-03-01T00:00:00Z'), toMs: Date.parse('2024-03-02T00:00:00Z') };
    const kolkata = await store.signIns.activity({ ...range, unit: 'day', timeZone: 'Asia/Kolkata' });
    // There the next day begins at half past six.
    expect(kolkata.map(({ counts }) => counts)).toEqual([{ failed: 4 }, { signed_in: 2 }]);
    const utc = await store.signIns.activity({ ...range, unit: 'hour', timeZone: 'UTC' });
    expect(utc).toHaveLength(24);
    expect(utc.filter(({ counts }) => Object.keys(counts).length > 0)).toEqual([
      { startMs: Date.parse('2024-03-01T18:00:00Z'), counts: { failed: 4, signed_in: 2 } },
    ]);
    const unknown = store.signIns.activity({ ...range, unit: 'day', timeZone: 'Europe/Nowhere' });
    await expect(unknown).rejects.toMatchObject({ code: 'BAD_USER_INPUT', data: { field: 'timeZone' } });

    const hours = [18, 19].map((hour) => ({ userId, hour: `2024-03-01T${hour}:00:00.000Z` }));
    const failed = await inside(opened, (tx) => tx.signIns.failedHours(hours));
    expect(failed).toEqual(new Set([`${userId} 2024-03-01T18:00:00.000Z`]));
  },

  'users.erase: nothing of it is left': async (opened) => {
    const { store } = opened;
    const { id: userId } = await addUser(store);
    await inside(opened, async (tx) => {
      await tx.signIns.add(aSignIn({ userId }));
      await tx.signIns.count(
        [{ userId, start: '2024-03-01T18:15:00.000Z', what: 'failed', count: 2 }],
        new Map([[userId, INSTANT]]),
      );
      await tx.users.erase(userId, INSTANT);
    });
    expect(await store.signIns.page(userId, null, 9)).toEqual([]);
    expect(await store.signIns.lastOf([userId])).toEqual(new Map());
  },
};

import { expect } from '@jest/globals';
import type { Challenge } from '../../src/domain/authentication/challenges.ts';
import type { Transaction } from '../../src/domain/store.ts';
import { anId, INSTANT, LATER } from './store-samples.ts';
import { addUser, addUsers, type Law, type OpenStore, waits } from './store-steps.ts';

const NO_GUESSES = { failures: 0, retryAt: null };

const TOTP_LAWS: Readonly<Record<string, Law>> = {
  'find: the factor of the user, confirmed or not, or null': async (opened) => {
    const { store } = opened;
    const userId = await addFactor(opened);
    const begun = { userId, sealedSecret: 'sealed', createdAt: INSTANT, confirmedAt: null, lastStep: null };
    expect(await store.factors.find(userId)).toEqual({ ...begun, ...NO_GUESSES });
    await store.transaction(async (tx) => {
      await tx.factors.confirm(userId, LATER);
      await tx.factors.confirm(userId, INSTANT);
      await tx.factors.useStep(userId, 57_000_000);
      await tx.factors.saveGuesses(userId, { failures: 7, retryAt: LATER });
      await tx.factors.reseal(userId, 'sealed anew');
    });
    expect(await store.factors.find(userId)).toEqual({
      ...begun,
      sealedSecret: 'sealed anew',
      confirmedAt: LATER,
      lastStep: 57_000_000,
      failures: 7,
      retryAt: LATER,
    });
    expect(await store.factors.find((await addUser(store)).id)).toBeNull();
  },

  'confirmedAmong: those who have a confirmed one, in one statement': async (opened) => {
    const { store, statements } = opened;
    const [confirmed, begun, none] = [await addFactor(opened, true), await addFactor(opened), anId('user')];
    let found: unknown;
    expect(
      await statements(async () => (found = await store.factors.confirmedAmong([none, begun, confirmed, confirmed]))),
    ).toBe(1);
    expect(found).toEqual([confirmed]);
  },

  'userIdsAfter: users with a factor in the order of their ids, page after page': async (opened) => {
    const mine = [await addFactor(opened), await addFactor(opened, true), await addFactor(opened)].toSorted();
    const all: string[] = [];
    for (let page: readonly string[] = ['']; page.length > 0; all.push(...page)) {
      page = await opened.store.factors.userIdsAfter(all.at(-1) ?? '', 2);
      expect(page.length).toBeLessThanOrEqual(2);
    }
    expect(all).toEqual([...new Set(all)].toSorted());
    expect(all).toEqual(expect.arrayContaining(mine));
  },

  'begin: takes the place of one that was not confirmed, with its guesses and its step': async (opened) => {
    const { store } = opened;
    const userId = await addFactor(opened);
    const { value } = await store.transaction(async (tx) => {
      await tx.factors.useStep(userId, 1);
      await tx.factors.saveGuesses(userId, { failures: 7, retryAt: LATER });
      return tx.factors.begin(userId, 'other', LATER);
    });
    expect(value).toBe(true);
    expect(await store.factors.find(userId)).toMatchObject({
      sealedSecret: 'other',
      createdAt: LATER,
      lastStep: null,
      ...NO_GUESSES,
    });
  },

  'begin: false where one is confirmed, which stays as it is': async (opened) => {
    const { store } = opened;
    const userId = await addFactor(opened, true);
    expect((await store.transaction((tx) => tx.factors.begin(userId, 'other', LATER))).value).toBe(false);
    expect(await store.factors.find(userId)).toMatchObject({ sealedSecret: 'sealed', confirmedAt: INSTANT });
  },

  'useStep: of N callers with one step, or an earlier one, at most one gets true, and failures are forgotten': async (
    opened,
  ) => {
    const { store } = opened;
    const userId = await addFactor(opened, true);
    await store.transaction((tx) => tx.factors.saveGuesses(userId, { failures: 7, retryAt: LATER }));
    const use = async (step: number) => (await store.transaction((tx) => tx.factors.useStep(userId, step))).value;
    const ends = await Promise.all(Array.from({ length: 12 }, () => use(100)));
    expect(ends.filter(Boolean)).toHaveLength(1);
    expect(await store.factors.find(userId)).toMatchObject({ lastStep: 100, ...NO_GUESSES });
    expect([await use(100), await use(99), await use(101)]).toEqual([false, false, true]);
    expect((await store.transaction((tx) => tx.factors.useStep(anId('user'), 1))).value).toBe(false);
  },

  'inside a transaction `find` locks the row: the second waits for the end of the first, and sees what it did': async (
    opened,
  ) => {
    const userId = await addFactor(opened, true);
    const count = async (tx: Transaction) => {
      const factor = await tx.factors.find(userId);
      await tx.factors.saveGuesses(userId, { failures: (factor?.failures ?? 0) + 1, retryAt: null });
      return factor?.failures;
    };
    expect(await waits(opened, count, count)).toBe(1);
  },

  'remove: the factor and all recovery codes of the user, and of nobody else': async (opened) => {
    const { store } = opened;
    const [mine, other] = [await addFactor(opened, true), await addFactor(opened, true)];
    await store.transaction(async (tx) => {
      await tx.factors.replaceRecoveryCodes(mine, ['a', 'b']);
      await tx.factors.replaceRecoveryCodes(other, ['a', 'b']);
      await tx.factors.remove(mine);
    });
    const left = await store.transaction(async (tx) => [
      await tx.factors.recoveryCodes(mine),
      await tx.factors.recoveryCodes(other),
    ]);
    expect(left.value).toEqual([[], ['a', 'b']]);
    expect(await store.factors.find(mine)).toBeNull();
    expect(await store.factors.find(other)).not.toBeNull();
  },
};

const RECOVERY_CODE_LAWS: Readonly<Record<string, Law>> = {
  'replaceRecoveryCodes: puts these in place of all that there were': async (opened) => {
    const userId = await addFactor(opened, true);
    const { value } = await opened.store.transaction(async (tx) => {
      await tx.factors.replaceRecoveryCodes(userId, ['a', 'b']);
      await tx.factors.replaceRecoveryCodes(userId, ['d', 'c']);
      return tx.factors.recoveryCodes(userId);
    });
    expect(value.toSorted()).toEqual(['c', 'd']);
  },

  'useRecoveryCode: of N callers at most one gets true, and the code is gone': async (opened) => {
    const { store } = opened;
    const [userId, other] = [await addFactor(opened, true), await addFactor(opened, true)];
    await store.transaction((tx) => tx.factors.replaceRecoveryCodes(userId, ['a', 'b']));
    const use = async (id: string, sealed: string) =>
      (await store.transaction((tx) => tx.factors.useRecoveryCode(id, sealed))).value;
    expect(await use(other, 'a')).toBe(false);
    const ends = await Promise.all(Array.from({ length: 12 }, () => use(userId, 'a')));
    expect(ends.filter(Boolean)).toHaveLength(1);
    expect((await store.transaction((tx) => tx.factors.recoveryCodes(userId))).value).toEqual(['b']);
  },
};

const CHALLENGE_LAWS: Readonly<Record<string, Law>> = {
  'add: what is found afterwards, and none of the user that expired before it was made is left': async (opened) => {
    const { store } = opened;
    const [user, other] = await addUsers(store, 2);
    const [old, theirs] = [aChallenge(user?.id), aChallenge(other?.id)].map((each) => ({
      ...each,
      expiresAt: INSTANT,
    }));
    if (old === undefined || theirs === undefined) throw new TypeError('two challenges were made');
    const live = aChallenge(user?.id);
    const { value } = await store.transaction(async (tx) => {
      for (const each of [old, theirs]) await tx.challenges.add(each);
      expect(await tx.challenges.find(old.id)).toEqual(old);
      await tx.challenges.add(live);
      await tx.challenges.add(aChallenge(user?.id));
      return Promise.all([old, theirs, live].map(({ id }) => tx.challenges.find(id)));
    });
    expect(value).toEqual([null, theirs, live]);
  },

  'use: of N callers at most one gets true, and the instant is the first': async ({ store }) => {
    const challenge = aChallenge((await addUser(store)).id);
    await store.transaction((tx) => tx.challenges.add(challenge));
    const use = async (at = INSTANT) => (await store.transaction((tx) => tx.challenges.use(challenge.id, at))).value;
    const ends = await Promise.all(Array.from({ length: 12 }, () => use()));
    expect(ends.filter(Boolean)).toHaveLength(1);
    expect(await use(LATER)).toBe(false);
    const { value } = await store.transaction((tx) => tx.challenges.find(challenge.id));
    expect(value).toEqual({ ...challenge, usedAt: INSTANT });
  },

  'find locks the row: the second waits for the end of the first': async (opened) => {
    const challenge = aChallenge((await addUser(opened.store)).id);
    await opened.store.transaction((tx) => tx.challenges.add(challenge));
    const find = (tx: Transaction) => tx.challenges.find(challenge.id);
    expect(await waits(opened, find, find)).toEqual(challenge);
  },

  'removeAllOf: all of the user, and of nobody else': async ({ store }) => {
    const [user, other] = await addUsers(store, 2);
    const [mine, theirs] = [aChallenge(user?.id), aChallenge(other?.id)];
    const { value } = await store.transaction(async (tx) => {
      for (const each of [mine, theirs]) await tx.challenges.add(each);
      await tx.challenges.removeAllOf(mine.userId);
      return [await tx.challenges.find(mine.id), await tx.challenges.find(theirs.id)];
    });
    expect(value).toEqual([null, theirs]);
  },
};

export const FACTOR_LAWS = {
  'authenticator apps': TOTP_LAWS,
  'recovery codes': RECOVERY_CODE_LAWS,
  challenges: CHALLENGE_LAWS,
};

/** The id of a user who has one. */
async function addFactor({ store }: OpenStore, confirmed = false): Promise<string> {
  const { id } = await addUser(store);
  await store.transaction(async (tx) => {
    await tx.factors.begin(id, 'sealed', INSTANT);
    if (confirmed) await tx.factors.confirm(id, INSTANT);
  });
  return id;
}

function aChallenge(userId = ''): Challenge {
  return { id: anId('chal'), userId, createdAt: INSTANT, expiresAt: LATER, usedAt: null };
}

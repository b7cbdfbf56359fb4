import { expect } from '@jest/globals';
import type { ApiKey } from '../../src/domain/api-keys/api-key.ts';
import type { Store } from '../../src/domain/store.ts';
import { anApiKey, anId, aServiceAccount, INSTANT, LATER } from './store-samples.ts';
import { addScopes, addUser, type Law, waits } from './store-steps.ts';

const BETWEEN = '2030-01-01T00:00:00.000Z';
const version = (number: number, createdAt = INSTANT) => ({
  number,
  sealedHash: anId('hash'),
  lastFour: 'wxyz',
  createdAt,
});

async function addKey(store: Store, values: Partial<ApiKey> = {}): Promise<ApiKey> {
  const ownerId = values.ownerId ?? (await addUser(store)).id;
  const key = anApiKey({ ...values, ownerId });
  await store.transaction((tx) => tx.apiKeys.add({ ...key, environment: 'dev' }, version(1)));
  return key;
}

export const API_KEY_LAWS: Readonly<Record<string, Readonly<Record<string, Law>>>> = {
  'API keys': {
    'find and findMany: those with these ids, or null, at home where their owner is, in one statement': async ({
      store,
      statements,
    }) => {
      await addScopes(store, 'acme/platform');
      const account = aServiceAccount({ scope: 'acme/platform' });
      await store.transaction((tx) => tx.serviceAccounts.add(account));
      const { scope, scopes } = account;
      const limits = {
        unrestricted: false,
        permissions: ['role:read', 'user:read'],
        addressRanges: ['10.0.0.0/8'],
        allowedOrigins: ['https://a.example'],
        readOnly: true,
        expiresAt: LATER,
      };
      const keys = [await addKey(store, { ...limits, ownerId: account.id }), await addKey(store)];
      const [first, second] = [{ ...keys[0], scope, scopes }, keys[1]];
      const { apiKeys } = store;
      expect(await apiKeys.find(first.id ?? '')).toEqual(first);
      const ids = [first.id ?? '', second?.id ?? '', anId('key')];
      let found: readonly ApiKey[] = [];
      expect(await statements(async () => (found = await apiKeys.findMany(ids)))).toBe(1);
      expect(new Set(found)).toEqual(new Set([first, second]));
      const filter = { kind: 'equals', attribute: 'prefix', value: first.prefix ?? '' } as const;
      expect(await apiKeys.page({ filter, order: { by: 'name', descending: false }, after: null, limit: 10 })).toEqual([
        first,
      ]);
      for (const other of [first.id?.toUpperCase(), `${first.id} `, ` ${first.id}`, '']) {
        expect(await apiKeys.find(other ?? '')).toBeNull();
      }
    },

    'what decides about a key is read in one snapshot that names its position, with its secrets': async ({
      store,
      log,
      statements,
    }) => {
      await addScopes(store, 'acme/platform');
      const { id: ownerId } = await addUser(store, { scope: 'acme/platform' });
      const key = await addKey(store, { ownerId, expiresAt: LATER });
      const home = await Promise.all(['acme', 'acme/platform'].map((path) => store.scopes.findByPath(path)));
      const read = () => store.snapshots.apiKeys([key.id, anId('key'), key.id.toUpperCase()]);
      let found = await read();
      expect(await statements(async () => (found = await read()))).toBe(1);
      expect(found.asOf).toBe((await log.standing()).head);
      expect([...found.keys.keys()]).toEqual([key.id]);
      expect(found.keys.get(key.id)).toEqual({
        ownerId,
        permissions: null,
        addressRanges: [],
        allowedOrigins: [],
        readOnly: false,
        expiresAt: LATER,
        revokedAt: null,
        versions: [{ number: 1, sealedHash: expect.any(String), validUntil: null }],
        homeIds: home.map((scope) => scope?.id),
      });
      expect((await store.snapshots.apiKeys([])).keys.size).toBe(0);
    },

    'save: what is found afterwards': async ({ store }) => {
      const key = await addKey(store, { permissions: ['user:read'], unrestricted: false });
      const limits = {
        permissions: null,
        addressRanges: ['::1'],
        allowedOrigins: [],
        readOnly: true,
        expiresAt: LATER,
      };
      await store.transaction((tx) => tx.apiKeys.save(key.id, 'renamed', limits));
      const { permissions: _, ...rest } = limits;
      expect(await store.apiKeys.find(key.id)).toEqual({
        ...key,
        name: 'renamed',
        unrestricted: true,
        permissions: [],
        ...rest,
      });
    },

    'rotate: the secret before is good until then, those before that no longer, and the last ten are remembered':
      async ({ store }) => {
        const { id } = await addKey(store);
        const rotate = (number: number, until: string) =>
          store.transaction((tx) =>
            tx.apiKeys.rotate(id, { ...version(number, BETWEEN), lastFour: `000${number % 10}` }, until),
          );
        await rotate(2, LATER);
        expect(await store.apiKeys.versionsOf([id])).toMatchObject([
          { number: 2, lastFour: '0002', createdAt: BETWEEN, validUntil: null },
          { number: 1, validUntil: LATER },
        ]);
        expect(await store.apiKeys.find(id)).toMatchObject({ lastFour: '0002' });
        await rotate(3, LATER);
        expect(await store.apiKeys.versionsOf([id])).toMatchObject([
          { number: 3, validUntil: null },
          { number: 2, validUntil: LATER },
          { number: 1, validUntil: BETWEEN },
        ]);
        for (let number = 4; number <= 12; number += 1) await rotate(number, INSTANT);
        const numbers = (await store.apiKeys.versionsOf([id])).map((each) => each.number);
        expect(numbers).toEqual([12, 11, 10, 9, 8, 7, 6, 5, 4, 3]);
      },

    'noteUses: the latest of each secret stays, whatever comes after it': async ({ store }) => {
      const { id } = await addKey(store);
      await store.transaction((tx) => tx.apiKeys.rotate(id, version(2), LATER));
      const note = (number: number, lastUsedAt: string) =>
        store.transaction((tx) => tx.apiKeys.noteUses([{ keyId: id, version: number, lastUsedAt }]));
      for (const at of [INSTANT, BETWEEN, INSTANT]) await note(1, at);
      await note(2, INSTANT);
      expect(await store.apiKeys.versionsOf([id])).toMatchObject([
        { number: 2, lastUsedAt: INSTANT },
        { number: 1, lastUsedAt: BETWEEN },
      ]);
      expect(await store.apiKeys.find(id)).toMatchObject({ lastUsedAt: BETWEEN });
      // Whatever there is of the key itself.
      await store.transaction((tx) => tx.apiKeys.noteUses([{ keyId: anId('key'), version: 1, lastUsedAt: INSTANT }]));
    },

    'revoke: once, with its reason; and whoever is erased leaves none that is good': async ({ store }) => {
      const user = await addUser(store);
      const [ended, live] = [await addKey(store, { ownerId: user.id }), await addKey(store, { ownerId: user.id })];
      for (const at of [INSTANT, LATER]) await store.transaction((tx) => tx.apiKeys.revoke(ended.id, at, 'revoked'));
      const first = { revokedAt: INSTANT, revokedReason: 'revoked' };
      expect(await store.apiKeys.find(ended.id)).toMatchObject(first);
      await store.transaction((tx) => tx.users.erase(user.id, BETWEEN));
      expect(await store.apiKeys.find(ended.id)).toMatchObject({ ...first, name: '' });
      const last = { revokedAt: BETWEEN, revokedReason: 'owner_deleted', name: '' };
      expect(await store.apiKeys.find(live.id)).toMatchObject(last);
    },

    'sealedAfter and reseal: every secret in the order of the ids of keys, with what was sealed in place of it':
      async ({ store }) => {
        const keys = [await addKey(store), await addKey(store)].toSorted((a, b) => (a.id < b.id ? -1 : 1));
        await store.transaction((tx) => tx.apiKeys.rotate(keys[0]?.id ?? '', version(2), LATER));
        const found = async () => {
          const all: string[] = [];
          for (let after = ''; ;) {
            const page = await store.apiKeys.sealedAfter(after, 1);
            all.push(...page.map(({ keyId, number, sealedHash }) => `${keyId} ${number} ${sealedHash}`));
            const last = page.at(-1);
            if (last === undefined) return all.filter((each) => keys.some(({ id }) => each.startsWith(id)));
            after = last.keyId;
          }
        };
        await store.transaction((tx) => tx.apiKeys.reseal(keys[0]?.id ?? '', 2, 'anew'));
        expect(await found()).toEqual([
          expect.stringMatching(`^${keys[0]?.id} 1 hash_`),
          `${keys[0]?.id} 2 anew`,
          expect.stringMatching(`^${keys[1]?.id} 1 hash_`),
        ]);
      },

    'find locks the key it returns': async (opened) => {
      const { id } = await addKey(opened.store);
      await waits(
        opened,
        (tx) => tx.apiKeys.find(id),
        (tx) => tx.apiKeys.find(id),
      );
    },
  },
};

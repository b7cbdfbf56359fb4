import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { apiKeysOn, IN, type Issued, outWith } from '../support/api-keys.ts';
import { extensionsOf, IN_FORCE, INSTANCES, onEveryInstance } from '../support/asking.ts';
import {
  askOver,
  type Castellans,
  codesOf,
  createTestClock,
  type SignedInUser,
  startCastellans,
} from '../support/castellan.ts';
import { addGrant } from '../support/people.ts';

const KEY = `id name prefix lastFour permissions revokedAt revokedReason
  versions { number lastFour validUntil lastUsedAt safeToRetire }`;
const UPDATE = `mutation ($id: ID!, $input: UpdateApiKeyInput!) {
  updateApiKey(id: $id, input: $input) { apiKey { ${KEY} } receipt { enforced instances acknowledged } position }
}`;
const ROTATE = `mutation ($id: ID!, $overlapSeconds: Int!) {
  rotateApiKey(id: $id, overlapSeconds: $overlapSeconds) {
    apiKey { ${KEY} } secret receipt { enforced instances acknowledged } position
  }
}`;
const REVOKE = `mutation ($id: ID!) {
  revokeApiKey(id: $id) { apiKey { ${KEY} } receipt { enforced instances acknowledged } position }
}`;
const READ = `query ($id: ID!) { apiKey(id: $id) { ${KEY} } }`;
const MISSING = `key_${'0'.repeat(26)}`;
const MAY = `query ($action: String!, $subject: String!) {
  viewerCan(action: $action, subject: $subject) { allowed reason }
}`;

const clock = createTestClock();
let castellans: Castellans;
let alice: SignedInUser;
let bob: SignedInUser;
let mallory: SignedInUser;
let sam: SignedInUser;

const { ask, done, createKey, withKey, onEvery, addAccount, usesWritten } = apiKeysOn(
  () => castellans,
  () => alice,
);

beforeAll(async () => {
  castellans = await startCastellans(3, { clock });
  await castellans.addScopes('acme/platform');
  [alice, bob, mallory, sam] = [
    await castellans.signUp('alice', ['administrator']),
    await castellans.signUp('bob'),
    await castellans.signUp('mallory'),
    await castellans.signUp('sam', []),
  ];
  await addGrant(castellans.apps[0] ?? fail(), { principalId: sam.id, role: 'support', scope: 'acme' });
}, 40_000);

afterAll(() => castellans?.close());

const logged = (id: string) =>
  castellans.rows<object>('select kind, user_id, reason from authority_log where target = $1 order by id', id);

describe('a key that is changed', () => {
  test('is narrowed and widened on every instance when the receipt is there', async () => {
    const { apiKey, secret } = await createKey(await again(alice));
    const may = () =>
      onEveryInstance(async (instance) => {
        const variables = { action: 'disable', subject: 'User' };
        const { data } = await withKey<{ viewerCan: { allowed: boolean } }>(secret, MAY, { variables, instance });
        return data?.viewerCan.allowed;
      });
    expect(await may()).toEqual([true, true, true]);
    const update = (input: object, instance = 0) => done<object>(UPDATE, { id: apiKey.id, input }, { instance });
    expect(await update({ permissions: ['user:read'], name: 'narrow' }, 1)).toMatchObject({
      apiKey: { permissions: ['user:read'], name: 'narrow' },
      receipt: IN_FORCE,
    });
    expect(await may()).toEqual([false, false, false]);
    await update({ addressRanges: ['10.0.0.0/8'] });
    expect(await onEvery(secret)).toEqual(outWith(403, 'FORBIDDEN'));
    await update({ permissions: null, addressRanges: null }, 2);
    expect(await may()).toEqual([true, true, true]);
    await update({ permissions: null });
    expect(await logged(apiKey.id)).toEqual(
      [1, 2, 3].map(() => ({ kind: 'changed', user_id: alice.id, reason: 'api_key_updated' })),
    );
  });

  test('of somebody else is not there, and of a user nobody’s to change but theirs', async () => {
    const { apiKey } = await createKey(await again(bob));
    const mutations = [
      [UPDATE, { input: { name: 'b' } }],
      [ROTATE, { overlapSeconds: 0 }],
      [REVOKE, {}],
    ] as const;
    for (const [mutation, variables] of mutations) {
      const [hidden, missing] = [
        await ask(mutation, { id: apiKey.id, ...variables }, { by: await again(mallory) }),
        await ask(mutation, { id: MISSING, ...variables }, { by: mallory }),
      ];
      expect(codesOf(hidden)).toEqual(['NOT_FOUND']);
      expect(JSON.stringify(hidden.errors).replaceAll(apiKey.id, MISSING)).toBe(JSON.stringify(missing.errors));
      if (mutation === REVOKE) continue;
      expect(extensionsOf(await ask(mutation, { id: apiKey.id, ...variables }))).toEqual([
        { code: 'FORBIDDEN', reason: 'not_owner' },
      ]);
    }
    expect(await done(READ, { id: apiKey.id }, { by: mallory })).toBeNull();
  });
});

test('a key that is good no more, or no more from there, leaves no socket open', async () => {
  const by = await again(alice);
  const opened = await Promise.all(
    INSTANCES.map(async (instance) => {
      const { apiKey, secret } = await createKey(by);
      const closed = Promise.withResolvers<number>();
      const socket = castellans.connect({ apiKey: secret, instance, onClosed: closed.resolve });
      expect(codesOf(await askOver(socket, '{ me { id } }'))).toEqual([]);
      return { id: apiKey.id, closed: closed.promise, socket };
    }),
  );
  const [rotated, moved, widened] = opened;
  await done(UPDATE, { id: widened?.id, input: { name: 'another name' } }, { by });
  await done(ROTATE, { id: rotated?.id, overlapSeconds: 0 }, { by });
  await done(UPDATE, { id: moved?.id, input: { addressRanges: ['203.0.113.0/24'] } }, { by });
  expect(await Promise.all([rotated?.closed, moved?.closed])).toEqual([4403, 4401]);
  expect(codesOf(await askOver(widened?.socket ?? fail(), '{ me { id } }'))).toEqual([]);
});

describe('a key that is rotated', () => {
  test('has two secrets until the overlap is over, with the last use of each, and then the new one alone', async () => {
    const by = await again(bob);
    const { apiKey, secret: first } = await createKey(by);
    expect(await onEvery(first)).toEqual(IN);
    const { secret: second, ...rotated } = await done<Issued>(ROTATE, { id: apiKey.id, overlapSeconds: 7_200 }, { by });
    expect(rotated).toMatchObject({ apiKey: { lastFour: second.slice(-4) }, receipt: IN_FORCE });
    expect(second).not.toBe(first);
    expect(second.startsWith(`${apiKey.prefix}_`)).toBe(true);
    for (const each of [first, second]) expect(await onEvery(each)).toEqual(IN);
    await usesWritten();
    const versions = async () =>
      (await done<{ versions: readonly object[] }>(READ, { id: apiKey.id }, { by: await again(bob) })).versions;
    expect(await versions()).toMatchObject([
      { number: 2, validUntil: null, lastFour: second.slice(-4), lastUsedAt: expect.any(String), safeToRetire: false },
      {
        number: 1,
        validUntil: expect.any(String),
        lastFour: first.slice(-4),
        lastUsedAt: expect.any(String),
        safeToRetire: false,
      },
    ]);
    clock.advance(3_700_000);
    expect(await versions()).toMatchObject([{ safeToRetire: false }, { safeToRetire: true }]);
    expect(await onEvery(first)).toEqual(IN);
    clock.advance(3_600_000);
    expect(await onEvery(first)).toEqual(outWith(401, 'TOKEN_EXPIRED'));
    expect(await onEvery(second)).toEqual(IN);
  });

  test('without an overlap loses the old secret at once; and of three there are never more than two', async () => {
    const by = await again(bob);
    const { apiKey, secret: first } = await createKey(by);
    expect(await onEvery(first)).toEqual(IN);
    const rotate = async (overlapSeconds: number) =>
      (await done<Issued>(ROTATE, { id: apiKey.id, overlapSeconds }, { by })).secret;
    const second = await rotate(0);
    expect(await onEvery(first)).toEqual(outWith(401, 'TOKEN_EXPIRED'));
    const third = await rotate(600);
    expect(await onEvery(second)).toEqual(IN);
    const fourth = await rotate(600);
    for (const each of [first, second]) expect(await onEvery(each)).toEqual(outWith(401, 'TOKEN_EXPIRED'));
    for (const each of [third, fourth]) expect(await onEvery(each)).toEqual(IN);
    for (const overlapSeconds of [-1, 2_592_001]) {
      const answer = await ask(ROTATE, { id: apiKey.id, overlapSeconds }, { by });
      expect(extensionsOf(answer)).toEqual([{ code: 'BAD_USER_INPUT', field: 'overlapSeconds' }]);
    }
  });
});

describe('a key that is revoked', () => {
  test('is refused on every instance when the receipt is there, and again changes nothing', async () => {
    const by = await again(bob);
    const { apiKey, secret } = await createKey(by);
    expect(await onEvery(secret)).toEqual(IN);
    for (const instance of INSTANCES) {
      expect(await done(REVOKE, { id: apiKey.id }, { by, instance })).toMatchObject({
        apiKey: { revokedAt: expect.any(String), revokedReason: 'revoked' },
        receipt: IN_FORCE,
      });
      expect(await onEvery(secret)).toEqual(outWith(401, 'SESSION_REVOKED'));
    }
    expect(await logged(apiKey.id)).toEqual([{ kind: 'revoked', user_id: bob.id, reason: 'revoked' }]);
    for (const [mutation, variables] of [
      [UPDATE, { input: { name: 'b' } }],
      [ROTATE, { overlapSeconds: 0 }],
    ] as const) {
      const answer = await ask(mutation, { id: apiKey.id, ...variables }, { by });
      expect(extensionsOf(answer)).toEqual([{ code: 'CONFLICT', id: apiKey.id, reason: 'revoked' }]);
    }
  });

  test('by support, who may see it, or with itself', async () => {
    const id = await addAccount('found', ['service'], 'acme/platform');
    const [found, own] = [
      await createKey(await again(alice), { serviceAccountId: id }),
      await createKey(alice, { serviceAccountId: id }),
    ];
    expect(await done(REVOKE, { id: found.apiKey.id }, { by: await again(sam) })).toMatchObject({
      receipt: IN_FORCE,
    });
    expect((await withKey(own.secret, REVOKE, { variables: { id: own.apiKey.id } })).errors).toEqual([]);
    for (const { secret } of [found, own]) expect(await onEvery(secret)).toEqual(outWith(401, 'SESSION_REVOKED'));
  });

  test('AC-45, AC-49a: goes with its owner, who may come back, and for good when they are deleted', async () => {
    const dan = await castellans.signUp('dan');
    const account = await addAccount('dan’s', ['service']);
    const keys = [await createKey(dan), await createKey(await again(alice), { serviceAccountId: account })];
    const change = (user: string, accountMutation: string) =>
      Promise.all([
        done(`mutation ($id: ID!) { ${user}(id: $id) { receipt { enforced } } }`, { id: dan.id }),
        done(`mutation ($id: ID!) { ${accountMutation}(id: $id) { receipt { enforced } } }`, { id: account }),
      ]);
    for (const { secret } of keys) expect(await onEvery(secret)).toEqual(IN);
    // Showing it does not undo what was done to its owner meanwhile.
    const showing = keys.flatMap(({ secret }) => Array.from({ length: 5 }, () => onEvery(secret)));
    await change('disableUser', 'disableServiceAccount');
    await Promise.all(showing);
    for (const { secret } of keys) expect(await onEvery(secret)).toEqual(outWith(401, 'SESSION_REVOKED'));
    await change('enableUser', 'enableServiceAccount');
    for (const { secret } of keys) expect(await onEvery(secret)).toEqual(IN);
    await change('deleteUser', 'deleteServiceAccount');
    for (const { secret } of keys) expect(await onEvery(secret)).toEqual(outWith(401, 'SESSION_REVOKED'));
    const rows = await castellans.rows('select name, revoked_reason from api_keys where owner_id = any($1)', [
      dan.id,
      account,
    ]);
    expect(rows).toEqual([1, 2].map(() => ({ name: '', revoked_reason: 'owner_deleted' })));
  });
});

/** The same user with a token that has not run out, however far the clock was moved. */
async function again(user: SignedInUser): Promise<SignedInUser> {
  return Object.assign(user, await castellans.signIn(user.email));
}

function fail(): never {
  throw new TypeError('there is nobody');
}

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { isApiKey } from '../../src/domain/api-keys/key-format.ts';
import {
  apiKeysOn,
  came,
  CREATE_KEY,
  IN,
  type Issued,
  type KeyData,
  outWith,
  READ_KEY,
  REVOKE_KEY,
  ROTATE_KEY,
  UPDATE_KEY,
} from '../support/api-keys.ts';
import { extensionsOf, IN_FORCE, INSTANCES, onEveryInstance } from '../support/asking.ts';
import { type Castellans, codesOf, createTestClock, type SignedInUser, startCastellans } from '../support/castellan.ts';
import { addGrant, revokeGrant } from '../support/people.ts';

const ME = '{ me { id } }';
const MISSING = `key_${'0'.repeat(26)}`;
const LIST = `query ($filter: ApiKeyFilter, $orderBy: ApiKeyOrder, $after: String) {
  apiKeys(first: 2, filter: $filter, orderBy: $orderBy, after: $after) {
    edges { cursor node { id name } } pageInfo { hasNextPage endCursor }
  }
}`;
const MAY = `query ($action: String!, $subject: String!) {
  viewerCan(action: $action, subject: $subject) { allowed reason }
}`;

const clock = createTestClock();
let castellans: Castellans;
let alice: SignedInUser;
let bob: SignedInUser;
let mallory: SignedInUser;
let sam: SignedInUser;

const { ask, done, unchanged, audited, createKey, withKey, onEvery, addAccount, usesWritten } = apiKeysOn(
  () => castellans,
  () => alice,
);

beforeAll(async () => {
  castellans = await startCastellans(3, { clock });
  await castellans.addScopes('acme/platform', 'globex');
  [alice, bob, mallory, sam] = [
    await castellans.signUp('alice', ['administrator']),
    await castellans.signUp('bob'),
    await castellans.signUp('mallory'),
    await castellans.signUp('sam', []),
  ];
  await addGrant(castellans.apps[0] ?? fail(), { principalId: sam.id, role: 'support', scope: 'acme' });
});

afterAll(() => castellans?.close());

const logged = (id: string) =>
  castellans.rows<object>('select kind, user_id, reason from authority_log where target = $1 order by id', id);
const inSeconds = (seconds: number): string => new Date(clock.now() + seconds * 1_000).toISOString();

describe('a key that is created', () => {
  test('acts as its owner on every instance; its secret is shown once, and its form can be told without asking', async () => {
    const issued = await done<Issued & { position: string }>(CREATE_KEY, { input: { name: ' CI ' } }, { by: bob });
    const { apiKey, secret } = issued;
    expect(secret).toMatch(/^ck_dev_[0-9a-z]{26}_[0-9A-Za-z]{49}$/);
    expect(isApiKey(secret)).toBe(true);
    expect(secret.startsWith(`${apiKey.prefix}_`)).toBe(true);
    const version = {
      number: 1,
      lastFour: secret.slice(-4),
      createdAt: expect.any(String),
      validUntil: null,
      lastUsedAt: null,
      safeToRetire: false,
    };
    const expected = {
      id: expect.stringMatching(/^key_[0-9a-z]{26}$/),
      name: 'CI',
      prefix: `ck_dev_${apiKey.id.slice(4)}`,
      lastFour: secret.slice(-4),
      permissions: null,
      addressRanges: [],
      allowedOrigins: [],
      readOnly: false,
      createdAt: expect.any(String),
      createdBy: bob.id,
      expiresAt: null,
      revokedAt: null,
      revokedReason: null,
      lastUsedAt: null,
      scope: null,
      scopes: [],
      versions: [version],
      owner: { __typename: 'User', id: bob.id, email: bob.email },
    };
    expect(apiKey).toEqual(expected);
    expect(await onEveryInstance((instance) => done(READ_KEY, { id: apiKey.id }, { by: bob, instance }))).toEqual(
      INSTANCES.map(() => expected),
    );
    for (const instance of INSTANCES) {
      expect((await withKey(secret, ME, { instance })).data).toEqual({ me: { id: bob.id } });
    }
    expect(await audited(apiKey.id)).toMatchObject([
      { by: bob.id, action: 'api_key.create', after: { ownerId: bob.id, permissions: null, readOnly: false } },
    ]);
    expect(JSON.stringify(await audited(apiKey.id))).not.toContain(secret);
  });

  test('of a service account acts as that, which is no user', async () => {
    const id = await addAccount('worker', ['service'], 'acme/platform');
    const { apiKey, secret } = await createKey(alice, { serviceAccountId: id });
    expect(apiKey).toMatchObject({
      owner: { __typename: 'ServiceAccount', id, name: 'worker' },
      createdBy: alice.id,
      scope: 'acme/platform',
      scopes: ['acme', 'acme/platform'],
    });
    for (const instance of INSTANCES) {
      const query = `query ($id: ID!) { me { id } serviceAccount(id: $id) { id } users(first: 1) { edges { node { id } } } }`;
      const { data, errors } = await withKey<{ users: { edges: unknown[] } }>(secret, query, {
        variables: { id },
        instance,
      });
      expect(errors).toEqual([]);
      expect(data).toMatchObject({ me: null, serviceAccount: { id } });
      expect(data?.users.edges).toHaveLength(1);
    }
  });

  test.each([
    ['an empty name', { name: ' ' }, 'name'],
    ['a permission that the policy does not know', { permissions: ['user:fly'] }, 'permissions'],
    ['a permission that is written otherwise', { permissions: ['User:read'] }, 'permissions'],
    ['no permission at all', { permissions: [] }, 'permissions'],
    ['a range that is none', { addressRanges: ['10.0.0.0/40'] }, 'addressRanges'],
    ['an origin with a path', { allowedOrigins: ['https://app.example.com/'] }, 'allowedOrigins'],
    ['an end in the past', { expiresAt: '2001-01-01T00:00:00.000Z' }, 'expiresAt'],
  ] as const)('refuses %s', async (_, input, field) => {
    const answer = await ask(CREATE_KEY, { input: { name: 'a key', ...input } }, { by: bob });
    expect(extensionsOf(answer)).toEqual([{ code: 'BAD_USER_INPUT', field }]);
  });

  test('AC-49: is nobody else’s: no field names another user, and nobody else can make one or a service account’s', async () => {
    const id = await addAccount('private', [], 'globex');
    await unchanged(async () => {
      for (const more of [{ userId: bob.id }, { ownerId: bob.id }, { rateLimit: 1e9 }, { permissions: ['*'] }]) {
        const answer = await ask(CREATE_KEY, { input: { name: 'a', ...more } }, { by: mallory });
        expect(codesOf(answer)).toEqual(['BAD_USER_INPUT']);
      }
      const attempts = [
        [null, { name: 'a' }, 'UNAUTHENTICATED'],
        [mallory, { name: 'a', serviceAccountId: bob.id }, 'NOT_FOUND'],
        [mallory, { name: 'a', serviceAccountId: id }, 'NOT_FOUND'],
        [mallory, { name: 'a', serviceAccountId: `svc_${'0'.repeat(26)}` }, 'NOT_FOUND'],
        [sam, { name: 'a' }, 'FORBIDDEN'],
      ] as const;
      for (const [by, input, code] of attempts)
        expect(codesOf(await ask(CREATE_KEY, { input }, { by }))).toEqual([code]);
    });
    expect(await castellans.rows('select id from api_keys where owner_id = any($1)', [id, sam.id])).toEqual([]);
  });

  test('AC-49b: with a revoked session is refused on another instance, and so is changing one', async () => {
    const eve = await castellans.signUp('eve');
    const { apiKey } = await createKey(eve);
    await done('mutation ($id: ID!) { revokeSession(id: $id) { receipt { enforced } } }', { id: eve.sessionId });
    for (const instance of INSTANCES) {
      for (const [mutation, variables] of [
        [CREATE_KEY, { input: { name: 'a' } }],
        [UPDATE_KEY, { id: apiKey.id, input: { name: 'b' } }],
        [ROTATE_KEY, { id: apiKey.id, overlapSeconds: 0 }],
      ] as const) {
        expect(codesOf(await ask(mutation, variables, { by: eve, instance }))).toEqual(['SESSION_REVOKED']);
      }
    }
  });
});

describe('what may be done with a key', () => {
  test('is what its permissions name of what its owner may, at every decision', async () => {
    const { secret } = await createKey(alice, { permissions: ['user:read', 'role:read'] });
    for (const instance of INSTANCES) {
      const users = await withKey<{ users: { edges: unknown[] } }>(
        secret,
        '{ users(first: 3) { edges { node { id } } } }',
        {
          instance,
        },
      );
      expect(users.data?.users.edges.length).toBeGreaterThan(0);
      const sessions = await withKey(secret, '{ sessions(first: 3) { edges { node { id } } } }', { instance });
      expect(sessions).toMatchObject({ data: { sessions: { edges: [] } }, errors: [] });
      const disabling = await withKey(secret, 'mutation ($id: ID!) { disableUser(id: $id) { position } }', {
        variables: { id: bob.id },
        instance,
      });
      expect(disabling.errors).toMatchObject([
        { message: 'This API key does not have the permission user:disable.', extensions: { code: 'FORBIDDEN' } },
      ]);
      expect(
        (await withKey(secret, MAY, { variables: { action: 'read', subject: 'User' }, instance })).data,
      ).toMatchObject({
        viewerCan: { allowed: true },
      });
      expect(
        (await withKey(secret, MAY, { variables: { action: 'apply', subject: 'Policy' }, instance })).data,
      ).toEqual({
        viewerCan: { allowed: false, reason: 'This API key does not have the permission policy:apply.' },
      });
      const { data } = await withKey<{ viewerAbility: { rules: readonly (readonly string[])[] } }>(
        secret,
        '{ viewerAbility { rules } }',
        { instance },
      );
      const rules = data?.viewerAbility.rules.map(([action, subject]) => `${action} ${subject}`) ?? [];
      expect(rules.flatMap((rule) => rule.split(' ')[0]?.split(',') ?? [])).toEqual(rules.map(() => 'read'));
      expect(new Set(rules.flatMap((rule) => rule.split(' ')[1]?.split(',') ?? []))).toEqual(new Set(['User', 'Role']));
    }
  });

  test('AC-49d: is never more than its owner may: who is demoted takes it from their keys, on every instance', async () => {
    const ada = await castellans.signUp('ada');
    const grant = await addGrant(castellans.apps[0] ?? fail(), { principalId: ada.id, role: 'administrator' });
    const [all, some] = [
      await createKey(ada),
      await createKey(ada, { permissions: ['session:revoke', 'user:disable'] }),
    ];
    const may = (action: string, subject: string) =>
      onEveryInstance(async (instance) => {
        const answers = [all, some].map(({ secret }) =>
          withKey<{ viewerCan: { allowed: boolean } }>(secret, MAY, { variables: { action, subject }, instance }),
        );
        return (await Promise.all(answers)).map(({ data }) => data?.viewerCan.allowed);
      });
    expect(await may('disable', 'User')).toEqual(INSTANCES.map(() => [true, true]));
    expect(await may('apply', 'Policy')).toEqual(INSTANCES.map(() => [true, false]));
    expect(await revokeGrant(castellans.apps[1] ?? fail(), grant)).toBe(true);
    expect(await may('disable', 'User')).toEqual(INSTANCES.map(() => [false, false]));
    expect(await may('apply', 'Policy')).toEqual(INSTANCES.map(() => [false, false]));
    expect(await may('read', 'Role')).toEqual(INSTANCES.map(() => [false, false]));
    await addGrant(castellans.apps[2] ?? fail(), { principalId: ada.id, role: 'support' });
    expect(await may('disable', 'User')).toEqual(INSTANCES.map(() => [true, true]));
  });

  test('is nothing that is a person’s: passwords, second factors, sessions, keys', async () => {
    const { apiKey, secret } = await createKey(bob);
    const session = [
      ['mutation { changePassword(currentPassword: "a", newPassword: "b") { position } }', {}],
      ['mutation { beginTotpEnrollment { secret } }', {}],
      ['mutation { confirmTotpEnrollment(code: "123456") { position } }', {}],
      ['mutation { disableTotp(code: "123456") { position } }', {}],
      ['mutation { regenerateRecoveryCodes(code: "123456") { position } }', {}],
      ['mutation { signOut { position } }', {}],
      ['mutation { revokeOtherSessions { position } }', {}],
      [CREATE_KEY, { input: { name: 'a' } }],
      [UPDATE_KEY, { id: apiKey.id, input: { name: 'b' } }],
      [ROTATE_KEY, { id: apiKey.id, overlapSeconds: 0 }],
    ] as const;
    const before = await castellans.recorded();
    for (const [mutation, variables] of session) {
      const answer = await withKey(secret, mutation, { variables });
      expect({ mutation, refused: extensionsOf(answer) }).toEqual({
        mutation,
        refused: [{ code: 'FORBIDDEN', reason: 'session_required' }],
      });
    }
    expect(await castellans.recorded()).toEqual(before);
  });

  test('to give others is no more than it has', async () => {
    const [own, other, strong] = [
      await addAccount('own', ['service'], 'acme'),
      await addAccount('other', ['service'], 'acme'),
      await addAccount('strong', ['administrator'], 'acme'),
    ];
    const permissions = ['apiKey:create', 'apiKey:update', 'apiKey:rotate', 'apiKey:read', 'user:read'];
    const limits = { permissions, addressRanges: ['127.0.0.0/8', '::1'], expiresAt: inSeconds(3_600) };
    const { secret } = await createKey(alice, { serviceAccountId: own, ...limits });
    const make = (input: object) =>
      withKey<{ createApiKey: Issued }>(secret, CREATE_KEY, { variables: { input: { name: 'a', ...input } } });
    const made = await make({ ...limits, permissions: ['user:read'], addressRanges: ['127.0.0.0/8'] });
    expect(made.data?.createApiKey.apiKey).toMatchObject({ permissions: ['user:read'], createdBy: own });
    for (const more of [
      { permissions: null },
      { permissions: ['user:read', 'serviceAccount:read'] },
      { addressRanges: [] },
      { addressRanges: ['10.0.0.0/8'] },
      { expiresAt: null },
      { expiresAt: inSeconds(7_200) },
    ]) {
      expect(extensionsOf(await make({ ...limits, ...more }))).toEqual([
        { code: 'FORBIDDEN', reason: 'exceeds_own_rights' },
      ]);
    }
    const widened = { id: made.data?.createApiKey.apiKey.id, input: { permissions: null } };
    expect(extensionsOf(await withKey(secret, UPDATE_KEY, { variables: widened }))).toEqual([
      { code: 'FORBIDDEN', reason: 'exceeds_own_rights' },
    ]);
    // One may not even know of another; and whoever may, gives no rights that they lack.
    expect(codesOf(await make({ ...limits, serviceAccountId: other }))).toEqual(['NOT_FOUND']);
    const keeper = await castellans.signUp('keeper', ['member']);
    await addGrant(castellans.apps[0] ?? fail(), { principalId: keeper.id, role: 'auditor' });
    const denied = await ask(CREATE_KEY, { input: { name: 'a', serviceAccountId: strong } }, { by: keeper });
    expect(codesOf(denied)).toEqual(['FORBIDDEN']);
  });
});

describe('where a key is good', () => {
  test('from the addresses of its ranges alone', async () => {
    const here = await createKey(bob, { addressRanges: ['127.0.0.0/8', '::1/128'] });
    const elsewhere = await createKey(bob, { addressRanges: ['10.0.0.0/8', '2001:db8::/32'] });
    expect(await onEvery(here.secret)).toEqual(IN);
    expect(await onEvery(elsewhere.secret)).toEqual(outWith(403, 'FORBIDDEN'));
    // Nobody is believed about where they come from but the proxies that are trusted.
    expect(await onEvery(elsewhere.secret, ME, { 'x-forwarded-for': '10.1.2.3' })).toEqual(outWith(403, 'FORBIDDEN'));
    const [refused] = (await withKey(elsewhere.secret, ME)).errors;
    expect(refused).toMatchObject({
      message: 'This API key is not good from this address.',
      extensions: { reason: 'address' },
    });
  });

  test('in pages of its origins alone', async () => {
    const { secret } = await createKey(bob, { allowedOrigins: ['https://app.example.com'] });
    expect(await onEvery(secret, ME, { origin: 'https://app.example.com' })).toEqual(IN);
    for (const headers of [
      {},
      { origin: 'https://app.example.com.evil.example' },
      { origin: 'http://app.example.com' },
    ]) {
      expect(await onEvery(secret, ME, headers)).toEqual(outWith(403, 'FORBIDDEN'));
    }
  });

  test('for reading alone, when it is for that', async () => {
    const { apiKey, secret } = await createKey(alice, { readOnly: true });
    expect(await onEvery(secret)).toEqual(IN);
    const before = await castellans.recorded();
    for (const [mutation, variables] of [
      ['mutation ($id: ID!) { disableUser(id: $id) { position } }', { id: bob.id }],
      ['mutation { createScope(path: "eve") { position } }', {}],
      [REVOKE_KEY, { id: apiKey.id }],
    ] as const) {
      for (const instance of INSTANCES) {
        const answer = await withKey(secret, mutation, { variables, instance });
        expect(extensionsOf(answer)).toEqual([{ code: 'FORBIDDEN', reason: 'read_only' }]);
      }
    }
    expect(await castellans.recorded()).toEqual(before);
  });

  test('until it expires', async () => {
    const { apiKey, secret } = await createKey(bob, { expiresAt: inSeconds(60) });
    expect(await onEvery(secret)).toEqual(IN);
    clock.advance(61_000);
    expect(await onEvery(secret)).toEqual(outWith(401, 'TOKEN_EXPIRED'));
    await done(UPDATE_KEY, { id: apiKey.id, input: { expiresAt: inSeconds(60) } }, { by: await again(bob) });
    expect(await onEvery(secret)).toEqual(IN);
  });
});

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
    const update = (input: object, instance = 0) => done<object>(UPDATE_KEY, { id: apiKey.id, input }, { instance });
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
      [UPDATE_KEY, { input: { name: 'b' } }],
      [ROTATE_KEY, { overlapSeconds: 0 }],
      [REVOKE_KEY, {}],
    ] as const;
    for (const [mutation, variables] of mutations) {
      const [hidden, missing] = [
        await ask(mutation, { id: apiKey.id, ...variables }, { by: await again(mallory) }),
        await ask(mutation, { id: MISSING, ...variables }, { by: mallory }),
      ];
      expect(codesOf(hidden)).toEqual(['NOT_FOUND']);
      expect(JSON.stringify(hidden.errors).replaceAll(apiKey.id, MISSING)).toBe(JSON.stringify(missing.errors));
      if (mutation === REVOKE_KEY) continue;
      expect(extensionsOf(await ask(mutation, { id: apiKey.id, ...variables }))).toEqual([
        { code: 'FORBIDDEN', reason: 'not_owner' },
      ]);
    }
    expect(await done(READ_KEY, { id: apiKey.id }, { by: mallory })).toBeNull();
  });
});

describe('a key that is rotated', () => {
  test('has two secrets until the overlap is over, with the last use of each, and then the new one alone', async () => {
    const by = await again(bob);
    const { apiKey, secret: first } = await createKey(by);
    expect(await onEvery(first)).toEqual(IN);
    const { secret: second, ...rotated } = await done<Issued>(
      ROTATE_KEY,
      { id: apiKey.id, overlapSeconds: 7_200 },
      { by },
    );
    expect(rotated).toMatchObject({ apiKey: { lastFour: second.slice(-4) }, receipt: IN_FORCE });
    expect(second).not.toBe(first);
    expect(second.startsWith(`${apiKey.prefix}_`)).toBe(true);
    for (const each of [first, second]) expect(await onEvery(each)).toEqual(IN);
    await usesWritten();
    const versions = async () => (await done<KeyData>(READ_KEY, { id: apiKey.id }, { by: await again(bob) })).versions;
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
      (await done<Issued>(ROTATE_KEY, { id: apiKey.id, overlapSeconds }, { by })).secret;
    const second = await rotate(0);
    expect(await onEvery(first)).toEqual(outWith(401, 'TOKEN_EXPIRED'));
    const third = await rotate(600);
    expect(await onEvery(second)).toEqual(IN);
    const fourth = await rotate(600);
    for (const each of [first, second]) expect(await onEvery(each)).toEqual(outWith(401, 'TOKEN_EXPIRED'));
    for (const each of [third, fourth]) expect(await onEvery(each)).toEqual(IN);
    for (const overlapSeconds of [-1, 2_592_001]) {
      const answer = await ask(ROTATE_KEY, { id: apiKey.id, overlapSeconds }, { by });
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
      expect(await done(REVOKE_KEY, { id: apiKey.id }, { by, instance })).toMatchObject({
        apiKey: { revokedAt: expect.any(String), revokedReason: 'revoked' },
        receipt: IN_FORCE,
      });
      expect(await onEvery(secret)).toEqual(outWith(401, 'SESSION_REVOKED'));
    }
    expect(await logged(apiKey.id)).toEqual([{ kind: 'revoked', user_id: bob.id, reason: 'revoked' }]);
    for (const [mutation, variables] of [
      [UPDATE_KEY, { input: { name: 'b' } }],
      [ROTATE_KEY, { overlapSeconds: 0 }],
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
    expect(await done(REVOKE_KEY, { id: found.apiKey.id }, { by: await again(sam) })).toMatchObject({
      receipt: IN_FORCE,
    });
    expect((await withKey(own.secret, REVOKE_KEY, { variables: { id: own.apiKey.id } })).errors).toEqual([]);
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

describe('the list of keys', () => {
  test('has those one may read, and is narrowed by owner, use, end and what is known of one that leaked', async () => {
    const [olga, rita] = [await castellans.signUp('olga'), await castellans.signUp('rita')];
    const [used, unused, ending] = [
      await createKey(olga, { name: 'list a' }),
      await createKey(olga, { name: 'list b' }),
      await createKey(olga, { name: 'list c', expiresAt: inSeconds(60) }),
    ];
    const other = await createKey(rita, { name: 'list d' });
    expect(await onEvery(used.secret)).toEqual(IN);
    await usesWritten();
    type Page = { edges: { node: { id: string } }[]; pageInfo: { hasNextPage: boolean; endCursor: string | null } };
    const all = async (by: SignedInUser, filter: object, orderBy: object = { field: 'name' }) => {
      const found: string[] = [];
      for (let after: string | null = null, more = true; more;) {
        const page: Page = await done<Page>(LIST, { filter, orderBy, after }, { by });
        found.push(...page.edges.map(({ node }) => node.id));
        after = page.pageInfo.endCursor;
        more = page.pageInfo.hasNextPage;
      }
      return found;
    };
    const ids = (...issued: readonly Issued[]) => issued.map(({ apiKey }) => apiKey.id);
    const by = await again(alice);
    expect(await all(olga, {})).toEqual(ids(used, unused, ending));
    expect(await all(by, { ownerId: olga.id }, { field: 'createdAt' })).toEqual(ids(used, unused, ending));
    expect(await all(by, { ownerId: olga.id, unusedSince: inSeconds(-60) })).toEqual(ids(unused, ending));
    expect(await all(by, { ownerId: olga.id, unusedSince: inSeconds(60) })).toEqual(ids(used, unused, ending));
    expect(await all(by, { ownerId: olga.id, expiresBefore: inSeconds(120) })).toEqual(ids(ending));
    for (const prefix of [other.secret, other.apiKey.prefix, `${other.apiKey.prefix}_`]) {
      expect(await all(by, { prefix })).toEqual(ids(other));
      expect(await all(olga, { prefix })).toEqual([]);
    }
    clock.advance(61_000);
    expect(await all(await again(alice), { ownerId: olga.id, live: true })).toEqual(ids(used, unused));
    expect(await all(alice, { ownerId: olga.id, live: false })).toEqual(ids(ending));
    expect(extensionsOf(await ask(LIST, { filter: { prefix: 'ck_dev_short' } }))).toEqual([
      { code: 'BAD_USER_INPUT', field: 'prefix' },
    ]);
  });
});

test('_entities gives a key, as itself and as a principal, to whoever may read it', async () => {
  const { apiKey } = await createKey(await again(bob), { name: 'entity' });
  const query = `query ($representations: [_Any!]!) {
    them: _entities(representations: $representations) { __typename ... on ApiKey { id name owner { id } } }
  }`;
  const representations = [
    { __typename: 'ApiKey', id: apiKey.id },
    { __typename: 'Principal', id: apiKey.id },
    { __typename: 'ApiKey', id: MISSING },
  ];
  const key = { __typename: 'ApiKey', id: apiKey.id, name: 'entity', owner: { id: bob.id } };
  expect((await ask(query, { representations }, { by: bob })).data).toEqual({ them: [key, key, null] });
  expect((await ask(query, { representations }, { by: await again(mallory) })).data).toEqual({
    them: [null, null, null],
  });
});

test('the cleaner removes keys that ended long ago, with what is known of their use, and no other', async () => {
  const by = await again(bob);
  const ended = [await createKey(by), await createKey(by, { expiresAt: inSeconds(60) })];
  const live = await createKey(by, { expiresAt: inSeconds(90 * 86_400) });
  for (const { secret } of [...ended, live]) expect(await onEvery(secret)).toEqual(IN);
  await usesWritten();
  await done(REVOKE_KEY, { id: ended[0]?.apiKey.id }, { by });
  const kept = async () => {
    const [app] = castellans.apps;
    await app?.services.cleaner.clean();
    const ids = [...ended, live].map(({ apiKey }) => apiKey.id);
    const rows = await castellans.rows<{ id: string }>(
      `select id from api_keys where id = any($1) union all select key_id from api_key_uses where key_id = any($1)`,
      ids,
    );
    return rows.map(({ id }) => id).toSorted();
  };
  const both = (...issued: readonly Issued[]) => issued.flatMap(({ apiKey: { id } }) => [id, id]).toSorted();
  clock.advance(29 * 86_400_000);
  expect(await kept()).toEqual(both(...ended, live));
  clock.advance(2 * 86_400_000);
  expect(await kept()).toEqual(both(live));
  expect(came(await withKey(ended[0]?.secret ?? '', ME))).toEqual([401, 'UNAUTHENTICATED']);
});

/** The same user with a token that has not run out, however far the clock was moved. */
async function again(user: SignedInUser): Promise<SignedInUser> {
  return Object.assign(user, await castellans.signIn(user.email));
}

function fail(): never {
  throw new TypeError('there is nobody');
}

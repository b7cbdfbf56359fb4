import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { isApiKey } from '../../src/domain/api-keys/key-format.ts';
import {
  apiKeysOn,
  came,
  CREATE_KEY,
  IN,
  type Issued,
  outWith,
  REVOKE_KEY,
  ROTATE_KEY,
  UPDATE_KEY,
} from '../support/api-keys.ts';
import { extensionsOf, INSTANCES, onEveryInstance } from '../support/asking.ts';
import {
  type Castellans,
  codesOf,
  createTestClock,
  PASSWORD,
  type SignedInUser,
  startCastellans,
  until,
} from '../support/castellan.ts';
import { addGrant, revokeGrant } from '../support/people.ts';

const ME = '{ me { id } }';
const KEY = `id name prefix lastFour permissions addressRanges allowedOrigins readOnly createdAt createdBy expiresAt
  revokedAt revokedReason lastUsedAt scope scopes
  versions { number lastFour createdAt validUntil lastUsedAt safeToRetire }
  owner { __typename id ... on User { email } ... on ServiceAccount { name } }`;
const CREATE = `mutation ($input: CreateApiKeyInput!) {
  createApiKey(input: $input) { apiKey { ${KEY} } secret position }
}`;
const READ = `query ($id: ID!) { apiKey(id: $id) { ${KEY} } }`;
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
}, 40_000);

afterAll(() => castellans?.close());

const inSeconds = (seconds: number): string => new Date(clock.now() + seconds * 1_000).toISOString();

describe('a key that is created', () => {
  test('acts as its owner on every instance; its secret is shown once, and its form can be told without asking', async () => {
    const issued = await done<Issued & { position: string }>(CREATE, { input: { name: ' CI ' } }, { by: bob });
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
    expect(await onEveryInstance((instance) => done(READ, { id: apiKey.id }, { by: bob, instance }))).toEqual(
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
    const input = { name: 'a key', serviceAccountId: id };
    const { apiKey, secret } = await done<Issued>(CREATE, { input });
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
        [sam, { name: 'a', serviceAccountId: id }, 'NOT_FOUND'],
      ] as const;
      for (const [by, input, code] of attempts)
        expect(codesOf(await ask(CREATE_KEY, { input }, { by }))).toEqual([code]);
    });
    expect(await castellans.rows('select id from api_keys where owner_id = $1', id)).toEqual([]);
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
    expect(await may('read', 'Role')).toEqual(INSTANCES.map(() => [true, false]));
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
      withKey<{ createApiKey: Issued }>(secret, CREATE, { variables: { input: { name: 'a', ...input } } });
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

  test('for reading alone, even where nobody in particular may write', async () => {
    const { secret } = await createKey(alice, { readOnly: true });
    const phone = await castellans.signIn(bob.email);
    const state = async () => [await castellans.recorded(), await castellans.rows('select count(*) from sessions')];
    const before = await state();
    for (const mutation of [
      `signIn(input: { email: "${bob.email}", password: "${PASSWORD}" }) { __typename }`,
      `refreshSession(refreshToken: "${phone.refreshToken}") { expiresAt }`,
      'signUp(input: { email: "eve@example.com", name: "Eve", password: "a few unrelated words" }) { position }',
      `requestPasswordReset(email: "${bob.email}") { position }`,
      'resetPassword(token: "none", newPassword: "a few unrelated words") { position }',
      'verifyEmail(token: "none") { position }',
      'verifyMfa(input: { challengeToken: "none", code: "1" }) { expiresAt }',
    ]) {
      for (const instance of INSTANCES) {
        const answer = await withKey(secret, `mutation { ${mutation} }`, { instance });
        expect([mutation, extensionsOf(answer)]).toEqual([mutation, [{ code: 'FORBIDDEN', reason: 'read_only' }]]);
      }
    }
    expect(await state()).toEqual(before);
    // The refresh token was not used.
    const refresh = 'mutation ($token: String!) { refreshSession(refreshToken: $token) { expiresAt } }';
    const refreshed = await castellans.ask(refresh, { variables: { token: phone.refreshToken } });
    expect(refreshed.errors).toEqual([]);
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
  // Of instances that clean at once, one does.
  await until(async () => (await kept()).length === 2);
  expect(await kept()).toEqual(both(live));
  expect(came(await withKey(ended[0]?.secret ?? '', ME))[0]).toBe(401);
});

/** The same user with a token that has not run out, however far the clock was moved. */
async function again(user: SignedInUser): Promise<SignedInUser> {
  return Object.assign(user, await castellans.signIn(user.email));
}

function fail(): never {
  throw new TypeError('there is nobody');
}

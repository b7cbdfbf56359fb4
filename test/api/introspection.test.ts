import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { apiKeysOn, REVOKE_KEY } from '../support/api-keys.ts';
import { INSTANCES } from '../support/asking.ts';
import {
  type Castellans,
  createTestClock,
  PASSWORD,
  type SignedInUser,
  startCastellans,
  until,
} from '../support/castellan.ts';
import { addGrant, addUser } from '../support/people.ts';

const clock = createTestClock();
let castellans: Castellans;
let alice: SignedInUser;
let bob: SignedInUser;
let gateway: string;

const { done, createKey, addAccount } = apiKeysOn(
  () => castellans,
  () => alice,
);

beforeAll(async () => {
  castellans = await startCastellans(3, { clock });
  await castellans.addScopes('acme', 'globex');
  [alice, bob] = [await castellans.signUp('alice', ['administrator']), await castellans.signUp('bob')];
  const serviceAccountId = await addAccount('gateway', ['introspector']);
  gateway = (await createKey(alice, { serviceAccountId })).secret;
}, 40_000);

afterAll(() => castellans?.close());

async function introspect(token: string, { key = gateway, instance = 0, headers = {} } = {}) {
  const response = await fetch(`${castellans.apps[instance]?.url}/oauth/introspect`, {
    method: 'POST',
    body: new URLSearchParams({ token, token_type_hint: 'whatever' }),
    headers: { ...(key !== '' && { 'x-api-key': key }), ...headers },
  });
  return {
    status: response.status,
    cached: response.headers.get('cache-control'),
    challenge: response.headers.get('www-authenticate'),
    body: (await response.json()) as Record<string, unknown>,
  };
}

const INACTIVE = { status: 200, cached: 'private, no-store', challenge: null, body: { active: false } };

async function everywhere(token: string, key = gateway): Promise<readonly unknown[]> {
  return Promise.all(INSTANCES.map(async (instance) => (await introspect(token, { key, instance })).body));
}

describe('introspection (RFC 7662)', () => {
  test('tells what an access token, a refresh token and an API key stand for, on every instance, and uses none', async () => {
    const { apiKey, secret } = await createKey(bob, {
      permissions: ['user:read', 'role:read'],
      addressRanges: ['10.0.0.1'],
    });
    const unlimited = await createKey(bob, { expiresAt: '2099-01-01T00:00:00.000Z' });
    const { issuer, audience } = castellans.config;
    const who = { active: true, iss: issuer, sub: bob.id };
    const session = { ...who, sid: bob.sessionId, exp: expect.any(Number) };
    const key = { ...who, token_type: 'api_key', aud: issuer };
    const expected = [
      [bob.accessToken, { ...session, token_type: 'Bearer', aud: audience }],
      [bob.refreshToken, { ...session, token_type: 'refresh_token', aud: issuer }],
      [secret, { ...key, client_id: apiKey.id, scope: 'role:read user:read' }],
      [unlimited.secret, { ...key, client_id: unlimited.apiKey.id, exp: 4_070_908_800 }],
    ] as const;
    for (const [token, body] of expected) expect(await everywhere(token)).toEqual([body, body, body]);
    const REFRESH = 'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken refreshToken } }';
    const old = bob.refreshToken;
    Object.assign(bob, await done<object>(REFRESH, { token: old }, { by: null }));
    // The one before is good for a moment yet, and asking about it is not showing it again.
    clock.advance(11_000);
    expect(await everywhere(old)).toEqual([{ active: false }, { active: false }, { active: false }]);
    expect(await everywhere(bob.refreshToken)).toMatchObject([{ active: true }, { active: true }, { active: true }]);
  });

  test('says nothing but that it is not active of what is unknown, forged, expired or revoked', async () => {
    const carol = await castellans.signUp('carol');
    const key = await createKey(carol);
    const other = await createKey(carol);
    for (const token of [
      'x',
      '%',
      'ck_',
      `${carol.accessToken}x`,
      `${carol.refreshToken}x`,
      `${key.secret}x`,
      carol.id,
    ]) {
      expect(await introspect(token)).toEqual(INACTIVE);
    }
    await done(REVOKE_KEY, { id: key.apiKey.id }, { by: carol });
    expect(await everywhere(key.secret)).toEqual(INSTANCES.map(() => ({ active: false })));
    await done('mutation ($id: ID!) { disableUser(id: $id) { receipt { enforced } } }', { id: carol.id });
    for (const token of [carol.accessToken, carol.refreshToken, other.secret]) {
      expect(await everywhere(token)).toEqual(INSTANCES.map(() => ({ active: false })));
    }
  });

  test('tells who holds the role at one scope about those at home there alone', async () => {
    const [app] = castellans.apps;
    if (app === undefined) throw new TypeError('three were started');
    const tokens = [];
    for (const scope of ['acme', 'globex']) {
      const email = `${scope}@introspection.example`;
      await addUser(app, { email, name: scope, scope, password: PASSWORD, roles: ['member'] });
      tokens.push((await castellans.signIn(email)).accessToken);
    }
    const serviceAccountId = await addAccount('acme gateway');
    await addGrant(app, { principalId: serviceAccountId, role: 'introspector', scope: 'acme' });
    const { secret: key } = await createKey(alice, { serviceAccountId });
    const [inside = '', outside = ''] = tokens;
    expect(await introspect(inside, { key })).toMatchObject({ body: { active: true } });
    for (const token of [outside, bob.accessToken]) expect(await introspect(token, { key })).toEqual(INACTIVE);
  });

  test('is for service accounts with the permission, and a key that has it', async () => {
    const weak = await createKey(alice, { serviceAccountId: await addAccount('weak', ['service']) });
    const narrow = await createKey(alice, {
      serviceAccountId: await addAccount('narrow', ['introspector']),
      permissions: ['user:read'],
    });
    const own = await createKey(alice);
    for (const instance of INSTANCES) {
      for (const { secret: key } of [weak, narrow, own]) {
        expect(await introspect(bob.accessToken, { key, instance })).toMatchObject({ status: 403 });
      }
      const refused = { status: 401, challenge: 'Bearer', cached: 'private, no-store' };
      for (const key of ['', 'ck_dev_nothing']) {
        expect(await introspect(bob.accessToken, { key, instance })).toMatchObject(refused);
      }
      const headers = { authorization: `Bearer ${alice.accessToken}` };
      expect(await introspect(bob.accessToken, { key: '', headers, instance })).toMatchObject({ status: 403 });
      expect(await introspect(bob.accessToken, { headers, instance })).toMatchObject({ status: 400 });
      expect(await introspect('', { instance })).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
    }
  });

  test('of who lost the right to ask while it was looked for is refused', async () => {
    const serviceAccountId = await addAccount('late', ['introspector']);
    const { apiKey, secret: key } = await createKey(alice, { serviceAccountId });
    expect(await introspect(bob.refreshToken, { key })).toMatchObject({ body: { active: true } });
    const beside = new Client({ connectionString: castellans.databaseUrl });
    await beside.connect();
    await beside.query('begin');
    await beside.query('lock table sessions in access exclusive mode');
    const answer = introspect(bob.refreshToken, { key });
    await until(async () => (await castellans.rows(WAITING)).length > 0);
    await done(REVOKE_KEY, { id: apiKey.id });
    await beside.query('commit');
    await beside.end();
    expect(await answer).toMatchObject({
      status: 401,
      body: { errors: [{ extensions: { code: 'SESSION_REVOKED' } }] },
    });
  });
});

const WAITING = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { codesOf, startCastellans, type Castellans } from '../support/castellan.ts';

const INSTANCES = [0, 1, 2];
const ME = '{ me { id } }';
const REFRESH = 'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken refreshToken } }';

let castellans: Castellans;

beforeAll(async () => {
  castellans = await startCastellans(3);
});

afterAll(() => castellans.close());

const at = (path: string, instance = 0): string => `${castellans.apps[instance]?.url}${path}`;

const revoke = (body: string, instance = 0, type = 'application/x-www-form-urlencoded'): Promise<Response> =>
  fetch(at('/oauth/revoke', instance), { method: 'POST', body, headers: { 'content-type': type } });

const codesEverywhere = (token: string): Promise<readonly unknown[]> =>
  Promise.all(INSTANCES.map(async (instance) => codesOf(await castellans.ask(ME, { token, instance }))[0]));

const REVOKED = INSTANCES.map(() => 'SESSION_REVOKED');

describe('revocation (RFC 7009)', () => {
  test.each(['accessToken', 'refreshToken'] as const)('of an %s ends its session on every instance', async (kind) => {
    const bob = await castellans.signUp('bob');
    const other = await castellans.signIn(bob.email);
    const response = await revoke(`token=${bob[kind]}&token_type_hint=whatever`, 1);
    expect([response.status, response.headers.get('cache-control'), await response.text()]).toEqual([
      200,
      'private, no-store',
      '',
    ]);
    expect(await codesEverywhere(bob.accessToken)).toEqual(REVOKED);
    const variables = { token: bob.refreshToken };
    expect(codesOf(await castellans.ask(REFRESH, { variables, instance: 2 }))).toEqual(['SESSION_REVOKED']);
    expect(await codesEverywhere(other.accessToken)).toEqual([undefined, undefined, undefined]);
    const [entry] = await castellans.rows(
      `select by, action from audit_entries where subject_id = $1 and outcome = 'done' order by id desc limit 1`,
      bob.sessionId,
    );
    expect(entry).toEqual({ by: bob.id, action: 'session.revoke' });
  });

  test('of a token that is unknown, forged, expired or revoked already answers 200, and changes nothing', async () => {
    const bob = await castellans.signUp('bob');
    await revoke(`token=${bob.accessToken}`);
    const carol = await castellans.signUp('carol');
    const before = await castellans.recorded();
    const forged = `${carol.refreshToken.slice(0, -1)}${carol.refreshToken.endsWith('A') ? 'B' : 'A'}`;
    const crossed = carol.refreshToken.replace(carol.sessionId, bob.sessionId);
    for (const token of ['x', bob.accessToken, bob.refreshToken, forged, crossed, `${carol.accessToken}x`, '%00']) {
      expect((await revoke(`token=${token}`)).status).toBe(200);
    }
    expect(await castellans.recorded()).toEqual(before);
    expect(await codesEverywhere(carol.accessToken)).toEqual([undefined, undefined, undefined]);
  });

  test.each([
    ['token=', 'application/x-www-form-urlencoded'],
    ['', 'application/x-www-form-urlencoded'],
    ['token=a&token=b', 'application/x-www-form-urlencoded'],
    ['{"token":"a"}', 'application/json'],
  ])('of %j as %s is refused as a request', async (body, type) => {
    const response = await revoke(body, 0, type);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: 'invalid_request' });
  });

  test('takes no other form, and no body without end', async () => {
    expect((await revoke('token=a', 0, 'application/xml')).status).toBe(415);
    expect((await revoke(`token=${'a'.repeat(20_000)}`)).status).toBe(413);
  });
});

test('the metadata (RFC 8414) name what is there', async () => {
  const response = await fetch(at('/.well-known/oauth-authorization-server'));
  expect(response.headers.get('cache-control')).toBe('public, max-age=300');
  const metadata = (await response.json()) as Record<string, string>;
  const { issuer } = castellans.config;
  expect(metadata).toMatchObject({ issuer, response_types_supported: [], grant_types_supported: [] });
  const { origin } = new URL(issuer);
  for (const [name, status] of [
    ['jwks_uri', 200],
    ['revocation_endpoint', 404],
    ['introspection_endpoint', 404],
  ] as const) {
    const url = metadata[name] ?? '';
    expect(url.startsWith(origin)).toBe(true);
    // A revocation is a POST.
    expect((await fetch(at(new URL(url).pathname))).status).toBe(status);
  }
});

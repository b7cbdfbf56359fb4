import { createPrivateKey, createSign } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { isId } from '../../src/kit/ids.ts';
import { Keys, Secret } from '../../src/kit/secret.ts';
import {
  codesOf,
  collect,
  createTestClock,
  startCastellans,
  until,
  type Castellans,
  type SignedInUser,
  type TestClock,
} from '../support/castellan.ts';
import { listening } from '../support/session-events.ts';

let castellans: Castellans;
let clock: TestClock;
let alice: SignedInUser;

const INSTANCES = [0, 1, 2];
const ME = '{ me { id } }';
const KEYS = '{ signingKeys { id state createdAt signsFrom verifiesUntil revokedAt } }';
const ROTATE = `mutation { rotateSigningKey { signingKey { id state } receipt { enforced instances acknowledged } position } }`;
const REVOKE = `mutation ($kid: ID!) {
  revokeSigningKey(kid: $kid) { signingKey { id state revokedAt } receipt { enforced instances acknowledged } position }
}`;
const PUBLISH_MS = 300_000;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string;
}

interface Key {
  readonly id: string;
  readonly state: string;
  readonly verifiesUntil: string | null;
}

beforeAll(async () => {
  clock = createTestClock();
  castellans = await startCastellans(3, { clock });
  alice = await castellans.signUp('alice', ['administrator']);
});

afterAll(() => castellans.close());

const kidOf = (token: string): string =>
  (JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as { kid: string }).kid;

async function keys(): Promise<readonly Key[]> {
  const renewed = await refreshed(alice);
  alice = { ...alice, ...renewed };
  const { data, errors } = await castellans.ask<{ signingKeys: readonly Key[] }>(KEYS, { token: alice.accessToken });
  expect(errors).toEqual([]);
  return data?.signingKeys ?? [];
}

/** The next tokens of a session. */
async function refreshed({ refreshToken }: { readonly refreshToken: string }, instance = 0): Promise<Tokens> {
  const { data, errors } = await castellans.ask<{ refreshSession: Tokens }>(
    'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken refreshToken } }',
    { variables: { token: refreshToken }, instance },
  );
  if (data === null) throw new Error(`the session could not be refreshed: ${JSON.stringify(errors)}`);
  return data.refreshSession;
}

/** Time goes on, and every instance has made sure of what is in force since. */
async function advance(ms: number): Promise<void> {
  clock.advance(ms);
  await until(() => castellans.apps.every(({ services }) => services.tail.inForce()));
}

async function published(instance: number): Promise<readonly string[]> {
  const response = await fetch(`${castellans.apps[instance]?.url}/.well-known/jwks.json`);
  expect(response.headers.get('cache-control')).toBe('public, max-age=60');
  const { keys: found } = (await response.json()) as { keys: readonly { kid: string; d?: unknown }[] };
  expect(found.filter((key) => 'd' in key)).toEqual([]);
  return found.map(({ kid }) => kid).toSorted();
}

async function rotate(instance = 0): Promise<Key> {
  const { data, errors } = await castellans.ask<{ rotateSigningKey: { signingKey: Key; receipt: object } }>(ROTATE, {
    token: alice.accessToken,
    instance,
  });
  expect(errors).toEqual([]);
  expect(data?.rotateSigningKey.receipt).toEqual({ enforced: true, instances: 3, acknowledged: 3 });
  return data?.rotateSigningKey.signingKey as Key;
}

/** Whether the token is accepted, as each instance says. */
const accepted = async (token: string): Promise<readonly unknown[]> =>
  Promise.all(
    INSTANCES.map(async (instance) => {
      const answer = await castellans.ask(ME, { token, instance });
      return answer.errors.length === 0 || codesOf(answer)[0];
    }),
  );

/** Resolves when every instance publishes these keys: they read a new one in the background. */
async function untilPublished(kids: readonly string[]): Promise<void> {
  for (const instance of INSTANCES) {
    while (JSON.stringify(await published(instance)) !== JSON.stringify(kids.toSorted())) {
      await new Promise(setImmediate);
    }
  }
}

describe('rotating the signing key', () => {
  test('AC-29: publishes first and signs later; nothing valid is refused, nothing retired is accepted', async () => {
    const bob: Mutable<SignedInUser> = await castellans.signUp('bob');
    for (let round = 0; round < 3; round += 1) {
      const [current] = await keys();
      bob.refreshToken = (await refreshed(bob)).refreshToken;
      const next = await rotate(round);
      expect(next.state).toBe('published');
      expect(isId('signingKey', next.id)).toBe(true);
      await untilPublished([next.id, current?.id ?? '']);
      // A second call while it waits changes nothing.
      expect((await rotate((round + 1) % 3)).id).toBe(next.id);

      await advance(PUBLISH_MS - 100_000);
      const late = await refreshed(bob, (round + 2) % 3);
      expect(kidOf(late.accessToken)).toBe(current?.id);
      await advance(100_001);
      bob.refreshToken = late.refreshToken;
      for (const instance of INSTANCES) {
        const { accessToken, refreshToken } = await refreshed(bob, instance);
        bob.refreshToken = refreshToken;
        expect(kidOf(accessToken)).toBe(next.id);
        expect(await accepted(accessToken)).toEqual([true, true, true]);
      }
      expect(await accepted(late.accessToken)).toEqual([true, true, true]);
      expect((await keys()).filter(({ state }) => state !== 'retired').map(({ id, state }) => [id, state])).toEqual([
        [next.id, 'signing'],
      ]);
      // The last token it signed has ended, and so has what clocks may differ by.
      await advance(361_000);
      for (const instance of INSTANCES) expect(await published(instance)).toEqual([next.id]);
    }
  });

  test('is for those who may do it everywhere', async () => {
    const bob = await castellans.signUp('bob');
    const ada = await castellans.signUp('ada', ['auditor']);
    await castellans.addScopes('acme');
    const scoped = await castellans.signUp('scoped');
    const { roles, grants } = castellans.apps[0]?.services ?? {};
    const administrator = await roles?.findByName({ kind: 'system', id: 'system' }, 'administrator');
    await grants?.grant(
      { kind: 'system', id: 'system' },
      { principalId: scoped.id, roleId: administrator?.id ?? '', scope: 'acme' },
    );
    const [key] = await keys();
    const before = await castellans.recorded();
    for (const [token, code] of [
      [bob.accessToken, 'FORBIDDEN'],
      [ada.accessToken, 'FORBIDDEN'],
      [scoped.accessToken, 'FORBIDDEN'],
      [undefined, 'UNAUTHENTICATED'],
    ] as const) {
      const asked = token === undefined ? {} : { token };
      expect(codesOf(await castellans.ask(ROTATE, asked))).toEqual([code]);
      expect(codesOf(await castellans.ask(REVOKE, { variables: { kid: key?.id }, ...asked }))).toEqual([code]);
      const list = await castellans.ask(KEYS, asked);
      expect(codesOf(list)).toEqual(token === ada.accessToken ? [] : [code]);
    }
    expect(await castellans.recorded()).toEqual(before);
  });
});

test('while an instance does not know the keys it publishes none, to be kept by nobody', async () => {
  const holder = new Client({ connectionString: castellans.databaseUrl });
  await holder.connect();
  await holder.query('begin; lock table signing_keys in access exclusive mode');
  // As after a restore: nothing that was known holds any more.
  await castellans.rows('update authority_head set epoch = gen_random_uuid()');
  await castellans.apps[2]?.services.tail.poll(true);
  const asked = published(2);
  await until(async () => {
    const waiting = `select from pg_locks where not granted and relation = 'signing_keys'::regclass`;
    return (await castellans.rows(waiting)).length > 0;
  });
  await holder.query('commit');
  await holder.end();
  expect(await asked).not.toEqual([]);
  await Promise.all(castellans.apps.map(({ services }) => services.tail.poll(true)));
});

describe('revoking a signing key', () => {
  test('AC-30: no token of it is accepted on any instance; sessions go on, and sign-in works at once', async () => {
    const bob = await castellans.signUp('bob');
    const carol = await castellans.signUp('carol');
    expect(await accepted(bob.accessToken)).toEqual([true, true, true]);
    const kid = kidOf(bob.accessToken);
    const subscription = await listening(castellans, 2, () =>
      collect(
        castellans.connect({ token: bob.accessToken, instance: 2 }),
        'subscription { sessionEvents { __typename ... on AccessEnded { code } } }',
      ),
    );
    const { data, errors } = await castellans.ask(REVOKE, {
      variables: { kid },
      token: alice.accessToken,
      instance: 1,
    });
    expect(errors).toEqual([]);
    expect(data).toMatchObject({
      revokeSigningKey: {
        signingKey: { id: kid, state: 'revoked' },
        receipt: { enforced: true, instances: 3, acknowledged: 3 },
      },
    });
    for (const { accessToken } of [bob, carol, alice]) {
      expect((await accepted(accessToken)).filter((each) => each === true)).toEqual([]);
    }
    expect(await subscription.next()).toEqual({
      sessionEvents: { __typename: 'AccessEnded', code: 'SESSION_REVOKED' },
    });
    let { refreshToken } = bob;
    for (const instance of INSTANCES) {
      const { accessToken, refreshToken: next } = await refreshed({ refreshToken }, instance);
      refreshToken = next;
      expect(kidOf(accessToken)).not.toBe(kid);
      expect(await accepted(accessToken)).toEqual([true, true, true]);
      expect(await published(instance)).not.toContain(kid);
    }
  });

  test('twice at once changes it once, and both are told that it is in force', async () => {
    const [current] = await keys();
    const tokens = await Promise.all([castellans.signIn(alice.email), castellans.signIn(alice.email)]);
    const both = await Promise.all(
      tokens.map(({ accessToken }, instance) =>
        castellans.ask(REVOKE, { variables: { kid: current?.id }, token: accessToken, instance }),
      ),
    );
    // The second one may come to find its own token ended.
    expect(both.flatMap(codesOf).filter((code) => code !== 'SESSION_REVOKED' && code !== 'UNAUTHENTICATED')).toEqual(
      [],
    );
    const entries = await castellans.rows(
      `select id from audit_entries where action = 'signing_key.revoke' and subject_id = $1 and outcome = 'done'`,
      current?.id,
    );
    expect(entries).toHaveLength(1);
    expect((await keys()).filter(({ state }) => state === 'signing')).toHaveLength(1);
  });

  test('AC-30: a thief who has the key gains nothing by a label of the future', async () => {
    const bob = await castellans.signUp('bob');
    const kid = kidOf(bob.accessToken);
    const forged = forge(bob.accessToken, await privateJwkOf(kid));
    expect(await accepted(forged)).toEqual([true, true, true]);
    const subscription = await listening(castellans, 0, () =>
      collect(castellans.connect({ token: forged, instance: 0 }), 'subscription { sessionEvents { __typename } }'),
    );
    const { data } = await castellans.ask(REVOKE, {
      variables: { kid },
      token: (await castellans.signIn(alice.email)).accessToken,
    });
    expect(data).toMatchObject({ revokeSigningKey: { receipt: { enforced: true } } });
    expect((await accepted(forged)).filter((each) => each === true)).toEqual([]);
    expect(await subscription.next()).toEqual({ sessionEvents: { __typename: 'AccessEnded' } });
  });

  test('AC-30: leaves the one before it retired, whoever has that by now: another takes its place', async () => {
    const bob: Mutable<SignedInUser> = await castellans.signUp('bob');
    const old = kidOf(bob.accessToken);
    const jwk = await privateJwkOf(old);
    await keys();
    const { id: current } = await rotate();
    await untilPublished([old, current]);
    await advance(PUBLISH_MS + 1);
    Object.assign(bob, await refreshed(bob));
    await advance(361_000);
    Object.assign(bob, await refreshed(bob));
    expect(kidOf(bob.accessToken)).toBe(current);
    const forged = forge(bob.accessToken, jwk, old);
    expect((await accepted(forged)).filter((each) => each === true)).toEqual([]);

    const { accessToken: token } = await castellans.signIn(alice.email);
    const { data } = await castellans.ask(REVOKE, { variables: { kid: current }, token });
    expect(data).toMatchObject({ revokeSigningKey: { receipt: { enforced: true } } });
    for (const instance of INSTANCES) {
      Object.assign(bob, await refreshed(bob, instance));
      expect([old, current]).not.toContain(kidOf(bob.accessToken));
      expect(await accepted(bob.accessToken)).toEqual([true, true, true]);
    }
    expect((await accepted(forge(bob.accessToken, jwk, old))).filter((each) => each === true)).toEqual([]);
    expect((await keys()).filter(({ id }) => id === old).map(({ state }) => state)).toEqual(['retired']);
  });

  test('of which no other signs, though it was another version that revoked it, keeps nobody from signing in', async () => {
    await castellans.rows(
      'update signing_keys set revoked_at = now() where revoked_at is null and signs_from <= now()',
    );
    await castellans.rows(`insert into authority_log (target, kind, reason)
      select kid, 'revoked', 'test' from signing_keys where revoked_at is not null`);
    await Promise.all(castellans.apps.map(({ services }) => services.tail.poll(true)));
    const signedIn = await Promise.all(INSTANCES.map((instance) => castellans.signIn(alice.email, instance)));
    for (const { accessToken } of signedIn) expect(await accepted(accessToken)).toEqual([true, true, true]);
    expect(new Set(signedIn.map(({ accessToken }) => kidOf(accessToken))).size).toBe(1);
  });

  test('one that there is not: says so', async () => {
    await keys();
    const answer = await castellans.ask(REVOKE, { variables: { kid: 'sk_none' }, token: alice.accessToken });
    expect(codesOf(answer)).toEqual(['NOT_FOUND']);
  });
});

/** What a thief of the database and its secret has. */
async function privateJwkOf(kid: string): Promise<object> {
  const [row] = await castellans.rows<{ sealed_private_jwk: string }>(
    'select sealed_private_jwk from signing_keys where kid = $1',
    kid,
  );
  const keys = new Keys([new Secret('a secret for tests that is long enough')]);
  return JSON.parse(keys.open('signing-keys', row?.sealed_private_jwk ?? '', kid) ?? '') as object;
}

/** The token with a position that no log has reached, as if this key had signed it. */
function forge(token: string, privateJwk: object, kid = kidOf(token)): string {
  const [head = '', payload = ''] = token.split('.');
  const said = JSON.parse(Buffer.from(head, 'base64url').toString()) as object;
  const header = Buffer.from(JSON.stringify({ ...said, kid })).toString('base64url');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { pos: string };
  const pos = `${claims.pos.split('-')[0]}-999999999`;
  const body = `${header}.${Buffer.from(JSON.stringify({ ...claims, pos })).toString('base64url')}`;
  const key = createPrivateKey({ key: privateJwk as never, format: 'jwk' });
  const signature = createSign('sha256').update(body).sign({ key, dsaEncoding: 'ieee-p1363' });
  return `${body}.${signature.toString('base64url')}`;
}

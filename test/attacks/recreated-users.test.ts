import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import type { App } from '../../src/app.ts';
import { accountsOn, tally } from '../support/accounts.ts';
import { askingOn, EVERYWHERE, INSTANCES, NOWHERE, onEveryInstance } from '../support/asking.ts';
import {
  type Castellans,
  codesOf,
  PASSWORD,
  redisUrl,
  type SignedInUser,
  startCastellans,
} from '../support/castellan.ts';
import { addGrant, addUser } from '../support/people.ts';

const REFRESH = 'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken } }';
const CREATE = `mutation ($input: CreateUserInput!) { createUser(input: $input) { user { id } } }`;
const REMOVE = 'mutation ($id: ID!) { deleteUser(id: $id) { receipt { enforced } } }';
const SEEN = `query ($id: ID!) {
  user(id: $id) { email scope roles { name } grants { scope } permissions { action subject } mfaEnabled metadata }
}`;

let castellans: Castellans;
let redis: Redis;
let alice: SignedInUser;
let bob: SignedInUser;

beforeAll(async () => {
  redis = new Redis(redisUrl());
  castellans = await startCastellans(3);
  await castellans.addScopes('acme/inner', 'globex');
  alice = await castellans.signUp('alice', ['administrator']);
  bob = await castellans.signUp('bob');
}, 40_000);

afterAll(async () => {
  await castellans?.close();
  redis.disconnect();
});

const { ask, done, may } = askingOn(
  () => castellans,
  () => alice,
);
const accounts = accountsOn(() => castellans);
const first = (): App => {
  const [app] = castellans.apps;
  if (app === undefined) throw new TypeError('three were started');
  return app;
};

test('AC-19: who comes to the address of somebody who was deleted inherits nothing, on any instance', async () => {
  const email = `carol.${randomBytes(4).toString('hex')}@example.com`;
  const id = await addUser(first(), {
    email,
    name: 'Carol',
    password: PASSWORD,
    scope: 'acme/inner',
    roles: ['member', 'support'],
  });
  await addGrant(first(), { principalId: id, role: 'administrator', scope: 'acme' });
  await done('mutation ($input: UpdateUserInput!) { updateUser(input: $input) { position } }', {
    input: { id, metadata: { team: 'blue' } },
  });
  const { data } = await accounts.signIn({ email, password: PASSWORD });
  const { accessToken, refreshToken, deviceToken, session } = Object(data?.signIn) as {
    accessToken: string;
    refreshToken: string;
    deviceToken: string;
    session: { id: string };
  };
  const old: SignedInUser = { id, email, accessToken, refreshToken, sessionId: session.id };
  await accounts.requestReset(email);
  const resetToken = await accounts.tokenFor(email);
  // Every instance knows what she is and may do, and so does Redis.
  expect(await may(old, 'disable', 'User', bob.id)).toEqual(EVERYWHERE);
  await onEveryInstance((instance) => done(SEEN, { id }, { instance }));
  const cached = await redis.get(`castellan:standing:{${id}}`);
  expect(cached).not.toBeNull();

  await done(REMOVE, { id }, { instance: 1 });
  const { user } = await done<{ user: { id: string } }>(CREATE, {
    input: { email, name: 'Another', password: PASSWORD, scope: 'globex' },
  });
  expect(user.id).not.toBe(id);
  // Whoever can write to Redis brings back what was there.
  await redis.set(`castellan:standing:{${id}}`, cached ?? '');
  await redis.set(`castellan:standing:{${user.id}}`, cached ?? '');

  const anew: SignedInUser = { id: user.id, ...(await castellans.signIn(email)) };
  for (const instance of INSTANCES) {
    expect(codesOf(await ask('{ me { id } }', {}, { by: old, instance }))).toEqual(['SESSION_REVOKED']);
    expect(codesOf(await ask(REFRESH, { token: refreshToken }, { by: null, instance }))).toEqual([
      expect.stringMatching(/^(SESSION_REVOKED|UNAUTHENTICATED)$/),
    ]);
    expect(codesOf(await accounts.reset(resetToken, 'some other long password', instance))).toEqual([
      'UNAUTHENTICATED',
    ]);
    expect(await done(SEEN, { id }, { instance })).toBeNull();
    expect(await done(SEEN, { id: user.id }, { instance })).toMatchObject({
      email,
      scope: 'globex',
      roles: [{ name: 'member' }],
      grants: [{ scope: null }],
      metadata: {},
      mfaEnabled: false,
    });
    const own = await ask<{ me: { id: string }; sessions: { edges: readonly { node: { id: string } }[] } }>(
      '{ me { id } sessions(first: 10) { edges { node { id } } } }',
      {},
      { by: anew, instance },
    );
    expect(own.data?.me.id).toBe(user.id);
    expect(own.data?.sessions.edges.map(({ node }) => node.id)).toEqual([anew.sessionId]);
  }
  expect(await may(anew, 'disable', 'User', bob.id)).toEqual(NOWHERE);
  expect(await may(anew, 'read', 'Session', old.sessionId)).toEqual(NOWHERE);

  // Her device is none of the other's: wrong passwords with it are counted for the account, as a stranger's are.
  const guess = () => accounts.signIn({ email, password: 'not the one of this user', deviceToken });
  const guesses = [];
  for (let n = 0; n < 6; n += 1) guesses.push(await guess());
  expect(tally(guesses)).toEqual({ UNAUTHENTICATED: 5, RATE_LIMITED: 1 });
  expect(codesOf(await accounts.signIn({ email, password: PASSWORD }))).toEqual(['RATE_LIMITED']);

  // An id that was taken once is taken for ever.
  const again = castellans.rows(
    `insert into users (id, email, email_folded, name, status, created_at) values ($1, 'x', 'x', 'x', 'active', now())`,
    id,
  );
  await expect(again).rejects.toThrow('users_pkey');
});

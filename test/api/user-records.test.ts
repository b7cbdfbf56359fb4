import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import type { App } from '../../src/app.ts';
import { askingOn, INSTANCES, onEveryInstance } from '../support/asking.ts';
import {
  type Castellans,
  createTestClock,
  recordStatements,
  redisUrl,
  type SignedInUser,
  startCastellans,
  until,
} from '../support/castellan.ts';
import { addGrant, addUser, endGrant } from '../support/people.ts';

/** What is kept of users: read without a round trip, and never older than what was acknowledged. */

const USER = 'query ($id: ID!) { user(id: $id) { id name email scope scopes suspended emailVerified metadata } }';
const ENTITIES = `query ($representations: [_Any!]!) {
  entities: _entities(representations: $representations) { ... on User { id name } }
}`;
const MANY = 'query ($checks: [CheckInput!]!) { viewerCanMany(checks: $checks) { allowed } }';
const UPDATE = `mutation ($input: UpdateUserInput!) { updateUser(input: $input) { position receipt { enforced } } }`;
const clock = createTestClock();

let castellans: Castellans;
let redis: Redis;
let alice: SignedInUser;

beforeAll(async () => {
  redis = new Redis(redisUrl());
  castellans = await startCastellans(3, { clock });
  alice = await castellans.signUp('alice', ['administrator']);
}, 40_000);

afterAll(async () => {
  await castellans?.close();
  redis.disconnect();
});

const { done } = askingOn(
  () => castellans,
  () => alice,
);
const first = (): App => {
  const [app] = castellans.apps;
  if (app === undefined) throw new TypeError('three were started');
  return app;
};
const nameOf = async (id: string, instance: number, headers: Record<string, string> = {}) =>
  (
    await castellans.ask<{ user: { name: string } | null }>(USER, {
      variables: { id },
      token: alice.accessToken,
      instance,
      headers,
    })
  ).data?.user?.name;
const aboutUsers = (names: readonly string[]) => names.filter((name) => /user|principal|grant|role/.test(name));
/** What a policy sees of the roles of a user. */
const rolesOf = (id: string) =>
  onEveryInstance(async (instance) => {
    const records = await castellans.apps[instance]?.services.standings.records([id], () => true);
    return Object(records?.get(id)).roles as unknown;
  });

describe('what is warm costs no statement', () => {
  test.each([
    ['a user by id', USER, (id: string) => ({ id })],
    ['users as entities', ENTITIES, (id: string) => ({ representations: [{ __typename: 'User', id }] })],
    ['questions about users', MANY, (id: string) => ({ checks: [{ action: 'disable', subject: 'User', id }] })],
    ['the users of sessions', 'query { sessions(first: 10) { edges { node { user { id } } } } }', () => ({})],
  ])('%s', async (_, query, variablesOf) => {
    const bob = await castellans.signUp('bob');
    const ask = () => castellans.ask(query, { variables: variablesOf(bob.id), token: alice.accessToken });
    await ask();
    const statements = recordStatements(castellans.apps);
    const { errors } = await ask();
    statements.stop();
    expect(errors).toEqual([]);
    expect(aboutUsers(statements.names)).toEqual([]);
  });

  test('nor do a thousand questions about a hundred users', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 100; n += 1) {
      ids.push(await addUser(first(), { email: `hundred.${n}@example.com`, name: `No. ${n}` }));
    }
    const checks = Array.from({ length: 1_000 }, (_, n) => ({ action: 'disable', subject: 'User', id: ids[n % 100] }));
    const ask = () =>
      castellans.ask<{ viewerCanMany: unknown[] }>(MANY, { variables: { checks }, token: alice.accessToken });
    const cold = recordStatements(castellans.apps);
    await ask();
    cold.stop();
    expect(aboutUsers(cold.names)).toEqual(['snapshot-principals']);
    const warm = recordStatements(castellans.apps);
    expect((await ask()).data?.viewerCanMany).toHaveLength(1_000);
    warm.stop();
    expect(aboutUsers(warm.names)).toEqual([]);
  });

  test('an instance that does not know a user yet takes the record from Redis', async () => {
    const bob = await castellans.signUp('bob');
    await nameOf(alice.id, 1);
    expect(await nameOf(bob.id, 0)).toBe('bob');
    await until(async () => (await redis.exists(`castellan:standing:{${bob.id}}`)) === 1);
    const statements = recordStatements(castellans.apps);
    expect(await nameOf(bob.id, 1)).toBe('bob');
    statements.stop();
    expect(aboutUsers(statements.names)).toEqual([]);
  });
});

describe('what was acknowledged is read everywhere', () => {
  test('a name, by whoever brings the position of the change', async () => {
    const bob = await castellans.signUp('bob');
    for (let round = 0; round < 15; round += 1) {
      await onEveryInstance((instance) => nameOf(bob.id, instance));
      const changing = done<{ position: string }>(
        UPDATE,
        { input: { id: bob.id, name: `Bob ${round}` } },
        { instance: round % 3 },
      );
      // Those that are being read meanwhile must not be what the reads after it share.
      const meanwhile = INSTANCES.map((instance) => nameOf(bob.id, instance));
      const { position } = await changing;
      const headers = { 'x-castellan-min-position': position };
      const names = await onEveryInstance((instance) => nameOf(bob.id, instance, headers));
      expect(names).toEqual(INSTANCES.map(() => `Bob ${round}`));
      await Promise.all(meanwhile);
    }
  });

  test('a user that was not there when it was asked for', async () => {
    const missing = `user_${'0'.repeat(26)}`;
    expect(await onEveryInstance((instance) => nameOf(missing, instance))).toEqual([undefined, undefined, undefined]);
    const create = 'mutation ($input: CreateUserInput!) { createUser(input: $input) { user { id } position } }';
    for (let round = 0; round < 5; round += 1) {
      const input = { email: `new.${round}@example.com`, name: 'new' };
      const { user, position } = await done<{ user: { id: string }; position: string }>(create, { input });
      const headers = { 'x-castellan-min-position': position };
      expect(await onEveryInstance((instance) => nameOf(user.id, instance, headers))).toEqual(['new', 'new', 'new']);
    }
  });

  test.each([
    ['disableUser', { status: 'disabled' }],
    ['enableUser', { status: 'active' }],
    ['deleteUser', null],
  ])('what %s did', async (mutation, expected) => {
    const bob = await castellans.signUp('bob');
    const query = 'query ($id: ID!) { user(id: $id) { status } }';
    const read = () => onEveryInstance((instance) => done(query, { id: bob.id }, { instance }));
    if (mutation === 'enableUser')
      await done('mutation ($id: ID!) { disableUser(id: $id) { position } }', { id: bob.id });
    await read();
    await done(`mutation ($id: ID!) { ${mutation}(id: $id) { position } }`, { id: bob.id });
    expect(await read()).toEqual([expected, expected, expected]);
  });

  test('the path of a home scope that moves, and whether it is suspended', async () => {
    await castellans.addScopes('moves/from/deep', 'moves/to');
    const id = await addUser(first(), { email: 'mover@example.com', name: 'm', scope: 'moves/from/deep' });
    const home = () =>
      onEveryInstance(async (instance) => {
        const { scope, scopes, suspended } = await done<{ scope: string; scopes: string[]; suspended: boolean }>(
          USER,
          { id },
          { instance },
        );
        return [scope, scopes.length, suspended];
      });
    const scopeId = await done<{ id: string }>('query { scope(path: "moves/from") { id } }', {}).then(
      (scope) => scope.id,
    );
    expect(await home()).toEqual(INSTANCES.map(() => ['moves/from/deep', 3, false]));
    await done('mutation ($id: ID!) { moveScope(id: $id, path: "moves/to/from") { position } }', { id: scopeId });
    expect(await home()).toEqual(INSTANCES.map(() => ['moves/to/from/deep', 4, false]));
    await done('mutation ($id: ID!) { suspendScope(id: $id) { position } }', { id: scopeId });
    expect(await home()).toEqual(INSTANCES.map(() => ['moves/to/from/deep', 4, true]));
  });

  test('the roles, those granted in a suspended scope included: when one is made of others, and when a grant ends', async () => {
    await castellans.addScopes('asleep');
    const id = await addUser(first(), { email: 'roles@example.com', name: 'r' });
    const inherits = async (name: string) => [
      (await done<{ id: string }>('query ($name: String!) { role(name: $name) { id } }', { name })).id,
    ];
    const create = 'mutation ($input: CreateRoleInput!) { createRole(input: $input) { role { id } } }';
    const { role } = await done<{ role: { id: string } }>(create, {
      input: { name: 'sleeper', inherits: await inherits('member') },
    });
    await addGrant(first(), { principalId: id, role: 'sleeper', scope: 'asleep' });
    const ending = await addGrant(first(), {
      principalId: id,
      role: 'auditor',
      scope: 'asleep',
      expiresAt: new Date(clock.now() + 60_000).toISOString(),
    });
    const { id: scopeId } = await done<{ id: string }>('query { scope(path: "asleep") { id } }', {});
    await done('mutation ($id: ID!) { suspendScope(id: $id) { position } }', { id: scopeId });
    expect(await rolesOf(id)).toEqual(INSTANCES.map(() => ['auditor', 'member', 'sleeper']));
    const update =
      'mutation ($id: ID!, $inherits: [ID!]) { updateRole(id: $id, input: { inherits: $inherits }) { position } }';
    await done(update, { id: role.id, inherits: await inherits('support') });
    expect(await rolesOf(id)).toEqual(INSTANCES.map(() => ['auditor', 'sleeper', 'support']));
    clock.advance(60_000);
    // The database has a clock of its own.
    await endGrant(first(), ending, new Date().toISOString());
    expect(await rolesOf(id)).toEqual(INSTANCES.map(() => ['sleeper', 'support']));
  });
});

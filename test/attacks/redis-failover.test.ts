import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Secret } from '../../src/kit/secret.ts';
import { codesOf, startCastellans, until, type Castellans, type SignedInUser } from '../support/castellan.ts';
import { IN_FORCE, onEveryInstance } from '../support/asking.ts';
import { addGrant, revokeGrant } from '../support/people.ts';
import { startRedisSentinel, type RedisSentinel } from '../support/redis-sentinel.ts';
import { untilSo } from '../support/until.ts';
import { doorsOf } from './doors.ts';

/** A replica of Redis that has not heard of a revocation takes over, and knows the rights of before. */

const ME = '{ me { id } }';
const MAY = 'query ($id: ID!) { viewerCan(action: "disable", subject: "User", id: $id) { allowed } }';
const REVOKE = `mutation ($id: ID!) {
  revokeSession(id: $id) { receipt { enforced instances acknowledged } }
}`;

let sentinel: RedisSentinel;
let castellans: Castellans;

beforeAll(async () => {
  sentinel = await startRedisSentinel();
  castellans = await startCastellans(3, { settings: { redisUrl: new Secret(sentinel.url) } });
}, 60_000);

afterAll(async () => {
  await castellans?.close();
  await sentinel?.stop();
});

const keyOf = ({ id }: SignedInUser): string => `castellan:standing:{${id}}`;

const mayDisable = (who: SignedInUser, whom: SignedInUser): Promise<readonly (boolean | undefined)[]> =>
  onEveryInstance(async (instance) => {
    const asked = { variables: { id: whom.id }, token: who.accessToken, instance };
    const { data } = await castellans.ask<{ viewerCan: { allowed: boolean } }>(MAY, asked);
    return data?.viewerCan.allowed;
  });

test('AC-04: brings back no session and no right, at any door of any instance', async () => {
  const [first] = castellans.apps;
  if (first === undefined) throw new TypeError('three were started');
  const [alice, ada, bob] = [
    await castellans.signUp('alice', ['administrator']),
    await castellans.signUp('ada', ['member']),
    await castellans.signUp('bob', ['member']),
  ];
  const grantId = await addGrant(first, { principalId: ada.id, role: 'support' });
  const [master, replica] = sentinel.servers;
  // What the replica is to remember: the rights of before, as an instance wrote them.
  await untilSo('the replica has the rights of ada', async () => {
    expect(await mayDisable(ada, bob)).toEqual([true, true, true]);
    return String(await sentinel.ask(replica, 'GET', keyOf(ada))).includes('support');
  });
  const remembered = await sentinel.ask(replica, 'GET', keyOf(ada));
  expect(
    await onEveryInstance(async (instance) => codesOf(await castellans.ask(ME, { token: bob.accessToken, instance }))),
  ).toEqual([[], [], []]);

  // From here on it hears nothing: it stands still, and its connection is gone before anything else is said over it.
  replica.pause();
  await sentinel.ask(master, 'CLIENT', 'KILL', 'TYPE', 'replica');
  const asked = { variables: { id: bob.sessionId }, token: alice.accessToken, instance: 1 };
  expect((await castellans.ask(REVOKE, asked)).data).toEqual({ revokeSession: { receipt: IN_FORCE } });
  expect(await revokeGrant(first, grantId)).toBe(true);
  await master.kill9();
  replica.resume();
  await sentinel.ask(replica, 'REPLICAOF', 'NO', 'ONE');
  await untilSo('the replica has taken over', async () => (await sentinel.master()) === replica);
  expect(await sentinel.ask(replica, 'GET', keyOf(ada))).toBe(remembered);

  for (const { name, ask } of doorsOf(castellans)) {
    const { data, codes } = await ask(ME, {}, bob.accessToken);
    expect({ name, data, codes: codes.filter((code) => !['SESSION_REVOKED', 4401].includes(code as string)) }).toEqual({
      name,
      data: null,
      codes: [],
    });
  }
  expect(await mayDisable(ada, bob)).toEqual([false, false, false]);
  // So that each instance asks the Redis of now, it must have nothing of its own.
  const rejected = () => castellans.apps.map(({ services }) => services.standings.counts.cacheRejected);
  const before = rejected();
  await until(async () => {
    await sentinel.ask(replica, 'SET', keyOf(ada), remembered as string);
    await revokeGrant(first, await addGrant(first, { principalId: ada.id, role: 'auditor' }));
    await sentinel.ask(replica, 'SET', keyOf(ada), remembered as string);
    expect(await mayDisable(ada, bob)).toEqual([false, false, false]);
    return rejected().some((count, instance) => count > (before[instance] ?? 0));
  });
  const refreshed = await castellans.ask(
    'mutation ($token: String!) { refreshSession(refreshToken: $token) { position } }',
    { variables: { token: bob.refreshToken } },
  );
  expect(codesOf(refreshed)).toEqual(['SESSION_REVOKED']);
}, 60_000);

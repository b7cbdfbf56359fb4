import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  type Castellans,
  codesOf,
  createTestClock,
  PASSWORD,
  type SignedInUser,
  startCastellans,
} from '../support/castellan.ts';
import { CITIES, mmdbOf } from '../support/mmdb.ts';
import { ofType, openSocket } from '../support/socket.ts';

/** Users who are in two places, as a file says where addresses are, over three instances. */

const HOUR_MS = 3_600_000;
const SIGN_IN = 'mutation ($input: SignInInput!) { signIn(input: $input) { __typename } }';
const LONDON = '81.2.69.142';
const SEATTLE = '216.160.83.56';

const clock = createTestClock();
let castellans: Castellans;
let folder: string;
let alice: SignedInUser;
let turn = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'castellan-places-'));
  const geoDatabase = join(folder, 'places.mmdb');
  await writeFile(geoDatabase, mmdbOf(CITIES));
  const settings = { trustedProxies: ['127.0.0.1', '89.160.20.7'], geoDatabase };
  castellans = await startCastellans(3, { clock, settings });
  alice = await castellans.signUp('alice', ['administrator']);
});

afterAll(async () => {
  await castellans?.close();
  await rm(folder, { recursive: true });
});

/** Each from another instance than the one before. */
const next = () => (turn += 1) % 3;
const from = (address: string) => ({ 'x-forwarded-for': address });
const trySignIn = (email: string, password: string, address: string) =>
  castellans.ask(SIGN_IN, { variables: { input: { email, password } }, instance: next(), headers: from(address) });

/** How many were raised by now, when all instances have written what they noted, at once. */
async function travels(): Promise<number> {
  await Promise.all(castellans.apps.map(({ services }) => services.travels.flush()));
  return (await castellans.rows(`select from security_events where kind = 'session.impossible_travel'`)).length;
}

describe('users who are in two places', () => {
  const here = (user: SignedInUser, address: string) =>
    castellans.ask('{ me { id } }', { token: user.accessToken, instance: next(), headers: from(address) });

  test.each([
    ['in one network', ['81.2.69.1', '81.2.69.200']],
    ['in two cities between which anybody drives', [LONDON, '2.125.160.216']],
    ['one of which nothing is known of', [LONDON, '9.9.9.9']],
    ['one of which the file has no place of', [LONDON, '175.16.199.1']],
    ['one of which is in a private network', [LONDON, '10.0.0.1', '192.168.1.1', 'fd00::1']],
    ['one of which is a proxy of ours', [LONDON, '89.160.20.7']],
  ])('raise nothing: %s', async (_, addresses) => {
    const before = await travels();
    const user = await castellans.signUp('frida');
    for (const address of [...addresses, ...addresses]) await here(user, address);
    expect(await travels()).toBe(before);
  });

  test('raise one where they sign in and do nothing, in whichever way their addresses are written', async () => {
    const before = await travels();
    const { email } = await castellans.signUp('frida');
    const signIn = (address: string) => trySignIn(email, PASSWORD, address);
    await signIn(LONDON);
    expect(await travels()).toBe(before);
    await signIn('2001:218:0:1::1');
    expect(await travels()).toBe(before + 1);
  });

  test('raise one over a WebSocket, and one for each session that is new there', async () => {
    const before = await travels();
    const user = await castellans.signUp('frida');
    await here(user, LONDON);
    const url = castellans.apps[next()]?.url ?? '';
    const socket = await openSocket(`${url.replace('http', 'ws')}/graphql`, { headers: from(SEATTLE) });
    socket.init({ authorization: `Bearer ${user.accessToken}` });
    await socket.next(ofType('connection_ack'));
    socket.subscribe('1', '{ me { id } }');
    await socket.next(({ id }) => id === '1');
    socket.close();
    expect(await travels()).toBe(before + 1);
    await trySignIn(user.email, PASSWORD, LONDON);
    expect(await travels()).toBe(before + 2);
  });

  test('with an API key raise nothing: programs are where they are', async () => {
    const before = await travels();
    const { accessToken: token } = await castellans.signUp('frida');
    const key = await castellans.ask<{ createApiKey: { secret: string } }>(
      `mutation { createApiKey(input: { name: "robot" }) { secret } }`,
      { token },
    );
    for (const address of [LONDON, SEATTLE]) {
      const headers = { ...from(address), 'x-api-key': key.data?.createApiKey.secret ?? '' };
      expect(codesOf(await castellans.ask('{ me { id } }', { headers, instance: next() }))).toEqual([]);
    }
    expect(await travels()).toBe(before);
  });

  test('leave one place in the database, and an address only in what was raised', async () => {
    const user = await castellans.signUp('frida');
    for (const address of [LONDON, '81.2.69.9', '2.125.160.216']) await here(user, address);
    await travels();
    const kept = await castellans.rows<object>(`select * from user_sightings where user_id = $1`, user.id);
    expect(kept).toMatchObject([{ session_id: user.sessionId, latitude: 51.75, longitude: -1.25 }]);
    expect(Object.keys(kept[0] ?? {})).not.toContain('address');
    await castellans.ask(`mutation { deleteUser(id: "${user.id}") { position } }`, { token: alice.accessToken });
    expect(await castellans.rows('select from user_sightings where user_id = $1', user.id)).toEqual([]);
  });

  test('are where they were used last, however long they have been there', async () => {
    const [{ services } = { services: null }] = castellans.apps;
    const user = await castellans.signUp('frida');
    const seen = (address: string) => services?.travels.seen(user.id, user.sessionId, address);
    const before = await travels();
    seen(LONDON);
    expect(await travels()).toBe(before);
    // In these nine hours they could have come.
    clock.advance(9 * HOUR_MS);
    seen(LONDON);
    clock.advance(60_000);
    seen(SEATTLE);
    expect(await travels()).toBe(before + 1);
  });

  test.each([
    ['one that is faster than 1,000 km an hour by a little', 7.7, 1],
    ['none that is as fast as that', 7.71, 0],
  ])('raise %s', async (_, hours, raised) => {
    const before = await travels();
    const user = await castellans.signUp('frida');
    const seen = (address: string) => castellans.apps[next()]?.services.travels.seen(user.id, user.sessionId, address);
    seen(LONDON);
    await travels();
    clock.advance(hours * HOUR_MS);
    seen(SEATTLE);
    expect(await travels()).toBe(before + raised);
  });
});

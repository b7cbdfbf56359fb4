import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type App, createApp } from '../../src/app.ts';
import type { Config } from '../../src/config.ts';
import { createLog } from '../../src/kit/log.ts';
import { Secret } from '../../src/kit/secret.ts';
import { CREATE_KEY, type Issued, REVOKE_KEY } from '../support/api-keys.ts';
import { type Castellans, codesOf, post, type SignedInUser, startCastellans } from '../support/castellan.ts';
import { createDatabase, runOn, type TestDatabase } from '../support/database.ts';
import { type RedisServer, startRedisServer } from '../support/redis-server.ts';
import { dataOf } from '../support/second-factors.ts';
import { type Snapshot, takeSnapshot } from '../support/snapshot.ts';

/** That a database from yesterday, under instances with an empty Redis, knows whom it knew and lets nobody back in. */

const ME = '{ me { id } }';
const REVOKE = 'mutation ($id: ID!) { revokeSession(id: $id) { receipt { enforced instances } } }';
const REFRESH = `mutation ($refreshToken: String!) {
  refreshSession(refreshToken: $refreshToken) { accessToken refreshToken }
}`;

type People = Readonly<Record<'alice' | 'bob' | 'carol' | 'dave' | 'frank' | 'gina', SignedInUser>>;

let redis: RedisServer;
let config: Config;
let snapshot: Snapshot;
let restored: TestDatabase;
let instances: readonly App[] = [];
let people: People;
/** Frank's access token from after the backup, and somebody who came after it. */
let later: { readonly frank: string; readonly erin: SignedInUser };
let keys: { readonly good: string; readonly revoked: string };

beforeAll(async () => {
  redis = await startRedisServer();
  const castellans = await startCastellans(2, { settings: { redisUrl: new Secret(redis.url) } });
  config = castellans.config;
  try {
    people = await arrange(castellans);
    keys = await makeKeys(castellans, people.bob);
    snapshot = await takeSnapshot(castellans.databaseUrl);
    later = await goOn(castellans, people);
  } finally {
    await castellans.close();
  }
}, 60_000);

afterAll(() => redis?.stop());

/** What there was before the backup: carol's session was ended, and dave shut out. */
async function arrange(castellans: Castellans): Promise<People> {
  const alice = await castellans.signUp('alice', ['administrator', 'member']);
  const [bob, carol, dave, frank, gina] = await Promise.all(
    ['bob', 'carol', 'dave', 'frank', 'gina'].map((name) => castellans.signUp(name)),
  );
  if (!bob || !carol || !dave || !frank || !gina) throw new TypeError('all of them signed in');
  const token = alice.accessToken;
  dataOf(await castellans.ask(REVOKE, { token, variables: { id: carol.sessionId } }));
  const disable = 'mutation ($id: ID!) { disableUser(id: $id) { receipt { enforced } } }';
  dataOf(await castellans.ask(disable, { token, variables: { id: dave.id } }));
  return { alice, bob, carol, dave, frank, gina };
}

async function makeKeys(castellans: Castellans, { accessToken: token }: SignedInUser) {
  const make = async (name: string) =>
    dataOf(await castellans.ask<{ createApiKey: Issued }>(CREATE_KEY, { token, variables: { input: { name } } }))
      .createApiKey;
  const [good, revoked] = [await make('good'), await make('revoked')];
  dataOf(await castellans.ask(REVOKE_KEY, { token, variables: { id: revoked.apiKey.id } }));
  return { good: good.secret, revoked: revoked.secret };
}

/** What the backup does not have: the log grows, frank gets a token that says so, and erin comes. */
async function goOn(castellans: Castellans, { alice, frank }: People) {
  for (const name of ['one', 'two', 'three']) {
    const { sessionId: id } = await castellans.signUp(name);
    dataOf(await castellans.ask(REVOKE, { token: alice.accessToken, variables: { id } }));
  }
  const { refreshToken } = frank;
  const refreshed = await castellans.ask<{ refreshSession: { accessToken: string } }>(REFRESH, {
    variables: { refreshToken },
  });
  return { frank: dataOf(refreshed).refreshSession.accessToken, erin: await castellans.signUp('erin') };
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** The codes that each instance answers with. */
async function each(query: string, headers: Record<string, string>, variables = {}): Promise<readonly unknown[][]> {
  const answers = await Promise.all(instances.map(({ url }) => post(url, query, variables, headers)));
  return answers.map((answer) => [...codesOf(answer)]);
}

const IN = [[], []];
const out = (code: string) => [[code], [code]];

describe.each(['as it was', 'emptied'])('with Redis %s', (how) => {
  beforeAll(async () => {
    restored = await createDatabase();
    await snapshot.restoreInto(restored.url);
    if (how === 'emptied') await redis.flush();
    // As docs/maintenance.md says.
    await runOn(restored.url, 'update authority_head set epoch = gen_random_uuid()', 'delete from instances');
    const again = { ...config, databaseUrl: new Secret(restored.url) };
    const open = () => createApp(again, { logger: createLog('silent'), poolMax: 5 });
    instances = [await open(), await open()];
  }, 30_000);

  afterAll(async () => {
    for (const app of instances) await app.close();
    await restored?.drop();
  });

  test('everybody who was signed in stays signed in, on every instance, with tokens of before the backup and after', async () => {
    for (const { accessToken } of [people.alice, people.bob, people.gina]) {
      expect(await each(ME, bearer(accessToken))).toEqual(IN);
    }
    expect(await each(ME, bearer(later.frank))).toEqual(IN);
    expect(await each(ME, { 'x-api-key': keys.good })).toEqual(IN);
  });

  test('a refresh token that was good at the backup is good', async () => {
    const { refreshToken } = people.gina;
    const answer = await post<{ refreshSession: { accessToken: string } }>(instances[0]?.url ?? '', REFRESH, {
      refreshToken,
    });
    expect(await each(ME, bearer(dataOf(answer).refreshSession.accessToken))).toEqual(IN);
  });

  test('nobody who was revoked or shut out before it comes back, and who came after it is not known', async () => {
    expect(await each(ME, bearer(people.carol.accessToken))).toEqual(out('SESSION_REVOKED'));
    expect(await each(ME, bearer(people.dave.accessToken))).toEqual(out('SESSION_REVOKED'));
    expect(await each(ME, { 'x-api-key': keys.revoked })).toEqual(out('SESSION_REVOKED'));
    for (const codes of await each(ME, bearer(later.erin.accessToken))) {
      expect(['SESSION_REVOKED', 'UNAUTHENTICATED']).toContain(codes[0]);
    }
    const { refreshToken } = people.carol;
    for (const { url } of instances) {
      expect(codesOf(await post(url, REFRESH, { refreshToken }))).toEqual(['SESSION_REVOKED']);
    }
  });

  test('what is revoked from now on holds for tokens from the history that was lost, too', async () => {
    const [first] = instances;
    const answer = await post<{ revokeSession: { receipt: object } }>(
      first?.url ?? '',
      REVOKE,
      { id: people.frank.sessionId },
      bearer(people.alice.accessToken),
    );
    expect(dataOf(answer).revokeSession.receipt).toEqual({ enforced: true, instances: 2 });
    expect(await each(ME, bearer(later.frank))).toEqual(out('SESSION_REVOKED'));
  });
});

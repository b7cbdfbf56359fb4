import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import type { PoolClient } from 'pg';
import { LIMITS } from '../../src/kit/limits.ts';
import { Secret } from '../../src/kit/secret.ts';
import {
  codesOf,
  PASSWORD,
  SIGN_IN,
  startCastellans,
  type Castellans,
  type SignedInUser,
} from '../support/castellan.ts';
import { type OutageProxy, startOutageProxy } from '../support/outage-proxy.ts';
import { type RedisServer, startRedisServer } from '../support/redis-server.ts';
import { untilSo } from '../support/until.ts';
import { doorsOf } from './doors.ts';

/** What is said while PostgreSQL or Redis is there and cannot be used. */

const ME = '{ me { id } }';
const USERS = '{ users(first: 5) { edges { node { id roles { name } } } } }';
const RENAME = 'mutation ($id: ID!, $name: String!) { updateUser(input: { id: $id, name: $name }) { user { id } } }';
const REVOKE = 'mutation ($id: ID!) { revokeSession(id: $id) { receipt { enforced instances acknowledged } } }';
const KEY_MAX = 6;
/** The test and two instances share a processor. */
const SLACK_MS = 2_500;
/** What an answer may say in place of data; a WebSocket says numbers. */
const TYPED: ReadonlySet<unknown> = new Set([
  'AUTHORITY_UNAVAILABLE',
  'SESSION_REVOKED',
  'ACCOUNT_LOCKED',
  'RATE_LIMITED',
  'UNAUTHENTICATED',
  4401,
  4403,
]);

let redisServer: RedisServer;
let redis: Redis;
let toPostgres: OutageProxy;
let toRedis: OutageProxy;
let castellans: Castellans;
let alice: SignedInUser;
/** Whose session is revoked. */
let bob: SignedInUser;
/** Whose password was guessed wrong so often that none is looked at. */
let carol: SignedInUser;
let apiKey: string;
let admittedByKey = 0;

beforeAll(async () => {
  redisServer = await startRedisServer();
  redis = new Redis({ ...redisServer.options });
  toRedis = await startOutageProxy(redisServer.url);
  toPostgres = await startOutageProxy(process.env['TEST_POSTGRES_URL'] ?? '');
  castellans = await startCastellans(2, {
    settings: {
      redisUrl: new Secret(toRedis.through(redisServer.url)),
      keyRates: [{ max: KEY_MAX, seconds: 3_600 }],
    },
    through: (url) => toPostgres.through(url),
  });
  [alice, bob, carol] = [
    await castellans.signUp('alice', ['administrator', 'member']),
    await castellans.signUp('bob'),
    await castellans.signUp('carol'),
  ];
  const { data } = await castellans.ask<{ createApiKey: { secret: string } }>(
    'mutation { createApiKey(input: { name: "k" }) { secret } }',
    { token: alice.accessToken },
  );
  apiKey = data?.createApiKey.secret ?? '';
  for (const { ask } of doorsOf(castellans)) expect((await ask(ME, {}, bob.accessToken)).codes).toEqual([]);
  await inForce(bob.sessionId);
  expect(codesOf(await signIn(0, `not ${PASSWORD}`))).toEqual(['UNAUTHENTICATED']);
  // As if it had been a hundred: each would have to wait.
  await castellans.rows('update password_guesses set failures = 100');
  expect(codesOf(await signIn(0, PASSWORD))).toEqual(['ACCOUNT_LOCKED']);
}, 60_000);

afterAll(async () => {
  toPostgres?.heal();
  toRedis?.heal();
  await castellans?.close();
  await toPostgres?.close();
  await toRedis?.close();
  redis?.disconnect();
  await redisServer?.stop();
}, 30_000);

const signIn = (instance: number, password: string) =>
  castellans.ask(SIGN_IN, { variables: { input: { email: carol.email, password } }, instance });

/** Asks until the receipt says that it is enforced on both. */
async function inForce(id: string): Promise<void> {
  await untilSo('a revocation is in force on both', async () => {
    const asked = { variables: { id }, token: alice.accessToken };
    const { data } = await castellans.ask<{ revokeSession: { receipt: object } }>(REVOKE, asked);
    if (data === null) return false;
    const { receipt } = data.revokeSession;
    return JSON.stringify(receipt) === JSON.stringify({ enforced: true, instances: 2, acknowledged: 2 });
  });
}

interface Seen {
  readonly what: string;
  readonly data: object | null;
  readonly codes: readonly unknown[];
  readonly tookMs: number;
}

async function timed(what: string, answer: Promise<Pick<Seen, 'data' | 'codes'>>): Promise<Seen> {
  const startedAtMs = performance.now();
  const { data, codes } = await answer;
  return { what, data, codes, tookMs: Math.round(performance.now() - startedAtMs) };
}

/** Everybody at once, on both instances. */
async function everybody(): Promise<readonly Seen[]> {
  const ask = async (query: string, options: Parameters<Castellans['ask']>[1]) => {
    const answer = await castellans.ask(query, options);
    return { data: answer.data, codes: codesOf(answer) };
  };
  return Promise.all([
    ...doorsOf(castellans).flatMap((door) => [
      timed(`${door.name}, revoked`, door.ask(ME, {}, bob.accessToken)),
      timed(`${door.name}, live`, door.ask(ME, {}, alice.accessToken)),
    ]),
    ...[0, 1].flatMap((instance) => [
      timed('a list', ask(USERS, { token: alice.accessToken, instance })),
      timed(
        'a change',
        ask(RENAME, { variables: { id: alice.id, name: `alice ${instance}` }, token: alice.accessToken, instance }),
      ),
      timed(
        'the right password, locked',
        signIn(instance, PASSWORD).then(({ data, ...rest }) => ({ data, codes: codesOf(rest) })),
      ),
      ...Array.from({ length: 4 }, () => timed('a key', ask(ME, { headers: { 'x-api-key': apiKey }, instance }))),
    ]),
  ]);
}

const dataOf = ({ data }: Seen): boolean => data !== null && Object.values(data).some((value) => value !== null);

/** All that must hold of what was seen, whatever is out of order. */
function expectKept(all: readonly Seen[]): void {
  const untyped = all.filter(({ codes, ...seen }) =>
    codes.length === 0 ? !dataOf({ codes, ...seen }) : codes.some((code) => !TYPED.has(code)),
  );
  const late = all.filter(
    ({ what, tookMs }) => tookMs > (what === 'a change' ? LIMITS.mutationMs : LIMITS.queryMs) + SLACK_MS,
  );
  const open = all.filter((seen) => /revoked|locked/.test(seen.what) && dataOf(seen));
  expect({ untyped, late, open }).toEqual({ untyped: [], late: [], open: [] });
  admittedByKey += all.filter((seen) => seen.what === 'a key' && dataOf(seen)).length;
  // By the count of all, and by what each instance may let through without it.
  expect(admittedByKey).toBeLessThanOrEqual(2 * KEY_MAX);
}

/** Begins an outage; what comes back ends it. */
type Outage = () => Promise<() => unknown>;

const answering =
  (error: string): Outage =>
  () => {
    toRedis.answer(error);
    return Promise.resolve(() => toRedis.heal());
  };

const silent =
  (proxy: () => OutageProxy): Outage =>
  () => {
    proxy().freeze();
    return Promise.resolve(() => proxy().heal());
  };

/** It is a replica of nothing that is there. */
async function demoted(): Promise<() => unknown> {
  await redis.call('REPLICAOF', '127.0.0.1', '1');
  return () => redis.call('REPLICAOF', 'NO', 'ONE');
}

async function full(): Promise<() => unknown> {
  await redis.config('SET', 'maxmemory-policy', 'noeviction');
  await redis.config('SET', 'maxmemory', '1');
  return () => redis.config('SET', 'maxmemory', '0');
}

/** Every connection of the pools is taken. */
async function busy(): Promise<() => unknown> {
  const taken: PoolClient[] = [];
  for (const { database } of castellans.apps) {
    const { pool } = database;
    for (let n = 0; n < pool.options.max; n += 1) taken.push(await pool.connect());
  }
  return () => {
    for (const client of taken) client.release();
  };
}

const OUTAGES: readonly (readonly [what: string, begin: Outage])[] = [
  ['Redis answers MOVED', answering('MOVED 3999 127.0.0.1:1')],
  ['Redis answers LOADING', answering('LOADING Redis is loading the dataset in memory')],
  ['Redis answers READONLY', demoted],
  ['Redis answers OOM', full],
  ['Redis has gone without a word', silent(() => toRedis)],
  ['PostgreSQL has gone without a word', silent(() => toPostgres)],
  ['all connections to PostgreSQL are busy', busy],
];

test.each(OUTAGES)(
  'AC-80: while %s, everybody is answered in time with data or a code, nothing is let through, and then all is well by itself',
  async (_, begin) => {
    const session = await castellans.signIn(alice.email);
    const end = await begin();
    const seen = await everybody();
    await end();
    expectKept(seen);

    await untilSo('both answer', async () => {
      const answers = await Promise.all(
        [0, 1].map((instance) => castellans.ask(USERS, { token: alice.accessToken, instance })),
      );
      return answers.every(({ data, errors }) => data !== null && errors.length === 0);
    });
    await inForce(session.sessionId);
    for (const instance of [0, 1]) {
      for (const { accessToken } of [session, bob]) {
        expect(codesOf(await castellans.ask(ME, { token: accessToken, instance }))).toEqual(['SESSION_REVOKED']);
      }
    }
  },
  60_000,
);

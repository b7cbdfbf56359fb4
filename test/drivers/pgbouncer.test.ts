import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createApp } from '../../src/app.ts';
import { createLog } from '../../src/kit/log.ts';
import { Secret } from '../../src/kit/secret.ts';
import { type Castellans, codesOf, type SignedInUser, startCastellans, collect } from '../support/castellan.ts';
import { createDatabase, runOn } from '../support/database.ts';
import { type PgBouncer, startPgBouncer } from '../support/pgbouncer.ts';
import { dataOf } from '../support/second-factors.ts';
import { listening } from '../support/session-events.ts';

/** That two instances work through a PgBouncer that gives them one of the server's connections for a transaction only. */

const POOL_SIZE = 4;
const ROLE = `pooled_${randomBytes(4).toString('hex')}`;
const SERVER = process.env['TEST_POSTGRES_URL'] ?? '';
const BOUNDS = { statement_timeout: '5s', lock_timeout: '2s', idle_in_transaction_session_timeout: '1s' };
const ME = '{ me { id } }';

let pgBouncer: PgBouncer;
let castellans: Castellans;
let alice: SignedInUser;

beforeAll(async () => {
  await runOn(SERVER, `create role ${ROLE} superuser login password '${ROLE}'`);
  await bound();
  const asRole = new URL(SERVER);
  asRole.username = ROLE;
  asRole.password = ROLE;
  pgBouncer = await startPgBouncer(asRole.href, { poolSize: POOL_SIZE });
  castellans = await startCastellans(2, {
    through: (url) => pgBouncer.through(url),
    settings: { preparedStatements: false },
  });
  alice = await castellans.signUp('alice', ['administrator', 'member']);
}, 60_000);

afterAll(async () => {
  await castellans?.close();
  await pgBouncer?.stop();
  await runOn(SERVER, `drop role if exists ${ROLE}`);
});

const bound = () =>
  runOn(SERVER, ...Object.entries(BOUNDS).map(([name, value]) => `alter role ${ROLE} set ${name} = '${value}'`));

test('signing in, lists, changes and refreshes work on both instances, many at once over few connections', async () => {
  const { accessToken: token } = alice;
  const people = await Promise.all(['bob', 'carol', 'dave', 'erin'].map((name) => castellans.signUp(name)));
  const asked = people.flatMap(({ id, accessToken }) =>
    [0, 1].flatMap((instance) =>
      Array.from({ length: 10 }, async (_, n) => {
        const name = `bob ${n}`;
        const rename = `mutation ($id: ID!, $name: String!) { updateUser(input: { id: $id, name: $name }) { user { id } } }`;
        const [me, list, renamed] = await Promise.all([
          castellans.ask(ME, { token: accessToken, instance }),
          castellans.ask(
            '{ users(first: 5) { edges { node { id roles { name } } } } sessions(first: 5) { edges { node { id } } } }',
            {
              token,
              instance,
            },
          ),
          n === 0 ? castellans.ask(rename, { token, instance, variables: { id, name } }) : null,
        ]);
        return [me, list, ...(renamed === null ? [] : [renamed])].flatMap(({ errors }) => errors);
      }),
    ),
  );
  expect((await Promise.all(asked)).flat()).toEqual([]);
  const { refreshToken } = people[0] ?? { refreshToken: '' };
  const refresh = 'mutation ($refreshToken: String!) { refreshSession(refreshToken: $refreshToken) { accessToken } }';
  dataOf(await castellans.ask(refresh, { variables: { refreshToken }, instance: 1 }));

  const [row] = await castellans.rows<{ count: number }>(
    'select count(*)::int as count from pg_stat_activity where usename = $1 and datname = current_database()',
    ROLE,
  );
  expect(row?.count).toBeGreaterThan(0);
  expect(row?.count).toBeLessThanOrEqual(POOL_SIZE);
});

test('a revocation is in force on both instances when it returns, and a subscriber is told', async () => {
  const bob = await castellans.signUp('bob');
  const closed = Promise.withResolvers<number>();
  const socket = castellans.connect({ token: bob.accessToken, instance: 1, onClosed: closed.resolve });
  const events = await listening(castellans, 1, () => collect(socket, 'subscription { sessionEvents { __typename } }'));
  const { data } = await castellans.ask<{ revokeSession: { receipt: object } }>(
    'mutation ($id: ID!) { revokeSession(id: $id) { receipt { enforced instances acknowledged } } }',
    { token: alice.accessToken, variables: { id: bob.sessionId } },
  );
  expect(data?.revokeSession.receipt).toEqual({ enforced: true, instances: 2, acknowledged: 2 });
  for (const instance of [0, 1]) {
    expect(codesOf(await castellans.ask(ME, { token: bob.accessToken, instance }))).toEqual(['SESSION_REVOKED']);
  }
  expect(await closed.promise).toBe(4401);
  expect(await events.next()).toEqual({ sessionEvents: { __typename: 'AccessEnded' } });
});

test('with named statements it does not start, and is told what to set', async () => {
  const database = await createDatabase();
  const config = { ...castellans.config, databaseUrl: new Secret(pgBouncer.through(database.url)) };
  const start = (preparedStatements: boolean) =>
    createApp({ ...config, preparedStatements }, { logger: createLog('silent'), poolMax: 2 });
  await expect(start(true)).rejects.toThrow('unsupported startup parameter');
  await runOn(SERVER, `alter role ${ROLE} reset lock_timeout`);
  try {
    await expect(start(false)).rejects.toThrow("alter role … set lock_timeout = '2000ms'");
  } finally {
    await bound();
  }
  await database.drop();
});

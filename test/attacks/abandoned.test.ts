import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { PassThrough } from 'node:stream';
import {
  createTestClock,
  recordStatements,
  startCastellans,
  until,
  type Castellans,
  type SignedInUser,
} from '../support/castellan.ts';
import { INSTANCE_ROLE } from '../support/database.ts';
import type { WebSocket } from 'ws';
import { OperationContext } from '../../src/api/graphql/context.ts';
import { Connection } from '../../src/api/ws/connection.ts';
import { ANONYMOUS } from '../../src/domain/principals/principal.ts';
import { LIMITS } from '../../src/kit/limits.ts';
import { openSocket, ofType } from '../support/socket.ts';

/** Operations that nobody waits for any more, or that take longer than they may. */

const clock = createTestClock();
let castellans: Castellans;
let alice: SignedInUser;
let carol: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(1, { clock });
  alice = await castellans.signUp('alice', ['administrator']);
  carol = await castellans.signUp('carol');
  await castellans.ask('{ me { id } }', { token: alice.accessToken });
});

afterAll(() => castellans.close());

const url = (): string => castellans.apps[0]?.url ?? '';
const SLOW = '{ users(first: 5) { edges { node { email } } } }';

/** From now on whoever reads a user waits for longer than anybody would. */
async function slowDown(): Promise<void> {
  await castellans.rows('alter table users rename to users_at_once');
  await castellans.rows('create view users as select * from users_at_once where pg_sleep(60) is not null');
  await castellans.rows(`grant select on users to ${INSTANCE_ROLE}`);
}

async function speedUp(): Promise<void> {
  await castellans.rows('drop view users');
  await castellans.rows('alter table users_at_once rename to users');
}

const sleeping = async (): Promise<number> => {
  const [row] = await castellans.rows<{ count: number }>(
    `select count(*)::int as count from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`,
  );
  return row?.count ?? 0;
};

interface Asked {
  readonly leave: () => void;
  /** What was answered; null where nobody was there any more. */
  readonly answer: Promise<string | null>;
}

function post(accept: string, padding: string): Asked {
  const gone = new AbortController();
  const answer = fetch(`${url()}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept, authorization: `Bearer ${alice.accessToken}` },
    body: JSON.stringify({ query: SLOW + padding, variables: { id: carol.id } }),
    signal: gone.signal,
  }).then(
    async (response) => `${response.status} ${await response.text()}`,
    () => null,
  );
  return { leave: () => gone.abort(), answer };
}

/** @param leaves how its client says that it does not wait any more */
async function overWebSocket(leaves: 'closes' | 'completes' = 'closes'): Promise<Asked> {
  const socket = await openSocket(`${url().replace('http', 'ws')}/graphql`);
  socket.init({ authorization: `Bearer ${alice.accessToken}` });
  await socket.next(ofType('connection_ack'));
  socket.subscribe('1', SLOW, { variables: { id: carol.id } });
  const answer = socket
    .next((frame) => frame.id === '1')
    .then((frame) => (frame === null ? null : JSON.stringify(frame)));
  if (leaves === 'closes') return { leave: () => socket.close(), answer };
  return {
    answer: Promise.race([answer, socket.next((frame) => frame.id === '2').then(() => null)]),
    leave() {
      socket.send({ type: 'complete', id: '1' });
      // The socket goes on, and tells nothing more of the first.
      socket.subscribe('2', '{ __typename }');
    },
  };
}

const DOORS: readonly (readonly [string, () => Asked | Promise<Asked>])[] = [
  ['POST', () => post('application/json', ' '.repeat(3))],
  ['POST of a known query', () => post('*/*', '')],
  ['an event stream', () => post('text/event-stream', '')],
  ['a WebSocket', () => overWebSocket()],
  ['a WebSocket that goes on', () => overWebSocket('completes')],
];

describe.each(DOORS)('over %s', (_, ask) => {
  let recorded: ReturnType<typeof recordStatements>;

  beforeEach(async () => {
    // So that it is known where it can be.
    await post('*/*', '').answer;
    recorded = recordStatements(castellans.apps);
    await slowDown();
  });

  test('AC-71: a query whose client is gone is cancelled in PostgreSQL', async () => {
    try {
      const askedAtMs = clock.monotonicMs();
      const asked = await ask();
      await until(async () => (await sleeping()) === 1);
      expect(recorded.names).not.toContain('statement-cancel');
      asked.leave();
      await until(async () => (await sleeping()) === 0);
      // It would be cancelled in the end, when its time is up.
      expect(clock.monotonicMs() - askedAtMs).toBeLessThan(LIMITS.queryMs);
      expect(recorded.names.filter((name) => name === 'statement-cancel').length).toBe(1);
      expect(await asked.answer).toBeNull();
    } finally {
      recorded.stop();
      await speedUp();
    }
  });

  test('a query that takes longer than five seconds is refused for now, and cancelled', async () => {
    try {
      const asked = await ask();
      await until(async () => (await sleeping()) === 1);
      clock.advance(5_000);
      expect(await asked.answer).toContain('"code":"AUTHORITY_UNAVAILABLE"');
      await until(async () => (await sleeping()) === 0);
      expect(recorded.names.filter((name) => name === 'statement-cancel').length).toBe(1);
      asked.leave();
    } finally {
      recorded.stop();
      await speedUp();
    }
  });
});

test('a connection on which a statement was cancelled serves nobody else, and the pool is as large as before', async () => {
  for (let n = 0; n < 12; n += 1) {
    await slowDown();
    const asked = post('*/*', '');
    await until(async () => (await sleeping()) === 1);
    asked.leave();
    await until(async () => (await sleeping()) === 0);
    await speedUp();
  }
  const { pool, queue } = castellans.apps[0]?.database ?? {};
  await until(() => queue?.waiting === 0 && pool?.idleCount === pool?.totalCount);
  const answers = await Promise.all(Array.from({ length: 20 }, () => post('*/*', '').answer));
  for (const answer of answers) expect(answer).toContain(carol.email);
}, 40_000);

test('a client that says at once that it does not wait gets nothing read, and its socket goes on', async () => {
  const socket = await openSocket(`${url().replace('http', 'ws')}/graphql`);
  socket.init({ authorization: `Bearer ${alice.accessToken}` });
  await socket.next(ofType('connection_ack'));
  await slowDown();
  try {
    for (const id of ['1', '2', '3']) {
      socket.subscribe(id, SLOW);
      socket.send({ type: 'complete', id });
    }
    socket.send('{"type":"complete"}'.replace('}', ',"id":"never there"}'));
    socket.subscribe('4', '{ __typename }');
    await socket.next((frame) => frame.id === '4');
    await until(async () => (await sleeping()) === 0);
    expect(socket.frames.filter(({ id }) => id !== '4')).toEqual([]);
  } finally {
    await speedUp();
    socket.close();
  }
});

test('what is completed while it is being identified is abandoned when it begins, and its id is free again', () => {
  const { services } = castellans.apps[0] ?? {};
  if (services === undefined) throw new TypeError('there is no instance');
  const from = { userAgent: null, address: null, client: null };
  // It is never written to.
  const connection = new Connection({} as WebSocket, new PassThrough(), from, services);
  const begin = (kind: 'query' | 'mutation') => {
    const context = new OperationContext(services, ANONYMOUS, from);
    if (kind === 'mutation') context.undertaking.goOn();
    connection.started('1', kind, context);
    connection.completed('1');
    return context.undertaking.abandoned;
  };
  connection.arrived('1');
  connection.abandoned('1');
  expect(begin('query')).toBe(true);
  connection.arrived('1');
  expect(begin('query')).toBe(false);
  connection.arrived('1');
  connection.abandoned('1');
  expect(begin('mutation')).toBe(false);
});

test('a change goes on when its client completes it', async () => {
  const bob = await castellans.signUp('bob');
  const socket = await openSocket(`${url().replace('http', 'ws')}/graphql`);
  socket.init({ authorization: `Bearer ${bob.accessToken}` });
  await socket.next(ofType('connection_ack'));
  socket.subscribe('1', 'mutation { signOut { position } }');
  socket.send({ type: 'complete', id: '1' });
  await until(async () => (await castellans.ask('{ me { id } }', { token: bob.accessToken })).status === 401);
  socket.close();
});

test('a change goes on when its client is gone', async () => {
  const bob = await castellans.signUp('bob');
  await castellans.ask('{ me { id } }', { token: bob.accessToken });
  const client = await castellans.apps[0]?.database.pool.connect();
  await client?.query('begin');
  await client?.query('select from sessions where id = $1 for update', [bob.sessionId]);
  const gone = new AbortController();
  const leaving = fetch(`${url()}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${bob.accessToken}` },
    body: JSON.stringify({ query: 'mutation { signOut { position } }' }),
    signal: gone.signal,
  }).catch(() => null);
  await until(async () => {
    const rows = await castellans.rows(
      `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    );
    return rows.length > 0;
  });
  gone.abort();
  await leaving;
  await client?.query('commit');
  client?.release();
  await until(async () => (await castellans.ask('{ me { id } }', { token: bob.accessToken })).status === 401);
});

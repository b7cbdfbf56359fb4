import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { type Castellans, type SignedInUser, startCastellans, until } from '../support/castellan.ts';
import { untilFollowed } from '../support/session-events.ts';
import { ofType, openSocket } from '../support/socket.ts';

/** A name that a client gives to one operation after another: a gateway may have another user behind each of them. */

const EVENTS = 'subscription { sessionEvents { __typename ... on SessionRevoked { sessionId } } }';
const RENAME = 'mutation ($id: ID!) { renameSession(id: $id, label: "of bob") { session { id label } } }';
const ME = '{ me { email } }';

let castellans: Castellans;
let bob: SignedInUser;
let carol: SignedInUser;
let beside: Client;
let socket: Awaited<ReturnType<typeof openSocket>>;

beforeAll(async () => {
  castellans = await startCastellans(1);
  bob = await castellans.signUp('bob');
  carol = await castellans.signUp('carol');
  beside = new Client({ connectionString: castellans.databaseUrl });
  await beside.connect();
});

afterAll(async () => {
  await beside?.end();
  await castellans?.close();
});

beforeEach(async () => {
  socket = await openSocket(`${(castellans.apps[0]?.url ?? '').replace('http', 'ws')}/graphql`);
  socket.init();
  await socket.next(ofType('connection_ack'));
  for (const { accessToken } of [bob, carol]) await castellans.ask(ME, { token: accessToken });
});

afterEach(() => socket.close());

const as = ({ accessToken }: SignedInUser, more: object = {}) => ({
  ...more,
  extensions: { headers: { authorization: `Bearer ${accessToken}` } },
});

const renamed = (user: SignedInUser) => as(user, { variables: { id: user.sessionId } });

/** Whoever changes that session waits until the returned function is called. */
async function held(sessionId: string): Promise<() => Promise<unknown>> {
  await beside.query('begin');
  await beside.query('select from sessions where id = $1 for update', [sessionId]);
  return () => beside.query('commit');
}

/** Who waits for a lock: processes of PostgreSQL. */
async function waiting(): Promise<readonly number[]> {
  const text = `select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  return (await castellans.rows<{ pid: number }>(text)).map(({ pid }) => pid);
}

test('what is answered to an operation that was completed reaches nobody whose operation has its name by then', async () => {
  const release = await held(bob.sessionId);
  socket.subscribe('1', RENAME, renamed(bob));
  await until(async () => (await waiting()).length === 1);
  socket.send({ type: 'complete', id: '1' });
  socket.subscribe('1', EVENTS, as(carol));
  await untilFollowed(castellans, 0, 1);
  await release();
  const label = 'select label from sessions where id = $1';
  await until(async () => (await castellans.rows<{ label: string }>(label, bob.sessionId))[0]?.label === 'of bob');

  const { sessionId } = await castellans.signIn(carol.email);
  const revoke = 'mutation ($id: ID!) { revokeSession(id: $id) { receipt { enforced } } }';
  await castellans.ask(revoke, { variables: { id: sessionId }, token: carol.accessToken });
  const ended = { __typename: 'SessionRevoked', sessionId };
  await socket.next(({ payload }) => JSON.stringify(payload) === JSON.stringify({ data: { sessionEvents: ended } }));
  expect(socket.frames.filter(({ id, payload }) => id === '1' && /of bob|error/.test(JSON.stringify(payload)))).toEqual(
    [],
  );
  expect(socket.frames.filter(ofType('complete'))).toEqual([]);

  // It is still an operation of this socket: it can be completed, and is.
  socket.send({ type: 'complete', id: '1' });
  await untilFollowed(castellans, 0, 0);
});

test('a query that takes the name of one that is given up is answered itself', async () => {
  const roles = (first: number) => `{ roles(first: ${first}) { edges { node { name } } } me { email } }`;
  await beside.query('begin');
  await beside.query('lock table roles in access exclusive mode');
  socket.subscribe('1', roles(1), as(bob));
  await until(async () => (await waiting()).length === 1);
  const given = await waiting();
  socket.send({ type: 'complete', id: '1' });
  socket.subscribe('1', roles(2), as(carol));
  await until(async () => (await waiting()).some((pid) => !given.includes(pid)) && (await waiting()).length === 1);
  await socket.settled();
  expect(socket.frames).toEqual([]);
  await beside.query('commit');
  const answer = await socket.next((frame) => frame.id === '1');
  expect(answer).toMatchObject({ type: 'next', payload: { data: { me: { email: carol.email } } } });
  expect(await socket.next((frame) => frame.id === '1')).toEqual({ type: 'complete', id: '1' });
});

test('as many run on one socket as may, whatever they are called', async () => {
  const release = await held(bob.sessionId);
  for (let n = 0; n < 40; n += 1) {
    socket.subscribe('1', RENAME, renamed(bob));
    socket.send({ type: 'complete', id: '1' });
  }
  socket.subscribe('last', ME, as(carol));
  const answer = await socket.next((frame) => frame.id === 'last');
  await release();
  expect(answer).toMatchObject({ type: 'error', payload: [{ extensions: { code: 'RATE_LIMITED' } }] });
  // What goes on after it was completed ends by itself, and makes room.
  await until(async () => {
    socket.subscribe('again', ME, as(carol));
    return (await socket.next((frame) => frame.id === 'again'))?.type === 'next';
  });
});

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CloseCode } from 'graphql-ws';
import { CLOSE } from '../../src/api/ws/connection.ts';
import { LIMITS } from '../../src/kit/limits.ts';
import { createTestClock, startCastellans, until, type Castellans, type SignedInUser } from '../support/castellan.ts';
import { untilFollowed } from '../support/session-events.ts';
import { type Frame, ofType, openSocket } from '../support/socket.ts';

/** Each code that a socket closes with, and each order in which frames may not come, as they are on the wire. */

const ME = '{ me { id } }';
const SESSION_EVENTS = 'subscription { sessionEvents { __typename ... on AccessEnded { code } } }';
const REVOKE = 'mutation ($id: ID!) { revokeSession(id: $id) { receipt { enforced } } }';
const CREATE_KEY = 'mutation { createApiKey(input: { name: "a" }) { secret } }';

/** What clients close with: a server is never who waits for an acknowledgement, or cannot read an answer. */
const OF_CLIENTS: ReadonlySet<number> = new Set([
  CloseCode.InternalClientError,
  CloseCode.BadResponse,
  CloseCode.ConnectionAcknowledgementTimeout,
]);
/** The library's for a fault in what it calls; ours says 1011, and a frame that fails is a bad one. */
const NEVER: ReadonlySet<number> = new Set([CloseCode.InternalServerError]);

type Socket = Awaited<ReturnType<typeof openSocket>>;

let castellans: Castellans;
let alice: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(3);
  alice = await castellans.signUp('alice', ['administrator']);
});

afterAll(() => castellans.close());

const wsUrl = ({ apps }: Castellans, instance = 0): string =>
  `${(apps[instance]?.url ?? '').replace('http', 'ws')}/graphql`;

async function open(instance = 0): Promise<Socket> {
  return openSocket(wsUrl(castellans, instance));
}

async function acknowledged(instance = 0, { accessToken }: Pick<SignedInUser, 'accessToken'> = alice) {
  const socket = await open(instance);
  socket.init({ authorization: `Bearer ${accessToken}` });
  await socket.next(ofType('connection_ack'));
  return socket;
}

interface Closing {
  readonly code: number;
  readonly when: string;
  /** Comes to a socket that closes. */
  readonly reach: () => Promise<Pick<Socket, 'closed' | 'frames'>>;
}

const CLOSINGS: readonly Closing[] = [
  {
    code: CLOSE.REVOKED,
    when: 'its session is revoked on another instance',
    async reach() {
      const bob = await castellans.signUp('bob');
      const socket = await acknowledged(1, bob);
      await castellans.ask(REVOKE, { variables: { id: bob.sessionId }, token: alice.accessToken, instance: 2 });
      return socket;
    },
  },
  {
    code: CLOSE.REVOKED,
    when: 'something is asked before it was opened',
    async reach() {
      const socket = await open();
      socket.subscribe('1', ME);
      return socket;
    },
  },
  {
    code: CLOSE.EXPIRED,
    when: 'its token runs out',
    async reach() {
      const clock = createTestClock();
      const shortLived = await startCastellans(1, { clock });
      const bob = await shortLived.signUp('bob');
      const socket = await openSocket(wsUrl(shortLived));
      socket.init({ authorization: `Bearer ${bob.accessToken}` });
      await socket.next(ofType('connection_ack'));
      clock.advance(shortLived.config.accessTokenSeconds * 1_000 + 1);
      await socket.closed;
      await shortLived.close();
      return socket;
    },
  },
  {
    code: CLOSE.INIT_TIMEOUT,
    when: 'it does not say who it is',
    reach: () => open(1),
  },
  {
    code: CLOSE.INIT_TIMEOUT,
    when: 'it says other things in place of who it is',
    async reach() {
      const socket = await open(1);
      await socket.settled();
      return socket;
    },
  },
  {
    code: CLOSE.TOO_MANY,
    when: 'it is opened a second time',
    async reach() {
      const socket = await acknowledged();
      socket.init({ authorization: `Bearer ${alice.accessToken}` });
      return socket;
    },
  },
  {
    code: CLOSE.TOO_MANY,
    when: 'it is opened a second time before the first is acknowledged',
    async reach() {
      const socket = await open();
      socket.init({ authorization: `Bearer ${alice.accessToken}` });
      socket.init({ authorization: `Bearer ${alice.accessToken}` });
      return socket;
    },
  },
  {
    code: CLOSE.TOO_MANY,
    when: 'more frames come than may',
    async reach() {
      const socket = await acknowledged(2);
      for (let n = 0; n <= 2 * LIMITS.sockets.frames; n += 1) socket.send({ type: 'pong' });
      return socket;
    },
  },
  {
    code: CLOSE.GOING_AWAY,
    when: 'its instance stops',
    async reach() {
      const stopping = await startCastellans(1);
      const socket = await openSocket(wsUrl(stopping));
      socket.init();
      await socket.next(ofType('connection_ack'));
      await stopping.close();
      return socket;
    },
  },
  {
    code: CLOSE.FAULT,
    when: 'who it is cannot be found out for a fault of ours',
    async reach() {
      const broken = await startCastellans(1);
      const bob = await broken.signUp('bob');
      const { data } = await broken.ask<{ createApiKey: { secret: string } }>(CREATE_KEY, { token: bob.accessToken });
      await broken.rows('alter table api_keys rename to api_keys_elsewhere');
      const socket = await openSocket(wsUrl(broken), { headers: { 'x-api-key': data?.createApiKey.secret ?? '' } });
      socket.init();
      await socket.closed;
      await broken.close();
      return socket;
    },
  },
  {
    code: CloseCode.BadRequest,
    when: 'a frame is none of the protocol',
    async reach() {
      const socket = await acknowledged();
      socket.send({ type: 'start', id: '1', payload: { query: ME } });
      return socket;
    },
  },
  {
    code: CloseCode.BadRequest,
    when: 'a client sends what is for a server to send',
    async reach() {
      const socket = await acknowledged();
      socket.send({ type: 'next', id: '1' });
      return socket;
    },
  },
  {
    code: CloseCode.SubprotocolNotAcceptable,
    when: 'it is of no protocol',
    async reach() {
      // An offer of none is taken, and then told.
      const { WebSocket } = await import('ws');
      const socket = new WebSocket(wsUrl(castellans)).on('error', () => {});
      return { frames: [], closed: new Promise<number>((resolve) => socket.on('close', resolve)) };
    },
  },
  {
    code: CloseCode.SubscriberAlreadyExists,
    when: 'the id of a running operation is used again',
    async reach() {
      const socket = await acknowledged();
      socket.subscribe('1', SESSION_EVENTS);
      socket.subscribe('1', ME);
      return socket;
    },
  },
];

describe('a socket', () => {
  test.each(CLOSINGS)('closes with $code when $when, and nothing follows', async ({ code, reach }) => {
    const socket = await reach();
    expect(await socket.closed).toBe(code);
    expect(socket.frames.filter(({ type }) => type === 'next')).toEqual([]);
  });

  test('has a case for each code that it can close with', () => {
    const library = Object.values(CloseCode).filter((code) => typeof code === 'number');
    const possible = new Set<number>([...Object.values(CLOSE), ...library]);
    for (const code of [...OF_CLIENTS, ...NEVER]) possible.delete(code);
    expect(library.length).toBeGreaterThan(8);
    expect([...possible].filter((code) => !CLOSINGS.some((closing) => closing.code === code))).toEqual([]);
  });
});

describe('an order', () => {
  test('that ends what never began, or ended before, is passed over', async () => {
    const socket = await acknowledged();
    socket.send({ type: 'complete', id: 'never' });
    socket.subscribe('1', ME);
    expect(await framesOf(socket, '1', 2)).toEqual(['next', 'complete']);
    socket.send({ type: 'complete', id: '1' });
    socket.subscribe('2', ME);
    expect(await framesOf(socket, '2', 2)).toEqual(['next', 'complete']);
    socket.close();
  });

  test('to use an id again after its operation is over is followed', async () => {
    const socket = await acknowledged();
    for (let round = 0; round < 3; round += 1) {
      socket.subscribe('1', ME);
      expect(await framesOf(socket, '1', 2)).toEqual(['next', 'complete']);
    }
    socket.close();
  });

  test('to end a subscription ends it: no frame of it follows, and its id is free', async () => {
    const bob = await castellans.signUp('bob');
    const socket = await acknowledged(1, bob);
    socket.subscribe('1', SESSION_EVENTS);
    await untilFollowed(castellans, 1, 1);
    socket.send({ type: 'complete', id: '1' });
    await untilFollowed(castellans, 1, 0);
    await castellans.signIn(bob.email);
    socket.subscribe('1', ME);
    expect(await framesOf(socket, '1', 2)).toEqual(['next', 'complete']);
    expect(socket.frames).toEqual([]);
    socket.close();
  });

  test('to begin and end in one breath leaves nothing running', async () => {
    const socket = await acknowledged(2);
    for (let n = 0; n < 40; n += 1) {
      socket.subscribe(`${n}`, SESSION_EVENTS);
      socket.send({ type: 'complete', id: `${n}` });
    }
    // Those that were let in are over at some time, or there would never be room for so many again.
    const followed = () => castellans.apps[2]?.services.eventFeeds.subscribers ?? 0;
    for (let tried = 0; followed() < LIMITS.sockets.operations; tried += 1) {
      const before = followed();
      socket.subscribe(`again ${tried}`, SESSION_EVENTS);
      await until(() => followed() > before || socket.frames.some(({ id }) => id === `again ${tried}`));
    }
    socket.close();
    await untilFollowed(castellans, 2, 0);
  });

  test('a ping is answered before the socket is opened and after, with its payload', async () => {
    const socket = await open();
    socket.send({ type: 'ping', payload: { n: 1 } });
    expect(await socket.next(ofType('pong'))).toEqual({ type: 'pong', payload: { n: 1 } });
    socket.init({ authorization: `Bearer ${alice.accessToken}` });
    await socket.next(ofType('connection_ack'));
    socket.send({ type: 'ping' });
    expect(await socket.next(ofType('pong'))).toEqual({ type: 'pong' });
    socket.close();
  });
});

/** The types of so many frames of one operation. */
async function framesOf(socket: Socket, id: string, count: number): Promise<readonly unknown[]> {
  const types: unknown[] = [];
  for (let n = 0; n < count; n += 1) types.push((await socket.next((frame: Frame) => frame.id === id))?.type);
  return types;
}

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  codesOf,
  createTestClock,
  instanceOf,
  oneMore,
  startCastellans,
  until,
  type Castellans,
  type SignedInUser,
} from '../support/castellan.ts';
import { untilFollowed } from '../support/session-events.ts';
import { ofType, openSocket, type Frame } from '../support/socket.ts';

const SESSION_EVENTS = `subscription {
  sessionEvents { __typename ... on SessionRevoked { sessionId } ... on AccessEnded { code } }
}`;
const PERMISSIONS = 'subscription { permissionsChanged { __typename ... on AccessEnded { code } } }';
const RENEW = 'mutation ($token: String!) { renewConnection(accessToken: $token) { expiresAt expiresIn position } }';
const ME = '{ me { id } }';
/** Beyond the life of a token, of which there are five minutes. */
const LIFE_MS = 301_000;

const clock = createTestClock();
let castellans: Castellans;
let alice: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(2, { clock });
  alice = await castellans.signUp('alice', ['administrator']);
});

afterAll(() => castellans.close());

async function open(user: SignedInUser | null, instance = 0) {
  const socket = await openSocket(`${(castellans.apps[instance]?.url ?? '').replace('http', 'ws')}/graphql`);
  socket.init(user === null ? {} : { authorization: `Bearer ${user.accessToken}` });
  const ack = await socket.next(ofType('connection_ack'));
  let count = 0;
  async function ask(query: string, more: object = {}): Promise<Frame['payload']> {
    const id = `ask${(count += 1)}`;
    socket.subscribe(id, query, more);
    const frame = await socket.next((each) => each.id === id);
    if (frame?.type === 'next') await socket.next((each) => each.id === id);
    return frame?.payload;
  }
  return {
    ...socket,
    ack,
    ask,
    renew: (token: string, more: object = {}) => ask(RENEW, { variables: { token }, ...more }),
    async ping(payload: object): Promise<Frame['payload']> {
      socket.send({ type: 'ping', payload });
      return (await socket.next(ofType('pong')))?.payload;
    },
    /** The next one that is no news of a session that begins or goes on. */
    event: async (id: string) => (await socket.next((each) => each.id === id && !isGoingOn(each)))?.payload,
  };
}

const isGoingOn = ({ payload }: Frame): boolean => /"Session(Started|Refreshed)"/.test(JSON.stringify(payload) ?? '');

type Opened = Awaited<ReturnType<typeof open>>;

async function refreshed({ refreshToken }: SignedInUser): Promise<string> {
  const { data } = await castellans.ask<{ refreshSession: { accessToken: string } }>(
    'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken } }',
    { variables: { token: refreshToken } },
  );
  return data?.refreshSession.accessToken ?? '';
}

async function fresh(user: SignedInUser): Promise<SignedInUser> {
  return { id: user.id, ...(await castellans.signIn(user.email)) };
}

async function revoke(sessionId: string): Promise<void> {
  const { accessToken } = await fresh(alice);
  const answer = await castellans.ask('mutation ($id: ID!) { revokeSession(id: $id) { position } }', {
    variables: { id: sessionId },
    token: accessToken,
    instance: 1,
  });
  if (answer.errors.length > 0) throw new Error(JSON.stringify(answer.errors));
}

const RENEWED = {
  expiresAt: expect.stringMatching(/Z$/),
  expiresIn: expect.any(Number),
};

const ended = (field: string, code: string) => ({ data: { [field]: { __typename: 'AccessEnded', code } } });

describe.each([
  ['renewConnection', (socket: Opened, token: string) => socket.renew(token)],
  ['a ping with a token', (socket: Opened, token: string) => socket.ping({ accessToken: token })],
])('%s', (name, renew) => {
  const isPing = name !== 'renewConnection';
  const renewed = isPing
    ? RENEWED
    : { data: { renewConnection: { ...RENEWED, position: expect.stringMatching(/^[0-9a-f]{8}-\d+$/) } } };
  const refusalIn = (answer: unknown): unknown => {
    const { errors } = (Array.isArray(answer) ? { errors: answer } : answer) as Pick<
      Awaited<ReturnType<Castellans['ask']>>,
      'errors'
    >;
    return codesOf({ errors });
  };

  test('takes the connection and its subscriptions beyond the end of the first token', async () => {
    const bob = await castellans.signUp('bob');
    const socket = await open(bob);
    expect(socket.ack?.payload).toEqual({ expiresIn: expect.any(Number) });
    socket.subscribe('events', SESSION_EVENTS);
    socket.subscribe('own', SESSION_EVENTS, { extensions: { headers: { authorization: bob.accessToken } } });
    await untilFollowed(castellans, 0, 2);
    clock.advance(LIFE_MS / 2);
    expect(await renew(socket, await refreshed(bob))).toEqual(renewed);
    clock.advance(LIFE_MS / 2);

    expect(codesOf(await castellans.ask(ME, { token: bob.accessToken }))).toEqual(['TOKEN_EXPIRED']);
    expect(await socket.ask(ME)).toEqual({ data: { me: { id: bob.id } } });
    const phone = await fresh(bob);
    await revoke(phone.sessionId);
    const event = { data: { sessionEvents: { __typename: 'SessionRevoked', sessionId: phone.sessionId } } };
    expect([await socket.event('events'), await socket.event('own')]).toEqual([event, event]);

    clock.advance(LIFE_MS / 2);
    expect([await socket.event('events'), await socket.event('own')]).toEqual([
      ended('sessionEvents', 'TOKEN_EXPIRED'),
      ended('sessionEvents', 'TOKEN_EXPIRED'),
    ]);
    expect(await socket.closed).toBe(4403);
  });

  test('leaves it within reach of a revocation, and of changes of rights', async () => {
    const bob = await castellans.signUp('bob');
    const socket = await open(bob);
    // The socket is live already.
    const app = instanceOf(castellans, 0);
    await oneMore(
      app,
      () => app.services.live.size,
      () => socket.subscribe('rights', PERMISSIONS),
    );
    await renew(socket, await refreshed(bob));
    const { accessToken } = await fresh(alice);
    const { data } = await castellans.ask<{ role: { id: string } }>('{ role(name: "support") { id } }', {
      token: accessToken,
    });
    await castellans.ask('mutation ($p: ID!, $r: ID!) { grantRole(principalId: $p, roleId: $r) { position } }', {
      variables: { p: bob.id, r: data?.role.id },
      token: accessToken,
      instance: 1,
    });
    expect(await socket.event('rights')).toEqual({
      data: { permissionsChanged: { __typename: 'PermissionsChanged' } },
    });
    await revoke(bob.sessionId);
    expect(await socket.event('rights')).toEqual(ended('permissionsChanged', 'SESSION_REVOKED'));
    expect(await socket.closed).toBe(4401);
    await until(() => castellans.apps[0]?.services.live.size === 0);
  });

  test('with a token of another user, of another session, or of none is refused and changes nothing', async () => {
    const bob = await castellans.signUp('bob');
    const [phone, mallory] = [await fresh(bob), await castellans.signUp('mallory')];
    const gone = await fresh(bob);
    await revoke(gone.sessionId);
    const socket = await open(bob);
    socket.subscribe('events', SESSION_EVENTS);
    await untilFollowed(castellans, 0, 1);
    for (const [token, code] of [
      [mallory.accessToken, 'FORBIDDEN'],
      [phone.accessToken, 'FORBIDDEN'],
      [gone.accessToken, 'SESSION_REVOKED'],
      ['garbage', 'UNAUTHENTICATED'],
      ['', 'UNAUTHENTICATED'],
      [bob.refreshToken, 'UNAUTHENTICATED'],
    ] as const) {
      expect([code, refusalIn(await renew(socket, token))]).toEqual([code, [code]]);
    }
    expect(await socket.ask(ME)).toEqual({ data: { me: { id: bob.id } } });
    await revoke(phone.sessionId);
    expect(await socket.event('events')).toMatchObject({ data: { sessionEvents: { sessionId: phone.sessionId } } });
    clock.advance(LIFE_MS);
    expect(await socket.event('events')).toEqual(ended('sessionEvents', 'TOKEN_EXPIRED'));
    expect(await socket.closed).toBe(4403);
  });

  test('on a connection that nobody opened is refused', async () => {
    const bob = await castellans.signUp('bob');
    const socket = await open(null);
    expect(refusalIn(await renew(socket, bob.accessToken))).toEqual(['UNAUTHENTICATED']);
    expect(await socket.ask(ME)).toEqual({ data: { me: null } });
    socket.close();
  });
});

test('a renewal on a socket of many users reaches only the session that asks', async () => {
  const [bob, carol] = [await castellans.signUp('bob'), await castellans.signUp('carol')];
  const as = ({ accessToken }: SignedInUser) => ({ extensions: { headers: { authorization: accessToken } } });
  const socket = await open(bob);
  socket.subscribe('bob', SESSION_EVENTS);
  socket.subscribe('carol', SESSION_EVENTS, as(carol));
  await untilFollowed(castellans, 0, 2);
  clock.advance(LIFE_MS / 2);
  const token = await refreshed(carol);
  expect(await socket.renew(token)).toMatchObject({ errors: [{ extensions: { code: 'FORBIDDEN' } }] });
  expect(await socket.renew(token, as(carol))).toMatchObject({ data: { renewConnection: RENEWED } });
  clock.advance(LIFE_MS / 2);
  expect(await socket.event('bob')).toEqual(ended('sessionEvents', 'TOKEN_EXPIRED'));
  const phone = await fresh(carol);
  await revoke(phone.sessionId);
  expect(await socket.event('carol')).toMatchObject({ data: { sessionEvents: { sessionId: phone.sessionId } } });
  expect(await socket.ask(ME)).toMatchObject([{ extensions: { code: 'TOKEN_EXPIRED' } }]);
  socket.close();
  await until(() => castellans.apps[0]?.services.live.size === 0);
});

test('a ping without a token is answered with what it brought, and one with a token without it', async () => {
  const bob = await castellans.signUp('bob');
  const socket = await open(bob);
  expect(await socket.ping({ a: 1 })).toEqual({ a: 1 });
  for (const accessToken of [bob.accessToken, 'garbage', 5, null, ['x']]) {
    const answer = await socket.ping({ accessToken });
    expect(JSON.stringify(answer)).not.toContain('accessToken');
    expect(JSON.stringify(answer)).not.toContain(bob.accessToken);
  }
  expect(await socket.ask(ME)).toEqual({ data: { me: { id: bob.id } } });
  socket.close();
});

test('over HTTP there is no connection to renew', async () => {
  const bob = await castellans.signUp('bob');
  for (const token of [bob.accessToken, undefined]) {
    const { errors } = await castellans.ask(RENEW, { variables: { token: bob.accessToken }, ...(token && { token }) });
    expect(errors.map(({ extensions }) => extensions)).toEqual([{ code: 'BAD_USER_INPUT', field: 'accessToken' }]);
  }
});

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { WebSocket, type ClientOptions } from 'ws';
import { askOver, codesOf, startCastellans, type Castellans, type SignedInUser } from '../support/castellan.ts';
import { untilFollowed } from '../support/session-events.ts';
import { ofType, openSocket, RawSocket } from '../support/socket.ts';

const INSTANCES = [0, 1, 2];
const SESSION_EVENTS = `subscription ($after: String) {
  sessionEvents(after: $after) {
    __typename
    ... on SessionRevoked { sessionId reason at position }
    ... on Resync { position }
    ... on AccessEnded { code reason position }
  }
}`;
const ME = '{ me { id } }';
const REVOKE =
  'mutation ($id: ID!) { revokeSession(id: $id) { position receipt { enforced instances acknowledged } } }';

let castellans: Castellans;
let alice: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(3);
  alice = await castellans.signUp('alice', ['administrator']);
});

afterAll(() => castellans.close());

const wsUrl = (instance: number): string => `${(castellans.apps[instance]?.url ?? '').replace('http', 'ws')}/graphql`;

const open = (instance = 0, options?: ClientOptions) => openSocket(wsUrl(instance), options);

const revoke = (id: string, token = alice.accessToken, instance = 0) =>
  castellans.ask<{ revokeSession: { position: string; receipt: object } }>(REVOKE, {
    variables: { id },
    token,
    instance,
  });

const byToken = (token: string) => ({ extensions: { headers: { authorization: `Bearer ${token}` } } });

describe('two users on one socket', () => {
  test('the revocation of one ends only what that one runs, and not the socket', async () => {
    const [bob, carol] = [await castellans.signUp('bob'), await castellans.signUp('carol')];
    for (const owner of [null, bob]) {
      const user = owner === null ? bob : { ...bob, ...(await castellans.signIn(bob.email)) };
      const socket = await open(1);
      socket.init(owner === null ? {} : { authorization: `Bearer ${user.accessToken}` });
      await socket.next(ofType('connection_ack'));
      for (const { accessToken } of [user, carol]) await castellans.ask(ME, { token: accessToken, instance: 1 });
      socket.subscribe('bob', SESSION_EVENTS, byToken(user.accessToken));
      socket.subscribe('carol', SESSION_EVENTS, byToken(carol.accessToken));
      await untilFollowed(castellans, 1, 2);

      await revoke(user.sessionId);
      expect(await socket.next((frame) => frame.id === 'bob')).toMatchObject({
        type: 'next',
        payload: { data: { sessionEvents: { __typename: 'AccessEnded', code: 'SESSION_REVOKED' } } },
      });
      expect(await socket.next((frame) => frame.id === 'bob')).toMatchObject({ type: 'complete' });

      socket.subscribe('again', ME, byToken(user.accessToken));
      expect(await socket.next((frame) => frame.id === 'again')).toMatchObject({
        type: 'error',
        payload: [{ extensions: { code: 'SESSION_REVOKED' } }],
      });
      const phone = await castellans.signIn(carol.email);
      await revoke(phone.sessionId);
      expect(await socket.next((frame) => frame.id === 'carol')).toMatchObject({
        payload: { data: { sessionEvents: { __typename: 'SessionStarted' } } },
      });
      expect(await socket.next((frame) => frame.id === 'carol')).toMatchObject({
        payload: { data: { sessionEvents: { __typename: 'SessionRevoked', sessionId: phone.sessionId } } },
      });
      socket.subscribe('me', ME, byToken(carol.accessToken));
      expect(await socket.next((frame) => frame.id === 'me')).toMatchObject({
        payload: { data: { me: { id: carol.id } } },
      });
      socket.close();
      await untilFollowed(castellans, 1, 0);
    }
  });

  test('act for themselves: each operation is its own credential’s, in every form that gateways use', async () => {
    const [bob, carol] = [await castellans.signUp('bob'), await castellans.signUp('carol')];
    const socket = await open(0);
    socket.init({ authorization: `Bearer ${bob.accessToken}` });
    const forms = [
      { headers: { authorization: `Bearer ${carol.accessToken}` } },
      { headers: { Authorization: `Bearer ${carol.accessToken}` } },
      { headers: { authorization: carol.accessToken } },
      { jwt: { token: { value: carol.accessToken } } },
    ];
    await socket.next(ofType('connection_ack'));
    for (const [n, extensions] of forms.entries()) {
      socket.subscribe(`${n}`, ME, { extensions });
      expect(await socket.next((frame) => frame.id === `${n}` && frame.type !== 'complete')).toMatchObject({
        payload: { data: { me: { id: carol.id } } },
      });
    }
    socket.close();
  });

  test('an operation that brings a credential nobody can read is refused, and never run as the owner of the socket', async () => {
    const bob = await castellans.signUp('bob');
    const socket = await open(0);
    socket.init({ authorization: `Bearer ${bob.accessToken}` });
    await socket.next(ofType('connection_ack'));
    const unreadable = [
      { headers: { authorization: 'garbage' } },
      { headers: { authorization: '' } },
      { headers: { authorization: 5 } },
      { headers: { authorization: ['Bearer x'] } },
      { headers: { authorization: 'Bearer x' }, jwt: 'x' },
      { headers: 'x' },
      { jwt: { token: 'x' } },
      { jwt: { token: { value: 5 } } },
      { headers: { 'x-api-key': 'ck_1' } },
    ];
    for (const [n, extensions] of unreadable.entries()) {
      socket.subscribe(`${n}`, ME, { extensions });
      const frame = await socket.next(({ id, type }) => id === `${n}` && type !== 'complete');
      expect({ extensions, type: frame?.type, payload: frame?.payload }).toMatchObject({
        extensions,
        type: 'error',
        payload: [{ extensions: { code: 'UNAUTHENTICATED' } }],
      });
    }
    socket.close();
  });
});

describe('a connection', () => {
  test.each([
    ['authorization', (token: string) => ({ authorization: `Bearer ${token}` })],
    ['Authorization', (token: string) => ({ Authorization: `Bearer ${token}` })],
    ['token', (token: string) => ({ token })],
    ['headers.authorization', (token: string) => ({ headers: { authorization: `Bearer ${token}` } })],
    ['connectionParams.token', (token: string) => ({ connectionParams: { token } })],
  ])('takes the access token from %s', async (_, payload) => {
    const socket = await open(0);
    socket.init(payload(alice.accessToken));
    await socket.next(ofType('connection_ack'));
    socket.subscribe('1', ME);
    expect(await socket.next(ofType('next'))).toMatchObject({ payload: { data: { me: { id: alice.id } } } });
    socket.close();
  });

  test('takes the access token from the header of its upgrade', async () => {
    const socket = await open(0, { headers: { authorization: `Bearer ${alice.accessToken}` } });
    socket.init();
    await socket.next(ofType('connection_ack'));
    socket.subscribe('1', ME);
    expect(await socket.next(ofType('next'))).toMatchObject({ payload: { data: { me: { id: alice.id } } } });
    socket.close();
  });

  test('with a revoked token closes with 4401 on every instance', async () => {
    const bob = await castellans.signUp('bob');
    await revoke(bob.sessionId);
    for (const instance of INSTANCES) {
      const socket = await open(instance);
      socket.init({ authorization: `Bearer ${bob.accessToken}` });
      expect(await socket.closed).toBe(4401);
      expect(socket.frames).toEqual([]);
    }
  });

  test.each([
    ['garbage', { authorization: 'Bearer garbage' }],
    ['nothing in it', { authorization: '' }],
    ['a number', { authorization: 5 }],
    ['a list', { token: ['x'] }],
    ['headers that are none', { headers: 'x' }],
  ])('with %s for a token closes with 4401, and is never anonymous', async (_, payload) => {
    const socket = await open(1);
    socket.init(payload);
    expect(await socket.closed).toBe(4401);
    expect(socket.frames).toEqual([]);
  });

  test('that does not say who it is within three seconds closes with 4408', async () => {
    const socket = await open(0);
    expect(await socket.closed).toBe(4408);
  });

  test('AC-76: from a page of another site is refused, and from none, its own or an allowed one is not', async () => {
    const { host } = new URL(wsUrl(0));
    for (const origin of [
      'https://evil.example',
      'null',
      `http://${host}.evil.example`,
      `http://evil.example/${host}`,
      '',
    ]) {
      await expect(open(0, { headers: { origin } })).rejects.toThrow('refused with 403');
    }
    for (const origin of [`http://${host}`, `https://${host}`]) (await open(0, { headers: { origin } })).close();
  });

  test('elsewhere than at /graphql, or in another protocol, is refused', async () => {
    const elsewhere = new WebSocket(wsUrl(0).replace('/graphql', '/other'), 'graphql-transport-ws');
    const status = await new Promise((resolve) =>
      elsewhere.on('unexpected-response', (_, response) => resolve(response.statusCode)).on('error', () => {}),
    );
    expect(status).toBe(404);
    const legacy = new WebSocket(wsUrl(0), 'graphql-ws').on('error', () => {});
    expect(await new Promise((resolve) => legacy.on('close', resolve))).toBe(1006);
    const none = new WebSocket(wsUrl(0)).on('error', () => {});
    expect(await new Promise((resolve) => none.on('close', resolve))).toBe(4406);
  });
});

describe('a frame', () => {
  async function opened() {
    const socket = await open(0);
    socket.init({ authorization: `Bearer ${alice.accessToken}` });
    await socket.next(ofType('connection_ack'));
    return socket;
  }

  test.each([
    ['is not JSON', 'garbage', 4400],
    ['is empty', '', 4400],
    ['is null', 'null', 4400],
    ['has no type', '{}', 4400],
    ['has a type of no meaning', '{"type":"__proto__"}', 4400],
    ['has no id', '{"type":"subscribe","payload":{"query":"{ me { id } }"}}', 4400],
    ['has an id that is no text', '{"type":"subscribe","id":1,"payload":{"query":"{ me { id } }"}}', 4400],
    ['has no payload', '{"type":"subscribe","id":"1"}', 4400],
    ['has a query that is no text', '{"type":"subscribe","id":"1","payload":{"query":1}}', 4400],
    ['opens a second time', '{"type":"connection_init"}', 4429],
    ['is larger than 64 KiB', JSON.stringify({ type: 'ping', payload: { a: 'x'.repeat(64 * 1_024) } }), 1009],
  ])('closes the socket when it %s', async (_, frame, code) => {
    const socket = await opened();
    socket.send(frame);
    expect(await socket.closed).toBe(code);
    expect((await askOver(castellans.connect({}), ME)).data).toEqual({ me: null });
  });

  test('that asks before the connection is acknowledged closes the socket', async () => {
    const socket = await open(0);
    socket.subscribe('1', ME);
    expect(await socket.closed).toBe(4401);
  });

  test('that reuses the id of a running operation closes the socket, however long the id is', async () => {
    for (const id of ['1', 'x'.repeat(10_000)]) {
      const socket = await opened();
      socket.subscribe(id, SESSION_EVENTS);
      socket.subscribe(id, SESSION_EVENTS);
      expect(await socket.closed).toBe(4409);
    }
  });

  test('AC-86: with a name of JavaScript’s own for an id is answered like any other', async () => {
    const socket = await opened();
    for (const id of ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '']) {
      socket.subscribe(id, ME);
      if (id === '') continue;
      expect(await socket.next((frame) => frame.id === id)).toMatchObject({
        payload: { data: { me: { id: alice.id } } },
      });
      expect(await socket.next((frame) => frame.id === id)).toMatchObject({ type: 'complete' });
    }
    expect(({} as { me?: unknown }).me).toBeUndefined();
    socket.close();
  });

  test('AC-86: with prototypes in its variables and extensions changes nothing', async () => {
    const socket = await opened();
    const query = 'query ($id: ID!) { user(id: $id) { id } }';
    const payload = `{"query":${JSON.stringify(query)},"variables":{"id":"x","__proto__":{"isAdmin":true}},"extensions":{"__proto__":{"isAdmin":true}}}`;
    socket.send(`{"type":"subscribe","id":"1","payload":${payload}}`);
    expect((await socket.next((frame) => frame.id === '1'))?.type).toMatch(/^(next|error)$/);
    expect(({} as { isAdmin?: unknown }).isAdmin).toBeUndefined();
    socket.close();
  });

  test('that starts a 33rd operation is refused, even when all come at once; one that ends makes room', async () => {
    const socket = await opened();
    for (let n = 0; n < 40; n += 1) socket.subscribe(`${n}`, SESSION_EVENTS);
    const refused = new Set<string | undefined>();
    for (let n = 32; n < 40; n += 1) {
      const frame = await socket.next(ofType('error'));
      expect(frame?.payload).toMatchObject([{ extensions: { code: 'RATE_LIMITED', retryAfterSeconds: 1 } }]);
      refused.add(frame?.id);
    }
    expect(refused.size).toBe(8);
    await untilFollowed(castellans, 0, 32);
    socket.subscribe('late', ME);
    expect(await socket.next((frame) => frame.id === 'late')).toMatchObject({
      payload: [{ extensions: { code: 'RATE_LIMITED' } }],
    });
    const ended = Array.from({ length: 40 }, (_, n) => `${n}`).find((id) => !refused.has(id));
    socket.send({ type: 'complete', id: ended });
    await untilFollowed(castellans, 0, 31);
    socket.subscribe('later', ME);
    expect(await socket.next((frame) => frame.id === 'later')).toMatchObject({
      payload: { data: { me: { id: alice.id } } },
    });
    socket.close();
  });
});

describe('AC-07: a revoked client that does not let go', () => {
  test('gets nothing more executed, and its connection is cut off', async () => {
    const ada = await castellans.signUp('ada', ['administrator']);
    const raw = await RawSocket.open(wsUrl(0));
    raw.send({ type: 'connection_init', payload: { authorization: `Bearer ${ada.accessToken}` } });
    await raw.received('connection_ack');
    const query = (n: number) =>
      `mutation { createUser(input: { email: "late.${n}.${ada.id}@example.com", name: "Late" }) { position } }`;
    raw.send({ type: 'subscribe', id: 'before', payload: { query: query(0) } });
    await raw.received('"id":"before","type":"next"');

    const pending = revoke(ada.sessionId);
    let sent = 0;
    const more = () => {
      sent += 1;
      raw.send({ type: 'subscribe', id: `${sent}`, payload: { query: query(sent) } });
    };
    const flood = setInterval(more, 1);
    const { data } = await pending;
    for (let n = 0; n < 20; n += 1) more();
    const executedAtReceipt = await count();
    await raw.dead;
    clearInterval(flood);
    expect(data?.revokeSession.receipt).toMatchObject({ enforced: true, acknowledged: 3 });
    expect(await count()).toEqual(executedAtReceipt);

    async function count(): Promise<unknown> {
      return castellans.rows('select count(*) from users where email like $1', `late.%.${ada.id}@example.com`);
    }
  });
});

describe('queries and mutations over a WebSocket', () => {
  const MISSING = `user_${'0'.repeat(26)}`;
  const CREATE = 'mutation ($input: CreateUserInput!) { createUser(input: $input) { position } }';

  test.each([
    ['UNAUTHENTICATED', 'nobody', CREATE, { input: { email: 'new@example.com', name: 'New' } }],
    ['UNAUTHENTICATED', 'nobody', 'mutation { signOut { position } }', {}],
    ['FORBIDDEN', 'bob', CREATE, { input: { email: 'new@example.com', name: 'New' } }],
    ['NOT_FOUND', 'bob', 'mutation ($id: ID!) { disableUser(id: $id) { position } }', { id: MISSING }],
    ['BAD_USER_INPUT', 'alice', CREATE, { input: { email: 'no address', name: 'New' } }],
    ['BAD_USER_INPUT', 'alice', CREATE, { input: { email: 'new@example.com', name: 'New', isAdmin: true } }],
    ['BAD_USER_INPUT', 'alice', '{ nothing }', {}],
    ['BAD_USER_INPUT', 'alice', `{ me(a: ${'['.repeat(2_400)}${']'.repeat(2_400)}) { id } }`, {}],
    ['BAD_USER_INPUT', 'alice', '{ me { id }', {}],
    ['BAD_USER_INPUT', 'bob', '{ role { id } }', {}],
    ['BAD_USER_INPUT', 'bob', '{ viewerCan(action: "raed", subject: "User") { allowed } }', {}],
    [
      'UNAUTHENTICATED',
      'nobody',
      'mutation { signIn(input: { email: "nobody@example.com", password: "" }) { __typename } }',
      {},
    ],
    ['UNAUTHENTICATED', 'nobody', 'mutation { refreshSession(refreshToken: "x") { position } }', {}],
    ['SESSION_REVOKED', 'carol', ME, {}],
    ['UNAUTHENTICATED', 'garbage', ME, {}],
  ])('are refused as over HTTP: %s for %s', async (code, who, query, variables) => {
    const tokens = new Map<string, string>([
      ['alice', alice.accessToken],
      ['garbage', 'garbage'],
    ]);
    if (who === 'bob') tokens.set('bob', (await castellans.signUp('bob')).accessToken);
    if (who === 'carol') {
      const carol = await castellans.signUp('carol');
      await revoke(carol.sessionId);
      tokens.set('carol', carol.accessToken);
    }
    const token = tokens.get(who);
    const options = { variables, ...(token !== undefined && { token }) };
    const http = await castellans.ask(query, options);
    const socket = await askOver(castellans.connect({ instance: 1 }), query, options);
    expect(codesOf(http)).toEqual([code]);
    expect(socket.errors.map(({ message, extensions }) => ({ message, extensions }))).toEqual(
      http.errors.map(({ message, extensions }) => ({ message, extensions })),
    );
  });

  test('CONFLICT too, and what works works the same', async () => {
    const client = castellans.connect({ token: alice.accessToken, instance: 2 });
    const input = { email: `new.${randomBytes(4).toString('hex')}@example.com`, name: 'New' };
    const created = await askOver(client, CREATE, { variables: { input } });
    expect(created.data).toEqual({ createUser: { position: expect.stringMatching(/^[0-9a-f]{8}-\d+$/) } });
    expect(codesOf(await askOver(client, CREATE, { variables: { input } }))).toEqual(['CONFLICT']);
  });
});

test('a socket whose session ended while its instance had lost the thread of the log closes, and others go on', async () => {
  const [bob, carol] = [await castellans.signUp('bob'), await castellans.signUp('carol')];
  const [gone, stays] = [await open(1), await open(1)];
  for (const [socket, { accessToken }] of [
    [gone, bob],
    [stays, carol],
  ] as const) {
    socket.init({ authorization: `Bearer ${accessToken}` });
    await socket.next(ofType('connection_ack'));
  }
  // As in a history that the instance knows nothing of: no entry of the log tells of it.
  const ended = `update sessions set revoked_at = now(), revoked_reason = 'revoked' where id = $1`;
  await castellans.rows(ended, bob.sessionId);
  await castellans.rows('update authority_head set epoch = gen_random_uuid()');
  await Promise.all(castellans.apps.map(({ services }) => services.tail.poll(true)));
  expect(await gone.closed).toBe(4401);
  stays.subscribe('one', ME);
  expect(await stays.next((frame) => frame.id === 'one')).toMatchObject({
    payload: { data: { me: { id: carol.id } } },
  });
  stays.close();
});

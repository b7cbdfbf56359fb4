import { connect as connectTcp } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { createApp } from '../../src/app.ts';
import { SYSTEM } from '../../src/domain/principals/principal.ts';
import { createLog } from '../../src/kit/log.ts';
import { startCastellans, until, type Castellans, type SignedInUser, MANY_ALIASES } from '../support/castellan.ts';
import { openStream } from '../support/event-stream.ts';
import { untilFollowed } from '../support/session-events.ts';

const ME = '{ me { id } }';
const SESSION_EVENTS = `subscription ($after: String) {
  sessionEvents(after: $after) {
    __typename
    ... on SessionRevoked { sessionId reason }
    ... on AccessEnded { code reason position }
  }
}`;
const REVOKE = 'mutation ($id: ID!) { revokeSession(id: $id) { position receipt { enforced acknowledged } } }';

let castellans: Castellans;
let alice: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(3, { settings: { limits: MANY_ALIASES } });
  alice = await castellans.signUp('alice', ['administrator']);
});

afterEach(() => until(() => castellans.apps.every(({ services }) => services.live.size === 0)));

afterAll(() => castellans.close());

const urlOf = (instance: number): string => castellans.apps[instance]?.url ?? '';

const stream = (query: string, token?: string, instance = 0, headers: Record<string, string> = {}) =>
  openStream(urlOf(instance), query, {
    headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...headers },
  });

const revoke = (id: string) =>
  castellans.ask<{ revokeSession: { position: string; receipt: object } }>(REVOKE, {
    variables: { id },
    token: alice.accessToken,
  });

const COMPLETE = { event: 'complete', data: null };

describe('a subscription over server-sent events', () => {
  test('brings each event as it happens, on every instance, and is stored by nobody', async () => {
    const bob = await castellans.signUp('bob');
    const streams = await Promise.all([0, 1, 2].map((instance) => stream(SESSION_EVENTS, bob.accessToken, instance)));
    for (const instance of [0, 1, 2]) await untilFollowed(castellans, instance, 1);
    const phone = await castellans.signIn(bob.email);
    await revoke(phone.sessionId);
    for (const each of streams) {
      expect({ status: each.status, type: each.headers.get('content-type') }).toEqual({
        status: 200,
        type: 'text/event-stream; charset=utf-8',
      });
      expect(each.headers.get('cache-control')).toBe('private, no-store');
      expect(await each.next()).toEqual({
        event: 'next',
        data: { data: { sessionEvents: { __typename: 'SessionStarted' } } },
      });
      expect(await each.next()).toEqual({
        event: 'next',
        data: {
          data: { sessionEvents: { __typename: 'SessionRevoked', sessionId: phone.sessionId, reason: 'revoked' } },
        },
      });
      each.leave();
    }
  });

  test('AC-06: of one’s own session ends with AccessEnded, complete and the response, all before the receipt', async () => {
    const bob = await castellans.signUp('bob');
    const events = await stream(SESSION_EVENTS, bob.accessToken, 1);
    await untilFollowed(castellans, 1, 1);
    const order: string[] = [];
    const all = events.all().then((each) => {
      order.push('ended');
      return each;
    });
    const { data } = await revoke(bob.sessionId).finally(() => order.push('receipt'));
    const { receipt } = data?.revokeSession ?? {};
    expect(await all).toEqual([
      {
        event: 'next',
        data: {
          data: {
            sessionEvents: {
              __typename: 'AccessEnded',
              code: 'SESSION_REVOKED',
              reason: 'This session has been revoked. Sign in again.',
              position: expect.stringMatching(/^events-[0-9a-f]{8}-\d+$/),
            },
          },
        },
      },
      COMPLETE,
    ]);
    expect(receipt).toEqual({ enforced: true, acknowledged: 3 });
    expect(order).toEqual(['ended', 'receipt']);
  });

  test('AC-09: brings nothing more once its session was revoked between two events, on every instance', async () => {
    const bob = await castellans.signUp('bob');
    const { sessionId } = await castellans.signIn(bob.email);
    const laptop = await castellans.signIn(bob.email);
    const streams = await Promise.all([0, 1, 2].map((instance) => stream(SESSION_EVENTS, bob.accessToken, instance)));
    const told = async (sessionId: string) => {
      await revoke(sessionId);
      return Promise.all(streams.map((each) => each.next()));
    };
    for (const event of await told(sessionId)) expect(JSON.stringify(event)).toContain(sessionId);
    // What happens at the same time, and after, would be an event for this stream as well.
    await Promise.all([revoke(bob.sessionId), castellans.signIn(bob.email)]);
    await revoke(laptop.sessionId);
    for (const each of streams) {
      const rest = await each.all();
      // The sign-in may have been first by a hair, and is told then.
      expect(rest.length).toBeLessThanOrEqual(3);
      expect(rest.slice(-2)).toMatchObject([
        { event: 'next', data: { data: { sessionEvents: { __typename: 'AccessEnded', code: 'SESSION_REVOKED' } } } },
        COMPLETE,
      ]);
      expect(JSON.stringify(rest)).not.toContain(laptop.sessionId);
    }
  });

  test('that is refused tells why and completes', async () => {
    const answers = await Promise.all([
      stream(SESSION_EVENTS),
      stream('subscription { sessionEvents(after: "garbage") { __typename } }', alice.accessToken),
      stream('subscription { nothing }', alice.accessToken),
      stream('subscription {', alice.accessToken),
    ]);
    const codes = [];
    for (const answer of answers) {
      expect(answer.status).toBe(200);
      const [first, ...rest] = await answer.all();
      const { errors } = (first?.data ?? {}) as { errors: readonly { extensions: { code: string } }[] };
      codes.push(errors[0]?.extensions.code);
      expect(rest).toEqual([COMPLETE]);
    }
    expect(codes).toEqual(['UNAUTHENTICATED', 'BAD_USER_INPUT', 'BAD_USER_INPUT', 'BAD_USER_INPUT']);
  });

  test('is released when its client goes away', async () => {
    const bob = await castellans.signUp('bob');
    const streams = await Promise.all(Array.from({ length: 5 }, () => stream(SESSION_EVENTS, bob.accessToken, 2)));
    const { live } = castellans.apps[2]?.services ?? {};
    expect(live?.size).toBe(5);
    for (const each of streams) each.leave();
    await until(() => live?.size === 0);
    expect(await castellans.apps[2]?.metrics.render()).toMatch(/^castellan_event_streams 0$/m);
  });

  test('of a client that does not read is cut off before it fills our memory', async () => {
    const bob = await castellans.signUp('bob');
    // One event of some megabytes: all the rules, a thousand times.
    const rules = Array.from({ length: 1_000 }, (_, n) => `r${n}: rules`).join(' ');
    const query = `subscription { permissionsChanged { ... on PermissionsChanged { ${rules} } } }`;
    const body = JSON.stringify({ query });
    const { hostname, port } = new URL(urlOf(0));
    const socket = connectTcp({ host: hostname, port: Number(port) }).on('error', () => {});
    socket.pause();
    socket.write(
      [
        'POST /graphql HTTP/1.1',
        `Host: ${hostname}:${port}`,
        'Accept: text/event-stream',
        'Content-Type: application/json',
        `Content-Length: ${Buffer.byteLength(body)}`,
        `Authorization: Bearer ${bob.accessToken}`,
        '',
        body,
      ].join('\r\n'),
    );
    const { live, roles, grants } = castellans.apps[0]?.services ?? {};
    const isOpen = (): boolean => live?.size === 1;
    await until(isOpen);
    const support = await roles?.findByName(SYSTEM, 'support');
    for (let n = 0; n < 60 && isOpen(); n += 1) {
      const granted = await grants?.grant(SYSTEM, { principalId: bob.id, roleId: support?.id ?? '' });
      await grants?.revoke(SYSTEM, granted?.value.id ?? '');
    }
    expect(live?.size).toBe(0);
    socket.destroy();
  });

  test('ends without a complete when its instance closes, so that its client asks another one', async () => {
    const closing = await createApp(castellans.config, { poolMax: 5, logger: createLog('silent') });
    const events = await openStream(closing.url, SESSION_EVENTS, {
      headers: { authorization: `Bearer ${alice.accessToken}` },
    });
    const all = events.all();
    await closing.close();
    expect(await all).toEqual([]);
    expect(closing.services.live.size).toBe(0);
  });
});

test('AC-76: a page of another site gets no events, whoever’s token it has, and its own host’s pages do', async () => {
  const { host } = new URL(urlOf(0));
  for (const origin of ['https://evil.example', 'null', `http://${host}.evil.example`, `HTTP://${host}`]) {
    const answer = await stream(SESSION_EVENTS, alice.accessToken, 0, { origin });
    expect({ origin, status: answer.status, body: await answer.json() }).toMatchObject({
      origin,
      status: 403,
      body: { errors: [{ extensions: { code: 'FORBIDDEN', reason: 'origin' } }] },
    });
  }
  expect((await stream(ME, alice.accessToken, 0, { origin: `http://${host}` })).status).toBe(200);
});

describe('over GET, as gateways and EventSource ask', () => {
  const get = (query: string, more = '', headers: Record<string, string> = {}) =>
    fetch(`${urlOf(1)}/graphql?query=${encodeURIComponent(query)}${more}`, {
      headers: { accept: 'text/event-stream', authorization: `Bearer ${alice.accessToken}`, ...headers },
    });

  test('queries and subscriptions are answered as over POST', async () => {
    const variables = encodeURIComponent(JSON.stringify({ id: alice.id }));
    const query = 'query A { me { id } } query B($id: ID!) { user(id: $id) { id } }';
    const answer = await get(query, `&operationName=B&variables=${variables}`);
    expect(await answer.text()).toBe(
      `event: next\ndata: ${JSON.stringify({ data: { user: { id: alice.id } } })}\n\nevent: complete\ndata:\n\n`,
    );
    const bob = await castellans.signUp('bob');
    const subscribed = await get(SESSION_EVENTS, '', { authorization: `Bearer ${bob.accessToken}` });
    await revoke(bob.sessionId);
    expect(await subscribed.text()).toMatch(/"AccessEnded".*\n\nevent: complete\ndata:\n\n$/);
  });

  test.each([
    ['mutation { signOut { position } }', ''],
    [ME, '&variables=x'],
    [ME, '&variables=[1]'],
    [ME, '&variables={}&variables={}'],
    [ME, '&query={me{id}}'],
    [ME, '&operationName=A&operationName=B'],
  ])('what changes something or is no request is refused: %s%s', async (query, more) => {
    const answer = await get(query, more);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ errors: [{ extensions: { code: 'BAD_USER_INPUT' } }] });
    expect((await castellans.ask(ME, { token: alice.accessToken })).data).toEqual({ me: { id: alice.id } });
  });
});

describe('a query or mutation over server-sent events', () => {
  test('is answered with one next and complete', async () => {
    expect(await (await stream(ME, alice.accessToken, 1)).all()).toEqual([
      { event: 'next', data: { data: { me: { id: alice.id } } } },
      COMPLETE,
    ]);
    const bob = await castellans.signUp('bob');
    const out = await (await stream('mutation { signOut { session { id } } }', bob.accessToken)).all();
    expect(out).toEqual([{ event: 'next', data: { data: { signOut: { session: { id: bob.sessionId } } } } }, COMPLETE]);
  });

  test('is answered with JSON when its client takes that as well', async () => {
    const headers = { accept: 'text/event-stream, application/json' };
    const answer = await stream(ME, alice.accessToken, 0, headers);
    expect(await answer.json()).toEqual({ data: { me: { id: alice.id } } });
    const events = await stream(SESSION_EVENTS, alice.accessToken, 0, headers);
    expect(events.headers.get('content-type')).toContain('text/event-stream');
    events.leave();
  });

  test('cannot renew a connection: there is none', async () => {
    const query = `mutation { renewConnection(accessToken: "${alice.accessToken}") { expiresAt expiresIn position } }`;
    const [first] = await (await stream(query, alice.accessToken)).all();
    expect(first?.data).toMatchObject({ errors: [{ extensions: { code: 'BAD_USER_INPUT', field: 'accessToken' } }] });
  });

  test.each([
    ['[]', 400],
    ['null', 400],
    ['{"query":1}', 400],
    ['{"query":"{ me { id } }","variables":[1]}', 400],
    ['{"query":"{ me { id } }","operationName":1}', 400],
    ['garbage', 400],
  ])('that is no request is refused as a whole: %s', async (body, status) => {
    const headers = { 'content-type': 'application/json', accept: 'text/event-stream' };
    const response = await fetch(`${urlOf(0)}/graphql`, { method: 'POST', headers, body });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'BAD_USER_INPUT' } }] });
  });
});

import { connect as connectTcp, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { WebSocket } from 'ws';
import { LIMITS, type Limits } from '../../src/kit/limits.ts';
import { startCastellans, until, type Castellans, type SignedInUser } from '../support/castellan.ts';
import { openStream } from '../support/event-stream.ts';
import { ofType, openSocket } from '../support/socket.ts';

/** What somebody does to a connection who wants it to cost us, or to show what it should not. */

const PROTECTION = {
  'content-security-policy': "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'x-content-type-options': 'nosniff',
};
const ME = '{ me { id } }';
const SESSION_EVENTS = 'subscription { sessionEvents { __typename } }';
/** Short, since tests wait for what runs out. */
const SHORT: Limits = {
  ...LIMITS,
  documents: { ...LIMITS.documents, aliases: 1_000 },
  headersMs: 400,
  requestMs: 600,
  sockets: { ...LIMITS.sockets, perUser: 3, perAddress: 12, frames: 100, framesMs: 60_000, unreadBytes: 64 * 1_024 },
};

let castellans: Castellans;
let bob: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(1, { settings: { limits: SHORT } });
  bob = await castellans.signUp('bob', ['administrator']);
});

afterAll(() => castellans.close());

const url = (): string => castellans.apps[0]?.url ?? '';
const wsUrl = (): string => `${url().replace('http', 'ws')}/graphql`;
const noneOpen = () =>
  until(async () => /^castellan_sockets 0$/m.test((await castellans.apps[0]?.metrics.render()) ?? ''));

async function opened(token?: string) {
  const socket = await openSocket(wsUrl());
  socket.init(token === undefined ? {} : { authorization: `Bearer ${token}` });
  await socket.next(ofType('connection_ack'));
  return socket;
}

/** Bytes as they are, and what came back until the end. */
async function raw(...parts: readonly (string | Buffer)[]): Promise<{ socket: Socket; text: Promise<string> }> {
  const { hostname, port } = new URL(url());
  const socket = connectTcp({ host: hostname, port: Number(port) });
  socket.on('error', () => {});
  let text = '';
  socket.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')));
  const ended = new Promise<string>((resolve) => socket.once('close', () => resolve(text)));
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  for (const part of parts) socket.write(part);
  return { socket, text: ended };
}

const post = (body: string | Buffer<ArrayBuffer>, headers: Record<string, string>) =>
  fetch(`${url()}/graphql`, { method: 'POST', headers, body });

describe('AC-64: a body', () => {
  const body = JSON.stringify({ query: ME });

  test.each([
    ['utf-16', 415],
    ['utf-16le', 415],
    ['utf-32', 415],
    ['utf-7', 415],
    ['iso-2022-jp', 415],
    ['latin1', 415],
    ['', 415],
    ['utf-8; charset=utf-16', 415],
    ['"utf-16"', 415],
    ['UTF-8', 200],
    ['"utf-8"', 200],
  ])('in the charset %j is answered with %d', async (charset, status) => {
    const response = await post(body, { 'content-type': `application/json; charset=${charset}` });
    expect(response.status).toBe(status);
  });

  test.each(['gzip', 'deflate', 'br', 'zstd', 'gzip, gzip', 'x-gzip', 'garbage'])(
    'that is compressed with %s is not opened, whatever it would become',
    async (encoding) => {
      const bomb = Buffer.from(gzipSync(Buffer.alloc(20 * 2 ** 20, ' ')));
      const response = await post(bomb, { 'content-type': 'application/json', 'content-encoding': encoding });
      expect(response.status).toBe(415);
      expect(JSON.stringify(await response.json())).toContain('BAD_USER_INPUT');
    },
  );

  test('that trickles in is given up', async () => {
    const { socket, text } = await raw(
      'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n',
    );
    const drip = setInterval(() => socket.write(' '), 50);
    expect(await text).toMatch(/^HTTP\/1.1 408 /);
    clearInterval(drip);
  });

  test('of chunks without end is cut off at 256 KB', async () => {
    const { text } = await raw(
      'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
      ...Array.from({ length: 20 }, () => `8000\r\n${'x'.repeat(0x8000)}\r\n`),
    );
    expect(await text).toMatch(/^HTTP\/1.1 413 /);
  });

  test('that has a length and chunks is none', async () => {
    const { text } = await raw(
      'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    );
    expect(await text).toMatch(/^HTTP\/1.1 400 /);
  });
});

test('TRACE is answered as what is not here: nobody is shown what came in their name', async () => {
  for (const path of ['/graphql', '/health/live', '/']) {
    const { text } = await raw(`TRACE ${path} HTTP/1.1\r\nHost: x\r\nX-Secret: hunter2\r\nConnection: close\r\n\r\n`);
    expect(await text).toMatch(/^HTTP\/1.1 404 /);
    expect(await text).not.toContain('hunter2');
  }
});

describe('AC-64: headers', () => {
  test('that trickle in are given up', async () => {
    const { socket, text } = await raw('POST /graphql HTTP/1.1\r\nHost: x\r\n');
    const drip = setInterval(() => socket.write('X-A: b\r\n'), 50);
    expect(await text).toMatch(/^HTTP\/1.1 408 /);
    clearInterval(drip);
  });

  test('of more than 16 KB are refused', async () => {
    const { text } = await raw(`GET /graphql HTTP/1.1\r\nHost: x\r\nX-A: ${'a'.repeat(20_000)}\r\n\r\n`);
    expect(await text).toMatch(/^HTTP\/1.1 431 /);
  });
});

test('AC-72: keys in their tens of thousands, equal or colliding, are answered as any others', async () => {
  const bodies = [
    `{"query":${JSON.stringify(ME)},"variables":{${Array.from({ length: 15_000 }, (_, n) => `"k${n}":1`).join(',')}}}`,
    `{"query":${JSON.stringify(ME)},"variables":{${'"a":1,'.repeat(30_000)}"a":1}}`,
    `{"query":${JSON.stringify(ME)},"variables":{${Array.from({ length: 12_000 }, (_, n) => `"${n * 65_536}":1`).join(',')}}}`,
    `{"query":${JSON.stringify(ME)},"variables":{"n":1${'0'.repeat(200_000)}}}`,
    `{"query":${JSON.stringify(ME)},"variables":{"s":"${'\\u0000'.repeat(40_000)}"}}`,
  ];
  for (const body of bodies) {
    const response = await post(body, { 'content-type': 'application/json' });
    expect({ status: response.status, body: await response.json() }).toEqual({
      status: 200,
      body: { data: { me: null } },
    });
  }
});

describe('AC-74: a request that a page of another site can send without asking', () => {
  const search = `/graphql?query=${encodeURIComponent(ME)}`;

  test.each([
    ['POST', '/graphql', 'text/plain'],
    ['POST', '/graphql', 'text/plain; charset=utf-8'],
    ['POST', '/graphql', 'application/x-www-form-urlencoded'],
    ['POST', '/graphql', 'multipart/form-data; boundary=x'],
    ['POST', '/graphql', undefined],
    ['GET', search, undefined],
    ['GET', search, 'text/plain'],
    ['GET', search, 'multipart/form-data'],
    ['GET', search, 'application/x-www-form-urlencoded'],
    ['GET', search, 'text/plain; application/json'],
    ['GET', search, 'message/http'],
    ['HEAD', search, undefined],
  ])('is refused: %s %s with the type %s', async (method, path, type) => {
    const body = method === 'POST' ? { body: new TextEncoder().encode(JSON.stringify({ query: ME })) } : {};
    const headers = type === undefined ? {} : { 'content-type': type };
    const response = await fetch(url() + path, { method, headers, ...body });
    // A browser asks first whether it may send a type that is none of the three of forms.
    if (type === 'message/http') expect(response.status).toBeLessThan(500);
    else expect(Math.floor(response.status / 100)).toBe(4);
  });
});

describe('AC-68: a WebSocket', () => {
  test('is one of as many as its user may have; one that closes makes room', async () => {
    const sockets = [await opened(bob.accessToken), await opened(bob.accessToken), await opened(bob.accessToken)];
    const late = await openSocket(wsUrl());
    late.init({ authorization: `Bearer ${bob.accessToken}` });
    expect(await late.closed).toBe(4429);
    sockets[0]?.close();
    await until(async () => /^castellan_sockets 2$/m.test((await castellans.apps[0]?.metrics.render()) ?? ''));
    (await opened(bob.accessToken)).close();
    for (const socket of sockets) socket.close();
    await noneOpen();
  });

  test('is one of as many as its network may have; the next is refused before it is one', async () => {
    const sockets = [];
    for (let n = 0; n < 12; n += 1) sockets.push(await openSocket(wsUrl()));
    await expect(openSocket(wsUrl())).rejects.toThrow('refused with 429');
    for (const socket of sockets) socket.close();
    await noneOpen();
    (await openSocket(wsUrl())).close();
  });

  test.each([
    ['messages', (socket: WebSocket) => socket.send('{"type":"ping"}'), [4429]],
    // ws itself cuts off who leaves no time to answer them.
    ['pings', (socket: WebSocket) => socket.ping(), [4429, 1006]],
    ['pongs', (socket: WebSocket) => socket.pong(), [4429]],
  ])('that is flooded with %s is closed', async (_, flood, codes) => {
    const socket = new WebSocket(wsUrl(), 'graphql-transport-ws').on('error', () => {});
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await new Promise((resolve) => socket.once('open', resolve));
    socket.send('{"type":"connection_init"}');
    for (let n = 0; n < 200; n += 1) flood(socket);
    expect(codes).toContain(await closed);
  });

  test('of a message in a thousand parts, or of 64 KB in parts, is closed', async () => {
    const many = new WebSocket(wsUrl(), 'graphql-transport-ws').on('error', () => {});
    const large = new WebSocket(wsUrl(), 'graphql-transport-ws').on('error', () => {});
    const closed = [many, large].map((socket) => new Promise((resolve) => socket.once('close', resolve)));
    await Promise.all([many, large].map((socket) => new Promise((resolve) => socket.once('open', resolve))));
    for (let n = 0; n < 2_000; n += 1) many.send('x', { fin: false });
    for (let n = 0; n < 10; n += 1) large.send('x'.repeat(10_000), { fin: false });
    expect(await Promise.all(closed)).toEqual([1008, 1009]);
  });

  test('of a client that does not read is dropped, and nothing waits for it any more', async () => {
    const socket = await opened(bob.accessToken);
    socket.pause();
    // Answers of some megabytes, of which the network takes a few before nobody takes any more.
    const query = `{ viewerAbility { ${Array.from({ length: 1_000 }, (_, n) => `r${n}: rules`).join(' ')} } }`;
    for (let n = 0; n < 20; n += 1) socket.subscribe(`${n}`, query);
    await noneOpen();
    socket.close();
  });

  test('AC-69: with the names of JavaScript’s own for ids has its own operations, and closes with 4409 when it reuses one', async () => {
    for (const id of ['__proto__', 'constructor', 'toString']) {
      const [socket, other] = [await opened(bob.accessToken), await opened(bob.accessToken)];
      socket.subscribe(id, SESSION_EVENTS);
      await socket.settled();
      // Taken here says nothing there.
      other.subscribe(id, ME);
      expect(await other.next((frame) => frame.id === id)).toMatchObject({ payload: { data: { me: { id: bob.id } } } });
      socket.subscribe(id, SESSION_EVENTS);
      expect(await socket.closed).toBe(4409);
      other.close();
      await noneOpen();
    }
  });
});

test('AC-68: event streams count with the sockets of their user, and end with their client', async () => {
  const headers = { authorization: `Bearer ${bob.accessToken}` };
  const streams = [];
  for (let n = 0; n < 3; n += 1) streams.push(await openStream(url(), SESSION_EVENTS, { headers }));
  const late = await openStream(url(), SESSION_EVENTS, { headers });
  expect({ status: late.status, retryAfter: late.headers.get('retry-after'), body: await late.json() }).toMatchObject({
    status: 429,
    retryAfter: '5',
    body: { errors: [{ extensions: { code: 'RATE_LIMITED' } }] },
  });
  for (const each of streams) each.leave();
  await until(() => castellans.apps[0]?.services.live.size === 0);
  const again = await openStream(url(), SESSION_EVENTS, { headers });
  expect(again.status).toBe(200);
  again.leave();
});

test('AC-68: a client that leaves before it is known who it is leaves nothing behind that counts as open', async () => {
  const dave = await castellans.signUp('dave');
  await castellans.rows(
    `insert into authority_log (target, kind, reason) values ($1, 'changed', 'test')`,
    dave.sessionId,
  );
  await until(() => castellans.apps[0]?.services.sessionStates.warm(dave.sessionId) === null);
  const holder = new Client({ connectionString: castellans.databaseUrl });
  await holder.connect();
  await holder.query('begin; lock table sessions in access exclusive mode');
  const body = JSON.stringify({ query: SESSION_EVENTS });
  const headers = { authorization: `Bearer ${dave.accessToken}`, accept: 'text/event-stream' };
  const request = [
    'POST /graphql HTTP/1.1',
    'Host: x',
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
  ];
  for (const [name, value] of Object.entries(headers)) request.push(`${name}: ${value}`);
  const leaving = [];
  for (let n = 0; n < SHORT.sockets.perUser; n += 1) leaving.push(await raw(`${request.join('\r\n')}\r\n\r\n${body}`));
  await until(async () => {
    const [row] = await castellans.rows<{ waits: boolean }>(
      `select exists (select from pg_locks where not granted and relation = 'sessions'::regclass) as waits`,
    );
    return row?.waits === true;
  });
  for (const { socket } of leaving) socket.destroy();
  await Promise.all(leaving.map(({ text }) => text));
  // Whoever answers has heard of what came before.
  for (let n = 0; n < 3; n += 1) await (await fetch(`${url()}/health/live`)).text();
  await holder.query('commit');
  await holder.end();

  expect((await castellans.ask(ME, { token: dave.accessToken })).data).toEqual({ me: { id: dave.id } });
  await until(() => castellans.apps[0]?.services.live.size === 0);
  const stream = await openStream(url(), SESSION_EVENTS, { headers });
  expect(stream.status).toBe(200);
  stream.leave();
});

test('AC-78: no answer may be stored by anybody but those that say for how long', async () => {
  const token = { authorization: `Bearer ${bob.accessToken}` };
  const json = { 'content-type': 'application/json' };
  const privately: readonly (readonly [string, RequestInit])[] = [
    ['/graphql', { method: 'POST', headers: { ...json, ...token }, body: JSON.stringify({ query: ME }) }],
    ['/graphql', { method: 'POST', headers: json, body: '{' }],
    [
      '/graphql',
      { method: 'POST', headers: { ...json, accept: 'text/event-stream' }, body: JSON.stringify({ query: ME }) },
    ],
    ['/graphql', { method: 'POST', headers: { 'content-type': 'application/json; charset=utf-16' }, body: '{}' }],
    ['/oauth/revoke', { method: 'POST', headers: json, body: '{}' }],
    ['/nothing', {}],
    ['/metrics', {}],
    ['/health/ready', {}],
    ['/sdl', {}],
  ];
  for (const [path, init] of privately) {
    const response = await fetch(url() + path, init);
    await response.text();
    const { headers } = response;
    expect({ path, control: headers.get('cache-control') }).toEqual({ path, control: 'private, no-store' });
    expect({ path, ...protection(headers) }).toEqual({ path, ...PROTECTION });
  }
  for (const path of ['/.well-known/jwks.json', '/.well-known/oauth-authorization-server']) {
    const response = await fetch(url() + path);
    expect(response.headers.get('cache-control')).toMatch(/^public, max-age=\d+$/);
    expect({ path, ...protection(response.headers) }).toEqual({ path, ...PROTECTION });
  }
});

function protection(headers: Headers): object {
  return Object.fromEntries(Object.keys(PROTECTION).map((name) => [name, headers.get(name)]));
}

import { once } from 'node:events';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { TrustedProxies } from '../../src/api/http/request-origin.ts';
import { TlsOnly } from '../../src/api/http/tls-only.ts';
import { SYSTEM } from '../../src/domain/principals/principal.ts';
import { Secret } from '../../src/kit/secret.ts';
import { instanceOf, PASSWORD, SIGN_IN, startCastellans, type Castellans } from '../support/castellan.ts';
import { addGateway } from '../support/gateway-key.ts';
import { ofType, openSocket } from '../support/socket.ts';

/** Castellan as in production, behind a proxy that ends TLS. Everybody is on this machine, with an address each of their own. */

const PROXY = '127.0.0.2';
const NEIGHBOUR = '127.0.0.1';
const MALLORY = '127.0.0.3';
const METRICS_TOKEN = 'a token for whoever collects';
const OVER_TLS = { 'x-forwarded-proto': 'https' };
const JSON_BODY = { 'content-type': 'application/json' };
const ME = '{ me { id } }';

let castellans: Castellans;
let alice: { readonly id: string; readonly authorization: string };

beforeAll(async () => {
  const settings = { tlsOnly: true, trustedProxies: [PROXY], metricsToken: new Secret(METRICS_TOKEN) };
  castellans = await startCastellans(1, { settings });
  const who = { email: 'alice@example.com', name: 'alice', password: PASSWORD, roles: ['administrator'] };
  const { value: user } = await instanceOf(castellans, 0).services.users.create(SYSTEM, who);
  const variables = { input: { email: who.email, password: PASSWORD } };
  const { body } = await from(PROXY, '/graphql', { headers: OVER_TLS, query: SIGN_IN, variables });
  const { signIn } = (body as { data: { signIn: { accessToken: string } } }).data;
  alice = { id: user.id, authorization: `Bearer ${signIn.accessToken}` };
});

afterAll(() => castellans.close());

const url = (): string => instanceOf(castellans, 0).url;
const wsUrl = (): string => `${url().replace('http', 'ws')}/graphql`;

/** Asks from this address: a query by POST, anything else as it is said. */
async function from(
  localAddress: string,
  path: string,
  asked: { headers?: Record<string, string>; method?: string; query?: string; variables?: object } = {},
): Promise<{ readonly status: number; readonly headers: IncomingMessage['headers']; readonly body: unknown }> {
  const { headers = {}, query, variables, method = query === undefined ? 'GET' : 'POST' } = asked;
  const request = requestHttp(`${url()}${path}`, { localAddress, method, headers: { ...JSON_BODY, ...headers } });
  // It should have been refused.
  request.once('upgrade', (_response, socket) => request.emit('error', new Error('upgraded')) && socket.destroy());
  request.end(query === undefined ? undefined : JSON.stringify({ query, variables }));
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response) text += String(chunk);
  const { statusCode = 0 } = response;
  return { status: statusCode, headers: response.headers, body: text.startsWith('{') ? JSON.parse(text) : text };
}

/** What came back instead of a WebSocket. */
async function refusedUpgrade(localAddress: string, headers: Record<string, string>): Promise<string> {
  const upgrade = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'sec-websocket-protocol': 'graphql-transport-ws',
  };
  const { status, body } = await from(localAddress, '/graphql', { headers: { ...upgrade, ...headers } });
  return `${status} ${JSON.stringify(body)}`;
}

const REFUSED = {
  status: 403,
  headers: { connection: 'close', 'cache-control': 'private, no-store' },
  body: {
    errors: [
      {
        message: expect.stringMatching(/^This service is reached over TLS only: .+ https:\/\/ or wss:\/\/\./),
        extensions: { code: 'FORBIDDEN', reason: 'tls' },
      },
    ],
  },
};

describe('who comes in the clear is refused', () => {
  test.each([
    ['from elsewhere', MALLORY, {}],
    ['from elsewhere, saying that it was over TLS', MALLORY, OVER_TLS],
    ['from elsewhere, saying so for a proxy', MALLORY, { ...OVER_TLS, 'x-forwarded-for': PROXY }],
    ['from the same machine', NEIGHBOUR, OVER_TLS],
    ['by a trusted proxy that does not say', PROXY, {}],
    ['by a trusted proxy that says it was in the clear', PROXY, { 'x-forwarded-proto': 'http' }],
    ['by a trusted proxy that another asked in the clear', PROXY, { 'x-forwarded-proto': 'https, http' }],
    ['by a trusted proxy that was asked in the clear by another', PROXY, { 'x-forwarded-proto': 'http,https' }],
    ['by a trusted proxy that says nonsense', PROXY, { 'x-forwarded-proto': 'https:' }],
  ])('%s', async (_, address, headers) => {
    const before = await castellans.recorded();
    const query = 'mutation { signOut { position } }';
    const answer = await from(address, '/graphql', { query, headers: { ...alice, ...headers } });
    expect(answer).toMatchObject(REFUSED);
    expect(answer.headers).not.toHaveProperty('strict-transport-security');
    const upgraded = await refusedUpgrade(address, { ...headers, authorization: alice.authorization });
    expect(upgraded).toMatch(/^403 .*"reason":"tls"/);
    expect(await castellans.recorded()).toEqual(before);
  });

  test.each([
    ['GET', `/graphql?query=${encodeURIComponent(ME)}`, {}],
    ['POST', '/graphql', { accept: 'text/event-stream' }],
    ['OPTIONS', '/graphql', { origin: 'https://app.example.com', 'access-control-request-method': 'POST' }],
    ['GET', '/.well-known/jwks.json', {}],
    ['GET', '/.well-known/oauth-authorization-server', {}],
    ['POST', '/oauth/revoke', {}],
    ['GET', '/metrics', { authorization: `Bearer ${METRICS_TOKEN}` }],
    ['GET', '/sdl', {}],
    ['GET', '/nothing', {}],
    ['GET', '/health/metrics', {}],
    ['GET', '/health/ready?x=1', {}],
  ])('whatever it asks for: %s %s', async (method, path, headers) => {
    expect(await from(MALLORY, path, { method, headers })).toMatchObject(REFUSED);
    expect((await from(NEIGHBOUR, path, { method, headers })).status).toBe(403);
  });

  test('a trusted gateway among them', async () => {
    const { secret } = await addGateway(castellans);
    const asked = { query: ME, headers: { 'x-castellan-gateway': secret, authorization: alice.authorization } };
    expect(await from(MALLORY, '/graphql', asked)).toMatchObject(REFUSED);
    expect(await refusedUpgrade(MALLORY, asked.headers)).toMatch(/^403 .*"reason":"tls"/);
    const headers = { ...asked.headers, ...OVER_TLS };
    expect((await from(PROXY, '/graphql', { ...asked, headers })).body).toEqual({ data: { me: { id: alice.id } } });
  });

  test('before its body has come, and its connection is not used again', async () => {
    const headers = { ...JSON_BODY, 'content-length': '200000' };
    const request = requestHttp(`${url()}/graphql`, { localAddress: MALLORY, method: 'POST', headers });
    request.on('error', () => {});
    request.flushHeaders();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    expect(response.statusCode).toBe(403);
    await once(response.resume(), 'close');
    await once(request, 'close');
  });

  test('and counted', async () => {
    const count = async () =>
      Number(
        /^castellan_in_the_clear_refused_total (\d+)$/m.exec(await instanceOf(castellans, 0).metrics.render())?.[1],
      );
    const before = await count();
    await from(MALLORY, '/graphql', { query: ME });
    await refusedUpgrade(MALLORY, {});
    await from(MALLORY, '/health/live');
    expect(await count()).toBe(before + 2);
  });
});

describe('who comes over TLS is answered', () => {
  test.each(['https', 'wss', 'HTTPS', 'https, https', ' https ,wss'])(
    'by a trusted proxy that says %j, over HTTP, a stream of events and a WebSocket',
    async (said) => {
      const headers = { 'x-forwarded-proto': said, authorization: alice.authorization };
      const { status, body } = await from(PROXY, '/graphql', { query: ME, headers });
      expect([status, body]).toEqual([200, { data: { me: { id: alice.id } } }]);
      const stream = { ...headers, accept: 'text/event-stream' };
      expect((await from(PROXY, '/graphql', { query: ME, headers: stream })).body).toContain(alice.id);
      const socket = await openSocket(wsUrl(), { localAddress: PROXY, headers });
      socket.init();
      await socket.next(ofType('connection_ack'));
      socket.subscribe('1', ME);
      expect((await socket.next(ofType('next')))?.payload).toEqual({ data: { me: { id: alice.id } } });
      socket.close();
    },
  );

  test('but not for a page of this very host that came in the clear, and so from anybody', async () => {
    const { host } = new URL(url());
    const page = (scheme: string) => ({ ...OVER_TLS, origin: `${scheme}://${host}` });
    expect(await refusedUpgrade(PROXY, page('http'))).toMatch(/^403 /);
    const socket = await openSocket(wsUrl(), { localAddress: PROXY, headers: page('https') });
    socket.close();
  });

  test('for metrics as well', async () => {
    const headers = { ...OVER_TLS, authorization: `Bearer ${METRICS_TOKEN}` };
    expect((await from(PROXY, '/metrics', { headers })).status).toBe(200);
  });
});

test('health is told to everybody: load balancers ask in the clear', async () => {
  for (const address of [NEIGHBOUR, MALLORY, PROXY]) {
    for (const path of ['/health/live', '/health/ready']) {
      for (const method of ['GET', 'HEAD']) expect((await from(address, path, { method })).status).toBe(200);
    }
  }
});

test('an address is looked up once for a connection, and one of version 4 is the same on a socket of version 6', () => {
  let asked = 0;
  const listed = new TrustedProxies(['10.0.0.0/8']);
  const proxies = { isPeer: (peer: string | undefined) => ((asked += 1), listed.isPeer(peer)) };
  const tlsOnly = new TlsOnly({ proxies, ended: false });
  const headers = OVER_TLS;
  const socket = { remoteAddress: '::ffff:10.1.2.3' };
  for (let n = 0; n < 3; n += 1) expect(tlsOnly.refuses({ socket, headers, url: '/graphql' })).toBe(false);
  expect(asked).toBe(1);
  expect(tlsOnly.refuses({ socket: { remoteAddress: '11.1.2.3' }, headers, url: '/graphql' })).toBe(true);
  // It is gone already.
  expect(tlsOnly.refuses({ socket: { remoteAddress: undefined }, headers, url: '/graphql' })).toBe(true);
});

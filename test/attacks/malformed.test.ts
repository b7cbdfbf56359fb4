import { Agent, request as httpRequest } from 'node:http';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { ConfigError, readConfig } from '../../src/config.ts';
import { parseCursor } from '../../src/domain/pages.ts';
import { Refusal } from '../../src/domain/refusals.ts';
import { LIMITS } from '../../src/kit/limits.ts';
import { startCastellans, type Castellans, type SignedInUser } from '../support/castellan.ts';
import { mangled, pick, randomFrom, value, type Random } from '../support/malformed.ts';
import { ofType, openSocket } from '../support/socket.ts';

/** Whatever comes, it is answered as the mistake it is: nothing of ours fails, and nothing is kept of it. */

const CASES = Number(process.env['MALFORMED_CASES'] ?? 20_000);
const SEED = Number(process.env['MALFORMED_SEED'] ?? 1);
const HTTP_CASES = Math.round(CASES * 0.2);
const OPERATION_CASES = Math.round(CASES * 0.28);
const FRAME_CASES = Math.round(CASES * 0.02);
const CONFIGURATION_CASES = Math.round(CASES * 0.1);
const CURSOR_CASES = CASES - HTTP_CASES - OPERATION_CASES - FRAME_CASES - CONFIGURATION_CASES;
const AT_ONCE = 8;
const HEADER = /^[\t\x20-\x7e\x80-\xff]*$/;
/** What a socket that was sent nonsense may be closed with. */
const CLOSES = new Set([1002, 1003, 1006, 1007, 1008, 1009, 4400, 4401, 4403, 4408, 4409, 4429]);

const DOCUMENTS = [
  '{ me { id email name roles { name inherits { name } } } }',
  'query ($id: ID!, $n: Int = 5) { user(id: $id) { ...F } users(first: $n) { edges { cursor node { ...F } } } } fragment F on User { id email }',
  'query ($after: String) { users(first: 2, after: $after, orderBy: { field: email, direction: ascending }) { edges { cursor } } }',
  'query ($them: [_Any!]!) { _entities(representations: $them) { __typename ... on User { id } ... on Role { id name } } }',
  'query ($checks: [CheckInput!]!) { viewerCanMany(checks: $checks) { allowed reason } }',
  'query ($f: SessionFilter) { sessions(first: 3, filter: $f) { edges { node { id userAgent } } pageInfo { endCursor } } }',
  'mutation ($input: UpdateUserInput!) { updateUser(input: $input) { position } }',
  'query Q($s: Boolean = true) { me @include(if: $s) { id } scopes(first: 1, filter: { within: "acme" }) { edges { cursor } } }',
] as const;

/** Settings that production starts with. What is secret in them is in no message. */
const SECRET = 'hunter2';
const SETTINGS: Readonly<Record<string, string>> = {
  NODE_ENV: 'production',
  HOST: '0.0.0.0',
  PORT: '4001',
  TLS_CERTIFICATE_FILE: '/etc/castellan/tls.crt',
  TLS_KEY_FILE: '/etc/castellan/tls.key',
  DATABASE_URL: `postgres://castellan:${SECRET}@db.example.com/castellan?sslmode=verify-full`,
  DATABASE_POOL_MAX: '20',
  REDIS_URL: `rediss://:${SECRET}@a.example.com:7000,rediss://:${SECRET}@b.example.com:7000`,
  KEY_ENCRYPTION_KEY: `${SECRET.repeat(5)},${SECRET.repeat(6)}`,
  ISSUER: 'https://castellan.example.com',
  AUDIENCE: 'example',
  ADMIN_EMAIL: 'admin@example.com',
  ADMIN_PASSWORD: SECRET.repeat(3),
  ALLOWED_ORIGINS: 'https://a.example.com,https://b.example.com',
  CALLBACK_ORIGINS: 'https://router.example.com',
  TRUSTED_PROXIES: '10.0.0.0/8,fd00::/32',
  LIMITS: 'depth=15,cost=8000',
  RATE_LIMIT_KEYS: '100/10s,10000/1h',
  SECURITY_THRESHOLDS: 'read.denied=50/5m,sign_in.stuffing=off',
  SMTP_URL: `smtps://castellan:${SECRET}@mail.example.com`,
  MAIL_FROM: 'Castellan <castellan@example.com>',
  AUDIT_SINK_URL: 'https://logs.example.com/in',
  METRICS_TOKEN: SECRET.repeat(3),
  OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector.example.com:4318',
};

let castellans: Castellans;
let alice: SignedInUser;
let cursor: string;

beforeAll(async () => {
  const sockets = { ...LIMITS.sockets, frames: 1_000_000 };
  // It takes turns with the test, which for a million takes longer than a token lives.
  const load = { ...LIMITS.load, turnMs: Infinity };
  castellans = await startCastellans(1, {
    settings: { accessTokenSeconds: 3_600, limits: { ...LIMITS, sockets, load } },
  });
  alice = await castellans.signUp('alice', ['administrator']);
  await castellans.signUp('bob');
  const { data } = await castellans.ask<{ users: { edges: readonly { cursor: string }[] } }>(
    '{ users(first: 1, orderBy: { field: email, direction: ascending }) { edges { cursor } } }',
    { token: alice.accessToken },
  );
  cursor = data?.users.edges[0]?.cursor ?? '';
});

afterAll(async () => {
  await castellans.close();
});

const url = (): URL => new URL(castellans.apps[0]?.url ?? '');

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

interface Got {
  readonly status: number;
  readonly text: string;
}

const send = (agent: Agent, { method, path, headers, body }: Sent): Promise<Got> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = url();
    const asked = httpRequest({ agent, hostname, port, method, path, headers }, (response) => {
      let text = '';
      response.on('data', (bytes: Buffer) => (text += bytes.toString()));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    asked.on('error', reject);
    asked.end(body);
  });

/** What an operation is sent with. */
function operation(random: Random): object {
  const query = pick(random, DOCUMENTS);
  const kind = Math.floor(random() * 8);
  if (kind > 3) return { query: mangled(random, query), variables: value(random) };
  if (kind === 1) {
    const them = [{ __typename: 'User', id: value(random) }, value(random)];
    return { query, variables: { id: value(random), n: value(random), them, checks: value(random), f: value(random) } };
  }
  if (kind === 2) return { query: DOCUMENTS[2], variables: { after: mangled(random, cursor) } };
  const input = { id: alice.id, name: value(random), metadata: value(random) };
  return { query, variables: { input, them: value(random), checks: [value(random)] }, operationName: value(random) };
}

function request(random: Random): Sent {
  const kind = Math.floor(random() * 6);
  const token = kind === 0 ? mangled(random, alice.accessToken) : alice.accessToken;
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (HEADER.test(token) && token.length < 12_000) headers['authorization'] = `Bearer ${token}`;
  if (kind === 1) headers['accept'] = 'text/event-stream';
  if (kind === 2) {
    const search = mangled(random, `query=${encodeURIComponent(pick(random, DOCUMENTS))}&variables={"id":"x"}`);
    const path = `/graphql?${encodeURI(search.toWellFormed()).slice(0, 12_000)}`;
    return { method: 'GET', path, headers: { ...headers, 'apollo-require-preflight': '1' }, body: '' };
  }
  const text = JSON.stringify(operation(random));
  const body = kind >= 4 ? mangled(random, text) : text;
  return { method: 'POST', path: '/graphql', headers, body };
}

async function overHttp(random: Random, count: number): Promise<readonly object[]> {
  const wrong: object[] = [];
  let left = count;
  // Its connections end with it: what comes next may take longer than a server keeps those that are idle.
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (left > 0 && wrong.length < 10) {
        left -= 1;
        const sent = request(random);
        const got = await send(agent, sent);
        if (got.status >= 500 || got.status < 200 || got.text.includes('"INTERNAL"')) wrong.push({ sent, got });
      }
    }),
  );
  agent.destroy();
  return wrong;
}

test(
  `${CASES} malformed requests, tokens, cursors, operations, frames and configurations cause no fault, and nothing is kept of them`,
  async () => {
    const collectGarbage = garbageCollector();
    const heap = (): number => {
      collectGarbage();
      return process.memoryUsage().heapUsed;
    };
    const random = randomFrom(SEED);
    const warmUp = [...(await overHttp(random, HTTP_CASES / 2)), ...(await overWebSocket(random, OPERATION_CASES / 2))];
    const before = heap();
    const wrong = [
      ...warmUp,
      ...asCursors(random, CURSOR_CASES),
      ...asConfigurations(random, CONFIGURATION_CASES),
      ...(await overHttp(random, HTTP_CASES / 2)),
      ...(await overWebSocket(random, OPERATION_CASES / 2)),
      ...(await asFrames(random, FRAME_CASES)),
    ];
    const grown = heap() - before;

    expect(wrong).toEqual([]);
    // Documents and standings are kept up to a bound; ten thousand answers would be more than that.
    expect(grown).toBeLessThan(64 * 2 ** 20);
    expect((await castellans.ask('{ me { id } }', { token: alice.accessToken })).data).toEqual({
      me: { id: alice.id },
    });
  },
  Math.max(120_000, CASES * 10),
);

/** Operations that are well-formed messages, many on one socket. */
async function overWebSocket(random: Random, count: number): Promise<readonly object[]> {
  const wrong: object[] = [];
  let left = count;
  const socket = await openedSocket();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (left > 0 && wrong.length < 10) {
        left -= 1;
        const id = `${left}`;
        const payload = operation(random);
        // What is no operation by the words of the protocol ends the socket: that is tried below.
        const { operationName, variables } = payload as { operationName?: unknown; variables?: unknown };
        const isText = operationName === undefined || typeof operationName === 'string';
        const isObject = typeof variables === 'object' && variables !== null && !Array.isArray(variables);
        socket.send({
          type: 'subscribe',
          id,
          payload: { ...payload, ...(!isText && { operationName: null }), ...(!isObject && { variables: null }) },
        });
        const frame = await socket.next((each) => each.id === id);
        if (frame === null || JSON.stringify(frame).includes('"INTERNAL"')) wrong.push({ payload, frame });
        if (frame?.type === 'next') await socket.next((each) => each.id === id);
      }
    }),
  );
  socket.close();
  return wrong;
}

/** Cursors, straight to whoever reads them: over the wire some of them come above. */
function asCursors(random: Random, count: number): readonly object[] {
  const wrong: object[] = [];
  const order = { by: 'email', descending: false };
  for (let n = 0; n < count; n += 1) {
    const parts = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as unknown[];
    parts[Math.floor(random() * 6)] = value(random);
    const forged = random() < 0.5 ? mangled(random, cursor) : Buffer.from(JSON.stringify(parts)).toString('base64url');
    try {
      const { id, value: place } = parseCursor(forged, { list: 'users', order, kind: 'text' });
      if (typeof id !== 'string' || typeof place !== 'string') wrong.push({ forged });
    } catch (error) {
      if (!(error instanceof Refusal)) wrong.push({ forged, error: String(error) });
    }
  }
  return wrong;
}

/** Settings that are refused by name, or taken: whatever they are, nothing fails over them, and no secret is repeated. */
function asConfigurations(random: Random, count: number): readonly object[] {
  const wrong: object[] = [];
  const names = Object.keys(SETTINGS);
  for (let n = 0; n < count; n += 1) {
    const env = { ...SETTINGS };
    for (let changes = Math.floor(random() * 3); changes >= 0; changes -= 1) {
      const name = names[Math.floor(random() * names.length)] ?? '';
      env[name] = mangled(random, env[name] ?? '');
    }
    try {
      readConfig(env);
    } catch (error) {
      const isFine = error instanceof ConfigError && error.problems.every(({ variable }) => variable in env);
      if (!isFine || error.message.includes(SECRET)) wrong.push({ env, error: String(error) });
    }
  }
  return wrong;
}

/** Messages that are none, each on a socket of its own, since it is closed. */
async function asFrames(random: Random, count: number): Promise<readonly object[]> {
  const wrong: object[] = [];
  for (let n = 0; n < count; n += 1) {
    const genuine = JSON.stringify(
      pick<object>(random, [
        { type: 'connection_init', payload: { authorization: alice.accessToken } },
        { type: 'subscribe', id: '1', payload: { query: DOCUMENTS[0] } },
        { type: 'ping', payload: { accessToken: 'x' } },
        { type: 'complete', id: '1' },
      ]),
    );
    const sent = mangled(random, genuine);
    const socket = new WebSocket(`${url().href.replace('http', 'ws')}graphql`, 'graphql-transport-ws');
    socket.on('error', () => {});
    const closed = new Promise<number>((resolve) => socket.once('close', resolve));
    await new Promise((resolve) => socket.once('open', resolve));
    if (n % 2 === 0) socket.send('{"type":"connection_init"}');
    socket.send(n % 5 === 0 ? Buffer.from(sent, 'utf16le') : sent, { binary: n % 5 === 0 });
    // A second greeting ends it in any case.
    socket.send('{"type":"connection_init"}');
    socket.send('{"type":"connection_init"}');
    const code = await closed;
    if (!CLOSES.has(code)) wrong.push({ sent, code });
  }
  return wrong;
}

async function openedSocket() {
  const socket = await openSocket(`${url().href.replace('http', 'ws')}graphql`);
  socket.init({ authorization: `Bearer ${alice.accessToken}` });
  await socket.next(ofType('connection_ack'));
  return socket;
}

function garbageCollector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}

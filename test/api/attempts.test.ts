import { connect as connectTcp } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { LIMITS } from '../../src/kit/limits.ts';
import { createTestClock, startCastellans, until, type Castellans, type SignedInUser } from '../support/castellan.ts';
import { type Shown, WAYS_IN } from '../support/every-door.ts';
import { recordedLog } from '../support/recorded-log.ts';
import { ofType, openSocket } from '../support/socket.ts';

interface Line {
  readonly code: string;
  readonly door: string;
  readonly network: string | null;
  readonly principalId: string | null;
  readonly times?: number;
}

const SOCKETS = 8;

const log = recordedLog();
const clock = createTestClock();
let castellans: Castellans;
let bob: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(1, {
    logger: log.logger,
    clock,
    settings: {
      trustedProxies: ['127.0.0.1'],
      limits: {
        ...LIMITS,
        sockets: { ...LIMITS.sockets, perAddress: SOCKETS, frames: 20, framesMs: 60_000, operations: 1 },
      },
    },
  });
  bob = await castellans.signUp('bob');
});

afterAll(() => castellans?.close());

const url = (path = '/graphql'): string => `${castellans.apps[0]?.url}${path}`;
const wsUrl = (): string => url().replace('http', 'ws');

function attempts(): readonly Line[] {
  return log
    .lines()
    .filter((line) => /"msg":"an attempt was refused|"msg":"attempts were refused again/.test(line))
    .map((line) => JSON.parse(line) as Line);
}

/** Those with a line, and those that were counted. */
const told = (): number => attempts().length + (castellans.apps[0]?.services.attempts.folded ?? 0);

/** Those of one address: each test comes from its own. */
async function toldOf(network: string): Promise<readonly (readonly [string, string, string | null])[]> {
  const mine = () => attempts().filter((line) => line.network === network);
  await until(() => mine().length > 0);
  return mine().map(({ code, door, principalId }) => [code, door, principalId]);
}

let addresses = 0;
function fresh(): { readonly address: string; readonly headers: Readonly<Record<string, string>> } {
  addresses += 1;
  const address = `198.51.100.${addresses}`;
  return { address, headers: { 'x-forwarded-for': address } };
}

const HEALTH = '{ systemHealth { status } }';
const DEEP = `{ me { ${'sessions { edges { node { user { '.repeat(12)} id ${'} } } }'.repeat(12)} } }`;

describe.each(WAYS_IN)('over $name', ({ name, ask }) => {
  const door = name === 'a WebSocket' ? 'websocket' : name === 'server-sent events' ? 'sse' : 'http';

  test('documents, arguments and limits that are refused, and what one may not read, are told with who asked', async () => {
    const user = await castellans.signUp(name.toLowerCase().replaceAll(/[^a-z]/g, ''));
    const codes: unknown[] = [];
    for (const query of ['{ me { nothing } }', DEEP, '{ users(first: -1) { totalCount } }', HEALTH]) {
      const extensions = await ask(castellans, { token: user.accessToken }, 0, query);
      codes.push(extensions[0]?.['code']);
    }
    expect(codes).toEqual(['BAD_USER_INPUT', 'BAD_USER_INPUT', 'BAD_USER_INPUT', 'FORBIDDEN']);
    const mine = () => attempts().filter(({ principalId }) => principalId === user.id);
    await until(() => mine().length === 2);
    expect(mine()).toMatchObject([
      { code: 'BAD_USER_INPUT', door },
      { code: 'FORBIDDEN', door },
    ]);
  });

  test('a credential that does not hold is told or counted, and is not in the log', async () => {
    const before = told();
    const shown: Shown = { token: `${bob.accessToken.slice(0, -4)}AAAA` };
    await ask(castellans, shown, 0).catch(() => {});
    await until(() => told() > before);
    expect(attempts()).toContainEqual(expect.objectContaining({ code: 'UNAUTHENTICATED', door, principalId: null }));
    expect(log.lines().join('\n')).not.toContain(bob.accessToken.split('.')[1]);
  });
});

describe('over HTTP', () => {
  const json = { 'content-type': 'application/json' };

  test.each([
    ['a body that is no JSON', '/graphql', { method: 'POST', body: '{' }, 'BAD_USER_INPUT'],
    ['a body that is no request', '/graphql', { method: 'POST', body: '{}' }, 'BAD_USER_INPUT'],
    ['a batch', '/graphql', { method: 'POST', body: '[]' }, 'BAD_USER_INPUT'],
    ['a body that is too large', '/graphql', { method: 'POST', body: `"${'x'.repeat(300_000)}"` }, 'BAD_USER_INPUT'],
    ['a GET that another site could make a browser send', '/graphql?query={me{id}}', {}, 'BAD_USER_INPUT'],
    [
      'two credentials',
      '/graphql',
      { method: 'POST', body: '{}', headers: { authorization: 'Bearer x', 'x-api-key': 'y' } },
      'BAD_USER_INPUT',
    ],
    [
      'a cookie from a page of another site',
      '/graphql',
      { method: 'POST', body: '{}', headers: { cookie: '__Host-castellan=x', origin: 'https://evil.example' } },
      'FORBIDDEN',
    ],
    ['a path that is not there', '/wp-login.php', {}, 'NOT_FOUND'],
    [
      'a body in another encoding',
      '/graphql',
      { method: 'POST', body: 'x', headers: { 'content-encoding': 'gzip' } },
      'BAD_USER_INPUT',
    ],
    [
      'a form that is none of OAuth',
      '/oauth/introspect',
      { method: 'POST', body: new URLSearchParams({ a: 'b' }) },
      'BAD_USER_INPUT',
    ],
    [
      'a token that nobody issued',
      '/oauth/revoke',
      { method: 'POST', body: new URLSearchParams({ token: 'x.y.z' }) },
      'UNAUTHENTICATED',
    ],
    [
      'a key that nobody has, to ask about a token',
      '/oauth/introspect',
      { method: 'POST', body: new URLSearchParams({ token: 'x' }), headers: { 'x-api-key': 'nobodys' } },
      'UNAUTHENTICATED',
    ],
  ] as const)('%s is told', async (_, path, init, code) => {
    const { address, headers } = fresh();
    const own = 'headers' in init ? init.headers : {};
    const type = 'body' in init && typeof init.body === 'string' ? json : {};
    const response = await fetch(url(path), {
      ...init,
      headers: { ...type, ...headers, ...own } as Record<string, string>,
    });
    await response.text();
    const door = 'http';
    expect(await toldOf(address)).toEqual([[code, door, null]]);
  });

  test('what is no HTTP is told', async () => {
    const before = attempts().length;
    const { hostname, port } = new URL(url());
    const socket = connectTcp({ host: hostname, port: Number(port) });
    socket.on('error', () => {});
    socket.write('nothing of the kind\r\n\r\n');
    await new Promise((resolve) => socket.once('close', resolve).resume());
    await until(() => attempts().length > before);
    expect(attempts().slice(before)).toMatchObject([{ code: 'BAD_USER_INPUT', door: 'http', network: '127.0.0.1' }]);
  });
});

describe('over a WebSocket', () => {
  test('an upgrade from a page of another site is told', async () => {
    const { address, headers } = fresh();
    await openSocket(wsUrl(), { headers: { ...headers, origin: 'https://evil.example' } }).catch(() => {});
    expect(await toldOf(address)).toEqual([['FORBIDDEN', 'websocket', null]]);
  });

  test('one socket too many from one network is told', async () => {
    const { address, headers } = fresh();
    const open = await Promise.all(Array.from({ length: SOCKETS }, () => openSocket(wsUrl(), { headers })));
    await openSocket(wsUrl(), { headers }).catch(() => {});
    expect(await toldOf(address)).toEqual([['RATE_LIMITED', 'websocket', null]]);
    for (const socket of open) socket.close();
  });

  test.each([
    ['a frame that is no message', ['{'], 'BAD_USER_INPUT'],
    ['a message of no type that there is', [{ type: 'connection_init' }, { type: 'nothing' }], 'BAD_USER_INPUT'],
    [
      'an operation before anybody said who it is',
      [{ type: 'subscribe', id: '1', payload: { query: '{ me { id } }' } }],
      'BAD_USER_INPUT',
    ],
    ['a message that is too large', ['x'.repeat(100_000)], 'BAD_USER_INPUT'],
    [
      'a token that does not hold',
      [{ type: 'connection_init', payload: { authorization: 'Bearer x' } }],
      'UNAUTHENTICATED',
    ],
    ['a flood of pings', Array.from({ length: 30 }, () => ({ type: 'ping' })), 'RATE_LIMITED'],
    [
      'an operation too many',
      ['1', '2'].map((id) => ({
        type: 'subscribe',
        id,
        payload: { query: 'subscription { sessionEvents { __typename } }' },
      })),
      'RATE_LIMITED',
    ],
  ] as const)('%s is told', async (title, frames, code) => {
    const { address, headers } = fresh();
    const socket = await openSocket(wsUrl(), { headers });
    const signedIn = title === 'an operation too many';
    if (signedIn) {
      socket.init({ authorization: `Bearer ${bob.accessToken}` });
      await socket.next(ofType('connection_ack'));
    }
    for (const frame of frames) socket.send(frame);
    expect(await toldOf(address)).toEqual([[code, 'websocket', signedIn ? bob.id : null]]);
    socket.close();
  });
});

test('what is in the audit log as a denial is not told again', async () => {
  const dave = await castellans.signUp('dave');
  const asked = (query: string) => castellans.ask(query, { token: dave.accessToken });
  const denied = await asked('mutation { disableUser(id: "user_00000000000000000000000000") { position } }');
  expect(denied.errors).toMatchObject([{ extensions: { code: 'NOT_FOUND' } }]);
  await asked('{ me { nothing } }');
  const his = () => attempts().filter(({ principalId }) => principalId === dave.id);
  await until(() => his().length > 0);
  expect(his()).toMatchObject([{ code: 'BAD_USER_INPUT' }]);
});

test('what is refused of many in one request is told, though the answer has no error', async () => {
  const ada = await castellans.signUp('ada', ['administrator']);
  const IMPORT =
    'mutation ($users: [ImportUserInput!]!) { importUsers(users: $users) { results { refusal { code } } } }';
  const { errors, data } = await castellans.ask(IMPORT, {
    token: ada.accessToken,
    variables: { users: [{ email: 'none' }, { email: 'none of these' }] },
  });
  expect(errors).toEqual([]);
  expect(JSON.stringify(data)).toContain('BAD_USER_INPUT');
  const hers = () => attempts().filter(({ principalId }) => principalId === ada.id);
  await until(() => hers().length > 0);
  expect(hers()).toMatchObject([{ code: 'BAD_USER_INPUT', door: 'http' }]);
});

test('a flood is as many lines as there are kinds of it', async () => {
  const { address, headers } = fresh();
  for (let n = 0; n < 50; n += 1) {
    await (await fetch(url('/nothing'), { headers })).text();
  }
  expect(await toldOf(address)).toEqual([['NOT_FOUND', 'http', null]]);
  clock.advance(61_000);
  await castellans.apps[0]?.services.attempts.rounds.next();
  const again = attempts().filter(({ network, times }) => network === address && times !== undefined);
  expect(again).toMatchObject([{ code: 'NOT_FOUND', times: 49 }]);
});

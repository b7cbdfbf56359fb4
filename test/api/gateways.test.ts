import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { LIMITS } from '../../src/kit/limits.ts';
import { type Came, came, REVOKE_KEY } from '../support/api-keys.ts';
import { askingOn, IN_FORCE, INSTANCES, onEveryInstance } from '../support/asking.ts';
import {
  type Castellans,
  codesOf,
  recordStatements,
  type SignedInUser,
  startCastellans,
} from '../support/castellan.ts';
import { openStream } from '../support/event-stream.ts';
import { addGateway } from '../support/gateway-key.ts';
import { addGrant } from '../support/people.ts';
import { listening } from '../support/session-events.ts';
import { openSocket } from '../support/socket.ts';

const ME = '{ me { id } }';
const SCHEMA = '{ __schema { queryType { name } } }';
const LIVE = 'subscription { sessionEvents { __typename } }';
const DISABLE =
  'mutation ($id: ID!) { disableServiceAccount(id: $id) { receipt { enforced instances acknowledged } } }';
/** More aliases than anybody but a gateway may ask for. */
const MANY = `{ ${Array.from({ length: 31 }, (_, n) => `a${n}: __typename`).join(' ')} }`;
const PER_USER = 2;
const PER_ADDRESS = 6;

let castellans: Castellans;
let alice: SignedInUser;
let bob: SignedInUser;
let gateway: string;

beforeAll(async () => {
  castellans = await startCastellans(3, {
    settings: {
      limits: {
        ...LIMITS,
        // As in production.
        documents: { ...LIMITS.documents, introspection: false },
        sockets: { ...LIMITS.sockets, perUser: PER_USER, perAddress: PER_ADDRESS },
      },
    },
  });
  [alice, bob] = [await castellans.signUp('alice', ['administrator']), await castellans.signUp('bob')];
  gateway = (await addGateway(castellans)).secret;
}, 40_000);

afterAll(() => castellans?.close());

const { done } = askingOn(
  () => castellans,
  () => alice,
);
const urlOf = (instance: number): string => castellans.apps[instance]?.url ?? '';

interface Asking {
  readonly query?: string;
  /** In `X-Castellan-Gateway`; absent is no such header. */
  readonly shown?: string;
  readonly token?: string;
  readonly instance?: number;
}

const headersOf = ({ shown, token }: Asking): Record<string, string> => ({
  ...(token !== undefined && { authorization: `Bearer ${token}` }),
  ...(shown !== undefined && { 'x-castellan-gateway': shown }),
});

/** The status or the number with which a socket is closed, and the codes of the errors, or none. */
const DOORS: Readonly<Record<string, (asking: Asking) => Promise<Came>>> = {
  'a POST': async ({ query = ME, instance = 0, ...shown }) =>
    came(await castellans.ask(query, { instance, headers: headersOf(shown) })),
  'a GET': async ({ query = ME, instance = 0, ...shown }) => {
    const headers = { ...headersOf(shown), 'apollo-require-preflight': '1' };
    const response = await fetch(`${urlOf(instance)}/graphql?query=${encodeURIComponent(query)}`, { headers });
    return came({ status: response.status, errors: errorsIn(await response.json()) });
  },
  'an event stream': async ({ query = ME, instance = 0, ...shown }) => {
    const stream = await openStream(urlOf(instance), query, { headers: headersOf(shown) });
    if (stream.status !== 200) return came({ status: stream.status, errors: errorsIn(await stream.json()) });
    const [first] = await stream.all();
    return outcome(errorsIn(first?.data));
  },
  'the upgrade of a WebSocket': ({ query = ME, instance = 0, ...shown }) =>
    overSocket(instance, query, {}, headersOf(shown)),
  'the payload of connection_init': ({ query = ME, instance = 0, ...shown }) =>
    overSocket(instance, query, headersOf(shown), {}),
  'headers of the payload': ({ query = ME, instance = 0, ...shown }) =>
    overSocket(instance, query, { headers: headersOf(shown) }, {}),
};

type Errors = Parameters<typeof codesOf>[0]['errors'];
const errorsIn = (body: unknown): Errors => (Object(body) as { errors?: Errors }).errors ?? [];
/** Over a stream or a socket a document that is refused is an answer like any other. */
const outcome = (errors: Errors): Came => came({ status: errors.length > 0 ? 400 : 200, errors });

async function overSocket(
  instance: number,
  query: string,
  init: object,
  headers: Record<string, string>,
): Promise<Came> {
  const opened = await openSocket(`${urlOf(instance).replace('http', 'ws')}/graphql`, { headers }).catch(
    (error: Error) => Number(/^refused with (\d+)$/.exec(error.message)?.[1]),
  );
  if (typeof opened === 'number') return [opened];
  opened.init(init);
  if ((await opened.next(() => true)) === null) return [await opened.closed, await opened.reason];
  opened.subscribe('1', query);
  const frame = await opened.next(({ id }) => id === '1');
  opened.close();
  await opened.closed;
  return outcome(frame?.type === 'error' ? (frame.payload as Errors) : errorsIn(frame?.payload));
}

describe.each(Object.entries(DOORS))('a gateway that shows itself in %s', (name, ask) => {
  test('is held to looser limits and sees the schema, whoever asks through it, and nobody else is', async () => {
    for (const instance of INSTANCES) {
      for (const token of [undefined, bob.accessToken]) {
        const asking = { instance, ...(token !== undefined && { token }) };
        for (const query of [MANY, SCHEMA]) {
          expect(await ask({ ...asking, query, shown: gateway })).toEqual([200]);
          expect(await ask({ ...asking, query })).toEqual([400, 'BAD_USER_INPUT']);
        }
        expect(await ask({ ...asking, shown: gateway })).toEqual([200]);
      }
    }
  });

  test('is refused when what it shows does not hold, and never taken for none', async () => {
    const { apiKey, secret } = await done<{ apiKey: { id: string }; secret: string }>(
      'mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { apiKey { id } secret } }',
      { input: { name: 'to be revoked' } },
    );
    await done(REVOKE_KEY, { id: apiKey.id });
    const bad = ['', 'trust me', `${gateway}x`, bob.accessToken, secret];
    const refused: readonly Came[] = [[401, 'UNAUTHENTICATED'], [401], [4401, 'UNAUTHENTICATED']];
    for (const shown of bad) {
      for (const token of [undefined, bob.accessToken]) {
        // As a header that says nothing.
        if (shown === '' && name === 'the upgrade of a WebSocket') continue;
        expect(refused).toContainEqual(await ask({ shown, ...(token !== undefined && { token }) }));
      }
    }
  });

  test('is trusted for its permission alone', async () => {
    const others = [
      await addGateway(castellans, { roles: ['service', 'introspector'] }),
      await addGateway(castellans, { permissions: ['user:read'] }),
    ];
    const own = await castellans.apps[0]?.services.apiKeys.create(
      await castellans.apps[0].services.identification.identify({ kind: 'accessToken', token: alice.accessToken }),
      { name: 'of a person who may do everything' },
    );
    const refused: readonly Came[] = [[403, 'FORBIDDEN'], [403], [4401, 'FORBIDDEN']];
    for (const shown of [...others.map(({ secret }) => secret), own?.value.secret ?? '']) {
      expect(refused).toContainEqual(await ask({ shown }));
    }
    expect(await ask({ shown: (await addGateway(castellans, { permissions: ['gateway:trust'] })).secret })).toEqual([
      200,
    ]);
  });

  test.each([
    ['its key is revoked', REVOKE_KEY, 'keyId'],
    ['its service account is disabled', DISABLE, 'id'],
  ] as const)('is refused on every instance when %s', async (_, change, of) => {
    const own = await addGateway(castellans);
    const asked = () => onEveryInstance((instance) => ask({ instance, shown: own.secret, token: bob.accessToken }));
    expect(await asked()).toEqual([[200], [200], [200]]);
    expect(await done(change, { id: own[of] })).toMatchObject({ receipt: IN_FORCE });
    const refused: readonly Came[] = [[401, 'UNAUTHENTICATED'], [401], [4401, 'UNAUTHENTICATED']];
    for (const each of await asked()) expect(refused).toContainEqual(each);
  });
});

test('a right to be trusted in one scope is none', async () => {
  await castellans.addScopes('acme');
  const own = await addGateway(castellans, { roles: [] });
  const [app] = castellans.apps;
  if (app === undefined) throw new TypeError('three were started');
  await addGrant(app, { principalId: own.id, role: 'gateway', scope: 'acme' });
  expect(await DOORS['a POST']?.({ shown: own.secret })).toEqual([403, 'FORBIDDEN']);
});

test('what is refused of a gateway says so, and is no end of its user’s session', async () => {
  const { errors } = await castellans.ask(ME, { token: bob.accessToken, headers: { 'x-castellan-gateway': 'none' } });
  expect(errors).toMatchObject([{ extensions: { code: 'UNAUTHENTICATED', reason: 'gateway' } }]);
});

test('a gateway acts for nobody: without a credential beside it, nobody asks', async () => {
  const { data } = await castellans.ask(ME, { headers: { 'x-castellan-gateway': gateway } });
  expect(data).toEqual({ me: null });
  const { status } = await castellans.ask(ME, { token: 'none', headers: { 'x-castellan-gateway': gateway } });
  expect(status).toBe(401);
});

test('/sdl is there for trusted gateways, and a bad one is told so', async () => {
  const sdl = (headers: Record<string, string>, path = '/sdl') => fetch(`${urlOf(1)}${path}`, { headers });
  const shown = await sdl({ 'x-castellan-gateway': gateway });
  expect([shown.status, await shown.text()]).toEqual([200, expect.stringContaining('type Query')]);
  expect((await sdl({ 'x-castellan-gateway': gateway }, '/sdl?auth=none')).status).toBe(200);
  expect((await sdl({})).status).toBe(404);
  expect((await sdl({ authorization: `Bearer ${alice.accessToken}` })).status).toBe(404);
  expect((await sdl({ 'x-castellan-gateway': 'none' })).status).toBe(401);
});

test('a warm gateway is known without asking PostgreSQL, and takes nothing of its own limits', async () => {
  const limited = await startCastellans(1, { settings: { keyRates: [{ max: 1, seconds: 600 }] } });
  try {
    const { secret } = await addGateway(limited);
    const { accessToken: token } = await limited.signUp('bob');
    const ask = () => limited.ask(ME, { token, headers: { 'x-castellan-gateway': secret } });
    await ask();
    const { names, stop } = recordStatements(limited.apps);
    for (let n = 0; n < 20; n += 1) expect(came(await ask())).toEqual([200]);
    stop();
    expect(names.filter((name) => name !== 'a transaction')).toEqual([]);
  } finally {
    await limited.close();
  }
});

describe('connections that stay open', () => {
  const open = (headers: Record<string, string>, init: object = {}) =>
    openSocket(`${urlOf(2).replace('http', 'ws')}/graphql`, { headers }).then(async (socket) => {
      socket.init(init);
      return { socket, acknowledged: (await socket.next(() => true))?.type === 'connection_ack' };
    });

  test.each(['the upgrade', 'the payload'])(
    'are as many as a gateway opens that shows itself in %s, for one user and from one address',
    async (where) => {
      const shown = { authorization: `Bearer ${bob.accessToken}`, 'x-castellan-gateway': gateway };
      const opened = [];
      for (let n = 0; n <= PER_ADDRESS + 1; n += 1) {
        opened.push(where === 'the upgrade' ? await open(shown) : await open({}, shown));
      }
      expect(opened.every(({ acknowledged }) => acknowledged)).toBe(true);
      // And it takes nobody's place.
      const own = await open({}, { authorization: `Bearer ${bob.accessToken}` });
      expect(own.acknowledged).toBe(true);
      for (const { socket } of [...opened, own]) {
        socket.close();
        await socket.closed;
      }
    },
  );

  test('are as many event streams', async () => {
    const headers = { authorization: `Bearer ${bob.accessToken}` };
    const streams = [];
    for (let n = 0; n <= PER_ADDRESS; n += 1) {
      streams.push(await openStream(urlOf(2), LIVE, { headers: { ...headers, 'x-castellan-gateway': gateway } }));
    }
    expect(streams.map(({ status }) => status)).toEqual(streams.map(() => 200));
    const own = [];
    for (let n = 0; n <= PER_USER; n += 1) own.push(await openStream(urlOf(2), LIVE, { headers }));
    expect(own.map(({ status }) => status)).toEqual([...Array.from({ length: PER_USER }, () => 200), 429]);
    for (const stream of [...streams, ...own]) stream.leave();
  });

  test('take no operation of anybody once their gateway is revoked, and what runs for its users goes on', async () => {
    const own = await addGateway(castellans);
    const { socket } = await open(
      { 'x-castellan-gateway': own.secret },
      { authorization: `Bearer ${bob.accessToken}` },
    );
    const asked = async (id: string) => {
      socket.subscribe(id, ME);
      const frame = await socket.next((each) => each.id === id);
      return frame?.type === 'error' ? codesOf({ errors: frame.payload as Errors }) : frame?.type;
    };
    expect(await asked('1')).toBe('next');
    await listening(castellans, 2, () => {
      socket.subscribe('events', 'subscription { sessionEvents { ... on SessionStarted { sessionId } } }');
      return { next: () => Promise.resolve() };
    });
    expect(await done(REVOKE_KEY, { id: own.keyId })).toMatchObject({ receipt: IN_FORCE });
    expect(await asked('2')).toEqual(['UNAUTHENTICATED']);
    const { sessionId } = await castellans.signIn(bob.email);
    const told = await socket.next(({ id }) => id === 'events');
    expect(told?.payload).toEqual({ data: { sessionEvents: { sessionId } } });
    socket.close();
  });
});

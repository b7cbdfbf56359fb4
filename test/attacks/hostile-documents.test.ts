import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { LIMITS } from '../../src/kit/limits.ts';
import {
  askOver,
  recordStatements,
  startCastellans,
  type Castellans,
  type SignedInUser,
} from '../support/castellan.ts';
import { openStream } from '../support/event-stream.ts';
import { HOSTILE_DOCUMENTS, type HostileDocument } from '../support/hostile-documents.ts';

/** What a document may cost is known before anything of it is executed, through every door. */

/** What the doors themselves ask for; whatever else is asked of the services is asked by a resolver. */
const OF_THE_DOORS = new Set([
  'loadShedder',
  'identification',
  'standings',
  'activity',
  'keyUses',
  'operationLimits',
  'operationCounts',
  'detectors',
  'attempts',
  'travels',
  'authenticationAnalytics',
  'takeovers',
  'proxies',
  'limits',
  'logger',
  'clock',
  'tail',
  'live',
]);
/** What Node takes of a request line and its headers. */
const URL_LENGTH_MAX = 14_000;

interface Refused {
  readonly message: string;
  readonly extensions: {
    readonly code?: unknown;
    readonly limit?: unknown;
    readonly max?: unknown;
    readonly value?: unknown;
  };
}

let castellans: Castellans;
let bob: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(1);
  bob = await castellans.signUp('bob', ['administrator']);
  await castellans.ask('{ me { id } }', { token: bob.accessToken });
});

afterAll(() => castellans.close());

const url = (): string => castellans.apps[0]?.url ?? '';
const documents = () => castellans.apps[0]?.documents.figures ?? { parsed: 0, validated: 0, kept: 0 };
const authorization = (): Record<string, string> => ({ authorization: `Bearer ${bob.accessToken}` });

/** The errors of an answer through each door; null where the request is too long to arrive there. */
const DOORS: Readonly<Record<string, (asked: HostileDocument) => Promise<readonly Refused[] | null>>> = {
  async POST({ query, variables = {}, operationName }) {
    const response = await fetch(`${url()}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...authorization() },
      body: JSON.stringify({ query, variables, operationName }),
    });
    expect(response.status).toBe(400);
    return errorsOf(await response.json());
  },
  async GET({ query, variables = {}, operationName }) {
    const search = new URLSearchParams({ query, variables: JSON.stringify(variables) });
    if (operationName !== undefined) search.set('operationName', operationName);
    const headers = { 'apollo-require-preflight': '1', ...authorization() };
    const response = await fetch(`${url()}/graphql?${search.toString()}`, { headers });
    if (search.toString().length > URL_LENGTH_MAX) {
      expect(response.status).toBeGreaterThanOrEqual(400);
      expect(response.status).toBeLessThan(500);
      return null;
    }
    // GET makes no changes, whatever their weight.
    if (!query.startsWith('mutation')) expect(response.status).toBe(400);
    return errorsOf(await response.json());
  },
  async 'graphql-ws'({ query, variables = {}, operationName }) {
    const client = castellans.connect({ token: bob.accessToken });
    const name = operationName === undefined ? {} : { operationName };
    const length = JSON.stringify({ query, variables }).length;
    const answers = client.iterate({ query, variables: { ...variables }, ...name });
    try {
      await answers.next();
      throw new Error('it was answered');
    } catch (error) {
      if (Array.isArray(error)) return error as readonly Refused[];
      if (length < LIMITS.sockets.frameBytes) throw error;
      expect(error).toMatchObject({ code: 1009 });
      return null;
    } finally {
      await client.dispose();
    }
  },
  async 'event stream'({ query, variables = {}, operationName }) {
    const response = await fetch(`${url()}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...authorization() },
      body: JSON.stringify({ query, variables, operationName }),
    });
    const data = /^data: (.*)$/m.exec(await response.text())?.[1] ?? '{}';
    return errorsOf(JSON.parse(data));
  },
};

function errorsOf(body: unknown): readonly Refused[] {
  return (body as { readonly errors?: readonly Refused[] }).errors ?? [];
}

/** Notes what is asked of the services by anybody but the doors. */
function watchResolvers(): { readonly asked: readonly string[]; readonly stop: () => void } {
  const services = castellans.apps[0]?.services ?? {};
  const asked: string[] = [];
  const kept = Object.entries(services).filter(([name]) => !OF_THE_DOORS.has(name));
  for (const [name, value] of kept) {
    Object.defineProperty(services, name, {
      configurable: true,
      enumerable: true,
      get() {
        asked.push(name);
        return value;
      },
    });
  }
  return {
    asked,
    stop() {
      for (const [name, value] of kept)
        Object.defineProperty(services, name, { value, configurable: true, enumerable: true });
    },
  };
}

test('there are at least forty of them, each under its own name', () => {
  expect(HOSTILE_DOCUMENTS.length).toBeGreaterThanOrEqual(40);
  expect(new Set(HOSTILE_DOCUMENTS.map(({ name }) => name)).size).toBe(HOSTILE_DOCUMENTS.length);
});

test('that resolvers run is noticed', async () => {
  const watched = watchResolvers();
  await castellans.ask('{ policy { version } }', { token: bob.accessToken });
  watched.stop();
  expect(watched.asked).not.toEqual([]);
});

describe.each(Object.keys(DOORS))('over %s', (door) => {
  test.each(HOSTILE_DOCUMENTS)('$name is refused before anything of it runs', async (hostile) => {
    const recorded = recordStatements(castellans.apps);
    const watched = watchResolvers();
    const before = documents();
    const errors = await DOORS[door]?.(hostile);
    const after = documents();
    watched.stop();
    recorded.stop();

    expect(watched.asked).toEqual([]);
    expect(recorded.names.filter((name) => name !== 'a transaction')).toEqual([]);
    if (errors === null) return;
    expect(errors?.map(({ extensions: { code } }) => code)).toContain('BAD_USER_INPUT');
    expect(JSON.stringify(errors).length).toBeLessThan(20_000);
    const first = errors?.[0]?.extensions ?? {};
    if (hostile.limit !== null) {
      const max = LIMITS.documents[hostile.limit as keyof typeof LIMITS.documents];
      expect(first).toEqual({ code: 'BAD_USER_INPUT', limit: hostile.limit, max, value: expect.any(Number) });
      expect(errors?.[0]?.extensions.value).toBeGreaterThan(Number(max));
    }
    // The work is bounded where it is: a text that is too long is not parsed, a document that is too heavy not compared.
    if (hostile.stage === 'scanned') expect(after.parsed).toBe(before.parsed);
    if (hostile.stage !== 'validated') expect(after.validated).toBe(before.validated);
    expect(after.parsed - before.parsed).toBeLessThanOrEqual(door === 'event stream' ? 2 : 1);
  });
});

describe('what Castellan is for keeps to the limits', () => {
  test('a gateway asks for 500 users with their roles, and the whole schema is read', async () => {
    const them = Array.from({ length: 500 }, () => ({ __typename: 'User', id: bob.id }));
    const query =
      'query ($them: [_Any!]!) { them: _entities(representations: $them) { ... on User { id name roles { name } } } }';
    const { data } = await castellans.ask<{ them: readonly object[] }>(query, {
      variables: { them },
      token: bob.accessToken,
    });
    expect(data?.them.length).toBe(500);
    const introspection = await castellans.ask(
      '{ __schema { types { fields { type { ofType { ofType { ofType { ofType { ofType { ofType { ofType { name } } } } } } } } } } } }',
    );
    expect(introspection.errors).toEqual([]);
  });

  test('one document serves every length of a page that its cost allows', async () => {
    const query =
      'query ($n: Int!) { users(first: $n) { edges { node { id roles { inherits { inherits { id } } } } } } }';
    const ask = (n: unknown) => castellans.ask(query, { variables: { n }, token: bob.accessToken });
    for (const _ of [1, 2]) {
      expect((await ask(10)).errors).toEqual([]);
      expect((await ask(100)).errors.map(({ extensions }) => extensions['limit'])).toEqual(['cost']);
    }
    const client = castellans.connect({ token: bob.accessToken });
    const overWebSocket = await askOver(client, query, { variables: { n: 100 } });
    expect(overWebSocket.errors.map(({ extensions }) => extensions['limit'])).toEqual(['cost']);
    const stream = await openStream(url(), query, { variables: { n: 100 }, headers: authorization() });
    expect(JSON.stringify(await stream.next())).toContain('"limit":"cost"');
  });

  test('a text is parsed and validated once for all doors', async () => {
    const query = `{ me { id name email ${'status '.repeat(3)} } }`;
    const before = documents();
    for (const _ of [1, 2, 3]) {
      await castellans.ask(query, { token: bob.accessToken });
      await askOver(castellans.connect({ token: bob.accessToken }), query);
      await (await openStream(url(), query, { headers: authorization() })).all();
    }
    expect(documents()).toMatchObject({ parsed: before.parsed + 1, validated: before.validated + 1 });
  });

  test('AC-66: however many different texts come, few are kept, and no persisted query is', async () => {
    const app = castellans.apps[0];
    const learn = (query: string) => app?.documents.operation({ query }, { ...LIMITS.documents, aliases: 1_000 });
    for (let n = 0; n < 1_500; n += 1) learn(`query Q${n} { me { id } }`);
    expect(documents().kept).toBe(1_000);
    const long = Array.from({ length: 800 }, (_, n) => `f${n}: id`).join(' ');
    for (let n = 0; n < 150; n += 1) learn(`query Long${n} { me { ${long} } }`);
    expect(documents().kept).toBeLessThanOrEqual(100);
    const hash = 'a'.repeat(64);
    const response = await fetch(`${url()}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        query: '{ me { id } }',
        extensions: { persistedQuery: { version: 1, sha256Hash: hash } },
      }),
    });
    expect(errorsOf(await response.json()).map(({ message }) => message)).toEqual(['PersistedQueryNotSupported']);
  });
});

test('AC-65: an array of requests is none, by POST and by GET', async () => {
  const batch = JSON.stringify([{ query: '{ me { id } }' }, { query: '{ me { id } }' }]);
  const posted = await fetch(`${url()}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...authorization() },
    body: batch,
  });
  const got = await fetch(`${url()}/graphql?query={me{id}}&query={me{id}}`, {
    headers: { 'apollo-require-preflight': '1', ...authorization() },
  });
  for (const response of [posted, got]) {
    expect(response.status).toBe(400);
    expect(errorsOf(await response.json()).map(({ extensions }) => extensions.code)).toEqual(['BAD_USER_INPUT']);
  }
});

import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parseListed } from '../../src/api/graphql/trusted-documents.ts';
import { createApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { LIMITS } from '../../src/kit/limits.ts';
import { SIGN_IN, startCastellans, type Castellans, type SignedInUser } from '../support/castellan.ts';
import { addGateway } from '../support/gateway-key.ts';
import { startRouter, type Router } from '../support/router.ts';
import { ofType, openSocket, type Frame } from '../support/socket.ts';

const ME = 'query Me { me { id } }';
const RENAME = 'mutation Rename($id: ID!) { updateUser(input: { id: $id, name: "Alice" }) { user { name } } }';
const EVENTS = 'subscription Events { sessionEvents { __typename } }';
const OTHER = 'query Me { me { id email } }';

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');

const MANIFEST = {
  format: 'apollo-persisted-query-manifest',
  version: 1,
  operations: [
    { id: hashOf(ME), name: 'Me', type: 'query', body: ME },
    { id: 'rename-1', name: 'Rename', type: 'mutation', body: RENAME },
    { id: hashOf(EVENTS), name: 'Events', type: 'subscription', body: EVENTS },
  ],
};

let folder: string;
let castellans: Castellans;
let alice: SignedInUser;
let router: Router;
let gateway: Record<string, string>;

async function file(content: unknown): Promise<string> {
  const path = join(folder, `${hashOf(JSON.stringify(content)).slice(0, 12)}.json`);
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'castellan documents '));
  router = await startRouter();
  const { limits } = readConfig({ TRUSTED_DOCUMENTS: 'a file' });
  const operations = Object.fromEntries(MANIFEST.operations.map(({ id, body }) => [id, body]));
  castellans = await startCastellans(1, {
    settings: {
      // The test takes turns with it in one process.
      limits: { ...limits, load: { ...limits.load, turnMs: Infinity } },
      trustedDocuments: await file({ ...operations, 'sign-in': SIGN_IN }),
      callbackOrigins: [router.origin],
    },
  });
  alice = await castellans.signUp('alice', ['administrator', 'member']);
  gateway = { 'x-castellan-gateway': (await addGateway(castellans)).secret };
}, 30_000);

afterAll(async () => {
  await castellans?.close();
  await router?.close();
  await rm(folder, { recursive: true, force: true });
});

interface Asked {
  readonly query?: string;
  readonly documentId?: string;
  readonly extensions?: object;
  readonly variables?: object;
}

interface Answered {
  readonly data?: unknown;
  readonly errors?: readonly { readonly extensions: Readonly<Record<string, unknown>> }[];
}

type Headers = Readonly<Record<string, string>>;

const url = (): string => `${castellans.apps[0]?.url}/graphql`;
const own = (): Headers => ({ authorization: `Bearer ${alice.accessToken}` });

async function posted(asked: Asked, headers: Headers): Promise<Answered> {
  const response = await fetch(url(), {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...own(), ...headers },
    body: JSON.stringify(asked),
  });
  return inStream(await response.text());
}

async function got(asked: Asked, headers: Headers): Promise<Answered> {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(asked)) {
    search.set(name, typeof value === 'string' ? value : JSON.stringify(value));
  }
  const all = { 'apollo-require-preflight': '1', ...own(), ...headers };
  return inStream(await (await fetch(`${url()}?${search.toString()}`, { headers: all })).text());
}

/** The first result of a stream, or what came in its place. */
function inStream(text: string): Answered {
  return JSON.parse(/^data: (.+)$/m.exec(text)?.[1] ?? text) as Answered;
}

async function sent({ query = '', ...asked }: Asked, headers: Headers): Promise<Answered> {
  const socket = await openSocket(url().replace('http', 'ws'), { headers });
  socket.init(own());
  await socket.next(ofType('connection_ack'));
  socket.subscribe('1', query, asked);
  const frame = (await socket.next(({ id }: Frame) => id === '1')) as Frame;
  socket.close();
  return frame.type === 'error'
    ? { errors: frame.payload as NonNullable<Answered['errors']> }
    : (frame.payload as Answered);
}

const STREAM = { accept: 'text/event-stream' };

const DOORS: readonly (readonly [name: string, ask: (asked: Asked, headers?: Headers) => Promise<Answered>])[] = [
  ['POST', (asked, headers = {}) => posted(asked, headers)],
  ['GET', (asked, headers = {}) => got(asked, headers)],
  ['server-sent events', (asked, headers = {}) => posted(asked, { ...STREAM, ...headers })],
  ['server-sent events by GET', (asked, headers = {}) => got(asked, { ...STREAM, ...headers })],
  ['a WebSocket', (asked, headers = {}) => sent(asked, headers)],
];

const parsed = (): number => castellans.apps[0]?.documents.figures.parsed ?? 0;
const refused = ({ data = null, errors = [] }: Answered) => ({
  data,
  errors: errors.map(({ extensions: { code, reason } }) => [code, reason]),
});
const persisted = (sha256Hash: string) => ({ persistedQuery: { version: 1, sha256Hash } });
const NONE_OF_THEM = { data: null, errors: [['FORBIDDEN', 'document']] };

describe.each(DOORS)('over %s', (_, ask) => {
  test('a document of the list is answered, asked for by its hash, by its id or as it is, and parsed for none of it', async () => {
    const before = parsed();
    for (const asked of [
      { query: ME },
      { extensions: persisted(hashOf(ME)) },
      { query: ME, extensions: persisted(hashOf(ME)) },
      { documentId: hashOf(ME) },
      { documentId: `sha256:${hashOf(ME)}`, extensions: { other: 'of the client' } },
    ]) {
      expect({ asked, answer: await ask(asked) }).toEqual({ asked, answer: { data: { me: { id: alice.id } } } });
    }
    expect(parsed()).toBe(before);
  });

  test('every other is refused with FORBIDDEN before it is parsed, whatever it is called', async () => {
    const before = parsed();
    for (const asked of [
      { query: OTHER },
      { query: `${ME} ` },
      { query: '{' },
      { query: '{ _service { sdl } }' },
      { extensions: persisted(hashOf(OTHER)) },
      { query: OTHER, extensions: persisted(hashOf(OTHER)) },
      { documentId: hashOf(OTHER) },
      { documentId: 'sha256:constructor' },
      { documentId: '' },
    ]) {
      expect({ asked, answer: refused(await ask(asked)) }).toEqual({ asked, answer: NONE_OF_THEM });
    }
    expect(parsed()).toBe(before);
  });

  test('who names two of them, or none, is told so', async () => {
    for (const asked of [
      { query: ME, documentId: hashOf(RENAME) },
      { query: OTHER, documentId: hashOf(ME) },
      { query: OTHER, extensions: persisted(hashOf(ME)) },
      { variables: {} },
    ]) {
      expect(refused(await ask(asked))).toMatchObject({ data: null, errors: [['BAD_USER_INPUT', undefined]] });
    }
  });

  test('a trusted gateway asks for what it likes, and what it has asked for is refused to others', async () => {
    const planned = `query ($id: ID!) { _entities(representations: [{ __typename: "User", id: $id }]) { ... on User { id } } }`;
    const asked = { query: planned, variables: { id: alice.id } };
    expect(await ask(asked, gateway)).toEqual({ data: { _entities: [{ id: alice.id }] } });
    expect(refused(await ask(asked))).toEqual(NONE_OF_THEM);
  });
});

test('a mutation by its id changes what it says', async () => {
  const asked = { documentId: 'rename-1', variables: { id: alice.id } };
  for (const [name, ask] of DOORS.filter(([each]) => !each.includes('GET'))) {
    expect({ name, answer: await ask(asked) }).toEqual({
      name,
      answer: { data: { updateUser: { user: { name: 'Alice' } } } },
    });
  }
  const [, [, get] = []] = DOORS;
  expect((await get?.(asked))?.errors).toHaveLength(1);
});

test('who wants to be called back is a trusted gateway, whose document need not be on the list, or is refused', async () => {
  const called = { accept: 'application/json;callbackSpec=1.0' };
  const extensions = router.extensions('of-the-gateway');
  const planned = `${EVENTS} # as planned`;
  const before = parsed();
  expect(refused(await posted({ query: planned, extensions }, called))).toEqual(NONE_OF_THEM);
  const pretended = { ...called, 'x-castellan-gateway': 'trust me' };
  const said = [['UNAUTHENTICATED', 'gateway']];
  expect(refused(await posted({ query: planned, extensions }, pretended)).errors).toEqual(said);
  expect(parsed()).toBe(before);
  expect(refused(await posted({ query: EVENTS, extensions }, called)).errors).toEqual([['FORBIDDEN', 'gateway']]);
  expect(await posted({ query: planned, extensions }, { ...called, ...gateway })).toEqual({ data: null });
});

test('several ids at once, no text and whatever else is no string are refused like any other', async () => {
  for (const documentId of [1, true, {}, [hashOf(ME)], ['x'], 'x'.repeat(10_000), '__proto__']) {
    expect(refused(await posted({ documentId } as unknown as Asked, {}))).toEqual(NONE_OF_THEM);
    const extensions = { persistedQuery: { sha256Hash: documentId } };
    expect(refused(await posted({ extensions }, {}))).toEqual(NONE_OF_THEM);
  }
  for (const persistedQuery of [1, 'x', [], {}]) {
    expect(refused(await posted({ extensions: { persistedQuery } }, {}))).toEqual(NONE_OF_THEM);
  }
});

describe('a list', () => {
  test('is a manifest of version 1, or an object from ids to documents', () => {
    const plain = { [hashOf(ME)]: ME, 'rename-1': RENAME, [hashOf(EVENTS)]: EVENTS };
    const texts = (json: object) => parseListed(JSON.stringify(json)).map(({ id, text }) => [id, text]);
    expect(texts(MANIFEST)).toEqual(Object.entries(plain));
    expect(texts(plain)).toEqual(Object.entries(plain));
  });

  test('is read as docs/security.md shows one', async () => {
    const page = await readFile(join(import.meta.dirname, '../../docs/security.md'), 'utf8');
    const [, shown = ''] = /^```json\n(.*?)^```$/ms.exec(page) ?? [];
    expect(parseListed(shown)).toEqual([{ id: hashOf(ME), text: ME, operation: null }]);
  });

  const broken = (change: object): string => JSON.stringify({ ...MANIFEST, ...change });
  test.each([
    ['is not JSON', '{'],
    ['is neither', '[]'],
    ['is neither', '{"x":1}'],
    ['lists no document', '{}'],
    ['is no manifest of version 1: version', broken({ version: 2 })],
    ['is no manifest of version 1: operations.0.name', broken({ operations: [{ id: 'x' }] })],
    [`lists ${hashOf(ME)} twice`, broken({ operations: [...MANIFEST.operations, ...MANIFEST.operations] })],
    [`lists ${hashOf(ME)} with a document that has another SHA-256`, JSON.stringify({ [hashOf(ME)]: OTHER })],
  ])('that %s is said to be none', (words, json) => {
    expect(() => parseListed(json)).toThrow(words);
  });

  test('whose documents could never be answered starts nothing, and names them all', async () => {
    const operations = [
      ...MANIFEST.operations,
      { id: 'a', name: 'Me', type: 'query', body: 'query Me { me { nothing } }' },
      { id: 'b', name: 'Broken', type: 'query', body: 'query Broken {' },
      { id: 'c', name: 'Another', type: 'query', body: 'query Other { me { id } }' },
      {
        id: 'd',
        name: 'Deep',
        type: 'query',
        body: `query Deep { me ${'{ roles '.repeat(20)}{ id ${'}'.repeat(21)} }`,
      },
      {
        id: 'e',
        name: 'Dear',
        type: 'query',
        body: 'query Dear { users(first: 100) { edges { node { roles { inherits { inherits { id } } } } } } }',
      },
    ];
    const trustedDocuments = await file({ ...MANIFEST, operations });
    const started = createApp({ ...castellans.config, trustedDocuments });
    await expect(started).rejects.toThrow(
      /TRUSTED_DOCUMENTS lists documents that .+\n +Me \(a\): Cannot query field "nothing".+\n +Broken \(b\): Syntax.+\n +Another \(c\): There is no query.+\n +Deep \(d\): .+too many fields in each other.+\n +Dear \(e\): .+too many records/,
    );
    const missing = createApp({ ...castellans.config, trustedDocuments: join(folder, 'none.json') });
    await expect(missing).rejects.toThrow('TRUSTED_DOCUMENTS names a file that cannot be read (ENOENT)');
  });

  test('leaves everybody what they may ask for where there is none', () => {
    expect(readConfig({}).limits.documents).toEqual(LIMITS.documents);
    expect(readConfig({ TRUSTED_DOCUMENTS: 'x' }).limits).toMatchObject({
      documents: { anyDocument: false },
      gatewayDocuments: { anyDocument: true },
    });
  });
});

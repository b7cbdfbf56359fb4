import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { composeSupergraph } from '../../examples/gateways/compose.ts';
import { publishedSdl, readSchemaText } from '../../src/api/graphql/sdl.ts';
import { endOfFeed } from '../support/session-events.ts';
import { grafbaseBinary, startGrafbase } from '../../examples/gateways/grafbase/start.ts';
import { type HiveConfig, startHive } from '../../examples/gateways/hive/start.ts';
import { freePort, type Running } from '../../examples/gateways/running.ts';
import { codesOf, post, until } from '../support/castellan.ts';
import { addMember, openSupergraph, overSocket, overStream, type Events, type Supergraph } from './supergraph.ts';

// Several processes take part in each.
jest.setTimeout(60_000);

/** Gateways that people run, with the configurations that our examples have, in front of one of two instances. */
interface Gateway {
  readonly name: string;
  readonly start: (supergraph: Supergraph, port: number) => Promise<Running>;
  /** Where it takes WebSockets. */
  readonly sockets: string;
  /** What it tells of a credential that Castellan refuses with this code: some have only their own word for a 401. */
  readonly refused: (code: string) => string;
  /** How many WebSockets it opens to Castellan for subscriptions of three users. */
  readonly upstream: number;
}

const hive = (config: HiveConfig) => ({
  start: ({ file, castellan, trusted }: Supergraph, port: number) =>
    startHive({
      supergraph: file,
      port,
      config,
      env: {
        CASTELLAN: castellan,
        CASTELLAN_WS: castellan.replace('http', 'ws'),
        CASTELLAN_GATEWAY: trusted,
        PUBLIC_URL: `http://127.0.0.1:${port}`,
      },
    }),
  sockets: '/graphql',
  refused: (code: string) => code,
});

const GATEWAYS: readonly Gateway[] = [
  { name: 'Hive Gateway over server-sent events', ...hive('gateway.config.ts'), upstream: 0 },
  { name: 'Hive Gateway over a WebSocket per user', ...hive('websocket.config.ts'), upstream: 3 },
  { name: 'Hive Gateway over one WebSocket for all users', ...hive('shared-websocket.config.ts'), upstream: 1 },
  { name: 'Hive Gateway that is called back', ...hive('callback.config.ts'), upstream: 0 },
  {
    name: 'Grafbase Gateway',
    start: ({ castellan, documents }: Supergraph, port: number) => startGrafbase({ castellan, documents, port }),
    sockets: '/ws',
    refused: () => 'SUBGRAPH_REQUEST_ERROR',
    upstream: 3,
  },
].filter(({ name }) => name !== 'Grafbase Gateway' || grafbaseBinary() !== null);

const ME = '{ me { id email documents { title owner { email } } } }';
const DOCUMENT = 'query ($id: ID!) { document(id: $id) { title owner { id email } } }';
const RENAME = `mutation ($id: ID!, $title: String!) {
  renameDocument(id: $id, title: $title) { title owner { email } }
}`;
const REVOKE = 'mutation ($id: ID!) { revokeSession(id: $id) { session { id } receipt { enforced } } }';
const EVENTS = `subscription ($after: String) {
  sessionEvents(after: $after) {
    __typename
    ... on SessionRevoked { sessionId session { user { email documents { title } } } }
    ... on AccessEnded { code }
  }
}`;
const ENDED = { sessionEvents: { __typename: 'AccessEnded', code: 'SESSION_REVOKED' } };

let supergraph: Supergraph;
let port: number;

beforeAll(async () => {
  port = await freePort();
  supergraph = await openSupergraph({ instances: 2, callbackOrigins: [`http://127.0.0.1:${port}`] });
}, 40_000);

afterAll(() => supergraph?.close());

describe.each(GATEWAYS)('through $name', ({ start, sockets, refused, upstream }) => {
  let gateway: Running;

  beforeAll(async () => {
    gateway = await start(supergraph, port);
  }, 120_000);

  afterAll(() => gateway?.stop());

  const ask = (query: string, token?: string, variables: object = {}) =>
    post<Record<string, unknown>>(
      gateway.url,
      query,
      variables,
      token === undefined ? {} : { authorization: `Bearer ${token}` },
    );

  /** Takes a session away on the other instance: the one behind the gateway hears of it. */
  async function revoke(id: string): Promise<void> {
    const { castellans, alice } = supergraph;
    const { data } = await castellans.ask(REVOKE, { variables: { id }, token: alice.accessToken, instance: 1 });
    expect(data).toMatchObject({ revokeSession: { receipt: { enforced: true } } });
  }

  /** What happens from now on, even before the subscription has reached Castellan. */
  const CLIENTS = [
    {
      client: 'server-sent events',
      open: async (token: string | null) =>
        overStream(gateway.url, EVENTS, { token, variables: { after: await position() } }),
    },
    {
      client: 'graphql-ws',
      open: async (token: string | null) =>
        overSocket(`${gateway.url}${sockets}`, EVENTS, { token, variables: { after: await position() } }),
    },
  ];

  const position = () => endOfFeed(supergraph.castellans);

  test('a query over both subgraphs, there and back, gives what the bearer may read', async () => {
    const { bob, edith, alice } = supergraph;
    const { data, errors } = await ask(ME, bob.accessToken);
    expect(errors).toEqual([]);
    const owned = ['Plans', 'Diary', 'Old plans'].map((title) => ({ title, owner: { email: bob.email } }));
    expect(data).toEqual({ me: { id: bob.id, email: bob.email, documents: owned } });
    expect(await ask('{ documents { title } }', edith.accessToken)).toMatchObject({
      data: { documents: [{ title: 'Plans' }, { title: 'Corrections' }] },
    });
    expect(await ask(DOCUMENT, alice.accessToken, { id: 'doc_2' })).toMatchObject({
      data: { document: { title: 'Diary', owner: { email: bob.email } } },
    });
  });

  test('AC-52: whoever may not read a user or a document gets nothing of it through the other subgraph', async () => {
    const { bob, edith, mallory } = supergraph;
    for (const token of [mallory.accessToken, undefined]) {
      expect(await ask(DOCUMENT, token, { id: 'doc_1' })).toMatchObject({ data: { document: null }, errors: [] });
    }
    // She may read the document, and not its owner.
    const { data } = await ask(DOCUMENT, edith.accessToken, { id: 'doc_1' });
    expect(data).toMatchObject({ document: { title: 'Plans' } });
    expect(JSON.stringify(data)).not.toContain(bob.email);
    expect(await ask(ME)).toMatchObject({ data: { me: null }, errors: [] });
  });

  test('a mutation of the other subgraph is decided by the policy, and its refusal keeps its code', async () => {
    const { bob, edith, mallory } = supergraph;
    const rename = (token: string | undefined, id: string) => ask(RENAME, token, { id, title: 'Plans' });
    for (const { accessToken } of [bob, edith]) {
      const { data, errors } = await rename(accessToken, 'doc_1');
      expect([data, errors]).toMatchObject([{ renameDocument: { title: 'Plans' } }, []]);
    }
    expect(codesOf(await rename(mallory.accessToken, 'doc_1'))).toEqual(['NOT_FOUND']);
    expect(codesOf(await rename(undefined, 'doc_1'))).toEqual(['NOT_FOUND']);
    const archived = await rename(bob.accessToken, 'doc_3');
    expect(codesOf(archived)).toEqual(['FORBIDDEN']);
    expect(archived.errors[0]?.message).toBe('An archived document stays as it is.');
  });

  test('a refused field tells its code, and a refused credential is never taken for nobody', async () => {
    const { bob, mallory } = supergraph;
    const disable = 'mutation ($id: ID!) { disableUser(id: $id) { user { id } } }';
    expect(codesOf(await ask(disable, undefined, { id: bob.id }))).toEqual(['UNAUTHENTICATED']);
    expect(codesOf(await ask(disable, mallory.accessToken, { id: bob.id }))).toEqual(['NOT_FOUND']);
    const { data, ...rest } = await ask(ME, 'no.token.at.all');
    expect(data ?? { me: null }).toEqual({ me: null });
    expect(codesOf(rest)).toEqual([refused('UNAUTHENTICATED')]);
  });

  test('a session revoked on another instance is refused from then on, in both subgraphs', async () => {
    const { castellans, bob } = supergraph;
    const { accessToken, sessionId } = await castellans.signIn(bob.email);
    expect(await ask(ME, accessToken)).toMatchObject({ data: { me: { id: bob.id } } });
    await revoke(sessionId);
    const [me, document] = [await ask(ME, accessToken), await ask(DOCUMENT, accessToken, { id: 'doc_1' })];
    expect(codesOf(me)).toEqual([refused('SESSION_REVOKED')]);
    // Documents puts the refusal in its own answer.
    expect(codesOf(document)).toEqual(['SESSION_REVOKED']);
    for (const { data } of [me, document]) expect(JSON.stringify(data)).not.toMatch(/Plans|@/);
    expect(await ask(ME, bob.accessToken)).toMatchObject({ data: { me: { id: bob.id } }, errors: [] });
  });

  test('AC-95: many users with the same subscription, over whatever, see their own events only', async () => {
    const { castellans } = supergraph;
    const people = await Promise.all(['dora', 'emil', 'fred'].map((name) => addMember(castellans, name)));
    const sessions = await Promise.all(people.map(({ signIn }) => signIn()));
    const phones = await Promise.all(people.map(({ signIn }) => signIn()));
    const opened: Events[] = [];
    for (const [at, { accessToken }] of sessions.entries()) {
      const events = await CLIENTS[at % CLIENTS.length]?.open(accessToken);
      if (events !== undefined) opened.push(events);
    }
    const first = opened.map((events) => events.next());
    for (const { sessionId } of phones.toReversed()) await revoke(sessionId);
    expect(await Promise.all(first)).toEqual(
      people.map(({ email }, at) => eventOf(phones[at]?.sessionId, { email, documents: [] })),
    );
    await until(async () => (await upstreamSockets()) === upstream);

    // One after the other goes, and whoever is left stays.
    for (const [at, { sessionId }] of sessions.entries()) {
      await revoke(sessionId);
      expect(await opened[at]?.next()).toEqual(ENDED);
      expect(await opened[at]?.next()).toBeNull();
      opened[at]?.leave();
    }
  });

  test.each(CLIENTS)(
    'over $client: events carry what the other subgraph knows; AccessEnded comes and it completes; others go on',
    async ({ open }) => {
      const { castellans, bob } = supergraph;
      const carol = await addMember(castellans, 'carol');
      const bobs = await castellans.signIn(bob.email);
      const carols = await carol.signIn();
      const phones = [await castellans.signIn(bob.email), await carol.signIn()];
      const tablet = await carol.signIn();
      const [ofBob, ofCarol] = [await open(bobs.accessToken), await open(carols.accessToken)];
      const first = [ofBob.next(), ofCarol.next()];
      for (const { sessionId } of phones) await revoke(sessionId);
      const titles = ['Plans', 'Diary', 'Old plans'].map((title) => ({ title }));
      expect(await Promise.all(first)).toEqual([
        eventOf(phones[0]?.sessionId, { email: bob.email, documents: titles }),
        eventOf(phones[1]?.sessionId, { email: carol.email, documents: [] }),
      ]);

      await revoke(bobs.sessionId);
      expect(await ofBob.next()).toEqual(ENDED);
      expect(await ofBob.next()).toBeNull();

      await revoke(tablet.sessionId);
      expect(await ofCarol.next()).toEqual(eventOf(tablet.sessionId, { email: carol.email, documents: [] }));
      for (const events of [ofBob, ofCarol]) events.leave();
    },
  );

  test.each(CLIENTS)('over $client: nobody gets no events', async ({ open }) => {
    const events = await open(null);
    await expect(events.next()).rejects.toThrow(/Sign in first|UNAUTHENTICATED|WebSocket|Socket/);
    events.leave();
  });

  async function upstreamSockets(): Promise<number> {
    const text = await supergraph.castellans.apps[0]?.metrics.render();
    return Number(/^castellan_sockets (\d+)$/m.exec(text ?? '')?.[1]);
  }
});

function eventOf(sessionId: string | undefined, user: object): object {
  return { sessionEvents: { __typename: 'SessionRevoked', sessionId, session: { user } } };
}

/** What each makes of the contract with its directives: none of them refuses whoever is signed in, and Castellan refuses the others. */
describe.each(
  [
    { name: 'Hive Gateway', open: openHiveOnDirectives },
    { name: 'Grafbase Gateway', open: openGrafbaseOnDirectives },
  ].filter(({ name }) => name !== 'Grafbase Gateway' || grafbaseBinary() !== null),
)('on the contract with @authenticated and @policy, $name', ({ open }) => {
  let gateway: Running;

  beforeAll(async () => {
    gateway = await open();
  }, 120_000);

  afterAll(() => gateway?.stop());

  const ask = (query: string, token?: string) =>
    post(gateway.url, query, {}, token === undefined ? {} : { authorization: `Bearer ${token}` });

  test('lets through whoever may, and what is refused is refused with our code', async () => {
    const { alice, bob } = supergraph;
    const keys = '{ signingKeys { id } }';
    expect(await ask(keys, alice.accessToken)).toMatchObject({ data: { signingKeys: [{}] }, errors: [] });
    expect(codesOf(await ask(keys, bob.accessToken))).toEqual(['FORBIDDEN']);
    expect(codesOf(await ask(keys))).toEqual(['UNAUTHENTICATED']);
    expect(await ask('{ me { id } }', bob.accessToken)).toMatchObject({ data: { me: { id: bob.id } }, errors: [] });
    expect(await ask('{ me { id } }')).toMatchObject({ data: { me: null }, errors: [] });
    expect(codesOf(await ask('mutation { signOut { position } }'))).toEqual(['UNAUTHENTICATED']);
  });
});

/** The contract of the first instance with all its directives, as a file. */
async function writeDirectives(folder: string): Promise<string> {
  const file = join(folder, 'castellan.graphql');
  await writeFile(file, publishedSdl(readSchemaText(), 'policies') ?? '');
  return file;
}

async function openHiveOnDirectives(): Promise<Running> {
  const { castellan, documents, file: plain } = supergraph;
  const folder = dirname(plain);
  const subgraphs = [
    { name: 'castellan', url: castellan, file: await writeDirectives(folder) },
    { name: 'documents', url: documents },
  ];
  const file = join(folder, 'directives.graphql');
  const composed = await composeSupergraph(subgraphs);
  expect(composed).toContain('@policy(policies: [["signingKey:read"]])');
  await writeFile(file, composed);
  return startHive({ supergraph: file, port, config: 'gateway.config.ts' });
}

async function openGrafbaseOnDirectives(): Promise<Running> {
  const { castellan, documents, file } = supergraph;
  return startGrafbase({ castellan, documents, port, schema: await writeDirectives(dirname(file)) });
}

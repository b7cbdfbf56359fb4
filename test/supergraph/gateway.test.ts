import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { composeServices } from '@theguild/federation-composition';
import { parse } from 'graphql';
import { readSchemaText } from '../../src/api/graphql/sdl.ts';
import { codesOf, post, startCastellans, type Castellans, type SignedInUser } from '../support/castellan.ts';
import { untilFollowed } from '../support/session-events.ts';
import { openStream } from '../support/event-stream.ts';
import { DOCUMENTS_SDL, portOf, serveDocuments } from './documents.ts';

/** A gateway that people run, with the configuration that our documentation gives them. */
const BINARY = join(import.meta.dirname, '../../node_modules/.bin/hive-gateway');
const READY_MS = 15_000;

const CONFIG = `export const gatewayConfig = {
  supergraph: './supergraph.graphql',
  propagateHeaders: {
    fromClientToSubgraphs: ({ request }) => {
      const authorization = request.headers.get('authorization');
      return authorization === null ? {} : { authorization };
    },
  },
};
`;

const DOCUMENT = `query ($id: ID!) { document(id: $id) { title owner { id email name documents { title } } } }`;
const ME = '{ me { id email documents { title } } }';

let castellans: Castellans;
let documents: Awaited<ReturnType<typeof serveDocuments>>;
let gateway: { readonly url: string; stop(): Promise<void> };
let alice: SignedInUser;
let bob: SignedInUser;
let mallory: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(1);
  [alice, bob, mallory] = [
    await castellans.signUp('alice', ['administrator']),
    await castellans.signUp('bob'),
    await castellans.signUp('mallory'),
  ];
  documents = await serveDocuments([
    { id: 'doc_1', title: 'Plans', ownerId: bob.id },
    { id: 'doc_2', title: 'More plans', ownerId: bob.id },
  ]);
  gateway = await startGateway();
}, 40_000);

afterAll(async () => {
  await gateway?.stop();
  await documents?.close();
  await castellans?.close();
});

function ask(query: string, token?: string, variables: object = { id: 'doc_1' }) {
  return post(gateway.url, query, variables, token === undefined ? {} : { authorization: `Bearer ${token}` });
}

test('a query over both subgraphs gives what the bearer may read', async () => {
  expect(await ask(ME, bob.accessToken)).toMatchObject({
    data: { me: { id: bob.id, email: bob.email, documents: [{ title: 'Plans' }, { title: 'More plans' }] } },
    errors: [],
  });
  for (const { accessToken } of [bob, alice]) {
    expect(await ask(DOCUMENT, accessToken)).toMatchObject({
      data: { document: { title: 'Plans', owner: { id: bob.id, email: bob.email } } },
      errors: [],
    });
  }
});

test('AC-52: whoever may not read a user gets nothing of theirs through another subgraph either', async () => {
  for (const token of [mallory.accessToken, undefined]) {
    const { data } = await ask(DOCUMENT, token);
    expect(data).toMatchObject({ document: { title: 'Plans' } });
    expect(JSON.stringify(data)).not.toContain(bob.email);
  }
  expect(await ask(ME)).toMatchObject({ data: { me: null }, errors: [] });
});

test('our codes reach the client: of a refused field and of a refused credential', async () => {
  const mutation = `mutation ($id: ID!) { disableUser(id: $id) { user { id } } }`;
  const anonymous = await ask(mutation, undefined, { id: bob.id });
  expect(anonymous.data ?? { disableUser: null }).toEqual({ disableUser: null });
  expect(codesOf(anonymous)).toEqual(['UNAUTHENTICATED']);
  expect(codesOf(await ask(mutation, mallory.accessToken, { id: bob.id }))).toEqual(['NOT_FOUND']);
  expect(codesOf(await ask(ME, 'no token'))).toEqual(['UNAUTHENTICATED']);
});

test('a session revoked through the gateway is refused through the gateway from then on', async () => {
  const { accessToken, sessionId } = await castellans.signIn(bob.email);
  expect(await ask(ME, accessToken)).toMatchObject({ data: { me: { id: bob.id } } });

  const revoke = `mutation ($id: ID!) { revokeSession(id: $id) { session { id } receipt { enforced } } }`;
  const revoked = await ask(revoke, alice.accessToken, { id: sessionId });
  expect(revoked).toMatchObject({
    data: { revokeSession: { session: { id: sessionId }, receipt: { enforced: true } } },
  });

  const [me, document] = [await ask(ME, accessToken), await ask(DOCUMENT, accessToken)];
  expect(codesOf(me)).toEqual(['SESSION_REVOKED']);
  expect(codesOf(document)).toContain('SESSION_REVOKED');
  for (const { data } of [me, document]) expect(JSON.stringify(data)).not.toContain(bob.email);
  expect(await ask(ME, bob.accessToken)).toMatchObject({ data: { me: { id: bob.id } }, errors: [] });
});

test('a subscription through the gateway, which asks for server-sent events, ends when the session does', async () => {
  const { accessToken, sessionId } = await castellans.signIn(bob.email);
  const query = `subscription {
    sessionEvents { __typename ... on SessionRevoked { sessionId } ... on AccessEnded { code } }
  }`;
  const events = await openStream(gateway.url, query, { headers: { authorization: `Bearer ${accessToken}` } });
  await untilFollowed(castellans, 0, 1);
  const revoke = (id: string) =>
    ask('mutation ($id: ID!) { revokeSession(id: $id) { position } }', alice.accessToken, { id });
  const phone = await castellans.signIn(bob.email);
  await revoke(phone.sessionId);
  for (const event of [
    { __typename: 'SessionStarted' },
    { __typename: 'SessionRevoked', sessionId: phone.sessionId },
  ]) {
    expect(await events.next()).toEqual({ event: 'next', data: { data: { sessionEvents: event } } });
  }
  await revoke(sessionId);
  expect(await events.all()).toEqual([
    { event: 'next', data: { data: { sessionEvents: { __typename: 'AccessEnded', code: 'SESSION_REVOKED' } } } },
    { event: 'complete', data: null },
  ]);
});

async function startGateway() {
  const [castellan] = castellans.apps;
  const { supergraphSdl, errors } = composeServices([
    { name: 'castellan', url: `${castellan?.url}/graphql`, typeDefs: parse(readSchemaText()) },
    { name: 'documents', url: documents.url, typeDefs: parse(DOCUMENTS_SDL) },
  ]);
  if (supergraphSdl === undefined) throw new Error(`nothing was composed: ${String(errors)}`);
  const folder = await mkdtemp(join(tmpdir(), 'castellan-gateway-'));
  await writeFile(join(folder, 'supergraph.graphql'), supergraphSdl);
  await writeFile(join(folder, 'gateway.config.mjs'), CONFIG);

  const port = await freePort();
  const flags = ['supergraph', '-c', 'gateway.config.mjs', '-p', String(port), '--host', '127.0.0.1', '--fork', '1'];
  const child = spawn(process.execPath, [BINARY, ...flags], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += String(chunk)));
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      await exit;
    }
    await rm(folder, { recursive: true, force: true });
  };

  const url = `http://127.0.0.1:${port}`;
  try {
    await untilReady(url, child);
  } catch (error) {
    await stop();
    throw new Error(`the gateway did not start:\n${output}`, { cause: error });
  }
  return { url, stop };
}

async function untilReady(url: string, child: ChildProcess): Promise<void> {
  const givesUpAt = performance.now() + READY_MS;
  for (;;) {
    const response = await fetch(`${url}/readiness`).catch(() => null);
    if (response?.ok === true) return;
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
    if (performance.now() > givesUpAt) throw new Error(`it was not ready after ${READY_MS} ms`);
    await new Promise((resolve) => void setTimeout(resolve, 50));
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = portOf(server.address());
  server.close();
  await once(server, 'close');
  return port;
}

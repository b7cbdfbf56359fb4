import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { serveDocuments } from '../../examples/documents/server.ts';
import { composeSupergraph } from '../../examples/gateways/compose.ts';
import { SYSTEM } from '../../src/domain/principals/principal.ts';
import { readPolicyFiles } from '../../src/drivers/files/policies.ts';
import { type Castellans, PASSWORD, type SignedInUser, startCastellans } from '../support/castellan.ts';
import { openStream } from '../support/event-stream.ts';
import { addGateway } from '../support/gateway-key.ts';
import { addGrant } from '../support/people.ts';

/** Castellan, the documents of another subgraph, and people. A gateway is put in front of the first instance. */
export interface Supergraph {
  readonly castellans: Castellans;
  /** The GraphQL of the instance that gateways talk to, and of documents. */
  readonly castellan: string;
  readonly documents: string;
  /** The file with the composed SDL. */
  readonly file: string;
  /** What a gateway shows in `X-Castellan-Gateway` to be trusted. */
  readonly trusted: string;
  /** Administrator. */
  readonly alice: SignedInUser;
  /** A member who owns `doc_1`, `doc_2` and the archived `doc_3`. */
  readonly bob: SignedInUser;
  /** An editor in `acme`, where `doc_1` lies, who owns `doc_4`. */
  readonly edith: SignedInUser;
  /** A member who owns nothing. */
  readonly mallory: SignedInUser;
  close(): Promise<void>;
}

export async function openSupergraph({
  instances,
  callbackOrigins = [],
}: {
  readonly instances: number;
  readonly callbackOrigins?: readonly string[];
}): Promise<Supergraph> {
  const policyFiles = await Promise.all(['policies', 'examples/documents/policies'].map(readPolicyFiles));
  const castellans = await startCastellans(instances, {
    policyFiles: policyFiles.flat(),
    settings: { callbackOrigins },
  });
  const { secret: trusted } = await addGateway(castellans);
  const [first] = castellans.apps;
  if (first === undefined) throw new TypeError('there is no instance');
  await castellans.addScopes('acme', 'globex');
  const alice = await castellans.signUp('alice', ['administrator']);
  const bob = await castellans.signUp('bob');
  const edith = await castellans.signUp('edith');
  const mallory = await castellans.signUp('mallory');
  await addGrant(first, { principalId: edith.id, role: 'editor', scope: 'acme' });
  const castellan = `${first.url}/graphql`;
  const server = await serveDocuments({
    castellan,
    documents: [
      { id: 'doc_1', title: 'Plans', ownerId: bob.id, scope: 'acme', archived: false },
      { id: 'doc_2', title: 'Diary', ownerId: bob.id, scope: 'globex', archived: false },
      { id: 'doc_3', title: 'Old plans', ownerId: bob.id, scope: 'globex', archived: true },
      { id: 'doc_4', title: 'Corrections', ownerId: edith.id, scope: 'acme', archived: false },
    ],
  });
  const folder = await mkdtemp(join(tmpdir(), 'castellan-supergraph-'));
  const file = join(folder, 'supergraph.graphql');
  const subgraphs = [
    { name: 'castellan', url: castellan },
    { name: 'documents', url: server.url },
  ];
  await writeFile(file, await composeSupergraph(subgraphs));
  return {
    castellans,
    castellan,
    documents: server.url,
    file,
    trusted,
    alice,
    bob,
    edith,
    mallory,
    async close() {
      await server.close();
      await castellans.close();
      await rm(folder, { recursive: true });
    },
  };
}

/** A user of their own for one test, with as many sessions as it needs. */
export async function addMember(castellans: Castellans, name: string) {
  const email = `${name}.${crypto.randomUUID()}@example.com`;
  const created = await castellans.apps[0]?.services.users.create(SYSTEM, {
    email,
    name,
    password: PASSWORD,
    roles: ['member'],
  });
  return { id: created?.value.id ?? '', email, signIn: () => castellans.signIn(email) };
}

/** What comes of one subscription, whatever it came over. */
export interface Events {
  /** The data of the next event, or null once it has completed. */
  next(): Promise<Record<string, unknown> | null>;
  leave(): void;
}

export interface Subscribing {
  readonly token: string | null;
  readonly variables?: Record<string, unknown>;
}

/** Over server-sent events. */
export function overStream(url: string, query: string, { token, variables }: Subscribing): Events {
  const headers = token === null ? {} : { authorization: `Bearer ${token}` };
  // Some gateways answer with their first event only.
  const opened = openStream(url, query, { headers, ...(variables !== undefined && { variables }) });
  return {
    async next() {
      const event = await (await opened).next();
      if (event === null) throw new Error('the stream ended before its subscription was complete');
      return event.event === 'complete' ? null : dataOf(event.data);
    },
    leave: () => void opened.then((stream) => stream.leave()),
  };
}

/** Over a WebSocket of its own. */
export function overSocket(url: string, query: string, { token, variables = {} }: Subscribing): Events {
  // Some gateways take the credential from the upgrade, and others from the payload.
  const headers = token === null ? {} : { authorization: `Bearer ${token}` };
  const client = createClient({
    url: url.replace('http', 'ws'),
    webSocketImpl: class extends WebSocket {
      constructor(address: string, protocols: string) {
        super(address, protocols, { headers });
      }
    },
    retryAttempts: 0,
    connectionParams: headers,
  });
  const events = client.iterate({ query, variables });
  return {
    async next() {
      const { value, done } = await events.next();
      return done === true ? null : dataOf(value);
    },
    leave: () => void client.dispose(),
  };
}

function dataOf(result: unknown): Record<string, unknown> {
  const { data, errors } = result as { data?: Record<string, unknown> | null; errors?: unknown };
  if (data == null || errors !== undefined) throw new Error(`an event with errors: ${JSON.stringify(result)}`);
  return data;
}

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Secret } from '../../src/kit/secret.ts';
import { tracing } from '../../src/kit/tracing.ts';
import { askOver, type Castellans, PASSWORD, type SignedInUser, startCastellans, until } from '../support/castellan.ts';

interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly attributes: readonly { readonly key: string; readonly value: object }[];
}
interface Payload {
  readonly resourceSpans: readonly { readonly scopeSpans: readonly { readonly spans: readonly Span[] }[] }[];
}

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';

let collector: Server;
let castellans: Castellans;
let bob: SignedInUser;
const bodies: string[] = [];

beforeAll(async () => {
  collector = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      if (request.url === '/v1/traces') bodies.push(Buffer.concat(parts).toString());
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  const { port } = collector.address() as AddressInfo; // it listens on TCP
  castellans = await startCastellans(1, {
    redis: true,
    settings: { otlpEndpoint: new Secret(`http://127.0.0.1:${port}`) },
  });
  bob = await castellans.signUp('bob');
});

afterAll(async () => {
  await castellans?.close();
  collector.close();
});

const spans = (): readonly Span[] =>
  bodies.flatMap((body) =>
    (JSON.parse(body) as Payload).resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((each) => each.spans)),
  );

test('a request is a part of the trace that its gateway names: HTTP, GraphQL, PostgreSQL and Redis', async () => {
  const query = `query Secretly($id: ID!) { user(id: $id) { name } }`;
  const headers = { traceparent: `00-${TRACE}-${PARENT}-00` };
  const { data } = await castellans.ask(query, { token: bob.accessToken, variables: { id: bob.id }, headers });
  expect(data).toEqual({ user: { name: 'bob' } });
  const mutation = `mutation { renameSession(id: "${bob.sessionId}", label: "a label") { position } }`;
  await castellans.ask(mutation, { token: bob.accessToken, headers });
  const refused = `mutation { disableUser(id: "${bob.id}") { position } }`;
  await castellans.ask(refused, { token: bob.accessToken, headers });

  const told = () => spans().filter(({ traceId }) => traceId === TRACE);
  const named = (name: string) => told().filter((span) => span.name === name);
  await until(() => named('graphql mutation disableUser').length === 1);
  const [http] = named('POST /graphql');
  expect(http?.parentSpanId).toBe(PARENT);
  expect(http?.attributes).toContainEqual({ key: 'http.response.status_code', value: { intValue: 200 } });
  const [graphql] = named('graphql query user');
  expect(named('POST /graphql').map(({ spanId }) => spanId)).toContain(graphql?.parentSpanId);
  const [renamed] = named('graphql mutation renameSession');
  const below = told().filter(({ parentSpanId }) => parentSpanId === renamed?.spanId);
  expect(below.map(({ name }) => name)).toContain('postgresql transaction');
  expect(named('graphql mutation disableUser')[0]?.attributes).toContainEqual({
    key: 'castellan.code',
    value: { stringValue: 'FORBIDDEN' },
  });
  await until(() => spans().some(({ name }) => name === 'redis'));
});

test('an operation over a WebSocket is a trace of its own', async () => {
  const client = castellans.connect({ token: bob.accessToken });
  await askOver(client, '{ roles(first: 1) { edges { node { name } } } }');
  await until(() => spans().some(({ name }) => name === 'graphql query roles'));
  const [span] = spans().filter(({ name }) => name === 'graphql query roles');
  expect(span?.parentSpanId ?? '').toBe('');
});

test('spans carry nobody’s secrets, addresses, ids, names or words', async () => {
  await castellans.signIn(bob.email);
  await castellans.ask('{ me { id } }', { token: bob.accessToken });
  await until(() => spans().some(({ name }) => name === 'graphql mutation signIn'));
  const text = bodies.join('\n');
  for (const secret of [
    PASSWORD,
    bob.accessToken,
    bob.refreshToken,
    bob.email,
    bob.id,
    bob.sessionId,
    'a label',
    'Secretly',
    '127.0.0.1',
    'select ',
  ]) {
    expect(text).not.toContain(secret);
  }
});

test('what is left is sent when an instance closes, and nothing is traced after that', async () => {
  await castellans.ask('{ __typename }');
  await castellans.close();
  expect(spans().some(({ name }) => name === 'graphql query __typename')).toBe(true);
  expect(tracing.on).toBe(false);
});

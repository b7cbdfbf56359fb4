/**
 * graphql-ws as it comes: its `useServer`, and a plain async iterator in memory for each subscriber. A POST to /all brings an event for
 * all of them, one to /one an event for one. Nobody is asked who they are.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buildSchema } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';

const schema = buildSchema(`
  type Query { ok: Boolean }
  type ApiKeyUpdated { apiKeyId: ID! at: String! position: String! }
  type Resync { position: String! }
  union ApiKeyEvent = ApiKeyUpdated | Resync
  type Subscription { apiKeyEvents(after: String): ApiKeyEvent! }
`);

type Told = { readonly event: object };

const listeners = new Set<(told: Told) => void>();

async function* follow(): AsyncGenerator<Told, void, void> {
  const queue: Told[] = [{ event: { __typename: 'Resync', position: '' } }];
  let wake = (): void => {};
  const listener = (told: Told): void => {
    queue.push(told);
    wake();
  };
  listeners.add(listener);
  try {
    for (;;) {
      for (let told = queue.shift(); told !== undefined; told = queue.shift()) yield told;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    listeners.delete(listener);
  }
}

const subscription = schema.getSubscriptionType()?.getFields()['apiKeyEvents'];
if (subscription === undefined) throw new TypeError('there is nothing to subscribe to');
subscription.subscribe = () => follow();
subscription.resolve = ({ event }: Told) => event;

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const event = JSON.parse(Buffer.concat(chunks).toString()) as object; // the bench wrote it
    for (const tell of listeners) {
      tell({ event });
      if (request.url === '/one') break;
    }
    response.end();
  });
});
useServer({ schema }, new WebSocketServer({ server, path: '/graphql' }));
server.listen(0, '127.0.0.1', 4_096, () => {
  const { port } = server.address() as AddressInfo; // it listens on TCP
  process.stdout.write(`http://127.0.0.1:${port}\n`);
});
process.once('SIGTERM', () => process.exit(0));

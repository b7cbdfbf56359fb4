import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface CallbackMessage {
  readonly kind: string;
  readonly action: string;
  readonly id: string;
  readonly verifier: string;
  readonly payload?: { readonly data?: unknown; readonly errors?: unknown };
  readonly errors?: readonly { readonly extensions?: { readonly code?: string } }[];
}

/** How a message is answered: a status, or where it is sent on to. */
export type CallbackAnswer = number | string;

/** What a router does with the messages of subgraphs that call it back: it notes them and answers each as it is told. */
export async function startRouter() {
  const messages: CallbackMessage[] = [];
  const headers: IncomingHttpHeaders[] = [];
  const waiting = new Set<() => void>();
  let respond = (message: CallbackMessage): CallbackAnswer => (message.action === 'check' ? 204 : 200);

  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    request.on('end', () => {
      const message = JSON.parse(text) as CallbackMessage;
      messages.push(message);
      headers.push(request.headers);
      const answer = respond(message);
      if (typeof answer === 'number') response.writeHead(answer);
      else response.writeHead(307, { location: answer });
      response.end();
      for (const wake of waiting) wake();
      waiting.clear();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // it listens on TCP
  const origin = `http://127.0.0.1:${port}`;

  return {
    origin,
    /** All that came, oldest first. */
    messages,
    headers,
    /** What an operation that wants to be called back has in its extensions. */
    extensions: (subscriptionId: string, more: object = {}) => ({
      subscription: {
        callbackUrl: `${origin}/callback/${subscriptionId}`,
        subscriptionId,
        verifier: `verifier of ${subscriptionId}`,
        heartbeatIntervalMs: 0,
        ...more,
      },
    }),
    answerWith(answer: (message: CallbackMessage) => CallbackAnswer): void {
      respond = answer;
    },
    /** The messages about this subscription, once there are so many. */
    async received(id: string, count: number): Promise<readonly CallbackMessage[]> {
      for (;;) {
        const about = messages.filter((message) => message.id === id);
        if (about.length >= count) return about;
        await new Promise<void>((resolve) => waiting.add(resolve));
      }
    },
    async close(): Promise<void> {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

export type Router = Awaited<ReturnType<typeof startRouter>>;

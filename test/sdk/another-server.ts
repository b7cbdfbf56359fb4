import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocketServer, type WebSocket } from 'ws';

/** One who has connected, and what it is told. */
export interface Visitor {
  /** How many came before it. */
  readonly number: number;
  /** Its `after`, once it has subscribed. */
  readonly after: string | null;
  /** The data of an event. */
  send(event: object): void;
  close(code: number, reason: string): void;
}

interface Script {
  /** What `viewerAbility` answers, or the code of the refusal. */
  read(visitor: Visitor, reads: number): object | string;
  subscribed?(visitor: Visitor): void;
}

interface Message {
  readonly type: string;
  readonly id?: string;
  readonly payload?: { readonly query: string; readonly variables?: { readonly after: string } };
}

/** Says what no Castellan of ours says on demand: late, twice, in the wrong order, or that it cannot answer. */
export async function startAnotherServer(script: Script) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'graphql-transport-ws' });
  await once(server, 'listening');
  let visitors = 0;
  server.on('connection', (socket) => serve(socket, visitors++));

  function serve(socket: WebSocket, number: number): void {
    const tell = (message: object): void => socket.send(JSON.stringify(message));
    let subscription = '';
    let after: string | null = null;
    let reads = 0;
    const visitor: Visitor = {
      number,
      get after() {
        return after;
      },
      send: (event) => tell({ type: 'next', id: subscription, payload: { data: { permissionsChanged: event } } }),
      close: (code, reason) => socket.close(code, reason),
    };
    socket.on('message', (data: Buffer) => {
      const { type, id = '', payload } = JSON.parse(data.toString()) as Message;
      if (type === 'connection_init') return tell({ type: 'connection_ack' });
      if (type !== 'subscribe') return;
      if (payload?.query.startsWith('subscription') === true) {
        subscription = id;
        after = payload.variables?.after ?? null;
        return script.subscribed?.(visitor);
      }
      const answer = script.read(visitor, reads++);
      if (typeof answer === 'string')
        return tell({ type: 'error', id, payload: [{ message: 'No.', extensions: { code: answer } }] });
      tell({ type: 'next', id, payload: { data: { viewerAbility: answer } } });
      tell({ type: 'complete', id });
    });
  }

  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get visitors() {
      return visitors;
    },
    close(): void {
      for (const socket of server.clients) socket.terminate();
      server.close();
    },
  };
}

export function rules(position: string, ...actions: readonly string[]) {
  return { rules: actions.map((action) => [action, 'User']), policyVersion: 'v1', position };
}

export function changed(position: string, ...actions: readonly string[]) {
  return { __typename: 'PermissionsChanged', ...rules(position, ...actions) };
}

import { WebSocket } from 'ws';
import type { Asker } from './open-loop.ts';
import { OVER_TLS } from './over-tls.ts';

export interface SocketOptions {
  /** Connections from one address to one port are limited by the ports of that address. */
  readonly localAddress?: string;
  readonly query: string;
}

/** A WebSocket of one session, which asks the same over and over, and knows when it was closed. */
export class SocketAsker implements Asker {
  /** Resolves with the time of `performance.now()`, when the server says that access ended, or the socket is gone. */
  readonly ended: Promise<number>;
  readonly #socket: WebSocket;
  readonly #frame: string;
  #answered: ((error: Error | null) => void) | null = null;
  #isClosed = false;

  private constructor(socket: WebSocket, query: string) {
    this.#socket = socket;
    this.#frame = JSON.stringify({ id: '1', type: 'subscribe', payload: { query } });
    const { promise, resolve } = Promise.withResolvers<number>();
    this.ended = promise;
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#isClosed = true;
      resolve(performance.now());
      this.#answered?.(new Error('the socket was closed'));
    });
    socket.on('message', (data: Buffer) => this.#read(data.toString()));
  }

  static async open(url: string, token: string, { localAddress, query }: SocketOptions): Promise<SocketAsker> {
    const options = { headers: OVER_TLS, ...(localAddress !== undefined && { localAddress }) };
    const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', options);
    const { promise: acknowledged, resolve, reject } = Promise.withResolvers<void>();
    socket.once('error', reject);
    socket.once('close', (code) => reject(new Error(`the socket closed with ${code}`)));
    socket.once('open', () => {
      socket.once('message', () => resolve());
      socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }));
    });
    await acknowledged;
    return new SocketAsker(socket, query);
  }

  /** Rejects when the socket is closed before the answer comes, or the answer has errors. */
  ask(): Promise<void> {
    if (this.#isClosed) return Promise.reject(new Error('the socket is closed'));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#answered = (error) => {
      this.#answered = null;
      if (error === null) resolve();
      else reject(error);
    };
    this.#socket.send(this.#frame);
    return promise;
  }

  close(): void {
    this.#socket.terminate();
  }

  #read(frame: string): void {
    const { type, payload } = JSON.parse(frame) as { type: string; payload?: { errors?: unknown } }; // a GraphQL server wrote it
    if (type === 'complete') this.#answered?.(null);
    else if (type === 'error' || payload?.errors !== undefined) this.#answered?.(new Error(frame));
  }
}

/** Does work for each, some at a time. */
export async function inLanes<T, R>(
  all: readonly T[],
  lanes: number,
  work: (each: T, at: number) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = [];
  const entries = all.entries();
  const lane = async () => {
    for (const [at, each] of entries) results[at] = await work(each, at);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return results;
}

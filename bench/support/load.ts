import { connect, type Socket } from 'node:net';
import { OVER_TLS } from './over-tls.ts';

const HEAD_END = '\r\n\r\n';
const OK = 'HTTP/1.1 200';

export interface Load {
  readonly requests: number;
  readonly seconds: number;
  /** Milliseconds from a request to its answer. */
  readonly latencies: Float64Array;
}

/** Stops after as many requests, or as many seconds. */
export type Until = { readonly requests: number } | { readonly seconds: number };

/**
 * Keep-alive connections that each send one request after the other. HTTP/1.1 written by hand, since a client library
 * would need more processor time than the servers under test.
 */
export class Connections implements Disposable {
  readonly #connections: readonly Connection[];

  private constructor(connections: readonly Connection[]) {
    this.#connections = connections;
  }

  /** One connection for each of `requests`, which it sends over and over. */
  static async open(url: string, requests: readonly Buffer[]): Promise<Connections> {
    return new Connections(await Promise.all(requests.map((request) => Connection.open(url, request))));
  }

  /** The body that the first connection is answered with. */
  async first(): Promise<string> {
    const [connection] = this.#connections;
    if (connection === undefined) throw new TypeError('there are no connections');
    await connection.ask();
    return connection.body;
  }

  async run(until: Until): Promise<Load> {
    const latencies: number[] = [];
    const startMs = performance.now();
    const endMs = 'seconds' in until ? startMs + until.seconds * 1_000 : Infinity;
    let left = 'requests' in until ? until.requests : Infinity;
    await Promise.all(
      this.#connections.map((connection) =>
        connection.repeat((latencyMs, nowMs) => {
          if (latencyMs !== null) latencies.push(latencyMs);
          left -= 1;
          return left >= 0 && nowMs < endMs;
        }),
      ),
    );
    const seconds = (performance.now() - startMs) / 1_000;
    return { requests: latencies.length, seconds, latencies: Float64Array.from(latencies) };
  }

  [Symbol.dispose](): void {
    for (const connection of this.#connections) connection.close();
  }
}

class Connection {
  readonly #socket: Socket;
  readonly #request: Buffer;
  #received: Buffer[] = [];
  #receivedBytes = 0;
  /** Bytes of the whole answer, as far as they are known. */
  #expectedBytes = NaN;
  #answered: (() => void) | null = null;
  #failed: ((error: Error) => void) | null = null;
  body = '';

  private constructor(socket: Socket, request: Buffer) {
    this.#socket = socket;
    this.#request = request;
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('error', (error) => this.#failed?.(error));
    socket.on('close', () => this.#failed?.(new Error('the server closed a connection under load')));
  }

  static open(url: string, request: Buffer): Promise<Connection> {
    const { hostname, port } = new URL(url);
    const { promise, resolve, reject } = Promise.withResolvers<Connection>();
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(new Connection(socket, request));
    });
    return promise;
  }

  ask(): Promise<void> {
    let asked = false;
    return this.repeat(() => {
      const again = !asked;
      asked = true;
      return again;
    });
  }

  /** Goes on as long as `again` says so; it is told how long the last request took, and null before the first. */
  repeat(again: (latencyMs: number | null, nowMs: number) => boolean): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    if (this.#socket.destroyed) reject(new Error('the server closed a connection that was idle'));
    this.#failed = reject;
    let sentMs = performance.now();
    const send = (latencyMs: number | null): void => {
      if (!again(latencyMs, sentMs)) {
        this.#failed = null;
        return resolve();
      }
      sentMs = performance.now();
      this.#socket.write(this.#request);
    };
    this.#answered = () => {
      const nowMs = performance.now();
      const latencyMs = nowMs - sentMs;
      sentMs = nowMs;
      send(latencyMs);
    };
    send(null);
    return promise;
  }

  close(): void {
    this.#failed = null;
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    this.#received.push(chunk);
    this.#receivedBytes += chunk.length;
    if (Number.isNaN(this.#expectedBytes)) this.#expectedBytes = this.#readHead();
    if (!(this.#receivedBytes >= this.#expectedBytes)) return;
    if (this.body === '') this.body = this.#readBody();
    this.#received = [];
    this.#receivedBytes = 0;
    this.#expectedBytes = NaN;
    this.#answered?.();
  }

  #readHead(): number {
    const [only] = this.#received;
    const text = (only !== undefined && this.#received.length === 1 ? only : Buffer.concat(this.#received)).toString(
      'latin1',
    );
    const headEnd = text.indexOf(HEAD_END);
    if (headEnd < 0) return NaN;
    const length = /\r\ncontent-length: (\d+)/i.exec(text)?.[1];
    if (text.startsWith(OK) && length !== undefined) return headEnd + HEAD_END.length + Number(length);
    this.#failed?.(new Error(`this is not the answer that was asked for:\n${text}`));
    return NaN;
  }

  #readBody(): string {
    const text = Buffer.concat(this.#received).toString();
    return text.slice(text.indexOf(HEAD_END) + HEAD_END.length);
  }
}

/** A GraphQL request as it goes over the wire. */
export function graphqlRequest(
  query: string,
  token?: string,
  variables?: object,
  headers: Readonly<Record<string, string>> = {},
): Buffer {
  const body = JSON.stringify({ query, variables });
  const lines = [
    'POST /graphql HTTP/1.1',
    'host: 127.0.0.1',
    'content-type: application/json',
    `x-forwarded-proto: ${OVER_TLS['x-forwarded-proto']}`,
    ...(token === undefined ? [] : [`authorization: Bearer ${token}`]),
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    `content-length: ${Buffer.byteLength(body)}`,
  ];
  return Buffer.from(`${lines.join('\r\n')}${HEAD_END}${body}`);
}

export function getRequest(path: string, headers: Readonly<Record<string, string>>): Buffer {
  const lines = [`GET ${path} HTTP/1.1`, 'host: 127.0.0.1', ...Object.entries(headers).map((each) => each.join(': '))];
  return Buffer.from(`${lines.join('\r\n')}${HEAD_END}`);
}

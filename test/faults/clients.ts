import { Agent, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { PASSWORD } from '../support/castellan.ts';

export interface Reply {
  /** Of HTTP; 200 over WebSocket, where there is none. */
  readonly status: number;
  readonly data: Readonly<Record<string, unknown>> | null;
  /** The codes of all errors. */
  readonly codes: readonly string[];
  /** What all errors say. */
  readonly messages: readonly string[];
  /** When the last byte of the answer had come, in `performance.now()`. */
  readonly answeredAtMs: number;
}

interface Body {
  readonly data?: Reply['data'];
  readonly errors?: readonly { readonly message?: string; readonly extensions?: { readonly code?: string } }[];
}

const ANSWER_MS = 25_000;

/** Connections that stay open, as a gateway's do. */
const agent = new Agent({ keepAlive: true, maxFreeSockets: 16 });

export function closeConnections(): void {
  agent.destroy();
}

/**
 * One GraphQL operation over HTTP. Rejects when the connection fails or nothing comes within {@link ANSWER_MS}.
 *
 * @param options `once` takes a connection that was given up for a failure, too
 */
export function ask(
  url: string,
  query: string,
  options: { token?: string; apiKey?: string; variables?: object; once?: boolean } = {},
): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>();
  const body = JSON.stringify({ query, variables: options.variables ?? {} });
  const headers = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...(options.token !== undefined && { authorization: `Bearer ${options.token}` }),
    ...(options.apiKey !== undefined && { 'x-api-key': options.apiKey }),
  };
  const sent = request(`${url}/graphql`, { method: 'POST', agent, headers, timeout: ANSWER_MS }, (response) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('error', reject);
    response.on('end', () => {
      try {
        const answer = JSON.parse(Buffer.concat(chunks).toString()) as Body; // a GraphQL server wrote it
        resolve(replyOf(response.statusCode ?? 0, answer));
      } catch (error) {
        reject(error);
      }
    });
  });
  sent.on('error', (error: NodeJS.ErrnoException) => {
    // The server gave an idle connection up while this was on its way: it never saw it (RFC 9112, 9.3.1).
    if (sent.reusedSocket && error.code === 'ECONNRESET' && options.once !== true) resolve(ask(url, query, options));
    else reject(error);
  });
  sent.on('timeout', () => sent.destroy(new Error(`no answer within ${ANSWER_MS} ms`)));
  sent.end(body);
  return promise;
}

function replyOf(status: number, { data = null, errors = [] }: Body): Reply {
  const codes = errors.map(({ extensions }) => extensions?.code ?? 'NONE');
  return { status, data, codes, messages: errors.map(({ message = '' }) => message), answeredAtMs: performance.now() };
}

export interface SignedInSession {
  readonly sessionId: string;
  readonly token: string;
  readonly refreshToken: string;
}

/** Who is told to come back does so that many times. */
const SIGN_IN_TRIES = 5;
const COME_BACK: ReadonlySet<string | undefined> = new Set(['RATE_LIMITED', 'AUTHORITY_UNAVAILABLE']);

/** Hashing gives way to whatever else this machine does: under load a sign-in is told to come back, and does. */
export async function signIn(url: string, email: string, tries = 1): Promise<SignedInSession> {
  const query = `mutation ($input: SignInInput!) {
    signIn(input: $input) { ... on SignedIn { accessToken refreshToken session { id } } }
  }`;
  const { data, codes, messages } = await ask(url, query, { variables: { input: { email, password: PASSWORD } } });
  const signedIn = data?.['signIn'] as
    | { accessToken: string; refreshToken: string; session: { id: string } }
    | undefined;
  if (signedIn === undefined && COME_BACK.has(codes[0]) && tries < SIGN_IN_TRIES) {
    await pause(1_000 * tries);
    return signIn(url, email, tries + 1);
  }
  if (signedIn === undefined) throw new Error(`${email} could not sign in: ${codes.join(', ')}: ${messages.join(' ')}`);
  const { accessToken: token, refreshToken, session } = signedIn;
  return { sessionId: session.id, token, refreshToken };
}

interface Frame {
  readonly type: string;
  readonly id?: string;
  readonly payload?: Body | Body['errors'];
}

/** One `graphql-transport-ws` socket, which may carry operations of many. */
export class Socket {
  /** The close code. */
  readonly closed: Promise<number>;
  readonly #ws: WebSocket;
  readonly #operations = new Map<string, { next: (reply: Reply) => void; over: () => void }>();
  #count = 0;

  private constructor(ws: WebSocket) {
    this.#ws = ws;
    const { promise, resolve } = Promise.withResolvers<number>();
    this.closed = promise;
    ws.on('error', () => {});
    ws.on('close', (code) => {
      for (const { over } of this.#operations.values()) over();
      this.#operations.clear();
      resolve(code);
    });
    ws.on('message', (data: Buffer) => this.#receive(JSON.parse(data.toString()) as Frame)); // a GraphQL server wrote it
  }

  /** @param token what `connection_init` says; null for a socket of nobody's */
  static async open(url: string, token: string | null): Promise<Socket> {
    const ws = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    const { promise: acknowledged, resolve, reject } = Promise.withResolvers<void>();
    ws.once('error', reject);
    ws.once('close', (code) => reject(new Error(`the socket closed with ${code}`)));
    ws.once('open', () => {
      ws.once('message', () => resolve());
      const payload = token === null ? {} : { authorization: `Bearer ${token}` };
      ws.send(JSON.stringify({ type: 'connection_init', payload }));
    });
    await acknowledged;
    return new Socket(ws);
  }

  get isOpen(): boolean {
    return this.#ws.readyState === WebSocket.OPEN;
  }

  /** Null when the socket was closed before the answer came. @param token the operation's own credential */
  ask(query: string, token: string | null): Promise<Reply | null> {
    const { promise, resolve } = Promise.withResolvers<Reply | null>();
    this.#start(query, token, { next: resolve, over: () => resolve(null) });
    return promise;
  }

  /** Resolves when the subscription is over. */
  subscribe(query: string, next: (data: Reply) => void): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#start(query, null, { next, over: resolve });
    return promise;
  }

  close(): void {
    this.#ws.terminate();
  }

  #start(query: string, token: string | null, listener: { next: (reply: Reply) => void; over: () => void }): void {
    if (!this.isOpen) return listener.over();
    this.#count += 1;
    const id = String(this.#count);
    this.#operations.set(id, listener);
    const extensions = token === null ? {} : { extensions: { headers: { authorization: `Bearer ${token}` } } };
    this.#ws.send(JSON.stringify({ id, type: 'subscribe', payload: { query, ...extensions } }));
  }

  #receive({ type, id = '', payload }: Frame): void {
    const operation = this.#operations.get(id);
    if (operation === undefined) return;
    if (type === 'next') operation.next(replyOf(200, payload as Body));
    if (type === 'error') operation.next(replyOf(200, { errors: (payload ?? []) as NonNullable<Body['errors']> }));
    if (type === 'next') return;
    this.#operations.delete(id);
    operation.over();
  }
}

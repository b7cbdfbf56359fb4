import { setTimeout as sleep } from 'node:timers/promises';
import { createClient, type Client } from 'graphql-ws';
import { WebSocket } from 'ws';
import type { App } from '../app.ts';

const WAIT_MS = 2_000;
const POLL_MS = 1;

export interface Answer<T> {
  readonly status: number;
  readonly data: T | null;
  readonly code: string | null;
  readonly message: string | null;
  readonly rule: string | null;
  readonly tookMs: number;
}

/** Something that came, and when. */
export interface Arrival {
  readonly event: { readonly __typename: string } & Readonly<Record<string, unknown>>;
  readonly atMs: number;
}

/** A socket with one subscription on it. */
export interface Listener {
  readonly arrivals: readonly Arrival[];
  readonly closed: Promise<{ readonly code: number; readonly atMs: number }>;
  dispose(): Promise<void>;
}

/** One Castellan, talked to from outside as any client would: HTTP and WebSocket. */
export class Instance {
  readonly name: string;
  readonly url: string;
  readonly #app: App;

  constructor(name: string, app: App) {
    this.name = name;
    this.url = app.url;
    this.#app = app;
  }

  async ask<T>(query: string, variables: object = {}, token: string | null = null): Promise<Answer<T>> {
    const sentAtMs = performance.now();
    const response = await fetch(`${this.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token !== null && { authorization: `Bearer ${token}` }) },
      body: JSON.stringify({ query, variables }),
      signal: AbortSignal.timeout(10_000),
    });
    const { data, errors } = (await response.json()) as {
      data?: T | null;
      errors?: readonly { message: string; extensions: { code: string; rule?: string } }[];
    };
    const [error] = errors ?? [];
    return {
      status: response.status,
      data: data ?? null,
      code: error?.extensions.code ?? null,
      message: error?.message ?? null,
      rule: error?.extensions.rule ?? null,
      tookMs: performance.now() - sentAtMs,
    };
  }

  /** Resolves when the subscription is live: from then on it hears of everything. */
  async listen(field: string, query: string, token: string): Promise<Listener> {
    const { live } = this.#app.services;
    const liveBefore = live.size;
    const arrivals: Arrival[] = [];
    const { client, closed } = this.#connect(token);
    client.subscribe<Record<string, Arrival['event']>>(
      { query },
      {
        next: ({ data }) => {
          const event = data?.[field];
          if (event !== undefined) arrivals.push({ event, atMs: performance.now() });
        },
        error: () => {},
        complete: () => {},
      },
    );
    // The socket is one, and the subscription another.
    await until(() => live.size === liveBefore + 2, `the subscription ${field} is live on ${this.name}`);
    return { arrivals, closed, dispose: async () => client.dispose() };
  }

  /** The code with which a socket that is opened with this token is closed. */
  async closeCodeFor(token: string): Promise<number> {
    const { client, closed } = this.#connect(token);
    client.subscribe({ query: '{ me { id } }' }, { next: () => {}, error: () => {}, complete: () => {} });
    const { code } = await bounded(closed, `${this.name} closes the socket`);
    await client.dispose();
    return code;
  }

  #connect(token: string): { client: Client; closed: Listener['closed'] } {
    const { promise: closed, resolve } = Promise.withResolvers<{ code: number; atMs: number }>();
    const client = createClient({
      url: `${this.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      retryAttempts: 0,
      // It is the server's to close: a lazy client leaves when its subscription ends, and would not see how.
      lazy: false,
      onNonLazyError: () => {},
      connectionParams: { authorization: `Bearer ${token}` },
      on: { closed: (event) => resolve({ code: (event as CloseEvent).code, atMs: performance.now() }) },
    });
    return { client, closed };
  }
}

type CloseEvent = { readonly code: number };

/** Waits for what another process of thought is about to bring. Throws when it takes too long. */
export async function until(holds: () => boolean, what: string): Promise<void> {
  for (const end = performance.now() + WAIT_MS; !holds(); await sleep(POLL_MS)) {
    if (performance.now() > end) throw new Error(`It did not happen within ${WAIT_MS / 1_000} s that ${what}.`);
  }
}

export async function bounded<T>(promise: Promise<T>, what: string): Promise<T> {
  let found: { readonly value: T } | null = null;
  const watched = promise.then((value) => (found = { value }));
  await Promise.race([watched, sleep(WAIT_MS, null, { ref: false })]);
  if (found === null) throw new Error(`It did not happen within ${WAIT_MS / 1_000} s that ${what}.`);
  return promise;
}

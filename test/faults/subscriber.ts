import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { Instance } from './cluster.ts';

/** What is followed, and how whoever follows it signs in. */
export interface Feed {
  /** What is told is called `told`. */
  readonly query: string;
  readonly init: () => object;
}

/** @param token of the moment: one lives shorter than many follow */
export const sessionsWith = (token: () => string): Feed => ({
  init: () => ({ authorization: `Bearer ${token()}` }),
  query: `subscription ($after: String) {
    told: sessionEvents(after: $after) {
      __typename
      ... on SessionStarted { sessionId position }
      ... on SessionRefreshed { sessionId position }
      ... on SessionRevoked { sessionId position }
      ... on SessionExpired { sessionId position }
      ... on Resync { position }
      ... on AccessEnded { code position }
    }
  }`,
});

export const revocationsWith = (apiKey: string): Feed => ({
  init: () => ({ 'x-api-key': apiKey }),
  query: `subscription ($after: String) {
    told: revocations(after: $after) {
      __typename
      ... on AuthorityChanged { targetId position }
      ... on Resync { position }
      ... on AccessEnded { code position }
    }
  }`,
});

const REVOKED = 4401;
const EXPIRED = 4403;
/** An event that is withheld with one of these was on its way while its token ended, or while nothing could be confirmed. */
const COME_BACK: ReadonlySet<string> = new Set(['TOKEN_EXPIRED', 'AUTHORITY_UNAVAILABLE', 'SESSION_REVOKED']);
/** A server that has not let a client in by then is given up. */
const LET_IN_MS = 10_000;
/** Whoever was cut off comes back at some moment up to this. */
const BACK_MS = 250;

export interface Told {
  readonly __typename: string;
  readonly sessionId?: string;
  readonly code?: string;
  readonly position: string;
}

/** The events of a feed on a socket of its own, resumed with `after` wherever it was cut off, as clients do. */
export class Subscriber {
  readonly told: Told[] = [];
  /** What it was told that clients must not have to see here, such as that something is missing. */
  readonly problems: string[] = [];
  /** How often it was cut off. */
  cuts = 0;
  /** Whether its session was said to be revoked. */
  ended = false;
  /** Whether its token was said to have ended by itself. */
  expired = false;
  readonly #instances: readonly Instance[];
  readonly #feed: Feed;
  #after: string;
  #ws: WebSocket | null = null;
  #stopped = false;
  #running: Promise<void> = Promise.resolve();

  constructor(instances: readonly Instance[], feed: Feed, after: string) {
    this.#instances = instances;
    this.#feed = feed;
    this.#after = after;
  }

  /** The number of what it was told last; 0 for nothing. */
  get last(): number {
    return numberOf(this.#after);
  }

  start(): void {
    this.#running = this.#run();
  }

  /** As when its network is gone. */
  cut(): void {
    this.#ws?.terminate();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#ws?.terminate();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopped && !this.ended) {
      const instance = this.#instances[Math.floor(Math.random() * this.#instances.length)];
      if (instance?.running === true) await this.#follow(instance.url);
      if (this.#stopped || this.ended) return;
      this.cuts += 1;
      await pause(Math.random() * BACK_MS);
    }
  }

  /** Until the socket is closed, by whomever. */
  #follow(url: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const ws = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    this.#ws = ws;
    const timer = setTimeout(() => ws.terminate(), LET_IN_MS);
    ws.on('error', () => {});
    ws.on('open', () => send(ws, { type: 'connection_init', payload: this.#feed.init() }));
    ws.on('message', (data: Buffer) => {
      clearTimeout(timer);
      this.#receive(ws, JSON.parse(data.toString()) as Frame); // a GraphQL server wrote it
    });
    ws.on('close', (code, reason) => {
      clearTimeout(timer);
      if (code === REVOKED) {
        this.ended = true;
        if (reason.toString() !== 'SESSION_REVOKED') this.problems.push(`closed with 4401 ${reason.toString()}`);
      }
      if (code === EXPIRED && reason.toString() === 'TOKEN_EXPIRED') this.expired = true;
      resolve();
    });
    return promise;
  }

  #receive(ws: WebSocket, { type, payload }: Frame): void {
    if (type === 'connection_ack') {
      const variables = { after: this.#after };
      return send(ws, { type: 'subscribe', id: '1', payload: { query: this.#feed.query, variables } });
    }
    if (type === 'next') {
      const { data, errors } = payload as Result;
      if (data != null) return this.#hear(ws, data.told);
      if (errors?.every(({ extensions }) => COME_BACK.has(extensions.code)) === true) return ws.close();
      this.problems.push(`an event with errors: ${JSON.stringify(payload)}`);
    }
    // What is refused for now is asked for again.
    if (type === 'error' || type === 'complete') ws.close();
  }

  #hear(ws: WebSocket, event: Told): void {
    if (event.__typename === 'AccessEnded') {
      if (event.code === 'SESSION_REVOKED') this.ended = true;
      return ws.close();
    }
    if (event.__typename === 'Resync') {
      this.problems.push(`told to resync at ${event.position} after ${this.#after}`);
      this.#after = event.position;
      return;
    }
    this.told.push(event);
    this.#after = event.position;
  }
}

export function numberOf(position: string): number {
  return Number(position.split('-').at(-1));
}

interface Result {
  readonly data?: { readonly told: Told } | null;
  readonly errors?: readonly { readonly extensions: { readonly code: string } }[];
}

interface Frame {
  readonly type: string;
  readonly payload?: unknown;
}

function send(ws: WebSocket, frame: object): void {
  if (ws.readyState === WebSocket.OPEN) ws.send(JSON.stringify(frame));
}

import { ClientProcess, type Failed } from './client-process.ts';

/** Ten thousand subscriptions begin with a look at the database each. */
const ANSWER_MS = 150_000;

export type Command =
  | {
      readonly kind: 'open';
      readonly url: string;
      /** One for each socket; the empty one is none. */
      readonly tokens: readonly string[];
      /** How many sockets there are elsewhere: they come from other ports. */
      readonly before: number;
    }
  | { readonly kind: 'subscribe'; readonly query: string; readonly prefix: string }
  | { readonly kind: 'expect'; readonly frames: number }
  | { readonly kind: 'count' };

export interface Opened {
  readonly kind: 'opened';
  readonly open: number;
  /** How many were refused, by what they were told. */
  readonly refused: Readonly<Record<string, number>>;
}

export interface Arrived {
  readonly kind: 'arrived';
  /** On the clock that all processes share, in the order they came. */
  readonly times: readonly number[];
  /** One of them. */
  readonly frame: string;
}

/** Sockets that are open yet, and what those that are not were told. */
export interface Counted {
  readonly kind: 'counted';
  readonly open: number;
  readonly lost: readonly string[];
}

export type Report =
  | Opened
  | { readonly kind: 'subscribed' }
  | { readonly kind: 'expecting' }
  | Arrived
  | Counted
  | Failed;

/** WebSockets in a process of their own that only look for where a frame ends, so that the servers are what is measured. */
export class FrameReaders implements AsyncDisposable {
  readonly #process = new ClientProcess<Command, Report>('frame-readers.ts', ANSWER_MS);

  /** Resolves once each is acknowledged or refused. */
  open(url: string, tokens: readonly string[], before = 0): Promise<Opened> {
    return this.#process.ask({ kind: 'open', url, tokens, before }, 'opened');
  }

  /** Resolves once each subscription has had its first event. */
  async subscribe(query: string, prefix: string): Promise<void> {
    await this.#process.ask({ kind: 'subscribe', query, prefix }, 'subscribed');
  }

  /** The next so many events of all these sockets; the outer promise says that they are waited for. */
  async expect(frames: number): Promise<{ readonly arrived: Promise<Arrived> }> {
    const arrived = this.#process.next('arrived');
    arrived.catch(() => {});
    await this.#process.ask({ kind: 'expect', frames }, 'expecting');
    return { arrived };
  }

  count(): Promise<Counted> {
    return this.#process.ask({ kind: 'count' }, 'counted');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]();
  }
}

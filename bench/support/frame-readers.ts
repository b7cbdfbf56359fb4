import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const SCRIPT = join(import.meta.dirname, '..', 'processes', 'frame-readers.ts');
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

export type Report =
  | Opened
  | Arrived
  | { readonly kind: 'subscribed' | 'expecting' }
  /** Sockets that are open yet, and what those that are not were told. */
  | { readonly kind: 'counted'; readonly open: number; readonly lost: readonly string[] }
  | { readonly kind: 'failed'; readonly why: string };

type Kind = Report['kind'];

/** WebSockets in a process of their own that only look for where a frame ends, so that the servers are what is measured. */
export class FrameReaders implements AsyncDisposable {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static start(): FrameReaders {
    return new FrameReaders(fork(SCRIPT, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [] }));
  }

  /** Resolves once each is acknowledged or refused. */
  open(url: string, tokens: readonly string[], before = 0): Promise<Opened> {
    return this.#ask({ kind: 'open', url, tokens, before }, 'opened');
  }

  /** Resolves once each subscription has had its first event. */
  async subscribe(query: string, prefix: string): Promise<void> {
    await this.#ask({ kind: 'subscribe', query, prefix }, 'subscribed');
  }

  /** The next so many events of all these sockets; the outer promise says that they are waited for. */
  async expect(frames: number): Promise<{ readonly arrived: Promise<Arrived> }> {
    const arrived = this.#next('arrived');
    arrived.catch(() => {});
    await this.#ask({ kind: 'expect', frames }, 'expecting');
    return { arrived };
  }

  count(): Promise<Extract<Report, { kind: 'counted' }>> {
    return this.#ask({ kind: 'count' }, 'counted');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  #ask<K extends Kind>(command: Command, answer: K): Promise<Extract<Report, { kind: K }>> {
    const answered = this.#next(answer);
    this.#child.send(command);
    return answered;
  }

  #next<K extends Kind>(kind: K): Promise<Extract<Report, { kind: K }>> {
    const { promise, resolve, reject } = Promise.withResolvers<Extract<Report, { kind: K }>>();
    const read = (report: Report) => {
      if (report.kind === 'failed') reject(new Error(report.why));
      if (report.kind === kind) resolve(report as Extract<Report, { kind: K }>); // it has just been looked at
    };
    const gone = () => reject(new Error('the process of the sockets has ended'));
    const timer = setTimeout(() => reject(new Error(`the sockets have not ${kind} yet`)), ANSWER_MS);
    this.#child.on('message', read);
    this.#child.once('exit', gone);
    return promise.finally(() => {
      clearTimeout(timer);
      this.#child.off('message', read);
      this.#child.off('exit', gone);
    });
  }
}

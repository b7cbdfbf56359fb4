import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const SCRIPT = join(import.meta.dirname, '..', 'processes', 'subscribers.ts');
const ARRIVE_MS = 60_000;

export type Command =
  | { readonly kind: 'open'; readonly subscribers: readonly (readonly [url: string, token: string])[] }
  | { readonly kind: 'expect'; readonly version: string };

export type Report =
  | { readonly kind: 'opened' | 'expecting' }
  /** On the clock of {@link nowMs}, one for each subscriber. */
  | { readonly kind: 'arrived'; readonly times: readonly number[] };

/** A clock that all processes of the machine share. */
export const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** Subscribers to permissionsChanged, in one process of their own. */
export class Subscribers implements AsyncDisposable {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Resolves once every subscription runs. */
  static async open(subscribers: readonly (readonly [url: string, token: string])[]): Promise<Subscribers> {
    const child = fork(SCRIPT, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    const opened = new Subscribers(child);
    try {
      await opened.#ask({ kind: 'open', subscribers }, 'opened');
      return opened;
    } catch (error) {
      await opened[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** When each of them reads its event about this version of the policy; the outer promise says that they wait for it. */
  async expect(version: string): Promise<{ readonly arrived: Promise<readonly number[]> }> {
    const arrived = this.#next('arrived');
    arrived.catch(() => {});
    await this.#ask({ kind: 'expect', version }, 'expecting');
    return { arrived: arrived.then((report) => (report.kind === 'arrived' ? report.times : [])) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill();
    await ended;
  }

  async #ask(command: Command, answer: Report['kind']): Promise<void> {
    const answered = this.#next(answer);
    this.#child.send(command);
    await answered;
  }

  #next(kind: Report['kind']): Promise<Report> {
    const { promise, resolve, reject } = Promise.withResolvers<Report>();
    const read = (report: Report) => {
      if (report.kind === kind) resolve(report);
    };
    const gone = () => reject(new Error('the process of the subscribers has ended'));
    const timer = setTimeout(() => reject(new Error(`the subscribers have not ${kind} yet`)), ARRIVE_MS);
    this.#child.on('message', read);
    this.#child.once('exit', gone);
    return promise.finally(() => {
      clearTimeout(timer);
      this.#child.off('message', read);
      this.#child.off('exit', gone);
    });
  }
}

import { ClientProcess } from './client-process.ts';

const ARRIVE_MS = 60_000;

export type Command =
  | { readonly kind: 'open'; readonly subscribers: readonly (readonly [url: string, token: string])[] }
  | { readonly kind: 'expect'; readonly version: string };

export type Report =
  | { readonly kind: 'opened' }
  | { readonly kind: 'expecting' }
  /** On the clock that all processes share, one for each subscriber. */
  | { readonly kind: 'arrived'; readonly times: readonly number[] };

/** Subscribers to permissionsChanged, in one process of their own. */
export class Subscribers implements AsyncDisposable {
  readonly #process = new ClientProcess<Command, Report>('subscribers.ts', ARRIVE_MS);

  /** Resolves once every subscription runs. */
  static async open(subscribers: readonly (readonly [url: string, token: string])[]): Promise<Subscribers> {
    const opened = new Subscribers();
    try {
      await opened.#process.ask({ kind: 'open', subscribers }, 'opened');
      return opened;
    } catch (error) {
      await opened[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** When each of them reads its event about this version of the policy; the outer promise says that they wait for it. */
  async expect(version: string): Promise<{ readonly arrived: Promise<readonly number[]> }> {
    const arrived = this.#process.next('arrived');
    arrived.catch(() => {});
    await this.#process.ask({ kind: 'expect', version }, 'expecting');
    return { arrived: arrived.then(({ times }) => times) };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]();
  }
}

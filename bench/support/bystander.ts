import { ClientProcess } from './client-process.ts';
import type { Stretch } from './arrivals.ts';

/** A bystander asks, one request after another of these (as base64), from a process of its own. */
export interface Command extends Stretch {
  readonly kind: 'ask';
  readonly url: string;
  readonly requests: readonly string[];
}

/** How long it took from when each was to be sent, in ms. */
export interface Report {
  readonly kind: 'asked';
  readonly answeredMs: readonly number[];
  readonly refusedMs: readonly number[];
}

const REPORT_MS = 60_000;

/** Asks now and then while others ask for too much: a client that is not busy itself, and so sees what the server does. */
export class Bystander implements AsyncDisposable {
  readonly #process = new ClientProcess<Command, Report>('bystander.ts', REPORT_MS);

  ask(url: string, requests: readonly Buffer[], stretch: Stretch): Promise<Report> {
    const encoded = requests.map((request) => request.toString('base64'));
    return this.#process.ask({ kind: 'ask', url, requests: encoded, ...stretch }, 'asked');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]();
  }
}

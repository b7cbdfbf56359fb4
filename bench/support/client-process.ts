import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const PROCESSES = join(import.meta.dirname, '..', 'processes');

/** A clock that all processes of the machine share. */
export const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

interface Said {
  readonly kind: string;
}

export interface Failed {
  readonly kind: 'failed';
  readonly why: string;
}

/** Clients in a process of their own, which are told by messages what to do, and report when it is done. */
export class ClientProcess<Command extends Said, Report extends Said> implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #reportMs: number;

  /** @param script in `processes`; @param reportMs what it is told to do takes no longer */
  constructor(script: string, reportMs: number) {
    this.#child = fork(join(PROCESSES, script), [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [] });
    this.#reportMs = reportMs;
  }

  ask<K extends Report['kind']>(command: Command, answer: K): Promise<Extract<Report, { kind: K }>> {
    const answered = this.next(answer);
    this.#child.send(command);
    return answered;
  }

  next<K extends Report['kind']>(kind: K): Promise<Extract<Report, { kind: K }>> {
    const { promise, resolve, reject } = Promise.withResolvers<Extract<Report, { kind: K }>>();
    const read = (report: Report | Failed) => {
      if (report.kind === 'failed') reject(new Error((report as Failed).why));
      if (report.kind === kind) resolve(report as Extract<Report, { kind: K }>); // it has just been looked at
    };
    const gone = () => reject(new Error('the process of the clients has ended'));
    const timer = setTimeout(() => reject(new Error(`the clients have not ${kind} yet`)), this.#reportMs);
    this.#child.on('message', read);
    this.#child.once('exit', gone);
    return promise.finally(() => {
      clearTimeout(timer);
      this.#child.off('message', read);
      this.#child.off('exit', gone);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}

import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** What became of one request. */
export interface Arrival {
  /** When it was meant to be sent, in milliseconds since the start. */
  readonly dueMs: number;
  readonly status: number;
  /** From being sent to its answer, and from when it was meant to be sent. */
  readonly tookMs: number;
  readonly lateMs: number;
}

const HEAD_END = Buffer.from('\r\n\r\n');

/**
 * Requests that come when they come, whatever becomes of those before, over whichever of these connections is free. Where all
 * are taken, they wait for one.
 */
export class Arrivals implements Disposable {
  readonly #free: Line[] = [];
  readonly #lines: Line[] = [];

  static async open(url: string, connections: number): Promise<Arrivals> {
    const arrivals = new Arrivals();
    const { hostname, port } = new URL(url);
    for (let n = 0; n < connections; n += 1) {
      const line = await Line.open(hostname, Number(port));
      arrivals.#lines.push(line);
      arrivals.#free.push(line);
    }
    return arrivals;
  }

  async run(
    request: (n: number) => Buffer,
    { perSecond, seconds }: { readonly perSecond: number; readonly seconds: number },
  ): Promise<readonly Arrival[]> {
    const count = Math.round(perSecond * seconds);
    const done: Arrival[] = [];
    const waiting: number[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    const startMs = performance.now();
    const send = (line: Line, n: number): void => {
      const dueMs = (n * 1_000) / perSecond;
      const sentMs = performance.now();
      line.ask(request(n), (status) => {
        const nowMs = performance.now();
        done.push({ dueMs, status, tookMs: nowMs - sentMs, lateMs: nowMs - startMs - dueMs });
        const next = waiting.shift();
        if (next === undefined) this.#free.push(line);
        else send(line, next);
        if (done.length === count) resolve();
      });
    };
    for (let n = 0; n < count; n += 1) {
      const aheadMs = startMs + (n * 1_000) / perSecond - performance.now();
      if (aheadMs >= 1) await sleep(aheadMs);
      const line = this.#free.pop();
      if (line === undefined) waiting.push(n);
      else send(line, n);
    }
    await promise;
    return done;
  }

  /** How many are answered in a second where so many ask again as soon as they are answered. */
  async most(
    request: (n: number) => Buffer,
    { at, seconds }: { readonly at: number; readonly seconds: number },
  ): Promise<number> {
    const startMs = performance.now();
    let answered = 0;
    const repeat = (line: Line): Promise<void> => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const again = (): void => {
        if (performance.now() - startMs >= seconds * 1_000) return resolve();
        line.ask(request(answered), (status) => {
          if (status === 200) answered += 1;
          again();
        });
      };
      again();
      return promise;
    };
    await Promise.all(this.#lines.slice(0, at).map(repeat));
    return answered / ((performance.now() - startMs) / 1_000);
  }

  [Symbol.dispose](): void {
    for (const line of this.#lines) line.close();
  }
}

/** A keep-alive connection that is asked one thing at a time. */
class Line {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #answered: ((status: number) => void) | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('error', () => {});
    socket.on('close', () => this.#done(0));
  }

  static open(host: string, port: number): Promise<Line> {
    const { promise, resolve, reject } = Promise.withResolvers<Line>();
    const socket = connect({ host, port, noDelay: true });
    socket.once('error', reject);
    socket.once('connect', () => resolve(new Line(socket)));
    return promise;
  }

  /** @param answered is given the status; 0 when the connection was lost */
  ask(request: Buffer, answered: (status: number) => void): void {
    this.#answered = answered;
    if (this.#socket.destroyed) this.#done(0);
    else this.#socket.write(request);
  }

  close(): void {
    this.#answered = null;
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    const headEnd = this.#received.indexOf(HEAD_END);
    if (headEnd < 0) return;
    const head = this.#received.toString('latin1', 0, headEnd);
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? NaN);
    if (this.#received.length < headEnd + HEAD_END.length + length) return;
    this.#received = Buffer.alloc(0);
    this.#done(Number(head.slice(9, 12)));
  }

  #done(status: number): void {
    const answered = this.#answered;
    this.#answered = null;
    answered?.(status);
  }
}

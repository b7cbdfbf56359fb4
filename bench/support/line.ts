import { connect, type Socket } from 'node:net';

/** `refused`: with AUTHORITY_UNAVAILABLE. `failed`: with any other error. `lost`: the connection ended before the answer. */
export type Outcome = 'answered' | 'refused' | 'failed' | 'lost';

const HEAD_END = Buffer.from('\r\n\r\n');
const DATA = Buffer.from('{"data":');
const CLOSES = /\r\nconnection: close\r\n/i;
const REFUSED = '"AUTHORITY_UNAVAILABLE"';
/** So much of a body says what it is. */
const TELLING_BYTES = 2_000;
const OPEN_MS = 5_000;
const FAILURE_LENGTH = 600;
/** All of them read into it: what was read is looked at before anybody else reads. */
const READ = Buffer.alloc(64 * 1_024);

/** A keep-alive connection on which one thing is asked after the other. It does as little for each as it can. */
export class Line {
  readonly #socket: Socket;
  /** The beginning of an answer of which it is not known yet what it is. */
  #begun: Buffer | null = null;
  /** Bytes that are still to come of one of which it is. */
  #left = 0;
  #outcome: Outcome = 'lost';
  #closes = false;
  #answered: ((outcome: Outcome) => void) | null = null;
  /** The beginning of the first answer that was a failure. */
  failure: string | null = null;

  private constructor(host: string, port: number) {
    const onread = {
      buffer: READ,
      callback: (bytes: number) => {
        this.#read(bytes);
        return true;
      },
    };
    this.#socket = connect({ host, port, noDelay: true, onread });
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => this.#done('lost'));
  }

  /** Rejects when there is no connection in time. */
  static open(url: string): Promise<Line> {
    const { hostname, port } = new URL(url);
    const { promise, resolve, reject } = Promise.withResolvers<Line>();
    const line = new Line(hostname, Number(port));
    const timer = setTimeout(() => line.close(), OPEN_MS);
    line.#socket.once('connect', () => resolve(line));
    line.#socket.once('close', () => reject(new Error(`no connection to ${url}`)));
    return promise.finally(() => clearTimeout(timer));
  }

  get isOpen(): boolean {
    return !this.#closes && this.#socket.writable && !this.#socket.destroyed;
  }

  /** @param answered is called once, and never before this returns */
  ask(request: Buffer, answered: (outcome: Outcome) => void): void {
    this.#answered = answered;
    if (this.isOpen) this.#socket.write(request);
    else queueMicrotask(() => this.#done('lost'));
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(bytes: number): void {
    if (this.#left > 0) {
      this.#left -= bytes;
      if (this.#left <= 0) this.#done(this.#outcome);
      return;
    }
    const read = READ.subarray(0, bytes);
    const chunk = this.#begun === null ? read : Buffer.concat([this.#begun, read]);
    const bodyAt = chunk.indexOf(HEAD_END) + HEAD_END.length;
    const head = bodyAt < HEAD_END.length ? null : chunk.toString('latin1', 0, bodyAt);
    const length = head === null ? 0 : Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
    if (head === null || chunk.length < bodyAt + Math.min(length, TELLING_BYTES)) {
      this.#begun = Buffer.from(chunk);
      return;
    }
    this.#begun = null;
    this.#outcome = outcomeOf(head.slice(9, 12), chunk, bodyAt);
    if (this.#outcome === 'failed' && this.#answered !== null)
      this.failure ??= chunk.toString('utf8', 0, FAILURE_LENGTH);
    // Nothing more is to be asked on it.
    if (this.#outcome === 'refused' && CLOSES.test(head)) this.#closes = true;
    this.#left = bodyAt + length - chunk.length;
    if (this.#left <= 0) this.#done(this.#outcome);
  }

  #done(outcome: Outcome): void {
    this.#left = 0;
    const answered = this.#answered;
    this.#answered = null;
    answered?.(outcome);
  }
}

function outcomeOf(status: string, answer: Buffer, bodyAt: number): Outcome {
  if (status === '200' && answer.subarray(bodyAt, bodyAt + DATA.length).equals(DATA)) return 'answered';
  return answer.includes(REFUSED, bodyAt) ? 'refused' : 'failed';
}

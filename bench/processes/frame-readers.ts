/**
 * WebSockets that are as cheap as can be: they know where a frame ends, answer pings, and note when an event came. Told by messages of
 * its parent what to do; see support/frame-readers.ts.
 */
import { connect, type Socket } from 'node:net';
import { nowMs } from '../support/client-process.ts';
import type { Command, Report } from '../support/frame-readers.ts';
import { OVER_TLS } from '../support/over-tls.ts';

/** Sockets that are being opened at one time. */
const LANES = 64;
/** Addresses they come from: each has ports of its own, and is allowed a number of connections of its own. */
const ADDRESSES = 200;
const HEAD_END = '\r\n\r\n';
const [TEXT, CLOSE, PING, PONG] = [1, 8, 9, 10];
const NEXT = Buffer.from('"type":"next"');

const readers: Reader[] = [];
let refused: Record<string, number> = {};
let lost: string[] = [];
/** When events came since they are waited for. */
let times = new Float64Array();
let came = 0;
let frame = '';

process.on('message', (command: Command) => {
  run(command).catch((error: unknown) => report({ kind: 'failed', why: String(error) }));
});

async function run(command: Command): Promise<void> {
  if (command.kind === 'open') return openAll(command.url, command.tokens, command.before);
  if (command.kind === 'subscribe') return subscribeAll(command.query, command.prefix);
  if (command.kind === 'count') {
    return report({ kind: 'counted', open: readers.filter(({ isOpen }) => isOpen).length, lost: [...new Set(lost)] });
  }
  times = new Float64Array(command.frames);
  came = 0;
  return report({ kind: 'expecting' });
}

async function openAll(url: string, tokens: readonly string[], before: number): Promise<void> {
  refused = {};
  const first = readers.length;
  await inLanes(tokens, async (token, n) => {
    const place = before + first + n;
    const opened = new Reader(url, `127.0.0.${1 + (place % ADDRESSES)}`, token);
    const why = await opened.acknowledged;
    if (why === null) readers.push(opened);
    else refused[why] = (refused[why] ?? 0) + 1;
  });
  lost = [];
  report({ kind: 'opened', open: readers.length - first, refused });
}

async function subscribeAll(query: string, prefix: string): Promise<void> {
  // Ids of one length, and each its own, as clients have them.
  await inLanes(readers, (reader, n) => reader.subscribe(query, `${prefix}${String(n).padStart(8, '0')}`));
  report({ kind: 'subscribed' });
}

async function inLanes<T>(all: readonly T[], work: (each: T, n: number) => Promise<void>): Promise<void> {
  const entries = all.entries();
  const lane = async () => {
    for (const [n, each] of entries) await work(each, n);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

/** An event came over one of them. */
function arrived(payload: Buffer): void {
  if (came >= times.length) return;
  if (came === 0) frame = payload.toString();
  times[came] = nowMs();
  came += 1;
  if (came === times.length) report({ kind: 'arrived', times: [...times], frame });
}

function report(what: Report): void {
  process.send?.(what);
}

class Reader {
  /** Null once the server says that it knows who this is, or why it does not. */
  readonly acknowledged: Promise<string | null>;
  isOpen = true;
  readonly #socket: Socket;
  readonly #token: string;
  #settle: (why: string | null) => void = () => {};
  /** What is waited for: the answer to the upgrade, the acknowledgement, the first event of a subscription, or events. */
  #state: 'head' | 'greeted' | 'beginning' | 'running' = 'head';
  #begun: ((why: string | null) => void) | null = null;
  /** The beginning of a frame that is not whole yet. */
  #rest: Buffer | null = null;

  constructor(url: string, localAddress: string, token: string) {
    const { hostname, port } = new URL(url);
    const { promise, resolve } = Promise.withResolvers<string | null>();
    this.acknowledged = promise;
    this.#token = token;
    this.#settle = resolve;
    this.#socket = connect({ host: hostname, port: Number(port), localAddress, noDelay: true });
    this.#socket.on('error', (error: NodeJS.ErrnoException) => this.#lose(error.code ?? error.message));
    this.#socket.on('close', () => this.#lose('closed'));
    this.#socket.on('data', (chunk: Buffer) => this.#read(chunk));
    this.#socket.write(
      [
        'GET /graphql HTTP/1.1',
        'Host: 127.0.0.1',
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
        'Sec-WebSocket-Protocol: graphql-transport-ws',
        `X-Forwarded-Proto: ${OVER_TLS['x-forwarded-proto']}`,
        HEAD_END,
      ]
        .join('\r\n')
        .slice(0, -2),
    );
  }

  /** Resolves with its first event. */
  async subscribe(query: string, id: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<string | null>();
    this.#begun = resolve;
    this.#state = 'beginning';
    this.#send({ id, type: 'subscribe', payload: { query } });
    const why = await promise;
    if (why !== null) throw new Error(`a subscription did not begin: ${why}`);
  }

  #send(message: object): void {
    this.#write(TEXT, Buffer.from(JSON.stringify(message)));
  }

  /** Masked by zeros, which leave it as it is. */
  #write(opcode: number, payload: Buffer): void {
    const { length } = payload;
    const head = Buffer.alloc(length < 126 ? 6 : 8);
    head[0] = 0x80 | opcode;
    head[1] = 0x80 | Math.min(length, 126);
    if (length >= 126) head.writeUInt16BE(length, 2);
    this.#socket.write(Buffer.concat([head, payload]));
  }

  #read(chunk: Buffer): void {
    let at = 0;
    const bytes = this.#rest === null ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = null;
    if (this.#state === 'head') {
      const end = bytes.indexOf(HEAD_END);
      if (end < 0) {
        this.#rest = bytes;
        return;
      }
      const [, status = '', retry = ''] =
        /^HTTP\/1\.1 (\d+)[^]*?(?:\r\n(Retry-After: \d+)|$)/i.exec(bytes.toString('latin1', 0, end)) ?? [];
      if (status !== '101') return this.#lose(`${status} ${retry}`.trim());
      this.#state = 'greeted';
      this.#send({
        type: 'connection_init',
        payload: this.#token === '' ? {} : { authorization: `Bearer ${this.#token}` },
      });
      at = end + HEAD_END.length;
    }
    while (at + 2 <= bytes.length) {
      let length = bytes[at + 1] ?? 0;
      let head = 2;
      if (length === 126) {
        head = 4;
        if (at + head > bytes.length) break;
        length = bytes.readUInt16BE(at + 2);
      }
      if (at + head + length > bytes.length) break;
      this.#take((bytes[at] ?? 0) & 0xf, bytes.subarray(at + head, at + head + length));
      at += head + length;
    }
    if (at < bytes.length) this.#rest = Buffer.from(bytes.subarray(at));
  }

  #take(opcode: number, payload: Buffer): void {
    if (opcode === PING) return this.#write(PONG, payload);
    if (opcode === CLOSE) return this.#lose(payload.length < 2 ? 'closed' : `closed with ${payload.readUInt16BE()}`);
    if (this.#state === 'greeted') return this.#settle(payload.includes('connection_ack') ? null : payload.toString());
    if (!payload.includes(NEXT)) return this.#lose(payload.toString());
    if (this.#state === 'running') return arrived(payload);
    this.#state = 'running';
    this.#begun?.(null);
  }

  #lose(why: string): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    lost.push(why);
    this.#socket.destroy();
    this.#settle(why);
    this.#begun?.(why);
  }
}

import { randomBytes } from 'node:crypto';
import { connect as connectTcp, type Socket } from 'node:net';
import { WebSocket, type ClientOptions } from 'ws';

export interface Frame {
  readonly type: string;
  readonly id?: string;
  readonly payload?: unknown;
}

export const ofType = (type: string) => (frame: Frame) => frame.type === type;

/** Frames as they are on the wire. */
export async function openSocket(url: string, options: ClientOptions = {}, protocol = 'graphql-transport-ws') {
  const socket = new WebSocket(url, protocol, options);
  const frames: Frame[] = [];
  const closed = Promise.withResolvers<number>();
  const reason = Promise.withResolvers<string>();
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const each of waiting) each();
    waiting.clear();
  };
  socket.on('message', (data: Buffer) => {
    frames.push(JSON.parse(data.toString()) as Frame);
    wake();
  });
  socket.on('close', (code, text) => {
    closed.resolve(code);
    reason.resolve(text.toString());
    wake();
  });
  socket.on('error', () => {});
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('unexpected-response', (_, { statusCode }) => reject(new Error(`refused with ${statusCode}`)));
    socket.once('error', reject);
  });
  /** The next frame that fits, or null when the socket closes first. Others are left for later. */
  async function next(fits: (frame: Frame) => boolean): Promise<Frame | null> {
    for (;;) {
      const at = frames.findIndex(fits);
      if (at >= 0) return frames.splice(at, 1)[0] ?? null;
      if (socket.readyState === WebSocket.CLOSED) return null;
      await new Promise<void>((resolve) => waiting.add(resolve));
    }
  }
  const send = (frame: object | string): void => socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  return {
    closed: closed.promise,
    /** What the close frame says. */
    reason: reason.promise,
    send,
    frames,
    subscribe: (id: string, query: string, more: object = {}): void =>
      send({ type: 'subscribe', id, payload: { query, ...more } }),
    init: (payload: object = {}): void => send({ type: 'connection_init', payload }),
    next,
    /** Resolves when the server has seen what was sent before. */
    async settled(): Promise<void> {
      send({ type: 'ping' });
      await next(ofType('pong'));
    },
    /** Reads nothing more. */
    pause: () => socket.pause(),
    close: () => socket.terminate(),
  };
}

/** A WebSocket client that answers no close frame and sends on: nothing but TCP and the frames it writes itself. */
export class RawSocket {
  readonly dead: Promise<void>;
  readonly #socket: Socket;
  #text = '';
  #wake = (): void => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.dead = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => {
      this.#text += bytes.toString('latin1');
      this.#wake();
    });
  }

  static async open(url: string): Promise<RawSocket> {
    const { hostname, port, host } = new URL(url);
    const socket = connectTcp({ host: hostname, port: Number(port), allowHalfOpen: true });
    const raw = new RawSocket(socket);
    socket.write(
      [
        'GET /graphql HTTP/1.1',
        `Host: ${host}`,
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
        'Sec-WebSocket-Protocol: graphql-transport-ws',
        '',
        '',
      ].join('\r\n'),
    );
    await raw.received('101 Switching Protocols');
    return raw;
  }

  /** Resolves when this stands in what the server sent. */
  async received(text: string): Promise<void> {
    while (!this.#text.includes(text)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  send(message: object): void {
    if (this.#socket.destroyed) return;
    const body = Buffer.from(JSON.stringify(message));
    const mask = randomBytes(4);
    const length =
      body.length < 126
        ? Buffer.from([0x80 | body.length])
        : Buffer.from([0x80 | 126, body.length >> 8, body.length & 255]);
    this.#socket.write(
      Buffer.concat([Buffer.from([0x81]), length, mask, body.map((byte, n) => byte ^ (mask[n % 4] ?? 0))]),
    );
  }
}

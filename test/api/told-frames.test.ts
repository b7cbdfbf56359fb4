import { IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import { Socket } from 'node:net';
import { expect, test } from '@jest/globals';
import { type WebSocket, WebSocketServer } from 'ws';
import { bytesOf } from '../../src/api/graphql/event-texts.ts';
import type { Services } from '../../src/api/graphql/services.ts';
import { Connection } from '../../src/api/ws/connection.ts';
import { frameHead } from '../../src/api/ws/text-frames.ts';

/** Frames that are written beside the library: its bytes, its order, and nothing where it keeps something back. */

/** What is written to it, which it takes only when it is read. */
class Wire extends Duplex {
  readonly #written: Buffer[] = [];
  #taken: (() => void) | null = null;

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, taken: () => void): void {
    this.#written.push(chunk);
    this.#taken = taken;
  }

  /** All that was written until nothing waits any more. */
  async release(): Promise<Buffer> {
    while (this.#taken !== null) {
      const taken = this.#taken;
      this.#taken = null;
      taken();
      await new Promise(setImmediate);
    }
    return Buffer.concat(this.#written.splice(0));
  }
}

async function open(): Promise<{ wire: Wire; socket: WebSocket; connection: Connection }> {
  const wire = new Wire();
  const request = new IncomingMessage(new Socket());
  request.method = 'GET';
  request.headers = {
    upgrade: 'websocket',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'sec-websocket-version': '13',
  };
  const sockets = new WebSocketServer({ noServer: true });
  const socket = await new Promise<WebSocket>((resolve) =>
    sockets.handleUpgrade(request, wire, Buffer.alloc(0), resolve),
  );
  await wire.release();
  const from = { userAgent: null, address: null, client: null };
  const services = {} as Services; // asked for nothing here
  return { wire, socket, connection: new Connection(socket, wire, from, services) };
}

const tell = (connection: Connection, text: string): boolean => connection.tell(bytesOf('"'), bytesOf(text), '"');

test.each([0, 1, 123, 124, 65_533, 65_534, 70_000])(
  'a text of %d letters is the frame that the library makes of it',
  async (length) => {
    const { wire, socket, connection } = await open();
    const text = 'x'.repeat(length);
    expect(tell(connection, text)).toBe(true);
    const told = await wire.release();
    socket.send(`"${text}"`);
    expect(told.equals(await wire.release())).toBe(true);
  },
);

test('letters that take several bytes are sent as they are', async () => {
  const { wire, socket, connection } = await open();
  const text = 'ключ 🔑 ü \u0000 " \u2028'.repeat(9);
  expect(tell(connection, text)).toBe(true);
  const told = await wire.release();
  socket.send(`"${text}"`);
  expect(told.equals(await wire.release())).toBe(true);
  expect(frameHead(2 ** 32).length).toBe(10);
});

test('what is told and what the library sends keep their order, also where the client is slow to read', async () => {
  const { wire, socket, connection } = await open();
  for (const text of ['1', '2', '3']) {
    expect(tell(connection, text)).toBe(true);
    socket.send(`sent ${text}`);
    socket.ping(`ping ${text}`);
  }
  expect(bytesOf((await wire.release()).toString('latin1')).match(/"\d"|sent \d|ping \d/g)).toEqual(
    ['1', '2', '3'].flatMap((text) => [`"${text}"`, `sent ${text}`, `ping ${text}`]),
  );
});

test('a client that reads nothing is told of 16 KB and a frame at most, and nothing once the socket closes', async () => {
  const { wire, socket, connection } = await open();
  const text = 'x'.repeat(1_000);
  let told = 0;
  while (tell(connection, text)) told += 1;
  expect(told).toBeGreaterThan(15);
  expect(wire.writableLength).toBeLessThan(16 * 1_024 + 2 * text.length);
  await wire.release();
  expect(tell(connection, text)).toBe(true);
  socket.close();
  await wire.release();
  expect(tell(connection, text)).toBe(false);
});

test('nothing overtakes what the library keeps back', async () => {
  const { wire, socket, connection } = await open();
  // It reads the bytes of a Blob before it sends them, and keeps what is sent meanwhile.
  socket.send(new Blob(['sent']));
  expect(tell(connection, 'told')).toBe(false);
  expect(wire.writableLength).toBe(0);
  while (socket.bufferedAmount > wire.writableLength) await new Promise(setImmediate);
  expect(tell(connection, 'told')).toBe(true);
  expect((await wire.release()).toString('latin1')).toMatch(/sent.*told/s);
});

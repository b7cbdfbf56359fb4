import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';

type Answer = (args: readonly string[], connection: number) => string | null;

export interface RedisStub {
  readonly port: number;
  /** The commands that have arrived, each with its name in capitals. */
  readonly commands: readonly (readonly string[])[];
  /** The number of the connection that the last command came over. */
  readonly lastConnection: number;
  /** How it answers commands of that name from now on: as RESP2, or with null not at all. */
  on(name: string, answer: Answer): void;
  close(): Promise<void>;
}

/** What looks like a Redis server, for answers to which a real one cannot be brought. */
export async function startRedisStub(): Promise<RedisStub> {
  const sockets = new Set<Socket>();
  const commands: (readonly string[])[] = [];
  const answers = new Map<string, Answer>([
    ['INFO', () => bulk('role:master\r\nloading:0\r\n')],
    ['PING', () => '+PONG\r\n'],
    [
      'SUBSCRIBE',
      (channels) => channels.map((name, n) => `*3\r\n${bulk('subscribe')}${bulk(name)}:${n + 1}\r\n`).join(''),
    ],
  ]);
  let connections = 0;
  let lastConnection = 0;
  const server = createServer((socket) => {
    connections += 1;
    const connection = connections;
    sockets.add(socket);
    socket.on('error', () => {});
    let rest = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      const { read, left } = commandsIn(rest + chunk);
      rest = left;
      for (const [name = '', ...args] of read) {
        commands.push([name.toUpperCase(), ...args]);
        lastConnection = connection;
        const answer = answers.get(name.toUpperCase()) ?? (() => '+OK\r\n');
        const text = answer(args, connection);
        if (text !== null) socket.write(text);
      }
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port, // it listens on TCP
    commands,
    get lastConnection() {
      return lastConnection;
    },
    on: (name, answer) => void answers.set(name, answer),
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

export function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`;
}

/** The answer to CLUSTER SLOTS: the first node has the lower slots, and so on, evenly. */
export function slotsOf(ports: readonly number[]): string {
  const share = 16_384 / ports.length;
  const ranges = ports.map((port, n) => {
    const [from, to] = [Math.ceil(n * share), Math.ceil((n + 1) * share) - 1];
    return `*3\r\n:${from}\r\n:${to}\r\n*2\r\n${bulk('127.0.0.1')}:${port}\r\n`;
  });
  return `*${ports.length}\r\n${ranges.join('')}`;
}

/** Cuts whole commands off a stream: arrays of bulk strings, with nothing but ASCII in them. */
function commandsIn(text: string): { readonly read: readonly (readonly string[])[]; readonly left: string } {
  const read: string[][] = [];
  let left = text;
  for (;;) {
    const count = Number(/^\*(\d+)\r\n/.exec(left)?.[1] ?? Number.NaN);
    if (Number.isNaN(count)) return { read, left };
    const whole = new RegExp(String.raw`^\*\d+\r\n(?:\$\d+\r\n[^\r]*\r\n){${count}}`).exec(left)?.[0];
    if (whole === undefined) return { read, left };
    read.push([...whole.matchAll(/\$\d+\r\n([^\r]*)\r\n/g)].map(([, part = '']) => part));
    left = left.slice(whole.length);
  }
}

import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { createCutter } from '../support/resp.ts';

export interface RedisProxy {
  readonly url: string;
  /** While set, published messages get lost on their way to the client. Connections and all answers stay as they are. */
  deaf: boolean;
  /** How many messages got lost. */
  readonly lost: number;
  close(): Promise<void>;
}

/** A way to Redis of one instance's own, which can lose news for that instance alone. Speaks RESP2. */
export async function startRedisProxy(redisUrl: string): Promise<RedisProxy> {
  const { hostname, port } = new URL(redisUrl);
  const sockets = new Set<Socket>();
  let lost = 0;
  const server = createServer((client) => {
    const redis = connect({ host: hostname, port: Number(port) });
    const cut = createCutter();
    for (const [socket, other] of [
      [client, redis],
      [redis, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    client.on('data', (chunk) => redis.write(chunk));
    redis.on('data', (chunk) => {
      for (const reply of cut(chunk)) {
        if (!proxy.deaf || !isMessage(reply)) client.write(reply);
        else lost += 1;
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  const proxy = {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`, // it listens on TCP
    deaf: false,
    get lost() {
      return lost;
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  return proxy;
}

function isMessage(reply: Buffer): boolean {
  return reply.toString('latin1', 0, 17).startsWith('*3\r\n$7\r\nmessage');
}

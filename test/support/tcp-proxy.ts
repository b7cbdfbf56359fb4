import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A way to a server over which somebody else decides what passes. */
export interface TcpProxy {
  readonly port: number;
  /** Those of both sides that are open. */
  readonly sockets: ReadonlySet<Socket>;
  /** The same server, by this way. */
  readonly through: (url: string) => string;
  readonly close: () => Promise<void>;
}

/** @param pass is given each connection, and the one to the server that is for it: where one of them ends, so does the other */
export async function startTcpProxy(
  serverUrl: string,
  pass: (client: Socket, remote: Socket) => void,
): Promise<TcpProxy> {
  const { hostname, port: remotePort } = new URL(serverUrl);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const remote = connect({ host: hostname, port: Number(remotePort) });
    for (const [socket, other] of [
      [client, remote],
      [remote, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    pass(client, remote);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // it listens on TCP

  return {
    port,
    sockets,
    through(url) {
      const by = new URL(url);
      by.port = String(port);
      by.hostname = '127.0.0.1';
      return by.href;
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

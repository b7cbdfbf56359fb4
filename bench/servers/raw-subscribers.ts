/**
 * The floor: raw `ws` sockets that speak just enough of graphql-transport-ws, and one frame, built once, that is sent to all of them
 * when a POST to /all brings its text, or to one when a POST to /one does.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const frame = Buffer.concat(chunks);
    for (const socket of sockets.clients) {
      socket.send(frame, { binary: false });
      if (request.url === '/one') break;
    }
    response.end();
  });
});
const sockets = new WebSocketServer({ server, path: '/graphql' });
sockets.on('connection', (socket) => {
  socket.on('message', (data: Buffer) => {
    const begins = data.toString().includes('connection_init');
    socket.send(begins ? '{"type":"connection_ack"}' : '{"id":"1","type":"next","payload":{"data":{}}}');
  });
});
server.listen(0, '127.0.0.1', 4_096, () => {
  const { port } = server.address() as AddressInfo; // it listens on TCP
  process.stdout.write(`http://127.0.0.1:${port}\n`);
});
process.once('SIGTERM', () => process.exit(0));

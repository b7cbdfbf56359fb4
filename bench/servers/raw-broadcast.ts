/**
 * The floor: raw `ws` sockets that speak just enough of graphql-transport-ws, and one frame, built once, that is sent to
 * all of them when a POST brings its text.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';

const event = (text: string) =>
  JSON.stringify({ id: '1', type: 'next', payload: { data: { event: { __typename: 'PermissionsChanged', text } } } });

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const frame = Buffer.from(event(Buffer.concat(chunks).toString()));
    for (const socket of sockets.clients) socket.send(frame, { binary: false });
    response.end();
  });
});
const sockets = new WebSocketServer({ server, path: '/graphql' });
sockets.on('connection', (socket) => {
  socket.on('message', (data: Buffer) => {
    socket.send(data.toString().includes('connection_init') ? '{"type":"connection_ack"}' : event('running'));
  });
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo; // it listens on TCP
  process.stdout.write(`http://127.0.0.1:${port}\n`);
});
process.once('SIGTERM', () => process.exit(0));

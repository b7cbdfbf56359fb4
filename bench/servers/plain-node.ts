/** The floor: node:http that reads the request and writes the JSON. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { me } from './me.ts';

const answer = Buffer.from(`${JSON.stringify({ data: { me } })}\n`);
const headers = { 'content-type': 'application/json; charset=utf-8', 'content-length': answer.length };

const server = createServer((request, response) => {
  request.resume();
  request.on('end', () => {
    response.writeHead(200, headers);
    response.end(answer);
  });
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo; // it listens on TCP
  process.stdout.write(`http://127.0.0.1:${port}\n`);
});
process.once('SIGTERM', () => process.exit(0));

/** Answers each request when it has hashed a password as Castellan does, as many at once, and does nothing else. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hashPassword } from '../../src/domain/users/passwords.ts';

const server = createServer((request, response) => {
  request.resume().on('end', () => {
    hashPassword('a password for benchmarks').then(
      (hash) => {
        const body = JSON.stringify({ data: { hash } });
        response.setHeader('content-length', body.length).end(body);
      },
      (error: unknown) => response.destroy(error as Error),
    );
  });
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo; // it listens on TCP
  process.stdout.write(`http://127.0.0.1:${port}\n`);
});

/**
 * Serves the page, the modules it imports, and Castellan's /graphql under one origin, as a proxy in front of a real
 * application does: `node examples/browser/serve.js [port] [URL of Castellan]`.
 */
import { readFile } from 'node:fs/promises';
import { createServer, request as httpRequest } from 'node:http';
import { join, normalize, sep } from 'node:path';

const FOLDER = import.meta.dirname;
const PAGES = { '/': 'index.html', '/page.js': 'page.js' };
const TYPES = { html: 'text/html; charset=utf-8', js: 'text/javascript', mjs: 'text/javascript' };

/** Resolves to the server, listening. */
export async function serve({ port, castellan }) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const answered = pathname === '/graphql' ? pass(castellan, request, response) : sendFile(pathname, response);
    answered.catch(() => response.writeHead(502).end());
  });
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    const onward = httpRequest(new URL(request.url, castellan), { headers: request.headers });
    onward.on('error', () => socket.destroy());
    onward.on('response', () => socket.destroy());
    onward.on('upgrade', (answer, other, rest) => {
      other.on('error', () => socket.destroy());
      const headers = Object.entries(answer.headers).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${headers.join('')}\r\n`);
      socket.write(rest);
      other.write(head);
      socket.pipe(other).pipe(socket);
    });
    onward.end();
  });
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  return server;
}

async function pass(castellan, request, response) {
  const { method, headers } = request;
  const onward = httpRequest(new URL('/graphql', castellan), { method, headers });
  const answer = new Promise((resolve, reject) => onward.once('response', resolve).once('error', reject));
  request.pipe(onward);
  const message = await answer;
  response.writeHead(message.statusCode, message.headers);
  message.pipe(response);
}

async function sendFile(pathname, response) {
  const path = PAGES[pathname] ?? modulePath(pathname);
  const bytes = path === null ? null : await readFile(join(FOLDER, path)).catch(() => null);
  const type = TYPES[path?.split('.').at(-1)] ?? 'application/octet-stream';
  if (bytes === null) response.writeHead(404).end();
  else response.writeHead(200, { 'content-type': type }).end(bytes);
}

/** `/modules/x` is in node_modules, and nothing else is. */
function modulePath(pathname) {
  const path = normalize(pathname.replace(/^\/modules\//, 'node_modules/'));
  return path.startsWith(`node_modules${sep}`) ? path : null;
}

if (process.argv[1] === import.meta.filename) {
  const [, , port = '4080', castellan = 'http://127.0.0.1:4001'] = process.argv;
  await serve({ port: Number(port), castellan });
  process.stdout.write(`http://127.0.0.1:${port}\n`);
}

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { protectedBy } from './headers.ts';

const { resolve } = createRequire(import.meta.url);

/** What the page consists of, each file out of its package: nothing is fetched from elsewhere. */
const FILES = {
  'react.js': ['react', 'umd/react.production.min.js'],
  'react-dom.js': ['react-dom', 'umd/react-dom.production.min.js'],
  'graphiql.js': ['graphiql', 'graphiql.min.js'],
  'graphiql.css': ['graphiql', 'graphiql.min.css'],
} as const;

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "connect-src 'self'",
  'font-src data:',
  'img-src data:',
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ');

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Castellan</title>
<link rel="stylesheet" href="/graphql/explorer/graphiql.css">
<style>html, body, #explorer { height: 100%; margin: 0 }</style>
</head>
<body>
<div id="explorer">This page needs JavaScript.</div>
<script src="/graphql/explorer/react.js"></script>
<script src="/graphql/explorer/react-dom.js"></script>
<script src="/graphql/explorer/graphiql.js"></script>
<script src="/graphql/explorer/start.js"></script>
</body>
</html>
`;

/** Subscriptions go over a WebSocket, whose connection_init says what the headers of the page say. */
const START = `const fetcher = GraphiQL.createFetcher({
  url: '/graphql',
  subscriptionUrl: location.origin.replace('http', 'ws') + '/graphql',
});
const defaultQuery = [
  '# Sign in, then put the access token into Headers below: { "authorization": "Bearer ..." }',
  'mutation {',
  '  signIn(input: { email: "admin@castellan.local", password: "" }) {',
  '    ... on SignedIn { accessToken }',
  '  }',
  '}',
].join('\\n');
const page = React.createElement(GraphiQL, { fetcher, defaultQuery, shouldPersistHeaders: false });
ReactDOM.createRoot(document.getElementById('explorer')).render(page);
`;

/** GraphiQL for whoever opens /graphql in a browser. Where its packages are not installed there is none. */
export class Explorer {
  readonly #files = new Map<string, string>();

  constructor() {
    for (const [name, [folder, path]] of Object.entries(FILES)) {
      const file = locate(folder, path);
      if (file !== null) this.#files.set(name, file);
    }
  }

  addTo(server: FastifyInstance): void {
    server.get<{ Params: { file: string } }>('/graphql/explorer/:file', async ({ params: { file } }, reply) => {
      const type = file.endsWith('.css') ? 'text/css; charset=utf-8' : 'text/javascript; charset=utf-8';
      if (file === 'start.js') return reply.type(type).send(START);
      const path = this.#files.get(file);
      return path === undefined ? reply.callNotFound() : reply.type(type).send(await readFile(path));
    });
  }

  /** Whether the request is that of a browser which opens a page, and not a query. */
  wantedBy({ method, url, headers }: FastifyRequest): boolean {
    if (method !== 'GET' || url !== '/graphql' || this.#files.size < Object.keys(FILES).length) return false;
    return headers.accept?.split(',', 1)[0]?.trim() === 'text/html';
  }

  answer(reply: FastifyReply): FastifyReply {
    return reply.headers(protectedBy(POLICY)).type('text/html; charset=utf-8').send(PAGE);
  }
}

function locate(folder: string, path: string): string | null {
  try {
    const file = join(dirname(resolve(`${folder}/package.json`)), path);
    return existsSync(file) ? file : null;
  } catch {
    return null;
  }
}

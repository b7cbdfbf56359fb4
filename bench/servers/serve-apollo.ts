import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ApolloServer, type ApolloServerOptions, type BaseContext, HeaderMap } from '@apollo/server';

/** Apollo Server on node:http with nothing around it: no credentials, no rules. Prints its URL once it listens. */
export async function serveApollo(
  what: Pick<ApolloServerOptions<BaseContext>, 'typeDefs' | 'resolvers' | 'schema'>,
): Promise<void> {
  const apollo = new ApolloServer({ ...what, persistedQueries: false } as ApolloServerOptions<BaseContext>);
  await apollo.start();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => void answer(apollo, request, response, Buffer.concat(chunks).toString()));
  });
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo; // it listens on TCP
    process.stdout.write(`http://127.0.0.1:${port}\n`);
  });
  process.once('SIGTERM', () => process.exit(0));
}

async function answer(
  apollo: ApolloServer,
  request: IncomingMessage,
  response: ServerResponse,
  text: string,
): Promise<void> {
  const headers = new HeaderMap();
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  const {
    status,
    headers: given,
    body,
  } = await apollo.executeHTTPGraphQLRequest({
    httpGraphQLRequest: { method: request.method ?? 'GET', headers, search: '', body: JSON.parse(text) as unknown },
    context: () => Promise.resolve({}),
  });
  for (const [name, value] of given) response.setHeader(name, value);
  response.statusCode = status ?? 200;
  response.end(body.kind === 'complete' ? body.string : '');
}

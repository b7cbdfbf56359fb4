/**
 * better-auth on node:http with nothing around it: `/session` looks up the session of the cookie, `/key` verifies the API key,
 * and `/credentials` tells one of each. Prints its URL once it listens.
 */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Redis } from 'ioredis';
import { Pool } from 'pg';
import { importPeer } from '../support/peers.ts';

interface Auth {
  readonly api: {
    signUpEmail(call: { body: object; returnHeaders: true }): Promise<{
      headers: Headers;
      response: { user: { id: string } };
    }>;
    getSession(call: { headers: Headers }): Promise<{ user: object } | null>;
    createApiKey(call: { body: object }): Promise<{ key: string }>;
    verifyApiKey(call: { body: object }): Promise<{ valid: boolean; key: object | null }>;
  };
}

const { betterAuth } = await importPeer<{ readonly betterAuth: (options: object) => Auth }>('better-auth');
const { getMigrations } = await importPeer<{
  readonly getMigrations: (options: object) => Promise<{ runMigrations(): Promise<void> }>;
}>('better-auth/db/migration');
const { apiKey } = await importPeer<{ readonly apiKey: (options: object) => object }>('@better-auth/api-key');

const { DATABASE_URL, REDIS_URL } = process.env;
const redis = new Redis(REDIS_URL ?? '', { keyPrefix: 'better-auth:' });
const options = {
  secret: 'a secret for benchmarks that is long enough',
  baseURL: 'http://127.0.0.1:3000',
  database: new Pool({ connectionString: DATABASE_URL }),
  emailAndPassword: { enabled: true },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  logger: { disabled: true },
  secondaryStorage: {
    get: (key: string) => redis.get(key),
    set: (key: string, value: string, seconds?: number) =>
      seconds === undefined ? redis.set(key, value) : redis.set(key, value, 'EX', Math.ceil(seconds)),
    delete: (key: string) => redis.del(key),
  },
  // Without limits: it looks a key up in Redis, and asks PostgreSQL nothing.
  plugins: [apiKey({ storage: 'secondary-storage', rateLimit: { enabled: false } })],
};
await (await getMigrations(options)).runMigrations();
const auth = betterAuth(options);
const { headers, response } = await auth.api.signUpEmail({
  body: { email: 'bob@example.com', password: 'a password for benchmarks', name: 'Bob' },
  returnHeaders: true,
});
const cookie = headers
  .getSetCookie()
  .map((each) => each.split(';')[0])
  .join('; ');
const { key } = await auth.api.createApiKey({ body: { userId: response.user.id, name: 'a key' } });

async function answer({ url, headers: shown }: IncomingMessage): Promise<object | null> {
  if (url === '/credentials') return { cookie, key };
  if (url === '/session') return auth.api.getSession({ headers: new Headers({ cookie: shown.cookie ?? '' }) });
  return auth.api.verifyApiKey({ body: { key: shown['x-api-key'] } });
}

const server = createServer((request, reply) => {
  request.resume();
  answer(request).then(
    (told) => {
      const text = JSON.stringify(told);
      reply.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
      reply.end(text);
    },
    (error: unknown) => reply.writeHead(500).end(String(error)),
  );
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo; // it listens on TCP
  process.stdout.write(`http://127.0.0.1:${port}\n`);
});
process.once('SIGTERM', () => process.exit(0));

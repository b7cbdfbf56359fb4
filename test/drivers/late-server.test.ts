import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createApp } from '../../src/app.ts';
import type { Log } from '../../src/kit/log.ts';
import { Secret } from '../../src/kit/secret.ts';
import { testConfig } from '../support/castellan.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
});

afterAll(() => database.drop());

/** Which warnings there were, and a promise of the first. */
function noting(): { readonly logger: Log; readonly warnings: readonly string[]; readonly first: Promise<void> } {
  const warnings: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const warn = (_facts: object, message: string): void => {
    warnings.push(message);
    resolve();
  };
  const none = (): void => {};
  return { logger: { debug: none, info: none, warn, error: none }, warnings, first: promise };
}

const config = (url: string, databaseWaitSeconds: number) => ({
  ...testConfig(url, undefined),
  databaseUrl: new Secret(url),
  databaseWaitSeconds,
});

/** What PostgreSQL says while it starts. */
function startingUp(): Buffer {
  const fields = Buffer.from('SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0', 'latin1');
  const head = Buffer.from('E\0\0\0\0', 'latin1');
  head.writeInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}

/** Answers each connection as the next of these says, and from then on as the last. */
async function listen(port: number, ways: readonly ((client: Socket) => void)[]): Promise<Server> {
  const left = [...ways];
  const server = createServer((client) => {
    client.on('error', () => {});
    (left.length > 1 ? left.shift() : left[0])?.(client);
  }).listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

async function freePort(): Promise<number> {
  const server = await listen(0, []);
  const { port } = server.address() as AddressInfo; // it listens on TCP
  server.close();
  await once(server, 'close');
  return port;
}

test('a database that is there a moment later is waited for, through all that it says until then, and the log says so once', async () => {
  const real = new URL(database.url);
  const late = new URL(database.url);
  late.hostname = '127.0.0.1';
  late.port = String(await freePort());
  const { logger, warnings, first } = noting();
  const starting = createApp(config(late.href, 15), { logger });
  await first;
  const server = await listen(Number(late.port), [
    (client) => client.once('data', () => client.end(startingUp())),
    (client) => client.destroy(),
    (client) => {
      const postgres = connect({ host: real.hostname, port: Number(real.port) });
      postgres.on('error', () => client.destroy()).on('close', () => client.destroy());
      client.on('close', () => postgres.destroy());
      client.pipe(postgres).pipe(client);
    },
  ]);
  const app = await starting;
  expect((await fetch(`${app.url}/health/ready`)).status).toBe(200);
  expect(warnings).toEqual(['the database is not there yet: it is asked again']);
  await app.close();
  server.close();
}, 30_000);

test('one that does not come in time is given up', async () => {
  const { logger, warnings } = noting();
  const url = `postgres://castellan@127.0.0.1:${await freePort()}/castellan`;
  await expect(createApp(config(url, 1), { logger })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  expect(warnings).toHaveLength(1);
});

test.each([
  ['refuses the user or the password', (url: URL) => void (url.username = 'nobody')],
  ['does not have the database', (url: URL) => void (url.pathname = '/nowhere')],
  ['has no TLS', (url: URL) => url.searchParams.set('sslmode', 'verify-full')],
])('one that %s is not asked again', async (_, change) => {
  const { logger, warnings } = noting();
  const url = new URL(database.url);
  change(url);
  await expect(createApp(config(url.href, 600), { logger })).rejects.toThrow();
  expect(warnings).toEqual([]);
});

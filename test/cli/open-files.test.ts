import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { createDatabase } from '../support/database.ts';
import { type Frame, ofType, openSocket } from '../support/socket.ts';
import { until } from '../support/castellan.ts';
import { makeFolder, ROOT, Running, STARTS_MS } from './running.ts';

jest.setTimeout(STARTS_MS);

const FILES = 200;
/** Half of them where there are so few. */
const SOCKETS = 100;

let folder: Awaited<ReturnType<typeof makeFolder>>;
let database: Awaited<ReturnType<typeof createDatabase>>;
let running: Running;
let url: string;

beforeAll(async () => {
  folder = await makeFolder();
  database = await createDatabase();
  const env = { DATABASE_URL: database.url, CASTELLAN_DIR: folder.path, PORT: '0', LOG_LEVEL: 'warn' };
  const limited = `ulimit -n ${FILES}; exec "$0" src/main.ts`;
  running = new Running('sh', ['-c', limited, process.execPath], { env, cwd: ROOT });
  const printed = await running.printed('"{ me {');
  url = /http:\/\/[\w.]+:\d+/.exec(printed)?.[0] ?? '';
});

afterAll(async () => {
  await running.end('SIGKILL');
  await database.drop();
  await folder.remove();
});

/** What a socket that is opened is told: nothing, or the status and the header that say to come again. */
async function open(): Promise<WebSocket | string> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  socket.on('error', () => {});
  const { promise, resolve } = Promise.withResolvers<WebSocket | string>();
  socket.once('open', () => resolve(socket));
  socket.once('unexpected-response', (_, { statusCode, headers }) => {
    resolve(`${statusCode} Retry-After: ${headers['retry-after']}`);
    socket.terminate();
  });
  return promise;
}

const say = (socket: WebSocket, message: object): void => socket.send(JSON.stringify(message));

async function answer(socket: WebSocket, fits: (frame: Frame) => boolean): Promise<Frame> {
  for (;;) {
    const [data] = (await once(socket, 'message')) as [Buffer];
    const frame = JSON.parse(data.toString()) as Frame;
    if (fits(frame)) return frame;
  }
}

async function isAnswered(): Promise<boolean> {
  const body = JSON.stringify({ query: '{ me { id } }' });
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  return response.ok;
}

test('one socket too many for the files that there are is told to come again, and all others go on', async () => {
  const sockets: WebSocket[] = [];
  const refused: string[] = [];
  for (let n = 0; n < SOCKETS + 10; n += 1) {
    const opened = await open();
    if (typeof opened === 'string') refused.push(opened);
    else {
      sockets.push(opened);
      // It need not be known who it is, or it would be closed for not saying so.
      say(opened, { type: 'connection_init' });
      await answer(opened, ofType('connection_ack'));
    }
  }
  expect(sockets.length).toBe(SOCKETS);
  expect(new Set(refused)).toEqual(new Set(['503 Retry-After: 5']));
  for (const socket of sockets) {
    say(socket, { type: 'subscribe', id: '1', payload: { query: '{ me { id } }' } });
    expect(await answer(socket, ofType('next'))).toMatchObject({ payload: { data: { me: null } } });
  }
  expect(await isAnswered()).toBe(true);

  // One that goes makes room for another.
  sockets.pop()?.close();
  await until(async () => {
    const again = await open();
    if (typeof again === 'string') return false;
    sockets.push(again);
    return true;
  });
  for (const socket of sockets) socket.terminate();
  await until(isAnswered);
});

test('more connections than there are files for are dropped, and it survives them', async () => {
  const socket = await openSocket(`${url.replace('http', 'ws')}/graphql`);
  socket.init();
  await socket.next(ofType('connection_ack'));
  const { hostname, port } = new URL(url);
  const held: Socket[] = [];
  const dropped = new Set<Socket>();
  for (let n = 0; n < FILES + 50; n += 1) {
    const one = connect({ host: hostname, port: Number(port) });
    one.on('error', () => {});
    one.once('close', () => dropped.add(one));
    held.push(one);
    await once(one, 'connect');
  }
  await until(() => dropped.size >= 50);
  socket.subscribe('1', '{ me { id } }');
  expect(await socket.next(ofType('next'))).toMatchObject({ payload: { data: { me: null } } });
  for (const one of held) one.destroy();
  await until(() => isAnswered().catch(() => false));
  socket.close();
  expect(running.child.exitCode).toBeNull();
});

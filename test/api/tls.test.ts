import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, getCACertificates, setDefaultCACertificates, type ConnectionOptions } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { LIMITS, type Limits } from '../../src/kit/limits.ts';
import {
  createTestClock,
  instanceOf,
  startCastellans,
  until,
  type Castellans,
  type SignedInUser,
  type TestClock,
} from '../support/castellan.ts';
import { createCertificate, type Certificate } from '../support/certificate.ts';
import { openStream } from '../support/event-stream.ts';
import { recordedLog } from '../support/recorded-log.ts';
import { ofType, openSocket } from '../support/socket.ts';

/** Castellan that speaks TLS itself. Both ends are on this machine, with an address each of their own. */

const ME = '{ me { id } }';
const SESSION_EVENTS = 'subscription { sessionEvents { __typename ... on SessionStarted { sessionId } } }';
const PROXY = '127.0.0.2';
const STALLING = '127.0.0.3';
/** Short, since tests wait for what runs out. */
const SHORT: Limits = {
  ...LIMITS,
  handshakeMs: 1_000,
  headersMs: 400,
  sockets: { ...LIMITS.sockets, perAddress: 3 },
};

const known = getCACertificates('default');
const { logger, lines } = recordedLog();
const [first, second] = [createCertificate(), createCertificate()];
let folder: string;
let files: { certificateFile: string; keyFile: string };
let clock: TestClock;
let castellans: Castellans;
let alice: SignedInUser;

beforeAll(async () => {
  setDefaultCACertificates([...known, first.certificate, second.certificate]);
  folder = await mkdtemp(join(tmpdir(), 'castellan-tls-'));
  files = { certificateFile: join(folder, 'certificate.pem'), keyFile: join(folder, 'key.pem') };
  await put(first);
  clock = createTestClock();
  const settings = { tls: files, tlsOnly: true, trustedProxies: [PROXY], limits: SHORT };
  castellans = await startCastellans(1, { settings, clock, logger });
  alice = await castellans.signUp('alice', ['administrator']);
});

afterAll(async () => {
  await castellans.close();
  setDefaultCACertificates(known);
  await rm(folder, { recursive: true });
});

const url = (): string => instanceOf(castellans, 0).url;
const place = () => ({ host: '127.0.0.1', port: Number(new URL(url()).port) });

async function put({ certificate, key }: Certificate): Promise<void> {
  await writeFile(files.certificateFile, certificate);
  await writeFile(files.keyFile, key);
}

/** What a connection comes to be, or the code of why it does not. */
async function handshake(
  options: ConnectionOptions & { localAddress?: string } = {},
): Promise<{ protocol: string | null; cipher: string } | string> {
  const socket = connectTls({ ...place(), ...options });
  try {
    return await new Promise((resolve) => {
      socket.once('secureConnect', () =>
        resolve({ protocol: socket.getProtocol(), cipher: socket.getCipher().standardName }),
      );
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(String(error.code)));
    });
  } finally {
    socket.destroy();
  }
}

/** Bytes as they are, and what came back until the end. */
async function raw(
  text: string,
  { localAddress, tls = true }: { localAddress?: string; tls?: boolean } = {},
): Promise<string> {
  const from = localAddress === undefined ? {} : { localAddress };
  const socket = tls ? connectTls({ ...place(), ...from }) : connectTcp({ ...place(), ...from });
  socket.on('error', () => {});
  let answer = '';
  socket.on('data', (bytes: Buffer) => (answer += bytes.toString()));
  const ended = new Promise<string>((resolve) => socket.once('close', () => resolve(answer)));
  socket.write(text);
  return ended;
}

const LIVE = 'GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n';
const ASKS = 'GET /.well-known/jwks.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n';

describe('over TLS', () => {
  test('a request, a stream of events and a WebSocket are answered, and what is told at once is as well', async () => {
    expect(url()).toMatch(/^https:/);
    const { status, data, headers } = await castellans.ask(ME, { token: alice.accessToken });
    expect([status, data]).toEqual([200, { me: { id: alice.id } }]);
    expect(headers.get('strict-transport-security')).toMatch(/^max-age=\d{8}/);

    const authorization = `Bearer ${alice.accessToken}`;
    const stream = await openStream(url(), SESSION_EVENTS, { headers: { authorization } });
    const socket = await openSocket(`${url().replace('https', 'wss')}/graphql`);
    socket.init({ authorization });
    await socket.next(ofType('connection_ack'));
    socket.subscribe('1', SESSION_EVENTS);
    await socket.settled();
    const { sessionId } = await castellans.signIn(alice.email);
    const started = { data: { sessionEvents: { __typename: 'SessionStarted', sessionId } } };
    expect((await socket.next(ofType('next')))?.payload).toEqual(started);
    expect((await stream.next())?.data).toEqual(started);
    stream.leave();
    socket.close();
    await until(() => instanceOf(castellans, 0).services.live.size === 0);
  });

  test('nothing is answered in the clear', async () => {
    expect(await raw(`${LIVE}\r\n`, { tls: false })).not.toContain('HTTP');
  });

  test('1.3 and the strongest cipher are taken where both have them, and 1.2 with what keeps its secrets', async () => {
    expect(await handshake()).toEqual({ protocol: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384' });
    expect(await handshake({ maxVersion: 'TLSv1.2' })).toEqual({
      protocol: 'TLSv1.2',
      cipher: 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
    });
  });

  test.each<readonly [string, ConnectionOptions]>([
    ['1.1', { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' }],
    ['1.0', { minVersion: 'TLSv1', maxVersion: 'TLSv1' }],
  ])('version %s of TLS is not spoken', async (_, options) => {
    // It is the server that refuses: the client would take it.
    expect(await handshake({ ...options, ciphers: 'DEFAULT@SECLEVEL=0' })).toBe('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION');
  });

  test.each<readonly [string, ConnectionOptions]>([
    ['CBC', { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES256-SHA' }],
  ])('nothing is spoken with %s', async (_, options) => {
    expect(await handshake(options)).toMatch(/^(ERR_SSL_|ECONNRESET)/);
  });

  test('what a trusted proxy says came in the clear is refused, but for health; what others say counts for nothing', async () => {
    const plain = 'X-Forwarded-Proto: http\r\n\r\n';
    expect(await raw(ASKS + plain, { localAddress: PROXY })).toMatch(/^HTTP\/1.1 403 .*"reason":"tls"/s);
    expect(await raw(LIVE + plain, { localAddress: PROXY })).toMatch(/^HTTP\/1.1 200 /);
    expect(await raw(`${ASKS}\r\n`, { localAddress: PROXY })).toMatch(/^HTTP\/1.1 200 /);
    expect(await raw(ASKS + plain)).toMatch(/^HTTP\/1.1 200 /);
  });
});

describe('who speaks TLS is held to the limits of who does not:', () => {
  test('headers that do not come, or are none, and a body that is too large', async () => {
    for (const some of ['', 'GET /graphql HTTP/1.1\r\nHost: x\r\n']) expect(await raw(some)).toMatch(/^HTTP\/1.1 408 /);
    expect(await raw('GET /graphql HTTP/9\r\n\r\n')).toMatch(/^HTTP\/1.1 400 /);
    expect(await raw(`GET / HTTP/1.1\r\nHost: x\r\nX-A: ${'a'.repeat(20_000)}\r\n\r\n`)).toMatch(/^HTTP\/1.1 431 /);
    const tooLarge = { method: 'POST', headers: { 'content-type': 'application/json' }, body: 'x'.repeat(300_000) };
    expect((await fetch(`${url()}/graphql`, tooLarge)).status).toBe(413);
  });

  test('a handshake that stalls is ended in time, and counts for its network until then', async () => {
    const stall = () => connectTcp({ ...place(), localAddress: STALLING }).on('error', () => {});
    const stalled = [stall(), stall(), stall()].map((socket) => socket.resume());
    await Promise.all(stalled.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
    expect(await handshake({ localAddress: STALLING })).toBe('ECONNRESET');
    expect(await handshake()).toMatchObject({ protocol: 'TLSv1.3' });
    // Those that are not ended must not keep the instance from closing.
    await until(() => stalled.every(({ closed }) => closed)).finally(() => stalled.map((socket) => socket.destroy()));
    for (let n = 0; n < 5; n += 1)
      expect(await handshake({ localAddress: STALLING })).toMatchObject({ protocol: 'TLSv1.3' });
  });
});

test('a renewed certificate is taken up without a restart, those that are connected stay, and one that does not fit is not taken', async () => {
  const trusting = (one: Certificate): ConnectionOptions => ({ ca: [one.certificate] });
  const socket = await openSocket(`${url().replace('https', 'wss')}/graphql`);
  const secondsLeft = async () =>
    Number(
      /^castellan_tls_certificate_seconds_left (\d+)$/m.exec(await instanceOf(castellans, 0).metrics.render())?.[1],
    );
  expect(await secondsLeft()).toBeGreaterThan(360 * 86_400);

  // Half of it: the key is still the old one.
  await writeFile(files.certificateFile, second.certificate);
  clock.advance(10_000);
  await until(() => lines().some((line) => line.includes('TLS_KEY_FILE must name the key of')));
  expect(await handshake(trusting(first))).toMatchObject({ protocol: 'TLSv1.3' });
  expect(await handshake(trusting(second))).toBe('DEPTH_ZERO_SELF_SIGNED_CERT');

  await put(second);
  clock.advance(10_000);
  await until(async () => typeof (await handshake(trusting(second))) === 'object');
  expect(await handshake(trusting(first))).toBe('DEPTH_ZERO_SELF_SIGNED_CERT');
  expect(await handshake({ ...trusting(second), maxVersion: 'TLSv1.1', minVersion: 'TLSv1.1' })).toMatch(/^ERR_SSL_/);
  socket.init();
  expect(await socket.next(ofType('connection_ack'))).not.toBeNull();
  socket.close();
});

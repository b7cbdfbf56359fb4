/**
 * Subscribers to permissionsChanged in a process of their own, so that what they read costs the servers' processes
 * nothing. Told by messages of its parent what to do; see support/subscribers.ts.
 */
import { WebSocket } from 'ws';
import { nowMs } from '../support/client-process.ts';
import type { Command, Report } from '../support/subscribers.ts';
import { OVER_TLS } from '../support/over-tls.ts';

/** Sockets that are being opened at one time. */
const LANES = 32;

/** A position of another history may have missed anything, so that the rules come at once. */
const SUBSCRIBE = JSON.stringify({
  id: '1',
  type: 'subscribe',
  payload: {
    query: `subscription { event: permissionsChanged(after: "00000000-0") {
      __typename ... on PermissionsChanged { rules policyVersion position }
    } }`,
  },
});

/** When each subscriber read the first frame about the policy version that is waited for, in ms; NaN until then. */
let times = new Float64Array();
let version = '';
let left = 0;

process.on('message', (command: Command) => {
  if (command.kind === 'open') void openAll(command.subscribers).catch(fail);
  else expect(command.version);
});

async function openAll(subscribers: readonly (readonly [url: string, token: string])[]): Promise<void> {
  times = new Float64Array(subscribers.length).fill(NaN);
  const entries = subscribers.entries();
  const lane = async () => {
    for (const [n, [url, token]] of entries) await open(n, url, token);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  report({ kind: 'opened' });
}

function expect(next: string): void {
  version = next;
  times.fill(NaN);
  left = times.length;
  report({ kind: 'expecting' });
}

/** Resolves once the subscription runs: it has sent its first event. */
function open(n: number, url: string, token: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', { headers: OVER_TLS });
  socket.on('error', reject);
  socket.on('close', (code) => fail(new Error(`a socket closed with ${code}`)));
  socket.on('open', () =>
    socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } })),
  );
  socket.on('message', (data: Buffer) => {
    const cameMs = nowMs();
    const text = data.toString();
    if (text.includes('"connection_ack"')) socket.send(SUBSCRIBE);
    else if (text.includes('"ping"')) socket.send('{"type":"pong"}');
    // What was missed in another history is not known: the rules come next.
    else if (text.includes('"Resync"')) return;
    else if (!text.includes('"PermissionsChanged"')) fail(new Error(`an unexpected frame: ${text}`));
    else if (version === '') resolve();
    else if (text.includes(version)) arrived(n, cameMs);
  });
  return promise;
}

function arrived(n: number, cameMs: number): void {
  if (!Number.isNaN(times[n])) return;
  times[n] = cameMs;
  left -= 1;
  if (left === 0) report({ kind: 'arrived', times: [...times] });
}

function fail(error: unknown): void {
  process.stderr.write(`${String(error)}\n`);
  process.exit(1);
}

function report(what: Report): void {
  process.send?.(what);
}

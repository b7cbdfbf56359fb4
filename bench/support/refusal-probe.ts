/**
 * Loaded into a Castellan with `--import`, for how long those that it refuses with AUTHORITY_UNAVAILABLE are in it: from when their headers were read
 * until their answer was handed to the kernel. Tells it on a port of its own, which its URL names (`?port=`), and begins anew.
 */
import { subscribe } from 'node:diagnostics_channel';
import { createServer, type IncomingMessage, ServerResponse } from 'node:http';
import { isMainThread } from 'node:worker_threads';
import { quantile } from './statistics.ts';

const BEGUN = Symbol('begun');
const REFUSED = Symbol('refused');
const CODE = '"AUTHORITY_UNAVAILABLE"';

interface Message {
  readonly request: IncomingMessage & { [BEGUN]?: number };
  readonly response: ServerResponse & { [REFUSED]?: boolean };
}

let tookMs: number[] = [];

const end: unknown = Reflect.get(ServerResponse.prototype, 'end');
ServerResponse.prototype.end = function (this: Message['response'], ...given: unknown[]) {
  const [body] = given;
  if (typeof body === 'string' && body.startsWith('{"errors"')) this[REFUSED] = body.includes(CODE);
  return Reflect.apply(end as (...all: unknown[]) => Message['response'], this, given); // as Node documents it
};

subscribe('http.server.request.start', (message) => {
  const { request } = message as Message; // as Node documents it
  request[BEGUN] = performance.now();
});
subscribe('http.server.response.finish', (message) => {
  const { request, response } = message as Message;
  const begunMs = request[BEGUN];
  if (response[REFUSED] === true && begunMs !== undefined) tookMs.push(performance.now() - begunMs);
});

const server = createServer((_request, response) => {
  const told = { count: tookMs.length, p50: quantile(tookMs, 0.5), p99: quantile(tookMs, 0.99) };
  tookMs = [];
  response.end(JSON.stringify(told));
}).unref();
// Threads are started with what the process was started with.
if (isMainThread) server.listen(Number(new URL(import.meta.url).searchParams.get('port')), '127.0.0.1');

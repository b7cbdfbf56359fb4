/**
 * Loaded into a Castellan with `--import`, for how long those that it refuses with AUTHORITY_UNAVAILABLE are in it: from when their headers were read
 * until their answer was handed to the kernel; and how much PostgreSQL had done for them by then. Tells it on a port of its own, which its URL names
 * (`?port=`), and begins anew.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe } from 'node:diagnostics_channel';
import { createServer, type IncomingMessage, ServerResponse } from 'node:http';
import { isMainThread } from 'node:worker_threads';
import { Pool } from 'pg';
import { quantile } from './statistics.ts';

const BEGUN = Symbol('begun');
const REFUSED = Symbol('refused');
const WORK = Symbol('work');
const CODE = '"AUTHORITY_UNAVAILABLE"';

/** What `GET` answers. */
export interface Told {
  /** Those that were refused, and those of them for which a statement had been carried out. */
  readonly count: number;
  readonly worked: number;
  readonly p50: number;
  readonly p99: number;
  /** Statements outside transactions, and those of them that were for somebody who was refused. */
  readonly statements: number;
  readonly forNothing: number;
}

/** Statements that were carried out for one request. */
interface Work {
  statements: number;
}

interface Message {
  readonly request: IncomingMessage & { [BEGUN]?: number; [WORK]?: Work };
  readonly response: ServerResponse & { [REFUSED]?: boolean };
}

const working = new AsyncLocalStorage<Work>();
let tookMs: number[] = [];
let counts = { worked: 0, statements: 0, forNothing: 0 };

const query: unknown = Reflect.get(Pool.prototype, 'query');
Object.assign(Pool.prototype, {
  query(this: Pool, ...given: unknown[]): unknown {
    const work = working.getStore();
    const asked: unknown = Reflect.apply(query as (...all: unknown[]) => unknown, this, given); // as pg documents it
    if (work === undefined || !(asked instanceof Promise)) return asked;
    return asked.then((result: unknown) => {
      work.statements += 1;
      return result;
    });
  },
});

const end: unknown = Reflect.get(ServerResponse.prototype, 'end');
ServerResponse.prototype.end = function (this: Message['response'], ...given: unknown[]) {
  const [body] = given;
  if (typeof body === 'string' && body.startsWith('{"errors"')) this[REFUSED] = body.includes(CODE);
  return Reflect.apply(end as (...all: unknown[]) => Message['response'], this, given); // as Node documents it
};

subscribe('http.server.request.start', (message) => {
  const { request } = message as Message; // as Node documents it
  request[BEGUN] = performance.now();
  request[WORK] = { statements: 0 };
  working.enterWith(request[WORK]);
});
subscribe('http.server.response.finish', (message) => {
  const { request, response } = message as Message;
  const begunMs = request[BEGUN];
  const statements = request[WORK]?.statements ?? 0;
  counts.statements += statements;
  if (response[REFUSED] !== true || begunMs === undefined) return;
  tookMs.push(performance.now() - begunMs);
  counts.forNothing += statements;
  if (statements > 0) counts.worked += 1;
});

const server = createServer((_request, response) => {
  const told: Told = { count: tookMs.length, p50: quantile(tookMs, 0.5), p99: quantile(tookMs, 0.99), ...counts };
  tookMs = [];
  counts = { worked: 0, statements: 0, forNothing: 0 };
  response.end(JSON.stringify(told));
}).unref();
// Threads are started with what the process was started with.
if (isMainThread) server.listen(Number(new URL(import.meta.url).searchParams.get('port')), '127.0.0.1');

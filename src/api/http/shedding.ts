import type { OutgoingHttpHeaders } from 'node:http';
import type { onRequestHookHandler } from 'fastify';
import { REFUSALS } from '../../domain/refusals.ts';
import type { LoadShedder } from '../../kit/load-shedder.ts';
import { overloaded } from '../graphql/admission.ts';

const { code, message, data } = overloaded();
const BODY = JSON.stringify({ errors: [{ message, extensions: { code, ...data } }] });
const HEADERS: OutgoingHttpHeaders = {
  'cache-control': 'private, no-store',
  'content-length': Buffer.byteLength(BODY),
  'content-type': 'application/json; charset=utf-8',
  'retry-after': String(data.retryAfterSeconds),
};

/** Refuses what is too much before its body is read, with an answer that is there already: it must cost next to nothing. */
export function shedding(shedder: LoadShedder): onRequestHookHandler {
  return (_request, reply, done) => {
    if (!shedder.refuses()) return done();
    reply.hijack();
    // What the hooks before have set: who may read the answer.
    reply.raw.writeHead(REFUSALS[code].status, { ...(reply.getHeaders() as OutgoingHttpHeaders), ...HEADERS });
    reply.raw.end(BODY);
  };
}

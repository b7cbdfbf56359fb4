import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { onRequestHookHandler } from 'fastify';
import { REFUSALS } from '../../domain/refusals.ts';
import type { LoadShedder } from '../../kit/load-shedder.ts';
import { overloaded } from '../graphql/admission.ts';
import { PRIVATE, PROTECTION } from './headers.ts';

const { code, message, data } = overloaded();
const { status } = REFUSALS[code];
const BODY = JSON.stringify({ errors: [{ message, extensions: { code, ...data } }] });
const HEADERS: OutgoingHttpHeaders = {
  'cache-control': PRIVATE,
  'content-length': Buffer.byteLength(BODY),
  'content-type': 'application/json; charset=utf-8',
  'retry-after': String(data.retryAfterSeconds),
};
const WHOLE_HEADERS: OutgoingHttpHeaders = { ...PROTECTION, ...HEADERS };
const LAST_HEADERS: OutgoingHttpHeaders = { ...WHOLE_HEADERS, connection: 'close' };

/**
 * Refuses what is too much before anything is made of it, with an answer that is there already: when most of what comes is refused,
 * what a refusal costs is what is left to do for others. False for what goes on; what a page asks for is left to {@link shedding}.
 */
export function shedEarly(shedder: LoadShedder): (request: IncomingMessage, response: ServerResponse) => boolean {
  return (request, response) => {
    if (!isPlain(request) || !shedder.refuses()) return false;
    // Who comes again on another connection waits for the next turn.
    response.writeHead(status, shedder.endless ? LAST_HEADERS : WHOLE_HEADERS);
    response.end(BODY);
    return true;
  };
}

/** The same for all that needs the hooks before, which say who may read the answer. Before the body is read, too. */
export function shedding(shedder: LoadShedder): onRequestHookHandler {
  return ({ raw }, reply, done) => {
    if (isPlain(raw) || !shedder.refuses()) return done();
    reply.hijack();
    reply.raw.writeHead(status, { ...(reply.getHeaders() as OutgoingHttpHeaders), ...HEADERS });
    reply.raw.end(BODY);
  };
}

/** As other programs ask, and no page. */
function isPlain({ method, url, headers: { origin } }: IncomingMessage): boolean {
  return method === 'POST' && url === '/graphql' && origin === undefined;
}

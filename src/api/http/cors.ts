import type { FastifyInstance } from 'fastify';
import type { Origins } from './origins.ts';

/** What pages ask for. Metrics and health are for operators. */
const FOR_PAGES = /^\/(graphql|oauth|\.well-known)\b/;
const METHODS = 'GET, POST';
const REQUEST_HEADERS = [
  'authorization',
  'content-type',
  'apollo-require-preflight',
  'x-castellan-cookies',
  'x-castellan-min-position',
  'x-csrf-token',
  'x-api-key',
].join(', ');
const ANSWER_HEADERS = 'ratelimit, ratelimit-policy, retry-after, www-authenticate';
/** Browsers ask again after this long. */
const PREFLIGHT_SECONDS = 600;

/**
 * Lets the pages of listed origins read our answers, with cookies. Any other origin gets no header that says so, and its
 * preflights find nothing here.
 */
export function addCors(server: FastifyInstance, origins: Origins): void {
  // An answer to one origin is of no use to another, whoever stores it; without origins, all answers are alike.
  if (!origins.any) return;
  server.addHook('onRequest', (request, reply, done) => {
    if (!FOR_PAGES.test(request.url)) return done();
    const { origin } = request.headers;
    // Past Fastify: GraphQL is answered past it as well.
    const { raw } = reply;
    raw.setHeader('vary', 'Origin');
    if (origin === undefined || !origins.lists(origin)) return done();
    raw.setHeader('access-control-allow-origin', origin);
    raw.setHeader('access-control-allow-credentials', 'true');
    raw.setHeader('access-control-expose-headers', ANSWER_HEADERS);
    if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) return done();
    raw.setHeader('access-control-allow-methods', METHODS);
    raw.setHeader('access-control-allow-headers', REQUEST_HEADERS);
    raw.setHeader('access-control-max-age', PREFLIGHT_SECONDS);
    reply.code(204).send();
  });
}

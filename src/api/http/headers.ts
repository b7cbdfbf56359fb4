import type { FastifyInstance } from 'fastify';
import { Refusal } from '../../domain/refusals.ts';

const CHARSET = /;\s*charset\s*=\s*"?([^\s;"]*)/gi;
const UTF_8: ReadonlySet<string> = new Set(['utf-8', 'utf8', 'us-ascii']);

/**
 * Refuses with 415 a body that is compressed, since what it becomes has no limit, and one in another encoding than UTF-8:
 * whoever stands in between may have read something else in it.
 */
export function refuseEncodings(server: FastifyInstance): void {
  server.addHook('onRequest', ({ headers }, _reply, done) => {
    const { 'content-encoding': encoding, 'content-type': type = '' } = headers;
    if (encoding === undefined && !type.includes(';')) return done();
    const charsets = [...type.matchAll(CHARSET)].map(([, name = '']) => name.toLowerCase());
    const isPlain = encoding === undefined || encoding.toLowerCase() === 'identity';
    if (isPlain && charsets.length <= 1 && charsets.every((name) => UTF_8.has(name))) return done();
    const refusal = new Refusal('BAD_USER_INPUT', 'Send the body as it is, in UTF-8: nothing else is read here.');
    done(Object.assign(refusal, { statusCode: 415 }));
  });
}

/**
 * What keeps a browser from taking an answer for something else, framing it, or saying elsewhere where it came from. The
 * last one is for https alone: over http a browser ignores it.
 *
 * @param policy the Content-Security-Policy of a page; answers that are none load nothing
 */
export function protectedBy(policy: string): Readonly<Record<string, string>> {
  return {
    'content-security-policy': policy,
    'referrer-policy': 'no-referrer',
    'strict-transport-security': 'max-age=31536000; includeSubDomains',
    'x-content-type-options': 'nosniff',
  };
}

/** Those of every answer that is no page. */
export const PROTECTION = Object.freeze(protectedBy("default-src 'none'; base-uri 'none'; frame-ancestors 'none'"));

/** Whoever stores an answer gives it to others. */
export const PRIVATE = 'private, no-store';

/** What may be stored says so itself. */
export function keepPrivate(server: FastifyInstance): void {
  server.addHook('onRequest', (_request, reply, done) => {
    reply.headers({ ...PROTECTION, 'cache-control': PRIVATE });
    done();
  });
}

import type { FastifyReply } from 'fastify';
import type { Principal } from '../../domain/principals/principal.ts';
import { REFUSALS, Refusal } from '../../domain/refusals.ts';
import { noteRefusedRequest } from '../graphql/attempts.ts';
import { toPublicError } from '../graphql/errors.ts';
import type { Services } from '../graphql/services.ts';
import { PRIVATE } from './headers.ts';
import { protocolOf } from './identity.ts';

/** What a refusal needs. */
export type RefusingParts = Pick<Services, 'logger' | 'proxies' | 'attempts'>;

/**
 * Answers a request that is refused as a whole, with the status and headers that HTTP has for it.
 * @param by who asks, as far as is known, and from where
 * @param status where HTTP has a more exact one than the code of the refusal
 */
export function refuse(
  reply: FastifyReply,
  error: unknown,
  services: RefusingParts,
  {
    by = null,
    address = services.proxies.clientOf(reply.request.headers, reply.request.ip),
    status = error instanceof Refusal ? REFUSALS[error.code].status : 500,
  }: { readonly by?: Principal | null; readonly address?: string | null; readonly status?: number } = {},
): FastifyReply {
  noteRefusedRequest(error, protocolOf(reply.request), address, by, services);
  const publicError = toPublicError(error, services.logger);
  reply.header('cache-control', PRIVATE);
  if (error instanceof Refusal) {
    const { retryAfterSeconds } = error.data;
    if (retryAfterSeconds !== undefined) reply.header('retry-after', String(retryAfterSeconds));
    if (REFUSALS[error.code].status === 401) reply.header('www-authenticate', 'Bearer');
  }
  return reply
    .code(status)
    .type('application/json; charset=utf-8')
    .send({ errors: [publicError] });
}

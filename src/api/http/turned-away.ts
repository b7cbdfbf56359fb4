import type { FastifyRequest } from 'fastify';
import type { Services } from '../graphql/services.ts';
import { noteTurnedAway } from '../graphql/signals.ts';
import { protocolOf } from './identity.ts';

/**
 * Counts what was shown at a door other than GraphQL's and does not hold: guesses are the same wherever they are made. What to answer
 * with: RATE_LIMITED where too many come from there.
 */
export function turnedAway(error: unknown, request: FastifyRequest, services: Services): unknown {
  const address = services.proxies.clientOf(request.headers, request.ip);
  noteTurnedAway(error, address, protocolOf(request), services);
  return services.operationLimits.admitRefused(error, address)?.refusal ?? error;
}

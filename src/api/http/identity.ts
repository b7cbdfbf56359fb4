import type { FastifyRequest } from 'fastify';
import { parsePosition } from '../../domain/authority/position.ts';
import type { Origin } from '../../domain/authentication/origin.ts';
import { demandSession, type KeyOrigin, type Principal } from '../../domain/principals/principal.ts';
import type { Protocol } from '../../domain/sessions/activity.ts';
import { Refusal } from '../../domain/refusals.ts';
import { type Door, OperationContext } from '../graphql/context.ts';
import type { Services } from '../graphql/services.ts';
import { atItsPlace, isProven } from '../graphql/places.ts';
import { noteUse } from '../graphql/uses.ts';
import { credentialOf, refuseTwoKinds } from './credentials.ts';
import { byGateway, byGatewayNow } from './gateways.ts';
import type { Origins } from './origins.ts';
import { requestOrigin } from './request-origin.ts';
import { SessionCookies } from './session-cookies.ts';

/** A request that brings the position of a write it must see waits this long for it. */
const MIN_POSITION_WAIT_MS = 300;

/** Everything about a warm credential is known here, and there is nothing to wait for; null for all else. */
export function contextNow(request: FastifyRequest, services: Services): OperationContext | null {
  const { headers } = request;
  if (headers['x-castellan-min-position'] !== undefined || headers.cookie !== undefined) return null;
  if (headers['x-castellan-cookies'] !== undefined) return null;
  const by = services.identification.identifyNow(credentialOf(headers, () => keyOriginOf(request, services)));
  if (by === null) return null;
  const from = originOf(request, services);
  if (!isProven(by, from, services)) return null;
  const isByGateway = byGatewayNow(request, services);
  return isByGateway === null ? null : contextFor(by, from, request, services, { byGateway: isByGateway });
}

/** Who asks, from a header or a cookie. What must hold for a cookie beyond its token is demanded here. */
export async function contextOf(
  request: FastifyRequest,
  services: Services,
  origins: Origins,
): Promise<OperationContext> {
  const { headers, method } = request;
  const minPosition = headers['x-castellan-min-position'];
  if (typeof minPosition === 'string') {
    await services.tail.awaitApplied(parsePosition(minPosition, 'x-castellan-min-position'), MIN_POSITION_WAIT_MS);
  }
  const door = { byGateway: await byGateway(request, services) };
  const cookies = SessionCookies.of(headers);
  if (cookies === null) {
    const by = await services.identification.identify(credentialOf(headers, () => keyOriginOf(request, services)));
    return contextAt(by, request, services, door);
  }
  refuseTwoKinds(headers, { cookie: true });
  if (!(method === 'GET' ? origins.allowGet(headers) : origins.allow(headers))) {
    const message = 'Cookies are not taken from a page of this origin.';
    throw new Refusal('FORBIDDEN', message, { reason: 'origin' });
  }
  const by = await services.identification.identify(cookies.credential);
  // A GET can change nothing, and its answer is read by nobody but the pages that are allowed to.
  if (by.kind === 'user' && method !== 'GET') {
    services.csrfTokens.demand(demandSession(by).credential.sessionId, cookies.csrfToken);
  }
  return contextAt(by, request, services, { ...door, cookies });
}

/** The same once it has been judged where they are. */
async function contextAt(
  by: Principal,
  request: FastifyRequest,
  services: Services,
  door: Door,
): Promise<OperationContext> {
  const from = originOf(request, services);
  const { by: now, unproven } = await atItsPlace(by, from, services);
  return contextFor(now, from, request, services, { ...door, unproven });
}

function contextFor(
  by: Principal,
  from: Origin,
  request: FastifyRequest,
  services: Services,
  door: Door,
): OperationContext {
  const protocol = protocolOf(request);
  noteUse(by, protocol, services, from.address);
  return new OperationContext(services, by, from, { ...door, protocol });
}

export function originOf({ headers, ip }: Pick<FastifyRequest, 'headers' | 'ip'>, { proxies }: Services): Origin {
  return requestOrigin(headers, ip, proxies);
}

/** From where an API key was shown. */
export function keyOriginOf({ headers, ip }: Pick<FastifyRequest, 'headers' | 'ip'>, { proxies }: Services): KeyOrigin {
  return { address: proxies.clientOf(headers, ip), origin: headers.origin ?? null };
}

export function protocolOf({ headers }: FastifyRequest): Protocol {
  return headers.accept?.includes('text/event-stream') === true ? 'sse' : 'http';
}

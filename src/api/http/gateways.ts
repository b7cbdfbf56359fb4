import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyRequest } from 'fastify';
import type { ShownGateway } from '../../domain/authentication/gateways.ts';
import type { Services } from '../graphql/services.ts';
import { noteUse } from '../graphql/uses.ts';

type Asked = Pick<FastifyRequest, 'headers' | 'ip'>;
type Parts = Pick<Services, 'gateways' | 'keyUses' | 'activity' | 'detectors' | 'travels'>;

/** What a gateway shows to be trusted, or null; an API key, as `X-API-Key` is. */
export function gatewayIn(headers: IncomingHttpHeaders): string | null {
  const text = headers['x-castellan-gateway'];
  return text === undefined ? null : String(text);
}

/** Whether a trusted gateway asks, where that needs no waiting; null sends the caller the long way. Refuses as {@link byGateway}. */
export function byGatewayNow(request: Asked, services: Parts): boolean | null {
  const shown = shownBy(request);
  if (shown === null) return false;
  const gateway = services.gateways.identifyWarm(shown);
  if (gateway === null) return null;
  noteUse(gateway, 'http', services);
  return true;
}

/** Whether a trusted gateway asks. One that shows what does not hold is refused, never taken for none. */
export async function byGateway(request: Asked, services: Parts): Promise<boolean> {
  return isTrusted(shownBy(request), services);
}

/** Whether this was shown by a trusted gateway; refuses what does not hold. */
export async function isTrusted(shown: ShownGateway | null, services: Parts): Promise<boolean> {
  if (shown === null) return false;
  noteUse(await services.gateways.identify(shown), 'http', services);
  return true;
}

/** The gateway itself is at the other end, whoever it says it asks for: so it is the address of that which counts. */
function shownBy({ headers, ip }: Asked): ShownGateway | null {
  const text = gatewayIn(headers);
  return text === null ? null : { text, address: ip };
}

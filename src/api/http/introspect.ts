import type { FastifyReply, FastifyRequest } from 'fastify';
import type { LiveToken } from '../../domain/authentication/introspection.ts';
import type { Principal } from '../../domain/principals/principal.ts';
import { admitted } from '../graphql/admission.ts';
import { OperationContext } from '../graphql/context.ts';
import type { Services } from '../graphql/services.ts';
import { atItsPlace } from '../graphql/places.ts';
import { noteUse } from '../graphql/uses.ts';
import { credentialOf } from './credentials.ts';
import { limitHeaders } from './limit-headers.ts';
import { refuse } from './refusing.ts';
import { keyOriginOf, originOf } from './identity.ts';
import { turnedAway } from './turned-away.ts';

/** Who a token of ours is from, and for whom. */
export interface Issuing {
  readonly issuer: string;
  readonly audience: string;
}

/** What its uses are counted as, beside operations of GraphQL. */
const OPERATION = 'introspect';

/**
 * `/oauth/introspect` (RFC 7662), for service accounts with their API key. Of what is not good it says nothing but that. It counts
 * as an operation of whoever asks.
 */
export async function answerIntrospection(
  request: FastifyRequest,
  reply: FastifyReply,
  { token, services, issuing }: { readonly token: string; readonly services: Services; readonly issuing: Issuing },
): Promise<FastifyReply> {
  let context: OperationContext | null = null;
  try {
    const shown = await identified(request, services);
    const from = originOf(request, services);
    const { by, unproven } = await atItsPlace(shown, from, services);
    noteUse(by, 'http', services, from.address);
    context = new OperationContext(services, by, from, { unproven });
    const allowance = await admitted(context, { operationName: OPERATION });
    reply.headers(limitHeaders(allowance));
    if (allowance !== null && allowance.refusal !== null) throw allowance.refusal;
    if (unproven !== null) throw unproven.refusal;
    const found = await services.introspection.introspect(context.by, token);
    return await reply.send(found === null ? { active: false } : described(found, issuing));
  } catch (error) {
    context?.failed();
    return refuse(reply, error, services, { by: context?.by ?? null });
  }
}

/** Who asks. */
async function identified(request: FastifyRequest, services: Services): Promise<Principal> {
  try {
    return await services.identification.identify(credentialOf(request.headers, () => keyOriginOf(request, services)));
  } catch (error) {
    throw turnedAway(error, request, services);
  }
}

function described(found: LiveToken, { issuer, audience }: Issuing): object {
  const { kind, ownerId, sessionId, keyId, permissions, expiresAtMs } = found;
  return {
    active: true,
    token_type: kind === 'access_token' ? 'Bearer' : kind,
    iss: issuer,
    // A refresh token and a key are for us alone.
    aud: kind === 'access_token' ? audience : issuer,
    sub: ownerId,
    ...(keyId !== null && { client_id: keyId }),
    ...(sessionId !== null && { sid: sessionId }),
    ...(permissions !== null && { scope: permissions.join(' ') }),
    ...(expiresAtMs !== Infinity && { exp: Math.floor(expiresAtMs / 1_000) }),
  };
}

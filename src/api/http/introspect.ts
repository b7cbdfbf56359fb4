import type { FastifyReply, FastifyRequest } from 'fastify';
import type { LiveToken } from '../../domain/authentication/introspection.ts';
import type { Principal } from '../../domain/principals/principal.ts';
import type { Services } from '../graphql/services.ts';
import { atItsPlace } from '../graphql/places.ts';
import { noteUse } from '../graphql/uses.ts';
import { credentialOf } from './credentials.ts';
import { refuse } from './refusing.ts';
import { keyOriginOf, originOf } from './identity.ts';
import { turnedAway } from './turned-away.ts';

/** Who a token of ours is from, and for whom. */
export interface Issuing {
  readonly issuer: string;
  readonly audience: string;
}

/** `/oauth/introspect` (RFC 7662), for service accounts with their API key. Of what is not good it says nothing but that. */
export async function answerIntrospection(
  request: FastifyRequest,
  reply: FastifyReply,
  { token, services, issuing }: { readonly token: string; readonly services: Services; readonly issuing: Issuing },
): Promise<FastifyReply> {
  try {
    const shown = await identified(request, services);
    const from = originOf(request, services);
    const { by, unproven } = await atItsPlace(shown, from, services);
    if (unproven !== null) throw unproven.refusal;
    noteUse(by, 'http', services, from.address);
    const found = await services.introspection.introspect(by, token);
    return await reply.send(found === null ? { active: false } : described(found, issuing));
  } catch (error) {
    return refuse(reply, error, services);
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

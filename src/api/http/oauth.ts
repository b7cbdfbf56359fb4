import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { REFUSALS, Refusal } from '../../domain/refusals.ts';
import type { Services } from '../graphql/services.ts';
import { noteRefusedRequest } from '../graphql/attempts.ts';
import { refuse, type RefusingParts } from './refusing.ts';
import { answerIntrospection, type Issuing } from './introspect.ts';
import { turnedAway } from './turned-away.ts';
import { PRIVATE } from './headers.ts';

const FORM = 'application/x-www-form-urlencoded';
const FORM_BYTES_MAX = 16_384;
/** Gateways read the metadata when they start. */
const METADATA_MAX_AGE_SECONDS = 300;

/** What OAuth has a standard for: metadata (RFC 8414), revocation (RFC 7009), introspection (RFC 7662). Signing in is GraphQL's. */
export function addOauthRoutes(
  server: FastifyInstance,
  { services, issuing }: { readonly services: Services; readonly issuing: Issuing },
): void {
  const { issuer } = issuing;
  const at = (path: string): string => new URL(path, issuer).href;

  server.get('/.well-known/oauth-authorization-server', (_request, reply) =>
    reply.header('cache-control', `public, max-age=${METADATA_MAX_AGE_SECONDS}`).send({
      issuer,
      jwks_uri: at('/.well-known/jwks.json'),
      revocation_endpoint: at('/oauth/revoke'),
      revocation_endpoint_auth_methods_supported: ['none'],
      introspection_endpoint: at('/oauth/introspect'),
      response_types_supported: [],
      grant_types_supported: [],
    }),
  );

  void server.register((scope, _options, done) => {
    scope.addContentTypeParser(FORM, { parseAs: 'string', bodyLimit: FORM_BYTES_MAX }, (_request, body, parsed) => {
      parsed(null, new URLSearchParams(String(body)));
    });

    // Whoever has a token may end what it stands for; no other right is needed, and there is nothing else it could name.
    scope.post('/oauth/revoke', async (request, reply) => {
      reply.header('cache-control', PRIVATE);
      const token = tokenIn(request);
      if (token === null) return refuseRequest(reply, services);
      try {
        await services.refreshes.revokeToken(token);
      } catch (error) {
        // A token that is not good is as good as revoked. That it could not be revoked is all there is to say.
        const isKnown = error instanceof Refusal && REFUSALS[error.code].status < 500;
        if (!isKnown) return refuse(reply, error, services);
        // One that was revoked before is shown again by whoever signs out twice; one that was never ours is a guess.
        const told = error.code === 'UNAUTHENTICATED' ? turnedAway(error, request, services) : error;
        if (told !== error) return refuse(reply, told, services);
        noteRefusedRequest(error, 'http', services.proxies.clientOf(request.headers, request.ip), null, services);
      }
      return reply.code(200).send();
    });

    scope.post('/oauth/introspect', async (request, reply) => {
      reply.header('cache-control', PRIVATE);
      const token = tokenIn(request);
      return token === null
        ? refuseRequest(reply, services)
        : answerIntrospection(request, reply, { token, services, issuing });
    });
    done();
  });
}

/** The one token of a form; null where there is none, or more. */
function tokenIn({ body }: FastifyRequest): string | null {
  const [token = '', ...more] = body instanceof URLSearchParams ? body.getAll('token') : [];
  return token === '' || more.length > 0 ? null : token;
}

/** As OAuth words it. */
function refuseRequest(reply: FastifyReply, { attempts, proxies }: RefusingParts): FastifyReply {
  const { headers, ip } = reply.request;
  attempts.note('BAD_USER_INPUT', 'http', proxies.clientOf(headers, ip), null);
  const description = `Send one token as ${FORM}: token=…`;
  return reply.code(400).send({ error: 'invalid_request', error_description: description });
}

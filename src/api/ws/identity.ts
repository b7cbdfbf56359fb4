import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import { credentialOf, refuseTwoKinds } from '../http/credentials.ts';
import { gatewayIn } from '../http/gateways.ts';
import { accessCookieOf } from '../http/session-cookies.ts';
import type { KeyOrigin } from '../../domain/principals/principal.ts';
import type { Credential } from '../../domain/authentication/identification.ts';

const text = z.string().nullish();
const credentials = { authorization: text, Authorization: text, 'x-api-key': text, 'X-API-Key': text };
const gateways = { 'x-castellan-gateway': text, 'X-Castellan-Gateway': text };
const headersSchema = z.object({ ...credentials, ...gateways }).nullish();

/** Where clients and gateways put a token in `connection_init`. */
const initSchema = z
  .object({
    ...credentials,
    ...gateways,
    token: text,
    apiKey: text,
    csrfToken: text,
    headers: headersSchema,
    connectionParams: z.object({ token: text, authorization: text, apiKey: text }).nullish(),
  })
  .nullish();

/** Where gateways that carry many users over one socket put the token of an operation. */
const operationSchema = z
  .object({
    headers: headersSchema,
    jwt: z.object({ token: z.object({ value: text }).nullish() }).nullish(),
  })
  .nullish();

/** Something was shown that is no credential: it must not come to stand for nobody, or for the owner of the socket. */
const UNREADABLE: Credential = { kind: 'accessToken', token: '' };

/** What a gateway shows to be trusted: in the `connection_init` payload, and else in the headers of the upgrade. */
export function connectionGateway(init: unknown, headers: IncomingHttpHeaders): string | null {
  const { success, data } = initSchema.safeParse(init);
  if (!success) return gatewayIn(headers);
  const nested = data?.headers;
  return (
    data?.['x-castellan-gateway'] ??
    data?.['X-Castellan-Gateway'] ??
    nested?.['x-castellan-gateway'] ??
    nested?.['X-Castellan-Gateway'] ??
    gatewayIn(headers)
  );
}

export interface ConnectionCredential {
  readonly credential: Credential;
  /** That a page knows this is what makes the cookie of its upgrade its own; null when the credential is no cookie. */
  readonly csrfToken: string | null;
}

/**
 * The credential of the connection: its `connection_init` payload first, and else the headers of its upgrade. Browsers send
 * cookies with every upgrade, so a token in the payload wins over one; a `csrfToken` there says that the cookie is meant.
 * @param from where it came from; asked for an API key alone
 */
export function connectionCredential(
  init: unknown,
  headers: IncomingHttpHeaders,
  from: () => KeyOrigin,
): ConnectionCredential {
  const { success, data } = initSchema.safeParse(init);
  if (!success) return { credential: UNREADABLE, csrfToken: null };
  const nested = shownIn(data?.headers);
  const params = data?.connectionParams;
  const shown: Shown = {
    authorization:
      data?.authorization ??
      data?.Authorization ??
      data?.token ??
      nested.authorization ??
      params?.token ??
      params?.authorization ??
      null,
    apiKey: data?.['x-api-key'] ?? data?.['X-API-Key'] ?? data?.apiKey ?? nested.apiKey ?? params?.apiKey ?? null,
  };
  const csrfToken = data?.csrfToken ?? null;
  const own = credentialIn(shown, from);
  if (csrfToken === null && own !== null) return { credential: own, csrfToken: null };
  const cookie = accessCookieOf(headers);
  if (cookie === null) {
    return { credential: csrfToken === null ? credentialOf(headers, from) : UNREADABLE, csrfToken: null };
  }
  const { authorization, 'x-api-key': apiKey } = headers;
  refuseTwoKinds(
    headersOf({ authorization: shown.authorization ?? authorization ?? null, apiKey: shown.apiKey ?? apiKey }),
    {
      cookie: true,
    },
  );
  return { credential: { kind: 'accessToken', token: cookie }, csrfToken: csrfToken ?? '' };
}

/** The credential that came with one operation, or null when it is the connection's. */
export function operationCredential(extensions: unknown, from: () => KeyOrigin): Credential | null {
  const { success, data } = operationSchema.safeParse(extensions);
  if (!success) return UNREADABLE;
  const { authorization, apiKey } = shownIn(data?.headers);
  return credentialIn({ authorization: authorization ?? data?.jwt?.token?.value ?? null, apiKey }, from);
}

/** What stands in the places where each kind may. */
interface Shown {
  readonly authorization: string | null;
  readonly apiKey: string | string[] | null | undefined;
}

function shownIn(headers: z.infer<typeof headersSchema>): Shown {
  return {
    authorization: headers?.authorization ?? headers?.Authorization ?? null,
    apiKey: headers?.['x-api-key'] ?? headers?.['X-API-Key'] ?? null,
  };
}

/** Refuses two kinds at once, as the headers of a request do. */
function credentialIn(shown: Shown, from: () => KeyOrigin): Credential | null {
  if (shown.apiKey !== null && shown.apiKey !== undefined) return credentialOf(headersOf(shown), from);
  return shown.authorization === null ? null : fromText(shown.authorization);
}

function headersOf({ authorization, apiKey }: Shown): IncomingHttpHeaders {
  return {
    ...(authorization !== null && { authorization }),
    ...(apiKey !== null && apiKey !== undefined && { 'x-api-key': apiKey }),
  };
}

function fromText(token: string): Credential {
  return { kind: 'accessToken', token: token.replace(/^Bearer +/i, '').trim() };
}

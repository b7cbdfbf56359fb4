import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import { credentialOf, refuseTwoKinds } from '../http/credentials.ts';
import { accessCookieOf } from '../http/session-cookies.ts';
import type { Credential } from '../../domain/authentication/identification.ts';

const text = z.string().nullish();
const headersSchema = z
  .object({ authorization: text, Authorization: text, 'x-api-key': text, 'X-API-Key': text })
  .nullish();

/** Where clients and gateways put a token in `connection_init`. */
const initSchema = z
  .object({
    authorization: text,
    Authorization: text,
    token: text,
    csrfToken: text,
    headers: headersSchema,
    connectionParams: z.object({ token: text, authorization: text }).nullish(),
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

export interface ConnectionCredential {
  readonly credential: Credential;
  /** That a page knows this is what makes the cookie of its upgrade its own; null when the credential is no cookie. */
  readonly csrfToken: string | null;
}

/**
 * The credential of the connection: its `connection_init` payload first, and else the headers of its upgrade. Browsers send
 * cookies with every upgrade, so a token in the payload wins over one; a `csrfToken` there says that the cookie is meant.
 */
export function connectionCredential(init: unknown, headers: IncomingHttpHeaders): ConnectionCredential {
  const { success, data } = initSchema.safeParse(init);
  if (!success) return { credential: UNREADABLE, csrfToken: null };
  const found =
    data?.authorization ??
    data?.Authorization ??
    data?.token ??
    authorizationIn(data?.headers) ??
    data?.connectionParams?.token ??
    data?.connectionParams?.authorization;
  const csrfToken = data?.csrfToken ?? null;
  if (csrfToken === null && typeof found === 'string') return { credential: fromText(found), csrfToken: null };
  const cookie = accessCookieOf(headers);
  if (cookie === null) return { credential: csrfToken === null ? credentialOf(headers) : UNREADABLE, csrfToken: null };
  if (typeof found === 'string') refuseTwoKinds({ ...headers, authorization: found }, { cookie: true });
  refuseTwoKinds(headers, { cookie: true });
  return { credential: { kind: 'accessToken', token: cookie }, csrfToken: csrfToken ?? '' };
}

/** The credential that came with one operation, or null when it is the connection's. */
export function operationCredential(extensions: unknown): Credential | null {
  const { success, data } = operationSchema.safeParse(extensions);
  if (!success) return UNREADABLE;
  const found = authorizationIn(data?.headers) ?? data?.jwt?.token?.value;
  return typeof found === 'string' ? fromText(found) : null;
}

/** Refuses API keys as the headers of a request do. */
function authorizationIn(headers: z.infer<typeof headersSchema>): string | null {
  const authorization = headers?.authorization ?? headers?.Authorization ?? null;
  const apiKey = headers?.['x-api-key'] ?? headers?.['X-API-Key'] ?? null;
  if (apiKey !== null) credentialOf({ 'x-api-key': apiKey, ...(authorization !== null && { authorization }) });
  return authorization;
}

function fromText(token: string): Credential {
  return { kind: 'accessToken', token: token.replace(/^Bearer +/i, '').trim() };
}

import type { IncomingHttpHeaders } from 'node:http';
import type { Credential } from '../../domain/authentication/authentication.ts';
import { Refusal } from '../../domain/refusals.ts';

const BEARER = /^Bearer +([^\s]+)$/i;

/** The one credential in the headers. Two kinds at once are refused, since it would be unclear who acts. */
export function credentialOf(headers: IncomingHttpHeaders): Credential {
  const { authorization } = headers;
  const apiKey = headers['x-api-key'];
  if (apiKey !== undefined && authorization !== undefined) {
    throw new Refusal('BAD_USER_INPUT', 'Send one kind of credential: an Authorization header or an API key.');
  }
  if (apiKey !== undefined) throw new Refusal('UNAUTHENTICATED', 'This API key is not valid.');
  return authorization === undefined ? { kind: 'none' } : { kind: 'accessToken', token: bearerOf(authorization) };
}

export function bearerOf(authorization: string): string {
  const [, token] = BEARER.exec(authorization.trim()) ?? [];
  if (token === undefined) throw new Refusal('UNAUTHENTICATED', 'Send the access token as `Authorization: Bearer …`.');
  return token;
}

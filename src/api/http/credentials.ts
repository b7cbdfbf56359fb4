import type { IncomingHttpHeaders } from 'node:http';
import type { Credential } from '../../domain/authentication/identification.ts';
import type { KeyOrigin } from '../../domain/principals/principal.ts';
import { Refusal } from '../../domain/refusals.ts';

const BEARER = /^Bearer +([^\s]+)$/i;

/**
 * The one credential in the headers. Two kinds at once are refused, since it would be unclear who acts.
 * @param from where it came from; asked for an API key alone
 */
export function credentialOf(headers: IncomingHttpHeaders, from: () => KeyOrigin): Credential {
  const { authorization } = headers;
  const apiKey = headers['x-api-key'];
  if (apiKey !== undefined) {
    refuseTwoKinds(headers);
    return { kind: 'apiKey', text: String(apiKey), from: from() };
  }
  return authorization === undefined ? { kind: 'none' } : { kind: 'accessToken', token: bearerOf(authorization) };
}

/** @param cookie whether there is a cookie of ours as well */
export function refuseTwoKinds(headers: IncomingHttpHeaders, { cookie = false } = {}): void {
  const kinds = [cookie, headers.authorization !== undefined, headers['x-api-key'] !== undefined];
  if (kinds.filter(Boolean).length < 2) return;
  throw new Refusal('BAD_USER_INPUT', 'Send one kind of credential: an Authorization header, an API key or cookies.');
}

function bearerOf(authorization: string): string {
  const [, token] = BEARER.exec(authorization.trim()) ?? [];
  if (token === undefined) throw new Refusal('UNAUTHENTICATED', 'Send the access token as `Authorization: Bearer …`.');
  return token;
}

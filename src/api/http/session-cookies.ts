import type { IncomingHttpHeaders } from 'node:http';
import type { FreshTokens } from '../../domain/authentication/session-proofs.ts';
import type { Credential } from '../../domain/authentication/identification.ts';
import { badInput, Refusal } from '../../domain/refusals.ts';

/**
 * A browser takes a cookie of such a name from the very host only, over https and for every path: no other host of the domain
 * can put one of its own in its place. It also means that the refresh token cannot be kept to a path of its own.
 */
const ACCESS = '__Host-castellan';
const REFRESH = '__Host-castellan-refresh';
/** Stays when the session ends: it is for the next sign-in. */
const DEVICE = '__Host-castellan-device';
const DEVICE_SECONDS = 400 * 86_400;

/**
 * Strict: nobody comes to GraphQL by following a link, so Lax would only let other sites' links carry the cookie.
 * The names demand Secure and Path=/.
 */
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Strict';

/** What one request has to do with the cookies that keep a session: those it brought, and those that its answer sets. */
export class SessionCookies {
  /** Whether a session that starts or is refreshed goes into cookies. */
  readonly keeping: boolean;
  readonly #access: string | null;
  /** The refresh token that a cookie brought; null without one. */
  readonly refreshToken: string | null;
  /** What a sign-in of before left on this device; null without one. */
  readonly deviceToken: string | null;
  /** What came beside the cookies, to be checked. */
  readonly csrfToken: unknown;
  #answer: readonly string[] = [];

  private constructor(headers: IncomingHttpHeaders, access: string | null, refreshToken: string | null) {
    this.keeping = headers['x-castellan-cookies'] !== undefined;
    this.#access = access;
    this.refreshToken = refreshToken;
    this.deviceToken = cookieOf(headers.cookie, DEVICE);
    this.csrfToken = headers['x-csrf-token'];
  }

  /**
   * Null when the request neither brings cookies of ours nor wants any. Refuses with BAD_USER_INPUT two of one name: one of
   * them was put there by somebody else, and nobody knows which.
   */
  static of(headers: IncomingHttpHeaders): SessionCookies | null {
    const wish = headers['x-castellan-cookies'];
    if (wish !== undefined && wish !== '1')
      throw badInput('x-castellan-cookies', 'Send X-Castellan-Cookies: 1, or none.');
    const access = cookieOf(headers.cookie, ACCESS);
    const refreshToken = cookieOf(headers.cookie, REFRESH);
    if (wish === undefined && access === null && refreshToken === null) return null;
    return new SessionCookies(headers, access, refreshToken);
  }

  /**
   * Who asks. A request that wants cookies is nobody's: the access token there is the one that has run out, or is of a session
   * that is being replaced.
   */
  get credential(): Credential {
    return this.keeping || this.#access === null ? { kind: 'none' } : { kind: 'accessToken', token: this.#access };
  }

  /** Whether cookies keep the tokens of the session that is acted in. */
  get holding(): boolean {
    return this.credential.kind === 'accessToken';
  }

  get answer(): readonly string[] {
    return this.#answer;
  }

  /** Both last as long as the session: a token that has run out is answered with TOKEN_EXPIRED, not taken for nobody. */
  keep({
    accessToken,
    refreshToken,
    deviceToken = null,
    session: { expiresAt },
  }: FreshTokens & { readonly deviceToken?: string | null }): void {
    const end = `Expires=${new Date(expiresAt).toUTCString()}`;
    this.#answer = [
      `${ACCESS}=${accessToken}; ${ATTRIBUTES}; ${end}`,
      `${REFRESH}=${refreshToken}; ${ATTRIBUTES}; ${end}`,
      ...(deviceToken === null ? [] : [`${DEVICE}=${deviceToken}; ${ATTRIBUTES}; Max-Age=${DEVICE_SECONDS}`]),
    ];
  }

  clear(): void {
    this.#answer = [ACCESS, REFRESH].map((name) => `${name}=; ${ATTRIBUTES}; Max-Age=0`);
  }
}

/** The access token in a cookie; null without one. */
export function accessCookieOf(headers: IncomingHttpHeaders): string | null {
  return cookieOf(headers.cookie, ACCESS);
}

function cookieOf(header: string | undefined, name: string): string | null {
  if (header === undefined || !header.includes(name)) return null;
  const found = header
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`));
  if (found.length > 1) throw new Refusal('BAD_USER_INPUT', `There are two cookies of the name ${name}.`);
  return found[0]?.slice(name.length + 1) ?? null;
}

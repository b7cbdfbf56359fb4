import { CsrfTokens } from '../../src/domain/tokens/csrf-tokens.ts';
import { Keys } from '../../src/kit/secret.ts';
import { codesOf, post, type Castellans } from '../support/castellan.ts';
import { doorsOf, takesMutations } from './doors.ts';

const ANSWER = 'accessToken refreshToken session { id }';
const REFRESH = `mutation ($token: String!) { refreshSession(refreshToken: $token) { ${ANSWER} } }`;
const REFRESH_COOKIE = `mutation { refreshSession { ${ANSWER} } }`;
const COOKIE = '__Host-castellan-refresh';

export interface Pair {
  readonly accessToken: string;
  readonly refreshToken: string;
}

/** What came of showing a refresh token: a pair, or codes. */
export interface Refreshed {
  readonly pair: Pair | null;
  readonly codes: readonly unknown[];
  /** The lines of Set-Cookie. */
  readonly cookies: readonly string[];
}

/** A door at which a refresh token is taken. */
export interface RefreshDoor {
  readonly name: string;
  readonly instance: number;
  /** @param session the id of the session, for the CSRF token that goes with a cookie */
  readonly refresh: (token: string, session: string) => Promise<Refreshed>;
}

/** Every instance, as an argument through every protocol that takes mutations, and as a cookie. */
export function refreshDoorsOf(castellans: Castellans): readonly RefreshDoor[] {
  const csrfTokens = new CsrfTokens(new Keys(castellans.config.keyEncryptionKeys ?? []));
  const asArgument = doorsOf(castellans)
    .filter(takesMutations)
    .map(({ name, instance, ask }): RefreshDoor => ({
      name,
      instance,
      async refresh(token) {
        const { data, codes } = await ask<{ refreshSession: Pair }>(REFRESH, { token });
        return { pair: data?.refreshSession ?? null, codes, cookies: [] };
      },
    }));
  const asCookie = castellans.apps.map(({ url }, instance): RefreshDoor => ({
    name: `cookie on instance ${instance}`,
    instance,
    async refresh(token, session) {
      const headers = {
        cookie: `${COOKIE}=${token}`,
        'x-castellan-cookies': '1',
        'x-csrf-token': csrfTokens.make(session),
      };
      const answer = await post(url, REFRESH_COOKIE, {}, headers);
      const cookies = answer.headers.getSetCookie();
      const [accessToken = '', refreshToken = ''] = cookies.map((line) => /=([^;]*);/.exec(line)?.[1]);
      return {
        pair: answer.data === null ? null : { accessToken, refreshToken },
        codes: codesOf(answer),
        cookies,
      };
    },
  }));
  return [...asArgument, ...asCookie];
}

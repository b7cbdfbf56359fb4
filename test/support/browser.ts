import { PASSWORD, post, type Answer } from './castellan.ts';

/** What a browser keeps between requests of one page: cookies, and the CSRF token that the page was told. */
export class Browser {
  readonly #cookies = new Map<string, string>();
  csrfToken = '';

  /** The Cookie header. */
  get cookie(): string {
    return [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  cookieOf(name: string): string | undefined {
    return this.#cookies.get(name);
  }

  /** Takes the cookies of an answer, as a browser does that trusts the host. */
  take({ headers }: Pick<Answer, 'headers'>): void {
    for (const line of headers.getSetCookie()) {
      const [pair = '', ...attributes] = line.split('; ');
      const [name = '', value = ''] = pair.split('=');
      if (attributes.includes('Max-Age=0')) this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
  }

  /** The headers of a request of the page itself. */
  get headers(): Record<string, string> {
    return { cookie: this.cookie, 'x-csrf-token': this.csrfToken };
  }

  async ask<T = Record<string, unknown>>(
    url: string,
    query: string,
    { variables = {}, headers = {} }: { variables?: object; headers?: Record<string, string> } = {},
  ): Promise<Answer<T>> {
    const answer = await post<T>(url, query, variables, { ...this.headers, ...headers });
    this.take(answer);
    return answer;
  }

  async signIn(url: string, email: string, password = PASSWORD): Promise<Answer<{ signIn: CookieSignedIn }>> {
    const headers = { 'x-castellan-cookies': '1' };
    const variables = { input: { email, password } };
    const answer = await this.ask<{ signIn: CookieSignedIn }>(url, SIGN_IN, { variables, headers });
    this.csrfToken = answer.data?.signIn.csrfToken ?? '';
    return answer;
  }

  refresh(url: string, headers: Record<string, string> = {}): Promise<Answer<{ refreshSession: CookieSignedIn }>> {
    return this.ask(url, REFRESH, { headers: { 'x-castellan-cookies': '1', ...headers } });
  }
}

export interface CookieSignedIn {
  readonly accessToken: string | null;
  readonly refreshToken: string | null;
  readonly csrfToken: string | null;
  readonly session: { readonly id: string };
}

const SIGNED_IN = 'accessToken refreshToken csrfToken expiresAt session { id } user { id }';
const SIGN_IN = `mutation ($input: SignInInput!) { signIn(input: $input) { ... on SignedIn { ${SIGNED_IN} } } }`;
const REFRESH = `mutation { refreshSession { ${SIGNED_IN} } }`;

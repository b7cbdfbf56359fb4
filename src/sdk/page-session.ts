import type { Shown } from './connection.ts';
import { inTurn } from './turns.ts';

/** How a page says whose it is. */
export type SessionOptions = TokenOptions | CookieOptions;

interface TokenOptions extends RefreshOptions {
  /** Asked for every connection. May refresh by itself; then `refresh` is not needed. */
  readonly accessToken: () => string | Promise<string>;
  readonly csrfToken?: never;
}

interface CookieOptions extends RefreshOptions {
  /** In place of `accessToken`, where cookies keep the tokens: what signing in told. Asked for every connection. */
  readonly csrfToken: () => string | Promise<string>;
  readonly accessToken?: never;
}

interface RefreshOptions {
  /**
   * Gets a fresh access token, which `accessToken` returns from then on, or the cookie has. Called some time before the old
   * one runs out or when it has, in one tab at a time, and never again before it has settled: another tab that waited for it
   * takes what `accessToken` then returns. Rejecting means "try again later", except with an error whose `code` is
   * `SESSION_REVOKED` or `UNAUTHENTICATED`, as Castellan answers it: then access has ended. Without `refresh`, access
   * ends with `TOKEN_EXPIRED` when `accessToken` still returns the token that has run out.
   */
  readonly refresh?: () => Promise<void>;
}

/** What the page showed, and when. */
export interface Showing {
  readonly shown: Shown;
  readonly refreshes: number;
}

/** The page's session, as far as the page shows it. */
export class PageSession {
  readonly #options: SessionOptions;
  #refreshes = 0;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  get canRefresh(): boolean {
    return this.#options.refresh !== undefined;
  }

  async show(): Promise<Showing> {
    const { accessToken, csrfToken } = this.#options;
    const refreshes = this.#refreshes;
    const shown = accessToken === undefined ? { csrfToken: await csrfToken() } : { accessToken: await accessToken() };
    return { shown, refreshes };
  }

  /** Replaces what was shown, unless that has happened meanwhile. Waits for whoever else does the same, in any tab. */
  async refresh(old: Showing): Promise<void> {
    const { refresh } = this.#options;
    if (refresh === undefined) return;
    await inTurn(async () => {
      if (old.refreshes !== this.#refreshes || isFresh((await this.show()).shown, old.shown)) return;
      await refresh();
      this.#refreshes += 1;
    });
  }
}

/** Cookies cannot be compared by a page. */
export function isFresh(now: Shown, old: Shown): now is { readonly accessToken: string } {
  return 'accessToken' in now && 'accessToken' in old && now.accessToken !== old.accessToken;
}

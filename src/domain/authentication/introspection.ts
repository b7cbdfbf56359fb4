import { overtaken } from '../authority/labelled.ts';
import type { Policy } from '../policy/policy.ts';
import type { Standings } from '../policy/standings.ts';
import { lacksSecondFactor, mustEnroll } from '../principals/enrollment.ts';
import type { Principal, Standing, UserPrincipal } from '../principals/principal.ts';
import { Refusal, REFUSALS } from '../refusals.ts';
import type { RefreshTokens } from '../tokens/refresh-tokens.ts';
import type { Identification } from './identification.ts';
import type { KeyIdentification } from './key-identification.ts';
import type { Refreshes } from './refreshes.ts';

/** An answer that keeps being overtaken by changes is looked for again this often. */
const TRIES_MAX = 3;

/** What a token that is good now stands for. */
export interface LiveToken {
  readonly kind: 'access_token' | 'refresh_token' | 'api_key';
  /** Whose it is. */
  readonly ownerId: string;
  /** Null for an API key, as its id is for the others. */
  readonly sessionId: string | null;
  readonly keyId: string | null;
  /** What of its owner's rights an API key has; null is all of them. */
  readonly permissions: readonly string[] | null;
  /** Wall time in ms; Infinity when it does not end by itself. */
  readonly expiresAtMs: number;
}

/** Tells service accounts whether a token that they were shown is good, and whose it is. Tokens are never used by that. */
export class Introspection {
  readonly #identification: Identification;
  readonly #apiKeys: KeyIdentification;
  readonly #refreshes: Refreshes;
  readonly #refreshTokens: RefreshTokens;
  readonly #standings: Standings;
  readonly #policy: Policy;

  constructor(parts: {
    identification: Identification;
    apiKeys: KeyIdentification;
    refreshes: Refreshes;
    refreshTokens: RefreshTokens;
    standings: Standings;
    policy: Policy;
  }) {
    this.#identification = parts.identification;
    this.#apiKeys = parts.apiKeys;
    this.#refreshes = parts.refreshes;
    this.#refreshTokens = parts.refreshTokens;
    this.#standings = parts.standings;
    this.#policy = parts.policy;
  }

  /**
   * What the token stands for; null for one that is expired, revoked, unknown, or of somebody about whom `by` may not ask. Refuses
   * with UNAUTHENTICATED or FORBIDDEN those who may not ask about anybody, or are no service account.
   */
  async introspect(by: Principal, token: string): Promise<LiveToken | null> {
    for (let [asks, tries] = [by, 0]; ; tries += 1) {
      this.#demandMayAsk(asks);
      const found = await this.#find(token).catch((error: unknown) => {
        // A token that is not good has no reason that is anybody's business.
        if (error instanceof Refusal && REFUSALS[error.code].status < 500) return null;
        throw error;
      });
      // Whoever asks may have lost the right to while it was looked for.
      const now = await this.#identification.recheck(asks);
      if (now === asks) return found !== null && this.#mayKnow(asks, found.owner) ? found.token : null;
      if (tries === TRIES_MAX) throw overtaken();
      asks = now;
    }
  }

  #demandMayAsk(by: Principal): void {
    if (by.kind === 'anonymous') throw new Refusal('UNAUTHENTICATED', 'Show the API key of a service account.');
    const isProgram = by.kind === 'user' && by.standing.record.__typename === 'ServiceAccount';
    if (isProgram && this.#policy.filter(by, 'introspect', 'Token').kind !== 'none') return;
    throw new Refusal('FORBIDDEN', 'This is for service accounts that may introspect tokens.');
  }

  #mayKnow(by: Principal, { record, facts: { scope = null } }: Standing): boolean {
    const { scopes = [] } = record as { readonly scopes?: readonly string[] };
    const about = { __typename: 'Token', id: '', ownerId: record.id, scope, scopes };
    return this.#policy.decide(by, 'introspect', about).allowed;
  }

  async #find(token: string): Promise<{ readonly token: LiveToken; readonly owner: Standing } | null> {
    if (this.#refreshTokens.isOne(token)) {
      const session = await this.#refreshes.sessionOf(token);
      const owner = await this.#standings.of(session.userId);
      // Until there is one, neither of its tokens is good for anything that others could ask about.
      if (owner === null || lacksSecondFactor(owner, session)) return null;
      const times = { expiresAtMs: Date.parse(session.expiresAt), permissions: null, keyId: null };
      return { owner, token: { kind: 'refresh_token', ownerId: session.userId, sessionId: session.id, ...times } };
    }
    const by = token.startsWith('ck_')
      ? await this.#apiKeys.identify({ kind: 'apiKey', text: token, from: null })
      : await this.#identification.identify({ kind: 'accessToken', token });
    return by.kind === 'user' && !mustEnroll(by) ? { owner: by.standing, token: liveToken(by) } : null;
  }
}

function liveToken({ id, credential: { sessionId, key, expiresAtMs } }: UserPrincipal): LiveToken {
  const permissions = key?.permissions ?? null;
  const kind = key === null ? 'access_token' : 'api_key';
  return { kind, ownerId: id, sessionId, keyId: key?.id ?? null, permissions, expiresAtMs };
}

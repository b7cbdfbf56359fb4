import type { Policy } from '../policy/policy.ts';
import type { UserPrincipal } from '../principals/principal.ts';
import { Refusal } from '../refusals.ts';
import type { KeyIdentification, ShownApiKey } from './key-identification.ts';

/** What a gateway shows of itself, beside the credential of whoever asks through it; and from where it came. */
export interface ShownGateway {
  readonly text: string;
  readonly address: string | null;
}

/**
 * Gateways that are trusted: service accounts with the permission `gateway:trust`, shown by an API key. Trust is about the document and
 * the connection, and never about who acts.
 */
export class Gateways {
  readonly #apiKeys: KeyIdentification;
  readonly #policy: Policy;

  constructor(parts: { apiKeys: KeyIdentification; policy: Policy }) {
    this.#apiKeys = parts.apiKeys;
    this.#policy = parts.policy;
  }

  /** The gateway, if everything about it is known here and in force; null sends the caller the long way. */
  identifyWarm(shown: ShownGateway): UserPrincipal | null {
    try {
      const by = this.#apiKeys.identifyWarm(keyOf(shown));
      return by === null ? null : this.#trusted(by);
    } catch (error) {
      throw aboutGateway(error);
    }
  }

  /**
   * The gateway that shows this, now. Refuses with UNAUTHENTICATED what is no API key that holds, and with FORBIDDEN one that is not
   * good from there or that is not trusted, each with the reason `gateway`.
   */
  async identify(shown: ShownGateway): Promise<UserPrincipal> {
    try {
      return this.#trusted(await this.#apiKeys.identify(keyOf(shown)));
    } catch (error) {
      throw aboutGateway(error);
    }
  }

  #trusted(by: UserPrincipal): UserPrincipal {
    const isTrusted =
      by.standing.record.__typename === 'ServiceAccount' &&
      this.#policy.decide(by, 'trust', { __typename: 'Gateway', id: by.id }).allowed;
    if (isTrusted) return by;
    throw new Refusal('FORBIDDEN', 'This is no gateway that is trusted.');
  }
}

/** A gateway is no page: a key that is good in pages alone is not good for it. */
const keyOf = ({ text, address }: ShownGateway): ShownApiKey => ({
  kind: 'apiKey',
  text,
  from: { address, origin: null },
});

/** Clients see it as well, and must not take it for the end of their own session. */
function aboutGateway(error: unknown): unknown {
  if (!(error instanceof Refusal)) return error;
  const { code, message } = error;
  if (code === 'AUTHORITY_UNAVAILABLE') return error;
  const shown = code === 'FORBIDDEN' ? code : 'UNAUTHENTICATED';
  return new Refusal(shown, `The gateway is refused. ${message}`, { reason: 'gateway' });
}

import type { Position } from '../authority/position.ts';
import type { RevocationFeed, RevocationSink } from '../authority/revocation-feed.ts';
import type { Policy } from '../policy/policy.ts';
import type { Principal } from '../principals/principal.ts';
import { Refusal } from '../refusals.ts';

/** What is revoked and changed, for gateways and other subgraphs: service accounts with the permission `revocation:read`. */
export class Revocations {
  readonly #feed: RevocationFeed;
  readonly #policy: Policy;

  constructor(parts: { feed: RevocationFeed; policy: Policy }) {
    this.#feed = parts.feed;
    this.#policy = parts.policy;
  }

  /** Refuses with FORBIDDEN whoever is not told: people, whatever they hold, and rights in one scope only. */
  demandListener(by: Principal): void {
    if (by.kind === 'anonymous') throw new Refusal('UNAUTHENTICATED', 'Sign in first.');
    if (by.kind === 'user' && by.standing.record.__typename !== 'ServiceAccount') {
      throw new Refusal('FORBIDDEN', 'This feed is for service accounts.', { reason: 'service_account_required' });
    }
    this.#policy.demandOpenly(by, 'read', { __typename: 'Revocation', id: by.id });
  }

  /** Tells it to `sink`, as {@link RevocationFeed.open} does. */
  follow(by: Principal, after: Position | 'now', sink: RevocationSink): Promise<() => void> {
    this.demandListener(by);
    return this.#feed.open(after, sink);
  }

  /** How many are told on this instance. */
  get listeners(): number {
    return this.#feed.subscribers;
  }
}

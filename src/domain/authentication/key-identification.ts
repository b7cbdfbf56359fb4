import type { Clock } from '../../kit/clock.ts';
import { parseApiKey } from '../api-keys/key-format.ts';
import type { KeyState, KeyStates } from '../api-keys/key-states.ts';
import { overtaken } from '../authority/labelled.ts';
import type { Tail } from '../authority/tail.ts';
import type { Standings } from '../policy/standings.ts';
import type { KeyOrigin, Principal, ShownKey, UserPrincipal } from '../principals/principal.ts';
import { Refusal } from '../refusals.ts';

/** An API key as it was shown, and from where; null when somebody else asks about it. */
export interface ShownApiKey {
  readonly kind: 'apiKey';
  readonly text: string;
  readonly from: KeyOrigin | null;
}

/** Which key, by which of its secrets, from where: all that is remembered of one that was right. */
type Recognised = Pick<ShownKey, 'id' | 'version' | 'from'>;

/** A check that keeps being overtaken by changes is tried again this often. */
const TRIES_MAX = 3;

/** From an API key to who acts. What is no key, no key of ours and a key with another secret get one answer. */
export class KeyIdentification {
  readonly #states: KeyStates;
  readonly #standings: Standings;
  readonly #tail: Tail;
  readonly #clock: Clock;

  constructor(parts: { states: KeyStates; standings: Standings; tail: Tail; clock: Clock }) {
    this.#states = parts.states;
    this.#standings = parts.standings;
    this.#tail = parts.tail;
    this.#clock = parts.clock;
  }

  /**
   * The owner of the key, as far as the key goes, if everything about both is known here and in force; null sends the caller the
   * long way. Refuses what {@link identify} would.
   */
  identifyWarm({ text, from }: ShownApiKey): UserPrincipal | null {
    const shown = parseApiKey(text);
    if (shown === null) throw notValid();
    if (!this.#tail.inForce()) return null;
    const state = this.#states.warm(shown.id);
    if (state === null) return null;
    const version = state.versionOf(shown.hash);
    if (version === null) throw notValid();
    return this.#holding(state, { id: shown.id, version, from });
  }

  /** Refuses with UNAUTHENTICATED, SESSION_REVOKED, TOKEN_EXPIRED or, where it is not good, FORBIDDEN. */
  async identify({ text, from }: ShownApiKey): Promise<UserPrincipal> {
    const shown = parseApiKey(text);
    // Before anything is looked for: guesses cost the database nothing.
    if (shown === null) throw notValid();
    await this.#tail.awaitForce();
    const version = (await this.#states.of(shown.id)).versionOf(shown.hash);
    if (version === null) throw notValid();
    return this.#current({ id: shown.id, version, from });
  }

  /** The same principal as it is now. Refuses as {@link identify} does. */
  async recheck(by: UserPrincipal, key: ShownKey): Promise<Principal> {
    const now = await this.#current(key);
    return isSame(now, by) ? by : now;
  }

  /** Whether {@link recheck} would give back this very principal, and read nothing for it. */
  stillHolds(by: UserPrincipal, key: ShownKey): boolean {
    if (!this.#tail.inForce()) return false;
    const state = this.#states.warm(key.id);
    if (state === null) return false;
    try {
      const now = this.#holding(state, key);
      return now !== null && isSame(now, by);
    } catch {
      return false; // whoever rechecks it is told why
    }
  }

  async #current(recognised: Recognised): Promise<UserPrincipal> {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      await this.#tail.awaitForce();
      // Between here and the return nothing is awaited: lease, key and standing hold at one moment.
      const state = this.#states.warm(recognised.id);
      const now = state === null ? null : this.#holding(state, recognised);
      if (now !== null) return now;
      const { key } = await this.#states.of(recognised.id);
      if (key === null || (await this.#standings.of(key.ownerId)) === null) throw revoked();
    }
    throw overtaken();
  }

  /** Null when the owner's standing is not known here. */
  #holding(state: KeyState, { id, version, from }: Recognised): UserPrincipal | null {
    const { key } = state;
    if (key === null || key.revokedAt !== null) throw revoked();
    const { ownerId, permissions, addressRanges, allowedOrigins, readOnly, expiresAt, versions } = key;
    const secret = versions.find(({ number }) => number === version);
    const expiresAtMs = secret === undefined ? 0 : Math.min(endOf(expiresAt), endOf(secret.validUntil));
    if (this.#clock.now() >= expiresAtMs) throw expired();
    if (from !== null) state.places.demand(from);

    const owner = this.#standings.warm(ownerId);
    if (owner === null) return null;
    if (!owner.active) throw revoked();
    return {
      kind: 'user',
      id: ownerId,
      standing: state.standingOf(owner),
      session: null,
      credential: {
        sessionId: null,
        key: { id, version, permissions, addressRanges, allowedOrigins, expiresAt, readOnly, from },
        targets: [id, ownerId],
        epoch: state.epoch,
        label: state.asOf,
        expiresAtMs,
        provenAtMs: Infinity,
      },
    };
  }
}

function isSame(now: UserPrincipal, by: UserPrincipal): boolean {
  const { credential, standing } = by;
  return (
    now.standing === standing && now.credential.label === credential.label && now.credential.epoch === credential.epoch
  );
}

const endOf = (instant: string | null): number => (instant === null ? Infinity : Date.parse(instant));

function notValid(): Refusal {
  return new Refusal('UNAUTHENTICATED', 'This API key is not valid.');
}

function expired(): Refusal {
  return new Refusal('TOKEN_EXPIRED', 'This API key has expired, or another one has taken its place.');
}

function revoked(): Refusal {
  return new Refusal('SESSION_REVOKED', 'This API key has been revoked, or its owner is shut out.');
}

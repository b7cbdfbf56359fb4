import { timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import type { Keys } from '../../kit/secret.ts';
import type { Cache } from '../authority/cache.ts';
import { type Labelled, LabelledCache, type LabelledCounts, type Snapshot } from '../authority/labelled.ts';
import type { Tail } from '../authority/tail.ts';
import type { Standing } from '../principals/principal.ts';
import type { SnapshotReader } from '../store.ts';
import type { ApiKeyInputs } from './api-key.ts';
import { Places } from './key-limits.ts';

/** Keys kept in process, those that there are not included. */
const STATES_MAX = 50_000;

/** A key as one snapshot of the database had it, or that there was none: whoever guesses at ids learns nothing by asking twice. */
interface StateInputs {
  readonly key: (ApiKeyInputs & { readonly homeIds: readonly string[] }) | null;
}

/** What is compared with where there is no key, so that it takes as long. */
const NOBODY = Buffer.alloc(43);

/** A key as it is shown again and again: what it takes to compare secrets is made once. */
export class KeyState implements Labelled {
  readonly id: string;
  readonly key: ApiKeyInputs | null;
  readonly places: Places;
  readonly epoch: string;
  readonly asOf: number;
  readonly dependencies: readonly string[];
  readonly validUntilMs = Infinity;
  readonly #hashes: readonly { readonly number: number; readonly hash: Buffer }[];
  /** The owner's standing that was narrowed last, and what came of it. */
  #narrowed: { readonly of: Standing; readonly standing: Standing } | null = null;

  constructor(
    id: string,
    key: StateInputs['key'],
    { epoch, asOf }: Snapshot,
    open: (sealed: string, number: number) => string | null,
  ) {
    this.id = id;
    this.key = key;
    this.places = new Places(key ?? { addressRanges: [], allowedOrigins: [] });
    this.epoch = epoch;
    this.asOf = asOf;
    this.dependencies = key === null ? [id] : [id, key.ownerId, ...key.homeIds];
    this.#hashes = (key?.versions ?? []).map(({ number, sealedHash }) => ({
      number,
      // What was sealed under a secret that is not listed any more is nobody's.
      hash: Buffer.from(open(sealedHash, number) ?? ''),
    }));
  }

  /** Which of its secrets has this hash; null when none has. Takes as long for every answer. */
  versionOf(hash: string): number | null {
    const given = Buffer.from(hash);
    let found: number | null = null;
    if (this.#hashes.length === 0) timingSafeEqual(given, NOBODY);
    for (const each of this.#hashes) {
      if (each.hash.length === given.length && timingSafeEqual(each.hash, given)) found = each.number;
    }
    return found;
  }

  /** What the owner may do, with as much of it as the key has. The same object for the same standing. */
  standingOf(owner: Standing): Standing {
    const permissions = this.key?.permissions ?? null;
    if (permissions === null) return owner;
    if (this.#narrowed?.of === owner) return this.#narrowed.standing;
    const ability = owner.engine.ability(owner.facts, owner.grants, permissions);
    const standing = { ...owner, ability };
    this.#narrowed = { of: owner, standing };
    return standing;
  }
}

/** What is known of every key that was shown. */
export class KeyStates {
  readonly #states: LabelledCache<StateInputs, KeyState>;

  constructor(parts: { snapshots: SnapshotReader; cache: Cache; keys: Keys; tail: Tail; clock: Clock; logger: Log }) {
    const { snapshots, keys, ...shared } = parts;
    this.#states = new LabelledCache({
      name: 'api-key',
      max: STATES_MAX,
      read: async (ids) => {
        const { epoch, asOf, keys: found } = await snapshots.apiKeys(ids);
        return { epoch, asOf, found: new Map(ids.map((id) => [id, { key: found.get(id) ?? null }])) };
      },
      build: (id, { key }, snapshot) =>
        new KeyState(id, key, snapshot, (sealed, number) => keys.open('api-keys', sealed, contextOf(id, number))),
      keys,
      ...shared,
    });
  }

  get counts(): LabelledCounts {
    return this.#states.counts;
  }

  get size(): number {
    return this.#states.size;
  }

  /** What is known of this key, if it is current; no round trip. Counts only under a valid lease. */
  warm(id: string): KeyState | null {
    return this.#states.warm(id);
  }

  /** What is so of this id now, a key or none. Concurrent calls share one statement. */
  async of(id: string): Promise<KeyState> {
    const state = await this.#states.of(id);
    if (state === null) throw new Error('the state of a key was neither found nor missing');
    return state;
  }
}

/** What the hash of a secret is sealed for, so that no row can be put in the place of another. */
export function contextOf(keyId: string, version: number): string {
  return `${keyId}.${version}`;
}

import type { Clock } from '../../kit/clock.ts';
import { BoundedMap } from '../../kit/bounded-map.ts';
import type { Log } from '../../kit/log.ts';
import type { Keys } from '../../kit/secret.ts';
import { Refusal } from '../refusals.ts';
import type { Cache } from './cache.ts';
import { sameEpoch } from './position.ts';
import type { Tail } from './tail.ts';
import { TurnReads } from './turn-reads.ts';

const CACHE_TTL_SECONDS = 3_600;
/** A load that keeps being overtaken by changes is tried again this often. */
const TRIES_MAX = 3;

/** Which snapshot something was read in. */
export interface Snapshot {
  readonly epoch: string;
  readonly asOf: number;
}

/** What is known while the log has nothing newer about what it depends on. */
export interface Labelled extends Snapshot {
  /** Ids whose change makes this stale. */
  readonly dependencies: readonly string[];
  /** Wall time in ms at which it ends by itself; Infinity when it does not. */
  readonly validUntilMs: number;
}

/** What one statement found: inputs by id, without those that there are not, all from one snapshot. */
export interface Found<I> extends Snapshot {
  readonly found: ReadonlyMap<string, I>;
}

/** What was loaded of some ids, and whether the database was asked for it. */
interface Loaded<T> {
  readonly found: ReadonlyMap<string, T>;
  readonly fromDatabase: boolean;
}

export interface LabelledCounts {
  memoryHits: number;
  memoryMisses: number;
  cacheHits: number;
  cacheMisses: number;
  cacheRejected: number;
  databaseReads: number;
}

/**
 * Records by id, kept in process and in the shared cache. Entries are inputs labelled with the position of the snapshot they
 * were read in, and count only while the log has nothing newer about what they depend on. No decision is ever cached.
 *
 * @typeParam I the inputs as they are cached: plain data that JSON carries
 * @typeParam T what is made of them and kept in process
 */
export class LabelledCache<I, T extends Labelled> {
  /** The first part of its keys in the shared cache, and what logs call an entry. */
  readonly #name: string;
  readonly #reads: TurnReads<Found<I>>;
  readonly #build: (id: string, inputs: I, snapshot: Snapshot) => T | Promise<T>;
  readonly #cache: Cache;
  readonly #keys: Keys;
  readonly #tail: Tail;
  readonly #clock: Clock;
  readonly #logger: Log;
  readonly #known: BoundedMap<string, T>;
  /** Counts histories: what was read in one must not be kept in the next. */
  #generation = 0;
  #batch: { readonly keys: Map<string, string>; readonly loaded: Promise<Loaded<T>> } | null = null;
  readonly #loading = new Map<string, Promise<Loaded<T>>>();
  readonly counts: LabelledCounts = {
    memoryHits: 0,
    memoryMisses: 0,
    cacheHits: 0,
    cacheMisses: 0,
    cacheRejected: 0,
    databaseReads: 0,
  };

  constructor(parts: {
    name: string;
    read: (ids: readonly string[]) => Promise<Found<I>>;
    build: (id: string, inputs: I, snapshot: Snapshot) => T | Promise<T>;
    /** Entries kept in process. */
    max: number;
    cache: Cache;
    keys: Keys;
    tail: Tail;
    clock: Clock;
    logger: Log;
  }) {
    this.#name = parts.name;
    this.#reads = new TurnReads((ids) => {
      this.counts.databaseReads += 1;
      return parts.read(ids);
    });
    this.#build = parts.build;
    this.#known = new BoundedMap(parts.max);
    this.#cache = parts.cache;
    this.#keys = parts.keys;
    this.#tail = parts.tail;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
    this.#tail.listen({ applied: () => {}, reset: () => this.#reset() });
  }

  get size(): number {
    return this.#known.size;
  }

  /** What is known of this id, if it is current; no round trip. Counts only under a valid lease. */
  warm(id: string): T | null {
    const known = this.#known.get(id);
    if (known !== undefined && this.isCurrent(known)) {
      this.counts.memoryHits += 1;
      return known;
    }
    this.counts.memoryMisses += 1;
    if (known !== undefined) this.#known.delete(id);
    return null;
  }

  isCurrent({ dependencies, epoch, asOf, validUntilMs }: Labelled): boolean {
    const { tombstones, position } = this.#tail;
    return (
      this.#clock.now() < validUntilMs &&
      sameEpoch(epoch, position.epoch) &&
      !tombstones.touchedSince(dependencies, asOf)
    );
  }

  /**
   * What is so of this id now, or null when there is no such thing. Concurrent calls share one statement.
   *
   * @param owner whose it is: what belongs to one owner lies on one node of a cluster
   */
  async of(id: string, owner = id): Promise<T | null> {
    return this.warm(id) ?? (await this.#loaded(id, owner)).found.get(id) ?? null;
  }

  /** What is so of these ids now, each as {@link of} has it, and whether the database was asked. */
  async ofMany(ids: readonly string[]): Promise<Loaded<T>> {
    const found = new Map<string, T>();
    const cold = new Set<string>();
    for (const id of ids) {
      const warm = this.warm(id);
      if (warm === null) cold.add(id);
      else found.set(id, warm);
    }
    let fromDatabase = false;
    const loads = [...cold].map(async (id) => [id, await this.#loaded(id, id)] as const);
    for (const [id, loaded] of await Promise.all(loads)) {
      const entry = loaded.found.get(id);
      if (entry !== undefined) found.set(id, entry);
      fromDatabase ||= loaded.fromDatabase;
    }
    return { found, fromDatabase };
  }

  /** Goes the way of ids that nothing is known of, and learns nothing: for what must not be told from these by its time. */
  async pretend(ids: readonly string[]): Promise<void> {
    await this.#cache.read(ids.map((id) => this.#keyOf(id, id)));
    await Promise.all(ids.map((id) => this.#reads.of(id)));
  }

  async #loaded(id: string, owner: string): Promise<Loaded<T>> {
    const begun = this.#batch?.keys.has(id) === true ? undefined : this.#loading.get(id);
    // What is being read already may be from before something that this caller knows to have happened.
    const shared = await begun;
    const entry = shared?.found.get(id);
    if (shared !== undefined && entry !== undefined && this.isCurrent(entry)) return shared;
    return this.#enqueue(id, owner);
  }

  /** Keeps what its writer knows to be so. The snapshot must be one from before what was written, or with it. */
  async put(id: string, owner: string, inputs: I, snapshot: Snapshot): Promise<void> {
    const entry = await this.#build(id, inputs, snapshot);
    if (!this.isCurrent(entry)) return;
    this.#keep(id, entry);
    this.#share(this.#keyOf(id, owner), inputs, snapshot);
  }

  #reset(): void {
    this.#generation += 1;
    this.#known.clear();
  }

  #enqueue(id: string, owner: string): Promise<Loaded<T>> {
    if (this.#batch === null) {
      const keys = new Map<string, string>();
      const loaded = Promise.resolve()
        .then(() => {
          this.#batch = null;
          return this.#load(keys);
        })
        .finally(() => {
          for (const each of keys.keys()) if (this.#loading.get(each) === loaded) this.#loading.delete(each);
        });
      this.#batch = { keys, loaded };
    }
    this.#batch.keys.set(id, this.#keyOf(id, owner));
    this.#loading.set(id, this.#batch.loaded);
    return this.#batch.loaded;
  }

  async #load(keys: ReadonlyMap<string, string>): Promise<Loaded<T>> {
    const generation = this.#generation;
    const found = new Map<string, T>();
    let missing = await this.#readCache(keys, found);
    const fromDatabase = missing.size > 0;
    for (let tries = 0; missing.size > 0 && tries < TRIES_MAX; tries += 1) {
      missing = await this.#readDatabase(missing, found);
    }
    if (missing.size > 0 || generation !== this.#generation) throw overtaken();
    for (const [id, entry] of found) this.#keep(id, entry);
    return { found, fromDatabase };
  }

  /** Fills `found` from the shared cache; what it does not have, or has in a form that does not count. */
  async #readCache(keys: ReadonlyMap<string, string>, found: Map<string, T>): Promise<ReadonlyMap<string, string>> {
    const texts = await this.#cache.read([...keys.values()]);
    const missing = new Map<string, string>();
    for (const [index, [id, key]] of [...keys].entries()) {
      const text = texts[index] ?? null;
      const entry = text === null ? null : await this.#open(id, key, text);
      if (entry !== null) found.set(id, entry);
      else missing.set(id, key);
      this.counts[text === null ? 'cacheMisses' : entry === null ? 'cacheRejected' : 'cacheHits'] += 1;
    }
    return missing;
  }

  /** Fills `found` from the database; that of which something changed while it was read. */
  async #readDatabase(keys: ReadonlyMap<string, string>, found: Map<string, T>): Promise<ReadonlyMap<string, string>> {
    const missing = new Map<string, string>();
    const reads = [...keys].map(async ([id, key]) => ({ id, key, ...(await this.#reads.of(id)) }));
    for (const { id, key, epoch, asOf, found: read } of await Promise.all(reads)) {
      if (!sameEpoch(epoch, this.#tail.position.epoch)) await this.#tail.poll(true);
      const inputs = read.get(id);
      if (inputs === undefined) continue;
      const entry = await this.#build(id, inputs, { epoch, asOf });
      if (!this.isCurrent(entry)) {
        missing.set(id, key);
        continue;
      }
      found.set(id, entry);
      this.#share(key, inputs, { epoch, asOf });
    }
    return missing;
  }

  #share(key: string, inputs: I, { epoch, asOf }: Snapshot): void {
    const body = JSON.stringify({ epoch, asOf, inputs });
    const sealed = `${this.#keys.sign('cache', key, body)}\n${body}`;
    this.#cache.write(key, sealed, CACHE_TTL_SECONDS).catch((error: unknown) => {
      this.#logger.debug({ err: error }, `a ${this.#name} was not cached`);
    });
  }

  /** Redis may be written by anyone: an entry counts when it is ours, for this key, of this history, and nothing newer is known. */
  async #open(id: string, key: string, text: string): Promise<T | null> {
    const end = text.indexOf('\n');
    const body = text.slice(end + 1);
    if (end < 0 || !this.#keys.verify('cache', text.slice(0, end), key, body)) return null;
    const { epoch, asOf, inputs } = JSON.parse(body) as Snapshot & { readonly inputs: I }; // signed by us, so it has our shape
    const entry = await this.#build(id, inputs, { epoch, asOf });
    return this.isCurrent(entry) ? entry : null;
  }

  #keep(id: string, entry: T): void {
    const known = this.#known.get(id);
    if (known !== undefined && known.asOf > entry.asOf) return;
    this.#known.set(id, entry);
  }

  #keyOf(id: string, owner: string): string {
    const place = `castellan:${this.#name}:{${owner}}`;
    return id === owner ? place : `${place}:${id}`;
  }
}

/** Whoever reads keeps being overtaken by who writes. */
export function overtaken(): Refusal {
  return new Refusal('AUTHORITY_UNAVAILABLE', 'Rights keep changing. Try again shortly.', { retryAfterSeconds: 1 });
}

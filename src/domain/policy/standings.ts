import { toInstant, type Clock } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import type { Keys } from '../../kit/secret.ts';
import type { Cache } from '../authority/cache.ts';
import { POLICY_TARGET } from '../authority/log.ts';
import { sameEpoch } from '../authority/position.ts';
import type { Tail } from '../authority/tail.ts';
import type { Principal, ShownCredential, Standing } from '../principals/principal.ts';
import { Refusal } from '../refusals.ts';
import type { PrincipalInputs, SnapshotReader } from '../store.ts';
import type { Engines } from './engines.ts';

/** Standings kept in process. One takes a few hundred bytes beside its record: rules are shared per role set. */
const STANDINGS_MAX = 100_000;
const CACHE_TTL_SECONDS = 3_600;
/** A load that keeps being overtaken by changes is tried again this often. */
const TRIES_MAX = 3;

/** What is cached under a principal's key: the inputs of a standing with the position they were read at. */
interface CachedStanding extends PrincipalInputs {
  readonly epoch: string;
  readonly asOf: number;
  readonly policyVersion: string;
}

export interface StandingCounts {
  warm: number;
  cacheHits: number;
  cacheMisses: number;
  cacheRejected: number;
  databaseReads: number;
}

/**
 * What every principal is and may do, kept in process and in the shared cache. Entries are inputs labelled
 * with the position of the snapshot they were read in, and count only while the log has nothing newer about
 * what they depend on. No decision is ever cached.
 */
export class Standings {
  readonly #snapshots: SnapshotReader;
  readonly #engines: Engines;
  readonly #cache: Cache;
  readonly #keys: Keys;
  readonly #tail: Tail;
  readonly #clock: Clock;
  readonly #logger: Log;
  readonly #standings = new Map<string, Standing>();
  /** Counts histories: what was read in one must not be kept in the next. */
  #generation = 0;
  #batch: { readonly ids: Set<string>; readonly loaded: Promise<ReadonlyMap<string, Standing>> } | null = null;
  readonly #loading = new Map<string, Promise<ReadonlyMap<string, Standing>>>();
  readonly counts: StandingCounts = { warm: 0, cacheHits: 0, cacheMisses: 0, cacheRejected: 0, databaseReads: 0 };

  constructor(parts: {
    snapshots: SnapshotReader;
    engines: Engines;
    cache: Cache;
    keys: Keys;
    tail: Tail;
    clock: Clock;
    logger: Log;
  }) {
    this.#snapshots = parts.snapshots;
    this.#engines = parts.engines;
    this.#cache = parts.cache;
    this.#keys = parts.keys;
    this.#tail = parts.tail;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
    this.#tail.listen({ applied: () => {}, reset: () => this.#reset() });
  }

  get size(): number {
    return this.#standings.size;
  }

  /** The standing of this principal if it is known and current; no round trip. Counts only under a valid lease. */
  warm(id: string): Standing | null {
    const standing = this.#standings.get(id);
    if (standing === undefined) return null;
    if (this.isCurrent(standing)) return standing;
    this.#standings.delete(id);
    return null;
  }

  isCurrent({ dependencies, epoch, asOf, validUntilMs }: Standing): boolean {
    const { tombstones, position } = this.#tail;
    return (
      this.#clock.now() < validUntilMs &&
      sameEpoch(epoch, position.epoch) &&
      !tombstones.touchedSince(dependencies, asOf)
    );
  }

  /** The current standing, or null when there is no such principal. Concurrent calls share one query. */
  async of(id: string): Promise<Standing | null> {
    const warm = this.warm(id);
    if (warm !== null) return warm;
    const loading = this.#loading.get(id) ?? this.#enqueue(id);
    return (await loading).get(id) ?? null;
  }

  /**
   * The same principal as it is now: under a valid lease, with its credential not revoked and its standing current.
   * Refuses with SESSION_REVOKED, TOKEN_EXPIRED or AUTHORITY_UNAVAILABLE. Whoever goes on after a wait asks again.
   */
  async recheck(by: Principal): Promise<Principal> {
    if (by.kind !== 'user') return by;
    let { standing } = by;
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      await this.#tail.awaitForce();
      // Between here and the return nothing is awaited: lease, credential and standing hold at one moment.
      this.#refuseCredential(by.credential, standing);
      if (this.isCurrent(standing)) {
        if (!standing.active) throw revoked();
        return standing === by.standing ? by : { ...by, standing };
      }
      const loaded = await this.of(by.id);
      if (loaded === null) throw revoked();
      standing = loaded;
    }
    throw overtaken();
  }

  #refuseCredential({ targets, epoch, label, expiresAtMs }: ShownCredential, { homeIds }: Standing): void {
    const { tombstones, position } = this.#tail;
    for (const target of targets) if (tombstones.revokedSince(target, label)) throw revoked();
    for (const target of homeIds) if (tombstones.revokedSince(target, label)) throw revoked();
    // A label of another history, or from before the horizon, says nothing here. A fresh token does.
    const known = sameEpoch(epoch, position.epoch) && label >= tombstones.horizon;
    if (!known || this.#clock.now() >= expiresAtMs) {
      throw new Refusal('TOKEN_EXPIRED', 'The access token has expired. Refresh the session and try again.');
    }
  }

  #reset(): void {
    this.#generation += 1;
    this.#standings.clear();
  }

  #enqueue(id: string): Promise<ReadonlyMap<string, Standing>> {
    if (this.#batch === null) {
      const ids = new Set<string>();
      const loaded = Promise.resolve()
        .then(() => {
          this.#batch = null;
          return this.#load([...ids]);
        })
        .finally(() => {
          for (const each of ids) this.#loading.delete(each);
        });
      this.#batch = { ids, loaded };
    }
    this.#batch.ids.add(id);
    this.#loading.set(id, this.#batch.loaded);
    return this.#batch.loaded;
  }

  async #load(ids: readonly string[]): Promise<ReadonlyMap<string, Standing>> {
    const generation = this.#generation;
    const found = new Map<string, Standing>();
    let missing = await this.#readCache(ids, found);
    for (let tries = 0; missing.length > 0 && tries < TRIES_MAX; tries += 1) {
      missing = await this.#readDatabase(missing, found);
    }
    if (missing.length > 0 || generation !== this.#generation) throw overtaken();
    for (const [id, standing] of found) this.#keep(id, standing);
    return found;
  }

  /** Fills `found` from the shared cache; the ids it does not have, or has in a form that does not count. */
  async #readCache(ids: readonly string[], found: Map<string, Standing>): Promise<readonly string[]> {
    const texts = await this.#cache.read(ids.map(cacheKey));
    const missing: string[] = [];
    for (const [index, id] of ids.entries()) {
      const text = texts[index] ?? null;
      const standing = text === null ? null : await this.#open(id, text);
      if (standing !== null) found.set(id, standing);
      else missing.push(id);
      this.counts[text === null ? 'cacheMisses' : standing === null ? 'cacheRejected' : 'cacheHits'] += 1;
    }
    return missing;
  }

  /** Fills `found` from one snapshot; the ids whose rights changed while they were read. */
  async #readDatabase(ids: readonly string[], found: Map<string, Standing>): Promise<readonly string[]> {
    this.counts.databaseReads += 1;
    const { epoch, asOf, policyVersion, principals } = await this.#snapshots.principals(ids);
    if (!sameEpoch(epoch, this.#tail.position.epoch)) await this.#tail.poll(true);
    const overtaken: string[] = [];
    for (const id of ids) {
      const principal = principals.get(id);
      if (principal === undefined) continue;
      const cached: CachedStanding = { epoch, asOf, policyVersion, ...principal };
      const standing = await this.#build(cached);
      if (!this.isCurrent(standing)) {
        overtaken.push(id);
        continue;
      }
      found.set(id, standing);
      this.#cache.write(cacheKey(id), this.#seal(id, cached), CACHE_TTL_SECONDS).catch((error: unknown) => {
        this.#logger.debug({ err: error }, 'a standing was not cached');
      });
    }
    return overtaken;
  }

  async #build({
    epoch,
    asOf,
    policyVersion,
    record,
    grants: read,
    homeIds,
    grantScopeIds,
  }: CachedStanding): Promise<Standing> {
    // The database has a clock of its own: what has ended by ours would otherwise be read again until it has by both.
    const now = toInstant(this.#clock.now());
    const grants = read.filter(({ expiresAt }) => expiresAt === null || expiresAt > now);
    const engine = await this.#engines.load(policyVersion);
    const facts = { id: record.id, email: record.email, scope: record.scope, kind: 'user' };
    const expiries = grants.flatMap(({ expiresAt }) => (expiresAt === null ? [] : [Date.parse(expiresAt)]));
    return {
      record,
      facts,
      grants,
      engine,
      ability: engine.ability(facts, grants),
      active: record.status === 'active' && !record.suspended,
      homeIds,
      epoch,
      asOf,
      dependencies: [
        record.id,
        POLICY_TARGET,
        ...new Set([...read.map(({ roleId }) => roleId), ...homeIds, ...grantScopeIds]),
      ],
      validUntilMs: Math.min(Infinity, ...expiries),
    };
  }

  #seal(id: string, cached: CachedStanding): string {
    const body = JSON.stringify(cached);
    return `${this.#keys.sign('cache', cacheKey(id), body)}\n${body}`;
  }

  /** Redis may be written by anyone: an entry counts when it is ours, for this key, of this history, and nothing newer is known. */
  async #open(id: string, text: string): Promise<Standing | null> {
    const end = text.indexOf('\n');
    const body = text.slice(end + 1);
    if (end < 0 || !this.#keys.verify('cache', text.slice(0, end), cacheKey(id), body)) return null;
    const cached = JSON.parse(body) as CachedStanding; // signed by us, so it has our shape
    const standing = await this.#build(cached);
    return this.isCurrent(standing) ? standing : null;
  }

  #keep(id: string, standing: Standing): void {
    const known = this.#standings.get(id);
    if (known !== undefined && known.asOf > standing.asOf) return;
    this.#standings.delete(id);
    this.#standings.set(id, standing);
    if (this.#standings.size <= STANDINGS_MAX) return;
    const [oldest] = this.#standings.keys();
    if (oldest !== undefined) this.#standings.delete(oldest);
  }
}

function cacheKey(id: string): string {
  return `castellan:standing:{${id}}`;
}

function revoked(): Refusal {
  return new Refusal('SESSION_REVOKED', 'This session has been revoked. Sign in again.');
}

function overtaken(): Refusal {
  return new Refusal('AUTHORITY_UNAVAILABLE', 'Rights keep changing. Try again shortly.', { retryAfterSeconds: 1 });
}

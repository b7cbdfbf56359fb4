import { BoundedMap } from '../../kit/bounded-map.ts';
import { toInstant, type Clock } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import type { Keys } from '../../kit/secret.ts';
import type { Cache } from '../authority/cache.ts';
import { LabelledCache, type LabelledCounts, overtaken, type Snapshot } from '../authority/labelled.ts';
import { POLICY_TARGET } from '../authority/log.ts';
import { sameEpoch } from '../authority/position.ts';
import type { Tail } from '../authority/tail.ts';
import { mustEnroll, secondFactorMissing } from '../principals/enrollment.ts';
import { isSuperseded, superseded } from '../principals/proof.ts';
import type {
  HeldGrant,
  Principal,
  PrincipalRecord,
  ShownCredential,
  Standing,
  UserPrincipal,
} from '../principals/principal.ts';
import { Refusal } from '../refusals.ts';
import type { SessionStates } from '../sessions/session-states.ts';
import type { PrincipalInputs, SnapshotReader } from '../store.ts';
import { factsOf } from './principal-facts.ts';
import type { Engines } from './engines.ts';

/** Standings kept in process. One takes a few hundred bytes beside its record: rules are shared per role set. */
const STANDINGS_MAX = 100_000;
/** Different sets of grants that are kept to be shared. */
const SHARED_GRANTS_MAX = 4_096;
const NOWHERE: readonly string[] = [];
/** A check that keeps being overtaken by changes is tried again this often. */
const TRIES_MAX = 3;

/** The inputs of a standing, with the policy that was in force when they were read. */
interface StandingInputs extends PrincipalInputs {
  readonly policyVersion: string;
}

/** What every principal is and may do. */
export class Standings {
  readonly #engines: Engines;
  readonly #sessions: SessionStates;
  readonly #tail: Tail;
  readonly #clock: Clock;
  readonly #standings: LabelledCache<StandingInputs, Standing>;
  readonly #grants = new BoundedMap<string, readonly HeldGrant[]>(SHARED_GRANTS_MAX);

  constructor(parts: {
    snapshots: SnapshotReader;
    engines: Engines;
    sessions: SessionStates;
    cache: Cache;
    keys: Keys;
    tail: Tail;
    clock: Clock;
    logger: Log;
  }) {
    const { snapshots, engines, sessions, tail, clock, ...shared } = parts;
    this.#engines = engines;
    this.#sessions = sessions;
    this.#tail = tail;
    this.#clock = clock;
    this.#standings = new LabelledCache({
      name: 'standing',
      max: STANDINGS_MAX,
      build: (_, inputs, snapshot) => this.#build(inputs, snapshot),
      read: async (ids) => {
        const { epoch, asOf, policyVersion, principals } = await snapshots.principals(ids);
        return { epoch, asOf, found: new Map([...principals].map(([id, each]) => [id, { ...each, policyVersion }])) };
      },
      tail,
      clock,
      ...shared,
    });
  }

  get size(): number {
    return this.#standings.size;
  }

  get counts(): LabelledCounts {
    return this.#standings.counts;
  }

  /** The standing of this principal if it is known and current; no round trip. Counts only under a valid lease. */
  warm(id: string): Standing | null {
    return this.#standings.warm(id);
  }

  isCurrent(standing: Standing): boolean {
    return this.#standings.isCurrent(standing);
  }

  /** The current standing, or null when there is no such principal. Concurrent calls share one query. */
  of(id: string): Promise<Standing | null> {
    return this.#standings.of(id);
  }

  /** The current standings of those among these ids that there are; one statement for those that are not known. */
  async ofMany(ids: readonly string[]): Promise<ReadonlyMap<string, Standing>> {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const { found } = await this.#standings.ofMany(ids);
      await this.#tail.awaitForce();
      if ([...found.values()].every((each) => this.isCurrent(each))) return found;
    }
    throw overtaken();
  }

  /**
   * The records among these ids that are `readable`, as they are now: under a valid lease and not overtaken when this resolves,
   * at one moment for all. No round trip when they are warm, and one statement for those that are not. What is not readable
   * takes the same statement as what is not there.
   */
  async records(
    ids: readonly string[],
    readable: (record: PrincipalRecord) => boolean,
  ): Promise<ReadonlyMap<string, PrincipalRecord>> {
    let told = false;
    for (let tries = 0; tries <= TRIES_MAX; tries += 1) {
      const { found, fromDatabase } = await this.#standings.ofMany(ids);
      told ||= fromDatabase;
      await this.#tail.awaitForce();
      // Between here and the return nothing is awaited.
      const standings = [...found.values()];
      if (!standings.every((each) => this.isCurrent(each))) continue;
      const records = standings.map(({ record }) => record).filter(readable);
      if (told || records.length === standings.length) return new Map(records.map((record) => [record.id, record]));
      await this.#standings.pretend(ids);
      told = true;
    }
    throw overtaken();
  }

  /**
   * The same principal as it is now: under a valid lease, with its credential not revoked, its session not ended, and what is
   * known of both session and standing current.
   * Refuses with SESSION_REVOKED, TOKEN_EXPIRED or AUTHORITY_UNAVAILABLE, and with MFA_REQUIRED a session that must have a second
   * factor since. Whoever goes on after a wait asks again.
   */
  async recheck(by: Principal): Promise<Principal> {
    if (by.kind !== 'user') return by;
    let { standing, session } = by;
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      await this.#tail.awaitForce();
      // Between here and the return nothing is awaited: lease, credential, session and standing hold at one moment.
      if (this.#holds(by.credential, standing, session)) {
        const now = standing === by.standing && session === by.session ? by : { ...by, standing, session };
        // Doors see to it that whoever must enroll does nothing else. Whoever had not to when they came in must not go on.
        if (mustEnroll(now) && !mustEnroll(by)) throw secondFactorMissing();
        return now;
      }
      const again = await Promise.all([
        this.of(by.id),
        session === null ? null : this.#sessions.of(session.id, session.userId),
      ]);
      if (again[0] === null || (session !== null && again[1] === null)) throw revoked();
      [standing, session] = again;
    }
    throw overtaken();
  }

  /** Whether {@link recheck} would give back this very principal, and read nothing for it. */
  stillHolds({ credential, standing, session }: UserPrincipal): boolean {
    try {
      return this.#tail.inForce() && this.#holds(credential, standing, session);
    } catch {
      return false; // whoever rechecks it is told why
    }
  }

  /** Whether what is known of somebody is current; refuses who is shut out by it. Counts only under a valid lease. */
  #holds(credential: ShownCredential, standing: Standing, session: UserPrincipal['session']): boolean {
    this.#refuseCredential(credential, standing);
    if (!this.isCurrent(standing) || (session !== null && !this.#sessions.isCurrent(session))) return false;
    if (!standing.active || session?.ended === true) throw revoked();
    // Whoever waited for its turn behind a step-up must not rise by it, if what they came with is not what it was answered with.
    if (session !== null && isSuperseded(credential.provenAtMs, session)) throw superseded();
    return true;
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

  /** Most people hold what many hold: equal grants are kept once. */
  #shared(grants: readonly HeldGrant[]): readonly HeldGrant[] {
    const key = JSON.stringify(grants);
    const known = this.#grants.get(key);
    if (known !== undefined) return known;
    this.#grants.set(key, grants);
    return grants;
  }

  async #build(inputs: StandingInputs, { epoch, asOf }: Snapshot): Promise<Standing> {
    const { policyVersion, grantScopeIds } = inputs;
    const [read, dormant] = [this.#shared(inputs.grants), inputs.dormant];
    const homeIds = inputs.homeIds.length === 0 ? NOWHERE : inputs.homeIds;
    // The database has a clock of its own: what has ended by ours would otherwise be read again until it has by both.
    const now = toInstant(this.#clock.now());
    const isOver = ({ expiresAt }: HeldGrant) => expiresAt !== null && expiresAt <= now;
    const awake = read.some(isOver) ? read.filter((grant) => !isOver(grant)) : read;
    const asleep = dormant.filter((grant) => !isOver(grant)).map((grant) => ({ ...grant, dormant: true }));
    const grants = asleep.length === 0 ? awake : this.#shared([...awake, ...asleep]);
    const record = withRolesOf(inputs.record, grants);
    const engine = await this.#engines.load(policyVersion);
    const facts = factsOf(record);
    const expiries = grants.flatMap(({ expiresAt }) => (expiresAt === null ? [] : [Date.parse(expiresAt)]));
    return {
      record,
      facts,
      grants,
      engine,
      ability: engine.ability(facts, grants),
      mfaRequired: engine.requiresMfa(awake),
      active: record.status === 'active' && !record.suspended,
      homeIds,
      epoch: this.#tail.position.epoch === epoch ? this.#tail.position.epoch : epoch,
      asOf,
      dependencies: [
        record.id,
        POLICY_TARGET,
        ...new Set([...[...read, ...dormant].map(({ roleId }) => roleId), ...homeIds, ...grantScopeIds]),
      ],
      validUntilMs: Math.min(Infinity, ...expiries),
    };
  }
}

/** The record with the roles of these grants and no others. */
function withRolesOf<R extends PrincipalInputs['record']>(record: R, grants: readonly HeldGrant[]): R {
  const held = new Set(grants.map(({ role }) => role));
  return record.roles.every((role) => held.has(role))
    ? record
    : { ...record, roles: record.roles.filter((role) => held.has(role)) };
}

function revoked(): Refusal {
  return new Refusal('SESSION_REVOKED', 'This session has been revoked. Sign in again.');
}

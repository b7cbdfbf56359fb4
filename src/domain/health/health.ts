import type { Clock, Instant } from '../../kit/clock.ts';
import { toInstant } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { Rounds } from '../../kit/rounds.ts';
import { POLICY_TARGET } from '../authority/log.ts';
import type { Tail } from '../authority/tail.ts';
import type { Drainer } from '../outbox/drainer.ts';
import type { Engines } from '../policy/engines.ts';
import type { InstanceReport, InstanceReports, PoolFigures, RedisState, SharedState } from './instance-report.ts';

const REPORT_MS = 5_000;
const LOOK_MS = 500;
/** Whoever waits for a connection for this long is refused, and so would the next be. */
const POOL_FULL_MS = 2_000;

/** Beyond this, what one machine says ends then or is good from then on is not what another believes. */
export const CLOCK_SECONDS_MAX = 5;

/** What must hold for this instance to be sent requests. */
export type Check = 'authority' | 'pool' | 'policy' | 'migrations';

export interface HealthParts {
  readonly version: string;
  readonly reports: InstanceReports;
  readonly tail: Tail;
  readonly engines: Engines;
  readonly drainer: Drainer;
  readonly pool: () => PoolFigures;
  readonly redis: () => Promise<RedisState>;
  /** Whether the policy files of this instance can be put in force. */
  readonly policyFilesUsable: () => boolean;
  readonly clock: Clock;
  readonly logger: Log;
}

/**
 * How this instance is. Whether it can be sent requests is known at any time, without a question to anybody: it looks at its
 * own connections twice a second, and every five seconds it tells the others how it is, and hears what all share.
 */
export class Health {
  readonly #parts: HealthParts;
  readonly #startedAt: Instant;
  #shared: SharedState | null = null;
  #policyKnown = true;
  #clockAheadSeconds = 0;
  #isClockSaid = false;
  #poolFullSinceMs: number | null = null;
  readonly #reports: Rounds;
  readonly #looks: Rounds;

  constructor(parts: HealthParts) {
    this.#parts = parts;
    this.#startedAt = toInstant(parts.clock.now());
    const untold = 'the others could not be told how it is';
    this.#reports = new Rounds({ everyMs: REPORT_MS, work: () => this.#report(), failed: untold, ...parts });
    const unseen = 'the connections could not be looked at';
    this.#looks = new Rounds({ everyMs: LOOK_MS, work: () => this.#look(), failed: unseen, ...parts });
  }

  /** Reports once, and then every five seconds, and whenever another policy is in force. */
  async start(): Promise<void> {
    await this.report();
    const again = (): void => void this.#reports.soon(0);
    this.#parts.tail.listen({
      applied: (entries) => {
        if (entries.some(({ target }) => target === POLICY_TARGET)) again();
      },
      reset: again,
    });
    this.#reports.start();
    this.#looks.start();
  }

  async stop(): Promise<void> {
    await Promise.all([this.#reports.stop(), this.#looks.stop()]);
  }

  /** What holds, by name. */
  checks(): Readonly<Record<Check, boolean>> {
    const { tail, clock } = this.#parts;
    const fullSince = this.#poolFullSinceMs;
    return {
      authority: tail.inForce(),
      pool: fullSince === null || clock.monotonicMs() - fullSince < POOL_FULL_MS,
      policy: this.#policyKnown,
      migrations: this.#missing.length === 0,
    };
  }

  /** Why those that do not hold do not. */
  reasons(): Readonly<Partial<Record<Check, string>>> {
    const why: Readonly<Record<Check, () => string>> = {
      authority: () => 'This instance holds no lease: it could not read the authority log in time.',
      pool: () => `All ${this.#parts.pool().max} connections to PostgreSQL are in use, and others have waited for one.`,
      policy: () => 'The policy in force cannot be loaded by this version of Castellan.',
      migrations: () => `The database is older than this code, and lacks ${this.#missing.join(', ')}.`,
    };
    const failed = Object.entries(this.checks()).filter(([, holds]) => !holds);
    return Object.fromEntries(failed.map(([check]) => [check, why[check as Check]()]));
  }

  /** By how much the clock of this machine is ahead of that of the database, as the last report found; negative where it is behind. */
  get clockAheadSeconds(): number {
    return this.#clockAheadSeconds;
  }

  /** Tells the others how this instance is, and hears what all share, if it can. */
  async report(): Promise<void> {
    await this.#reports.next().catch(() => {});
  }

  get #missing(): readonly string[] {
    return this.#shared?.missingMigrations ?? [];
  }

  async #report(): Promise<void> {
    const { reports, tail, engines, redis } = this.#parts;
    const answers = await redis();
    const { clock } = this.#parts;
    const askedMs = clock.now();
    this.#shared = await reports.say(tail.instanceId, this.#now(answers));
    // The server has looked at its clock somewhere in between.
    this.#compareClocks((askedMs + clock.now()) / 2 - Date.parse(this.#shared.at));
    const { policyVersion } = this.#shared;
    this.#policyKnown = policyVersion !== null && (await engines.load(policyVersion).then(Boolean, () => false));
  }

  /** Told when they begin to differ, and when they agree again. */
  #compareClocks(aheadMs: number): void {
    this.#clockAheadSeconds = aheadMs / 1_000;
    const isOff = Math.abs(this.#clockAheadSeconds) > CLOCK_SECONDS_MAX;
    if (isOff === this.#isClockSaid) return;
    this.#isClockSaid = isOff;
    const facts = { aheadSeconds: Math.round(this.#clockAheadSeconds) };
    if (isOff)
      this.#parts.logger.warn(facts, 'the clock of this machine is not that of the database: one of both is wrong');
    else this.#parts.logger.info(facts, 'the clock of this machine and that of the database agree again');
  }

  #now(redis: RedisState): InstanceReport {
    const { version, tail, drainer, pool, policyFilesUsable } = this.#parts;
    return {
      version,
      startedAt: this.#startedAt,
      notReady: Object.keys(this.reasons()),
      leaseMarginSeconds: tail.leaseMarginMs / 1_000,
      pool: pool(),
      redis,
      policyVersion: this.#shared?.policyVersion ?? null,
      policyFilesUsable: policyFilesUsable(),
      outboxLagSeconds: drainer.lagSeconds,
      clockAheadSeconds: this.#clockAheadSeconds,
    };
  }

  #look(): Promise<void> {
    // Whoever waits finds none free: the one in reserve is for nobody who waits.
    const isFull = this.#parts.pool().waiting > 0;
    this.#poolFullSinceMs = isFull ? (this.#poolFullSinceMs ?? this.#parts.clock.monotonicMs()) : null;
    return Promise.resolve();
  }
}

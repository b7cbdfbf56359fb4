import type { Instant } from '../../kit/clock.ts';

/** Connections to the database that are open, free, waited for, and allowed at most. */
export interface PoolFigures {
  readonly connections: number;
  readonly idle: number;
  readonly waiting: number;
  readonly max: number;
}

/** `none`: this instance has a stand-in of its own. */
export type RedisState = 'answers' | 'silent' | 'none';

/** What an instance says of itself. */
export interface InstanceReport {
  readonly version: string;
  readonly startedAt: Instant;
  /** What keeps requests away from it: `authority`, `pool`, `policy`, `migrations`. */
  readonly notReady: readonly string[];
  readonly leaseMarginSeconds: number;
  readonly pool: PoolFigures;
  readonly redis: RedisState;
  /** The policy that it decides by, as far as it knows. */
  readonly policyVersion: string | null;
  readonly policyFilesUsable: boolean;
  readonly outboxLagSeconds: number;
  /** By how much its clock is ahead of that of the database; absent where it does not know, or an older version. */
  readonly clockAheadSeconds?: number;
}

/** One of the instances, with what it said last; null where it has not said anything yet. */
export interface InstanceState {
  readonly id: string;
  readonly state: 'active' | 'marked';
  readonly lastSeenAt: Instant;
  readonly applied: number;
  readonly reportedAt: Instant | null;
  readonly report: InstanceReport | null;
}

/** How many of what must be done wait, counted up to a bound, and since when the first of them does. */
export interface Waiting {
  readonly count: number;
  readonly since: Instant | null;
}

/** What all instances share, as one snapshot had it. */
export interface SharedState {
  readonly epoch: string;
  readonly head: number;
  readonly policyVersion: string | null;
  /** Migrations of this code that the database does not have, in their order. */
  readonly missingMigrations: readonly string[];
  /** By the clock of the database, as all times of rows are. */
  readonly at: Instant;
}

/** What instances say of themselves to each other. Every method is bounded by a deadline of its own. */
export interface InstanceReports {
  /** Leaves it with the row of the instance, if there is one; what all share. One statement. */
  say(instanceId: string, report: InstanceReport): Promise<SharedState>;
  /** All instances, those that say nothing any more first; what all share; and what waits. One snapshot. */
  read(): Promise<
    SharedState & {
      readonly instances: readonly InstanceState[];
      /** Events without a number, and errands that are not done, those that failed and are tried again among them. */
      readonly events: Waiting;
      readonly errands: Waiting;
      /** Whether there are security events that the webhook refused, and that were set aside. */
      readonly setAside: boolean;
    }
  >;
}

import type { Instant } from '../../kit/clock.ts';

/** `revoked` refuses every older credential of the target; `changed` only drops what was computed from it. */
export type ChangeKind = 'revoked' | 'changed';

/** The target of policy changes. All other targets are ids, whose prefix says what they name. */
export const POLICY_TARGET = 'policy';

/** What a transaction writes into the authority log. */
export interface AuthorityChange {
  /** The id of a session, user, role, signing key …, or {@link POLICY_TARGET}. */
  readonly target: string;
  readonly kind: ChangeKind;
  /** The user who sees this in their own feed; null when it concerns nobody in particular. */
  readonly userId: string | null;
  /** Why, in a word that clients may branch on: `signed_out`, `revoked`, `user_disabled`, `role_granted` … */
  readonly reason: string;
}

export interface LogEntry extends AuthorityChange {
  readonly seq: number;
  readonly at: Instant;
}

export interface PollRequest {
  readonly instanceId: string;
  /** The history that `applied` belongs to; in another one it must not be written into the instance's row. */
  readonly epoch: string;
  /** The last position this instance applied. */
  readonly applied: number;
  /** Entries read at most; the rest comes with the next poll. */
  readonly limit: number;
  /**
   * A heartbeat commits the instance's `applied` into its row, which proves that this database accepts
   * commits: only a heartbeat may prolong a lease, so that a demoted primary cannot.
   */
  readonly heartbeat: boolean;
}

export interface PollReply {
  readonly epoch: string;
  /** The position of the last commit in the snapshot that the entries were read from. */
  readonly head: number;
  /** The oldest position the log still has; `head + 1` when it is empty. */
  readonly oldest: number;
  /** Whether this instance's row is there and was not marked for collection, in that same snapshot. */
  readonly registered: boolean;
  /** How many instances there were that are not marked, in that same snapshot. */
  readonly instances: number;
  readonly entries: readonly LogEntry[];
}

export interface Member {
  readonly instanceId: string;
  readonly applied: number;
}

export interface Standing {
  readonly epoch: string;
  readonly head: number;
  readonly members: readonly Member[];
}

/**
 * The authority log and the list of instances, as the domain needs them. Every method is bounded by a
 * deadline of its own and rejects when it passes. Positions must follow commit order: whoever sees a
 * position has seen every smaller one.
 */
export interface AuthorityLog {
  /**
   * Epoch, head, and the position to start from: the newest that is older than `windowSeconds`, or the one before the
   * oldest that the log still has, or the head when it has none.
   */
  open(windowSeconds: number): Promise<{ readonly epoch: string; readonly head: number; readonly trimmed: number }>;
  /** One snapshot: entries after `applied` in order, head, epoch, and the instance's own state. */
  poll(request: PollRequest): Promise<PollReply>;
  /** Adds the instance to the members; durable when it resolves. */
  register(instanceId: string): Promise<void>;
  /** Removes the instance from the members. Only for one that has stopped serving. */
  leave(instanceId: string): Promise<void>;
  /** Head and all members, marked ones included, read in one snapshot. */
  standing(): Promise<Standing>;
  /** The position of the last of these log rows, and all members, read in one snapshot after their commit. */
  committed(logIds: readonly string[]): Promise<{ readonly position: number; readonly standing: Standing }>;
  /** Marks every member that has not been seen for `silentMs`, and names all that are marked. Durable when it resolves. */
  markSilent(silentMs: number): Promise<readonly string[]>;
  /** Deletes the members among these that are still marked. */
  removeMarked(instanceIds: readonly string[]): Promise<void>;
  /** Starts a new epoch when the database was set back behind `seq` in `epoch`. */
  renewEpoch(epoch: string, seq: number): Promise<void>;
}

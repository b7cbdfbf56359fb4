/** The times the promise rests on. Every instance over one database must use the same ones. */
export interface Timing {
  /** P: a heartbeat poll starts this often. */
  readonly pollMs: number;
  /** L: how long after a heartbeat was sent its instance may still decide. */
  readonly leaseMs: number;
  /** ρ: how much two monotonic clocks may drift apart, as a fraction. */
  readonly driftMax: number;
  /** δ: what a decision may take between its lease check and its answer. */
  readonly marginMs: number;
  /** A check whose lease has run out waits this long for a poll before it refuses. */
  readonly checkDeadlineMs: number;
  /** A change of authority may take this long, its receipt included. */
  readonly changeDeadlineMs: number;
  /** How long a tombstone is kept in memory: longer than any access token lives. */
  readonly windowSeconds: number;
}

export const TIMING: Timing = {
  pollMs: 500,
  leaseMs: 3_000,
  driftMax: 0.01,
  marginMs: 50,
  checkDeadlineMs: 300,
  changeDeadlineMs: 6_000,
  windowSeconds: 3_600,
};

/** L(1+ρ)+δ: after this long, counted from a commit, no instance can hold a lease from before it. */
export function settleMs({ leaseMs, driftMax, marginMs }: Timing): number {
  return leaseMs * (1 + driftMax) + marginMs;
}

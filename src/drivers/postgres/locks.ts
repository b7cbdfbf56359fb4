/**
 * Advisory locks of PostgreSQL's: numbers that nobody else locks, here or in the database, each until the end of a transaction. What
 * they stand for is done by one transaction at a time. Versions that run side by side wait for each other by the same ones.
 */
export const LOCKS = Object.freeze({
  /** Instances that start together migrate one after the other. */
  migrations: 7_215_803,
  /** Whoever changes signing keys does so alone. */
  signingKeys: 7_215_804,
  /** The queue for the policy in force; users queue under 64-bit hashes of their ids. */
  policy: 7_215_805,
  /** Whoever may leave nobody administrator goes one after the other. */
  administrators: 7_215_806,
  /** Takes away what has ended. */
  cleaning: 7_215_807,
  /** Numbers events. */
  numbering: 7_215_809,
  /** Chains the audit log, or anchors it. */
  chaining: 7_215_811,
  /** Counts signals. */
  signals: 7_215_813,
  /** Notes where users were. */
  sightings: 7_215_815,
  /** Notices that sessions have ended. */
  ending: 7_215_816,
});

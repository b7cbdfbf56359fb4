/** What was done, kept with it: written in the same transaction, so neither exists without the other. */
export interface AuditEntry {
  /** The id of who acted. */
  readonly by: string;
  readonly sessionId: string | null;
  /** `noun.verb`: `session.revoke`, `user.create`. */
  readonly action: string;
  readonly subjectId: string;
  /** What a reader needs to understand it. Never a secret, never personal data. */
  readonly detail?: Readonly<Record<string, string | number | boolean | null>>;
}

export interface AuditWriter {
  append(entry: AuditEntry): Promise<void>;
}

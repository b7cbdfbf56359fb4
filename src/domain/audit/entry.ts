/** What a reader needs to understand a change. Never a secret, never personal data. */
export type AuditState = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

/** What was done, kept with it: written in the same transaction, so neither exists without the other. */
export interface AuditEntry {
  /** The id of who acted. */
  readonly by: string;
  readonly sessionId: string | null;
  /** `noun.verb`: `session.revoke`, `user.create`. */
  readonly action: string;
  readonly subjectId: string;
  /** How it was, as far as it was changed; absent for what had not been there. */
  readonly before?: AuditState;
  /** How it is since; absent for what is not there any more. */
  readonly after?: AuditState;
}

export interface AuditWriter {
  append(entry: AuditEntry): Promise<void>;
  /** Appends all of these, in order. One statement. */
  appendAll(entries: readonly AuditEntry[]): Promise<void>;
}

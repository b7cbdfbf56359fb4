/** One mail to one address, in plain text. */
export interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

/** Hands mails over. test/contract/mailer.contract.ts holds every driver to these words. */
export interface Mailer {
  /**
   * Resolves when the mail is in somebody else's keeping, and rejects within a deadline of its own when that is not known: the
   * caller sends it again, so that it may arrive twice. An address or a subject with a line break is rejected.
   */
  send(mail: Mail): Promise<void>;
  /** Ends what is open. */
  close(): Promise<void>;
}

import type { PolicyFile } from './parse.ts';

/** The durable policy: every bundle that was ever in force, and which one is now. */
export interface BundleReader {
  /** The version in force, or null before the first one. Inside a transaction this locks the head `for share`. */
  inForce(): Promise<string | null>;
  /** The files of that version, or null when it was never in force. */
  files(version: string): Promise<readonly PolicyFile[] | null>;
}

export interface BundleWriter extends BundleReader {
  /** The version in force, with the head locked against every other change of policy. */
  lockHead(): Promise<string | null>;
  /** Puts the version in force, keeping its files. */
  put(version: string, files: readonly PolicyFile[], by: string): Promise<void>;
}

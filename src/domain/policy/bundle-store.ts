import type { Instant } from '../../kit/clock.ts';
import type { PolicyFile } from './parse.ts';

/** A bundle that was in force at some time. */
export interface PolicyVersion {
  readonly version: string;
  /** When it was last put in force, and the id of who did. */
  readonly appliedAt: Instant;
  readonly appliedBy: string;
}

/** The durable policy: every bundle that was ever in force, and which one is now. */
export interface BundleReader {
  /** The version in force, or null before the first one. Inside a transaction this locks the head `for share`. */
  inForce(): Promise<string | null>;
  /** The files of that version, or null when it was never in force. */
  files(version: string): Promise<readonly PolicyFile[] | null>;
  /** At most so many of those that were ever in force, the one that was put in force last first. */
  history(limit: number): Promise<readonly PolicyVersion[]>;
}

export interface BundleWriter extends BundleReader {
  /** Puts the version in force, keeping its files. Of one that was in force before, the files stay as they were. */
  put(version: string, files: readonly PolicyFile[], by: string): Promise<void>;
}

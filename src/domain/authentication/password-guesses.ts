import type { Instant } from '../../kit/clock.ts';
import type { Guesses } from './guesses.ts';

/** Wrong passwords in a row, under keys that tell nobody what they were tried on. */
export interface PasswordGuessWriter {
  /** The count under this key, none at first, locked until the end of the transaction. */
  lock(key: string, at: Instant): Promise<Guesses>;
  save(key: string, guesses: Guesses): Promise<void>;
  /** From now on it is none. */
  clear(key: string): Promise<void>;
}

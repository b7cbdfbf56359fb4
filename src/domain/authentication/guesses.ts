import { toInstant, type Clock, type Instant } from '../../kit/clock.ts';
import { Refusal } from '../refusals.ts';

/** Wrong codes, or passwords, in a row, and when the next may be tried. */
export interface Guesses {
  readonly failures: number;
  /** Null while there is nothing to wait for. */
  readonly retryAt: Instant | null;
}

/** NIST SP 800-63B-4 3.2.2: at most a hundred in a row. */
const FAILURES_MAX = 100;
/** The first of them are somebody's typing errors. */
const FREE_FAILURES = 4;
const DELAY_SECONDS = 30;
const DELAY_SECONDS_MAX = 900;

const CODES_LOCKED = 'Too many codes were wrong. Use a recovery code.';

/**
 * Why nothing is checked now, or null: ACCOUNT_LOCKED after too many failures, RATE_LIMITED before the wait is over.
 *
 * @param locked what to do after too many
 */
export function notNow({ failures, retryAt }: Guesses, clock: Clock, locked = CODES_LOCKED): Refusal | null {
  if (failures >= FAILURES_MAX) return new Refusal('ACCOUNT_LOCKED', locked);
  const waitMs = retryAt === null ? 0 : Date.parse(retryAt) - clock.now();
  if (waitMs <= 0) return null;
  const retryAfterSeconds = Math.ceil(waitMs / 1_000);
  return new Refusal('RATE_LIMITED', `Try again in ${retryAfterSeconds} seconds.`, { retryAfterSeconds });
}

/** After one more failure: each wait is twice as long as the one before. */
export function afterFailure({ failures }: Guesses, clock: Clock): Guesses {
  const doublings = failures - FREE_FAILURES;
  if (doublings < 0) return { failures: failures + 1, retryAt: null };
  const seconds = Math.min(DELAY_SECONDS * 2 ** doublings, DELAY_SECONDS_MAX);
  return { failures: failures + 1, retryAt: toInstant(clock.now() + seconds * 1_000) };
}
